//! A task made into `spaces.messages.create`: a card with HTML of Google's own small kind. Texts of people stand only in
//! widgets of which Google documents how they are read (`textParagraph` and `decoratedText`), never in headers.

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue, Method};
use serde_json::{Value, json};
use url::Url;
use uuid::Uuid;

use crate::google_chat::markup::{disarm, escape};
use crate::google_chat::{PLAIN, UNNAMED, has_left, mention};
use destination::card::{Card, act_label};
use destination::task::{Rendered, Task};
use model::attempt::Failure;

/// The largest message, in bytes.
const MAX_BODY_BYTES: usize = 32_000;
/// The longest title that is shown whole, in characters.
const MAX_TITLE_LENGTH: usize = 500;
/// The longest name that is shown whole, in characters.
const MAX_NAME_LENGTH: usize = 200;
/// The longest link that a plain message spells out, in bytes.
const MAX_SPELLED_LINK_BYTES: usize = 2048;
/// What we add to the query, whatever the user's URL says.
const OWN_PARAMETERS: [&str; 3] = ["messageReplyOption", "requestId", "threadKey"];

/// The request for a task.
pub(super) fn render(task: &Task<'_>) -> Result<Rendered, Failure> {
    let card = short(Card::numbered(task)?);
    let calls = calls(task, &card);
    let rich = (!has_left(task, PLAIN)).then(|| body(task, &card, rich_message(&card, &calls)));
    let rich = rich.filter(|body| body.len() <= MAX_BODY_BYTES);
    let is_plain = rich.is_none();
    let body = rich.unwrap_or_else(|| body(task, &card, plain_message(&card, &calls)));
    let mut headers = HeaderMap::new();
    headers.insert(
        CONTENT_TYPE,
        HeaderValue::from_static("application/json; charset=UTF-8"),
    );
    let id = (!has_left(task, UNNAMED)).then(|| request_id(task, is_plain));
    let url = address(task, id);
    let shown_url = shown(&url);
    Ok(Rendered::new(Method::POST, url, headers, Bytes::from(body)).shown_as(shown_url))
}

/// The card with its texts cut to their budgets.
fn short(card: Card) -> Card {
    card.cut(MAX_TITLE_LENGTH, MAX_NAME_LENGTH)
}

/// The mentions at the start of a text, each with a space after it; empty if nobody is called.
fn calls(task: &Task<'_>, card: &Card) -> String {
    if !card.event.asks_for_attention() {
        return String::new();
    }
    let users = mention::read(task.target.option("mention")).unwrap_or_default();
    users.iter().map(|user| format!("<users/{user}> ")).collect()
}

/// A message in its incident's thread, or in none.
fn body(task: &Task<'_>, card: &Card, mut message: Value) -> Vec<u8> {
    if is_threaded(task) {
        message["thread"] = json!({ "threadKey": card.incident_id.to_string() });
    }
    message.to_string().into_bytes()
}

fn is_threaded(task: &Task<'_>) -> bool {
    task.target.option("messages") != "separate"
}

fn rich_message(card: &Card, calls: &str) -> Value {
    let summary = summary(card);
    let mut message = json!({});
    // With a text of its own a message shows the text above the card; without, it is for notifications alone.
    match calls {
        "" => message["fallbackText"] = summary.into(),
        calls => message["text"] = format!("{calls}{summary}").into(),
    }
    message["cardsV2"] = json!([{
        "cardId": "incident",
        "card": { "header": header(card), "sections": sections(card) },
    }]);
    message
}

/// What happened to what, in a line.
fn summary(card: &Card) -> String {
    let marker = test_marker(card);
    let happened_by = disarm(&card.happened_by());
    format!("{marker}{} {happened_by}: {}", card.mark(), disarm(&card.title))
}

fn test_marker(card: &Card) -> &'static str {
    if card.is_test { "[Test] " } else { "" }
}

fn header(card: &Card) -> Value {
    json!({
        "title": format!("{}{} {}", test_marker(card), card.mark(), card.happened()),
        "subtitle": format!("{} · OpsKnight", card.severity_name()),
    })
}

fn sections(card: &Card) -> Vec<Value> {
    let title = format!(
        "<font color=\"#{:06x}\"><b>{}</b></font>",
        card.colour(),
        escape(&card.title)
    );
    let mut widgets = vec![
        json!({ "textParagraph": { "text": title } }),
        fact("info", "Status", card.status_name()),
        fact("dns", "Service", &card.service),
        fact("person", "Assignee", card.assignee_name()),
        fact("schedule", "Since", &card.since_text()),
    ];
    widgets.extend(card.by.as_ref().map(|by| fact("edit", "By", by)));
    let mut sections = vec![json!({ "widgets": widgets })];
    let buttons = buttons(card);
    if !buttons.is_empty() {
        sections.push(json!({ "widgets": [{ "buttonList": { "buttons": buttons } }] }));
    }
    sections
}

