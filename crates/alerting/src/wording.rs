//! What an alert says, and how much of it.

use destination::card::Card;
use destination::task::Task;
use destination::text::{Unit, cut};

/// What is left for the next attempt once an alert was refused: say no more than it takes.
pub(crate) const BARE: &str = "bare";

/// How much an alert says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wording {
    /// All there is.
    Full,
    /// What the service demands and nothing else: the rest was refused, or there is none.
    Bare,
}

impl Wording {
    pub(crate) fn new(task: &Task<'_>) -> Self {
        match task.continuation {
            Some(BARE) => Self::Bare,
            _ => Self::Full,
        }
    }
}

/// The title, marked if it is a test, within so many characters.
pub(crate) fn headline(card: &Card, max: usize) -> String {
    let test = if card.is_test { "[Test] " } else { "" };
    let title = if card.title.is_empty() {
        "(no title)"
    } else {
        &card.title
    };
    cut(&format!("{test}{title}"), max, Unit::Characters)
}

/// What else there is to say: names and values.
pub(crate) fn details(card: &Card) -> Vec<(&'static str, String)> {
    let details = [
        ("incident", card.incident_id.to_string()),
        ("event", card.happened_by()),
        ("status", card.status_name().to_lowercase()),
        ("severity", card.severity_name().to_lowercase()),
        ("service", card.service.clone()),
        ("assignee", card.assignee_name().to_owned()),
        ("since", card.since_text()),
    ];
    let link = card.link.clone().map(|link| ("link", link));
    details.into_iter().chain(link).collect()
}
