//! ntfy: a push to everybody who follows a topic. A notification is known by its `sequence_id`, under which a later one takes its
//! place; what asks for attention is a new one, so that it is heard.

mod answer;
mod form;
mod preview;
mod render;
#[cfg(test)]
mod tests;

use destination::about::{KindDescription, Problem};
use destination::preview::Preview;
use destination::task::{Bucket, Classification, Step, Target, Task};
use destination::{Adapter, Previews};
use model::attempt::Outcome;
use model::patch::Patch;

use crate::answer::classify;
use crate::request::{credential_problems, invalid};
use crate::wording::Wording;

/// The longest name of a topic, and of a sequence, in bytes.
const MAX_NAME_BYTES: usize = 64;

/// Notifications of an ntfy topic.
pub struct Ntfy;

impl Adapter for Ntfy {
    fn description(&self) -> &'static KindDescription {
        &form::ABOUT
    }

    fn check(&self, target: &Target) -> Vec<Problem> {
        let topic = target.secret("topic");
        let topic = (!topic.is_empty() && !is_name(topic)).then(|| {
            invalid(
                "topic",
                "a topic has at most 64 letters, digits, hyphens and underscores",
            )
        });
        let path = (!target.url.path().trim_matches('/').is_empty()).then(|| {
            invalid(
                "url",
                "the address of the ntfy server alone, such as https://ntfy.sh/: the topic goes into its own field",
            )
        });
        topic
            .into_iter()
            .chain(path)
            .chain(credential_problems(target))
            .collect()
    }

    fn buckets(&self, target: &Target) -> Vec<Bucket> {
        // A server counts the requests of an address, whatever their topic.
        vec![Bucket {
            key: bucket_key(target),
            rate: None,
        }]
    }

    fn step(&self, task: &Task<'_>) -> Step {
        let (wording, sequence) = (Wording::new(task), render::sequence(task));
        Step::send(
            render::render(task, wording, &sequence),
            move |task, exchange, now| {
                let classification = classify(&answer::NTFY, wording, task, exchange, now);
                match classification.outcome {
                    Outcome::Delivered => Classification {
                        message_ref: Patch::Set(sequence),
                        ..classification
                    },
                    _ => classification,
                }
            },
        )
    }

    fn previews(&self) -> Option<&dyn Previews> {
        Some(self)
    }
}

impl Previews for Ntfy {
    fn preview(&self, body: &[u8]) -> Option<Preview> {
        preview::preview(body)
    }
}

/// Whether ntfy takes a text as the name of a topic or sequence.
fn is_name(text: &str) -> bool {
    let is_part = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    (1..=MAX_NAME_BYTES).contains(&text.len()) && text.bytes().all(is_part)
}

fn bucket_key(target: &Target) -> String {
    format!("ntfy:server:{}", target.url.origin().ascii_serialization())
}
