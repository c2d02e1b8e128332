//! What ServiceNow is asked beside deliveries. See `join` and `check` for the two longer questions.

use serde_json::Value;

use crate::servicenow::answer::{self, Kind, Refusal};
use crate::servicenow::note::KEY_MARK;
use crate::servicenow::record::Record;
use crate::servicenow::request::{Caller, LIST_CAP_BYTES, RECORD_FIELDS, query_value};
use crate::servicenow::settings::{account, is_sys_id, table};
use crate::servicenow::{ServiceNow, check, join, look, reference};
use destination::task::{Rendered, Target};
use destination::text::{Unit, cut, one_line};
use destination::ticketing::{
    Comment, MAX_COMMENTS, QueryContext, QueryResult, QueryStep, Reading, TicketQuery, Ticketing,
};
use model::attempt::{Disposition, Failure};
use model::exchange::{Exchange, FailureCode};
use model::ticket::MAX_COMMENT_LENGTH;
use model::time::Timestamp;

/// The longest name of a person that is kept, in characters.
const MAX_PERSON: usize = 100;
/// A number belongs to one record.
const LIMIT: usize = 2;
/// How many notes are read to find those that people wrote: ours stand among them.
const MAX_JOURNAL: usize = 2 * MAX_COMMENTS;

impl Ticketing for ServiceNow {
    fn query(&self, asking: &QueryContext<'_>) -> QueryStep {
        match asking.query {
            TicketQuery::Read {
                ticket_id,
                comments_since,
            } => read(asking, ticket_id, *comments_since),
            TicketQuery::Find { reference } => find(asking, reference),
            TicketQuery::Marked { marker } => marked(asking, marker),
            TicketQuery::Merge { keep, close } => join::ask(asking, keep, close),
            TicketQuery::Check => check::ask(asking),
        }
    }

    fn place(&self, target: &Target) -> String {
        let root = target.url.as_str().trim_end_matches('/');
        format!("{root} {}", table(target))
    }

    fn reference(&self, target: &Target, text: &str) -> Result<String, String> {
        reference::reference(target, text)
    }
}

/// Who asks.
pub(super) fn caller<'a>(asking: &QueryContext<'a>) -> Caller<'a> {
    Caller {
        target: asking.target,
        token: asking.token,
    }
}

/// A request as the next of a question.
pub(super) fn send(rendered: Result<Rendered, Failure>) -> QueryStep {
    match rendered {
        Ok(rendered) => QueryStep::send(rendered),
        Err(failure) => QueryStep::Failed(failure, None),
    }
}

/// What a question was answered with.
pub(super) fn result(asking: &QueryContext<'_>, exchange: &Exchange) -> Result<Value, Refusal> {
    answer::read(asking.target, exchange, asking.now)
}

/// The end of a question that got no answer.
pub(super) fn failed(refusal: Refusal) -> QueryStep {
    QueryStep::Failed(refusal.failure, refusal.pause)
}

/// The end of a question whose record does not tell what has to be known.
pub(super) fn unreadable(asking: &QueryContext<'_>) -> QueryStep {
    let detail = format!(
        "this account may not read sys_id and state in the table {:?}: give it a role that may, such as itil",
        table(asking.target)
    );
    let failure = Failure::new(FailureCode::SettingsRefused, detail).with(Disposition::NeedsOperator);
    QueryStep::Failed(failure, None)
}

fn read(asking: &QueryContext<'_>, ticket_id: &str, comments_since: Option<Timestamp>) -> QueryStep {
    let Some((first, rest)) = asking.answers.split_first() else {
        return send(caller(asking).record(ticket_id, RECORD_FIELDS));
    };
    let record = match result(asking, first) {
        Ok(result) => Record::of(&result).unwrap_or_default(),
        Err(refusal) if refusal.kind == Kind::Missing => return QueryStep::Done(QueryResult::Ticket(None)),
        Err(refusal) => return failed(refusal),
    };
    let Some(reading) = reading(asking, &record) else {
        return unreadable(asking);
    };
    let done = |comments| {
        let reading = Reading {
            comments,
            ..reading.clone()
        };
        QueryStep::Done(QueryResult::Ticket(Some(reading)))
    };
    match (comments_since, rest.first()) {
        (None, _) => done(Vec::new()),
        (Some(_), None) => send(journal(asking, ticket_id)),
        (Some(since), Some(exchange)) => match result(asking, exchange) {
            Ok(result) => done(comments(asking, &result, since)),
            // What may not be read is not there; the check says so.
            Err(refusal) if matches!(refusal.kind, Kind::Forbidden | Kind::Refused | Kind::Missing) => {
                done(Vec::new())
            }
            Err(refusal) => failed(refusal),
        },
    }
}

