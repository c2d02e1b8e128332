//! Operational events: what happens to webhooks, their deliveries and alert sources, told to whoever chose to hear of it.
//!
//! One of them is shown as a transition of an incident, so that each kind renders it as it renders those (decision 0027): the
//! subject's id stands in for the incident's, and with it for the lane.

use std::borrow::Cow;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use strum::{EnumString, IntoStaticStr, VariantArray, VariantNames};

use crate::audit::Actor;
use crate::digest::sha256;
use crate::event::{Event, EventName};
use crate::id::{EventId, IncidentId, ServiceId, SourceId, WebhookId};
use crate::incident::{Incident, IncidentStatus, Severity};
use crate::service::ServiceRef;
use crate::time::Timestamp;

/// How long after a `delivery.dead` about a webhook the next one comes, which says how many died meanwhile: ten minutes.
pub const DEAD_INTERVAL: std::time::Duration = std::time::Duration::from_secs(600);
/// What stands where an incident has its service.
const SERVICE_NAME: &str = "OpsKnight";
/// The longest title, in characters.
const MAX_TITLE_LENGTH: usize = 500;

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, EnumString, IntoStaticStr, VariantArray, VariantNames)]
pub enum OperationalName {
    /// A webhook's attempts fail.
    #[strum(serialize = "webhook.degraded")]
    WebhookDegraded,
    /// It delivers again.
    #[strum(serialize = "webhook.recovered")]
    WebhookRecovered,
    /// The server disabled a webhook.
    #[strum(serialize = "webhook.disabled")]
    WebhookDisabled,
    /// Deliveries died.
    #[strum(serialize = "delivery.dead")]
    DeliveryDead,
    /// Nothing came from an alert source for too long.
    #[strum(serialize = "source.silent")]
    SourceSilent,
}

impl OperationalName {
    /// Every operational event, in the order of the contract.
    pub const ALL: &'static [Self] = <Self as VariantArray>::VARIANTS;

    /// The same in the API's words.
    pub const NAMES: &'static [&'static str] = <Self as VariantNames>::VARIANTS;

    /// The name on the wire.
    pub fn as_str(self) -> &'static str {
        self.into()
    }

    /// The event read back from its name.
    pub fn parse(text: &str) -> Option<Self> {
        text.parse().ok()
    }

    /// Which transition of an incident it is shown as.
    pub fn shown_as(self) -> EventName {
        match self {
            Self::WebhookDegraded | Self::WebhookDisabled | Self::DeliveryDead | Self::SourceSilent => {
                EventName::Triggered
            }
            Self::WebhookRecovered => EventName::Resolved,
        }
    }

    /// How bad it is.
    pub fn severity(self) -> Severity {
        match self {
            Self::WebhookDisabled | Self::DeliveryDead => Severity::Error,
            Self::WebhookDegraded | Self::SourceSilent => Severity::Warning,
            Self::WebhookRecovered => Severity::Info,
        }
    }

    /// This event's bit in an [`crate::event_type::EventSet`].
    pub(crate) fn bit(self) -> u8 {
        match self {
            Self::WebhookDegraded => 1,
            Self::WebhookRecovered => 2,
            Self::WebhookDisabled => 4,
            Self::DeliveryDead => 8,
            Self::SourceSilent => 16,
        }
    }
}

/// What an operational event is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subject {
    /// The bytes of its id.
    pub key: [u8; 16],
    /// Its id as people know it.
    pub id: String,
    pub name: String,
}

impl Subject {
    /// A webhook.
    pub fn webhook(id: WebhookId, name: impl Into<String>) -> Self {
        Self {
            key: *id.as_bytes(),
            id: id.to_string(),
            name: name.into(),
        }
    }

    /// An alert source.
    pub fn source(id: SourceId, name: impl Into<String>) -> Self {
        Self {
            key: *id.as_bytes(),
            id: id.to_string(),
            name: name.into(),
        }
    }

