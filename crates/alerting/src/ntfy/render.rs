//! An event made into a notification, published as JSON. Nothing in it is markup: `markdown` stays off.

use serde_json::{Value, json};

use crate::ntfy::is_name;
use crate::request::{Credentials, below, post};
use crate::wording::{Wording, headline};
use destination::card::{Card, act_label};
use destination::task::{Rendered, Task};
use destination::text::{Unit, cut};
use model::attempt::Failure;
use model::event::EventName;
use model::incident::Severity;

/// The longest title that is shown whole, in characters.
const MAX_TITLE: usize = 250;
/// The longest name that is shown whole, in characters.
const MAX_NAME: usize = 200;
/// The longest text; a longer one becomes an attachment, or is refused. In bytes.
const MAX_MESSAGE_BYTES: usize = 4096;
/// The most buttons of a notification.
const MAX_ACTIONS: usize = 3;
/// The longest address that is sent, in bytes: the whole may be twice as long as a text.
const MAX_LINK_BYTES: usize = 1024;
/// What is neither loud nor silent.
const DEFAULT_PRIORITY: u8 = 3;

/// Under which name the notification of a task is published: that of the one before it, unless this one is to be heard. The
/// same at every attempt.
pub(super) fn sequence(task: &Task<'_>) -> String {
    let replaces = task.target.option("messages") != "separate" && !task.event.name.asks_for_attention();
    let before = task.message_ref.filter(|name| replaces && is_name(name));
    before.map_or_else(|| task.delivery_id.to_string(), str::to_owned)
}

/// The request for a task.
pub(super) fn render(task: &Task<'_>, wording: Wording, sequence: &str) -> Result<Rendered, Failure> {
    let card = Card::new(task)?.cut(usize::MAX, MAX_NAME);
    let mut notification = json!({
        "topic": task.target.secret("topic"),
        "title": headline(&card, MAX_TITLE),
        "message": cut(&text(&card), MAX_MESSAGE_BYTES, Unit::Bytes),
        "priority": priority(&card),
    });
    if wording == Wording::Full {
        notification["tags"] = json!([emoji(&card), card.severity_name().to_lowercase()]);
        notification["sequence_id"] = sequence.into();
        let link = card.link.as_ref().filter(|link| link.len() <= MAX_LINK_BYTES);
        if let Some(link) = link {
            notification["click"] = link.as_str().into();
        }
        let actions = actions(&card);
        if !actions.is_empty() {
            notification["actions"] = actions.into();
        }
    }
    post(
        below(&task.target.url, "/"),
        &Credentials::new(task.target),
        &notification,
    )
}

fn text(card: &Card) -> String {
    format!(
        "{} · {} · {}\nAssignee: {}\nSince: {}",
        card.happened_by(),
        card.severity_name(),
        card.service,
        card.assignee_name(),
        card.since_text()
    )
}

/// How loud: by severity while somebody is asked for.
fn priority(card: &Card) -> u8 {
    match card.severity {
        _ if card.is_test || !card.event.asks_for_attention() => DEFAULT_PRIORITY,
        Severity::Critical => 5,
        Severity::Error => 4,
        Severity::Warning => DEFAULT_PRIORITY,
        Severity::Info => 2,
    }
}

/// The short code of an emoji, which ntfy puts before the title.
fn emoji(card: &Card) -> &'static str {
    match (card.event, card.severity) {
        (EventName::Acknowledged, _) => "eyes",
        (EventName::Resolved, _) => "white_check_mark",
        (EventName::Triggered | EventName::Escalated | EventName::Reopened, severity) => match severity {
            Severity::Critical => "rotating_light",
            Severity::Error => "red_circle",
            Severity::Warning => "warning",
            Severity::Info => "information_source",
        },
    }
}

fn actions(card: &Card) -> Vec<Value> {
    let button = |label: &str, url: &str| {
        let fits = url.len() <= MAX_LINK_BYTES;
        fits.then(|| json!({ "action": "view", "label": label, "url": url }))
    };
    let acts = card
        .acts
        .iter()
        .filter_map(|act| button(act_label(act.action), act.page.as_deref()?));
    acts.take(MAX_ACTIONS).collect()
}
