//! What becomes of a ticket link: pure rules from the row that is there to the row that is written. A backend reads rows and
//! writes them, and decides nothing.

use std::collections::BTreeMap;

use model::id::{IncidentId, WebhookId};
use model::incident::{Incident, IncidentAction, IncidentStatus};
use model::ticket::{
    HEADLINE_OPTION, Intent, LinkState, Ticket, TicketLink, TicketPhase, WRITTEN_NOTES_OPTION,
    action_after_reading, next_poll_at,
};
use model::time::Timestamp;

mod attempt;

pub use attempt::{AttemptFacts, AttemptPlan, after_attempt};

use crate::tickets::{BUSY_WAIT, DuePoll, DuplicateCheck, MAX_DUPLICATE_CHECKS, POLL_LEASE, PollResult};

/// A ticket link as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LinkRow {
    pub webhook_id: WebhookId,
    pub incident_id: IncidentId,
    /// Nothing if no request has made a ticket and nobody asked for one: to everybody else there is no link.
    pub state: Option<LinkState>,
    /// Somebody asked for the ticket by hand.
    pub is_asked: bool,
    /// See [`TicketLink`], as for the fields after it.
    pub generation: u32,
    pub version: i64,
    pub event_sequence: i64,
    pub seen: TicketPhase,
    pub creates: u32,
    pub last_synced_at: Option<Timestamp>,
    pub last_error: Option<String>,
    pub comments_until: Timestamp,
    /// When the ticket is read next; nothing if it is not.
    pub next_poll_at: Option<Timestamp>,
    /// How many polls in a row failed.
    pub poll_failures: u32,
    /// How often duplicates were looked for.
    pub duplicate_checks: u32,
    /// What the workflow of tickets knows beyond the link, in its own words.
    pub workflow: Option<String>,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
}

/// Where an incident stands, as far as its tickets' polls depend on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IncidentStanding {
    pub status: IncidentStatus,
    pub resolved_at: Option<Timestamp>,
}

impl IncidentStanding {
    fn next_poll_at(self, failures: u32, now: Timestamp) -> Option<Timestamp> {
        next_poll_at(self.status, self.resolved_at, failures, now)
    }
}

/// Whether the webhook of a link can be asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WebhookStanding {
    Enabled,
    Disabled,
    Deleted,
}

/// What becomes of a link whose time to be read has come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DuePlan {
    /// When it is due again.
    pub next_poll_at: Option<Timestamp>,
    /// The poll, if it is made now.
    pub poll: Option<DuePoll>,
}

/// What a ticket that was read means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PollPlan {
    /// Another ticket is the incident's by now, or none.
    Gone,
    /// It does not count; the link is read again then.
    Busy { next_poll_at: Timestamp },
    /// It counts. The incident follows by this action, if there is one.
    Follow(Option<IncidentAction>),
}

impl LinkRow {
    /// A link of which nothing is known. It is written only once something is.
    pub fn new(webhook_id: WebhookId, incident_id: IncidentId, now: Timestamp) -> Self {
        Self {
            webhook_id,
            incident_id,
            state: None,
            is_asked: false,
            generation: 1,
            version: 0,
            event_sequence: 0,
            seen: TicketPhase::New,
            creates: 0,
            last_synced_at: None,
            last_error: None,
            comments_until: now,
            next_poll_at: None,
            poll_failures: 0,
            duplicate_checks: 0,
            workflow: None,
            created_at: now,
            updated_at: now,
        }
    }

    /// The link as everybody else sees it; nothing if there is none.
    pub fn link(&self) -> Option<TicketLink> {
        Some(TicketLink {
            webhook_id: self.webhook_id,
            incident_id: self.incident_id,
            state: self.state.clone()?,
            generation: self.generation,
            version: self.version,
            event_sequence: self.event_sequence,
            seen: self.seen,
            creates: self.creates,
            last_synced_at: self.last_synced_at,
            last_error: self.last_error.clone(),
            comments_until: self.comments_until,
        })
    }

    /// The ticket, if there is one.
    pub fn ticket(&self) -> Option<&Ticket> {
        match &self.state {
            Some(LinkState::Linked(ticket)) => Some(ticket),
            Some(LinkState::Wanted | LinkState::Intended(_) | LinkState::Unlinked) | None => None,
        }
    }

    fn has_ticket(&self, id: &str) -> bool {
        self.ticket().is_some_and(|ticket| ticket.id == id)
    }

    fn changed(self, now: Timestamp) -> Self {
        Self {
            version: self.version + 1,
            updated_at: now,
            ..self
        }
    }

    /// A request that must not be made twice is about to leave.
    pub fn about_to(self, workflow: String, now: Timestamp) -> Self {
        Self {
            workflow: Some(workflow),
            updated_at: now,
            ..self
        }
    }

