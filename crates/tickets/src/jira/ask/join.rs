//! Closes a ticket that was made twice: a comment, a link, a label, and then the way to its end. Every part is left out if it
//! is there already, so that all of it may be repeated.

use http::Method;
use serde_json::json;

use crate::jira::answer::{self, Purpose, Trouble};
use crate::jira::api::with_large_answer;
use crate::jira::ask::{Next, api, send};
use crate::jira::issue::{DUPLICATE_LABEL, Issue};
use crate::jira::moving;
use crate::jira::note::KEY_START;
use crate::jira::progress::Way;
use crate::jira::read::FIELDS;
use crate::jira::settings::Settings;
use crate::jira::transitions::{self, Choice, Wish};
use destination::task::Rendered;
use destination::ticketing::{QueryContext, QueryResult, QueryStep};
use model::attempt::{Disposition, Failure};
use model::exchange::{Exchange, FailureCode};
use model::ticket::{Ticket, TicketPhase};

/// What the requests are for.
const PURPOSE: Purpose<'static> = Purpose {
    act: "close a ticket that was made twice",
    missing: "the ticket was deleted, or this account may not see it",
};
/// The type of link between a duplicate and what it duplicates; every Jira has it unless somebody took it away.
const LINK_TYPE: &str = "Duplicate";

/// What is known so far.
#[derive(Debug, Default)]
struct Known {
    has_comment: bool,
    issue: Option<Issue>,
    transitions: Vec<transitions::Transition>,
    visited: Vec<String>,
}

/// What a request was for, in the order in which they come.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Read,
    Comments,
    Comment,
    Link,
    Label,
    Move(Way),
}

/// See [`destination::ticketing::TicketQuery::Merge`].
pub(super) fn join(asking: &QueryContext<'_>, keep: &Ticket, close: &Ticket) -> Next {
    let mut known = Known::default();
    let mut part = Some(Part::Read);
    for exchange in asking.answers {
        let Some(answered) = part else {
            break;
        };
        part = follow(asking, keep, &mut known, &answered, exchange)?;
    }
    match part {
        Some(part) => send(request(asking, keep, close, &part)),
        None => Ok(QueryStep::Done(QueryResult::Merged)),
    }
}

/// What comes after an answer; nothing if that was all.
fn follow(
    asking: &QueryContext<'_>,
    keep: &Ticket,
    known: &mut Known,
    part: &Part,
    exchange: &Exchange,
) -> Result<Option<Part>, Trouble> {
    let status = exchange.result.as_ref().map(|response| response.status);
    let answer = answer::good(asking.target, exchange, PURPOSE, asking.now);
    match part {
        Part::Read if answer::is_missing(exchange) => Ok(None),
        Part::Read => {
            let response = answer?;
            let body = answer::json(response)?;
            let settings = Settings(asking.target);
            let issue = Issue::read(settings, &body).ok_or_else(|| answer::strange(response))?;
            known.transitions = transitions::read(&body);
            let is_first = known.issue.is_none();
            let is_over = issue.is_closed_duplicate();
            known.issue = Some(issue);
            match (is_over, is_first) {
                (true, _) => Ok(None),
                (false, true) => Ok(Some(Part::Comments)),
                (false, false) => way_out(asking, known),
            }
        }
        Part::Comments => {
            let body = String::from_utf8_lossy(&answer?.body).into_owned();
            known.has_comment = body.contains(&key(keep));
            Ok(Some(if known.has_comment {
                Part::Link
            } else {
                Part::Comment
            }))
        }
        Part::Comment => answer.map(|_| Some(Part::Link)),
        // A Jira without this type of link, or without the permission, has the comment.
        Part::Link => match (answer, status) {
            (Err(trouble), Ok(401 | 429 | 500..=599) | Err(_)) => Err(trouble),
            (Ok(_) | Err(_), _) => Ok(Some(Part::Label)),
        },
        Part::Label => {
            answer?;
            way_out(asking, known)
        }
        Part::Move(_) => {
            answer?;
            known
                .visited
                .extend(known.issue.as_ref().map(|issue| issue.status_id.clone()));
            Ok(Some(Part::Read))
        }
    }
}

/// The next transition on the way to the ticket's end; nothing if it is there.
fn way_out(asking: &QueryContext<'_>, known: &Known) -> Result<Option<Part>, Trouble> {
    let Some(issue) = known
        .issue
        .as_ref()
        .filter(|issue| issue.ticket.phase != TicketPhase::Done)
    else {
        return Ok(None);
    };
    let wish = Wish {
        wanted: TicketPhase::Done,
        here: &issue.status_id,
        visited: &known.visited,
    };
    match transitions::choose(&known.transitions, wish, Settings(asking.target)) {
        Choice::Take(way) => Ok(Some(Part::Move(way))),
        Choice::Unanswered { .. } | Choice::Missing(_) => {
            let detail = format!(
                "{} was made twice and has no transition to its end: close it by hand",
                issue.ticket.key
            );
            Err(Failure::new(FailureCode::TransitionMissing, detail)
                .with(Disposition::Permanent)
                .into())
        }
    }
}

fn request(
    asking: &QueryContext<'_>,
    keep: &Ticket,
    close: &Ticket,
    part: &Part,
) -> Result<Rendered, Failure> {
    let api = api(asking);
    let id = close.id.as_str();
    match part {
        Part::Read => {
            let query = [("fields", FIELDS), ("expand", "transitions,transitions.fields")];
            Ok(with_large_answer(api.get(&["issue", id], &query)?))
        }
        Part::Comments => {
            let query = [("orderBy", "-created"), ("maxResults", "20")];
            Ok(with_large_answer(api.get(&["issue", id, "comment"], &query)?))
        }
        Part::Comment => {
            let text = format!("This ticket was made twice; {} stays.\n\n{}", keep.key, key(keep));
            api.send(Method::POST, &["issue", id, "comment"], &json!({ "body": text }))
        }
        Part::Link => {
            // From the one that goes to the one that stays: "duplicates".
            let body = json!({
                "type": { "name": LINK_TYPE },
                "inwardIssue": { "key": close.key },
                "outwardIssue": { "key": keep.key },
            });
            api.send(Method::POST, &["issueLink"], &body)
        }
        Part::Label => {
            let body = json!({ "update": { "labels": [{ "add": DUPLICATE_LABEL }] } });
            api.send(Method::PUT, &["issue", id], &body)
        }
        Part::Move(way) => {
            let body = moving::body(Settings(asking.target), way);
            api.send(Method::POST, &["issue", id, "transitions"], &body)
        }
    }
}

/// What our comment is found again by.
fn key(keep: &Ticket) -> String {
    format!("{KEY_START}duplicate of {})", keep.key)
}
