//! What goes between the server and a worker: the length of a text as four bytes, and the text, which is JSON. An order one
//! way, an answer the other.

use serde::{Deserialize, Serialize};

use destination::template::{Broken, Made};

/// The longest text: a template, its result and the values of an event are far shorter.
pub(super) const MAX_BYTES: usize = 4 * 1024 * 1024;

/// What a worker answers.
#[derive(Serialize, Deserialize)]
pub(super) enum Answer {
    Text(String),
    /// Why there is none.
    Broken {
        /// Line and column.
        place: Option<(usize, usize)>,
        /// What is wrong.
        sentence: String,
    },
}

impl From<Made> for Answer {
    fn from(made: Made) -> Self {
        match made {
            Ok(text) => Self::Text(text),
            Err(Broken { place, sentence, .. }) => Self::Broken { place, sentence },
        }
    }
}

impl From<Answer> for Made {
    fn from(answer: Answer) -> Self {
        match answer {
            Answer::Text(text) => Ok(text),
            Answer::Broken { place, sentence } => Err(Broken::new(place, sentence)),
        }
    }
}

/// A text with its length before it; nothing if it is too long.
pub(super) fn frame(value: &impl Serialize) -> Option<Vec<u8>> {
    let text = serde_json::to_vec(value).ok()?;
    let length = u32::try_from(text.len())
        .ok()
        .filter(|_| text.len() <= MAX_BYTES)?;
    Some([&length.to_be_bytes(), text.as_slice()].concat())
}

/// How long the text behind these four bytes is; nothing if it is too long.
pub(super) fn length(head: [u8; 4]) -> Option<usize> {
    let length = usize::try_from(u32::from_be_bytes(head)).ok()?;
    (length <= MAX_BYTES).then_some(length)
}
