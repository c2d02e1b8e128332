//! Looking for tickets by our marker.

use serde_json::Value;

use crate::jira::account::Account;
use crate::jira::answer::{self, Purpose};
use crate::jira::api::Api;
use crate::jira::issue::{Issue, label};
use crate::jira::settings::Settings;
use crate::workflow::action::{Facts, Observation, Trouble};
use crate::workflow::system::Ask;
use destination::task::Rendered;
use model::attempt::{Disposition, Failure};
use model::exchange::{Exchange, FailureCode, Response};

/// How many tickets with one label are looked at: ours, made twice perhaps, and copies that people made.
const LOOKED_AT: &str = "10";
/// What is read of each: who made it tells ours from copies, which carry its labels.
const SEARCHED: &str = "summary,status,labels,assignee,resolution,updated,creator";
/// What the request is for.
const PURPOSE: Purpose<'static> = Purpose {
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
fn marked(
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

/// Whether a ticket of anybody's carries the marker, and is no closed duplicate.
fn carries_mark(settings: Settings<'_>, response: &Response, marker: &str) -> bool {
    let body: Value = serde_json::from_slice(&response.body).unwrap_or_default();
    let all = body["issues"].as_array().into_iter().flatten();
    let mut issues = all.filter_map(|issue| Issue::read(settings, issue));
    issues.any(|issue| issue.carries(marker) && !issue.is_closed_duplicate())
}

/// What the answer means.
pub(super) fn observe(ask: &Ask<'_>, exchange: &Exchange) -> Observation {
    let response = answer::of(ask, exchange, PURPOSE)?;
    let account = Account::learned(ask.target);
    let found = marked(Settings(ask.target), account.as_ref(), response, ask.marker);
    let found = found.ok_or_else(|| answer::strange(response))?;
    if found.is_empty()
        && ask.intended_at().is_some()
        && carries_mark(Settings(ask.target), response, ask.marker)
    {
        return Err(Trouble::undecided(
            "a ticket carries the incident's mark and was made by another account: if it is the incident's, link it by hand",
        ));
    }
    Ok(Facts::Tickets(
        found
            .into_iter()
            .map(|issue| issue.sighting(ask.marker))
            .collect(),
    ))
}
