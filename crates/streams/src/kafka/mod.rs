//! Kafka: each event is a record of a topic, under its incident's id, written by all replicas in sync.

mod answer;
mod form;
#[cfg(test)]
mod tests;

use destination::Adapter;
use destination::about::{KindDescription, Problem};
use destination::task::{Rendered, Step, Target, Task};
use model::attempt::Failure;
use model::broker::{BrokerAddress, SignInMechanism};

use crate::broker;
use crate::format::Binding;

/// How a CloudEvent stands in headers of Kafka.
const BINDING: Binding = Binding {
    prefix: "ce_",
    has_content_type: true,
};

/// Records of a topic.
pub struct Kafka;

impl Adapter for Kafka {
    fn description(&self) -> &'static KindDescription {
        &form::ABOUT
    }

    fn check(&self, target: &Target) -> Vec<Problem> {
        let url = broker::more_than_a_server(&target.url, "kafka+ssl://queue.example.com:9093");
        let topic = target.option("topic");
        let wrong = broker::wrong_name("topic", topic, ".-_", "incidents");
        let is_path = matches!(topic, "." | "..");
        let path = is_path.then(|| broker::invalid("topic", "a topic has a name, such as incidents"));
        url.into_iter()
            .chain(wrong.or(path))
            .chain(broker::problems(target))
            .collect()
    }

    fn sample_url(&self) -> &'static str {
        "kafka+ssl://queue.example.com:9093"
    }

    fn step(&self, task: &Task<'_>) -> Step {
        Step::send(render(task), |_, exchange, now| answer::classify(exchange, now))
    }
}

fn render(task: &Task<'_>) -> Result<Rendered, Failure> {
    let address = BrokerAddress::Topic {
        name: task.target.option("topic").to_owned(),
        key: task.event.incident_id.to_string(),
    };
    let mechanism = match task.target.option("mechanism") {
        "scram_sha_256" => SignInMechanism::ScramSha256,
        "scram_sha_512" => SignInMechanism::ScramSha512,
        _ => SignInMechanism::Plain,
    };
    let account = broker::account(task.target, mechanism);
    broker::render(task, address, account, BINDING)
}