    /// What stands where an incident has its id.
    pub fn incident_id(&self) -> IncidentId {
        IncidentId::from_bytes(self.key)
    }
}

/// An operational event to be told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OperationalNotice {
    pub name: OperationalName,
    pub subject: Subject,
    /// Why: a stable code.
    pub reason: Option<String>,
    /// Why, or what to do: a sentence.
    pub detail: Option<String>,
    /// How often it happened since the last such event about this subject.
    pub count: u64,
    pub at: Timestamp,
}

impl OperationalNotice {
    /// Something that happened once, for no reason that would have to be said.
    pub fn new(name: OperationalName, subject: Subject, at: Timestamp) -> Self {
        Self {
            name,
            subject,
            reason: None,
            detail: None,
            count: 1,
            at,
        }
    }

    /// The event. Of two with the same name, subject and time the number of the notice in its store, or when it is made an event,
    /// tells one from the other.
    pub fn into_event(self, number: i64, made_at: Timestamp) -> Event {
        let at = self.at;
        let hash = sha256([
            self.name.as_str().as_bytes(),
            &self.subject.key,
            &at.as_millis().to_be_bytes(),
            &number.to_be_bytes(),
            &made_at.as_millis().to_be_bytes(),
        ]);
        let mut random = [0; 10];
        random.copy_from_slice(&hash[..10]);
        Event {
            id: EventId::new(at, random),
            sequence: 0,
            name: self.name.shown_as(),
            operational: Some(self.name),
            at,
            incident_id: self.subject.incident_id(),
            incident_number: None,
            actor: Actor::System,
            is_test: false,
            body: Bytes::from(self.body()),
        }
    }

    /// One sentence: what happened to whom, and why.
    fn title(&self) -> String {
        let name = &self.subject.name;
        let what = match (self.name, self.count) {
            (OperationalName::WebhookDegraded, _) => format!("Webhook \"{name}\" is degraded"),
            (OperationalName::WebhookRecovered, _) => format!("Webhook \"{name}\" delivers again"),
            (OperationalName::WebhookDisabled, _) => format!("Webhook \"{name}\" is disabled"),
            (OperationalName::DeliveryDead, 0 | 1) => format!("A delivery to webhook \"{name}\" is dead"),
            (OperationalName::DeliveryDead, count) => {
                format!("{count} deliveries to webhook \"{name}\" are dead")
            }
            (OperationalName::SourceSilent, _) => format!("Alert source \"{name}\" is silent"),
        };
        let why = self.detail.as_deref().or(self.reason.as_deref());
        let title = why.map_or(what.clone(), |why| format!("{what}: {why}"));
        title.chars().take(MAX_TITLE_LENGTH).collect()
    }

    fn body(&self) -> Vec<u8> {
        let body = OperationalBody {
            event: self.name.as_str().into(),
            timestamp: self.at.to_rfc3339_seconds(),
            title: self.title().into(),
            severity: self.name.severity(),
            subject: SubjectBody {
                kind: subject_kind(self.name).into(),
                id: self.subject.id.as_str().into(),
                name: self.subject.name.as_str().into(),
            },
            reason: self.reason.as_deref().map(Cow::from),
            detail: self.detail.as_deref().map(Cow::from),
            count: self.count,
        };
        // Serialising plain strings and numbers into memory has no way to fail.
        serde_json::to_vec(&body).unwrap_or_default()
    }
}

fn subject_kind(name: OperationalName) -> &'static str {
    match name {
        OperationalName::WebhookDegraded
        | OperationalName::WebhookRecovered
        | OperationalName::WebhookDisabled
        | OperationalName::DeliveryDead => "webhook",
        OperationalName::SourceSilent => "source",
    }
}

