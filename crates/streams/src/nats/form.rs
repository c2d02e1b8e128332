//! How NATS presents itself to whoever sets up a webhook.

use destination::about::{Confirmation, Field, Input, KindDescription, Need, Signature, UrlField};

use crate::broker::{PASSWORD, SERVERS, SUFFIX, USERNAME};
use crate::format::FORMAT;

/// What the pages, the API and the documents say about this kind.
pub static ABOUT: KindDescription = KindDescription {
    kind: "nats",
    name: "NATS JetStream",
    summary: "Each event as a message of a stream, once for each delivery.",
    url: UrlField::Server {
        schemes: &["tls", "nats"],
        placeholder: "tls://queue.example.com:4222",
        hint: "One of your NATS servers: tls:// with TLS, nats:// with TLS where the server asks for it.",
    },
    fields: &[
        SUBJECT,
        USERNAME,
        PASSWORD,
        TOKEN,
        CREDENTIALS,
        STREAM,
        SUFFIX,
        FORMAT,
        SERVERS,
    ],
    steps: &[
        "Make a stream that takes your subject: nats stream add EVENTS --subjects 'ops.>'.",
        "Put the subject into Subject, such as ops.incidents.",
        "Give OpsKnight's user the right to publish on it and to subscribe to _INBOX.opsknight.>.",
        "Put user name and password, a token, or the text of a credentials file into the fields for it.",
        "Send a test, and read it with nats stream view EVENTS.",
    ],
    signature: Signature::None,
    confirmation: Confirmation::Taken,
};

const SUBJECT: Field = Field {
    name: "subject",
    label: "Subject",
    hint: "A stream must take it.",
    placeholder: "ops.incidents",
    need: Need::Required,
    ..Field::LINE
};

const TOKEN: Field = Field {
    name: "token",
    label: "Token",
    hint: "In place of a user name, if the server wants one.",
    input: Input::Secret,
    collapsed_group: "Other ways to sign in",
    ..Field::LINE
};

const CREDENTIALS: Field = Field {
    name: "credentials",
    label: "Credentials",
    hint: "The text of a .creds file, in one line.",
    input: Input::Secret,
    collapsed_group: "Other ways to sign in",
    ..Field::LINE
};

const STREAM: Field = Field {
    name: "stream",
    label: "Stream",
    hint: "Which stream must take it; empty: whichever does.",
    placeholder: "EVENTS",
    collapsed_group: "More",
    ..Field::LINE
};
