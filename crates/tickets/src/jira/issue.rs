//! A ticket as Jira's JSON tells it, every text bounded before it goes on.

use serde_json::Value;

use crate::jira::settings::{Edition, Settings};
use crate::workflow::action::{Mark, Sighting};
use destination::text::{Unit, cut, one_line};
use model::ticket::{MAX_STATUS_LENGTH, MAX_TICKET_ID_BYTES, MAX_TICKET_URL_BYTES, Ticket, TicketPhase};
use model::time::Timestamp;

/// What stands before the marker in our label.
const LABEL_PREFIX: &str = "opsknight-";
/// The label of tickets that were made twice and closed for that.
pub(super) const DUPLICATE_LABEL: &str = "opsknight-duplicate";
/// The label of tickets that Send Test made.
pub(super) const TEST_LABEL: &str = "opsknight-test";
/// The most labels that are looked at.
const MAX_LABELS: usize = 1000;
/// The longest name of a person that is kept, in characters.
const MAX_NAME: usize = 100;

/// The label that carries a marker.
pub(super) fn label(marker: &str) -> String {
    format!("{LABEL_PREFIX}{marker}")
}

/// Whether a label is one of ours, whatever it says.
pub(super) fn is_our_label(label: &str) -> bool {
    let start = label.get(..LABEL_PREFIX.len());
    start.is_some_and(|start| start.eq_ignore_ascii_case(LABEL_PREFIX))
}

/// A ticket with what we look at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Issue {
    /// The ticket.
    pub(super) ticket: Ticket,
    /// The id of its status.
    pub(super) status_id: String,
    /// Its labels.
    pub(super) labels: Vec<String>,
    /// The account that has it: account id on Cloud, user name on Data Center.
    pub(super) assignee: Option<String>,
    /// When it was changed last.
    pub(super) updated: Option<Timestamp>,
}

impl Issue {
    /// Reads a ticket; nothing if it is none.
    pub(super) fn read(settings: Settings<'_>, issue: &Value) -> Option<Self> {
        let fields = &issue["fields"];
        let status = &fields["status"];
        let name = Named::read(issue)?;
        let labels = fields["labels"].as_array().into_iter().flatten();
        let assignee = &fields["assignee"];
        let account = match settings.edition() {
            Edition::Cloud => account_of(assignee),
            Edition::DataCenter => known_by(assignee, &["name", "key"]),
        };
        Some(Self {
            ticket: Ticket {
                url: page(settings, &name.key),
                phase: phase(status)?,
                status: short(status["name"].as_str().unwrap_or_default(), MAX_STATUS_LENGTH),
                id: name.id,
                key: name.key,
            },
            status_id: text_or_number(&status["id"]).unwrap_or_default(),
            labels: labels
                .take(MAX_LABELS)
                .filter_map(|label| label.as_str().map(str::to_owned))
                .collect(),
            assignee: account,
            updated: fields["updated"].as_str().and_then(time),
        })
    }

    /// Whether it carries a marker.
    pub(super) fn carries(&self, marker: &str) -> bool {
        let ours = label(marker);
        !marker.is_empty() && self.labels.contains(&ours)
    }

    /// The same for the workflow, as far as any answer tells it.
    pub(super) fn sighting(self, marker: &str) -> Sighting {
        let mark = match self.carries(marker) {
            true => Mark::Ours,
            false => Mark::Other(String::new()),
        };
        Sighting {
            is_closed_duplicate: self.is_closed_duplicate(),
            ticket: self.ticket,
            status_id: self.status_id,
            assignee: self.assignee.into_iter().collect(),
            is_partial: true,
            updated: self.updated,
            ..Sighting::blank(mark)
        }
    }

    /// Whether it was made twice and closed for that.
    pub(super) fn is_closed_duplicate(&self) -> bool {
        self.ticket.phase == TicketPhase::Done && self.labels.iter().any(|label| label == DUPLICATE_LABEL)
    }
}

/// What a ticket is called.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Named {
    /// Its id.
    pub(super) id: String,
    /// Its key.
    pub(super) key: String,
}

impl Named {
    /// Reads id and key; nothing if they are none.
    pub(super) fn read(issue: &Value) -> Option<Self> {
        let id = text_or_number(&issue["id"]).filter(|id| is_id(id))?;
        let key = issue["key"].as_str().filter(|key| is_key(key))?.to_owned();
        Some(Self { id, key })
    }
}

/// Whether a text may be a ticket's id.
pub(super) fn is_id(text: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric();
    (1..=MAX_TICKET_ID_BYTES).contains(&text.len()) && text.bytes().all(is_plain)
}

