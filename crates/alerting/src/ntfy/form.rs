//! How ntfy presents itself to whoever sets up a webhook.

use destination::about::{
    CLOCK, Confirmation, Field, Input, KindDescription, Need, Signature, TIME_ZONE, UrlField,
};

/// What the pages, the API and the documents say about this kind.
pub static ABOUT: KindDescription = KindDescription {
    kind: "ntfy",
    name: "ntfy",
    summary: "A push to phones and desktops for each incident, kept up to date, through ntfy.sh or a server of yours.",
    url: UrlField::Root {
        default: "https://ntfy.sh/",
    },
    fields: &[
        TOPIC, TOKEN, USERNAME, PASSWORD, MESSAGES, ACTIONS, TIME_ZONE, CLOCK,
    ],
    steps: &[
        "Install the ntfy app, or open your server's page, and subscribe to a topic that nobody can guess.",
        "Put the topic's name into Topic; on ntfy.sh whoever knows it can read and write there.",
        "For a server of your own, put its address into URL, such as https://ntfy.example.com/.",
        "If the topic is protected, make an access token for an account that may write there, and put it into Access token.",
        "Send a test and look at your phone.",
    ],
    signature: Signature::None,
    confirmation: Confirmation::Taken,
};

const TOPIC: Field = Field {
    name: "topic",
    label: "Topic",
    hint: "Where to; stored like a password, for on an open server it is one.",
    placeholder: "opsknight-k2v9q4x7",
    input: Input::Secret,
    need: Need::Required,
    ..Field::LINE
};

const TOKEN: Field = Field {
    name: "token",
    label: "Access token",
    hint: "Only for a topic that not everybody may write to.",
    placeholder: "tk_…",
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

const MESSAGES: Field = Field {
    name: "messages",
    label: "Notifications",
    hint: "A later one takes an earlier one's place on servers and apps since ntfy 2.16; on older ones each stays.",
    input: Input::Choice(&[
        ("update", "One per incident, kept up to date"),
        ("separate", "One of its own per event"),
    ]),
    default: "update",
    ..Field::LINE
};

const ACTIONS: Field = Field {
    name: "actions",
    label: "Actions",
    hint: "Buttons open a page that asks for confirmation.",
    input: Input::Choice(&[
        ("links", "Buttons to acknowledge, resolve and the like"),
        ("off", "None"),
    ]),
    default: "links",
    ..Field::LINE
};
