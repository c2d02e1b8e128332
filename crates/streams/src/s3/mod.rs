//! Amazon S3 and what speaks like it: many events as one object. Its key is made of the time of its first event and the ids of its
//! deliveries, so that what is sent again, since an answer was lost, is the same object.
//!
//! An object is one request: with what a batch may hold it is far below the 5 GiB that S3 takes at once, and nobody sees a
//! part of it.

mod answer;
mod form;
mod key;
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

use crate::aws::{self, Service};

/// Objects of a bucket.
pub struct S3;

impl Adapter for S3 {
    fn description(&self) -> &'static KindDescription {
        &form::ABOUT
    }

    fn check(&self, target: &Target) -> Vec<Problem> {
        let own = key::problems(target).into_iter();
        own.chain(aws::problems(target, Service::S3))
            .chain(form::SIZE.problems(target))
            .collect()
    }

    fn sample_url(&self) -> &'static str {
        "https://incidents.s3.eu-central-1.amazonaws.com"
    }

    fn step(&self, task: &Task<'_>) -> Step {
        step_alone(&S3, task)
    }

    fn joint(&self) -> Option<&dyn Joint> {
        Some(self)
    }
}

impl Joint for S3 {
    fn limits(&self, target: &Target) -> JointLimits {
        form::SIZE.limits(target)
    }

    fn request(&self, tasks: &[Task<'_>]) -> Result<Rendered, Failure> {
        render::render(tasks)
    }

    fn classify(&self, tasks: &[Task<'_>], exchange: &Exchange, now: Timestamp) -> Vec<Classification> {
        vec![answer::classify(tasks.len(), exchange, now); tasks.len()]
    }
}