/// The body of an operational event in the default format (docs/contract.md, 2).
#[derive(Debug, Serialize, Deserialize)]
pub struct OperationalBody<'a> {
    /// The event's name.
    pub event: Cow<'a, str>,
    /// When it happened, whole seconds.
    pub timestamp: String,
    /// One sentence for people.
    pub title: Cow<'a, str>,
    pub severity: Severity,
    #[serde(borrow)]
    pub subject: SubjectBody<'a>,
    pub reason: Option<Cow<'a, str>>,
    pub detail: Option<Cow<'a, str>>,
    pub count: u64,
}

/// What it is about, inside the body.
#[derive(Debug, Serialize, Deserialize)]
pub struct SubjectBody<'a> {
    /// `webhook` or `source`.
    #[serde(rename = "type")]
    pub kind: Cow<'a, str>,
    pub id: Cow<'a, str>,
    pub name: Cow<'a, str>,
}

/// An operational event in the shape of an incident, for whoever renders those; nothing if its body cannot be read.
pub(crate) fn as_incident(event: &Event, name: OperationalName) -> Option<Incident> {
    let body: OperationalBody<'_> = serde_json::from_slice(&event.body).ok()?;
    let status = match name.shown_as() {
        EventName::Triggered | EventName::Escalated | EventName::Reopened => IncidentStatus::Triggered,
        EventName::Acknowledged => IncidentStatus::Acknowledged,
        EventName::Resolved => IncidentStatus::Resolved,
    };
    Some(Incident {
        id: event.incident_id,
        number: None,
        title: body.title.into_owned(),
        description: body.detail.map(Cow::into_owned),
        status,
        severity: body.severity,
        service: ServiceRef {
            id: ServiceId::from_bytes([0; 16]),
            name: SERVICE_NAME.into(),
        },
        assignee: None,
        dedup_key: None,
        escalation_steps_fired: 0,
        escalate_at: None,
        created_at: event.at,
        updated_at: event.at,
        acknowledged_at: None,
        resolved_at: None,
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn notice(name: OperationalName) -> OperationalNotice {
        let at = Timestamp::from_millis(1_705_314_600_999);
        let subject = Subject::webhook(WebhookId::new(at, [7; 10]), "Jira");
        OperationalNotice::new(name, subject, at)
    }

    #[test]
    fn the_body_has_the_documented_members_in_their_order() {
        let dead = OperationalNotice {
            reason: Some("timeout".into()),
            count: 3,
            ..notice(OperationalName::DeliveryDead)
        };
        let id = dead.subject.id.clone();
        let event = dead.clone().into_event(1, dead.at);
        let expected = format!(
            concat!(
                r#"{{"event":"delivery.dead","timestamp":"2024-01-15T10:30:00Z","#,
                r#""title":"3 deliveries to webhook \"Jira\" are dead: timeout","severity":"error","#,
                r#""subject":{{"type":"webhook","id":"{}","name":"Jira"}},"reason":"timeout","detail":null,"count":3}}"#
            ),
            id
        );
        assert_eq!(String::from_utf8_lossy(&event.body), expected);
        let later = dead.at.plus(Duration::from_millis(1));
        let same = [(1, dead.at), (2, dead.at), (1, later)];
        let same = same.map(|(number, made_at)| dead.clone().into_event(number, made_at).id == event.id);
        assert_eq!(same, [true, false, false]);
    }

    #[test]
    fn each_reads_as_an_incident_whose_id_is_the_subjects() {
        for name in OperationalName::ALL {
            let notice = notice(*name);
            let subject = notice.subject.clone();
            let at = notice.at;
            let event = notice.into_event(1, at);
            let incident = event.incident().unwrap();
            assert_eq!(incident.id.as_bytes(), &subject.key);
            assert_eq!(event.event_type().as_str(), name.as_str());
            assert!(incident.title.contains("\"Jira\""), "{}", incident.title);
            let is_over = *name == OperationalName::WebhookRecovered;
            assert_eq!(incident.status == IncidentStatus::Resolved, is_over);
        }
    }
}
