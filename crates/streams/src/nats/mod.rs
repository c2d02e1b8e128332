//! NATS: each event is a message of a JetStream, which knows a repeat by the delivery's id.

mod answer;
mod form;
#[cfg(test)]
mod tests;

use destination::Adapter;
use destination::about::{KindDescription, Problem};
use destination::task::{Rendered, Step, Target, Task};
use model::attempt::Failure;
use model::broker::{BrokerAccount, BrokerAddress, SignInMechanism};
use model::secret::SecretText;

use crate::broker;
use crate::format::Binding;

/// How a CloudEvent stands in headers of NATS.
const BINDING: Binding = Binding {
    prefix: "ce-",
    has_content_type: false,
};

/// Messages of a JetStream.
pub struct Nats;

impl Adapter for Nats {
    fn description(&self) -> &'static KindDescription {
        &form::ABOUT
    }

    fn check(&self, target: &Target) -> Vec<Problem> {
        let url = broker::more_than_a_server(&target.url, "nats://queue.example.com:4222");
        let subject = target.option("subject");
        let example = "ops.incidents; none begins with a dollar sign, and none is a wildcard";
        let wrong = broker::wrong_name("subject", subject, ".-_", example);
        let has_gap = subject.split('.').any(str::is_empty);
        let gap = has_gap.then(|| broker::invalid("subject", "no part of it is empty, as in ops.incidents"));
        let stream = Some(target.option("stream")).filter(|stream| !stream.is_empty());
        let stream = stream.and_then(|stream| broker::wrong_name("stream", stream, "-_", "EVENTS"));
        let ways = [
            !target.option("username").is_empty(),
            !target.secret("token").is_empty(),
            !target.secret("credentials").is_empty(),
        ];
        let is_one = ways.iter().filter(|is_set| **is_set).count() <= 1;
        let detail = "one way to sign in: user name and password, a token, or credentials";
        let ways = (!is_one).then(|| broker::invalid("username", detail));
        url.into_iter()
            .chain(wrong.or(gap))
            .chain(stream)
            .chain(ways)
            .chain(broker::problems(target))
            .collect()
    }

    fn sample_url(&self) -> &'static str {
        "nats://queue.example.com:4222"
    }

    fn step(&self, task: &Task<'_>) -> Step {
        Step::send(render(task), |_, exchange, now| answer::classify(exchange, now))
    }
}

fn render(task: &Task<'_>) -> Result<Rendered, Failure> {
    let target = task.target;
    let stream = Some(target.option("stream").to_owned());
    let address = BrokerAddress::Subject {
        name: broker::with_suffix(target.option("subject"), task),
        stream: stream.filter(|stream| !stream.is_empty()),
    };
    let account = match (target.secret("credentials"), target.secret("token")) {
        ("", "") => broker::account(target, SignInMechanism::Plain),
        ("", token) => BrokerAccount::Token(SecretText::new(token)),
        (file, _) => BrokerAccount::Credentials(SecretText::new(file)),
    };
    broker::render(task, address, account, BINDING)
}
