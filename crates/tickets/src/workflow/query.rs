//! What is asked beside deliveries, by the same actions: to read a ticket, to find one, and those with a marker. All answers so
//! far make the next request, or the end; nothing is kept in between.

use std::time::Duration;

use crate::workflow::action::{Action, Facts, Observation, Sighting, Trouble, TroubleKind, View};
use crate::workflow::clock::by_theirs;
use crate::workflow::state::Doubt;
use crate::workflow::system::{AccessCheck, Ask, Asker, TicketSystem};
use destination::ticketing::{Comment, MAX_MARKED, QueryContext, QueryResult, QueryStep, Reading};
use model::attempt::{Disposition, Failure};
use model::exchange::{Exchange, FailureCode};
use model::time::Timestamp;

/// How often the number of comments is made smaller before they are left where they are.
const MAX_FEWER: usize = 1;
/// How many pages of tickets are looked through for a marker.
const MAX_PAGES: usize = 5;

/// What makes a time a little earlier: comments of the time itself are read too.
const JUST_BEFORE: Duration = Duration::from_millis(1);

/// What is asked beside deliveries.
pub(super) struct Questioner<'a, S> {
    system: &'a S,
    asking: &'a QueryContext<'a>,
    answers: std::slice::Iter<'a, Exchange>,
    /// Our mark on the tickets that are asked for.
    pub(super) marker: String,
    /// The ids of statuses that the ticket was moved out of.
    pub(super) visited: Vec<String>,
    /// On whose behalf.
    pub(super) of: Asker<'a>,
}

/// Why a question goes no further: it needs an answer, or it came to an end.
pub(super) type Stop = Box<QueryStep>;

impl<'a, S: TicketSystem> Questioner<'a, S> {
    /// One that has asked nothing yet.
    pub(super) fn new(system: &'a S, asking: &'a QueryContext<'a>, of: Asker<'a>) -> Self {
        Self {
            system,
            asking,
            answers: asking.answers.iter(),
            marker: String::new(),
            visited: Vec::new(),
            of,
        }
    }

    /// What came of an action; a stop if it has still to be asked for.
    pub(super) fn observe(&mut self, action: &Action) -> Result<Observation, Stop> {
        let ask = Ask {
            target: self.asking.target,
            token: self.asking.token,
            now: self.asking.now,
            marker: &self.marker,
            visited: &self.visited,
            of: self.of,
        };
        match self.answers.next() {
            Some(exchange) => Ok(self.system.observe(&ask, action, exchange)),
            None => Err(Box::new(match self.system.request(&ask, action) {
                Ok(rendered) => QueryStep::send(rendered),
                Err(failure) => QueryStep::Failed(failure, None),
            })),
        }
    }
}

/// The end of a question that came to nothing.
pub(super) fn failed(trouble: Trouble) -> Stop {
    Box::new(QueryStep::Failed(trouble.failure, trouble.pause))
}

/// The end of a question whose answer is none.
pub(super) fn strange() -> Stop {
    let detail = "the ticket system answered something else than it was asked";
    let failure = Failure::new(FailureCode::ResponseInvalid, detail).with(Disposition::Backoff);
    Box::new(QueryStep::Failed(failure, None))
}

/// The request or the end that a question came to.
pub(super) fn settled(ended: Result<QueryResult, Stop>) -> QueryStep {
    match ended {
        Ok(result) => QueryStep::Done(result),
        Err(stop) => *stop,
    }
}

/// How a ticket stands, with what people wrote since.
pub(super) fn read<S: TicketSystem>(
    system: &S,
    asking: &QueryContext<'_>,
    id: &str,
    since: Option<Timestamp>,
) -> QueryStep {
    let mut questioner = Questioner::new(system, asking, Asker::Reader);
    let read = |view| Action::Read {
        id: id.to_owned(),
        view,
    };
    settled(sighting(&mut questioner, read).and_then(|sighting| {
        let Some(sighting) = sighting else {
            return Ok(QueryResult::Ticket(None));
        };
        // A comment is a change of its ticket.
        let shifted = |since| by_theirs(since, asking.answers.first(), asking.now);
        let may_have = |since: &Timestamp| {
            let earliest = shifted(*since).min(*since);
            sighting.updated.is_none_or(|updated| updated > earliest)
        };
        let comments = match since.filter(may_have) {
            Some(since) => comments_since(&mut questioner, id, since, shifted(since))?,
            None => Vec::new(),
        };
        Ok(QueryResult::Ticket(Some(reading(sighting, comments))))
    }))
}

