//! The ticket link: which ticket belongs to an incident in a foreign system, and what the two sides tell each other.

use std::time::Duration;

use strum::{EnumString, IntoStaticStr, VariantArray, VariantNames};

use crate::event::EventName;
use crate::id::{AuditId, IncidentId, WebhookId};
use crate::incident::{IncidentAction, IncidentStatus};
use crate::patch::Patch;
use crate::time::Timestamp;

/// The longest id or key of a ticket, in bytes.
pub const MAX_TICKET_ID_BYTES: usize = 128;
/// The longest address of a ticket, in bytes.
pub const MAX_TICKET_URL_BYTES: usize = 1024;
/// The longest text in which the workflow of tickets keeps what it knows of one, in bytes.
pub const MAX_WORKFLOW_BYTES: usize = 16 * 1024;
/// The longest name of a ticket's status that is kept, in characters.
pub const MAX_STATUS_LENGTH: usize = 80;
/// The longest comment of a ticket that comes into a timeline, in characters.
pub const MAX_COMMENT_LENGTH: usize = 2000;

/// The option of webhooks whose tickets follow changes of title and severity: `on` or `off`.
pub const HEADLINE_OPTION: &str = "changes";
/// The option of webhooks whose tickets get what people write on the incident: `on` or `off`.
pub const WRITTEN_NOTES_OPTION: &str = "incidentNotes";
/// The most of what people wrote on an incident that its tickets are told, the latest.
pub const MAX_WRITTEN_NOTES: u32 = 20;

/// What somebody wrote on an incident: no sentence of the server's own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WrittenNote {
    pub id: AuditId,
    /// Who wrote it.
    pub author: String,
    pub text: String,
}

/// Where a ticket stands, whatever its system calls that.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, EnumString, IntoStaticStr, VariantArray, VariantNames)]
#[strum(serialize_all = "snake_case")]
pub enum TicketPhase {
    /// Nobody has taken it.
    New,
    /// Somebody works on it.
    InProgress,
    /// It is over.
    Done,
}

impl TicketPhase {
    /// Every phase.
    pub const ALL: &'static [Self] = <Self as VariantArray>::VARIANTS;

    /// The same in the API's words.
    pub const NAMES: &'static [&'static str] = <Self as VariantNames>::VARIANTS;

    /// The phase as the API and the store write it.
    pub fn as_str(self) -> &'static str {
        self.into()
    }

    /// The phase read back from its text.
    pub fn parse(text: &str) -> Option<Self> {
        text.parse().ok()
    }
}

/// A ticket as it was last seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ticket {
    /// What the system knows it by, whatever becomes of its key.
    pub id: String,
    /// What people call it, such as `OPS-12`.
    pub key: String,
    /// Its page, for people.
    pub url: String,
    /// Where it stands.
    pub phase: TicketPhase,
    /// What its system calls that, such as `In Review`.
    pub status: String,
}

/// How far an incident has come to its ticket.
#[derive(Debug, Clone, PartialEq, Eq, IntoStaticStr, VariantNames)]
#[strum(serialize_all = "snake_case")]
pub enum LinkState {
    /// Somebody asked for a ticket by hand; none was made yet.
    Wanted,
    /// A request that makes the ticket may have left: whether there is one is not known.
    Intended(Intent),
    /// There is a ticket.
    Linked(Ticket),
    /// The two belong together no longer, by somebody's hand.
    Unlinked,
}

impl LinkState {
    /// Every state, in the API's words.
    pub const NAMES: &'static [&'static str] = Self::VARIANTS;

    /// Which of [`LinkState::NAMES`].
    pub fn as_str(&self) -> &'static str {
        self.into()
    }
}

/// What is known of a ticket that may have been made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Intent {
    /// When the last request that makes it left.
    pub at: Timestamp,
    /// How many such requests left.
    pub creates: u32,
    /// The id of a ticket that carries our marker, as its system told by itself.
    pub hinted: Option<String>,
}

/// One incident and its ticket at one webhook.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TicketLink {
    pub webhook_id: WebhookId,
    pub incident_id: IncidentId,
    /// How far it has come.
    pub state: LinkState,
    /// 1 for the incident's first ticket here; one more for each that was unlinked.
    pub generation: u32,
    /// Moves whenever we write to the ticket or change this link: what was read before does not count any more.
    pub version: i64,
    /// The place of the latest event that the ticket has been told of; zero if it was told of none.
    pub event_sequence: i64,
    /// Where the ticket stood when both sides were last in line. It may have been moved since: that is news for the incident.
    pub seen: TicketPhase,
    /// How many requests that make a ticket left in all.
    pub creates: u32,
    /// When the two sides were last compared or brought in line.
    pub last_synced_at: Option<Timestamp>,
    /// Why the last try to do so failed, if it did.
    pub last_error: Option<String>,
    /// Comments of the ticket up to this time are in the timeline.
    pub comments_until: Timestamp,
}

impl TicketLink {
    /// The ticket, if there is one.
    pub fn ticket(&self) -> Option<&Ticket> {
        match &self.state {
            LinkState::Linked(ticket) => Some(ticket),
            LinkState::Wanted | LinkState::Intended(_) | LinkState::Unlinked => None,
        }
    }

