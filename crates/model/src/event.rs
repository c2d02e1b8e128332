//! Events: what happened to an incident, with the body that every receiver of the default format gets.

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use strum::{EnumString, IntoStaticStr, VariantArray, VariantNames};

use crate::audit::Actor;
use crate::id::{EventId, IncidentId};
use crate::incident::{Incident, IncidentStatus, Severity};
use crate::incident_number::IncidentNumber;
use crate::operational::{self, OperationalName};
use crate::service::ServiceRef;
use crate::time::Timestamp;
use crate::user::UserRef;

pub use crate::event_type::{EventSet, EventType};

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, EnumString, IntoStaticStr, VariantArray, VariantNames)]
pub enum EventName {
    /// A new incident.
    #[strum(serialize = "incident.triggered")]
    Triggered,
    /// Somebody took it.
    #[strum(serialize = "incident.acknowledged")]
    Acknowledged,
    /// It is over.
    #[strum(serialize = "incident.resolved")]
    Resolved,
    /// An escalation fired.
    #[strum(serialize = "incident.escalated")]
    Escalated,
    /// It is open again.
    #[strum(serialize = "incident.reopened")]
    Reopened,
}

impl EventName {
    /// Every event, in the order of the contract.
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

    /// Whether it wants somebody to look: a new, escalated or reopened incident, not one that somebody has or that is over.
    pub fn asks_for_attention(self) -> bool {
        match self {
            Self::Triggered | Self::Escalated | Self::Reopened => true,
            Self::Acknowledged | Self::Resolved => false,
        }
    }

    /// This event's bit in an [`EventSet`].
    pub(crate) fn bit(self) -> u8 {
        match self {
            Self::Triggered => 1,
            Self::Acknowledged => 2,
            Self::Resolved => 4,
            Self::Escalated => 8,
            Self::Reopened => 16,
        }
    }
}

/// One event: a snapshot of the incident when it happened. Its bytes never change afterwards.
#[derive(Debug, Clone)]
pub struct Event {
    pub id: EventId,
    /// Its place in the order of all events; the cursor of the feed. Zero until it is stored.
    pub sequence: i64,
    /// What happened to the incident; of an operational event, what it is shown as.
    pub name: EventName,
    /// Which operational event it is, if it is one: then it is about a webhook or a source, whose id stands in for the incident's.
    pub operational: Option<OperationalName>,
    /// When.
    pub at: Timestamp,
    /// The incident it happened to.
    pub incident_id: IncidentId,
    /// The incident's number, which the body does not tell; nothing if there is no such incident.
    pub incident_number: Option<IncidentNumber>,
    /// Who or what caused it.
    pub actor: Actor,
    /// A sample for Send Test rather than something that happened.
    pub is_test: bool,
    /// The default body, byte for byte.
    pub body: Bytes,
}

impl Event {
    /// The event of a transition, with the incident as it stands afterwards.
    pub fn new(id: EventId, name: EventName, incident: &Incident, actor: Actor, at: Timestamp) -> Self {
        let body = Bytes::from(default_body(name, incident, at));
        Self {
            id,
            sequence: 0,
            name,
            operational: None,
            at,
            incident_id: incident.id,
            incident_number: incident.number,
            actor,
            is_test: false,
            body,
        }
    }
}

impl Event {
    /// Its type as receivers and users know it.
    pub fn event_type(&self) -> EventType {
        self.operational
            .map_or(EventType::Incident(self.name), EventType::Operational)
    }

    /// The incident as it stood then, as far as the body tells; nothing if the body cannot be read.
    pub fn incident(&self) -> Option<Incident> {
        if let Some(name) = self.operational {
            return operational::as_incident(self, name);
        }
        let body: EventBody<'_> = serde_json::from_slice(&self.body).ok()?;
        let incident = body.incident;
        let created_at = incident.created_at.parse().ok()?;
        Some(Incident {
            id: incident.id,
            number: self.incident_number,
            title: incident.title.into_owned(),
            description: None,
            status: incident.status,
            severity: incident.severity,
            service: incident.service,
            assignee: incident.assignee,
            dedup_key: None,
            escalation_steps_fired: 0,
            escalate_at: None,
            created_at,
            updated_at: self.at,
            acknowledged_at: None,
            resolved_at: None,
        })
    }
}

