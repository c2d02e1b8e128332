//! Looking for a ticket that may have been made, before another one is.

use std::time::Duration;

use serde_json::Value;

use crate::jira::answer::{self, Purpose};
use crate::jira::api::Api;
use crate::jira::issue::{Issue, Named, label};
use crate::jira::memory::Account;
use crate::jira::plan::Facts;
use crate::jira::progress::Chore;
use crate::jira::read;
use crate::jira::settings::Settings;
use destination::task::{Classification, Rendered};
use model::attempt::{Disposition, Failure, Outcome};
use model::exchange::{Exchange, FailureCode, Response};
use model::patch::Patch;
use model::ticket::{Intent, TicketNews};
use model::time::Timestamp;

/// How long a new ticket may be missing from searches: those of Cloud show it seconds to minutes later.
const LAG: Duration = Duration::from_secs(5 * 60);
/// The longest time between two looks.
const LOOK_AGAIN: Duration = Duration::from_secs(30);
/// How many tickets with one label are looked at: ours, made twice perhaps, and copies that people made.
const LOOKED_AT: &str = "10";
/// What is read of each: who made it tells ours from copies, which carry its labels.
const SEARCHED: &str = "summary,status,labels,assignee,resolution,updated,creator";
/// What the request is for.
pub(super) const PURPOSE: Purpose<'static> = Purpose {
    act: "search for tickets",
    missing: "there is no Jira at this address, or it is of the other edition: put that right",
};

/// The request for the tickets with a marker, the oldest first. An empty marker would stand for other people's tickets.
pub(super) fn request(api: Api<'_>, marker: &str) -> Result<Rendered, Failure> {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
    if marker.is_empty() || !marker.bytes().all(is_plain) {
        let detail = "the ticket has no marker to look for";
        return Err(Failure::new(FailureCode::RequestInvalid, detail).with(Disposition::Permanent));
    }
    let jql = format!("labels = \"{}\" ORDER BY created ASC", label(marker));
    api.search(&jql, SEARCHED, LOOKED_AT)
}

/// The tickets of an answer that do carry a marker, were made by us and are no closed duplicates, the oldest first; nothing if
/// it cannot be read, or answers something else than was asked.
pub(super) fn marked(
    settings: Settings<'_>,
    account: Option<&Account>,
    response: &Response,
    marker: &str,
) -> Option<Vec<Issue>> {
    let body: Value = serde_json::from_slice(&response.body).ok()?;
    let all = body["issues"].as_array()?;
    let is_by_us = |issue: &&Value| {
        let creator = &issue["fields"]["creator"];
        !creator.is_object() || account.is_none_or(|account| account.is(creator))
    };
    let carry = |issue: &Issue| issue.carries(marker);
    let read = |issue: &Value| Issue::read(settings, issue);
    if !all.is_empty() && !all.iter().filter_map(read).any(|issue| carry(&issue)) {
        return None;
    }
    let issues = all.iter().filter(is_by_us).filter_map(read);
    let mut ours: Vec<_> = issues
        .filter(|issue| carry(issue) && !issue.is_closed_duplicate())
        .collect();
    ours.sort_by_key(|issue| issue.ticket.id.parse::<u64>().unwrap_or(u64::MAX));
    Some(ours)
}

/// What the answer of a search means.
pub(super) fn judge(
    facts: Facts<'_>,
    intent: &Intent,
    exchange: &Exchange,
    now: Timestamp,
) -> Classification {
    let response = match answer::good(facts.task.target, exchange, PURPOSE, now) {
        Ok(response) => response,
        Err(trouble) => return facts.give_up(trouble),
    };
    let found = marked(
        facts.settings(),
        facts.account.as_ref(),
        response,
        &facts.marker(),
    );
    let Some(found) = found else {
        return facts.give_up(answer::strange(response).into());
    };
    match found.into_iter().next() {
        Some(issue) => found_again(facts, issue),
        None => not_found(facts, intent, now),
    }
}

/// What the answer about the ticket that Jira told of means.
pub(super) fn judge_hint(mut facts: Facts<'_>, exchange: &Exchange, now: Timestamp) -> Classification {
    let is_gone = answer::is_missing(exchange);
    let issue = match answer::good(facts.task.target, exchange, read::PURPOSE, now) {
        Ok(response) => {
            let body: Option<Value> = serde_json::from_slice(&response.body).ok();
            body.and_then(|body| Issue::read(facts.settings(), &body))
        }
        Err(_) if is_gone => None,
        Err(trouble) => return facts.give_up(trouble),
    };
    match issue.filter(|issue| issue.carries(&facts.marker())) {
        Some(issue) => found_again(facts, issue),
        None => {
            facts.progress.give_up(Chore::Hint);
            facts.go_on("the ticket that Jira told of is not ours")
        }
    }
}

fn found_again(mut facts: Facts<'_>, issue: Issue) -> Classification {
    let note = format!("{} was made after all", issue.ticket.key);
    facts.progress.made = Some(Named {
        id: issue.ticket.id.clone(),
        key: issue.ticket.key.clone(),
    });
    facts.remember();
    Classification {
        ticket: Some(TicketNews::Seen(issue.ticket)),
        ..facts.go_on(note)
    }
}

fn not_found(facts: Facts<'_>, intent: &Intent, now: Timestamp) -> Classification {
    let waited = now.since(intent.at);
    if waited >= LAG {
        let judgement = Classification {
            ticket: Some(TicketNews::NotMade),
            continuation: facts.progress.text().map_or(Patch::Clear, Patch::Set),
            ..Outcome::Step.into()
        };
        return judgement.noted("no ticket was made: it is made now");
    }
    let detail = "whether the ticket was made is not known: Jira does not show it yet";
    let failure = Failure {
        retry_after: Some((LAG - waited).min(LOOK_AGAIN)),
        ..Failure::new(FailureCode::TicketUnknown, detail).with(Disposition::RateLimited)
    };
    facts.give_up(failure.into())
}
