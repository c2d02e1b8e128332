//! Alerts that come in, and what must have become of them in the end.

use std::collections::BTreeSet;
use std::time::Duration;

use model::audit::Actor;
use model::event::EventName;
use model::id::SourceId;
use model::incident::IncidentStatus;
use model::secret::SecretText;
use model::service::ServiceRef;
use model::signal::{AlertKey, Signal, SignalAction};
use model::source::{FlapDamping, SignalOutcome, Source, SourceSettings, StormControl};
use model::source_kind::{SourceKind, SourceOptions};
use store::Store;
use store::sources::{Arrival, NewSignal, Said};

use super::world::World;

/// Few enough that each fires often, and enough for a storm.
const KEYS: usize = 6;
/// More than there are alerts.
const ALL: u32 = 100;
/// How late an alert may be resolved whose sender has said when it ends: a server that was away waits for news first.
const LATENESS: Duration = Duration::from_secs(600);

impl World {
    /// Makes the source that alerts come to.
    pub fn make_source(&mut self, service: ServiceRef) {
        let id = self.source.new_source_id();
        let source = Source {
            id,
            service,
            kind: SourceKind::Alertmanager,
            settings: SourceSettings {
                name: "monitoring".into(),
                options: SourceOptions::default(),
                storm: StormControl {
                    max_alerts: 4,
                    window: Duration::from_secs(60),
                },
                flapping: FlapDamping {
                    max_changes: 3,
                    window: Duration::from_secs(900),
                },
                silent_after: None,
                is_enabled: true,
            },
            key: SecretText::new("a key of thirty-two letters here"),
            secret: None,
            created_at: self.source.now(),
            last_request_at: None,
        };
        let change = self.source.change(Actor::System);
        self.ask(async move |store| drop(store.sources.create(source, change).await.unwrap()));
        self.alert_source = Some(id);
    }

    /// One of the alerts fires, for so long if its sender says so, or is over.
    pub fn alert(&mut self, key: usize, fires: bool, ends_in_ms: Option<u64>) {
        let Some(source_id) = self.alert_source else {
            return;
        };
        let (action, key) = match fires {
            true => (SignalAction::Trigger, key % KEYS),
            false => (SignalAction::Resolve, key % KEYS),
        };
        self.alerts_sent += 1;
        let mut signal = Signal::new(
            action,
            AlertKey::new(&format!("host-{key}")).unwrap(),
            // Like the titles of other incidents, and no other one's: storms tell them, too.
            &format!("incident a{} here", self.alerts_sent),
        );
        let now = self.source.now();
        signal.resolve_at = ends_in_ms.map(|ms| now.plus(Duration::from_millis(ms)));
        let event_id = self.source.new_event_id();
        let new_signal = NewSignal {
            what: Said::BySender(signal),
            incident_id: self.source.new_incident_id(),
            event_id,
            change: self.source.change(Actor::System),
        };
        let arrival = Arrival {
            source_id,
            at: now,
            signals: vec![new_signal],
            request: None,
        };
        let result = self.ask(async move |store| store.sources.receive(arrival).await.unwrap());
        for alert in result.alerts {
            match alert.outcome {
                SignalOutcome::Opened { .. } | SignalOutcome::Resolved { .. } => self.accepted.push(event_id),
                SignalOutcome::Counted { .. }
                | SignalOutcome::ResolvedInStorm { .. }
                | SignalOutcome::Acknowledged { .. }
                | SignalOutcome::Damped { .. }
                | SignalOutcome::Kept
                | SignalOutcome::Ignored { .. } => {}
            }
        }
    }

    /// What is over has resolved its incident, unless others of that still fire or somebody has opened it again.
    pub fn check_alerts(&self, source_id: SourceId) {
        let alerts = self.ask(async move |store| store.sources.alerts(source_id, None, ALL).await.unwrap());
        let firing = alerts.iter().filter(|alert| alert.is_firing);
        let firing: BTreeSet<_> = firing.map(|alert| alert.incident_id).collect();
        let reopened = self
            .events
            .values()
            .filter(|event| event.name == EventName::Reopened);
        let reopened: BTreeSet<_> = reopened.map(|event| event.incident_id).collect();
        let late = self.source.now().minus(LATENESS);
        for alert in alerts {
            let id = alert.incident_id;
            let incident = self.ask(async move |store: Store| store.incidents.get(id).await.unwrap());
            let is_open = incident.status != IncidentStatus::Resolved;
            assert!(
                !is_open || alert.resolve_at.is_none_or(|at| at > late),
                "an alert's time is over, and it is open: {alert:?}"
            );
            let may_be_open = firing.contains(&id) || reopened.contains(&id);
            assert!(
                !is_open || may_be_open,
                "its alert is over, and it is open: {incident:?} {alert:?}"
            );
        }
    }
}