    /// A request that makes the ticket is about to leave; nothing if it must not, because there is a ticket or there shall be
    /// none.
    pub fn intend(self, now: Timestamp) -> Option<Self> {
        match self.state {
            None | Some(LinkState::Wanted | LinkState::Intended(_)) => {}
            Some(LinkState::Linked(_) | LinkState::Unlinked) => return None,
        }
        let creates = self.creates + 1;
        let intent = Intent {
            at: now,
            creates,
            hinted: None,
        };
        let state = Some(LinkState::Intended(intent));
        Some(
            Self {
                state,
                creates,
                ..self
            }
            .changed(now),
        )
    }

    /// Somebody wants a ticket by hand; nothing if it is on its way already, or there.
    pub fn ask(self, now: Timestamp) -> Option<Self> {
        let is_new = !self.is_asked || self.state == Some(LinkState::Unlinked);
        if self.ticket().is_some() || !is_new {
            return None;
        }
        let state = match self.state {
            Some(LinkState::Intended(intent)) => LinkState::Intended(intent),
            Some(LinkState::Wanted | LinkState::Linked(_) | LinkState::Unlinked) | None => LinkState::Wanted,
        };
        let asked = Self {
            state: Some(state),
            is_asked: true,
            event_sequence: 0,
            comments_until: now,
            last_error: None,
            ..self
        };
        Some(asked.changed(now))
    }

    /// Somebody joins the incident and a ticket that is there.
    pub fn join(self, ticket: &Ticket, now: Timestamp) -> Self {
        let joined = Self {
            seen: ticket.phase,
            state: Some(LinkState::Linked(ticket.clone())),
            duplicate_checks: 0,
            creates: 0,
            last_synced_at: Some(now),
            last_error: None,
            comments_until: now,
            next_poll_at: Some(now),
            poll_failures: 0,
            event_sequence: 0,
            ..self
        };
        joined.changed(now)
    }

    /// Whether there is a ticket, or may be one, that somebody can part from.
    pub fn can_be_parted(&self) -> bool {
        matches!(self.state, Some(LinkState::Linked(_) | LinkState::Intended(_)))
    }

    /// What the timeline says of that.
    pub fn parting_sentence(&self) -> String {
        match self.ticket() {
            Some(ticket) => format!("unlinked the ticket {}", ticket.key),
            None => "gave up the ticket that was being made or looked for".to_owned(),
        }
    }

    /// Somebody parts them. The next ticket has another marker, so that this one is not found again.
    pub fn part(self, now: Timestamp) -> Self {
        let parted = Self {
            state: Some(LinkState::Unlinked),
            generation: self.generation + 1,
            seen: TicketPhase::New,
            is_asked: false,
            creates: 0,
            duplicate_checks: 0,
            workflow: None,
            next_poll_at: None,
            last_error: None,
            ..self
        };
        parted.changed(now)
    }

    /// Its system told of a change of its ticket.
    pub fn told_of_change(self, now: Timestamp) -> Self {
        let next_poll_at = Some(self.next_poll_at.map_or(now, |at| at.min(now)));
        Self {
            next_poll_at,
            version: self.version + 1,
            ..self
        }
    }

    /// Its system told of a ticket with a marker of this generation; nothing if none was being looked for.
    pub fn told_of_ticket(self, ticket_id: &str, generation: u32) -> Option<Self> {
        match self.state {
            Some(LinkState::Intended(intent)) if intent.hinted.is_none() && self.generation == generation => {
                let intent = Intent {
                    hinted: Some(ticket_id.to_owned()),
                    ..intent
                };
                Some(Self {
                    state: Some(LinkState::Intended(intent)),
                    ..self
                })
            }
            _ => None,
        }
    }

    /// Its time to be read has come. What is read while something of ours is on its way there would not be believed; those of
    /// disabled webhooks come later, lest they stand at the front for ever.
    pub fn due(&self, webhook: WebhookStanding, is_busy: bool, now: Timestamp) -> DuePlan {
        let link = match webhook {
            WebhookStanding::Enabled => self.link().filter(|link| link.ticket().is_some()),
            WebhookStanding::Disabled => None,
            WebhookStanding::Deleted => {
                return DuePlan {
                    next_poll_at: None,
                    poll: None,
                };
            }
        };
        let wait = if link.is_some() && is_busy {
            BUSY_WAIT
        } else {
            POLL_LEASE
        };
        let must_check_duplicates = self.duplicate_checks < MAX_DUPLICATE_CHECKS && self.creates > 1;
        DuePlan {
            next_poll_at: Some(now.plus(wait)),
            poll: link.filter(|_| !is_busy).map(|link| DuePoll {
                link,
                must_check_duplicates,
            }),
        }
    }

