//! Card → request: an embed posted to the webhook, or put in the place of the one that the incident already has.

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue, Method};
use serde_json::{Value, json};
use url::Url;

use crate::discord::escape::{UNIT, fit};
use crate::discord::mention::Mentions;
use crate::discord::{Action, Address, thread};
use destination::card::{Card, act_label};
use destination::task::{Rendered, Target, Task};
use model::attempt::{Disposition, Failure};
use model::exchange::FailureCode;
use model::time::Timestamp;

/// The longest title of an embed.
const MAX_TITLE: usize = 256;
/// The longest value of an embed's field.
const MAX_FIELD: usize = 1024;
/// The longest name of a person or service: Discord takes more, a reader does not.
const MAX_NAME: usize = 200;
/// The longest title in a plain message, which may be 2000 in all.
const MAX_PLAIN_TITLE: usize = 800;
/// The longest link that is put into a message.
const MAX_LINK: usize = 500;

/// The request for a task.
pub fn render(task: &Task<'_>, action: &Action) -> Result<Rendered, Failure> {
    let card = Card::numbered(task)?;
    let (url, shown_url) = address(task.target, action)?;
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    let method = match action {
        Action::Post => Method::POST,
        Action::Edit(_) => Method::PATCH,
    };
    let body = Bytes::from(body(task, &card, action).to_string());
    Ok(Rendered::new(method, url, headers, body).shown_as(shown_url))
}

/// The request that reads the webhook itself.
pub fn probe(target: &Target) -> Option<Rendered> {
    let address = Address::new(&target.url).ok()?;
    let mut url = target.url.clone();
    url.set_path(&format!(
        "/api/{}/webhooks/{}/{}",
        address.version, address.id, address.token
    ));
    url.set_query(None);
    url.set_fragment(None);
    Some(Rendered::new(Method::GET, url, HeaderMap::new(), Bytes::new()))
}

/// The URL of a request, and the same without its token.
fn address(target: &Target, action: &Action) -> Result<(Url, String), Failure> {
    let address = Address::new(&target.url).map_err(|detail| {
        Failure::new(FailureCode::RequestInvalid, format!("the URL {detail}"))
            .with(Disposition::NeedsOperator)
    })?;
    let message = match action {
        Action::Post => String::new(),
        Action::Edit(id) => format!("/messages/{id}"),
    };
    let path = |token| {
        format!(
            "/api/{}/webhooks/{}/{token}{message}",
            address.version, address.id
        )
    };
    let wait = matches!(action, Action::Post).then_some("wait=true".to_owned());
    let thread = thread(target, &address).map(|id| format!("thread_id={id}"));
    let query = wait.into_iter().chain(thread).collect::<Vec<_>>().join("&");
    let query = Some(query).filter(|query| !query.is_empty());

    let mut url = target.url.clone();
    url.set_path(&path(address.token));
    url.set_query(query.as_deref());
    url.set_fragment(None);
    let query = query.map_or(String::new(), |query| format!("?{query}"));
    let shown = format!("{}{}{query}", url.origin().ascii_serialization(), path("***"));
    Ok((url, shown))
}

fn body(task: &Task<'_>, card: &Card, action: &Action) -> Value {
    let mentions = Mentions::new(task);
    let is_plain = task.continuation.is_some();
    let content = if is_plain {
        plain(card, &mentions)
    } else {
        mentions.text()
    };
    let embeds = if is_plain { json!([]) } else { json!([embed(card)]) };
    let mut body = json!({
        "content": content,
        "embeds": embeds,
        "allowed_mentions": mentions.allowed(),
    });
    let username = task.target.option("username");
    if *action == Action::Post && !username.is_empty() {
        body["username"] = json!(username);
    }
    body
}

/// The message without anything that Discord could find fault with: one text, no links.
fn plain(card: &Card, mentions: &Mentions) -> String {
    // Unlike an embed this text can call people, and an escape does not keep Discord from it: where @here is allowed,
    // a title with @everyone would call everyone.
    let quiet = |text: &str, max| fit(&text.replace('@', "@\u{200b}"), max);
    let lines = [
        mentions.text(),
        format!("{} {}", card.mark(), quiet(&title(card), MAX_PLAIN_TITLE)),
        quiet(&card.happened_by(), MAX_NAME),
        format!(
            "{} · {} · {}",
            card.severity_name(),
            quiet(&card.service, MAX_NAME),
            quiet(card.assignee_name(), MAX_NAME)
        ),
    ];
    lines.join("\n").trim_start().to_owned()
}

fn embed(card: &Card) -> Value {
    let mark = format!("{} ", card.mark());
    let title = fit(&title(card), MAX_TITLE - UNIT.length(&mark));
    let mut fields = vec![
        field("Status", card.status_name()),
        field("Severity", card.severity_name()),
        field("Service", &name(&card.service)),
        field("Assignee", &name(card.assignee_name())),
        field("Since", &time(card.since, "f")),
    ];
    fields.extend(actions(card));
    let mut embed = json!({
        "title": format!("{mark}{title}"),
        "description": format!("{} {}", happened(card), time(card.at, "R")),
        "color": card.colour(),
        "fields": fields,
        "footer": { "text": format!("OpsKnight · {}", card.incident_id) },
        "timestamp": card.at.to_string(),
    });
    if let Some(link) = card.link.as_deref().filter(|link| is_linkable(link)) {
        embed["url"] = json!(link);
    }
    embed
}

fn title(card: &Card) -> String {
    let title = Some(card.title.as_str()).filter(|title| !title.is_empty());
    let test = if card.is_test { "[Test] " } else { "" };
    format!("{test}{}", title.unwrap_or("Untitled incident"))
}

fn happened(card: &Card) -> String {
    match &card.by {
        Some(person) => format!("**{}** by {}", card.happened(), name(person)),
        None => format!("**{}**", card.happened()),
    }
}

/// A name; a stroke if there is none, since Discord refuses empty values.
fn name(name: &str) -> String {
    fit(if name.is_empty() { "–" } else { name }, MAX_NAME)
}

/// A time that every reader sees in their own zone.
fn time(at: Timestamp, style: &str) -> String {
    format!("<t:{}:{style}>", at.as_seconds())
}

fn field(name: &str, value: &str) -> Value {
    json!({ "name": name, "value": value, "inline": true })
}

/// The links to what may be done, as many as fit; nothing if nothing may.
fn actions(card: &Card) -> Option<Value> {
    let acts = card.acts.iter().filter_map(|act| {
        let page = act.page.as_deref()?;
        is_linkable(page).then(|| format!("[{}]({page})", act_label(act.action)))
    });
    let mut value = String::new();
    for link in acts {
        let separator = if value.is_empty() { "" } else { " · " };
        if UNIT.length(&value) + UNIT.length(separator) + UNIT.length(&link) <= MAX_FIELD {
            value.push_str(separator);
            value.push_str(&link);
        }
    }
    (!value.is_empty()).then(|| json!({ "name": "Actions", "value": value, "inline": false }))
}

/// Whether a link can stand in a message without ending early.
fn is_linkable(link: &str) -> bool {
    let is_web = link.starts_with("https://") || link.starts_with("http://");
    is_web && link.len() <= MAX_LINK && !link.contains(|c: char| c.is_whitespace() || "()<>[]\\".contains(c))
}
