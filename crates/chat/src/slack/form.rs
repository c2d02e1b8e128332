//! What Slack's form asks for, and how to get it.

use destination::about::{Confirmation, Field, Input, KindDescription, Signature, UrlField};

/// The root of Slack's Web API: the URL of a webhook that has a token and no URL of its own.
pub const API_ROOT: &str = "https://slack.com/api/";

/// Slack, as people see it.
pub static ABOUT: KindDescription = KindDescription {
    kind: "slack",
    name: "Slack",
    summary: "Messages in a Slack channel: through an app one per incident that changes with it, through an incoming \
              webhook one per event.",
    url: UrlField::Secret {
        placeholder: "https://hooks.slack.com/services/T000/B000/…",
        hint: "The URL of an incoming webhook, kept sealed. Leave it empty if you give a bot token.",
    },
    fields: &[
        Field {
            name: "token",
            label: "Bot token",
            hint: "With it one message per incident is possible. It begins with xoxb-.",
            placeholder: "xoxb-…",
            input: Input::Secret,
            ..Field::LINE
        },
        Field {
            name: "channel",
            label: "Channel",
            hint: "The id of the channel, needed with a bot token. An incoming webhook has its channel already.",
            placeholder: "C0123456789",
            ..Field::LINE
        },
        Field {
            name: "signingSecret",
            label: "Signing secret",
            hint: "Needed for buttons: it proves that a press on one comes from Slack.",
            input: Input::Secret,
            ..Field::LINE
        },
        Field {
            name: "messages",
            label: "Messages",
            hint: "Counts with a bot token only; an incoming webhook always posts a message per event. An edited \
                   message makes no sound, so one that mentions somebody is posted anew.",
            input: Input::Choice(&[
                ("update", "One message per incident, edited"),
                ("thread", "One thread per incident"),
                ("separate", "A message per event"),
            ]),
            default: "update",
            ..Field::LINE
        },
        Field {
            name: "actions",
            label: "Actions",
            hint: "Links lead to a page that asks for confirmation. Buttons act at once and take the signing \
                   secret and the app's Interactivity.",
            input: Input::Choice(&[
                ("links", "Links to a page"),
                ("buttons", "Buttons that act at once"),
                ("off", "None"),
            ]),
            default: "links",
            ..Field::LINE
        },
        Field {
            name: "mention",
            label: "Mention",
            hint: "Whom to call when an incident is triggered, escalated or reopened: @here, @channel, <@user id> or \
                   <!subteam^group id>, several with spaces between them. Nobody if it is empty.",
            placeholder: "<!subteam^S0123456789>",
            ..Field::LINE
        },
    ],
    steps: &[
        "At api.slack.com/apps, create an app from scratch in your workspace.",
        "For one message per incident, open OAuth & Permissions, add the bot scope chat:write, install the app and \
         copy the Bot User OAuth Token.",
        "Invite the app to the channel with /invite, and copy the channel's id from the end of its details.",
        "Without a bot, open Incoming Webhooks instead, switch them on, add one to a channel and copy its URL.",
        "For buttons, copy the Signing Secret from Basic Information.",
        "Then switch on Interactivity & Shortcuts with this Request URL: {callback}",
    ],
    signature: Signature::None,
    confirmation: Confirmation::Taken,
};
