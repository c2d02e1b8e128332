//! How Telegram presents itself: its fields and how to get what they ask for.

use destination::about::{
    CLOCK, Confirmation, Field, Input, KindDescription, Need, Signature, TIME_ZONE, UrlField,
};

/// The form.
pub static ABOUT: KindDescription = KindDescription {
    kind: "telegram",
    name: "Telegram",
    summary: "One message per incident in a Telegram chat, sent by a bot of yours and kept up to date, with buttons if \
              you like.",
    url: UrlField::Root {
        default: "https://api.telegram.org/",
    },
    fields: &[
        TOKEN, CHAT, THREAD, MESSAGES, ACTIONS, MENTION, SILENT, TIME_ZONE, CLOCK,
    ],
    steps: &[
        "In Telegram, write to @BotFather, send /newbot and choose a name for your bot.",
        "Copy the token that @BotFather answers with into Bot token.",
        "Add the bot to the group or channel; in a channel, make it an administrator that may post messages.",
        "For a public group or channel, put its @name into Chat.",
        "For any other chat, write something in it, open https://api.telegram.org/bot<token>/getUpdates in a browser \
         and copy the number beside \"chat\":{\"id\": with its minus sign into Chat.",
        "For Buttons, save the webhook and run the command that its page shows, so that Telegram calls {callback}.",
    ],
    signature: Signature::None,
    confirmation: Confirmation::Taken,
};

const TOKEN: Field = Field {
    name: "token",
    label: "Bot token",
    hint: "The token that @BotFather gave you; whoever has it is the bot.",
    placeholder: "123456789:AAExampleExampleExampleExampleExamp",
    input: Input::Secret,
    need: Need::Required,
    ..Field::LINE
};

const CHAT: Field = Field {
    name: "chat",
    label: "Chat",
    hint: "The number of a chat, or the @name of a public group or channel.",
    placeholder: "-1001234567890",
    need: Need::Required,
    ..Field::LINE
};

const THREAD: Field = Field {
    name: "thread",
    label: "Topic",
    hint: "The number of a topic, for groups with topics; leave it empty for the General topic.",
    placeholder: "42",
    ..Field::LINE
};

const MESSAGES: Field = Field {
    name: "messages",
    label: "Messages",
    hint: "Changing a message makes no sound; replies and separate messages do.",
    input: Input::Choice(&[
        ("update", "One message per incident, changed with each event"),
        ("thread", "One message per incident, later events reply to it"),
        ("separate", "A message per event"),
    ]),
    default: "update",
    ..Field::LINE
};

const ACTIONS: Field = Field {
    name: "actions",
    label: "Actions",
    hint: "Buttons need the command that this webhook's page shows, and a server that Telegram reaches over HTTPS.",
    input: Input::Choice(&[
        ("links", "Links to a page that asks for confirmation"),
        ("buttons", "Buttons that act at once"),
        ("off", "None"),
    ]),
    default: "links",
    ..Field::LINE
};

const MENTION: Field = Field {
    name: "mention",
    label: "Mention",
    hint: "Up to 5 @usernames that are called when an incident is triggered, escalated or reopened; nobody else ever is.",
    placeholder: "@oncall_ada @oncall_bob",
    ..Field::LINE
};

const SILENT: Field = Field {
    name: "silent",
    label: "Sound",
    hint: "Silent messages arrive without a sound.",
    input: Input::Choice(&[
        ("", "With sound"),
        ("resolved", "Silent when resolved"),
        ("all", "Always silent"),
    ]),
    ..Field::LINE
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_hint_and_step_is_a_sentence() {
        let hints = ABOUT.fields.iter().map(|field| field.hint);
        let mut sentences = hints.chain(ABOUT.steps.iter().copied());
        assert!(sentences.all(|text| text.starts_with(char::is_uppercase) && text.ends_with('.')));
    }
}
