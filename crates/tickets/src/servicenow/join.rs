//! Closes a ticket that was made twice: a note that names the one that stays, then its closing. Our marker is taken off it
//! in the same change, so that it is not found by it any more. Asked again, it does nothing twice.

use serde_json::{Map, Value, json};

use crate::servicenow::answer::{Kind, Refusal};
use crate::servicenow::ask::{caller, failed, result, send, unreadable};
use crate::servicenow::note::{self, Note, quiet};
use crate::servicenow::record::Record;
use crate::servicenow::request::RECORD_FIELDS;
use crate::servicenow::settings::{close_code, state_for};
use destination::ticketing::{QueryContext, QueryResult, QueryStep};
use model::attempt::{Disposition, Failure};
use model::exchange::{Exchange, FailureCode};
use model::ticket::{Ticket, TicketPhase};

/// The state of an incident that should not be there: Canceled.
const CANCELED: &str = "8";
/// What becomes of a duplicate's marker.
const DUPLICATE: &str = "-duplicate";

/// The next request, or the end.
pub(super) fn ask(asking: &QueryContext<'_>, keep: &Ticket, close: &Ticket) -> QueryStep {
    let mut answers = asking.answers.iter();
    let Some(exchange) = answers.next() else {
        return send(caller(asking).record(&close.id, RECORD_FIELDS));
    };
    let record = match result(asking, exchange) {
        Ok(result) => Record::of(&result).unwrap_or_default(),
        Err(refusal) if refusal.kind == Kind::Missing => return QueryStep::Done(QueryResult::Merged),
        Err(refusal) => return failed(refusal),
    };
    let Some(ticket) = record.ticket(asking.target) else {
        return unreadable(asking);
    };
    let marker = record.value("correlation_id");
    if ticket.phase == TicketPhase::Done && marker.ends_with(DUPLICATE) {
        return QueryStep::Done(QueryResult::Merged);
    }
    match tell(asking, keep, close, &mut answers) {
        Some(asked) => asked,
        None => end(asking, keep, close, marker.trim_end_matches(DUPLICATE), answers),
    }
}

/// The note: what is to be asked for it, or nothing once it is there.
fn tell<'a>(
    asking: &QueryContext<'_>,
    keep: &Ticket,
    close: &Ticket,
    answers: &mut impl Iterator<Item = &'a Exchange>,
) -> Option<QueryStep> {
    let note = Note {
        key: format!("duplicate/{}", keep.id),
        text: format!("Duplicate of {}.", quiet(&keep.key)),
    };
    let Some(exchange) = answers.next() else {
        return Some(send(note::search(caller(asking), &close.id, &note.key)));
    };
    let is_there = match result(asking, exchange) {
        Ok(result) => {
            let records = Record::list(&result).unwrap_or_default();
            records.iter().any(|record| note.is_in(record.value("value")))
        }
        Err(refusal) if is_forbidden(&refusal) => false,
        Err(refusal) => return Some(failed(refusal)),
    };
    if is_there {
        return None;
    }
    let Some(exchange) = answers.next() else {
        let body = json!({ "work_notes": note.whole() });
        return Some(send(caller(asking).change(&close.id, &body)));
    };
    // A duplicate that may not be written to is still better closed.
    let refusal = result(asking, exchange).err();
    refusal.filter(|refusal| !is_forbidden(refusal)).map(failed)
}

/// The closing: first as canceled, then, if the instance will not have that, as any other ticket.
fn end<'a>(
    asking: &QueryContext<'_>,
    keep: &Ticket,
    close: &Ticket,
    marker: &str,
    mut answers: impl Iterator<Item = &'a Exchange>,
) -> QueryStep {
    let mut body = Map::new();
    if !marker.is_empty() {
        body.insert("correlation_id".into(), json!(format!("{marker}{DUPLICATE}")));
    }
    let Some(exchange) = answers.next() else {
        body.insert("state".into(), json!(CANCELED));
        return send(caller(asking).change(&close.id, &Value::Object(body)));
    };
    match is_closed(asking, exchange) {
        Ok(true) => return QueryStep::Done(QueryResult::Merged),
        Ok(false) => {}
        Err(refusal) if is_forbidden(&refusal) => {}
        Err(refusal) => return failed(refusal),
    }
    let Some(exchange) = answers.next() else {
        body.insert("state".into(), json!(state_for(asking.target, TicketPhase::Done)));
        body.insert("close_code".into(), json!(close_code(asking.target)));
        body.insert("close_notes".into(), json!(format!("Duplicate of {}.", keep.key)));
        return send(caller(asking).change(&close.id, &Value::Object(body)));
    };
    match is_closed(asking, exchange) {
        Ok(true) => QueryStep::Done(QueryResult::Merged),
        Ok(false) => {
            let detail = format!(
                "{} is a duplicate and cannot be closed: close it by hand",
                close.key
            );
            let failure = Failure::new(FailureCode::TransitionMissing, detail).with(Disposition::Permanent);
            QueryStep::Failed(failure, None)
        }
        Err(refusal) => failed(refusal),
    }
}

fn is_closed(asking: &QueryContext<'_>, exchange: &Exchange) -> Result<bool, Refusal> {
    let record = Record::of(&result(asking, exchange)?).unwrap_or_default();
    let ticket = record.ticket(asking.target);
    let is_done = ticket.is_some_and(|ticket| ticket.phase == TicketPhase::Done);
    Ok(is_done || record.value("state") == CANCELED)
}

fn is_forbidden(refusal: &Refusal) -> bool {
    matches!(refusal.kind, Kind::Forbidden | Kind::Refused)
}
