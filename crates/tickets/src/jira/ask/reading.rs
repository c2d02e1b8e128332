//! How a ticket stands, who moved it, and what people wrote.

use serde_json::Value;

use crate::jira::answer::{self, Purpose};
use crate::jira::api::with_large_answer;
use crate::jira::ask::{Next, api, send};
use crate::jira::issue::{Issue, account_of, name_of, time};
use crate::jira::memory::Account;
use crate::jira::note::KEY_START;
use crate::jira::read::{self, plain_request};
use crate::jira::settings::Settings;
use destination::task::Rendered;
use destination::text::{Unit, cut};
use destination::ticketing::{Comment, MAX_COMMENTS, QueryContext, QueryResult, QueryStep, Reading};
use model::attempt::Failure;
use model::exchange::{Exchange, MAX_BODY_CAP_BYTES};
use model::ticket::MAX_COMMENT_LENGTH;
use model::time::Timestamp;

/// How many comments are asked for, and how many if they are too large together.
const COMMENTS: [&str; 2] = ["50", "10"];
/// What reading comments is for.
const COMMENTS_PURPOSE: Purpose<'static> = Purpose {
    act: "see the ticket's comments",
    missing: "the ticket was deleted, or this account may not see it",
};
/// Whoever is not named.
const SOMEBODY: &str = "somebody";

/// Reads a ticket by its id or key. A history that is too large to be read is done without.
pub(super) fn read(asking: &QueryContext<'_>, id: &str, comments_since: Option<Timestamp>) -> Next {
    let Some((first, rest)) = asking.answers.split_first() else {
        return send(request(asking, id));
    };
    let (answered, rest) = match (is_cut_short(first), rest.split_first()) {
        (false, _) => (first, rest),
        (true, Some((second, rest))) => (second, rest),
        (true, None) => return send(plain_request(api(asking), id)),
    };
    if answer::is_missing(answered) {
        return Ok(QueryStep::Done(QueryResult::Ticket(None)));
    }
    let response = answer::good(asking.target, answered, read::PURPOSE, asking.now)?;
    let body = answer::json(response)?;
    let issue = Issue::read(Settings(asking.target), &body).ok_or_else(|| answer::strange(response))?;
    let comments = match comments_since.filter(|since| may_have_comments(&issue, *since)) {
        None => Vec::new(),
        Some(since) => match comments(asking, id, rest, since)? {
            Ok(comments) => comments,
            Err(asked) => return Ok(asked),
        },
    };
    let (by, is_ours) = mover(asking, &body);
    Ok(QueryStep::Done(QueryResult::Ticket(Some(Reading {
        ticket: issue.ticket,
        by,
        is_ours,
        comments,
    }))))
}

fn request(asking: &QueryContext<'_>, id: &str) -> Result<Rendered, Failure> {
    let query = [("fields", read::FIELDS), ("expand", "changelog")];
    Ok(with_large_answer(api(asking).get(&["issue", id], &query)?))
}

fn is_cut_short(exchange: &Exchange) -> bool {
    let response = exchange.result.as_ref();
    response.is_ok_and(|response| response.body_is_truncated && (200..=299).contains(&response.status))
}

/// A comment is a change of its ticket.
fn may_have_comments(issue: &Issue, since: Timestamp) -> bool {
    issue.updated.is_none_or(|updated| updated > since)
}

/// Who moved the ticket last, or else changed it last, and whether that was our own account.
fn mover(asking: &QueryContext<'_>, body: &Value) -> (Option<String>, bool) {
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
    let is_ours = Account::learned(asking.target).is_some_and(|account| account.is(author));
    (name_of(author).or_else(|| account_of(author)), is_ours)
}

/// What people wrote since, or what has to be asked for that.
fn comments(
    asking: &QueryContext<'_>,
    id: &str,
    answers: &[Exchange],
    since: Timestamp,
) -> Result<Result<Vec<Comment>, QueryStep>, answer::Trouble> {
    let cut_short = answers
        .iter()
        .take_while(|exchange| is_cut_short(exchange))
        .count();
    let Some(answered) = answers.get(cut_short) else {
        return match COMMENTS.get(cut_short) {
            Some(count) => {
                let query = [("orderBy", "-created"), ("maxResults", *count)];
                let request = api(asking).get(&["issue", id, "comment"], &query)?;
                Ok(Err(QueryStep::send(Rendered {
                    body_cap: MAX_BODY_CAP_BYTES,
                    ..request
                })))
            }
            // A few comments larger than anything that is read are left where they are.
            None => Ok(Ok(Vec::new())),
        };
    };
    let response = answer::good(asking.target, answered, COMMENTS_PURPOSE, asking.now)?;
    let body = answer::json(response)?;
    let account = Account::learned(asking.target);
    let listed = body["comments"].as_array().into_iter().flatten();
    let read = listed.filter_map(|comment| comment_of(comment, account.as_ref()));
    let mut comments: Vec<Comment> = read.filter(|comment| comment.at > since).collect();
    comments.sort_by_key(|comment| std::cmp::Reverse(comment.at));
    comments.truncate(MAX_COMMENTS);
    comments.reverse();
    Ok(Ok(comments))
}

/// A comment of a person; nothing if it is ours.
fn comment_of(comment: &Value, account: Option<&Account>) -> Option<Comment> {
    let author = &comment["author"];
    let text = comment["body"].as_str()?;
    let is_ours = account.is_some_and(|account| account.is(author)) || text.contains(KEY_START);
    let text = cut(&visible(text), MAX_COMMENT_LENGTH, Unit::Characters);
    (!is_ours && !text.is_empty()).then_some(Comment {
        at: comment["created"].as_str().and_then(time)?,
        author: name_of(author)
            .or_else(|| account_of(author))
            .unwrap_or_else(|| SOMEBODY.to_owned()),
        text,
    })
}

/// The lines of a text, each without anything that is not seen.
fn visible(text: &str) -> String {
    let lines = text.lines().map(destination::text::one_line);
    lines.collect::<Vec<_>>().join("\n").trim().to_owned()
}
