//! The request for a task: `sendMessage` or `editMessageText`, with plain text and entities.
//!
//! Entities instead of a markup language: no text of people can break them. What Telegram finds in plain text by itself
//! (`@names`, hashtags, commands, links, addresses) is broken up in texts of people by a word joiner (U+2060), which is
//! not seen; Telegram takes it for none of the characters that names, tags and links are made of.

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue, Method};
use serde_json::{Map, Value, json};
use url::{Host, Url};

use crate::telegram::PLAIN;
use crate::telegram::settings::{self, Action};
use destination::card::{Card, act_label};
use destination::task::{Rendered, Target, Task};
use destination::text::{Unit, cut};
use model::attempt::{Disposition, Failure};
use model::exchange::FailureCode;

/// What breaks up a text so that Telegram finds nothing in it.
pub(super) const WORD_JOINER: char = '\u{2060}';
/// Room for the title, in UTF-16 units. All rooms together stay far below Telegram's 4096, and below 16 KiB even if
/// Telegram's answer writes each unit as `\uXXXX`.
const MAX_TITLE: usize = 1000;
/// Room for the service's name.
const MAX_SERVICE: usize = 200;
/// Room for a person's name.
const MAX_PERSON: usize = 100;
/// Room for the title of a plain message.
const MAX_PLAIN_TITLE: usize = 200;
/// Room for a link in the text, in UTF-16 units; a longer one is left out.
const MAX_LINK: usize = 500;
/// The longest token in a button, in bytes.
const MAX_TOKEN_BYTES: usize = 64;

/// The request for a task.
pub(super) fn render(task: &Task<'_>, action: Action) -> Result<Rendered, Failure> {
    let card = Card::numbered(task)?;
    let method = match action {
        Action::Post | Action::Reply(_) => "sendMessage",
        Action::Edit(_) => "editMessageText",
    };
    let (url, shown_url) = settings::method_url(task.target, method).ok_or_else(|| {
        Failure::new(
            FailureCode::RequestInvalid,
            "the URL and the bot token make no address",
        )
        .with(Disposition::NeedsOperator)
    })?;
    let mut body = addressed(task, &card, action);
    if task.continuation == Some(PLAIN) {
        body.insert("text".into(), plain_text(task, &card).into());
    } else {
        let message = full_text(task, &card);
        body.insert("text".into(), message.text.into());
        body.insert("entities".into(), message.entities.into());
        let rows = keyboard(task, &card);
        if !rows.is_empty() {
            body.insert("reply_markup".into(), json!({ "inline_keyboard": rows }));
        }
    }
    Ok(call(url, body).shown_as(shown_url))
}

/// The request that asks the bot about its chat.
pub(super) fn probe(target: &Target) -> Option<Rendered> {
    let (url, _) = settings::method_url(target, "getChat")?;
    Some(call(
        url,
        Map::from_iter([("chat_id".to_owned(), chat_id(target))]),
    ))
}

fn call(url: Url, body: Map<String, Value>) -> Rendered {
    let headers = HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static("application/json"))]);
    Rendered::new(
        Method::POST,
        url,
        headers,
        Bytes::from(Value::Object(body).to_string()),
    )
}

/// The chat as the Bot API wants it named: by its number, or by its `@name`.
fn chat_id(target: &Target) -> Value {
    let chat = settings::chat(target);
    chat.parse::<i64>().map_or_else(|_| chat.into(), Value::from)
}

/// The members that say where the message goes and how it arrives.
fn addressed(task: &Task<'_>, card: &Card, action: Action) -> Map<String, Value> {
    let mut body = Map::new();
    body.insert("chat_id".into(), chat_id(task.target));
    match action {
        Action::Edit(message) => {
            body.insert("message_id".into(), message.into());
        }
        Action::Post | Action::Reply(_) => {
            let thread = task.target.option("thread").trim().parse::<i32>().ok();
            body.extend(thread.map(|thread| ("message_thread_id".to_owned(), thread.into())));
            if settings::is_silent(task.target, card.event) {
                body.insert("disable_notification".into(), true.into());
            }
        }
    }
    if let Action::Reply(message) = action {
        let reply = json!({ "message_id": message, "allow_sending_without_reply": true });
        body.insert("reply_parameters".into(), reply);
    }
    body.insert("link_preview_options".into(), json!({ "is_disabled": true }));
    body
}

/// A text with its entities, counted as it grows.
#[derive(Default)]
struct Message {
    text: String,
    units: usize,
    entities: Vec<Value>,
}

impl Message {
    fn push(&mut self, text: &str) {
        self.units += Unit::Utf16.length(text);
        self.text.push_str(text);
    }

