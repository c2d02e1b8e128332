//! What an attempt makes of its delivery's link.

use model::event::EventName;
use model::id::IncidentId;
use model::patch::Patch;
use model::ticket::{LinkState, LinkUpdate, POLL_INTERVAL, TicketNews, TicketPhase, is_in_line};
use model::time::Timestamp;

use super::{IncidentStanding, LinkRow, seen_first};

/// What an attempt means for its delivery's link, with all that this depends on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AttemptFacts<'a> {
    /// What the attempt says of it.
    pub update: &'a LinkUpdate,
    /// The delivery's event; nothing if it is gone.
    pub event: Option<EventName>,
    pub event_sequence: i64,
    /// The attempt was one of several, and well.
    pub is_step: bool,
    /// The delivery is done.
    pub is_delivered: bool,
    /// The delivery is done or given up.
    pub is_over: bool,
    /// The incident that has the ticket of which the attempt tells; nothing if none has.
    pub owner: Option<IncidentId>,
    /// Nothing if the incident is gone.
    pub incident: Option<IncidentStanding>,
}

/// What becomes of a link by an attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AttemptPlan {
    /// The row to write; nothing if there is none.
    pub row: Option<LinkRow>,
    /// The key of the ticket that the incident has only now: a line of its timeline says so.
    pub new_ticket: Option<String>,
    /// The ticket is this incident's: the link is left without it, and what the delivery knows is of no use.
    pub belongs_to: Option<IncidentId>,
}

impl LinkRow {
    /// The row after an attempt's news, before its end is written down.
    fn with_news(self, facts: &AttemptFacts<'_>, now: Timestamp) -> Self {
        match &facts.update.news {
            // An answer about another ticket than the incident has by now is an old one.
            Some(TicketNews::Seen(ticket)) if self.ticket().is_some_and(|known| known.id != ticket.id) => {
                self
            }
            Some(TicketNews::Seen(ticket)) if self.state != Some(LinkState::Unlinked) => {
                // Where it stands is what both sides have agreed on only if the event wants it there. If somebody else has
                // moved it, that is news for the incident.
                let is_agreed = facts.event.is_some_and(|event| is_in_line(event, ticket.phase));
                let is_first = self.ticket().is_none();
                Self {
                    seen: match ticket.phase {
                        phase if is_agreed => phase,
                        phase if is_first => seen_first(phase, self.seen),
                        TicketPhase::New | TicketPhase::InProgress | TicketPhase::Done => self.seen,
                    },
                    state: Some(LinkState::Linked(ticket.clone())),
                    // Whatever becomes of its delivery.
                    next_poll_at: self.next_poll_at.or(is_first.then(|| now.plus(POLL_INTERVAL))),
                    ..self
                }
            }
            Some(TicketNews::NotMade) if matches!(self.state, Some(LinkState::Intended(_))) => Self {
                state: self.is_asked.then_some(LinkState::Wanted),
                ..self
            },
            Some(TicketNews::Seen(_) | TicketNews::NotMade) | None => self,
        }
    }

    fn ended(self, facts: &AttemptFacts<'_>, is_anothers: bool, now: Timestamp) -> Self {
        let phase = self.ticket().map(|ticket| ticket.phase);
        let next = facts.incident.and_then(|incident| incident.next_poll_at(0, now));
        let ended = Self {
            last_error: match facts.is_step {
                true => self.last_error,
                false => facts.update.error.clone(),
            },
            event_sequence: match facts.is_delivered {
                true => self.event_sequence.max(facts.event_sequence),
                false => self.event_sequence,
            },
            last_synced_at: match facts.is_delivered && phase.is_some() {
                true => Some(now),
                false => self.last_synced_at,
            },
            next_poll_at: match phase {
                Some(phase) if facts.is_over && phase == self.seen => {
                    [self.next_poll_at, next].into_iter().flatten().min()
                }
                Some(_) if facts.is_over => Some(now),
                Some(_) | None => self.next_poll_at,
            },
            poll_failures: if facts.is_delivered { 0 } else { self.poll_failures },
            workflow: match &facts.update.workflow {
                // What was learned is about a ticket that is none of its own.
                _ if is_anothers => None,
                Patch::Clear => None,
                Patch::Set(text) => Some(text.clone()),
                Patch::Keep => self.workflow,
            },
            ..self
        };
        ended.changed(now)
    }
}

/// What an attempt makes of its delivery's link, if there is one; `new` is the row that is begun otherwise. A ticket that belongs
/// to another incident is left to it.
pub fn after_attempt(
    before: Option<LinkRow>,
    new: LinkRow,
    facts: &AttemptFacts<'_>,
    now: Timestamp,
) -> AttemptPlan {
    let own = new.incident_id;
    let belongs_to = match &facts.update.news {
        Some(TicketNews::Seen(_)) => facts.owner.filter(|owner| *owner != own),
        Some(TicketNews::NotMade) | None => None,
    };
    let is_begun = facts
        .update
        .news
        .as_ref()
        .is_some_and(|news| matches!(news, TicketNews::Seen(_)))
        || matches!(facts.update.workflow, Patch::Set(_));
    let row = before.or_else(|| (is_begun && belongs_to.is_none()).then_some(new));
    let had_ticket = row.as_ref().is_some_and(|row| row.ticket().is_some());
    let row = match belongs_to {
        Some(_) => row,
        None => row.map(|row| row.with_news(facts, now)),
    };
    let ticket = row.as_ref().and_then(LinkRow::ticket).filter(|_| !had_ticket);
    AttemptPlan {
        new_ticket: ticket.map(|ticket| ticket.key.clone()),
        row: row.map(|row| row.ended(facts, belongs_to.is_some(), now)),
        belongs_to,
    }
}
