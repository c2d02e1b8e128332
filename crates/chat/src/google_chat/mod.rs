//! Google Chat through an incoming webhook of a space: one thread per incident, found again by its key, so that nothing
//! needs to be remembered. Messages of a webhook cannot be edited: each event is an answer in the thread. Every request
//! carries an id under which Google posts only once, so that a repeat after a lost answer does no harm.

mod answer;
mod form;
mod markup;
mod mention;
mod preview;
mod render;
#[cfg(test)]
mod tests;

use url::Url;

use destination::about::{KindDescription, Problem};
use destination::preview::Preview;
use destination::task::{Bucket, Step, Target, Task};
use destination::{Adapter, Previews};
use model::webhook::{Rate, RateUnit};

/// What is left for the next attempt once a card was refused: send text alone.
const PLAIN: &str = "plain";
/// What is left for the next attempt once a request's id was refused: send none.
const UNNAMED: &str = "unnamed";
/// What a space takes from all that post there.
const RATE: Rate = Rate {
    count: 1,
    per: RateUnit::Second,
};

/// Cards in a space of Google Chat.
pub struct GoogleChat;

impl Adapter for GoogleChat {
    fn description(&self) -> &'static KindDescription {
        &form::ABOUT
    }

    fn sample_url(&self) -> &'static str {
        "https://example.com/v1/spaces/AAQAfakeSpace/messages?key=made-up&token=made-up"
    }

    fn check(&self, target: &Target) -> Vec<Problem> {
        let problem = |field, detail: &str| Problem {
            field,
            code: "invalid_value",
            detail: detail.to_owned(),
        };
        let url = (!is_webhook(&target.url)).then(|| {
            problem(
                "url",
                "not the URL of a webhook of Google Chat: https://chat.googleapis.com/v1/spaces/…/messages?key=…&token=…",
            )
        });
        let mention = mention::read(target.option("mention")).is_none().then(|| {
            problem(
                "mention",
                "neither `all` nor ids of users such as users/123456789; at most five, with commas between them",
            )
        });
        url.into_iter().chain(mention).collect()
    }

    fn buckets(&self, target: &Target) -> Vec<Bucket> {
        vec![Bucket {
            key: bucket_key(&target.url),
            rate: Some(RATE),
        }]
    }

    fn step(&self, task: &Task<'_>) -> Step {
        Step::send(render::render(task), answer::classify)
    }

    fn previews(&self) -> Option<&dyn Previews> {
        Some(self)
    }
}

impl Previews for GoogleChat {
    fn preview(&self, body: &[u8]) -> Option<Preview> {
        preview::preview(body)
    }
}

/// The space in a webhook's URL; nothing if it is not of that form.
fn space(url: &Url) -> Option<&str> {
    match url.path_segments()?.collect::<Vec<_>>().as_slice() {
        ["v1", "spaces", space, "messages"] if !space.is_empty() => Some(space),
        _ => None,
    }
}

fn is_webhook(url: &Url) -> bool {
    let has = |wanted| {
        url.query_pairs()
            .any(|(name, value)| name == wanted && !value.is_empty())
    };
    space(url).is_some() && has("key") && has("token")
}

/// The bucket of a space: its name lets nobody post.
fn bucket_key(url: &Url) -> String {
    format!("google_chat:space:{}", space(url).unwrap_or_default())
}

/// Whether earlier attempts of the delivery left a word.
fn has_left(task: &Task<'_>, word: &str) -> bool {
    task.continuation
        .unwrap_or_default()
        .split(' ')
        .any(|left| left == word)
}
