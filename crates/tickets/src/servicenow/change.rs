//! Moves the ticket to another state. The answer shows where it stands afterwards: a business rule may have kept it.

use serde_json::{Map, Value, json};

use crate::servicenow::answer::{Refusal, result};
use crate::servicenow::duplicate;
use crate::servicenow::record::Record;
use crate::servicenow::request::Caller;
use crate::servicenow::settings::{close_code, state_for};
use crate::servicenow::texts;
use crate::workflow::action::{Facts, Move, Observation, Sighting, TroubleKind as Kind};
use crate::workflow::state::{Blocked, Route};
use crate::workflow::system::{Ask, Asker};
use destination::task::Rendered;
use model::attempt::{Disposition, Failure};
use model::exchange::{Exchange, FailureCode};
use model::ticket::{Ticket, TicketPhase};

/// What the fields that a closing needs are called.
const CLOSING_NAMES: [&str; 7] = [
    "close_code",
    "close code",
    "resolution code",
    "close_notes",
    "close notes",
    "resolution notes",
    "resolution_code",
];

/// How a ticket comes to where it has to be: by one change. One that was told to move and did not is kept by somebody.
pub(super) fn route(ask: &Ask<'_>, ticket: &Ticket, marker: &str) -> Option<Route> {
    let goal = ask.goal(ticket.phase)?;
    if !ask.visited.is_empty() {
        return Some(kept(ask, ticket, goal));
    }
    let plan = match ask.of {
        Asker::Merger => json!(marker),
        Asker::Delivery(..) | Asker::Reader => Value::Null,
    };
    Some(Route::Through {
        to: String::new(),
        plan,
    })
}

fn kept(ask: &Ask<'_>, ticket: &Ticket, goal: TicketPhase) -> Route {
    let sentence = format!(
        "{} stays {} though it was told to take state {}: a business rule or data policy keeps it, so move it by hand, or \
         put the states in the settings right",
        ticket.key,
        ticket.status,
        state_for(ask.target, goal)
    );
    Route::Blocked(Blocked::new(FailureCode::TransitionMissing, &sentence))
}

/// The request that moves the ticket. Sent twice it does the same.
pub(super) fn request(caller: Caller<'_>, ask: &Ask<'_>, moving: &Move) -> Result<Rendered, Failure> {
    let mut body = Map::new();
    if moving.duplicate_of.is_some() {
        let marker = moving.plan.as_str().unwrap_or_default();
        body.extend(duplicate::unmarked(marker));
    }
    body.insert("state".into(), json!(state_for(ask.target, moving.goal)));
    if moving.goal == TicketPhase::Done {
        let fields = match &moving.duplicate_of {
            Some(keep) => duplicate::closing(ask.target, &keep.key),
            None => texts::closing(ask.task()?)?,
        };
        body.extend(fields.into_iter().map(|(name, text)| (name, json!(text))));
    }
    caller.change(&moving.name.id, &Value::Object(body))
}

/// What became of it.
pub(super) fn observe(ask: &Ask<'_>, moving: &Move, exchange: &Exchange) -> Observation {
    let result = match result(ask, exchange) {
        Ok(result) => result,
        Err(refusal) => return Err(refused(ask, moving, refusal).into()),
    };
    let record = Record::of(&result).unwrap_or_default();
    let sighting = record
        .sighting(ask)
        .filter(|sighting| sighting.ticket.id == moving.name.id);
    Ok(match sighting {
        Some(sighting) => Facts::Ticket(Box::new(Sighting {
            route: ask
                .goal(sighting.ticket.phase)
                .map(|goal| kept(ask, &sighting.ticket, goal)),
            ..sighting
        })),
        None => Facts::Nothing,
    })
}

fn refused(ask: &Ask<'_>, moving: &Move, refusal: Refusal) -> Refusal {
    let key = &moving.name.key;
    match refusal.kind {
        Kind::Refused | Kind::Forbidden | Kind::Doubtful
            if moving.goal == TicketPhase::Done
                && (refusal.kind == Kind::Doubtful || refusal.names(&CLOSING_NAMES)) =>
        {
            let code = close_code(ask.target)
                .map_or_else(String::new, |(_, code)| format!(" with the code {code:?}"));
            let sentence = format!(
                "the instance does not close {key}{code}: set Close code and Close notes to what it wants, and what else it names \
                 under Closing fields"
            );
            let remedy = match refusal.kind {
                Kind::Doubtful => Disposition::NeedsOperator,
                _ => Disposition::Permanent,
            };
            refusal.with(FailureCode::MessageRefused, remedy, &sentence)
        }
        // Most instances let nobody open a closed ticket again: that is no reason to hold everything else back.
        Kind::Forbidden if moving.from == TicketPhase::Done => {
            let sentence = format!(
                "{key} is {} and this account may not open it again: open it by hand, or unlink it",
                moving.status
            );
            refusal.with(FailureCode::TransitionMissing, Disposition::Permanent, &sentence)
        }
        _ => refusal,
    }
}
