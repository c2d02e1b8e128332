//! How Google Chat presents itself to whoever sets up a webhook.

use destination::about::{
    CLOCK, Confirmation, Field, Input, KindDescription, Signature, TIME_ZONE, UrlField,
};

/// What the pages, the API and the documents say about this kind.
pub static ABOUT: KindDescription = KindDescription {
    kind: "google_chat",
    name: "Google Chat",
    summary: "A thread in a space of Google Chat for each incident, with a card for each event.",
    url: UrlField::Secret {
        placeholder: "https://chat.googleapis.com/v1/spaces/…/messages?key=…&token=…",
        hint: "The whole URL of the space's webhook. Whoever knows it can post there.",
    },
    fields: &[
        Field {
            name: "messages",
            label: "Messages",
            hint: "A thread keeps an incident together. Webhooks of Google Chat cannot edit what they posted.",
            input: Input::Choice(&[
                ("thread", "One thread per incident"),
                ("separate", "A message of its own per event"),
            ]),
            default: "thread",
            ..Field::LINE
        },
        Field {
            name: "actions",
            label: "Actions",
            hint: "Links lead to a page that asks for confirmation. Google Chat offers webhooks no real buttons.",
            input: Input::Choice(&[
                ("links", "Links to acknowledge, resolve and the like"),
                ("off", "None"),
            ]),
            default: "links",
            ..Field::LINE
        },
        Field {
            name: "mention",
            label: "Mention",
            hint: "Who is called when an incident is triggered, escalated or reopened: the word all, or ids of users. Up \
                   to five, with commas between them.",
            placeholder: "users/123456789012345678901",
            ..Field::LINE
        },
        TIME_ZONE,
        CLOCK,
    ],
    steps: &[
        "Open the space in Google Chat in a browser; it takes a Google Workspace account that permits webhooks.",
        "Click the arrow beside the space's name and choose Apps & integrations.",
        "Choose Add webhooks, or Manage webhooks if there is one already.",
        "Give it a name such as OpsKnight, and save.",
        "Open the menu beside the new webhook and choose Copy link.",
        "Paste the link here, whole: it ends with key= and token=.",
    ],
    signature: Signature::None,
    confirmation: Confirmation::Taken,
};
