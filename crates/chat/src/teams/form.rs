//! How Microsoft Teams presents itself to whoever sets up a webhook.

use destination::about::{Confirmation, Field, Input, KindDescription, Signature, UrlField};

/// What the pages, the API and the documents say about this kind.
pub static ABOUT: KindDescription = KindDescription {
    kind: "teams",
    name: "Microsoft Teams",
    summary: "A card in a channel or chat of Microsoft Teams for each event, through a workflow.",
    url: UrlField::Secret {
        placeholder: "https://….environment.api.powerplatform.com:443/powerautomate/automations/direct/workflows/…&sig=…",
        hint: "The whole URL of the workflow. Whoever knows it can post there. URLs of the retired Office 365 \
               connectors no longer work.",
    },
    fields: &[
        Field {
            name: "actions",
            label: "Actions",
            hint: "Links lead to a page that asks for confirmation. Teams offers workflows no real buttons.",
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
            hint: "Who is called when an incident is triggered, escalated or reopened: a name and an e-mail address or \
                   Entra object id. Up to five, with commas between them.",
            placeholder: "Ada Lovelace <ada@example.com>",
            ..Field::LINE
        },
    ],
    steps: &[
        "In Teams, open the menu of the channel (…) and choose Workflows.",
        "Choose the template that posts to a channel when a webhook request is received.",
        "Sign in as whoever shall own the workflow, check team and channel, and add it.",
        "Copy the URL that is shown, whole: it ends with sig= and a long text.",
        "Paste it here, send a test and look at the channel, because Teams only tells that it queued the request.",
        "Give the workflow a second owner in Power Automate, because it stops when its only owner leaves.",
    ],
    signature: Signature::None,
    confirmation: Confirmation::QueuedOnly,
};
