//! An event made into a call of the Alert API.

use serde_json::{Map, Value, json};

use crate::request::{Credentials, below, post};
use crate::wording::{Wording, details, headline};
use destination::card::Card;
use destination::task::{Rendered, Target, Task};
use destination::text::{Unit, cut};
use model::attempt::Failure;
use model::event::EventName;
use model::incident::Severity;

/// The longest message, in characters.
const MAX_MESSAGE: usize = 130;
/// The longest description, in characters.
const MAX_DESCRIPTION: usize = 15_000;
/// The longest name of who did something, in characters.
const MAX_USER: usize = 100;
/// The longest other name that is sent whole, in characters; an entity may have 512.
const MAX_NAME: usize = 500;
/// The most tags, and the longest of them, in characters.
const MAX_TAGS: usize = 20;
const MAX_TAG: usize = 50;
/// Who speaks, if it is no person.
const OPSKNIGHT: &str = "OpsKnight";

/// What is done to an alert.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Call {
    /// Opens one, or counts into the one that is open.
    Create,
    Acknowledge,
    Close,
    Note,
}

impl Call {
    /// What an event does. A closed alert stays closed: a reopened incident opens another one of the same alias.
    pub(super) fn new(event: EventName) -> Self {
        match event {
            EventName::Triggered | EventName::Reopened => Self::Create,
            EventName::Acknowledged => Self::Acknowledge,
            EventName::Resolved => Self::Close,
            EventName::Escalated => Self::Note,
        }
    }

    fn path(self, alias: &str) -> String {
        match self {
            Self::Create => "/v2/alerts".to_owned(),
            Self::Acknowledge => format!("/v2/alerts/{alias}/acknowledge"),
            Self::Close => format!("/v2/alerts/{alias}/close"),
            Self::Note => format!("/v2/alerts/{alias}/notes"),
        }
    }
}

/// The request for a task.
pub(super) fn render(task: &Task<'_>, wording: Wording) -> Result<Rendered, Failure> {
    let card = Card::new(task)?.cut(usize::MAX, MAX_NAME);
    let call = Call::new(card.event);
    let alias = card.incident_id.to_string();
    let mut url = below(&task.target.url, &call.path(&alias));
    let body = match call {
        Call::Create => alert(task.target, &card, wording),
        Call::Acknowledge | Call::Close | Call::Note => {
            url.set_query(Some("identifierType=alias"));
            json!({ "user": user(&card), "source": OPSKNIGHT, "note": note(&card) })
        }
    };
    let credentials = Credentials::Token("GenieKey", task.target.secret("apiKey"));
    post(url, &credentials, &body)
}

fn alert(target: &Target, card: &Card, wording: Wording) -> Value {
    let mut alert = json!({
        "message": headline(card, MAX_MESSAGE),
        "alias": card.incident_id.to_string(),
        "priority": priority(card),
        "source": OPSKNIGHT,
    });
    if wording == Wording::Full {
        let details = details(card)
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value.into()));
        alert["description"] = cut(&description(card), MAX_DESCRIPTION, Unit::Characters).into();
        alert["entity"] = card.service.as_str().into();
        alert["user"] = user(card).into();
        alert["details"] = Value::Object(details.collect::<Map<_, _>>());
        alert["tags"] = tags(target).unwrap_or_default().into();
    }
    alert
}

/// The priority of an alert: a sample shall wake nobody.
fn priority(card: &Card) -> &'static str {
    match card.severity {
        _ if card.is_test => "P5",
        Severity::Critical => "P1",
        Severity::Error => "P2",
        Severity::Warning => "P3",
        Severity::Info => "P5",
    }
}

/// A few lines. Some of Opsgenie's clients read HTML in them: texts of people get characters that look alike.
fn description(card: &Card) -> String {
    let lines = [
        card.title.clone(),
        format!(
            "{} · {} · {}",
            card.happened_by(),
            card.severity_name(),
            card.service
        ),
        format!("Assignee: {}", card.assignee_name()),
        format!("Since: {}", card.since_text()),
    ];
    let harmless = lines.map(|line| line.replace('<', "‹").replace('>', "›"));
    harmless
        .into_iter()
        .chain(card.link.clone())
        .collect::<Vec<_>>()
        .join("\n")
}

fn user(card: &Card) -> String {
    cut(
        card.by.as_deref().unwrap_or(OPSKNIGHT),
        MAX_USER,
        Unit::Characters,
    )
}

fn note(card: &Card) -> String {
    let assignee = match card.event {
        EventName::Escalated => format!(", now with {}", card.assignee_name()),
        _ => String::new(),
    };
    format!("{}{assignee}", card.happened_by())
}

/// The tags in the settings; nothing if they are not as they may be.
pub(super) fn tags(target: &Target) -> Option<Vec<String>> {
    let tags = target.option("tags").split(',').map(str::trim);
    let tags: Vec<_> = tags.filter(|tag| !tag.is_empty()).map(str::to_owned).collect();
    let fit = tags.len() <= MAX_TAGS && tags.iter().all(|tag| tag.chars().count() <= MAX_TAG);
    fit.then_some(tags)
}
