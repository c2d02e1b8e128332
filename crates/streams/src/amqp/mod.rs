//! AMQP 0-9-1, RabbitMQ's protocol: each event is a persistent message to an exchange, confirmed by the server.

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

/// How a CloudEvent stands in headers of AMQP.
const BINDING: Binding = Binding {
    prefix: "cloudEvents_",
    has_content_type: true,
};
/// What names of exchanges and routing keys may hold beside letters and digits.
const ALSO: &str = ".-_:/";

/// Messages to an exchange.
pub struct Amqp;

impl Adapter for Amqp {
    fn description(&self) -> &'static KindDescription {
        &form::ABOUT
    }

    fn check(&self, target: &Target) -> Vec<Problem> {
        let path = target.url.path().strip_prefix('/').unwrap_or_default();
        let is_more = path.contains('/') || target.url.query().is_some() || target.url.fragment().is_some();
        let example = "host, port and virtual host alone, such as amqps://queue.example.com/events";
        let url = is_more.then(|| broker::invalid("url", example));
        let exchange = Some(target.option("exchange")).filter(|name| !name.is_empty());
        let exchange = exchange.and_then(|name| broker::wrong_name("exchange", name, ALSO, "incidents"));
        let key = broker::wrong_name("routingKey", target.option("routingKey"), ALSO, "incidents");
        url.into_iter()
            .chain(exchange)
            .chain(key)
            .chain(broker::problems(target))
            .collect()
    }

    fn sample_url(&self) -> &'static str {
        "amqps://queue.example.com/events"
    }

    fn step(&self, task: &Task<'_>) -> Step {
        Step::send(render(task), |_, exchange, now| answer::classify(exchange, now))
    }
}

fn render(task: &Task<'_>) -> Result<Rendered, Failure> {
    let address = BrokerAddress::Exchange {
        name: task.target.option("exchange").to_owned(),
        routing_key: broker::with_suffix(task.target.option("routingKey"), task),
    };
    let account = broker::account(task.target, SignInMechanism::Plain);
    broker::render(task, address, account, BINDING)
}
