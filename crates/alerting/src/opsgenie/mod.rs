//! Opsgenie's Alert API and that of Jira Service Management's Operations, which took it over: the incident's id is the alert's
//! alias, by which everything else is done to it. Which of them is asked says the URL.

mod answer;
mod form;
mod preview;
mod render;
#[cfg(test)]
mod tests;

use destination::about::{KindDescription, Problem};
use destination::preview::Preview;
use destination::task::{Bucket, Step, Target, Task};
use destination::{Adapter, Previews};

use crate::answer::classify;
use crate::opsgenie::render::Call;
use crate::request::{digest, invalid};
use crate::wording::Wording;

/// Alerts of an Opsgenie team.
pub struct Opsgenie;

impl Adapter for Opsgenie {
    fn description(&self) -> &'static KindDescription {
        &form::ABOUT
    }

    fn check(&self, target: &Target) -> Vec<Problem> {
        let is_key = |key: &str| {
            key.bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
        };
        let key = (!is_key(target.secret("apiKey")))
            .then(|| invalid("apiKey", "an API key is of letters, digits and hyphens"));
        let tags = render::tags(target).is_none().then(|| {
            invalid(
                "tags",
                "at most twenty tags of at most fifty characters, with commas between them",
            )
        });
        key.into_iter().chain(tags).collect()
    }

    fn buckets(&self, target: &Target) -> Vec<Bucket> {
        // How fast an account may ask is told by its answers alone.
        vec![Bucket {
            key: bucket_key(target),
            rate: None,
        }]
    }

    /// An alert that was never opened is neither acknowledged nor closed.
    fn events_stand_alone(&self) -> bool {
        false
    }

    fn step(&self, task: &Task<'_>) -> Step {
        let wording = match Call::new(task.event.name) {
            Call::Create => Wording::new(task),
            Call::Acknowledge | Call::Close | Call::Note => Wording::Bare,
        };
        Step::send(render::render(task, wording), move |task, exchange, now| {
            classify(&answer::OPSGENIE, wording, task, exchange, now)
        })
    }

    fn previews(&self) -> Option<&dyn Previews> {
        Some(self)
    }
}

impl Previews for Opsgenie {
    fn preview(&self, body: &[u8]) -> Option<Preview> {
        preview::preview(body)
    }
}

fn bucket_key(target: &Target) -> String {
    format!("opsgenie:key:{}", digest(target.secret("apiKey")))
}
