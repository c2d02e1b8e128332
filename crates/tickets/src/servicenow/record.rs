//! A record as the Table API answers with it: each value either plain, or as an object that holds it both as it is kept
//! and as people see it.

use serde_json::{Map, Value};

use crate::servicenow::request::address;
use crate::servicenow::settings::{account, phase, table};
use crate::servicenow::{change, duplicate};
use crate::workflow::action::{Mark, Sighting};
use crate::workflow::system::Ask;
use destination::task::Target;
use destination::text::{Unit, cut, one_line};
use model::ticket::{MAX_STATUS_LENGTH, MAX_TICKET_ID_BYTES, MAX_TICKET_URL_BYTES, Ticket, TicketPhase};
use model::time::Timestamp;

/// What we put into `correlation_display`, so that people and rules know our tickets.
pub(super) const DISPLAY: &str = "OpsKnight";

/// The longest name of a person that is kept, in characters.
pub(super) const MAX_PERSON: usize = 100;

/// One record.
#[derive(Debug, Clone, Default)]
pub(super) struct Record(Map<String, Value>);

impl Record {
    /// The record in an answer's `result`; nothing if that is none.
    pub(super) fn of(result: &Value) -> Option<Self> {
        result.as_object().cloned().map(Self)
    }

    /// The records in an answer's `result`; nothing if that is no list.
    pub(super) fn list(result: &Value) -> Option<Vec<Self>> {
        let list = result.as_array()?;
        Some(list.iter().filter_map(Self::of).collect())
    }

    /// Whether the answer holds a field at all: one that may not be read is left out or empty.
    pub(super) fn has(&self, field: &str) -> bool {
        self.0.contains_key(field)
    }

    /// A value as it is kept; empty if there is none.
    pub(super) fn value(&self, field: &str) -> &str {
        self.member(field, "value")
    }

    /// A value as people see it; as it is kept if that was not told.
    pub(super) fn shown(&self, field: &str) -> &str {
        match self.member(field, "display_value") {
            "" => self.value(field),
            shown => shown,
        }
    }

    fn member(&self, field: &str, member: &str) -> &str {
        match self.0.get(field) {
            Some(Value::String(text)) => text,
            Some(Value::Object(both)) => both.get(member).and_then(Value::as_str).unwrap_or_default(),
            _ => "",
        }
    }

    /// A time, which is kept in UTC.
    pub(super) fn time(&self, field: &str) -> Option<Timestamp> {
        format!("{}Z", self.value(field).trim().replace(' ', "T"))
            .parse()
            .ok()
    }

    /// Whether it carries a marker.
    pub(super) fn carries(&self, marker: &str) -> bool {
        !marker.is_empty() && self.value("correlation_id") == marker
    }

    /// Whose mark it carries.
    pub(super) fn mark(&self, ours: &str) -> Mark {
        match self.value("correlation_id") {
            "" => Mark::Nobodys,
            _ if self.carries(ours) => Mark::Ours,
            other => Mark::Other(other.to_owned()),
        }
    }

    /// The ticket that this record is; nothing if what makes it one was not told.
    pub(super) fn ticket(&self, target: &Target) -> Option<Ticket> {
        let id = self.value("sys_id");
        let state = self.value("state");
        if !is_id(id) || state.is_empty() {
            return None;
        }
        Some(Ticket {
            id: id.to_owned(),
            key: self.key(),
            url: page(target, id),
            phase: phase(target, state),
            status: cut(
                &one_line(self.shown("state")),
                MAX_STATUS_LENGTH,
                Unit::Characters,
            ),
        })
    }

    /// What the ticket is called, where it was not told how it stands.
    pub(super) fn name_only(&self, target: &Target) -> Ticket {
        let id = self.value("sys_id").to_owned();
        Ticket {
            key: self.key(),
            url: page(target, &id),
            id,
            phase: TicketPhase::New,
            status: String::new(),
        }
    }

    fn key(&self) -> String {
        match cut(&one_line(self.value("number")), MAX_TICKET_ID_BYTES, Unit::Bytes) {
            number if number.is_empty() => self.value("sys_id").to_owned(),
            number => number,
        }
    }

    /// The same for the workflow.
    pub(super) fn sighting(&self, ask: &Ask<'_>) -> Option<Sighting> {
        let ticket = self.ticket(ask.target)?;
        let marker = self.value("correlation_id");
        let by = cut(
            &one_line(self.value("sys_updated_by")),
            MAX_PERSON,
            Unit::Characters,
        );
        let account = account(ask.target);
        let assignee = ["assigned_to", "assigned_to.user_name"].map(|field| self.value(field));
        let names = assignee.into_iter().filter(|name| !name.is_empty());
        Some(Sighting {
            status_id: self.value("state").to_owned(),
            assignee: names.map(str::to_owned).collect(),
            assignee_name: one_line(self.shown("assigned_to")),
            route: change::route(ask, &ticket, marker),
            is_closed_duplicate: duplicate::is_one(marker) && ticket.phase == TicketPhase::Done,
            is_by_us: !account.is_empty() && by == account,
            by: Some(by).filter(|by| !by.is_empty()),
            ticket,
            ..Sighting::blank(self.mark(ask.marker))
        })
    }
}

/// Whether a text can be a record's id. Some old records have ids that are not hexadecimal.
pub(super) fn is_id(text: &str) -> bool {
    let is_part = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
    (1..=MAX_TICKET_ID_BYTES).contains(&text.len()) && text.bytes().all(is_part)
}

/// The page of a record, for people; the instance's own page if its address is too long to be kept.
pub(super) fn page(target: &Target, id: &str) -> String {
    let uri = format!("{}.do?sys_id={id}", table(target));
    let url = address(target, &["nav_to.do"], &[("uri", uri.as_str())]);
    match url.as_str().len() <= MAX_TICKET_URL_BYTES {
        true => url.into(),
        false => url.origin().ascii_serialization(),
    }
}
