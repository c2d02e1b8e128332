//! Work notes. Each is added whenever it is sent, so that it carries a key, is written down before it is sent, and is
//! looked for if its answer was lost.

use std::time::Duration;

use serde_json::json;

use crate::servicenow::answer::{Heard, Kind};
use crate::servicenow::follow::{self, Memory};
use crate::servicenow::plan::Place;
use crate::servicenow::progress::Progress;
use crate::servicenow::record::Record;
use crate::servicenow::request::{Caller, query_value};
use crate::servicenow::settings::Notes;
use destination::card::Card;
use destination::task::{Classification, Intention, Rendered, Task};
use destination::text::{Unit, cut, one_line};
use model::attempt::{Disposition, Failure, Outcome};
use model::event::EventName;
use model::exchange::{FailureCode, MAX_BODY_CAP_BYTES};
use model::ticket::{Ticket, TicketPhase};
use model::time::Timestamp;

/// What stands before the key at the end of each of our notes.
pub(super) const KEY_MARK: &str = "(OpsKnight ";
/// How long a note that was sent may take until it is there: the instance may still work on a request that we gave up.
const LAG: Duration = Duration::from_secs(30);
/// The longest name in a note, in characters.
const MAX_NAME: usize = 200;
/// The longest link in a note, in characters.
const MAX_LINK: usize = 500;
/// How many notes with the key are read: one would do, were it sure that the query is obeyed.
const LIMIT: usize = 5;
/// What stands before a note that may be there already.
const MAY_REPEAT: &str = "(This note may stand here twice: whether it arrived could not be read.)\n";
/// Breaks up what has a meaning in a journal, and is not seen.
const WORD_JOINER: &str = "\u{2060}";

/// A note.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Note {
    /// What it is found by.
    pub(super) key: String,
    /// What it says.
    pub(super) text: String,
}

impl Note {
    /// The note as it is written.
    pub(super) fn whole(&self) -> String {
        format!("{}\n{KEY_MARK}{})", self.text, self.key)
    }

    /// Whether a text holds the note.
    pub(super) fn is_in(&self, text: &str) -> bool {
        text.contains(&format!("{KEY_MARK}{})", self.key))
    }
}

/// The notes that a delivery writes, in order.
pub(super) fn due(task: &Task<'_>, progress: &Progress) -> Vec<Note> {
    let (Ok(card), false) = (Card::new(task), task.event.is_test) else {
        return Vec::new();
    };
    let tells_event = match (Notes::of(task.target), task.event.name) {
        (Notes::Off, _) => return Vec::new(),
        (_, EventName::Escalated) => true,
        // The ticket itself says it.
        (Notes::All, EventName::Triggered) => !progress.is_fresh,
        (Notes::All, _) => true,
        (Notes::Escalations, _) => false,
    };
    let told = Memory::of(task).and_then(|memory| memory.event);
    let was_told = told == Some(task.event.id.to_string());
    let event = (tells_event && !was_told).then(|| of_event(task, &card));
    // An escalation says who has it now.
    let is_told = event.is_some() && task.event.name == EventName::Escalated;
    let assignee = of_assignee(task).filter(|_| !is_told);
    event.into_iter().chain(assignee).collect()
}

fn of_event(task: &Task<'_>, card: &Card) -> Note {
    let mut text = format!("{}.", quiet(&card.happened_by()));
    if card.event == EventName::Escalated {
        let name = task
            .incident_context
            .and_then(|beyond| beyond.assignee.as_ref())
            .map(|user| user.name.as_str());
        let name = name.or(card.assignee.as_deref());
        let sentence = match name {
            Some(name) => format!(" {} has it now.", quiet(name)),
            None => " Nobody has it yet.".to_owned(),
        };
        text.push_str(&sentence);
    }
    if let Some(link) = card.link.as_deref().filter(|link| link.len() <= MAX_LINK) {
        text.push('\n');
        text.push_str(link);
    }
    Note {
        key: task.event.id.to_string(),
        text,
    }
}

/// That somebody else has the incident now, if the ticket was told who had it before.
fn of_assignee(task: &Task<'_>) -> Option<Note> {
    let before = Memory::of(task)?.assignee;
    let assignee = task.incident_context?.assignee.as_ref()?;
    let id = assignee.id.to_string();
    (before.as_ref() != Some(&id)).then(|| Note {
        key: format!("{}/{id}", task.event.id),
        text: format!("Assigned to {} in OpsKnight.", quiet(&assignee.name)),
    })
}

/// A text of people in one line, without a meaning in a journal.
pub(super) fn quiet(text: &str) -> String {
    cut(&without_markup(&one_line(text)), MAX_NAME, Unit::Characters)
}

/// A text without a meaning in a journal, which takes HTML behind `[code]`.
pub(super) fn without_markup(text: &str) -> String {
    let text = text.replace('[', &format!("[{WORD_JOINER}"));
    text.replace('@', &format!("@{WORD_JOINER}"))
}

fn caller<'a>(task: &Task<'a>) -> Caller<'a> {
    Caller {
        target: task.target,
        token: task.token,
    }
}

