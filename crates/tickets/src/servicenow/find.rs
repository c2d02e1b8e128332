//! Reads a ticket, or looks for it: by our marker, or by what a person named.

use serde_json::Value;

use crate::servicenow::access::{shown_nothing, shows_nothing};
use crate::servicenow::answer::{list, result, total, unreadable};
use crate::servicenow::record::Record;
use crate::servicenow::request::{Caller, RECORD_FIELDS, query_value};
use crate::servicenow::settings::{is_sys_id, table};
use crate::workflow::action::{Facts, Mark, Observation, Sighting, Trouble, TroubleKind, View};
use crate::workflow::system::Ask;
use destination::task::Rendered;
use destination::ticketing::MAX_MARKED;
use model::attempt::{Disposition, Failure};
use model::exchange::{Exchange, FailureCode};

/// A number belongs to one record.
const NAMED: usize = 2;

/// The request for the records that carry a marker, oldest first.
pub(super) fn request(caller: Caller<'_>, marker: &str) -> Result<Rendered, Failure> {
    if marker.is_empty() {
        let detail = "there is no marker to look for: tell us, it is a mistake of ours";
        return Err(Failure::new(FailureCode::RequestInvalid, detail).with(Disposition::Permanent));
    }
    let query = format!("correlation_id={}^ORDERBYsys_created_on", query_value(marker));
    caller.list(table(caller.target), &query, RECORD_FIELDS, MAX_MARKED)
}

/// Which do.
pub(super) fn observe(ask: &Ask<'_>, exchange: &Exchange) -> Observation {
    let result = list(ask, exchange)?;
    if total(exchange).is_some_and(|found| found > 0) && shows_nothing(&result, exchange) {
        return Err(shown_nothing(ask));
    }
    let listed = Record::list(&result);
    let is_empty = listed.as_ref().is_some_and(Vec::is_empty);
    let records = listed.unwrap_or_default();
    let ours = records.iter().filter(|record| record.carries(ask.marker));
    let found: Option<Vec<Sighting>> = ours.map(|record| record.sighting(ask)).collect();
    let found = found.ok_or_else(|| unreadable(ask.target))?;
    // A query that the instance ignores brings other records, and says nothing about ours.
    if found.is_empty() && !is_empty {
        let detail = "the instance answers with other records than those that carry the incident's id: let this account \
                      read and query the field correlation_id";
        let failure = Failure::new(FailureCode::SettingsRefused, detail).with(Disposition::NeedsOperator);
        return Err(Trouble::new(TroubleKind::Forbidden, failure));
    }
    Ok(Facts::Tickets(found))
}

/// How a ticket stands.
pub(super) fn read(ask: &Ask<'_>, view: View, exchange: &Exchange) -> Observation {
    let result = match result(ask, exchange) {
        Ok(result) => result,
        // Whoever may make a record and not see it.
        Err(refusal) if refusal.kind == TroubleKind::Missing && ask.was_just_made() => {
            return Err(unreadable(ask.target));
        }
        Err(refusal) => return Err(refusal.into()),
    };
    let record = Record::of(&result).unwrap_or_default();
    if view == View::Hint && !record.carries(ask.marker) {
        return Ok(Facts::Ticket(Box::new(Sighting::blank(Mark::Other(
            String::new(),
        )))));
    }
    sighting(ask, &record)
}

fn sighting(ask: &Ask<'_>, record: &Record) -> Observation {
    let sighting = record.sighting(ask).ok_or_else(|| unreadable(ask.target))?;
    Ok(Facts::Ticket(Box::new(sighting)))
}

/// The request for the ticket with a number or id.
pub(super) fn named_request(caller: Caller<'_>, reference: &str) -> Result<Rendered, Failure> {
    if is_sys_id(reference) {
        return caller.record(reference, RECORD_FIELDS);
    }
    let query = format!("number={}", query_value(reference));
    caller.list(table(caller.target), &query, RECORD_FIELDS, NAMED)
}

/// Which that is.
pub(super) fn named(ask: &Ask<'_>, reference: &str, exchange: &Exchange) -> Observation {
    let answer = match is_sys_id(reference) {
        true => result(ask, exchange)?,
        false => list(ask, exchange)?,
    };
    let found = found(&answer, reference);
    let missing = || {
        let failure = Failure::new(FailureCode::TicketLost, "there is no such ticket");
        Trouble::new(TroubleKind::Missing, failure)
    };
    sighting(ask, &found.ok_or_else(missing)?)
}

fn found(result: &Value, reference: &str) -> Option<Record> {
    if is_sys_id(reference) {
        return Record::of(result);
    }
    let is_it = |record: &Record| record.value("number").eq_ignore_ascii_case(reference);
    Record::list(result)?.into_iter().find(is_it)
}
