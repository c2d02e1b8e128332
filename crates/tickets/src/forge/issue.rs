//! An issue, read from either's JSON, and what follows from where it stands.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::forge::Forge;
use crate::forge::account::{is_another, is_us};
use crate::forge::markdown::carries;
use crate::forge::place::Place;
use crate::forge::settings::{DUPLICATE_LABEL, acknowledged_label, is_same_label};
use crate::workflow::action::{Mark, Sighting};
use crate::workflow::state::{Blocked, Route};
use crate::workflow::system::Ask;
use destination::text::{Unit, cut, one_line};
use model::exchange::FailureCode;
use model::ticket::{MAX_STATUS_LENGTH, Ticket, TicketPhase};
use model::time::Timestamp;

/// The most labels or assignees that are looked at.
const MAX_LISTED: usize = 100;
/// The longest name of a person that is kept, in characters.
const MAX_NAME: usize = 100;
/// The most digits of an issue's number.
const MAX_DIGITS: usize = 18;

/// Somebody.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Person {
    /// Their id; empty if it was not told.
    pub(crate) id: String,
    /// Their user name.
    pub(crate) login: String,
}

impl Person {
    /// Reads somebody whose user name stands in a field; nothing if it is nobody.
    pub(crate) fn read(person: &Value, login: &str) -> Option<Self> {
        let login = short(person[login].as_str()?, MAX_NAME);
        let id = person["id"].as_u64().map(|id| id.to_string());
        (!login.is_empty()).then(|| Self {
            id: id.unwrap_or_default(),
            login,
        })
    }
}

/// An issue with what we look at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Issue {
    /// Its number.
    pub(crate) number: String,
    /// What people call it.
    pub(crate) key: String,
    /// Its page.
    pub(crate) url: String,
    /// Whether it is closed.
    pub(crate) is_closed: bool,
    /// Whether it was closed as a duplicate.
    pub(crate) is_duplicate: bool,
    /// Its labels.
    pub(crate) labels: Vec<String>,
    /// Who has it.
    pub(crate) assignees: Vec<Person>,
    /// Who made it.
    pub(crate) author: Option<Person>,
    /// Who closed it, if that was told.
    pub(crate) closed_by: Option<Person>,
    /// Its text.
    pub(crate) text: String,
    /// When it was made.
    pub(crate) created: Option<Timestamp>,
    /// When it was changed last.
    pub(crate) updated: Option<Timestamp>,
}

/// What is done to an issue so that it stands where it has to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Step {
    /// Closing it.
    Close,
    /// Opening it again.
    Reopen,
    /// Putting the label of the acknowledged on it.
    Label,
    /// Taking that label off.
    Unlabel,
}

impl Step {
    /// The step that was chosen when the issue was read.
    pub(crate) fn read(plan: &Value) -> Option<Self> {
        serde_json::from_value(plan.clone()).ok()
    }
}

impl Issue {
    /// Reads an issue; nothing if it is none.
    pub(crate) fn read(forge: &Forge, place: &Place, issue: &Value) -> Option<Self> {
        let number = number(&issue[forge.number])?;
        let state = issue["state"].as_str()?;
        Some(Self {
            key: place.key(&number),
            url: place.page(&number),
            is_closed: state == "closed",
            is_duplicate: issue["state_reason"] == "duplicate",
            labels: labels(&issue["labels"]),
            assignees: people(&issue["assignees"], forge.login),
            author: Person::read(&issue[forge.author], forge.login),
            closed_by: Person::read(&issue["closed_by"], forge.login),
            text: issue[forge.text].as_str().unwrap_or_default().to_owned(),
            created: time(&issue["created_at"]),
            updated: time(&issue["updated_at"]),
            number,
        })
    }

    fn has_label(&self, label: &str) -> bool {
        self.labels.iter().any(|known| is_same_label(known, label))
    }

    /// Whether it carries a marker.
    pub(crate) fn carries(&self, marker: &str) -> bool {
        carries(&self.text, marker)
    }

    /// Whether it was made twice and closed for that.
    pub(crate) fn is_closed_duplicate(&self) -> bool {
        self.is_closed && (self.is_duplicate || self.has_label(DUPLICATE_LABEL))
    }

    /// Whether we closed it as one that was made twice. A person may close the only one with such a reason.
    pub(crate) fn has_our_duplicate_label(&self) -> bool {
        self.is_closed && self.has_label(DUPLICATE_LABEL)
    }

    fn is_taken(&self, ask: &Ask<'_>) -> bool {
        acknowledged_label(ask.target).is_some_and(|label| self.has_label(label))
    }

    /// What tells the places apart that steps lead to and from.
    fn status_id(&self, ask: &Ask<'_>) -> String {
        let state = if self.is_closed { "closed" } else { "open" };
        let label = if self.is_taken(ask) { ", taken" } else { "" };
        format!("{state}{label}")
    }

