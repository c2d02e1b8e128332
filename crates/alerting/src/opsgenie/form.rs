//! How Opsgenie presents itself to whoever sets up a webhook.

use destination::about::{
    CLOCK, Confirmation, Field, Input, KindDescription, Need, Signature, TIME_ZONE, UrlField,
};

/// What the pages, the API and the documents say about this kind.
pub static ABOUT: KindDescription = KindDescription {
    kind: "opsgenie",
    name: "Opsgenie, JSM Operations",
    summary: "An alert in Opsgenie or in Jira Service Management's Operations for each incident: acknowledged and \
              closed with it.",
    url: UrlField::Root {
        default: "https://api.opsgenie.com/",
    },
    fields: &[
        Field {
            name: "apiKey",
            label: "API key",
            hint: "The key of an API integration; whoever has it can make and close alerts.",
            placeholder: "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx",
            input: Input::Secret,
            need: Need::Required,
            ..Field::LINE
        },
        Field {
            name: "tags",
            label: "Tags",
            hint: "What every alert is tagged with, for routing rules. Up to twenty, with commas between them.",
            placeholder: "opsknight, production",
            ..Field::LINE
        },
        TIME_ZONE,
        CLOCK,
    ],
    steps: &[
        "In Opsgenie, open the team that shall be alerted, then Integrations; in Jira Service Management, open \
         Operations of the team, then Integrations.",
        "Add an integration of the type API, name it OpsKnight, and turn it on with the right to create and update.",
        "Copy its API key into API key.",
        "Leave URL as it is for Opsgenie; for an account in the EU put https://api.eu.opsgenie.com/ there, for Jira \
         Service Management https://api.atlassian.com/jsm/ops/integration/.",
        "Send Test opens a real alert of priority P5: close it over there.",
    ],
    signature: Signature::None,
    confirmation: Confirmation::QueuedOnly,
};
