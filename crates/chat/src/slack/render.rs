//! Card → request: blocks under a coloured bar, posted to the webhook, or posted, changed or replied with through the
//! Web API. Texts of people stand in `plain_text` only, where Slack reads no markup.

use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, Method};
use serde_json::{Value, json};
use url::Url;

use crate::slack::escape::{UNIT, escape, fit};
use crate::slack::{Action, Hook, Mode, mention};
use destination::card::{Card, act_label};
use destination::task::{ActLink, Rendered, Target, Task};
use model::attempt::{Disposition, Failure};
use model::exchange::FailureCode;

/// The longest text of a header.
const MAX_HEADER: usize = 150;
/// The longest title below the header, where one does not fit into it.
const MAX_LONG_TITLE: usize = 600;
/// The longest name of a person or service: Slack takes more, a reader does not.
const MAX_NAME: usize = 200;
/// The longest link of a button.
const MAX_LINK: usize = 3000;
/// What kind of thing the metadata of a message is about.
const METADATA_TYPE: &str = "opsknight_incident";

/// The request for a task.
pub fn render(task: &Task<'_>, action: &Action) -> Result<Rendered, Failure> {
    let card = Card::numbered(task)?;
    let mode = Mode::new(task.target);
    let (url, shown_url) = match mode {
        Mode::Incoming => hook_address(task.target)?,
        Mode::Bot => api_address(task.target, method(action)),
    };
    let headers = headers(task.target)?;
    let mut body = message(task, &card);
    if mode == Mode::Bot {
        address(&mut body, task, &card, action);
    }
    let body = Bytes::from(Value::Object(body).to_string());
    Ok(Rendered::new(Method::POST, url, headers, body).shown_as(shown_url))
}

/// The request that asks whose token it is; nothing for an incoming webhook, which can only post.
pub fn probe(target: &Target) -> Option<Rendered> {
    if Mode::new(target) == Mode::Incoming {
        return None;
    }
    let (url, shown_url) = api_address(target, "auth.test");
    let body = Bytes::from_static(b"{}");
    Some(Rendered::new(Method::POST, url, headers(target).ok()?, body).shown_as(shown_url))
}

fn headers(target: &Target) -> Result<HeaderMap, Failure> {
    let mut headers = HeaderMap::new();
    let json = HeaderValue::from_static("application/json; charset=utf-8");
    headers.insert(CONTENT_TYPE, json);
    if Mode::new(target) == Mode::Bot {
        headers.insert(AUTHORIZATION, authorization(target)?);
    }
    Ok(headers)
}

fn method(action: &Action) -> &'static str {
    match action {
        Action::Post | Action::Reply(_) => "chat.postMessage",
        Action::Update(_) => "chat.update",
    }
}

fn hook_address(target: &Target) -> Result<(Url, String), Failure> {
    let hook = Hook::new(&target.url).map_err(|detail| settings(format!("the URL {detail}")))?;
    let origin = target.url.origin().ascii_serialization();
    let shown = format!("{origin}/services/{}/{}/***", hook.team, hook.service);
    Ok((target.url.clone(), shown))
}

fn api_address(target: &Target, method: &str) -> (Url, String) {
    let mut url = target.url.clone();
    url.set_path(&format!("{}/{method}", target.url.path().trim_end_matches('/')));
    url.set_query(None);
    url.set_fragment(None);
    let shown = url.to_string();
    (url, shown)
}

fn authorization(target: &Target) -> Result<HeaderValue, Failure> {
    let value = HeaderValue::from_str(&format!("Bearer {}", target.secret("token")));
    let mut value = value.map_err(|_| settings("the token has signs that no token has".to_owned()))?;
    value.set_sensitive(true);
    Ok(value)
}

fn settings(detail: String) -> Failure {
    Failure::new(FailureCode::RequestInvalid, detail).with(Disposition::NeedsOperator)
}

/// Says where a message of the Web API goes and what it is about.
fn address(body: &mut serde_json::Map<String, Value>, task: &Task<'_>, card: &Card, action: &Action) {
    let mut set = |name: &str, value: Value| body.insert(name.to_owned(), value);
    match action {
        Action::Post => {
            set("channel", json!(task.target.option("channel")));
        }
        Action::Reply(memory) => {
            set("channel", json!(memory.channel));
            set("thread_ts", json!(memory.ts));
        }
        Action::Update(memory) => {
            set("channel", json!(memory.channel));
            set("ts", json!(memory.ts));
        }
    }
    if let Action::Post | Action::Reply(_) = action {
        set("unfurl_links", json!(false));
        set("unfurl_media", json!(false));
    }
    // A change would otherwise read names in the text as a person's client does.
    set("parse", json!("none"));
    set("link_names", json!(false));
    let metadata = json!({
        "event_type": METADATA_TYPE,
        "event_payload": {
            "incident_id": card.incident_id.to_string(),
            "event_id": task.event.id.to_string(),
        },
    });
    set("metadata", metadata);
}

