//! How batches present themselves to whoever sets up a webhook.

use crate::size::{GROUP, MAX_EVENTS, MAX_KILOBYTES, MAX_SECONDS, Size};
use destination::about::{Confirmation, Field, Input, KindDescription, Signature, UrlField};

/// What the pages, the API and the documents say about this kind.
pub static ABOUT: KindDescription = KindDescription {
    kind: "batch",
    name: "Batches",
    summary: "Many events in one request, for ClickHouse, Elasticsearch, Splunk, Loki, Datadog, Vector, Fluent Bit and pipelines of your own.",
    url: UrlField::Open {
        placeholder: "https://logs.example.com/events",
        hint: "Where batches go; of a platform in the list its address is enough, such as https://es.example.com:9200.",
    },
    fields: &[
        FORMAT,
        INDEX,
        TOKEN,
        USERNAME,
        PASSWORD,
        COMPRESSION,
        MAX_EVENTS,
        MAX_KILOBYTES,
        MAX_SECONDS,
    ],
    steps: &[
        "Choose what the receiver takes under Format.",
        "Put its address into URL; the path to where it takes batches is added if there is none.",
        "Put its token, API key or account into the fields for it.",
        "For Elasticsearch, Splunk and ClickHouse say which index or table; make the table first.",
        "Send a test, and look for it over there.",
    ],
    signature: Signature::Ours,
    confirmation: Confirmation::Taken,
};

const FORMAT: Field = Field {
    name: "format",
    label: "Format",
    hint: "What the receiver takes.",
    input: Input::Choice(&[
        ("ndjson", "Lines of JSON (Vector and many others)"),
        ("json", "A JSON array (Fluent Bit and many others)"),
        ("cloudevents", "CloudEvents 1.0, batch"),
        ("clickhouse", "ClickHouse, JSONEachRow"),
        ("elasticsearch", "Elasticsearch or OpenSearch, bulk"),
        ("splunk", "Splunk HTTP Event Collector"),
        ("loki", "Grafana Loki"),
        ("datadog", "Datadog logs"),
    ]),
    default: "ndjson",
    ..Field::LINE
};

/// Where events are put over there.
pub(super) const INDEX: Field = Field {
    name: "index",
    label: "Index or table",
    hint: "Of Elasticsearch, Splunk or ClickHouse; empty: opsknight-events, the token's own, opsknight_events.",
    ..Field::LINE
};

const TOKEN: Field = Field {
    name: "token",
    label: "Token or API key",
    hint: "Sent as the platform wants it: Bearer, ApiKey, Splunk or DD-API-KEY.",
    input: Input::Secret,
    ..Field::LINE
};

const USERNAME: Field = Field {
    name: "username",
    label: "User name",
    hint: "In place of a token.",
    collapsed_group: "User name and password",
    ..Field::LINE
};

const PASSWORD: Field = Field {
    name: "password",
    label: "Password",
    hint: "It goes with the user name.",
    input: Input::Secret,
    collapsed_group: "User name and password",
    ..Field::LINE
};

const COMPRESSION: Field = Field {
    name: "compression",
    label: "Compression",
    hint: "All platforms in the list take gzip.",
    input: Input::Choice(&[("none", "None"), ("gzip", "gzip")]),
    default: "none",
    collapsed_group: GROUP,
    ..Field::LINE
};

/// How large batches become.
pub(super) const SIZE: Size = Size {
    events: MAX_EVENTS,
    kilobytes: MAX_KILOBYTES,
    seconds: MAX_SECONDS,
};
