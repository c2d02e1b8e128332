//! Makes the ticket. It carries our marker, by which it is found again should the answer be lost.

use serde_json::{Map, Value, json};

use crate::servicenow::answer::{Heard, Kind, Refusal};
use crate::servicenow::follow;
use crate::servicenow::look::marker;
use crate::servicenow::progress::Progress;
use crate::servicenow::record::{DISPLAY, Record, is_id};
use crate::servicenow::request::Caller;
use crate::servicenow::settings::impact_and_urgency;
use crate::servicenow::texts;
use destination::mapping;
use destination::task::{Classification, Intention, Rendered, Task};
use model::attempt::{Disposition, Failure, Outcome};
use model::exchange::FailureCode;
use model::patch::Patch;
use model::ticket::{Ticket, TicketNews, TicketPhase};

/// The request that makes the ticket.
pub(super) fn request(task: &Task<'_>, progress: &Progress) -> Result<Rendered, Failure> {
    let body = body(task, progress)?;
    let caller = Caller {
        target: task.target,
        token: task.token,
    };
    let rendered = caller.create(&body)?;
    Ok(Rendered {
        intent: Some(Intention::MakeTicket),
        ..rendered
    })
}

fn body(task: &Task<'_>, progress: &Progress) -> Result<Value, Failure> {
    let texts = texts::of_ticket(task)?;
    let (impact, urgency) = impact_and_urgency(task.target, texts.severity);
    let mut body = Map::new();
    body.insert("short_description".into(), json!(texts.summary));
    body.insert("description".into(), json!(texts.description));
    body.insert("impact".into(), json!(impact));
    body.insert("urgency".into(), json!(urgency));
    let group = progress.group.as_ref().unwrap_or(&texts.group);
    if !group.is_empty() {
        body.insert("assignment_group".into(), json!(group));
    }
    body.extend(texts.fields.into_iter().map(|(name, text)| (name, json!(text))));
    body.retain(|name, _| !progress.dropped.contains(name));
    body.insert("correlation_id".into(), json!(marker(task)));
    body.insert("correlation_display".into(), json!(DISPLAY));
    Ok(Value::Object(body))
}

/// What became of it.
pub(super) fn judge(heard: &Heard<'_>, progress: Progress) -> Classification {
    let result = match heard.result() {
        Ok(result) => result,
        Err(refusal) => return refused(heard, refusal, progress),
    };
    let record = Record::of(&result).filter(|record| is_id(record.value("sys_id")));
    let Some(record) = record else {
        let detail = "the instance took the request but did not say which ticket it made";
        return unknown(&Failure::new(FailureCode::ResponseInvalid, detail));
    };
    let progress = Progress {
        is_fresh: true,
        ..progress
    };
    let ticket = record.ticket(heard.task.target);
    if heard.task.event.is_test {
        return tested(&record, ticket);
    }
    match ticket.filter(|_| record.carries(&marker(heard.task))) {
        Some(ticket) => {
            let note = made(&ticket.key, &progress);
            let judgement = follow::after_reading(heard.task, &record, ticket, TicketPhase::New, progress);
            judgement.noted(note)
        }
        None => {
            let note = "made a ticket whose state the answer did not tell: it is read";
            let progress = Progress {
                made: Some(record.value("sys_id").to_owned()),
                ..progress
            };
            let judgement = Classification {
                continuation: progress.keeping(),
                ..Outcome::Step.into()
            };
            judgement.noted(note)
        }
    }
}

fn made(key: &str, progress: &Progress) -> String {
    match progress.dropped.as_slice() {
        [] => format!("made {key}"),
        dropped => format!("made {key} without {}", dropped.join(", ")),
    }
}

fn tested(record: &Record, ticket: Option<Ticket>) -> Classification {
    let key = ticket
        .as_ref()
        .map_or_else(|| record.value("sys_id").to_owned(), |ticket| ticket.key.clone());
    let judgement = Classification {
        continuation: Patch::Clear,
        ticket: ticket.map(TicketNews::Seen),
        ..Outcome::Delivered.into()
    };
    judgement.noted(format!("made {key} as a test: close it by hand"))
}

/// A failure after which there may be a ticket.
fn unknown(failure: &Failure) -> Classification {
    let detail = format!("{}; whether the ticket was made is not known", failure.detail);
    let failure = Failure {
        detail,
        ..failure.clone()
    };
    failure.with(Disposition::VerifyFirst).into()
}

fn refused(heard: &Heard<'_>, refusal: Refusal, progress: Progress) -> Classification {
    if !refusal.did_nothing() {
        // Whoever answered in the instance's place has to be put right by a person; the ticket is looked for all the same.
        return match refusal.failure.disposition {
            Disposition::NeedsOperator => refusal.into(),
            _ => unknown(&refusal.failure),
        };
    }
    let named = named_fields(heard.task, &refusal, &progress);
    let judgement = match (refusal.kind, named.is_empty()) {
        (Kind::Refused, false) => without(refusal, named, progress),
        _ => refusal.into(),
    };
    Classification {
        ticket: Some(TicketNews::NotMade),
        ..judgement
    }
}

/// The fields that may be left out and that the instance names; none if something is missing, or if it is asked again.
fn named_fields(task: &Task<'_>, refusal: &Refusal, progress: &Progress) -> Vec<String> {
    let is_missing = refusal.names(&["mandatory"]);
    if is_missing || !progress.dropped.is_empty() {
        return Vec::new();
    }
    let own = mapping::entries(task.target.option("fields")).map(|(name, _)| name);
    let optional = ["impact", "urgency", "assignment_group"].into_iter().chain(own);
    let is_named = |name: &&str| refusal.names(&[name, &name.replace('_', " ")]);
    optional.filter(is_named).map(str::to_owned).collect()
}

fn without(refusal: Refusal, fields: Vec<String>, progress: Progress) -> Classification {
    let note = format!("the ticket is made without {}", fields.join(", "));
    let progress = Progress {
        dropped: fields,
        ..progress
    };
    let failure = refusal.failure.with(Disposition::Immediate);
    let judgement = Classification {
        continuation: progress.keeping(),
        ..failure.into()
    };
    judgement.noted(note)
}
