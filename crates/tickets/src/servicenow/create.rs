//! Makes the ticket. It carries our marker, by which it is found again should the answer be lost.

use serde_json::{Map, Value, json};

use crate::servicenow::answer::{Refusal, result};
use crate::servicenow::record::{DISPLAY, Record, is_id};
use crate::servicenow::request::Caller;
use crate::servicenow::settings::impact_and_urgency;
use crate::servicenow::texts;
use crate::workflow::action::{Facts, Observation, Sighting, Trouble, TroubleKind};
use crate::workflow::system::Ask;
use destination::mapping;
use destination::task::Rendered;
use model::attempt::Failure;
use model::exchange::{Exchange, FailureCode};

/// The request that makes the ticket.
pub(super) fn request(caller: Caller<'_>, ask: &Ask<'_>) -> Result<Rendered, Failure> {
    caller.create(&body(ask)?)
}

fn body(ask: &Ask<'_>) -> Result<Value, Failure> {
    let task = ask.task()?;
    let texts = texts::of_ticket(task)?;
    let (impact, urgency) = impact_and_urgency(task.target, texts.severity);
    let mut body = Map::new();
    body.insert("short_description".into(), json!(texts.summary));
    body.insert("description".into(), json!(texts.description));
    body.insert("impact".into(), json!(impact));
    body.insert("urgency".into(), json!(urgency));
    let group = ask.group().unwrap_or(&texts.group);
    if !group.is_empty() {
        body.insert("assignment_group".into(), json!(group));
    }
    body.extend(texts.fields.into_iter().map(|(name, text)| (name, json!(text))));
    body.retain(|name, _| !ask.dropped().contains(name));
    body.insert("correlation_id".into(), json!(ask.marker));
    body.insert("correlation_display".into(), json!(DISPLAY));
    Ok(Value::Object(body))
}

/// The request that gives a ticket the incident's present title and severity.
pub(super) fn retitle(caller: Caller<'_>, ask: &Ask<'_>, id: &str) -> Result<Rendered, Failure> {
    let mut body = body(ask)?;
    if let Some(fields) = body.as_object_mut() {
        fields.retain(|name, _| ["short_description", "impact", "urgency"].contains(&name.as_str()));
    }
    caller.change(id, &body)
}

/// What became of it.
pub(super) fn observe(ask: &Ask<'_>, exchange: &Exchange) -> Observation {
    let result = match result(ask, exchange) {
        Ok(result) => result,
        Err(refusal) => return Err(refused(ask, refusal)),
    };
    let record = Record::of(&result).filter(|record| is_id(record.value("sys_id")));
    let Some(record) = record else {
        let detail = "the instance took the request but did not say which ticket it made";
        let failure = Failure::new(FailureCode::ResponseInvalid, detail);
        return Err(Trouble::new(TroubleKind::Unknown, failure));
    };
    let sighting = record.sighting(ask).unwrap_or_else(|| Sighting {
        ticket: record.name_only(ask.target),
        ..Sighting::blank(record.mark(ask.marker))
    });
    // One whose state was not told is read by its id.
    let is_partial = sighting.ticket.status.is_empty();
    Ok(Facts::Ticket(Box::new(Sighting {
        is_partial,
        ..sighting
    })))
}

fn refused(ask: &Ask<'_>, refusal: Refusal) -> Trouble {
    let without = match refusal.kind {
        TroubleKind::Refused => named_fields(ask, &refusal),
        _ => Vec::new(),
    };
    Trouble {
        without,
        ..refusal.into()
    }
}

/// The fields that may be left out and that the instance names; none if something is missing, or if it is asked again.
fn named_fields(ask: &Ask<'_>, refusal: &Refusal) -> Vec<String> {
    let is_missing = refusal.names(&["mandatory"]);
    if is_missing || !ask.dropped().is_empty() {
        return Vec::new();
    }
    let own = mapping::entries(ask.target.option("fields")).map(|(name, _)| name);
    let optional = ["impact", "urgency", "assignment_group"].into_iter().chain(own);
    let is_named = |name: &&str| refusal.names(&[name, &name.replace('_', " ")]);
    optional.filter(is_named).map(str::to_owned).collect()
}