/// The ticket that a person named.
pub(super) fn find<S: TicketSystem>(system: &S, asking: &QueryContext<'_>, reference: &str) -> QueryStep {
    let mut questioner = Questioner::new(system, asking, Asker::Reader);
    let read = |view| Action::ReadNamed {
        reference: reference.to_owned(),
        view,
    };
    let found = sighting(&mut questioner, read);
    settled(found.map(|found| QueryResult::Ticket(found.map(|found| reading(found, Vec::new())))))
}

/// The tickets that carry a marker.
pub(super) fn marked<S: TicketSystem>(system: &S, asking: &QueryContext<'_>, marker: &str) -> QueryStep {
    let mut questioner = Questioner::new(system, asking, Asker::Reader);
    questioner.marker = marker.to_owned();
    settled(pages(&mut questioner))
}

fn pages<S: TicketSystem>(questioner: &mut Questioner<'_, S>) -> Result<QueryResult, Stop> {
    let mut found: Vec<Sighting> = Vec::new();
    for page in 0..MAX_PAGES {
        match questioner.observe(&Action::FindByKey { page })? {
            Ok(Facts::Tickets(last)) => {
                found.splice(0..0, last);
                break;
            }
            // Pages begin with what was made last.
            Ok(Facts::Page(more)) => drop(found.splice(0..0, more)),
            Ok(_) => return Err(strange()),
            Err(trouble) => return Err(failed(trouble)),
        }
    }
    let tickets = found.into_iter().map(|sighting| sighting.ticket);
    Ok(QueryResult::Tickets(tickets.take(MAX_MARKED).collect()))
}

/// Reads a ticket. A history that is too large to be read is done without.
fn sighting<S: TicketSystem>(
    questioner: &mut Questioner<'_, S>,
    read: impl Fn(View) -> Action,
) -> Result<Option<Sighting>, Stop> {
    let mut found = questioner.observe(&read(View::Changes))?;
    if matches!(&found, Err(trouble) if trouble.kind == TroubleKind::TooLarge) {
        found = questioner.observe(&read(View::Plain))?;
    }
    match found {
        Ok(Facts::Ticket(sighting)) => Ok(Some(*sighting)),
        Ok(_) => Err(strange()),
        Err(trouble) if trouble.kind == TroubleKind::Missing => missing(questioner, &read),
        Err(trouble) => Err(failed(trouble)),
    }
}

/// There is no such ticket, unless the account sees none at all, or has just begun to see it.
fn missing<S: TicketSystem>(
    questioner: &mut Questioner<'_, S>,
    read: impl Fn(View) -> Action,
) -> Result<Option<Sighting>, Stop> {
    if questioner.system.access_check() == AccessCheck::None {
        return Ok(None);
    }
    if let Err(trouble) = questioner.observe(&Action::CheckAccess(Doubt::Gone))? {
        return Err(failed(trouble));
    }
    match questioner.observe(&read(View::Plain))? {
        Ok(Facts::Ticket(sighting)) => Ok(Some(*sighting)),
        Ok(_) => Err(strange()),
        Err(trouble) if trouble.kind == TroubleKind::Missing => Ok(None),
        Err(trouble) => Err(failed(trouble)),
    }
}

/// What people wrote since the latest that was read, or since the ticket was linked. The one time is by the system's clock, and then
/// there is a comment of that time; the other is by ours.
fn comments_since<S: TicketSystem>(
    questioner: &mut Questioner<'_, S>,
    id: &str,
    since: Timestamp,
    shifted: Timestamp,
) -> Result<Vec<Comment>, Stop> {
    let earliest = since.min(shifted).minus(JUST_BEFORE);
    let found = comments(questioner, id, earliest)?;
    let is_theirs = found.iter().any(|comment| comment.at == since);
    let after = if is_theirs { since } else { shifted };
    Ok(found.into_iter().filter(|comment| comment.at > after).collect())
}

/// What people wrote since. Comments that are too large together are read in a smaller number, or not at all.
fn comments<S: TicketSystem>(
    questioner: &mut Questioner<'_, S>,
    id: &str,
    since: Timestamp,
) -> Result<Vec<Comment>, Stop> {
    for fewer in 0..=MAX_FEWER {
        let read = Action::ReadComments {
            id: id.to_owned(),
            since,
            fewer,
        };
        match questioner.observe(&read)? {
            Ok(Facts::Comments(comments)) => return Ok(comments),
            Ok(_) => return Err(strange()),
            Err(trouble) if trouble.kind == TroubleKind::TooLarge => {}
            Err(trouble) => return Err(failed(trouble)),
        }
    }
    Ok(Vec::new())
}

fn reading(sighting: Sighting, comments: Vec<Comment>) -> Reading {
    Reading {
        ticket: sighting.ticket,
        by: sighting.by,
        is_ours: sighting.is_by_us,
        comments,
    }
}
