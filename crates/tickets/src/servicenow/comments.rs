//! Work notes, ours with a key, and what people wrote. A note is added whenever it is sent.

use serde_json::json;

use crate::servicenow::answer::result;
use crate::servicenow::record::{MAX_PERSON, Record};
use crate::servicenow::request::{Caller, LIST_CAP_BYTES, query_value};
use crate::servicenow::settings::account;
use crate::workflow::action::{Facts, Observation, Presence, TroubleKind};
use crate::workflow::comments::{KEY_START, mark};
use crate::workflow::system::Ask;
use destination::task::Rendered;
use destination::text::{Unit, cut, one_line};
use destination::ticketing::{Comment, MAX_COMMENTS};
use model::attempt::{Disposition, Failure};
use model::exchange::{Exchange, FailureCode, MAX_BODY_CAP_BYTES};
use model::ticket::MAX_COMMENT_LENGTH;
use model::time::Timestamp;

/// A note is looked for in the journal, and then in the record's own text of its history.
pub(super) const PLACES: usize = 2;
/// The longest text of a person in a note, in characters.
const MAX_NAME: usize = 200;
/// How many notes with the key are read: one would do, were it sure that the query is obeyed.
const LIMIT: usize = 5;
/// How many notes are read to find those that people wrote: ours stand among them.
const MAX_JOURNAL: usize = 2 * MAX_COMMENTS;
/// Breaks up what has a meaning in a journal, and is not seen.
const WORD_JOINER: &str = "\u{2060}";

/// A text of people in one line, without a meaning in a journal.
pub(super) fn quiet(text: &str) -> String {
    cut(&without_markup(&one_line(text)), MAX_NAME, Unit::Characters)
}

/// A text without a meaning in a journal, which takes HTML behind `[code]`.
pub(super) fn without_markup(text: &str) -> String {
    let text = text.replace('[', &format!("[{WORD_JOINER}"));
    text.replace('@', &format!("@{WORD_JOINER}"))
}

/// The request that writes a note.
pub(super) fn request(caller: Caller<'_>, id: &str, text: &str) -> Result<Rendered, Failure> {
    caller.change(id, &json!({ "work_notes": text }))
}

/// What became of it.
pub(super) fn observe(ask: &Ask<'_>, exchange: &Exchange) -> Observation {
    match result(ask, exchange) {
        Ok(_) => Ok(Facts::Nothing),
        Err(refusal) if refusal.kind == TroubleKind::Forbidden => {
            let sentence =
                "this account may not write work notes: give it a role that may, or set Notes to off";
            let code = FailureCode::SettingsRefused;
            Err(refusal.with(code, Disposition::NeedsOperator, sentence).into())
        }
        Err(refusal) => Err(refusal.into()),
    }
}

/// The request that looks for a note.
pub(super) fn find_request(
    caller: Caller<'_>,
    id: &str,
    key: &str,
    searched: usize,
) -> Result<Rendered, Failure> {
    if searched == 0 {
        return search(caller, id, key);
    }
    let rendered = caller.record(id, "sys_id,work_notes")?;
    Ok(Rendered {
        body_cap: MAX_BODY_CAP_BYTES,
        ..rendered
    })
}

/// The request for the notes of a record that hold a key, the latest first.
fn search(caller: Caller<'_>, sys_id: &str, key: &str) -> Result<Rendered, Failure> {
    let (sys_id, key) = (query_value(sys_id), query_value(key));
    let query = format!("element_id={sys_id}^element=work_notes^valueLIKE{key}^ORDERBYDESCsys_created_on");
    caller.list(
        "sys_journal_field",
        &query,
        "value,sys_created_on,sys_created_by",
        LIMIT,
    )
}

/// Whether it is there.
pub(super) fn find_observe(ask: &Ask<'_>, key: &str, searched: usize, exchange: &Exchange) -> Observation {
    let is_journal = searched == 0;
    let seen = match result(ask, exchange) {
        Ok(result) if is_journal => Record::list(&result).unwrap_or_default(),
        Ok(result) => Record::of(&result).into_iter().collect(),
        Err(refusal) if refusal.is_about_this() => Vec::new(),
        // A history that is longer than what is read of it may still hold the note, see below.
        Err(_) if cut_body(exchange).is_some() => Vec::new(),
        Err(refusal) => return Err(refusal.into()),
    };
    let field = if is_journal { "value" } else { "work_notes" };
    let is_in = |text: &str| text.contains(&mark(key));
    let is_there = |record: &Record| is_in(record.value(field)) || is_in(record.shown(field));
    let is_readable = seen.iter().any(|record| !record.shown(field).is_empty());
    Ok(Facts::Comment(
        if seen.iter().any(is_there) || cut_body(exchange).is_some_and(|text| is_in(&text)) {
            Presence::There
        } else if is_readable {
            Presence::Absent
        } else {
            Presence::Unseen
        },
    ))
}

/// The beginning of a good answer that was too long to be read whole.
fn cut_body(exchange: &Exchange) -> Option<String> {
    let response = exchange.result.as_ref().ok()?;
    let is_cut = response.status == 200 && response.body_is_truncated;
    is_cut.then(|| String::from_utf8_lossy(&response.body).into_owned())
}

/// The request for what was written to a ticket, the latest first. Times in a query mean the account's time zone, so
/// that what is too old is left out here and not there.
pub(super) fn read_request(caller: Caller<'_>, id: &str) -> Result<Rendered, Failure> {
    let query = format!(
        "element_id={}^elementINcomments,work_notes^ORDERBYDESCsys_created_on",
        query_value(id)
    );
    let fields = "sys_id,element,value,sys_created_on,sys_created_by";
    let rendered = caller.list("sys_journal_field", &query, fields, MAX_JOURNAL)?;
    Ok(Rendered {
        body_cap: 2 * LIST_CAP_BYTES,
        ..rendered
    })
}

/// What people wrote since. What may not be read is not there; the check says so.
pub(super) fn read_observe(ask: &Ask<'_>, since: Timestamp, exchange: &Exchange) -> Observation {
    let records = match result(ask, exchange) {
        Ok(result) => Record::list(&result).unwrap_or_default(),
        Err(refusal) if refusal.is_about_this() => Vec::new(),
        Err(refusal) => return Err(refusal.into()),
    };
    let account = account(ask.target);
    let is_ours = |record: &&Record| {
        let is_account = !account.is_empty() && record.value("sys_created_by") == account;
        is_account || record.value("value").contains(KEY_START)
    };
    let theirs = records.iter().filter(|record| !is_ours(record));
    let comments = theirs.filter_map(|record| comment(record, since));
    let mut comments: Vec<_> = comments.collect();
    comments.sort_by_key(|comment| comment.at);
    // What does not fit comes with the next reading.
    comments.truncate(MAX_COMMENTS);
    Ok(Facts::Comments(comments))
}

fn comment(record: &Record, since: Timestamp) -> Option<Comment> {
    let author = one_line(record.shown("sys_created_by"));
    Some(Comment {
        at: record.time("sys_created_on").filter(|at| *at > since)?,
        author: cut(&author, MAX_PERSON, Unit::Characters),
        text: Some(plain(record.value("value"))).filter(|text| !text.is_empty())?,
    })
}

/// A note as plain text: without what sets HTML apart in a journal, line by line without what is not seen.
fn plain(text: &str) -> String {
    let text = text.replace("[code]", "").replace("[/code]", "");
    let lines: Vec<_> = text.lines().map(one_line).collect();
    cut(lines.join("\n").trim(), MAX_COMMENT_LENGTH, Unit::Characters)
}
