//! What Discord's form asks for, and how to get it.

use destination::about::{Confirmation, Field, Input, KindDescription, Signature, UrlField};

/// Discord, as people see it.
pub static ABOUT: KindDescription = KindDescription {
    kind: "discord",
    name: "Discord",
    summary: "One message per incident in a Discord channel; it changes as the incident does.",
    url: UrlField::Secret {
        placeholder: "https://discord.com/api/webhooks/123456789012345678/…",
        hint: "The webhook URL from the channel's settings. Whoever knows it can post there, so it is kept sealed.",
    },
    fields: &[
        Field {
            name: "messages",
            label: "Messages",
            hint: "An edited message makes no sound. One that mentions somebody is therefore always posted anew, and \
                   is the one that is edited from then on.",
            input: Input::Choice(&[
                ("update", "One message per incident, edited"),
                ("separate", "A message per event"),
            ]),
            default: "update",
            ..Field::LINE
        },
        Field {
            name: "actions",
            label: "Actions",
            hint: "Links to a page that asks for confirmation before it acknowledges or resolves.",
            input: Input::Choice(&[("links", "Links in the message"), ("off", "None")]),
            default: "links",
            ..Field::LINE
        },
        Field {
            name: "mention",
            label: "Mention",
            hint: "Whom to call when an incident is triggered, escalated or reopened: @here, @everyone, <@&role id> or \
                   <@user id>, several with spaces between them. Nobody if it is empty.",
            placeholder: "<@&123456789012345678>",
            ..Field::LINE
        },
        Field {
            name: "threadId",
            label: "Thread",
            hint: "The id of a thread or forum post of the channel. Needed in a forum, otherwise left empty.",
            placeholder: "123456789012345678",
            ..Field::LINE
        },
        Field {
            name: "username",
            label: "Name of the sender",
            hint: "Preview instead of the webhook's own name. Discord allows 1 to 80 characters and refuses some words, \
                   its own name among them.",
            placeholder: "OpsKnight",
            ..Field::LINE
        },
    ],
    steps: &[
        "In Discord, open the settings of the channel that is to get the messages.",
        "Choose Integrations, then Webhooks, then New Webhook. This takes the permission Manage Webhooks.",
        "Give the webhook a name and a picture if you like.",
        "Press Copy Webhook URL and paste it here.",
        "For the id of a role or a thread, switch on Developer Mode in Discord's advanced settings, right-click it and \
         choose Copy ID.",
    ],
    signature: Signature::None,
    confirmation: Confirmation::Taken,
};
