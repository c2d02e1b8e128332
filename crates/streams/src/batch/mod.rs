//! Events in batches: many in one request, in the form that a log store, a database or a pipeline takes in bulk.
//!
//! `form` says what is asked for, `format` knows the receivers, `render` makes the request, `answer` reads what came of each
//! event, `check` tries what is saved.

mod answer;
mod check;
mod form;
mod format;
mod render;
#[cfg(test)]
mod tests;

use destination::Adapter;
use destination::about::{KindDescription, Problem};
use destination::joint::{Joint, JointLimits, step_alone};
use destination::task::{Classification, Rendered, Step, Target, Task};
use model::attempt::Failure;
use model::exchange::Exchange;
use model::time::Timestamp;

/// Batches.
pub struct Batch;

impl Adapter for Batch {
    fn description(&self) -> &'static KindDescription {
        &form::ABOUT
    }

    fn check(&self, target: &Target) -> Vec<Problem> {
        check::problems(target)
    }

    fn sample_url(&self) -> &'static str {
        "https://logs.example.com/events"
    }

    fn step(&self, task: &Task<'_>) -> Step {
        step_alone(&Batch, task)
    }

    fn joint(&self) -> Option<&dyn Joint> {
        Some(self)
    }
}

impl Joint for Batch {
    fn limits(&self, target: &Target) -> JointLimits {
        form::SIZE.limits(target)
    }

    fn request(&self, tasks: &[Task<'_>]) -> Result<Rendered, Failure> {
        render::render(tasks)
    }

    fn classify(&self, tasks: &[Task<'_>], exchange: &Exchange, now: Timestamp) -> Vec<Classification> {
        answer::classify(tasks, exchange, now)
    }
}
