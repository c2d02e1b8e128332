//! Lives of alerts, told from request to request.

mod repeats;

use std::time::Duration;

use super::*;

use model::audit::{Actor, Change};
use model::id::{AuditId, EventId, ServiceId, SourceId};
use model::secret::SecretText;
use model::service::ServiceRef;
use model::signal::AlertKey;
use model::source::{FlapDamping, SourceSettings, StormControl};
use model::source_kind::{SourceKind, SourceOptions};

/// What a store keeps between requests.
struct TestSource {
    before: Before,
    now: Timestamp,
    made: u8,
    /// Which transitions were made of which incident.
    history: Vec<(IncidentId, &'static str)>,
}

impl TestSource {
    fn new() -> Self {
        let now = Timestamp::from_millis(1_700_000_000_000);
        let source = Source {
            id: SourceId::new(now, [1; 10]),
            service: ServiceRef {
                id: ServiceId::new(now, [1; 10]),
                name: "API".into(),
            },
            kind: SourceKind::Pagerduty,
            settings: SourceSettings {
                name: "Prod".into(),
                options: SourceOptions::default(),
                storm: StormControl {
                    max_alerts: 2,
                    window: Duration::from_secs(60),
                },
                flapping: FlapDamping {
                    max_changes: 3,
                    window: Duration::from_secs(600),
                },
                silent_after: None,
                is_enabled: true,
            },
            key: SecretText::new("k"),
            secret: None,
            created_at: now,
            last_request_at: None,
        };
        Self {
            before: Before {
                source,
                storm: StormState::default(),
                alerts: Vec::new(),
                statuses: Vec::new(),
                firing: Vec::new(),
            },
            now,
            made: 0,
            history: Vec::new(),
        }
    }

    fn wait(&mut self, seconds: u64) {
        self.now = self.now.plus(Duration::from_secs(seconds));
    }

    fn say(&mut self, action: &SignalAction, keys: &[&str]) -> Vec<SignalOutcome> {
        let said = |key: &&str| {
            let alert_key = AlertKey::new(key).unwrap();
            Said::BySender(Signal::new(action.clone(), alert_key, &format!("{key} is down")))
        };
        self.run(keys.iter().map(said).collect())
    }

    /// What Prometheus and Alertmanager say each minute: that it fires since a time.
    fn fires_since(&mut self, started_at: Timestamp, key: &str) -> &'static str {
        let mut signal = Signal::new(Fire, AlertKey::new(key).unwrap(), key);
        signal.started_at = Some(started_at);
        words(&self.run(vec![Said::BySender(signal)]))[0]
    }

    fn fires_as_bad_as(&mut self, severity: Severity, key: &str) -> Plan {
        let mut signal = Signal::new(Fire, AlertKey::new(key).unwrap(), key);
        signal.severity = Some(severity);
        self.plan(vec![Said::BySender(signal)])
    }

    fn time_out(&mut self, key: &str) -> Vec<SignalOutcome> {
        self.run(vec![Said::ByTimer { key: key.into() }])
    }

    fn run(&mut self, said: Vec<Said>) -> Vec<SignalOutcome> {
        let outcomes = self.plan(said).outcomes.into_iter();
        outcomes.map(|(_, _, outcome)| outcome).collect()
    }

    fn plan(&mut self, said: Vec<Said>) -> Plan {
        let signals: Vec<_> = said
            .into_iter()
            .map(|what| {
                self.made += 1;
                NewSignal {
                    what,
                    incident_id: IncidentId::new(self.now, [self.made; 10]),
                    event_id: EventId::new(self.now, [self.made; 10]),
                    change: Change {
                        actor: Actor::System,
                        at: self.now,
                        audit_id: AuditId::new(self.now, [self.made; 10]),
                    },
                }
            })
            .collect();
        let plan = plan(self.before.clone(), &signals, self.now);
        self.keep(&plan);
        plan
    }