    /// What marks the incident's ticket in its system.
    pub fn marker(&self) -> String {
        marker(self.webhook_id, self.incident_id, self.generation)
    }
}

/// How much of a webhook's id is in a marker, in characters: two webhooks may make tickets in one place.
const WEBHOOK_CHARACTERS: usize = 8;

/// What marks an incident's ticket in its system: our ids, so that a ticket whose making got no answer is found again.
/// `inc_…-1a2b3c4d`, and for the incident's second ticket there `inc_…-1a2b3c4d-2`.
pub fn marker(webhook_id: WebhookId, incident_id: IncidentId, generation: u32) -> String {
    let webhook = short(webhook_id);
    match generation {
        0 | 1 => format!("{incident_id}-{webhook}"),
        later => format!("{incident_id}-{webhook}-{later}"),
    }
}

/// The incident and generation that a webhook's marker names; nothing if it is none, or another webhook's.
pub fn read_marker(text: &str, webhook_id: WebhookId) -> Option<(IncidentId, u32)> {
    let mut parts = text.split('-');
    let incident_id = parts.next()?.parse().ok()?;
    let is_its = parts.next()? == short(webhook_id);
    let generation = match parts.next() {
        Some(number) => number.parse().ok().filter(|number| *number > 1)?,
        None => 1,
    };
    (is_its && parts.next().is_none()).then_some((incident_id, generation))
}

/// The end of an id, where it is random.
fn short(webhook_id: WebhookId) -> String {
    let text = webhook_id.to_string();
    let start = text.len().saturating_sub(WEBHOOK_CHARACTERS);
    text.get(start..).unwrap_or_default().to_owned()
}

/// What an attempt found out or is about to do about an incident's ticket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TicketNews {
    /// The ticket is there, as it stands now.
    Seen(Ticket),
    /// It is certain that no request has made one: there is nothing to look for.
    NotMade,
}

/// What an attempt means for a ticket link.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LinkUpdate {
    /// What was found out about the ticket.
    pub news: Option<TicketNews>,
    /// Why the attempt failed, if it did.
    pub error: Option<String>,
    /// What the workflow of tickets knows now, in its own words.
    pub workflow: Patch<String>,
}

/// The phase that an event wants its incident's ticket in; nothing if it leaves the ticket where it is.
///
/// `seen` is where the ticket stood when both sides were last in line, `now` where it stands. A ticket that was closed over
/// there meanwhile is not opened again by an acknowledgement: its closing is on its way here. One that came back to life is.
pub fn wanted_phase(event: EventName, seen: TicketPhase, now: TicketPhase) -> Option<TicketPhase> {
    use TicketPhase::{Done, InProgress, New};
    let wanted = match (event, now) {
        (EventName::Triggered | EventName::Escalated, _) => return None,
        (EventName::Acknowledged, Done) if seen != Done => return None,
        (EventName::Acknowledged, New | InProgress | Done) => InProgress,
        (EventName::Resolved, _) => Done,
        (EventName::Reopened, Done) => New,
        (EventName::Reopened, New | InProgress) => return None,
    };
    (wanted != now).then_some(wanted)
}

/// Whether a ticket that stands here is as an event wants it, so that both sides are in line. What else is found there was done
/// by somebody else.
pub fn is_in_line(event: EventName, phase: TicketPhase) -> bool {
    match event {
        EventName::Triggered | EventName::Escalated => false,
        EventName::Acknowledged => phase == TicketPhase::InProgress,
        EventName::Resolved => phase == TicketPhase::Done,
        EventName::Reopened => phase != TicketPhase::Done,
    }
}

/// Why a ticket was looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PollPurpose {
    /// Something may have changed there: only what has moved since it was last seen counts.
    ForChanges,
    /// Somebody wants the incident to be as the ticket is.
    ToFollow,
    /// The incident follows no ticket here: only what is shown of it.
    ToShow,
}

/// What a ticket's move means for its incident; nothing if it means nothing.
pub fn action_after_reading(
    looking: PollPurpose,
    seen: TicketPhase,
    now: TicketPhase,
    status: IncidentStatus,
) -> Option<IncidentAction> {
    use IncidentStatus::{Acknowledged, Resolved, Triggered};
    let is_nothing = match looking {
        PollPurpose::ForChanges => seen == now,
        // Work in progress that both sides knew of is no news of somebody who took it: a reopened incident's ticket stands there.
        PollPurpose::ToFollow => seen == now && (now, status) == (TicketPhase::InProgress, Triggered),
        PollPurpose::ToShow => true,
    };
    if is_nothing {
        return None;
    }
    match (now, status) {
        (TicketPhase::Done, Triggered | Acknowledged) => Some(IncidentAction::Resolve),
        (TicketPhase::InProgress, Triggered) => Some(IncidentAction::Acknowledge),
        (TicketPhase::InProgress | TicketPhase::New, Resolved) => {
            let came_back = seen == TicketPhase::Done || looking == PollPurpose::ToFollow;
            came_back.then_some(IncidentAction::Reopen)
        }
        (TicketPhase::Done, Resolved)
        | (TicketPhase::InProgress, Acknowledged)
        | (TicketPhase::New, Triggered | Acknowledged) => None,
    }
}

