//! Taking a transition.

use std::time::Duration;

use http::Method;
use serde_json::{Map, Value, json};

use crate::jira::answer::{self, Errors, Purpose};
use crate::jira::plan::Facts;
use crate::jira::progress::{Stuck, Turn, Way};
use crate::jira::screen::{self, Answer};
use crate::jira::settings::Settings;
use destination::task::{Classification, Rendered};
use model::attempt::{Disposition, Failure};
use model::exchange::{Exchange, FailureCode, Response};
use model::time::Timestamp;

/// What the request is for.
const PURPOSE: Purpose<'static> = Purpose {
    act: "move the ticket",
    missing: "the ticket or its transition is not there any more",
};
/// The most transitions that are refused because the ticket had moved, in one delivery.
const MAX_STALE_MOVES: u32 = 2;
/// How long another change of the ticket, which Jira works on at the same time, is waited for.
const CONFLICT_WAIT: Duration = Duration::from_secs(2);

/// The request. Repeating it does no harm: a transition that was taken is not there any more, or leads to where the ticket
/// is.
pub(super) fn request(facts: &Facts<'_>, way: &Way) -> Result<Rendered, Failure> {
    let id = facts.ticket_id().unwrap_or_default();
    let body = body(facts.settings(), way);
    facts
        .api()
        .send(Method::POST, &["issue", &id, "transitions"], &body)
}

/// The body of a request that takes a transition.
pub(super) fn body(settings: Settings<'_>, way: &Way) -> Value {
    let value = |field: &Answer| (field.id.clone(), screen::value(field, settings));
    let fields: Map<String, Value> = way.fields.iter().map(value).collect();
    match fields.is_empty() {
        true => json!({ "transition": { "id": way.id } }),
        false => json!({ "transition": { "id": way.id }, "fields": fields }),
    }
}

/// What the answer means.
pub(super) fn judge(mut facts: Facts<'_>, way: &Way, exchange: &Exchange, now: Timestamp) -> Classification {
    let trouble = match answer::good(facts.task.target, exchange, PURPOSE, now) {
        Ok(_) => {
            let left = facts.progress.sight.take();
            let note = format!("moved {} to {}", facts.key(), way.to);
            facts.progress.visited.extend(left.map(|sight| sight.status_id));
            return facts.go_on(note);
        }
        Err(trouble) => trouble,
    };
    match &exchange.result {
        Ok(response) if response.status == 400 => refused(facts, way, response),
        Ok(response) if matches!(response.status, 404 | 409) => moved_meanwhile(facts, response),
        Ok(_) | Err(_) => facts.give_up(trouble),
    }
}

/// Either the screen asks for something, or the transition is not there any more.
fn refused(mut facts: Facts<'_>, way: &Way, response: &Response) -> Classification {
    let errors = Errors::read(&response.body).unwrap_or_default();
    if errors.fields.is_empty() {
        return moved_meanwhile(facts, response);
    }
    let sentence = format!(
        "Jira refused the transition {} of {}: {}; fill that in under Fields of transitions (transitionFields), then \
         replay the delivery",
        way.name,
        facts.key(),
        errors.line()
    );
    if let Some(sight) = &mut facts.progress.sight {
        sight.turn = Some(Turn::Stuck(Stuck::new(FailureCode::MessageRefused, &sentence)));
    }
    facts.go_on(format!("the transition {} was refused", way.name))
}

/// Somebody else moved the ticket at the same time, it seems: it is read again, and again only so often.
fn moved_meanwhile(mut facts: Facts<'_>, response: &Response) -> Classification {
    facts.progress.stale_moves += 1;
    let said = answer::words(&response.body);
    let key = facts.key();
    let meanwhile = format!("{key} has moved meanwhile ({}){said}", response.status);
    let is_fresh = facts.progress.stale_moves <= MAX_STALE_MOVES;
    let failure = match (response.status, is_fresh) {
        // Two changes at the same time: the other one is given a moment.
        (409, true) => Failure {
            retry_after: Some(CONFLICT_WAIT),
            ..Failure::new(FailureCode::ClientError, meanwhile).with(Disposition::RateLimited)
        },
        (409, false) => Failure::new(FailureCode::ClientError, meanwhile),
        (_, true) => Failure::new(FailureCode::MessageRefused, meanwhile).with(Disposition::Immediate),
        (_, false) => {
            let detail = format!(
                "Jira refuses to move {key} ({}): move it by hand{said}",
                response.status
            );
            Failure::new(FailureCode::MessageRefused, detail).with(Disposition::Permanent)
        }
    };
    facts.give_up(failure.into())
}