fn fact(icon: &str, label: &str, value: &str) -> Value {
    json!({
        "decoratedText": {
            "startIcon": { "materialIcon": { "name": icon } },
            "topLabel": label,
            "text": escape(value),
            "wrapText": true,
        },
    })
}

fn buttons(card: &Card) -> Vec<Value> {
    let button =
        |text: &str, url: &String| json!({ "text": text, "onClick": { "openLink": { "url": url } } });
    let acts = card
        .acts
        .iter()
        .filter_map(|act| Some(button(act_label(act.action), act.page.as_ref()?)));
    let open = card.link.iter().map(|link| button("Open incident", link));
    acts.chain(open).collect()
}

/// The least that says it all: text without a card.
fn plain_message(card: &Card, calls: &str) -> Value {
    let about = format!(
        "{} · {} · {} · {} · since {}",
        card.severity_name(),
        card.status_name(),
        disarm(&card.service),
        disarm(card.assignee_name()),
        card.since_text(),
    );
    let mut lines = vec![format!("{calls}{}", summary(card)), about];
    let link = card.link.iter();
    lines.extend(link.filter(|link| link.len() <= MAX_SPELLED_LINK_BYTES).cloned());
    json!({ "text": lines.join("\n") })
}

/// An id for the request that is the same for every attempt of a delivery, so that Google posts it once. The plain message
/// has another: under the same one Google would answer with what it knows of the first.
fn request_id(task: &Task<'_>, is_plain: bool) -> Uuid {
    let id = Uuid::from_bytes(*task.delivery_id.as_bytes());
    match is_plain {
        true => Uuid::from_u128(id.as_u128() ^ 1),
        false => id,
    }
}

/// The user's URL with our parameters.
fn address(task: &Task<'_>, id: Option<Uuid>) -> Url {
    let mut url = task.target.url.clone();
    let is_own = |pair: &&str| OWN_PARAMETERS.contains(&pair.split('=').next().unwrap_or_default());
    let theirs = url.query().unwrap_or_default().split('&');
    let mut pairs: Vec<_> = theirs.filter(|pair| !is_own(pair)).map(str::to_owned).collect();
    if is_threaded(task) {
        pairs.push("messageReplyOption=REPLY_MESSAGE_FALLBACK_TO_NEW_THREAD".into());
    }
    pairs.extend(id.map(|id| format!("requestId={id}")));
    url.set_query(Some(&pairs.join("&")));
    url.set_fragment(None);
    url
}

