//! How mail presents itself to whoever sets up a webhook.

use destination::about::{
    CLOCK, Confirmation, Field, Input, KindDescription, Need, Signature, TIME_ZONE, UrlField,
};

/// What the pages, the API and the documents say about this kind.
pub static ABOUT: KindDescription = KindDescription {
    kind: "email",
    name: "Email",
    summary: "A mail to one or more people for each event, in one thread per incident, through your mail server.",
    url: UrlField::Server {
        schemes: &["smtps", "smtp"],
        placeholder: "smtp://mail.example.com:587",
        hint: "Your mail server: smtp:// with STARTTLS (port 587 unless another is given), smtps:// with TLS from the first byte (465).",
    },
    fields: &[
        FROM, TO, USERNAME, PASSWORD, REPLY_TO, SUBJECT, ENCRYPTION, ACTIONS, TIME_ZONE, CLOCK,
    ],
    steps: &[
        "Ask whoever runs your mail for the server that programs may send through, and for an account or app password.",
        "Put the server into URL, such as smtp://mail.example.com:587.",
        "Put an address that this account may send as into From, and those who shall get the mails into To.",
        "Put the account into User name and Password; leave both empty if the server takes mails from this host as they come.",
        "Send a test, and look into the inbox and the spam folder.",
    ],
    signature: Signature::None,
    confirmation: Confirmation::QueuedOnly,
};

const FROM: Field = Field {
    name: "from",
    label: "From",
    hint: "One address, with a name if you like.",
    placeholder: "OpsKnight <opsknight@example.com>",
    need: Need::Required,
    ..Field::LINE
};

const TO: Field = Field {
    name: "to",
    label: "To",
    hint: "Up to 50 addresses, one per line or with commas. All see each other; for many people use a list of your mail server.",
    placeholder: "oncall@example.com",
    input: Input::Lines,
    need: Need::Required,
    ..Field::LINE
};

const USERNAME: Field = Field {
    name: "username",
    label: "User name",
    hint: "Often the whole address.",
    ..Field::LINE
};

const PASSWORD: Field = Field {
    name: "password",
    label: "Password",
    hint: "It goes with the user name, and is only ever sent encrypted.",
    input: Input::Secret,
    ..Field::LINE
};

const REPLY_TO: Field = Field {
    name: "replyTo",
    label: "Reply to",
    hint: "Where answers go; empty: to From.",
    collapsed_group: "More",
    ..Field::LINE
};

const SUBJECT: Field = Field {
    name: "subject",
    label: "Subject",
    hint: "Some mail programs, Gmail among them, keep a thread together only if its subject stays the same.",
    input: Input::Choice(&[
        ("thread", "The same for all mails of an incident"),
        ("status", "What happened, in front of the title"),
    ]),
    default: "thread",
    collapsed_group: "More",
    ..Field::LINE
};

const ENCRYPTION: Field = Field {
    name: "encryption",
    label: "Encryption of smtp://",
    hint: "smtps:// is always encrypted.",
    input: Input::Choice(&[
        ("required", "STARTTLS, or no mail is sent"),
        (
            "optional",
            "STARTTLS where it is offered; otherwise mails go in the clear, and no password",
        ),
    ]),
    default: "required",
    collapsed_group: "More",
    ..Field::LINE
};

const ACTIONS: Field = Field {
    name: "actions",
    label: "Actions",
    hint: "A link opens a page that asks for confirmation: mail programs open links by themselves.",
    input: Input::Choice(&[
        ("links", "Links to acknowledge, resolve and the like"),
        ("off", "None"),
    ]),
    default: "links",
    collapsed_group: "More",
    ..Field::LINE
};
