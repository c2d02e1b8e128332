//! Comments that tell the ticket what happened, each written once.
//!
//! A comment cannot be taken back and Jira knows no repetition, so that each carries a key: before one that may be there is
//! written again, the latest comments are searched for it.

use std::time::Duration;

use http::Method;
use serde_json::json;

use crate::jira::answer::{self, Purpose};
use crate::jira::api::with_large_answer;
use crate::jira::plan::Facts;
use crate::jira::read::lost_or;
use crate::jira::settings::Notes;
use crate::jira::wiki;
use destination::card::Card;
use destination::task::{Classification, Intention, Rendered};
use destination::text::{Unit, cut};
use model::attempt::{Disposition, Failure};
use model::event::EventName;
use model::exchange::{Exchange, FailureCode, Reach};
use model::time::Timestamp;

/// What the request is for.
const PURPOSE: Purpose<'static> = Purpose {
    act: "comment on the ticket",
    missing: "the ticket was deleted, or this account may not see it",
};
/// How long a note that was sent may take until it is there: Jira may still work on a request that we gave up.
const LAG: Duration = Duration::from_secs(30);
/// How many of the latest comments are searched.
const SEARCHED: &str = "20";
/// The longest name in a note, in characters.
const MAX_NAME: usize = 100;
/// What stands before the key of a comment of ours.
pub(super) const KEY_START: &str = "(OpsKnight ";

/// A note to be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Note {
    /// What it is found again by.
    pub(super) key: String,
    /// What it is about.
    about: KindDescription,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum KindDescription {
    Event,
    Assignee,
}

/// The note that is to be written now.
pub(super) fn due(facts: &Facts<'_>) -> Option<Note> {
    let event = facts.task.event;
    let is_wanted = match facts.settings().notes() {
        Notes::Off => return None,
        Notes::Escalations => event.name == EventName::Escalated,
        Notes::All => true,
    };
    // Whoever has just made the ticket has told it everything; an event that was told to its end is told again for something else.
    let was_told = facts.memory.event.as_deref() == Some(event.id.to_string().as_str());
    let tells_event = is_wanted && facts.progress.made.is_none() && !was_told;
    let note = match (tells_event, facts.assignee()) {
        (true, _) => Note {
            key: event.id.to_string(),
            about: KindDescription::Event,
        },
        (false, Some(user)) => Note {
            key: format!("{}/{}", event.id, user.id),
            about: KindDescription::Assignee,
        },
        (false, None) => return None,
    };
    let told = facts.memory.assignee.as_deref();
    let is_news =
        note.about == KindDescription::Event || told.is_some_and(|told| told != facts.assignee_id());
    let is_noted = facts.progress.noted.contains(&note.key);
    (is_news && !is_noted).then_some(note)
}

/// The request that writes it.
pub(super) fn request(facts: &Facts<'_>, note: &Note) -> Result<Rendered, Failure> {
    let id = facts.ticket_id().unwrap_or_default();
    let body = json!({ "body": text(facts, note)? });
    let request = facts
        .api()
        .send(Method::POST, &["issue", &id, "comment"], &body)?;
    Ok(Rendered {
        intent: maybe_written(facts, &note.key)
            .progress
            .text()
            .map(Intention::Continuation),
        ..request
    })
}

fn text(facts: &Facts<'_>, note: &Note) -> Result<String, Failure> {
    let card = Card::new(&facts.task)?.cut(MAX_NAME, MAX_NAME);
    let who = facts.assignee().map(|user| {
        let name = cut(
            &destination::text::one_line(&user.name),
            MAX_NAME,
            Unit::Characters,
        );
        format!("{} has it now.", wiki::escape(&name))
    });
    let happened =
        (note.about == KindDescription::Event).then(|| format!("{}.", wiki::escape(&card.happened_by())));
    let told: Vec<String> = happened.into_iter().chain(who).collect();
    Ok(format!("{}\n\n{KEY_START}{})", told.join(" "), note.key))
}

/// The same delivery if the note may be there and nobody knows.
fn maybe_written<'a>(facts: &Facts<'a>, key: &str) -> Facts<'a> {
    let mut maybe = facts.clone();
    maybe.progress.sending = Some(key.to_owned());
    maybe.progress.sending_since = Some(facts.task.now.as_millis());
    maybe.progress.sight = None;
    maybe
}

/// What the answer means.
pub(super) fn judge(facts: Facts<'_>, note: &Note, exchange: &Exchange, now: Timestamp) -> Classification {
    let Err(trouble) = answer::good(facts.task.target, exchange, PURPOSE, now) else {
        return written(facts, note.key.clone(), "noted it on");
    };
    let is_unknown = match &exchange.result {
        Ok(response) => matches!(response.status, 408 | 500..=599),
        Err(_) => exchange.reach == Reach::MaybeSent,
    };
    if !is_unknown {
        return lost_or(facts, exchange, trouble);
    }
    let detail = format!(
        "{}; whether the note was written is not known",
        trouble.failure.detail
    );
    let failure = Failure {
        retry_after: trouble.failure.retry_after,
        ..Failure::new(trouble.failure.code, detail).with(Disposition::VerifyFirst)
    };
    maybe_written(&facts, &note.key).give_up(failure.into())
}

fn written(mut facts: Facts<'_>, key: String, what: &str) -> Classification {
    facts.progress.sending = None;
    facts.progress.sending_since = None;
    facts.progress.noted.push(key);
    facts.memory.assignee = Some(facts.assignee_id());
    let note = format!("{what} {}", facts.key());
    facts.go_on(note)
}

/// The request that looks whether a note is there.
pub(super) fn look_request(facts: &Facts<'_>) -> Result<Rendered, Failure> {
    let id = facts.ticket_id().unwrap_or_default();
    let query = [("orderBy", "-created"), ("maxResults", SEARCHED)];
    Ok(with_large_answer(
        facts.api().get(&["issue", &id, "comment"], &query)?,
    ))
}

/// What that answer means. The key is plain ASCII and stands in the JSON as it is, whether or not all of it came.
pub(super) fn judge_look(
    mut facts: Facts<'_>,
    key: String,
    exchange: &Exchange,
    now: Timestamp,
) -> Classification {
    let response = match answer::good(facts.task.target, exchange, PURPOSE, now) {
        Ok(response) => response,
        Err(trouble) => return lost_or(facts, exchange, trouble),
    };
    let body = String::from_utf8_lossy(&response.body);
    if body.contains(&format!("{KEY_START}{key})")) {
        return written(facts, key, "the note is there already on");
    }
    let since = Timestamp::from_millis(facts.progress.sending_since.unwrap_or_default());
    let waited = now.since(since);
    if waited < LAG {
        let detail = "whether the note was written is not known: Jira may still be at it";
        let failure = Failure {
            retry_after: Some(LAG - waited),
            ..Failure::new(FailureCode::TicketUnknown, detail).with(Disposition::RateLimited)
        };
        return facts.give_up(failure.into());
    }
    facts.progress.sending = None;
    facts.progress.sending_since = None;
    let note = format!("the note is not there yet on {}", facts.key());
    facts.go_on(note)
}
