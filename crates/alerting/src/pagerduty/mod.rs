//! PagerDuty through its Events API v2: the incident's id is the alert's `dedup_key`, so that nothing needs to be remembered.

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
use model::webhook::{Rate, RateUnit};

use crate::answer::classify;
use crate::request::{digest, invalid};
use crate::wording::Wording;

/// What PagerDuty takes with one integration key.
const RATE: Rate = Rate {
    count: 120,
    per: RateUnit::Minute,
};
/// The length of an integration key, in characters.
const KEY_LENGTH: usize = 32;

/// Alerts of a service in PagerDuty.
pub struct PagerDuty;

impl Adapter for PagerDuty {
    fn description(&self) -> &'static KindDescription {
        &form::ABOUT
    }

    fn check(&self, target: &Target) -> Vec<Problem> {
        let key = target.secret("routingKey");
        let is_key = key.len() == KEY_LENGTH && key.bytes().all(|byte| byte.is_ascii_alphanumeric());
        let problem = invalid(
            "routingKey",
            "an integration key of the Events API v2 has 32 letters and digits",
        );
        (!key.is_empty() && !is_key)
            .then_some(problem)
            .into_iter()
            .collect()
    }

    fn buckets(&self, target: &Target) -> Vec<Bucket> {
        vec![Bucket {
            key: bucket_key(target),
            rate: Some(RATE),
        }]
    }

    /// An alert that was never opened is neither acknowledged nor closed.
    fn events_stand_alone(&self) -> bool {
        false
    }

    fn step(&self, task: &Task<'_>) -> Step {
        let wording = match render::action(task.event.name) {
            "trigger" => Wording::new(task),
            _ => Wording::Bare,
        };
        Step::send(render::render(task, wording), move |task, exchange, now| {
            classify(&answer::PAGERDUTY, wording, task, exchange, now)
        })
    }

    fn previews(&self) -> Option<&dyn Previews> {
        Some(self)
    }
}

impl Previews for PagerDuty {
    fn preview(&self, body: &[u8]) -> Option<Preview> {
        preview::preview(body)
    }
}

fn bucket_key(target: &Target) -> String {
    format!("pagerduty:key:{}", digest(target.secret("routingKey")))
}