/// How often a linked ticket of an open incident is looked at, should its system not have told of a change.
pub const POLL_INTERVAL: Duration = Duration::from_secs(300);
/// The same once the incident is resolved: a ticket may still be opened again.
pub const SLOW_POLL_INTERVAL: Duration = Duration::from_secs(3600);
/// How long after its resolution an incident's ticket is looked at.
pub const POLL_RESOLVED_FOR: Duration = Duration::from_secs(7 * 24 * 3600);

/// When a ticket is looked at next, if nothing happens before; `failures` counts looks in a row that failed.
pub fn next_poll_at(
    status: IncidentStatus,
    resolved_at: Option<Timestamp>,
    failures: u32,
    now: Timestamp,
) -> Option<Timestamp> {
    let interval = match status {
        IncidentStatus::Triggered | IncidentStatus::Acknowledged => POLL_INTERVAL,
        IncidentStatus::Resolved => {
            resolved_at.filter(|at| now.since(*at) < POLL_RESOLVED_FOR)?;
            SLOW_POLL_INTERVAL
        }
    };
    let slowed = interval.saturating_mul(1 << failures.min(4));
    Some(now.plus(slowed.min(SLOW_POLL_INTERVAL)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_marker_reads_back_for_its_webhook_alone() {
        let incident = IncidentId::new(Timestamp::EPOCH, [7; 10]);
        let webhook = WebhookId::new(Timestamp::EPOCH, [8; 10]);
        let other = WebhookId::new(Timestamp::EPOCH, [9; 10]);
        for generation in [1, 2, 31] {
            let marker = marker(webhook, incident, generation);
            assert_eq!(read_marker(&marker, webhook), Some((incident, generation)));
            assert_eq!(read_marker(&marker, other), None);
        }
        let first = marker(webhook, incident, 1);
        let nonsense = [
            format!("{first}-1"),
            format!("{first}-x"),
            incident.to_string(),
            "OPS-12".into(),
        ];
        assert_eq!(nonsense.map(|text| read_marker(&text, webhook)), [None; 4]);
    }

    #[test]
    fn an_event_moves_a_ticket_only_where_it_is_not() {
        use TicketPhase::{Done, InProgress, New};
        let wanted = |event, seen, now| wanted_phase(event, seen, now);
        assert_eq!(wanted(EventName::Acknowledged, New, New), Some(InProgress));
        assert_eq!(wanted(EventName::Acknowledged, InProgress, InProgress), None);
        assert_eq!(wanted(EventName::Acknowledged, New, Done), None);
        assert_eq!(wanted(EventName::Acknowledged, Done, Done), Some(InProgress));
        assert_eq!(wanted(EventName::Resolved, New, InProgress), Some(Done));
        assert_eq!(wanted(EventName::Resolved, New, Done), None);
        assert_eq!(wanted(EventName::Reopened, Done, Done), Some(New));
        assert_eq!(wanted(EventName::Reopened, Done, InProgress), None);
        assert_eq!(wanted(EventName::Escalated, New, InProgress), None);
    }

    #[test]
    fn what_was_seen_before_means_nothing_unless_somebody_asks() {
        use TicketPhase::{Done, InProgress, New};
        let changes = |seen, now, status| action_after_reading(PollPurpose::ForChanges, seen, now, status);
        let follow = |seen, now, status| action_after_reading(PollPurpose::ToFollow, seen, now, status);
        assert_eq!(changes(Done, Done, IncidentStatus::Triggered), None);
        assert_eq!(
            follow(Done, Done, IncidentStatus::Triggered),
            Some(IncidentAction::Resolve)
        );
        assert_eq!(
            changes(New, InProgress, IncidentStatus::Triggered),
            Some(IncidentAction::Acknowledge)
        );
        assert_eq!(
            follow(New, InProgress, IncidentStatus::Triggered),
            Some(IncidentAction::Acknowledge)
        );
        assert_eq!(follow(InProgress, InProgress, IncidentStatus::Triggered), None);
        assert_eq!(changes(New, InProgress, IncidentStatus::Resolved), None);
        assert_eq!(
            changes(Done, New, IncidentStatus::Resolved),
            Some(IncidentAction::Reopen)
        );
        assert_eq!(changes(InProgress, New, IncidentStatus::Acknowledged), None);
    }

    #[test]
    fn tickets_are_looked_at_ever_more_seldom() {
        let now = Timestamp::from_millis(1_700_000_000_000);
        let after = |status, resolved_at, failures| {
            next_poll_at(status, resolved_at, failures, now).map(|at| at.since(now).as_secs())
        };
        assert_eq!(after(IncidentStatus::Triggered, None, 0), Some(300));
        assert_eq!(after(IncidentStatus::Triggered, None, 9), Some(3600));
        assert_eq!(after(IncidentStatus::Resolved, Some(now), 0), Some(3600));
        assert_eq!(after(IncidentStatus::Resolved, Some(Timestamp::EPOCH), 0), None);
    }
}