    fn keep(&mut self, plan: &Plan) {
        self.before.storm = plan.storm.clone();
        for alert in &plan.alerts {
            self.before.alerts.retain(|old| old.key != alert.key);
            self.before.alerts.push(alert.clone());
        }
        for effect in &plan.effects {
            let (status, word) = match effect {
                Effect::Trigger(_) => (IncidentStatus::Triggered, "trigger"),
                Effect::Transition(request) => match request.action {
                    IncidentAction::Acknowledge => (IncidentStatus::Acknowledged, "acknowledge"),
                    IncidentAction::Resolve => (IncidentStatus::Resolved, "resolve"),
                    IncidentAction::Escalate | IncidentAction::Reopen => panic!("nobody asked for that"),
                },
            };
            self.set(effect.incident_id(), status);
            self.history.push((effect.incident_id(), word));
        }
        self.before.firing.clear();
        for (id, _) in self.before.statuses.clone() {
            let of_it = |alert: &&Alert| alert.incident_id == id && alert.is_firing;
            let firing = u32::try_from(self.before.alerts.iter().filter(of_it).count()).unwrap();
            self.before.firing.push((id, firing));
        }
    }

    fn set(&mut self, id: IncidentId, status: IncidentStatus) {
        self.before.statuses.retain(|(old, _)| *old != id);
        self.before.statuses.push((id, status));
    }
}

fn words(outcomes: &[SignalOutcome]) -> Vec<&'static str> {
    outcomes.iter().map(SignalOutcome::as_str).collect()
}

use SignalAction::{Acknowledge, Note as Remark, Resolve, Trigger as Fire};

#[test]
fn an_alert_opens_is_counted_is_acknowledged_is_resolved_and_opens_anew() {
    let mut source = TestSource::new();
    let first = source.say(&Fire, &["db"]);
    assert_eq!(words(&first), ["opened"]);
    assert_eq!(words(&source.say(&Fire, &["db"])), ["counted"]);
    assert_eq!(words(&source.say(&Acknowledge, &["db"])), ["acknowledged"]);
    assert_eq!(words(&source.say(&Acknowledge, &["db"])), ["ignored"]);
    assert_eq!(words(&source.say(&Resolve, &["db"])), ["resolved"]);
    assert_eq!(words(&source.say(&Resolve, &["db"])), ["ignored"]);
    let second = source.say(&Fire, &["db"]);
    assert_eq!(words(&second), ["opened"]);
    assert_ne!(first[0].incident_id(), second[0].incident_id());
    assert_eq!(source.before.alerts[0].count, 1);
    assert_eq!(source.history.len(), 4);
}

#[test]
fn what_concerns_no_alert_changes_nothing_and_says_why() {
    let mut source = TestSource::new();
    let said = [
        source.say(&Resolve, &["x"]),
        source.say(&Acknowledge, &["x"]),
        source.say(&Remark, &["x"]),
        source.say(&SignalAction::Ignore("a test".into()), &["x"]),
        source.time_out("x"),
    ];
    let said: Vec<_> = said.iter().flat_map(|outcomes| words(outcomes)).collect();
    assert_eq!(said, ["ignored", "ignored", "kept", "ignored", "ignored"]);
    assert_eq!(source.before.alerts, []);
    assert_eq!(source.history, []);
}

#[test]
fn one_request_may_open_resolve_and_open_again() {
    let mut source = TestSource::new();
    let key = || AlertKey::new("db").unwrap();
    let said = [Fire, Resolve, Fire].map(|action| Said::BySender(Signal::new(action, key(), "db")));
    let outcomes = source.run(said.to_vec());
    assert_eq!(words(&outcomes), ["opened", "resolved", "opened"]);
    let words: Vec<_> = source.history.iter().map(|(_, word)| *word).collect();
    assert_eq!(words, ["trigger", "resolve", "trigger"]);
}