    /// Adds a text that is an entity: `entity` says which, without its place.
    fn push_as(&mut self, text: &str, mut entity: Value) {
        entity["offset"] = self.units.into();
        entity["length"] = Unit::Utf16.length(text).into();
        self.entities.push(entity);
        self.push(text);
    }
}

fn full_text(task: &Task<'_>, card: &Card) -> Message {
    let mut message = Message::default();
    message.push(card.mark());
    message.push(if card.is_test { " [Test] " } else { " " });
    message.push_as(&title(card, MAX_TITLE), json!({ "type": "bold" }));
    let service = quiet(&card.service, MAX_SERVICE);
    message.push(&format!(
        "\n{} · {} · {service}",
        card.status_name(),
        card.severity_name()
    ));
    message.push(&format!(
        "\nAssignee: {}",
        quiet(card.assignee_name(), MAX_PERSON)
    ));
    message.push("\nSince: ");
    // Preview as "5 minutes ago" by those apps that know this entity, and as it stands by others.
    let since = json!({ "type": "date_time", "unix_time": card.since.as_seconds(), "date_time_format": "r" });
    message.push_as(&card.since_text(), since);
    if card.by.is_some() || card.happened() != card.status_name() {
        message.push("\n");
        let person = card.by.as_deref().map(|person| quiet(person, MAX_PERSON));
        let by = person.map(|person| format!(" by {person}")).unwrap_or_default();
        message.push_as(&format!("{}{by}", card.happened()), json!({ "type": "italic" }));
    }
    let link = card.link.as_deref().filter(|link| !is_button_url(link));
    if let Some(link) = link.filter(|link| Unit::Utf16.length(link) <= MAX_LINK) {
        message.push(&format!("\nIncident: {link}"));
    }
    for (index, name) in settings::mentions(task.target, card.event)
        .into_iter()
        .enumerate()
    {
        message.push(if index == 0 { "\n" } else { " " });
        message.push_as(name, json!({ "type": "mention" }));
    }
    message
}

/// The least that says what happened, without entities and buttons: for a message that was refused.
fn plain_text(task: &Task<'_>, card: &Card) -> String {
    let test = if card.is_test { "[Test] " } else { "" };
    let mut text = format!("{test}{}: {}", card.happened(), title(card, MAX_PLAIN_TITLE));
    for name in settings::mentions(task.target, card.event) {
        text.push(' ');
        text.push_str(name);
    }
    text
}

fn title(card: &Card, max: usize) -> String {
    match quiet(&card.title, max) {
        empty if empty.is_empty() => "(no title)".to_owned(),
        title => title,
    }
}

/// A text of people in which Telegram finds nothing, cut to a number of UTF-16 units.
fn quiet(text: &str, max: usize) -> String {
    let mut quiet = String::with_capacity(text.len() + 8);
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        quiet.push(character);
        let begins = matches!(character, '@' | '#' | '$' | '/' | '.');
        let goes_on = characters.peek().is_some_and(|next| !next.is_whitespace());
        if begins && goes_on {
            quiet.push(WORD_JOINER);
        }
    }
    cut(&quiet, max, Unit::Utf16)
}

/// The rows of buttons: what may be done, then the incident.
fn keyboard(task: &Task<'_>, card: &Card) -> Vec<Value> {
    let buttons_act = task.target.option("actions") == "buttons";
    let button = |act: &destination::task::ActLink| {
        let text = act_label(act.action);
        if buttons_act {
            let fits = (1..=MAX_TOKEN_BYTES).contains(&act.token.len());
            return fits.then(|| json!({ "text": text, "callback_data": act.token }));
        }
        let page = act.page.as_deref().filter(|page| is_button_url(page));
        page.map(|page| json!({ "text": text, "url": page }))
    };
    let acts: Vec<_> = card.acts.iter().filter_map(button).collect();
    let link = card.link.as_deref().filter(|link| is_button_url(link));
    let open: Vec<_> = link
        .map(|link| json!({ "text": "Open incident", "url": link }))
        .into_iter()
        .collect();
    let rows = [acts, open].into_iter().filter(|row| !row.is_empty());
    rows.map(Value::Array).collect()
}

