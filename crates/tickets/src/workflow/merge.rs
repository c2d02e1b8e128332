//! Closes a ticket that was made twice: a comment that names the one that stays, its marks as a duplicate, and then the way to
//! its end. Every part is left out if it is there already, so that all of it may be repeated.

use crate::workflow::action::{Action, Facts, Mark, Move, Presence, Sighting, TroubleKind, View};
use crate::workflow::comments::of_duplicate;
use crate::workflow::query::{Questioner, Stop, failed, settled, strange};
use crate::workflow::state::{Name, Route};
use crate::workflow::system::{Asker, Capabilities, TicketSystem};
use destination::ticketing::{QueryContext, QueryResult, QueryStep};
use model::attempt::{Disposition, Failure};
use model::exchange::FailureCode;
use model::ticket::{Ticket, TicketPhase};

/// The most moves on the way to the end.
const MAX_MOVES: usize = 5;

/// See [`destination::ticketing::TicketQuery::Merge`].
pub(super) fn merge<S: TicketSystem>(
    system: &S,
    asking: &QueryContext<'_>,
    keep: &Ticket,
    close: &Ticket,
) -> QueryStep {
    let mut merging = Merging {
        questioner: Questioner::new(system, asking, Asker::Merger),
        capabilities: system.capabilities(),
        keep: name(keep),
        close: name(close),
    };
    settled(merging.run())
}

fn name(ticket: &Ticket) -> Name {
    Name {
        id: ticket.id.clone(),
        key: ticket.key.clone(),
    }
}

struct Merging<'a, S> {
    questioner: Questioner<'a, S>,
    capabilities: Capabilities,
    keep: Name,
    close: Name,
}

impl<S: TicketSystem> Merging<'_, S> {
    fn run(&mut self) -> Result<QueryResult, Stop> {
        let Some(mut sighting) = self.read()? else {
            return Ok(QueryResult::Merged);
        };
        if sighting.is_closed_duplicate {
            return Ok(QueryResult::Merged);
        }
        self.tell()?;
        for part in 0..self.capabilities.duplicate_parts {
            if let Some(after) = self.mark(&sighting, part)? {
                sighting = after;
            }
        }
        self.close(sighting)
    }

    fn read(&mut self) -> Result<Option<Sighting>, Stop> {
        let id = self.close.id.clone();
        match self.questioner.observe(&Action::Read {
            id,
            view: View::Moves,
        })? {
            Ok(Facts::Ticket(sighting)) => Ok(Some(*sighting)),
            Ok(_) => Err(strange()),
            Err(trouble) if trouble.kind == TroubleKind::Missing => Ok(None),
            Err(trouble) => Err(failed(trouble)),
        }
    }

    /// The comment, unless it is there. A duplicate that may not be written to is still better closed.
    fn tell(&mut self) -> Result<(), Stop> {
        let comment = of_duplicate(self.capabilities, &self.keep);
        let name = self.close.clone();
        let find = Action::FindComment {
            name: name.clone(),
            key: comment.key.clone(),
            searched: 0,
        };
        match self.questioner.observe(&find)? {
            Ok(Facts::Comment(Presence::There)) => return Ok(()),
            Ok(_) => {}
            Err(trouble) => return Err(failed(trouble)),
        }
        match self.questioner.observe(&Action::Comment { name, comment })? {
            Err(trouble) if !trouble.is_about_this() => Err(failed(trouble)),
            Ok(_) | Err(_) => Ok(()),
        }
    }

    /// A mark; a system that does not take it has the comment.
    fn mark(&mut self, sighting: &Sighting, part: usize) -> Result<Option<Sighting>, Stop> {
        let marker = match &sighting.mark {
            Mark::Other(marker) => marker.clone(),
            Mark::Ours | Mark::Nobodys => String::new(),
        };
        let mark = Action::MarkDuplicate {
            name: self.close.clone(),
            keep: self.keep.clone(),
            part,
            marker,
        };
        match self.questioner.observe(&mark)? {
            Ok(Facts::Ticket(after)) => Ok(Some(*after)),
            Err(trouble) if !trouble.is_about_this() => Err(failed(trouble)),
            Ok(_) | Err(_) => Ok(None),
        }
    }

    fn close(&mut self, mut sighting: Sighting) -> Result<QueryResult, Stop> {
        for _ in 0..MAX_MOVES {
            if sighting.ticket.phase == TicketPhase::Done {
                return Ok(QueryResult::Merged);
            }
            let Some(Route::Through { to, plan }) = sighting.route.clone() else {
                break;
            };
            let moving = Move {
                name: self.close.clone(),
                from: sighting.ticket.phase,
                status: sighting.ticket.status.clone(),
                goal: TicketPhase::Done,
                to,
                plan,
                duplicate_of: Some(self.keep.clone()),
            };
            let moved = self.questioner.observe(&Action::Move(moving))?;
            self.questioner.visited.push(sighting.status_id.clone());
            sighting = match moved {
                Ok(Facts::Ticket(after)) => *after,
                Ok(Facts::Blocked(_)) => break,
                Ok(_) => match self.read()? {
                    Some(after) => after,
                    None => return Ok(QueryResult::Merged),
                },
                Err(trouble) => return Err(failed(trouble)),
            };
        }
        if sighting.ticket.phase == TicketPhase::Done {
            return Ok(QueryResult::Merged);
        }
        let detail = format!(
            "{} was made twice and cannot be brought to its end: close it by hand",
            self.close.key
        );
        let failure = Failure::new(FailureCode::TransitionMissing, detail).with(Disposition::Permanent);
        Err(Box::new(QueryStep::Failed(failure, None)))
    }
}