/// The request that writes a note.
pub(super) fn request(
    task: &Task<'_>,
    ticket: &Ticket,
    note: &Note,
    progress: &Progress,
) -> Result<Rendered, Failure> {
    let remark = if progress.may_repeat { MAY_REPEAT } else { "" };
    let text = format!("{remark}{}", note.whole());
    let trying = Progress {
        trying: Some(note.key.clone()),
        trying_since: Some(task.now.as_millis()),
        is_journal_searched: false,
        may_repeat: false,
        ..progress.clone()
    };
    let rendered = caller(task).change(&ticket.id, &json!({ "work_notes": text }))?;
    Ok(Rendered {
        intent: Some(Intention::Continuation(trying.text())),
        ..rendered
    })
}

/// What became of it.
pub(super) fn judge(heard: &Heard<'_>, known: &Ticket, note: &Note, progress: Progress) -> Classification {
    let refusal = match heard.result() {
        Ok(_) => {
            let done = format!("wrote a note to {}", known.key);
            return follow::go_on(heard.task, known.clone(), &progress.with_noted(&note.key)).noted(done);
        }
        Err(refusal) => refusal,
    };
    let sentence = "this account may not write work notes: give it a role that may, or set Notes to off";
    match refusal.kind {
        Kind::Missing => follow::lost(heard, known),
        // What was written down before it left stays: the note is looked for before it is sent again.
        Kind::Unclear => {
            let remedy = looking_first(refusal.failure.disposition);
            refusal.failure.with(remedy).into()
        }
        Kind::Forbidden | Kind::Refused if known.phase == TicketPhase::Done => Classification {
            continuation: progress.with_noted(&note.key).keeping(),
            ..Classification::from(refusal.failure.with(Disposition::Immediate)).noted(format!(
                "{} is over and takes no more notes: none is written",
                known.key
            ))
        },
        Kind::Forbidden => {
            let refusal = refusal.with(FailureCode::SettingsRefused, Disposition::NeedsOperator, sentence);
            follow::failed(refusal, progress)
        }
        Kind::Unsent | Kind::Limited | Kind::Credentials | Kind::Refused => follow::failed(refusal, progress),
    }
}

/// The request that looks for a note.
pub(super) fn find(task: &Task<'_>, ticket: &Ticket, note: &Note, place: Place) -> Result<Rendered, Failure> {
    match place {
        Place::Journal => search(caller(task), &ticket.id, &note.key),
        Place::Record => {
            let rendered = caller(task).record(&ticket.id, "sys_id,work_notes")?;
            Ok(Rendered {
                body_cap: MAX_BODY_CAP_BYTES,
                ..rendered
            })
        }
    }
}

/// The request for the notes of a record that hold a key, the latest first.
pub(super) fn search(caller: Caller<'_>, sys_id: &str, key: &str) -> Result<Rendered, Failure> {
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
pub(super) fn found(
    heard: &Heard<'_>,
    known: &Ticket,
    note: &Note,
    place: Place,
    progress: Progress,
) -> Classification {
    let seen = match heard.result() {
        Ok(result) => match place {
            Place::Journal => Record::list(&result).unwrap_or_default(),
            Place::Record => Record::of(&result).into_iter().collect(),
        },
        Err(refusal) => match refusal.kind {
            Kind::Forbidden | Kind::Refused | Kind::Missing => Vec::new(),
            // A history that is longer than what is read of it may still hold the note, see below.
            Kind::Unclear if cut_body(heard).is_some() => Vec::new(),
            Kind::Unsent | Kind::Unclear | Kind::Limited | Kind::Credentials => return refusal.into(),
        },
    };
    let field = match place {
        Place::Journal => "value",
        Place::Record => "work_notes",
    };
    let is_there = |record: &Record| note.is_in(record.value(field)) || note.is_in(record.shown(field));
    if seen.iter().any(is_there) || cut_body(heard).is_some_and(|text| note.is_in(&text)) {
        let judgement = follow::go_on(heard.task, known.clone(), &progress.with_noted(&note.key));
        return judgement.noted(format!("{} has the note already", known.key));
    }
    let since = Timestamp::from_millis(progress.trying_since.unwrap_or_default());
    let waited = heard.now.since(since);
    if waited < LAG {
        let detail = "whether the note was written is not known: the instance may still be at it";
        let failure = Failure {
            retry_after: Some(LAG - waited),
            ..Failure::new(FailureCode::TicketUnknown, detail).with(Disposition::RateLimited)
        };
        return failure.into();
    }
    let is_readable = seen.iter().any(|record| !record.shown(field).is_empty());
    let (progress, sentence) = match (place, is_readable) {
        (Place::Journal, _) => (
            Progress {
                is_journal_searched: true,
                ..progress
            },
            "the note is not in the journal, as far as this account may read it",
        ),
        (Place::Record, is_readable) => (
            Progress {
                trying: None,
                trying_since: None,
                is_journal_searched: false,
                may_repeat: !is_readable,
                ..progress
            },
            "the note is not there: it is written again",
        ),
    };
    let judgement = Classification {
        continuation: progress.keeping(),
        ..Outcome::Step.into()
    };
    judgement.noted(sentence)
}

/// The beginning of a good answer that was too long to be read whole.
fn cut_body(heard: &Heard<'_>) -> Option<String> {
    let response = heard.exchange.result.as_ref().ok()?;
    let is_cut = response.status == 200 && response.body_is_truncated;
    is_cut.then(|| String::from_utf8_lossy(&response.body).into_owned())
}

/// The remedy of a failure after which the note may be there.
fn looking_first(remedy: Disposition) -> Disposition {
    match remedy {
        Disposition::Backoff => Disposition::VerifyFirst,
        other => other,
    }
}
