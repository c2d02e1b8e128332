//! Taking a transition.

use std::time::Duration;

use http::Method;
use serde_json::{Map, Value, json};

use crate::jira::NOTHING;
use crate::jira::answer::{self, Errors, Purpose};
use crate::jira::api::Api;
use crate::jira::screen::{self, Answer};
use crate::jira::settings::Settings;
use crate::jira::transitions::Way;
use crate::workflow::action::{Facts, Move, Observation, Trouble, TroubleKind};
use crate::workflow::state::Blocked;
use crate::workflow::system::Ask;
use destination::task::Rendered;
use model::attempt::{Disposition, Failure};
use model::exchange::{Exchange, FailureCode, Response};

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
pub(super) fn request(api: Api<'_>, moving: &Move) -> Result<Rendered, Failure> {
    let way = way(moving)?;
    let settings = Settings(api.target);
    let value = |field: &Answer| (field.id.clone(), screen::value(field, settings));
    let fields: Map<String, Value> = way.fields.iter().map(value).collect();
    let body = match fields.is_empty() {
        true => json!({ "transition": { "id": way.id } }),
        false => json!({ "transition": { "id": way.id }, "fields": fields }),
    };
    api.send(Method::POST, &["issue", &moving.name.id, "transitions"], &body)
}

/// The transition that was chosen when the ticket was read.
fn way(moving: &Move) -> Result<Way, Failure> {
    serde_json::from_value(moving.plan.clone()).map_err(|_| {
        let detail = "the transition that was chosen cannot be read any more";
        Failure::new(FailureCode::RequestInvalid, detail)
    })
}

/// What the answer means.
pub(super) fn observe(ask: &Ask<'_>, moving: &Move, exchange: &Exchange) -> Observation {
    let Err(trouble) = answer::of_change(ask, exchange, PURPOSE) else {
        return NOTHING;
    };
    match &exchange.result {
        _ if trouble.kind == TroubleKind::Credentials => Err(trouble),
        Ok(response) if response.status == 400 => refused(ask, moving, response),
        Ok(response) if matches!(response.status, 404 | 409) => Err(moved_meanwhile(ask, moving, response)),
        Ok(_) | Err(_) => Err(trouble),
    }
}

/// Either the screen asks for something, or the transition is not there any more.
fn refused(ask: &Ask<'_>, moving: &Move, response: &Response) -> Observation {
    let errors = Errors::read(&response.body).unwrap_or_default();
    if errors.fields.is_empty() {
        return Err(moved_meanwhile(ask, moving, response));
    }
    let sentence = format!(
        "Jira refused the transition {} of {}: {}; fill that in under Fields of transitions (transitionFields), then \
         replay the delivery",
        way(moving).map(|way| way.name).unwrap_or_default(),
        moving.name.key,
        errors.line()
    );
    Ok(Facts::Blocked(Blocked::new(
        FailureCode::MessageRefused,
        &sentence,
    )))
}

/// Somebody else moved the ticket at the same time, it seems: it is read again, and again only so often.
fn moved_meanwhile(ask: &Ask<'_>, moving: &Move, response: &Response) -> Trouble {
    let said = answer::words(&response.body);
    let key = &moving.name.key;
    let meanwhile = format!("{key} has moved meanwhile ({}){said}", response.status);
    let is_fresh = ask.stale_moves() < MAX_STALE_MOVES;
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
    Trouble::new(TroubleKind::Stale, failure)
}