/// The body of the default format: its members and their order are the user's own document (docs/contract.md, 1).
#[derive(Debug, Serialize, Deserialize)]
pub struct EventBody<'a> {
    /// The event's name.
    pub event: std::borrow::Cow<'a, str>,
    /// When it happened, whole seconds.
    pub timestamp: String,
    /// The incident as it stood then.
    #[serde(borrow)]
    pub incident: IncidentBody<'a>,
}

/// The incident inside the default body.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct IncidentBody<'a> {
    pub id: IncidentId,
    pub title: std::borrow::Cow<'a, str>,
    pub status: IncidentStatus,
    pub severity: Severity,
    pub service: ServiceRef,
    pub assignee: Option<UserRef>,
    /// When it was made, whole seconds.
    pub created_at: String,
}

fn default_body(name: EventName, incident: &Incident, at: Timestamp) -> Vec<u8> {
    let body = EventBody {
        event: name.as_str().into(),
        timestamp: at.to_rfc3339_seconds(),
        incident: IncidentBody {
            id: incident.id,
            title: incident.title.as_str().into(),
            status: incident.status,
            severity: incident.severity,
            service: incident.service.clone(),
            assignee: incident.assignee.clone(),
            created_at: incident.created_at.to_rfc3339_seconds(),
        },
    };
    // Serialising plain strings and ids into memory has no way to fail.
    serde_json::to_vec(&body).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::{ServiceId, UserId};

    #[test]
    fn the_default_body_has_exactly_the_documents_members_in_their_order() {
        let at = Timestamp::from_millis(1_705_314_600_999);
        let incident = Incident {
            id: IncidentId::new(at, [1; 10]),
            number: IncidentNumber::new(1042),
            title: "Database \"connection\" timeout".into(),
            description: Some("not in the body".into()),
            status: IncidentStatus::Acknowledged,
            severity: Severity::Critical,
            service: ServiceRef {
                id: ServiceId::new(at, [2; 10]),
                name: "API Gateway".into(),
            },
            assignee: Some(UserRef {
                id: UserId::new(at, [3; 10]),
                name: "Zoë".into(),
            }),
            dedup_key: Some("not in the body".into()),
            escalation_steps_fired: 0,
            escalate_at: None,
            created_at: at,
            updated_at: at,
            acknowledged_at: None,
            resolved_at: None,
        };
        let event = Event::new(
            EventId::new(at, [4; 10]),
            EventName::Acknowledged,
            &incident,
            Actor::System,
            at,
        );
        let expected = format!(
            concat!(
                r#"{{"event":"incident.acknowledged","timestamp":"2024-01-15T10:30:00Z","incident":{{"id":"{}","#,
                r#""title":"Database \"connection\" timeout","status":"acknowledged","severity":"critical","#,
                r#""service":{{"id":"{}","name":"API Gateway"}},"assignee":{{"id":"{}","name":"Zoë"}},"#,
                r#""createdAt":"2024-01-15T10:30:00Z"}}}}"#
            ),
            incident.id,
            incident.service.id,
            incident
                .assignee
                .as_ref()
                .map(|user| user.id.to_string())
                .unwrap_or_default()
        );
        assert_eq!(String::from_utf8_lossy(&event.body), expected);
        let read_back = event.incident().unwrap();
        assert_eq!(
            (read_back.title, read_back.assignee),
            (incident.title, incident.assignee)
        );
    }

    #[test]
    fn what_somebody_has_or_is_over_asks_for_no_attention() {
        let asking = EventName::ALL.iter().map(|name| name.asks_for_attention());
        assert_eq!(asking.collect::<Vec<_>>(), [true, false, false, true, true]);
    }
}