    /// Its ticket was read.
    pub fn polled(&self, polled: &PollResult, is_busy: bool, status: IncidentStatus) -> PollPlan {
        if !self.has_ticket(&polled.ticket.id) {
            return PollPlan::Gone;
        }
        if is_busy || self.version != polled.version {
            return PollPlan::Busy {
                next_poll_at: polled.change.at.plus(BUSY_WAIT),
            };
        }
        PollPlan::Follow(action_after_reading(
            polled.purpose,
            self.seen,
            polled.ticket.phase,
            status,
        ))
    }

    /// The incident followed: what was read is what was seen last.
    pub fn followed(self, polled: &PollResult, incident: IncidentStanding) -> Self {
        let now = polled.change.at;
        let commented = polled.comments.iter().map(|comment| comment.at).max();
        let followed = Self {
            state: Some(LinkState::Linked(polled.ticket.clone())),
            seen: polled.ticket.phase,
            last_synced_at: Some(now),
            last_error: None,
            next_poll_at: incident.next_poll_at(0, now),
            poll_failures: 0,
            comments_until: commented.map_or(self.comments_until, |at| at.max(self.comments_until)),
            ..self
        };
        followed.changed(now)
    }

    /// Its ticket could not be read; nothing if it has another one by now.
    pub fn poll_failed(
        self,
        ticket_id: &str,
        error: String,
        incident: Option<IncidentStanding>,
        now: Timestamp,
    ) -> Option<Self> {
        if !self.has_ticket(ticket_id) {
            return None;
        }
        let poll_failures = self.poll_failures.saturating_add(1);
        Some(Self {
            poll_failures,
            next_poll_at: incident.and_then(|incident| incident.next_poll_at(poll_failures, now)),
            last_error: Some(error),
            updated_at: now,
            ..self
        })
    }

    /// Duplicates of its ticket were looked for; nothing if it has another one by now. `owner` is the incident that has the ticket
    /// that stays. The second value says whether the incident has another ticket now.
    pub fn checked_for_duplicates(
        self,
        ticket_id: &str,
        found: &DuplicateCheck,
        owner: Option<IncidentId>,
        now: Timestamp,
    ) -> Option<(Self, bool)> {
        if !self.has_ticket(ticket_id) {
            return None;
        }
        let checked = Self {
            duplicate_checks: match found {
                DuplicateCheck::Clean => MAX_DUPLICATE_CHECKS,
                DuplicateCheck::Merged(_) => self.duplicate_checks.saturating_add(1),
            },
            ..self
        };
        match found {
            DuplicateCheck::Merged(Some(stays)) if owner.is_none() => {
                let moved = Self {
                    seen: seen_first(stays.phase, checked.seen),
                    state: Some(LinkState::Linked(stays.clone())),
                    next_poll_at: Some(now),
                    ..checked
                };
                Some((moved.changed(now), true))
            }
            DuplicateCheck::Clean | DuplicateCheck::Merged(_) => Some((checked, false)),
        }
    }
}

/// What both sides agree on when a ticket is first known here: where it stands, unless it is over. Nobody makes one that is, so that
/// it was closed before.
fn seen_first(phase: TicketPhase, before: TicketPhase) -> TicketPhase {
    match phase {
        TicketPhase::New | TicketPhase::InProgress => phase,
        TicketPhase::Done => before,
    }
}

/// What of an edited incident its tickets have to be told without an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TicketsNeedTelling {
    /// Somebody else has it: every ticket.
    Assignee,
    /// Its title or severity is another: tickets of webhooks that want that.
    Headline,
    /// Somebody wrote on it: likewise.
    WrittenNote,
}

impl TicketsNeedTelling {
    /// What an edit has changed of it; nothing if it changed nothing that tickets are told.
    pub fn after(before: &Incident, now: &Incident) -> Option<Self> {
        let headline = |incident: &Incident| (incident.title.clone(), incident.severity);
        match (before.assignee != now.assignee, headline(before) != headline(now)) {
            (true, _) => Some(Self::Assignee),
            (false, true) => Some(Self::Headline),
            (false, false) => None,
        }
    }

    /// Whether it concerns the tickets of a webhook with these options.
    pub fn concerns(self, options: &BTreeMap<String, String>) -> bool {
        let is_on = |option| options.get(option).is_some_and(|wanted| wanted == "on");
        match self {
            Self::Assignee => true,
            Self::Headline => is_on(HEADLINE_OPTION),
            Self::WrittenNote => is_on(WRITTEN_NOTES_OPTION),
        }
    }
}

#[cfg(test)]
mod tests;
