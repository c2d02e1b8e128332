//! How AMQP presents itself to whoever sets up a webhook.

use destination::about::{Confirmation, Field, KindDescription, Need, Signature, UrlField};

use crate::broker::{PASSWORD, SERVERS, SUFFIX, USERNAME};
use crate::format::FORMAT;

/// What the pages, the API and the documents say about this kind.
pub static ABOUT: KindDescription = KindDescription {
    kind: "amqp",
    name: "RabbitMQ (AMQP)",
    summary: "Each event as a persistent message to an exchange, confirmed by the server.",
    url: UrlField::Server {
        schemes: &["amqps", "amqp"],
        placeholder: "amqps://queue.example.com/events",
        hint: "Your server, with the virtual host as path if it is not /: amqps:// with TLS (port 5671 unless another is given), amqp:// without (5672).",
    },
    fields: &[ROUTING_KEY, EXCHANGE, USERNAME, PASSWORD, SUFFIX, FORMAT, SERVERS],
    steps: &[
        "In RabbitMQ, make a durable queue, and an exchange with a binding to it if you want one.",
        "Without an exchange, put the queue's name into Routing key; with one, the exchange and the key of its binding.",
        "Make a user who may write to the exchange: rabbitmqctl set_permissions -p / opsknight '' '^incidents$' ''.",
        "Put user name and password into their fields.",
        "Send a test, and get a message from the queue in the management page.",
    ],
    signature: Signature::None,
    confirmation: Confirmation::Taken,
};

const ROUTING_KEY: Field = Field {
    name: "routingKey",
    label: "Routing key",
    hint: "Without an exchange, the queue's name.",
    placeholder: "incidents",
    need: Need::Required,
    ..Field::LINE
};

const EXCHANGE: Field = Field {
    name: "exchange",
    label: "Exchange",
    hint: "Empty: the default exchange, which knows each queue by its name.",
    placeholder: "events",
    ..Field::LINE
};
