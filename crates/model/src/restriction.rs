//! What an API key that only reads may be restricted to: what is about some services, and some types of events. What it is shown
//! is decided here and in the lists of the stores; a route that decides nothing refuses such a key.

use crate::access::Scope;
use crate::event::{Event, EventBody, EventName, EventSet};
use crate::id::ServiceId;

/// What a key may hold that is restricted to services.
const OF_SERVICES: [Scope; 3] = [Scope::IncidentsRead, Scope::DeliveriesRead, Scope::EventsRead];
/// What a key may hold that is restricted to events: an incident as it stands tells of all that happened to it.
const OF_EVENTS: [Scope; 2] = [Scope::DeliveriesRead, Scope::EventsRead];

/// What a key is restricted to; by default to nothing, so that it is shown all.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Restriction {
    services: Vec<ServiceId>,
    events: Option<EventSet>,
}

impl Restriction {
    /// Only what is about these services (of all if there are none), and only these events of incidents.
    pub fn new(services: Vec<ServiceId>, events: Option<EventSet>) -> Self {
        Self { services, events }
    }

    /// Whether everything is shown.
    pub fn is_none(&self) -> bool {
        self.services.is_empty() && self.events.is_none()
    }

    /// Only these services; all if empty.
    pub fn services(&self) -> &[ServiceId] {
        &self.services
    }

    /// Only these events of incidents, if they are restricted.
    pub fn events(&self) -> Option<EventSet> {
        self.events
    }

    /// The names of those events; empty if they are not restricted.
    pub fn event_names(&self) -> Vec<&'static str> {
        let events = self.events.into_iter();
        events
            .flat_map(EventSet::types)
            .map(|event| event.as_str())
            .collect()
    }

    /// What a restricted key may hold; everything if there is no restriction.
    pub fn scopes(&self) -> &'static [Scope] {
        match (self.events.is_some(), self.services.is_empty()) {
            (true, _) => &OF_EVENTS,
            (false, false) => &OF_SERVICES,
            (false, true) => Scope::ALL,
        }
    }

    /// Whether a service is shown.
    pub fn admits_service(&self, id: ServiceId) -> bool {
        self.services.is_empty() || self.services.contains(&id)
    }

    /// Whether an event is shown.
    pub fn admits(&self, event: &Event) -> bool {
        self.is_none() || (event.operational.is_none() && self.admits_body(&event.body))
    }

    /// The same of the body of an event. One that cannot be read is shown to nobody who is restricted.
    pub fn admits_body(&self, body: &[u8]) -> bool {
        if self.is_none() {
            return true;
        }
        let Ok(body) = serde_json::from_slice::<EventBody<'_>>(body) else {
            return false;
        };
        let name = EventName::parse(&body.event);
        let is_admitted = |name| self.events.is_none_or(|events| events.contains(name));
        name.is_some_and(is_admitted) && self.admits_service(body.incident.service.id)
    }

    /// For the audit log, behind what a key may do: `, only of svc_…, only incident.resolved`.
    pub fn in_words(&self) -> String {
        let services: Vec<_> = self.services.iter().map(ServiceId::to_string).collect();
        [
            (", only of ", services.join(", ")),
            (", only ", self.event_names().join(", ")),
        ]
        .into_iter()
        .filter(|(_, names)| !names.is_empty())
        .map(|(only, names)| format!("{only}{names}"))
        .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::Timestamp;

    fn service(number: u8) -> ServiceId {
        ServiceId::new(Timestamp::EPOCH, [number; 10])
    }

    fn body(event: &str, service: ServiceId) -> Vec<u8> {
        let incident = crate::id::IncidentId::from_bytes([1; 16]);
        format!(
            r#"{{"event":"{event}","timestamp":"2024-01-15T10:30:00Z","incident":{{"id":"{incident}","title":"x",
            "status":"triggered","severity":"info","service":{{"id":"{service}","name":"API"}},"assignee":null,
            "createdAt":"2024-01-15T10:30:00Z"}}}}"#
        )
        .into_bytes()
    }

    #[test]
    fn only_events_of_the_services_and_types_are_shown() {
        let resolved = EventSet::new(&[EventName::Resolved]);
        let both = Restriction::new(vec![service(1)], Some(resolved));
        let admitted = [
            ("incident.resolved", 1),
            ("incident.resolved", 2),
            ("incident.triggered", 1),
            ("webhook.degraded", 1),
        ]
        .map(|(event, number)| both.admits_body(&body(event, service(number))));
        assert_eq!(admitted, [true, false, false, false]);
        assert!(!both.admits_body(b"{}"));
        assert!(Restriction::default().admits_body(b"{}"));
        let of_service = Restriction::new(vec![service(1)], None);
        assert!(of_service.admits_body(&body("incident.escalated", service(1))));
        assert!(!of_service.admits_body(&body("webhook.degraded", service(1))));
    }

    #[test]
    fn who_is_shown_some_events_may_not_see_where_incidents_stand() {
        let events = Some(EventSet::new(&[EventName::Triggered]));
        let services = vec![service(1)];
        for (restriction, may_see) in [
            (Restriction::default(), true),
            (Restriction::new(services.clone(), None), true),
            (Restriction::new(Vec::new(), events), false),
            (Restriction::new(services, events), false),
        ] {
            assert_eq!(restriction.scopes().contains(&Scope::IncidentsRead), may_see);
        }
    }

    #[test]
    fn the_audit_log_tells_of_the_restriction() {
        let events = EventSet::new(&[EventName::Triggered, EventName::Resolved]);
        let words = Restriction::new(vec![service(1)], Some(events)).in_words();
        let expected = format!(
            ", only of {}, only incident.triggered, incident.resolved",
            service(1)
        );
        assert_eq!(words, expected);
        assert_eq!(Restriction::default().in_words(), "");
    }
}
