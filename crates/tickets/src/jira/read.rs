//! Reading a ticket: how it stands, what follows for its status, who changed it.

use serde_json::Value;

use crate::jira::account::Account;
use crate::jira::answer::{self, Purpose};
use crate::jira::api::{Api, with_large_answer};
use crate::jira::issue::{Issue, account_of, name_of, time};
use crate::jira::settings::Settings;
use crate::jira::transitions::{self, Choice, Habit, Wish};
use crate::workflow::action::{Facts, Observation, Sighting, View};
use crate::workflow::state::{Blocked, Route};
use crate::workflow::system::Ask;
use destination::task::Rendered;
use model::attempt::Failure;
use model::exchange::{Exchange, FailureCode};
use model::ticket::TicketPhase;

/// The fields of a ticket that are looked at.
const FIELDS: &str = "summary,status,labels,assignee,resolution,updated";
/// What reading is for.
const PURPOSE: Purpose<'static> = Purpose {
    act: "see the ticket",
    missing: "the ticket was deleted, or this account may not see it",
};
/// The most transitions that one delivery takes.
const MAX_MOVES: usize = 5;

/// The request, by the ticket's id or key. Screens of transitions and a history can be larger than any answer that is read.
pub(super) fn request(api: Api<'_>, id: &str, view: View) -> Result<Rendered, Failure> {
    let expand = match view {
        View::Hint | View::Plain => None,
        View::Moves => Some("transitions,transitions.fields"),
        View::MovesOnly => Some("transitions"),
        View::Changes => Some("changelog"),
    };
    let expand = expand.map(|expand| ("expand", expand));
    let query: Vec<_> = [("fields", FIELDS)].into_iter().chain(expand).collect();
    Ok(with_large_answer(api.get(&["issue", id], &query)?))
}

/// What the answer means.
pub(super) fn observe(ask: &Ask<'_>, view: View, exchange: &Exchange) -> Observation {
    let response = answer::of(ask, exchange, PURPOSE)?;
    let body = answer::json(response)?;
    let issue = Issue::read(Settings(ask.target), &body).ok_or_else(|| answer::strange(response))?;
    let has_moves = matches!(view, View::Moves | View::MovesOnly);
    let route = has_moves.then(|| route(ask, &body, &issue)).flatten();
    let (by, is_by_us) = mover(ask, &body);
    Ok(Facts::Ticket(Box::new(Sighting {
        route,
        is_partial: !has_moves,
        by,
        is_by_us,
        ..issue.sighting(ask.marker)
    })))
}

/// How the ticket comes to where it has to be; nothing if it is there.
fn route(ask: &Ask<'_>, body: &Value, issue: &Issue) -> Option<Route> {
    let wanted = ask.goal(issue.ticket.phase)?;
    let key = &issue.ticket.key;
    let status = &issue.ticket.status;
    if ask.visited.len() >= MAX_MOVES {
        let sentence = format!(
            "{key} is still {status} after {MAX_MOVES} transitions: move it to {} by hand",
            in_words(wanted)
        );
        return Some(Route::Blocked(Blocked::new(
            FailureCode::TransitionMissing,
            &sentence,
        )));
    }
    let wish = Wish {
        wanted,
        here: &issue.status_id,
        visited: ask.visited,
        habit: habit(ask),
    };
    let sentence = match transitions::choose(&transitions::read(body), wish, Settings(ask.target)) {
        Choice::Take(way) => {
            return Some(Route::Through {
                plan: serde_json::to_value(&way).unwrap_or_default(),
                to: way.to,
            });
        }
        Choice::Ask => return Some(Route::Undecided(Settings(ask.target).project().to_owned())),
        Choice::Unanswered { name, fields } => format!(
            "the transition {name} of {key} asks for {}: fill it in under Fields of transitions (transitionFields), \
             then replay the delivery",
            fields.join(", ")
        ),
        Choice::Missing(names) if names.is_empty() => {
            format!("{key} is {status} and has no transition that this account may take")
        }
        Choice::Missing(names) => format!(
            "no transition leads {key} from {status} to {}; there are {}",
            aim(ask, wanted),
            names.join(", ")
        ),
    };
    Some(Route::Blocked(Blocked::new(
        FailureCode::TransitionMissing,
        &sentence,
    )))
}

/// Where other tickets ended, as far as it was asked.
fn habit<'a>(ask: &Ask<'a>) -> Habit<'a> {
    match ask.habit() {
        Some(told) => told.id.as_deref().map_or(Habit::Unknown, Habit::Told),
        None if ask.may_look_up() => Habit::Askable,
        None => Habit::Unknown,
    }
}

/// Where the ticket is to come, in words.
fn aim(ask: &Ask<'_>, wanted: TicketPhase) -> String {
    match Settings(ask.target).status_for(wanted) {
        "" => in_words(wanted).to_owned(),
        own => format!("{own}, {}", in_words(wanted)),
    }
}

/// A phase as Jira's status categories call it.
fn in_words(phase: TicketPhase) -> &'static str {
    match phase {
        TicketPhase::New => "a status of the category To Do",
        TicketPhase::InProgress => "a status of the category In Progress",
        TicketPhase::Done => "a status of the category Done",
    }
}

/// Who moved the ticket last, or else changed it last, and whether that was our own account.
fn mover(ask: &Ask<'_>, body: &Value) -> (Option<String>, bool) {
    let histories = body["changelog"]["histories"].as_array().into_iter().flatten();
    let moves_it = |change: &Value| {
        let items = change["items"].as_array();
        items.is_some_and(|items| items.iter().any(|item| item["field"].as_str() == Some("status")))
    };
    // Cloud tells the latest first, Data Center the earliest.
    let last = histories.max_by_key(|change| (moves_it(change), change["created"].as_str().and_then(time)));
    let Some(author) = last
        .map(|change| &change["author"])
        .filter(|author| author.is_object())
    else {
        return (None, false);
    };
    let is_ours = Account::learned(ask.target).is_some_and(|account| account.is(author));
    (name_of(author).or_else(|| account_of(author)), is_ours)
}
