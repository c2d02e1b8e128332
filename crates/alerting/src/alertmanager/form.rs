//! How Alertmanager presents itself to whoever sets up a webhook.

use destination::about::{Confirmation, Field, Input, KindDescription, Signature, UrlField};

/// What the pages, the API and the documents say about this kind.
pub static ABOUT: KindDescription = KindDescription {
    kind: "alertmanager",
    name: "Alertmanager",
    summary: "An alert in Prometheus Alertmanager for each incident, firing until it is resolved: its routes, silences \
              and inhibitions apply.",
    url: UrlField::Open {
        placeholder: "http://alertmanager.example.com:9093/",
        hint: "Alertmanager's own address, with its route prefix if it has one. Each member of a cluster is a webhook of \
               its own: members do not hand alerts on.",
    },
    fields: &[NAME, LABELS, TOKEN, USERNAME, PASSWORD],
    steps: &[
        "Put the address of Alertmanager into URL, without /api/v2/alerts.",
        "If this server may not connect to internal addresses, allow Alertmanager's under [outbound] allow.",
        "If it asks for a user name and password, or stands behind a proxy that asks for a token, give them.",
        "Add labels by which your routes send the alerts on, such as team=platform.",
        "Send a test and look at Alertmanager's page.",
    ],
    signature: Signature::None,
    confirmation: Confirmation::Taken,
};

const NAME: Field = Field {
    name: "alertName",
    label: "Alert name",
    hint: "The label alertname of every alert.",
    placeholder: "OpsKnightIncident",
    default: "OpsKnightIncident",
    ..Field::LINE
};

const LABELS: Field = Field {
    name: "labels",
    label: "Labels",
    hint: "More labels, one a line. An incident's own are incident, service and severity.",
    placeholder: "team=platform",
    input: Input::Lines,
    ..Field::LINE
};

const TOKEN: Field = Field {
    name: "token",
    label: "Bearer token",
    hint: "Only if something before Alertmanager asks for one.",
    input: Input::Secret,
    collapsed_group: "Credentials",
    ..Field::LINE
};

const USERNAME: Field = Field {
    name: "username",
    label: "User name",
    hint: "Only if Alertmanager's web configuration asks for one.",
    collapsed_group: "Credentials",
    ..Field::LINE
};

const PASSWORD: Field = Field {
    name: "password",
    label: "Password",
    hint: "It goes with the user name.",
    input: Input::Secret,
    collapsed_group: "Credentials",
    ..Field::LINE
};