/// Whether Telegram takes an address in a button: it refuses hosts without a dot, such as `localhost`.
fn is_button_url(text: &str) -> bool {
    let Ok(url) = Url::parse(text) else {
        return false;
    };
    let is_public = match url.host() {
        Some(Host::Domain(name)) => name.trim_end_matches('.').contains('.'),
        Some(Host::Ipv4(_)) => true,
        Some(Host::Ipv6(_)) | None => false,
    };
    is_public && matches!(url.scheme(), "http" | "https")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telegram::preview::preview as show;
    use crate::telegram::settings::sample;
    use destination::sample::Sample;
    use destination::task::ActLink;
    use model::audit::Actor;
    use model::event::EventName;
    use model::id::UserId;
    use model::incident::IncidentAction;
    use model::time::Timestamp;

    const SINCE: i64 = 1_705_314_600;

    fn render(task: &Task<'_>) -> Result<Rendered, Failure> {
        super::render(task, Action::new(task))
    }

    fn body(sample: &Sample) -> Value {
        serde_json::from_slice(&render(&sample.task()).unwrap().body).unwrap()
    }

    fn titled(title: &str) -> Sample {
        let title = title.to_owned();
        sample(EventName::Triggered).about(|incident| incident.title = title)
    }

    fn text(sample: &Sample) -> String {
        body(sample)["text"].as_str().unwrap().to_owned()
    }

    fn with_acts(mut sample: Sample, host: &str) -> Sample {
        sample.links.incident = Some(format!("https://{host}/incidents/inc_1"));
        sample.links.acts = vec![ActLink {
            action: IncidentAction::Acknowledge,
            token: "t".repeat(55),
            page: Some(format!("https://{host}/act/t")),
        }];
        sample
    }

    #[test]
    fn a_triggered_incident_is_a_message_with_link_buttons() {
        let sample = with_acts(sample(EventName::Triggered), "ops.example.com");
        let rendered = render(&sample.with_option("mention", "@ada_l").task());
        let rendered = rendered.unwrap();
        assert_eq!(
            rendered.shown_url.as_deref(),
            Some("https://api.telegram.org/bot***/sendMessage")
        );
        assert!(rendered.url.path().starts_with("/bot123456789:AAF-"));
        let text = "🔴 Database connection timeout\nTriggered · Critical · API Gateway\nAssignee: nobody\n\
                    Since: 2024-01-15 10:30 UTC\n@ada_l";
        let expected = json!({
            "chat_id": -1_001_234_567_890_i64,
            "link_preview_options": { "is_disabled": true },
            "text": text,
            "entities": [
                { "type": "bold", "offset": 3, "length": 27 },
                { "type": "date_time", "unix_time": SINCE, "date_time_format": "r", "offset": 90, "length": 20 },
                { "type": "mention", "offset": 111, "length": 6 },
            ],
            "reply_markup": { "inline_keyboard": [
                [{ "text": "Acknowledge", "url": "https://ops.example.com/act/t" }],
                [{ "text": "Open incident", "url": "https://ops.example.com/incidents/inc_1" }],
            ] },
        });
        assert_eq!(serde_json::from_slice::<Value>(&rendered.body).unwrap(), expected);
    }

    #[test]
    fn an_acknowledged_incident_changes_its_message() {
        let mut sample = sample(EventName::Acknowledged).with_option("mention", "@ada_l");
        sample.memory = Some(r#"{"chat":"-1001234567890","message":7}"#.into());
        sample.event.actor = Actor::User {
            id: UserId::new(Timestamp::EPOCH, [3; 10]),
            name: "Ada Lovelace".into(),
        };
        let rendered = render(&sample.task()).unwrap();
        assert!(rendered.url.path().ends_with("/editMessageText"));
        let text = "🟡 Database connection timeout\nAcknowledged · Critical · API Gateway\n\
                    Assignee: Ada Lovelace\nSince: 2024-01-15 10:30 UTC\nAcknowledged by Ada Lovelace";
        let expected = json!({
            "chat_id": -1_001_234_567_890_i64,
            "message_id": 7,
            "link_preview_options": { "is_disabled": true },
            "text": text,
            "entities": [
                { "type": "bold", "offset": 3, "length": 27 },
                { "type": "date_time", "unix_time": SINCE, "date_time_format": "r", "offset": 99, "length": 20 },
                { "type": "italic", "offset": 120, "length": 28 },
            ],
        });
        assert_eq!(body(&sample), expected);
    }

    #[test]
    fn a_resolved_incident_replies_silently_if_so_wanted() {
        let mut sample = sample(EventName::Resolved)
            .with_option("messages", "thread")
            .with_option("thread", "42")
            .with_option("chat", "@our_alerts")
            .with_option("silent", "resolved");
        sample.memory = Some(r#"{"chat":"@our_alerts","message":7}"#.into());
        sample.event.is_test = true;
        let expected = json!({
            "chat_id": "@our_alerts",
            "message_thread_id": 42,
            "disable_notification": true,
            "reply_parameters": { "message_id": 7, "allow_sending_without_reply": true },
            "link_preview_options": { "is_disabled": true },
            "text": "🟢 [Test] Database connection timeout\nResolved · Critical · API Gateway\n\
                     Assignee: Ada Lovelace\nSince: 2024-01-15 10:30 UTC",
            "entities": [
                { "type": "bold", "offset": 10, "length": 27 },
                { "type": "date_time", "unix_time": SINCE, "date_time_format": "r", "offset": 102, "length": 20 },
            ],
        });
        assert_eq!(body(&sample), expected);
    }

    #[test]
    fn buttons_carry_the_token() {
        let sample =
            with_acts(sample(EventName::Triggered), "ops.example.com").with_option("actions", "buttons");
        let row = body(&sample)["reply_markup"]["inline_keyboard"][0].clone();
        assert_eq!(
            row,
            json!([{ "text": "Acknowledge", "callback_data": "t".repeat(55) }])
        );
    }

    #[test]
    fn an_address_that_telegram_refuses_in_buttons_stands_in_the_text() {
        let sample = with_acts(sample(EventName::Triggered), "localhost:8080");
        let body = body(&sample);
        assert_eq!(body.get("reply_markup"), None);
        let text = body["text"].as_str().unwrap();
        assert!(text.ends_with("\nIncident: https://localhost:8080/incidents/inc_1"));
    }

    #[test]
    fn a_refused_message_becomes_a_plain_one() {
        let mut sample = with_acts(titled(&"long ".repeat(100)), "ops.example.com");
        sample.progress = Some("plain".into());
        let body = body(&sample);
        assert_eq!((body.get("entities"), body.get("reply_markup")), (None, None));
        let text = body["text"].as_str().unwrap();
        assert!(text.starts_with("Triggered: long long") && text.ends_with('…') && text.len() < 230);
    }

    #[test]
    fn titles_and_names_stay_at_their_limit_and_are_cut_beyond() {
        let line = |sample: Sample, index: usize| text(&sample).lines().nth(index).unwrap().to_owned();
        let title = |length| line(titled(&"x".repeat(length)), 0);
        assert_eq!(title(MAX_TITLE), format!("🔴 {}", "x".repeat(MAX_TITLE)));
        assert_eq!(title(MAX_TITLE + 1), format!("🔴 {}…", "x".repeat(MAX_TITLE - 1)));
        let service = |length: usize| {
            let about =
                sample(EventName::Triggered).about(|incident| incident.service.name = "s".repeat(length));
            line(about, 1)
        };
        assert!(service(MAX_SERVICE).ends_with(&"s".repeat(MAX_SERVICE)));
        assert!(service(MAX_SERVICE + 1).ends_with(&format!("{}…", "s".repeat(MAX_SERVICE - 1))));
    }

    #[test]
    fn surrogates_are_counted_and_never_torn() {
        let even = body(&titled(&"😀".repeat(501)));
        assert_eq!(even["entities"][0]["length"], 999);
        assert!(text(&titled(&"😀".repeat(500))).starts_with(&format!("🔴 {}\n", "😀".repeat(500))));
    }

    #[test]
    fn the_longest_message_stays_within_telegrams_limit() {
        let mut sample = titled(&"@".repeat(10_000)).about(|incident| {
            incident.title = "@".repeat(10_000);
            incident.service.name = "#".repeat(10_000);
        });
        sample.links.incident = Some(format!("http://localhost/{}", "i".repeat(480)));
        let sample = sample.with_option("mention", &format!("@{} ", "m".repeat(32)).repeat(5));
        assert!(Unit::Utf16.length(&text(&sample)) <= 4096);
    }

    #[test]
    fn telegram_finds_nothing_in_texts_of_people() {
        let joined = |title: &str| {
            text(&titled(title))
                .lines()
                .next()
                .unwrap()
                .replace(WORD_JOINER, "~")
        };
        assert_eq!(joined("@everyone a@b.example"), "🔴 @~everyone a@~b.~example");
        assert_eq!(joined("#tag $USD /start"), "🔴 #~tag $~USD /~start");
        assert_eq!(
            joined("https://evil.example/x."),
            "🔴 https:/~/~evil.~example/~x."
        );
        assert_eq!(joined("over. Done / 5"), "🔴 over. Done / 5");
    }

    #[test]
    fn hostile_titles_are_shown_as_they_are_and_call_nobody() {
        let shown = |title: &str| show(&render(&titled(title).task()).unwrap().body).unwrap().text();
        assert!(
            shown("<b>x</b> [a](tg://user?id=1) *_`~|")
                .starts_with("🔴 <b>x</b> [a](tg://user?id=1) *_`~|\n")
        );
        assert!(shown("\"q\" \\ \\u0041 &amp;").starts_with("🔴 \"q\" \\ \\u0041 &amp;\n"));
        assert!(shown("a\u{202e}b\nc\0d").starts_with("🔴 ab c d\n"));
        assert!(shown("\u{200b}").starts_with("🔴 (no title)\n"));
    }
}