/// Whether a text may be a ticket's key: a project's key, a hyphen and a number.
pub(super) fn is_key(text: &str) -> bool {
    let is_word = |part: &str| {
        part.starts_with(char::is_alphabetic)
            && part.chars().all(|sign| sign.is_alphanumeric() || sign == '_')
    };
    let parts = text.rsplit_once('-');
    let is_number = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    text.len() <= MAX_TICKET_ID_BYTES
        && parts.is_some_and(|(project, number)| is_word(project) && is_number(number))
}

/// A ticket's page.
pub(super) fn page(settings: Settings<'_>, key: &str) -> String {
    let site = settings.site();
    let page = format!("{site}/browse/{key}");
    if page.len() <= MAX_TICKET_URL_BYTES {
        page
    } else {
        String::new()
    }
}

/// The phase of a status. A status without a category is new: nobody has said otherwise.
pub(super) fn phase(status: &Value) -> Option<TicketPhase> {
    if !status.is_object() {
        return None;
    }
    Some(match status["statusCategory"]["key"].as_str() {
        Some("done") => TicketPhase::Done,
        Some("indeterminate") => TicketPhase::InProgress,
        Some(_) | None => TicketPhase::New,
    })
}

/// What a ticket's labels carry that may be our marker.
pub(super) fn markers_in(labels: &Value) -> Vec<String> {
    let labels = labels.as_array().map(Vec::as_slice).unwrap_or_default();
    let marks = labels
        .iter()
        .take(MAX_LABELS)
        .filter_map(|label| label.as_str()?.strip_prefix(LABEL_PREFIX));
    marks
        .filter(|mark| mark.len() <= MAX_TICKET_ID_BYTES)
        .map(str::to_owned)
        .collect()
}

/// What a person is known by: account id on Cloud, user name or else key on Data Center.
pub(super) fn account_of(person: &Value) -> Option<String> {
    known_by(person, &["accountId", "name", "key"])
}

fn known_by(person: &Value, names: &[&str]) -> Option<String> {
    let known = names.iter().find_map(|name| person[*name].as_str());
    known
        .filter(|account| !account.is_empty())
        .map(|account| short(account, MAX_NAME))
}

/// A person's name.
pub(super) fn name_of(person: &Value) -> Option<String> {
    let name = short(person["displayName"].as_str()?, MAX_NAME);
    (!name.is_empty()).then_some(name)
}

/// A time of Jira: `2024-01-15T10:30:00.000+0000`, a zone without a colon.
pub(super) fn time(text: &str) -> Option<Timestamp> {
    let at = text
        .len()
        .checked_sub(5)
        .filter(|at| text.is_char_boundary(*at))?;
    let (before, zone) = text.split_at(at);
    let is_bare = zone.starts_with(['+', '-']) && zone.bytes().skip(1).all(|byte| byte.is_ascii_digit());
    match zone.split_at_checked(3) {
        Some((hours, minutes)) if is_bare => format!("{before}{hours}:{minutes}").parse().ok(),
        Some(_) | None => text.parse().ok(),
    }
}

/// A text in one line, or as much of it as fits.
pub(super) fn short(text: &str, max: usize) -> String {
    // Only what can still be seen is looked at, however long the text is.
    let start: String = text.chars().take(max.saturating_mul(4)).collect();
    cut(&one_line(&start), max, Unit::Characters)
}

fn text_or_number(value: &Value) -> Option<String> {
    let number = value.as_u64().map(|number| number.to_string());
    value
        .as_str()
        .map(str::to_owned)
        .or(number)
        .filter(|text| text.len() <= MAX_TICKET_ID_BYTES)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_zone_is_read_with_and_without_its_colon() {
        let expected = Some(Timestamp::from_millis(1_705_314_600_123));
        assert_eq!(time("2024-01-15T12:30:00.123+0200"), expected);
        assert_eq!(time("2024-01-15T12:30:00.123+02:00"), expected);
        assert_eq!(time("2024-01-15T10:30:00.123Z"), expected);
        assert_eq!(time("ü2024"), None);
        assert_eq!(time(""), None);
    }

    #[test]
    fn keys_and_ids_are_told_from_other_texts() {
        assert!(is_key("OPS-12") && is_key("A_1-1"));
        assert!(!is_key("OPS") && !is_key("OPS-") && !is_key("../x-1") && !is_key("1A-1"));
        assert!(is_id("10012") && !is_id("") && !is_id("../1"));
    }
}
