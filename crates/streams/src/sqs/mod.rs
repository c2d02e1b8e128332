//! Amazon SQS: each event is a message of a queue. In a FIFO queue the messages of an incident are a group, so that they stay in
//! their order, and a delivery that is sent again within five minutes is one message.

mod answer;
mod form;
mod render;
#[cfg(test)]
mod tests;

use destination::Adapter;
use destination::about::{KindDescription, Problem};
use destination::task::{Step, Target, Task};
use url::Url;

use crate::aws::{self, Service};

/// Messages of a queue.
pub struct Sqs;

impl Adapter for Sqs {
    fn description(&self) -> &'static KindDescription {
        &form::ABOUT
    }

    fn check(&self, target: &Target) -> Vec<Problem> {
        let path = queue(&target.url).is_none().then(|| Problem {
            field: "url",
            code: "invalid_value",
            detail: "the queue's whole URL, such as https://sqs.eu-central-1.amazonaws.com/123456789012/incidents.fifo"
                .to_owned(),
        });
        path.into_iter()
            .chain(aws::problems(target, Service::Sqs))
            .collect()
    }

    fn sample_url(&self) -> &'static str {
        "https://sqs.eu-central-1.amazonaws.com/123456789012/incidents.fifo"
    }

    fn step(&self, task: &Task<'_>) -> Step {
        Step::send(render::render(task), |_, exchange, now| {
            answer::classify(exchange, now)
        })
    }
}

/// The name of the queue of a URL; nothing if that is none of a queue.
fn queue(url: &Url) -> Option<&str> {
    let mut parts = url.path_segments()?;
    let queue = parts.next_back().filter(|name| !name.is_empty())?;
    let has_account = parts.next_back().is_some_and(|account| !account.is_empty());
    (has_account && url.query().is_none()).then_some(queue)
}
