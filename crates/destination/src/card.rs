//! What every chat message says about an event, before it takes a platform's form: texts made harmless, the colour, the
//! links. Each adapter escapes and cuts these in its own way.

use crate::about::{CLOCK, TIME_ZONE};
use crate::task::{ActLink, Task};
use crate::text::{Unit, cut, one_line};
use model::attempt::{Disposition, Failure};
use model::audit::Actor;
use model::display::{ClockFormat, TimeDisplay, ZoneName};
use model::event::EventName;
use model::exchange::FailureCode;
use model::id::IncidentId;
use model::incident::{IncidentAction, IncidentStatus, Severity};
use model::time::Timestamp;

/// The content of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Card {
    /// What happened.
    pub event: EventName,
    pub incident_id: IncidentId,
    /// Its title, in one line.
    pub title: String,
    /// Where it stands.
    pub status: IncidentStatus,
    /// How bad it is.
    pub severity: Severity,
    /// The service's name, in one line.
    pub service: String,
    /// The assignee's name, in one line.
    pub assignee: Option<String>,
    /// When the incident was made.
    pub since: Timestamp,
    /// When this event happened.
    pub at: Timestamp,
    /// How the webhook wants times to be written.
    pub times: TimeDisplay,
    /// Who caused the event, in one line; nothing if it was the server itself.
    pub by: Option<String>,
    /// Whether it is a sample.
    pub is_test: bool,
    /// The incident's page.
    pub link: Option<String>,
    /// What may be done from the message.
    pub acts: Vec<ActLink>,
}

impl Card {
    /// The content for a task. An event whose body cannot be read can never be rendered.
    pub fn new(task: &Task<'_>) -> Result<Self, Failure> {
        let incident = task.event.incident().ok_or_else(|| {
            Failure::new(FailureCode::RequestInvalid, "the event cannot be read").with(Disposition::Permanent)
        })?;
        Ok(Self {
            event: task.event.name,
            incident_id: incident.id,
            title: one_line(&incident.title),
            status: incident.status,
            severity: incident.severity,
            service: one_line(&incident.service.name),
            assignee: incident.assignee.map(|user| one_line(&user.name)),
            since: incident.created_at,
            at: task.event.at,
            times: TimeDisplay {
                zone: ZoneName::parse(task.target.option(TIME_ZONE.name)),
                clock: ClockFormat::parse(task.target.option(CLOCK.name)),
            },
            by: match &task.event.actor {
                Actor::System => None,
                person => Some(one_line(person.name())),
            },
            is_test: task.event.is_test,
            link: task.links.incident.clone(),
            acts: task.links.acts.clone(),
        })
    }

    /// The same with the incident's number before its title: `#1042 Disk full`. For what people read; alerts and mails
    /// are told apart by their titles, which stay as they are.
    pub fn numbered(task: &Task<'_>) -> Result<Self, Failure> {
        let card = Self::new(task)?;
        Ok(match task.event.incident_number {
            Some(number) => Self {
                title: format!("{number} {}", card.title),
                ..card
            },
            None => card,
        })
    }

    /// What happened, in a word or two: `Triggered`, `Escalated`.
    pub fn happened(&self) -> &'static str {
        match self.event {
            EventName::Triggered => "Triggered",
            EventName::Acknowledged => "Acknowledged",
            EventName::Resolved => "Resolved",
            EventName::Escalated => "Escalated",
            EventName::Reopened => "Reopened",
        }
    }

    /// What happened and through whom: `Acknowledged by Ada`.
    pub fn happened_by(&self) -> String {
        match &self.by {
            Some(person) => format!("{} by {person}", self.happened()),
            None => self.happened().to_owned(),
        }
    }

    /// The severity as a word at the start of a line.
    pub fn severity_name(&self) -> &'static str {
        match self.severity {
            Severity::Critical => "Critical",
            Severity::Error => "Error",
            Severity::Warning => "Warning",
            Severity::Info => "Info",
        }
    }

    /// The status as a word at the start of a line.
    pub fn status_name(&self) -> &'static str {
        match self.status {
            IncidentStatus::Triggered => "Triggered",
            IncidentStatus::Acknowledged => "Acknowledged",
            IncidentStatus::Resolved => "Resolved",
        }
    }

    /// The colour, as 0xRRGGBB: of the severity while nobody has taken the incident, then of the status.
    pub fn colour(&self) -> u32 {
        match (self.status, self.severity) {
            (IncidentStatus::Resolved, _) => 0x16_a3_4a,
            (IncidentStatus::Acknowledged, _) => 0xca_8a_04,
            (IncidentStatus::Triggered, Severity::Critical) => 0xdc_26_26,
            (IncidentStatus::Triggered, Severity::Error) => 0xea_58_0c,
            (IncidentStatus::Triggered, Severity::Warning) => 0xf5_9e_0b,
            (IncidentStatus::Triggered, Severity::Info) => 0x25_63_eb,
        }
    }

    /// The same as a mark for places without colour.
    pub fn mark(&self) -> &'static str {
        match (self.status, self.severity) {
            (IncidentStatus::Resolved, _) => "🟢",
            (IncidentStatus::Acknowledged, _) => "🟡",
            (IncidentStatus::Triggered, Severity::Critical) => "🔴",
            (IncidentStatus::Triggered, Severity::Error) => "🟠",
            (IncidentStatus::Triggered, Severity::Warning) => "🟠",
            (IncidentStatus::Triggered, Severity::Info) => "🔵",
        }
    }

    /// The content with its texts cut to so many characters, and a dash where nothing of one is left to be seen: platforms
    /// refuse texts that are empty.
    pub fn cut(self, title: usize, name: usize) -> Self {
        let fit = |text: &str, max| match cut(text, max, Unit::Characters) {
            text if text.is_empty() => "–".to_owned(),
            text => text,
        };
        Self {
            title: fit(&self.title, title),
            service: fit(&self.service, name),
            assignee: self.assignee.map(|person| fit(&person, name)),
            by: self.by.map(|person| fit(&person, name)),
            ..self
        }
    }

    /// When the incident was made, for people, where the platform has no form of its own for times.
    pub fn since_text(&self) -> String {
        self.times.text(self.since)
    }

    /// The assignee's name, or that there is none.
    pub fn assignee_name(&self) -> &str {
        self.assignee.as_deref().unwrap_or("nobody")
    }
}

/// What the button of an action says.
pub fn act_label(action: IncidentAction) -> &'static str {
    match action {
        IncidentAction::Acknowledge => "Acknowledge",
        IncidentAction::Resolve => "Resolve",
        IncidentAction::Escalate => "Escalate",
        IncidentAction::Reopen => "Reopen",
    }
}