/// The request for what was written to a ticket, the latest first. Times in a query mean the account's time zone, so
/// that what is too old is left out here and not there.
fn journal(asking: &QueryContext<'_>, ticket_id: &str) -> Result<Rendered, Failure> {
    let query = format!(
        "element_id={}^elementINcomments,work_notes^ORDERBYDESCsys_created_on",
        query_value(ticket_id)
    );
    let fields = "sys_id,element,value,sys_created_on,sys_created_by";
    let rendered = caller(asking).list("sys_journal_field", &query, fields, MAX_JOURNAL)?;
    Ok(Rendered {
        body_cap: 2 * LIST_CAP_BYTES,
        ..rendered
    })
}

fn comments(asking: &QueryContext<'_>, result: &Value, since: Timestamp) -> Vec<Comment> {
    let account = account(asking.target);
    let is_ours = |record: &Record| {
        let is_account = !account.is_empty() && record.value("sys_created_by") == account;
        is_account || record.value("value").contains(KEY_MARK)
    };
    let records = Record::list(result).unwrap_or_default();
    let theirs = records.iter().filter(|record| !is_ours(record));
    let comments = theirs.filter_map(|record| {
        let text = plain(record.value("value"));
        Some(Comment {
            at: record.time("sys_created_on").filter(|at| *at > since)?,
            author: cut(
                &one_line(record.shown("sys_created_by")),
                MAX_PERSON,
                Unit::Characters,
            ),
            text: Some(text).filter(|text| !text.is_empty())?,
        })
    });
    let mut comments: Vec<_> = comments.collect();
    comments.sort_by_key(|comment| comment.at);
    // What does not fit comes with the next reading.
    comments.truncate(MAX_COMMENTS);
    comments
}

/// A note as plain text: without what sets HTML apart in a journal, line by line without what is not seen.
fn plain(text: &str) -> String {
    let text = text.replace("[code]", "").replace("[/code]", "");
    let lines: Vec<_> = text.lines().map(one_line).collect();
    cut(lines.join("\n").trim(), MAX_COMMENT_LENGTH, Unit::Characters)
}

fn reading(asking: &QueryContext<'_>, record: &Record) -> Option<Reading> {
    let by = cut(
        &one_line(record.value("sys_updated_by")),
        MAX_PERSON,
        Unit::Characters,
    );
    let account = account(asking.target);
    Some(Reading {
        ticket: record.ticket(asking.target)?,
        is_ours: !account.is_empty() && by == account,
        by: Some(by).filter(|by| !by.is_empty()),
        comments: Vec::new(),
    })
}

fn find(asking: &QueryContext<'_>, reference: &str) -> QueryStep {
    let Some(exchange) = asking.answers.first() else {
        let caller = caller(asking);
        return send(match is_sys_id(reference) {
            true => caller.record(reference, RECORD_FIELDS),
            false => {
                let query = format!("number={}", query_value(reference));
                caller.list(table(asking.target), &query, RECORD_FIELDS, LIMIT)
            }
        });
    };
    let found = match result(asking, exchange) {
        Ok(result) if is_sys_id(reference) => Record::of(&result),
        Ok(result) => {
            let records = Record::list(&result).unwrap_or_default();
            let is_it = |record: &Record| record.value("number").eq_ignore_ascii_case(reference);
            records.into_iter().find(is_it)
        }
        Err(refusal) if refusal.kind == Kind::Missing => None,
        Err(refusal) => return failed(refusal),
    };
    match found.map(|record| reading(asking, &record)) {
        None => QueryStep::Done(QueryResult::Ticket(None)),
        Some(None) => unreadable(asking),
        Some(found) => QueryStep::Done(QueryResult::Ticket(found)),
    }
}

fn marked(asking: &QueryContext<'_>, marker: &str) -> QueryStep {
    let Some(exchange) = asking.answers.first() else {
        return send(look::marked(caller(asking), marker));
    };
    match result(asking, exchange) {
        Ok(result) => {
            let records = Record::list(&result).unwrap_or_default();
            let ours = records.iter().filter(|record| record.carries(marker));
            QueryStep::Done(QueryResult::Tickets(
                ours.filter_map(|record| record.ticket(asking.target)).collect(),
            ))
        }
        Err(refusal) => failed(refusal),
    }
}