/// What is shown.
fn message(task: &Task<'_>, card: &Card) -> serde_json::Map<String, Value> {
    let mentions = mention::of(task);
    let mut message = serde_json::Map::new();
    if task.continuation.is_some() {
        message.insert("text".into(), json!(plain(card, &mentions)));
        // Named, so that a changed message loses what it had.
        message.insert("blocks".into(), json!([]));
        message.insert("attachments".into(), json!([]));
        return message;
    }
    let line = format!("{} {}: {}", card.mark(), card.happened(), title(card));
    let text = format!("{mentions} {}", fit(&line, MAX_LONG_TITLE));
    let header = header(card);
    let call = (!mentions.is_empty()).then(|| json!({ "type": "section", "text": mrkdwn(&mentions) }));
    let blocks: Vec<Value> = [header].into_iter().chain(call).collect();
    let bar = json!({ "color": format!("#{:06x}", card.colour()), "blocks": details(task, card) });
    message.insert("text".into(), json!(text.trim_start()));
    message.insert("blocks".into(), json!(blocks));
    message.insert("attachments".into(), json!([bar]));
    message
}

/// The message without anything that Slack could find fault with: one text.
fn plain(card: &Card, mentions: &str) -> String {
    let lines = [
        mentions.to_owned(),
        format!("{} {}", card.mark(), fit(&title(card), MAX_LONG_TITLE)),
        fit(&card.happened_by(), MAX_NAME),
        format!(
            "{} · {} · {}",
            card.severity_name(),
            fit(&card.service, MAX_NAME),
            fit(card.assignee_name(), MAX_NAME)
        ),
    ];
    lines.join("\n").trim_start().to_owned()
}

fn title(card: &Card) -> String {
    let title = Some(card.title.as_str()).filter(|title| !title.is_empty());
    let test = if card.is_test { "[Test] " } else { "" };
    format!("{test}{}", title.unwrap_or("Untitled incident"))
}

fn header(card: &Card) -> Value {
    let mark = format!("{} ", card.mark());
    let title = fit(&title(card), MAX_HEADER - UNIT.length(&mark));
    json!({ "type": "header", "text": plain_text(&format!("{mark}{title}")) })
}

/// What stands beside the coloured bar.
fn details(task: &Task<'_>, card: &Card) -> Vec<Value> {
    let whole_title = title(card);
    let room = MAX_HEADER - UNIT.length(card.mark()) - 1;
    let is_cut = UNIT.length(&escape(&whole_title)) > room;
    let long_title = is_cut.then(|| {
        let title = fit(&whole_title, MAX_LONG_TITLE);
        json!({ "type": "section", "text": plain_text(&title) })
    });
    let section = json!({
        "type": "section",
        "text": plain_text(&fit(&card.happened_by(), MAX_NAME)),
        "fields": [
            field("Status", card.status_name()),
            field("Severity", card.severity_name()),
            field("Service", &card.service),
            field("Assignee", card.assignee_name()),
        ],
    });
    let since = format!("Since {}", date(card, "{date_short_pretty} {time}, {ago}"));
    let context = json!({
        "type": "context",
        "elements": [mrkdwn(&since), plain_text(&card.incident_id.to_string())],
    });
    let blocks = long_title.into_iter().chain([section, context]);
    blocks.chain(actions(task, card)).collect()
}

fn field(name: &str, value: &str) -> Value {
    let value = if value.is_empty() { "–" } else { value };
    plain_text(&format!("{name}: {}", fit(value, MAX_NAME)))
}

/// A text without markup, already escaped. Its colons are no emoji.
fn plain_text(text: &str) -> Value {
    json!({ "type": "plain_text", "text": text, "emoji": false })
}

fn mrkdwn(text: &str) -> Value {
    json!({ "type": "mrkdwn", "text": text })
}

/// When an incident was made, which every reader sees in their own zone.
fn date(card: &Card, form: &str) -> String {
    format!("<!date^{}^{form}|{}>", card.since.as_seconds(), card.since_text())
}

/// The buttons; nothing if there are none.
fn actions(task: &Task<'_>, card: &Card) -> Option<Value> {
    let acts_at_once = task.target.option("actions") == "buttons";
    let acts = card.acts.iter().filter_map(|act| match acts_at_once {
        true => Some(button(act)),
        false => {
            let page = act.page.as_deref().filter(|page| is_linkable(page))?;
            let id = format!("page_{}", act.action.as_str());
            Some(link(&id, act_label(act.action), page))
        }
    });
    let incident = card.link.as_deref().filter(|link| is_linkable(link));
    let incident = incident.map(|url| link("page_incident", "Open incident", url));
    let elements: Vec<Value> = acts.chain(incident).collect();
    (!elements.is_empty()).then(|| json!({ "type": "actions", "elements": elements }))
}

fn button(act: &ActLink) -> Value {
    let label = act_label(act.action);
    json!({
        "type": "button",
        "action_id": format!("act_{}", act.action.as_str()),
        "text": plain_text(label),
        "value": act.token,
    })
}

fn link(id: &str, label: &str, url: &str) -> Value {
    json!({ "type": "button", "action_id": id, "text": plain_text(label), "url": url })
}

fn is_linkable(link: &str) -> bool {
    let is_web = link.starts_with("https://") || link.starts_with("http://");
    is_web && UNIT.length(link) <= MAX_LINK
}