/// The URL with the value of every parameter hidden that is not ours.
fn shown(url: &Url) -> String {
    let hide = |pair: &str| {
        let name = pair.split('=').next().unwrap_or_default();
        match OWN_PARAMETERS.contains(&name) {
            true => pair.to_owned(),
            false => format!("{name}=***"),
        }
    };
    let query: Vec<_> = url.query().unwrap_or_default().split('&').map(hide).collect();
    format!(
        "{}{}?{}",
        url.origin().ascii_serialization(),
        url.path(),
        query.join("&")
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::google_chat::tests::{post, sample};
    use destination::sample::Sample;
    use destination::task::ActLink;
    use model::audit::Actor;
    use model::event::EventName;
    use model::id::UserId;
    use model::incident::IncidentAction;
    use proptest::prelude::*;

    fn message(sample: &Sample) -> Value {
        serde_json::from_slice(&render(&sample.task()).unwrap().body).unwrap()
    }

    fn widget(icon: &str, label: &str, text: &str) -> Value {
        json!({ "decoratedText": {
            "startIcon": { "materialIcon": { "name": icon } }, "topLabel": label, "text": text, "wrapText": true
        } })
    }

    fn title(colour: &str) -> Value {
        let text = format!("<font color=\"#{colour}\"><b>Database connection timeout</b></font>");
        json!({ "textParagraph": { "text": text } })
    }

    #[test]
    fn a_triggered_incident_opens_a_thread_with_a_card() {
        let mut sample = sample(EventName::Triggered);
        sample.links.incident = Some("https://ops.example/incidents/1".into());
        sample.links.acts = vec![ActLink {
            action: IncidentAction::Acknowledge,
            token: "t".into(),
            page: Some("https://ops.example/act/t".into()),
        }];
        let expected = json!({
            "fallbackText": "🔴 Triggered: Database connection timeout",
            "cardsV2": [{
                "cardId": "incident",
                "card": {
                    "header": { "title": "🔴 Triggered", "subtitle": "Critical · OpsKnight" },
                    "sections": [
                        { "widgets": [
                            title("dc2626"),
                            widget("info", "Status", "Triggered"),
                            widget("dns", "Service", "API Gateway"),
                            widget("person", "Assignee", "nobody"),
                            widget("schedule", "Since", "2024-01-15 10:30 UTC")
                        ] },
                        { "widgets": [{ "buttonList": { "buttons": [
                            { "text": "Acknowledge", "onClick": { "openLink": { "url": "https://ops.example/act/t" } } },
                            { "text": "Open incident", "onClick": { "openLink": { "url": "https://ops.example/incidents/1" } } }
                        ] } }] }
                    ]
                }
            }],
            "thread": { "threadKey": sample.event.incident_id.to_string() }
        });
        assert_eq!(message(&sample), expected);
    }

    #[test]
    fn an_acknowledged_incident_says_who_has_it_and_by_whom() {
        let mut sample = sample(EventName::Acknowledged);
        sample.event.actor = Actor::User {
            id: UserId::new(sample.now, [3; 10]),
            name: "Ada <b>".into(),
        };
        let message = message(&sample);
        let card = &message["cardsV2"][0]["card"];
        assert_eq!(
            message["fallbackText"],
            "🟡 Acknowledged by Ada ‹b›: Database connection timeout"
        );
        assert_eq!(card["header"]["title"], "🟡 Acknowledged");
        let expected = json!([
            title("ca8a04"),
            widget("info", "Status", "Acknowledged"),
            widget("dns", "Service", "API Gateway"),
            widget("person", "Assignee", "Ada Lovelace"),
            widget("schedule", "Since", "2024-01-15 10:30 UTC"),
            widget("edit", "By", "Ada &lt;b&gt;"),
        ]);
        assert_eq!(card["sections"], json!([{ "widgets": expected }]));
    }

    #[test]
    fn a_resolved_incident_is_green() {
        let message = message(&sample(EventName::Resolved));
        let card = &message["cardsV2"][0]["card"];
        assert_eq!(
            card["header"],
            json!({ "title": "🟢 Resolved", "subtitle": "Critical · OpsKnight" })
        );
        assert_eq!(card["sections"][0]["widgets"][0], title("16a34a"));
    }

    #[test]
    fn the_url_keeps_what_is_the_users_and_gets_what_is_ours() {
        let mut sample = sample(EventName::Triggered);
        let url = "https://chat.googleapis.com/v1/spaces/A/messages?key=a-b_c&token=d%3D%2B&requestId=x&threadKey=y#z";
        sample.target.url = url.parse().unwrap();
        let rendered = render(&sample.task()).unwrap();
        let ours = format!(
            "&messageReplyOption=REPLY_MESSAGE_FALLBACK_TO_NEW_THREAD&requestId={}",
            request_id(&sample.task(), false)
        );
        let path = "https://chat.googleapis.com/v1/spaces/A/messages";
        assert_eq!(
            rendered.url.as_str(),
            format!("{path}?key=a-b_c&token=d%3D%2B{ours}")
        );
        assert_eq!(
            rendered.shown_url,
            Some(format!("{path}?key=***&token=***{ours}"))
        );
    }

    #[test]
    fn every_attempt_has_the_same_id_but_the_plain_message_another() {
        let mut sample = sample(EventName::Triggered);
        let ids = [1, 2].map(|attempt| {
            let task = Task {
                attempt,
                ..sample.task()
            };
            render(&task).unwrap().url
        });
        assert_eq!(ids[0], ids[1]);
        sample.progress = Some(PLAIN.into());
        assert_ne!(render(&sample.task()).unwrap().url, ids[0]);
    }

    #[test]
    fn a_refused_id_is_left_out() {
        let mut sample = sample(EventName::Triggered);
        sample.progress = Some(UNNAMED.into());
        let url = render(&sample.task()).unwrap().url;
        assert!(!url.as_str().contains("requestId"));
        assert!(message(&sample).get("cardsV2").is_some());
    }

    #[test]
    fn separate_messages_know_no_thread() {
        let sample = sample(EventName::Triggered).with_option("messages", "separate");
        let url = render(&sample.task()).unwrap().url;
        assert!(!url.as_str().contains("messageReplyOption"));
        assert_eq!(message(&sample).get("thread"), None);
    }

    #[test]
    fn people_are_called_only_when_an_incident_needs_them() {
        let called = |event| message(&sample(event).with_option("mention", "all, users/12"));
        let triggered = called(EventName::Triggered);
        assert_eq!(
            triggered["text"],
            "<users/all> <users/12> 🔴 Triggered: Database connection timeout"
        );
        assert_eq!(triggered.get("fallbackText"), None);
        let resolved = called(EventName::Resolved);
        assert!(!resolved.to_string().contains("users/"));
    }

    #[test]
    fn a_test_says_so() {
        let mut sample = sample(EventName::Triggered);
        sample.event.is_test = true;
        let message = message(&sample);
        assert_eq!(
            message["fallbackText"],
            "[Test] 🔴 Triggered: Database connection timeout"
        );
        assert_eq!(
            message["cardsV2"][0]["card"]["header"]["title"],
            "[Test] 🔴 Triggered"
        );
    }

    #[test]
    fn texts_at_their_limit_stay_and_beyond_are_cut() {
        let short = |title: usize, name: usize| {
            let sample = sample(EventName::Triggered).about(|incident| {
                incident.title = "x".repeat(title);
                incident.service.name = "y".repeat(name);
            });
            let card = short(Card::new(&sample.task()).unwrap());
            (card.title, card.service)
        };
        assert_eq!(short(500, 200), ("x".repeat(500), "y".repeat(200)));
        let beyond = (format!("{}…", "x".repeat(499)), format!("{}…", "y".repeat(199)));
        assert_eq!(short(501, 201), beyond);
    }

    #[test]
    fn a_message_of_32000_bytes_stays_and_one_byte_more_makes_it_plain() {
        let mut sample = sample(EventName::Triggered);
        let mut body_with_link = |length: usize| {
            sample.links.incident = Some("l".repeat(length));
            render(&sample.task()).unwrap().body
        };
        let room = MAX_BODY_BYTES - body_with_link(0).len();
        assert_eq!(body_with_link(room).len(), MAX_BODY_BYTES);
        assert!(body_with_link(room + 1).len() < 1000);
    }

    #[test]
    fn a_refused_card_is_followed_by_text() {
        let mut sample = sample(EventName::Triggered).with_option("mention", "all");
        sample.links.incident = Some("https://ops.example/incidents/inc_1".into());
        sample.progress = Some(PLAIN.into());
        let text = "<users/all> 🔴 Triggered: Database connection timeout\n\
                    Critical · Triggered · API Gateway · nobody · since 2024-01-15 10:30 UTC\n\
                    https://ops.example/incidents/inc_1";
        let thread = json!({ "threadKey": sample.event.incident_id.to_string() });
        assert_eq!(message(&sample), json!({ "text": text, "thread": thread }));
    }

    #[test]
    fn names_of_nothing_that_is_seen_become_a_dash() {
        let sample = sample(EventName::Triggered).about(|incident| {
            incident.title = "\u{200b}".into();
            incident.service.name = "\u{feff} ".into();
        });
        assert!(post(&sample).message.unwrap().text().contains("Service: –"));
    }

    #[test]
    fn an_event_that_cannot_be_read_is_never_sent() {
        let mut sample = sample(EventName::Triggered);
        sample.event.body = Bytes::from_static(b"{}");
        assert!(render(&sample.task()).is_err());
    }

    #[test]
    fn hostile_titles_stay_text_and_call_nobody() {
        let hostile = "@all <users/all> <!channel> [x](http://evil) <a href=\"http://evil\">x</a> *b* \u{202e}rtl 👩‍🚒 \\\r\n- a";
        let mut sample = sample(EventName::Triggered).about(|incident| incident.title = hostile.into());
        let shown = post(&sample).message.unwrap();
        let seen =
            "@all <users/all> <!channel> [x](http://evil) <a href=\"http://evil\">x</a> *b* rtl 👩‍🚒 \\ - a";
        assert!(shown.text().contains(seen), "{}", shown.text());
        assert_eq!(shown.mentions, [""; 0]);
        sample.progress = Some(PLAIN.into());
        let shown = post(&sample).message.unwrap();
        assert_eq!(shown.mentions, [""; 0]);
    }

    #[test]
    fn ten_kilobytes_of_title_make_a_message_that_fits() {
        let sample = sample(EventName::Triggered).about(|incident| incident.title = "<&\"\\😀".repeat(2000));
        assert!(render(&sample.task()).unwrap().body.len() <= MAX_BODY_BYTES);
        assert!(post(&sample).message.is_some());
    }

    proptest! {
        #[test]
        fn google_takes_every_title_and_shows_it_as_it_is(title in "\\PC{1,300}|.{1,80}", name in "\\PC{1,100}", is_plain: bool) {
            let mut sample = sample(EventName::Triggered).about(|incident| {
                incident.title.clone_from(&title);
                incident.service.name.clone_from(&name);
            });
            sample.progress = is_plain.then(|| PLAIN.to_owned());
            let card = short(Card::new(&sample.task()).unwrap());
            let seen = |text: &str| if is_plain { disarm(text) } else { text.to_owned() };
            let shown = post(&sample).message.unwrap();
            prop_assert!(shown.text().contains(&seen(&card.title)), "{}", shown.text());
            prop_assert!(shown.text().contains(&seen(&card.service)), "{}", shown.text());
            prop_assert!(shown.mentions.is_empty());
        }
    }
}