    pub(crate) fn ticket(&self, ask: &Ask<'_>) -> Ticket {
        let (phase, status) = match (self.is_closed, self.is_taken(ask)) {
            (true, _) if self.is_duplicate => (TicketPhase::Done, "closed as a duplicate"),
            (true, _) => (TicketPhase::Done, "closed"),
            (false, true) => (
                TicketPhase::InProgress,
                acknowledged_label(ask.target).unwrap_or_default(),
            ),
            (false, false) => (TicketPhase::New, "open"),
        };
        Ticket {
            id: self.number.clone(),
            key: self.key.clone(),
            url: self.url.clone(),
            phase,
            status: short(status, MAX_STATUS_LENGTH),
        }
    }

    /// The same for the workflow.
    pub(crate) fn sighting(self, ask: &Ask<'_>) -> Sighting {
        // Whoever can read a mark can write it.
        let mark = match self.carries(ask.marker) && !is_another(ask.target, self.author.as_ref()) {
            true => Mark::Ours,
            false => Mark::Other(String::new()),
        };
        let ticket = self.ticket(ask);
        let closed_by = self.closed_by.as_ref().filter(|_| self.is_closed);
        let names = self
            .assignees
            .iter()
            .flat_map(|person| [&person.login, &person.id]);
        Sighting {
            status_id: self.status_id(ask),
            assignee: names.filter(|name| !name.is_empty()).cloned().collect(),
            assignee_name: self
                .assignees
                .first()
                .map_or(String::new(), |person| person.login.clone()),
            route: self.route(ask, ticket.phase),
            is_closed_duplicate: self.is_closed_duplicate(),
            by: closed_by.map(|person| person.login.clone()),
            is_by_us: is_us(ask.target, closed_by),
            updated: self.updated,
            ticket,
            ..Sighting::blank(mark)
        }
    }

    /// How it comes to where it has to be; nothing if it is there, or if nothing here says so.
    fn route(&self, ask: &Ask<'_>, here: TicketPhase) -> Option<Route> {
        use TicketPhase::{Done, InProgress, New};
        let has_label = acknowledged_label(ask.target).is_some();
        let (step, to) = match (ask.goal(here)?, here) {
            (Done, New | InProgress) => (Step::Close, "closed"),
            // The label goes first, so that nobody takes the issue for one that somebody has.
            (New, Done) if self.is_taken(ask) => (Step::Unlabel, ""),
            (New | InProgress, Done) => (Step::Reopen, "open"),
            (InProgress, New) if has_label => {
                (Step::Label, acknowledged_label(ask.target).unwrap_or_default())
            }
            (InProgress | New, New | InProgress) | (Done, Done) => return None,
        };
        if ask.visited.contains(&self.status_id(ask)) {
            let sentence = format!(
                "{} stays {} though it was told otherwise: let this account label and close issues, or look for a rule that moves \
                 it back",
                self.key,
                self.ticket(ask).status
            );
            let blocked = Blocked::new(FailureCode::TransitionMissing, &sentence);
            return Some(Route::Blocked(blocked));
        }
        Some(Route::Through {
            to: to.to_owned(),
            plan: serde_json::to_value(step).unwrap_or_default(),
        })
    }
}

/// The number of an issue in JSON.
pub(crate) fn number(value: &Value) -> Option<String> {
    value
        .as_u64()
        .map(|number| number.to_string())
        .filter(|text| is_number(text))
}

/// Whether a text may be an issue's number.
pub(crate) fn is_number(text: &str) -> bool {
    let is_plain = text.bytes().all(|byte| byte.is_ascii_digit()) && !text.starts_with('0');
    (1..=MAX_DIGITS).contains(&text.len()) && is_plain
}

/// Why what stands among issues is none of this place: GitHub has pull requests there, GitLab what is left of moved issues, which
/// is closed and tells nothing of an incident.
pub(crate) fn is_elsewhere(issue: &Value) -> Option<&'static str> {
    if issue["pull_request"].is_object() {
        return Some("this is a pull request and no issue");
    }
    let is_moved = issue["moved_to_id"].is_u64();
    is_moved.then_some("the issue was moved to another project: link it anew, or put the new address in")
}

/// The labels of an issue: names, or objects that have one.
pub(crate) fn labels(value: &Value) -> Vec<String> {
    let listed = value.as_array().into_iter().flatten().take(MAX_LISTED);
    let names = listed.filter_map(|label| label.as_str().or_else(|| label["name"].as_str()));
    names.map(str::to_owned).collect()
}

/// The people of a list.
pub(crate) fn people(value: &Value, login: &str) -> Vec<Person> {
    let listed = value.as_array().into_iter().flatten().take(MAX_LISTED);
    listed.filter_map(|person| Person::read(person, login)).collect()
}

/// A time.
pub(crate) fn time(value: &Value) -> Option<Timestamp> {
    value.as_str()?.parse().ok()
}

/// A text in one line, or as much of it as fits.
pub(crate) fn short(text: &str, max: usize) -> String {
    let start: String = text.chars().take(max.saturating_mul(4)).collect();
    cut(&one_line(&start), max, Unit::Characters)
}
