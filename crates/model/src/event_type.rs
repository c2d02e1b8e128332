//! The types of events as receivers and users know them: of incidents, and operational ones; and the set that a webhook chooses.

use crate::event::EventName;
use crate::operational::OperationalName;

/// The type of any event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum EventType {
    /// Something happened to an incident.
    Incident(EventName),
    /// Something happened to a webhook, its deliveries or an alert source.
    Operational(OperationalName),
}

impl EventType {
    /// Every type in the API's words: those of incidents first.
    pub const NAMES: &'static [&'static str] = &[
        "incident.triggered",
        "incident.acknowledged",
        "incident.resolved",
        "incident.escalated",
        "incident.reopened",
        "webhook.degraded",
        "webhook.recovered",
        "webhook.disabled",
        "delivery.dead",
        "source.silent",
    ];

    /// The name on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Incident(name) => name.as_str(),
            Self::Operational(name) => name.as_str(),
        }
    }

    /// The type read back from its name.
    pub fn parse(text: &str) -> Option<Self> {
        let of_incident = EventName::parse(text).map(Self::Incident);
        of_incident.or_else(|| OperationalName::parse(text).map(Self::Operational))
    }

    /// Which transition of an incident it is, or is shown as.
    pub fn shown_as(self) -> EventName {
        match self {
            Self::Incident(name) => name,
            Self::Operational(name) => name.shown_as(),
        }
    }

    /// Which operational event it is, if it is one.
    pub fn operational(self) -> Option<OperationalName> {
        match self {
            Self::Incident(_) => None,
            Self::Operational(name) => Some(name),
        }
    }
}

/// A bit among those of the incidents' events that no event has: there are operational ones too. A webhook that wants nothing
/// else is no webhook without events to a program that knows only these.
const HAS_OPERATIONAL: u8 = 32;

/// A set of events, as a webhook chooses them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct EventSet {
    incident: u8,
    operational: u8,
}

impl EventSet {
    /// The set of these events of incidents.
    pub fn new(names: &[EventName]) -> Self {
        names.iter().map(|name| EventType::Incident(*name)).collect()
    }

    /// Whether an event of incidents is in the set.
    pub fn contains(self, name: EventName) -> bool {
        self.has(EventType::Incident(name))
    }

    /// Whether an event of any type is in the set.
    pub fn has(self, event: EventType) -> bool {
        match event {
            EventType::Incident(name) => self.incident & name.bit() != 0,
            EventType::Operational(name) => self.operational & name.bit() != 0,
        }
    }

    /// Whether no event is in the set.
    pub fn is_empty(self) -> bool {
        self.incident | self.operational == 0
    }

    /// Whether there are operational events in the set.
    pub fn has_operational(self) -> bool {
        self.operational != 0
    }

    /// The events in the set, in the order of the contract.
    pub fn types(self) -> impl Iterator<Item = EventType> {
        let of_incidents = EventName::ALL.iter().copied().map(EventType::Incident);
        let operational = OperationalName::ALL.iter().copied().map(EventType::Operational);
        of_incidents
            .chain(operational)
            .filter(move |event| self.has(*event))
    }

    /// The events of incidents as the store keeps them.
    pub fn bits(self) -> u8 {
        match self.has_operational() {
            true => self.incident | HAS_OPERATIONAL,
            false => self.incident,
        }
    }

    /// The operational events as the store keeps them.
    pub fn operational_bits(self) -> u8 {
        self.operational
    }

    /// The set read back from the store; unknown bits are dropped.
    pub fn from_bits(incident: u8, operational: u8) -> Self {
        Self {
            incident: incident & 31,
            operational: operational & 31,
        }
    }
}

impl FromIterator<EventType> for EventSet {
    fn from_iter<I: IntoIterator<Item = EventType>>(events: I) -> Self {
        let mut set = Self::default();
        for event in events {
            match event {
                EventType::Incident(name) => set.incident |= name.bit(),
                EventType::Operational(name) => set.operational |= name.bit(),
            }
        }
        set
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn every_type() -> EventSet {
        EventType::NAMES
            .iter()
            .filter_map(|name| EventType::parse(name))
            .collect()
    }

    #[test]
    fn every_type_is_listed_once_and_reads_back_from_its_name() {
        let names: Vec<_> = every_type().types().map(EventType::as_str).collect();
        assert_eq!(names, EventType::NAMES);
        assert_eq!(EventType::parse("webhook.gone"), None);
    }

    #[test]
    fn a_set_of_events_reads_back_from_its_bits() {
        let chosen = ["incident.triggered", "incident.resolved", "delivery.dead"];
        let set: EventSet = chosen.iter().filter_map(|name| EventType::parse(name)).collect();
        let read = EventSet::from_bits(set.bits(), set.operational_bits());
        assert_eq!(read, set);
        assert_eq!(read.types().map(EventType::as_str).collect::<Vec<_>>(), chosen);
    }

    #[test]
    fn a_program_that_knows_no_operational_events_reads_the_others_as_they_are() {
        let only: EventSet = [EventType::Operational(OperationalName::WebhookDisabled)]
            .into_iter()
            .collect();
        assert_eq!((only.bits(), only.bits() & 31), (HAS_OPERATIONAL, 0));
        let five = EventSet::new(EventName::ALL);
        assert_eq!((five.bits(), five.operational_bits()), (31, 0));
    }
}
