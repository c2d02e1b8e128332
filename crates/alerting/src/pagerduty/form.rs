//! How PagerDuty presents itself to whoever sets up a webhook.

use destination::about::{Confirmation, Field, Input, KindDescription, Need, Signature, UrlField};

/// What the pages, the API and the documents say about this kind.
pub static ABOUT: KindDescription = KindDescription {
    kind: "pagerduty",
    name: "PagerDuty",
    summary: "An alert of a PagerDuty service for each incident: triggered, acknowledged and resolved with it.",
    url: UrlField::Root {
        default: "https://events.pagerduty.com/",
    },
    fields: &[Field {
        name: "routingKey",
        label: "Integration key",
        hint: "The key of an Events API v2 integration; whoever has it can page the service's people.",
        placeholder: "32 letters and digits",
        input: Input::Secret,
        need: Need::Required,
        ..Field::LINE
    }],
    steps: &[
        "In PagerDuty, open the service that shall be paged: Services, Service Directory.",
        "On its tab Integrations, choose Add an integration and take Events API V2.",
        "Open the new integration and copy its Integration Key into Integration key.",
        "If your account is in the EU, put https://events.eu.pagerduty.com/ into URL; otherwise leave it as it is.",
        "Send Test opens a real alert that pages whom the service pages: resolve it in PagerDuty.",
    ],
    signature: Signature::None,
    confirmation: Confirmation::QueuedOnly,
};