#[test]
fn an_incident_that_a_person_resolved_is_opened_anew_by_the_next_alert() {
    let mut source = TestSource::new();
    let first = source.say(&Fire, &["db"])[0].incident_id().unwrap();
    source.set(first, IncidentStatus::Resolved);
    assert_eq!(words(&source.say(&Acknowledge, &["db"])), ["ignored"]);
    assert_eq!(words(&source.say(&Fire, &["db"])), ["opened"]);
    let second = source.say(&Fire, &["db"])[0].incident_id().unwrap();
    source.set(second, IncidentStatus::Resolved);
    assert_eq!(words(&source.say(&Resolve, &["db"])), ["ignored"]);
    assert!(!source.before.alerts[0].is_firing);
}

#[test]
fn more_alerts_than_a_window_holds_are_counted_into_one_incident_that_ends_with_the_last_of_them() {
    let mut source = TestSource::new();
    let outcomes = source.say(&Fire, &["a", "b", "c", "d"]);
    assert_eq!(words(&outcomes), ["opened", "opened", "opened", "counted"]);
    let storm = outcomes[2].incident_id().unwrap();
    assert_eq!(outcomes[3].incident_id(), Some(storm));
    source.wait(30);
    assert_eq!(words(&source.say(&Fire, &["e", "c"])), ["counted", "counted"]);
    assert_eq!(source.before.storm.count, 3);
    assert_eq!(words(&source.say(&Acknowledge, &["c"])), ["ignored"]);
    assert_eq!(
        words(&source.say(&Resolve, &["a", "c", "d"])),
        ["resolved", "resolved_in_storm", "resolved_in_storm"]
    );
    assert_eq!(words(&source.say(&Resolve, &["e"])), ["resolved_in_storm"]);
    source.wait(60);
    assert_eq!(words(&source.time_out("e")), ["resolved"]);
    assert_eq!(source.history.last(), Some(&(storm, "resolve")));
}

#[test]
fn a_calm_window_ends_a_storm_though_some_of_its_alerts_still_fire() {
    let mut source = TestSource::new();
    source.say(&Fire, &["a", "b", "c"]);
    source.wait(59);
    assert_eq!(words(&source.say(&Fire, &["d"])), ["counted"]);
    source.wait(120);
    assert_eq!(words(&source.say(&Fire, &["e"])), ["opened"]);
    assert!(!source.before.alerts.last().unwrap().is_in_storm);
}

#[test]
fn a_storm_says_how_many_alerts_it_has_and_lists_the_first() {
    let mut source = TestSource::new();
    source.before.source.settings.storm.max_alerts = 1;
    let keys: Vec<String> = (0..200).map(|number| format!("host-{number}")).collect();
    let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
    let key = |key: &&str| {
        let signal = Signal::new(Fire, AlertKey::new(key).unwrap(), &format!("{key} is down"));
        Said::BySender(signal)
    };
    let signals: Vec<_> = keys
        .iter()
        .enumerate()
        .map(|(number, name)| NewSignal {
            what: key(name),
            incident_id: IncidentId::new(source.now, [u8::try_from(number).unwrap(); 10]),
            event_id: EventId::new(source.now, [1; 10]),
            change: Change {
                actor: Actor::System,
                at: source.now,
                audit_id: AuditId::new(source.now, [1; 10]),
            },
        })
        .collect();
    let plan = plan(source.before.clone(), &signals, source.now);
    assert_eq!(plan.effects.len(), 2);
    let Effect::Trigger(storm) = &plan.effects[1] else {
        panic!("no storm");
    };
    let text = storm.description.as_ref().unwrap();
    assert!(
        text.starts_with("199 alerts. More than 1 began within 1m"),
        "{text}"
    );
    assert!(text.contains("- host-1 is down\n- host-2 is down\n"));
    assert!(text.ends_with("and 149 more"), "{text}");
    assert_eq!(plan.result().counts["counted"], 198);
    source.keep(&plan);
    let more = [Said::BySender(Signal::new(
        Fire,
        AlertKey::new("late").unwrap(),
        "late",
    ))];
    source.run(more.to_vec());
    assert_eq!(source.before.storm.count, 200);
}

#[test]
fn a_flapping_alert_keeps_its_incident_open_until_it_is_quiet() {
    let mut source = TestSource::new();
    let said: Vec<_> = [Fire, Resolve, Fire, Resolve, Fire]
        .map(|action| {
            source.wait(10);
            source.say(&action, &["db"]).remove(0)
        })
        .into();
    assert_eq!(
        words(&said),
        ["opened", "resolved", "opened", "resolved", "opened"]
    );
    let made = source.history.len();
    assert_eq!(words(&source.say(&Resolve, &["db"])), ["damped"]);
    assert_eq!(words(&source.say(&Fire, &["db"])), ["counted"]);
    source.wait(10);
    assert_eq!(words(&source.say(&Resolve, &["db"])), ["damped"]);
    source.wait(599);
    assert_eq!(words(&source.time_out("db")), ["ignored"]);
    assert_eq!(source.history.len(), made);
    source.wait(1);
    assert_eq!(words(&source.time_out("db")), ["resolved"]);
    assert_eq!(words(&source.say(&Fire, &["db"])), ["opened"]);
    assert_eq!(words(&source.say(&Resolve, &["db"])), ["resolved"]);
}

#[test]
fn an_alert_that_ends_at_a_time_is_resolved_then_unless_it_is_sent_again() {
    let mut source = TestSource::new();
    let until = |source: &TestSource| {
        let mut signal = Signal::new(Fire, AlertKey::new("db").unwrap(), "db");
        signal.resolve_at = Some(source.now.plus(Duration::from_secs(60)));
        vec![Said::BySender(signal)]
    };
    let said = until(&source);
    source.run(said);
    source.wait(40);
    let said = until(&source);
    assert_eq!(words(&source.run(said)), ["counted"]);
    source.wait(40);
    assert_eq!(words(&source.time_out("db")), ["ignored"]);
    source.wait(20);
    assert_eq!(words(&source.time_out("db")), ["resolved"]);
}

#[test]
fn what_a_trigger_found_open_is_counted_into() {
    let mut source = TestSource::new();
    let before = source.before.clone();
    let signal = Signal::new(Fire, AlertKey::new("db").unwrap(), "db");
    let signals = [NewSignal {
        what: Said::BySender(signal),
        incident_id: IncidentId::new(source.now, [1; 10]),
        event_id: EventId::new(source.now, [1; 10]),
        change: Change {
            actor: Actor::System,
            at: source.now,
            audit_id: AuditId::new(source.now, [1; 10]),
        },
    }];
    let mut plan = plan(before, &signals, source.now);
    let open = IncidentId::new(source.now, [9; 10]);
    plan.found(signals[0].incident_id, open);
    assert_eq!(plan.alerts[0].incident_id, open);
    assert_eq!(plan.outcomes[0].2, SignalOutcome::Counted { incident_id: open });
    source.wait(1);
}

#[test]
fn alerts_of_a_storm_that_end_at_once_do_not_open_it_again_and_again() {
    let mut source = TestSource::new();
    let keys: Vec<String> = (0..60).map(|number| format!("host-{number}")).collect();
    let mut opened = 0;
    for key in &keys {
        opened += words(&source.say(&Fire, &[key]))
            .iter()
            .filter(|word| **word == "opened")
            .count();
        source.say(&Resolve, &[key]);
    }
    let most = usize::try_from(source.before.source.settings.storm.max_alerts).unwrap();
    assert_eq!(opened, most + 1, "each alert up to the bound, and one storm");
    source.wait(600);
    assert_eq!(words(&source.time_out(&keys[most])), ["resolved"]);
}
