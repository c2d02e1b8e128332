//! What becomes of the alerts of a source: pure rules from the rows that are there to what is written. Dedup, storm control
//! and flap damping are decided here; which event a transition makes decides the state machine of incidents.

mod changes;
mod written;

use std::collections::HashMap;

use self::changes::{changes_now, count_change};
pub use self::written::{Effect, Note, Plan, Raise};
use crate::incidents::{ServiceKey, TransitionRequest, Trigger};
use crate::source_texts::{dedup_key, describe_alert, describe_storm, flapping_note, storm_title};
use crate::sources::{NewSignal, Said};
use model::id::IncidentId;
use model::incident::{IncidentAction, IncidentStatus, Severity};
use model::signal::{Signal, SignalAction};
use model::source::{Alert, MAX_STORM_TITLES, SignalOutcome, Source};
use model::time::Timestamp;

/// How bad an alert is whose sender does not say.
const DEFAULT_SEVERITY: Severity = Severity::Error;

/// How many new alerts a source had lately, and the storm that they are counted into.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StormState {
    /// When the present window began.
    pub window_at: Option<Timestamp>,
    /// New alerts in it.
    pub window_count: u32,
    /// Until when new alerts are counted into the storm.
    pub until: Option<Timestamp>,
    /// The last storm's incident.
    pub incident_id: Option<IncidentId>,
    /// How many alerts were counted into it.
    pub count: u32,
    /// The titles of the first of them.
    pub titles: Vec<String>,
}

/// What is there before.
#[derive(Debug, Clone)]
pub struct Before {
    pub source: Source,
    pub storm: StormState,
    /// Those that the signals are about, as far as they are known.
    pub alerts: Vec<Alert>,
    /// The status of their incidents and of the storm's.
    pub statuses: Vec<(IncidentId, IncidentStatus)>,
    /// How many alerts of these incidents fire.
    pub firing: Vec<(IncidentId, u32)>,
}

/// Decides what becomes of signals, in their order.
pub fn plan(before: Before, signals: &[NewSignal], now: Timestamp) -> Plan {
    let mut planner = Planner {
        source: before.source,
        now,
        known_storm: before.storm.incident_id,
        storm_has_grown: false,
        places: before
            .alerts
            .iter()
            .enumerate()
            .map(|(place, alert)| (alert.key.clone(), place))
            .collect(),
        alerts: before.alerts.into_iter().map(|alert| (alert, false)).collect(),
        statuses: before.statuses.into_iter().collect(),
        firing: before.firing.into_iter().collect(),
        plan: Plan {
            storm: before.storm,
            alerts: Vec::new(),
            storm_description: None,
            effects: Vec::new(),
            raises: Vec::new(),
            notes: Vec::new(),
            outcomes: Vec::with_capacity(signals.len()),
        },
    };
    for signal in signals {
        planner.take(signal);
    }
    planner.finish()
}

struct Planner {
    source: Source,
    now: Timestamp,
    /// The storm that is in the store.
    known_storm: Option<IncidentId>,
    storm_has_grown: bool,
    places: HashMap<String, usize>,
    /// Each with whether it has to be written.
    alerts: Vec<(Alert, bool)>,
    statuses: HashMap<IncidentId, IncidentStatus>,
    firing: HashMap<IncidentId, u32>,
    plan: Plan,
}

impl Planner {
    fn take(&mut self, signal: &NewSignal) {
        let key = signal.what.key();
        let place = self.places.get(key).copied();
        let (title, outcome) = match &signal.what {
            Said::ByTimer { .. } => {
                let title = place.map(|place| self.alerts[place].0.title.clone());
                (title.unwrap_or_default(), self.time_out(place, signal))
            }
            Said::BySender(said) => {
                let outcome = match &said.action {
                    SignalAction::Trigger => self.trigger(place, said, signal),
                    SignalAction::Acknowledge => self.acknowledge(place, signal),
                    SignalAction::Resolve => self.resolve(place, signal),
                    SignalAction::Note => SignalOutcome::Kept,
                    SignalAction::Ignore(reason) => ignored(reason),
                };
                (said.title.clone(), outcome)
            }
        };
        self.plan.outcomes.push((key.to_owned(), title, outcome));
    }

    fn trigger(&mut self, place: Option<usize>, said: &Signal, signal: &NewSignal) -> SignalOutcome {
        let now = self.now;
        if let Some(place) = place
            && self.alerts[place].0.is_firing
            && self.is_open(self.alerts[place].0.incident_id)
        {
            self.count_again(place, said);
            let alert = &mut self.alerts[place].0;
            let incident_id = alert.incident_id;
            let worst = said.severity.unwrap_or(alert.severity).worst(alert.severity);
            if std::mem::replace(&mut alert.severity, worst) != worst {
                self.plan.raise(incident_id, worst, &signal.change);
            }
            return SignalOutcome::Counted { incident_id };
        }
        if let Some(place) = place
            && goes_on(&self.alerts[place].0, said)
        {
            self.count_again(place, said);
            return ignored(
                "its incident was resolved by hand: it opens another one when it begins to fire again",
            );
        }
        let (incident_id, is_in_storm, outcome) = self.open(said, signal);
        *self.firing.entry(incident_id).or_default() += 1;
        let severity = said.severity.unwrap_or(DEFAULT_SEVERITY);
        let opened = Alert {
            key: said.key.as_str().to_owned(),
            title: said.title.clone(),
            severity,
            incident_id,
            is_in_storm,
            is_firing: true,
            count: 1,
            first_at: now,
            last_at: now,
            changes: 0,
            changes_at: now,
            is_flapping: false,
            is_quiet: false,
            started_at: said.started_at,
            resolve_at: said.resolve_at,
        };
        match place {
            Some(place) => {
                let window = self.source.settings.flapping.window;
                let (alert, is_changed) = &mut self.alerts[place];
                let before = std::mem::replace(alert, opened);
                (alert.changes, alert.changes_at) = (before.changes, before.changes_at);
                if !before.is_firing {
                    count_change(alert, now, window);
                }
                *is_changed = true;
            }
            None => {
                self.places.insert(opened.key.clone(), self.alerts.len());
                self.alerts.push((opened, true));
            }
        }
        outcome
    }

    /// An alert is sent again that fires already.
    fn count_again(&mut self, place: usize, said: &Signal) {
        let (alert, is_changed) = &mut self.alerts[place];
        alert.count = alert.count.saturating_add(1);
        alert.last_at = self.now;
        alert.resolve_at = said.resolve_at;
        alert.is_quiet = false;
        alert.started_at = said.started_at.max(alert.started_at);
        *is_changed = true;
    }

    /// The incident of an alert that begins to fire: its own, or the storm's.
    fn open(&mut self, said: &Signal, signal: &NewSignal) -> (IncidentId, bool, SignalOutcome) {
        let now = self.now;
        let control = self.source.settings.storm;
        let storm = &mut self.plan.storm;
        let is_over = |since: Timestamp| since.plus(control.window) <= now;
        if storm.window_at.is_none_or(is_over) {
            (storm.window_at, storm.window_count) = (Some(now), 0);
        }
        storm.window_count = storm.window_count.saturating_add(1);
        if storm.window_count > control.max_alerts {
            storm.until = Some(now.plus(control.window));
        }
        if storm.until.is_none_or(|until| until <= now) {
            let key = dedup_key(self.source.id, said.key.as_str());
            let severity = said.severity.unwrap_or(DEFAULT_SEVERITY);
            let trigger = self.new_trigger(signal, &said.title, severity, describe_alert(said), key);
            self.plan.effects.push(Effect::Trigger(trigger));
            let incident_id = signal.incident_id;
            self.statuses.insert(incident_id, IncidentStatus::Triggered);
            return (incident_id, false, SignalOutcome::Opened { incident_id });
        }
        let open = self.plan.storm.incident_id.filter(|id| self.is_open(*id));
        let incident_id = open.unwrap_or_else(|| self.open_storm(said, signal));
        let severity = said.severity.unwrap_or(DEFAULT_SEVERITY);
        self.plan.raise(incident_id, severity, &signal.change);
        let storm = &mut self.plan.storm;
        storm.count = storm.count.saturating_add(1);
        if storm.titles.len() < MAX_STORM_TITLES {
            storm.titles.push(said.title.clone());
        }
        self.storm_has_grown = true;
        let outcome = match open {
            Some(_) => SignalOutcome::Counted { incident_id },
            None => SignalOutcome::Opened { incident_id },
        };
        (incident_id, true, outcome)
    }

    fn open_storm(&mut self, said: &Signal, signal: &NewSignal) -> IncidentId {
        self.describe_storm();
        let incident_id = signal.incident_id;
        let storm = &mut self.plan.storm;
        (storm.incident_id, storm.count) = (Some(incident_id), 0);
        storm.titles.clear();
        let title = storm_title(&self.source.settings.name);
        let severity = said.severity.unwrap_or(DEFAULT_SEVERITY);
        let key = dedup_key(self.source.id, &format!("storm {incident_id}"));
        let trigger = self.new_trigger(signal, &title, severity, None, key);
        self.plan.effects.push(Effect::Trigger(trigger));
        self.statuses.insert(incident_id, IncidentStatus::Triggered);
        incident_id
    }

    /// Has the storm's incident say how many there are.
    fn describe_storm(&mut self) {
        let Some(incident_id) = self.plan.storm.incident_id.filter(|_| self.storm_has_grown) else {
            return;
        };
        self.storm_has_grown = false;
        let text = describe_storm(&self.plan.storm, self.source.settings.storm);
        let opening = self.plan.effects.iter_mut().find_map(|effect| match effect {
            Effect::Trigger(trigger) if trigger.incident_id == incident_id => Some(trigger),
            Effect::Trigger(_) | Effect::Transition(_) => None,
        });
        match opening {
            Some(trigger) => trigger.description = Some(text),
            None if self.known_storm == Some(incident_id) => {
                self.plan.storm_description = Some((incident_id, text));
            }
            None => {}
        }
    }

    fn new_trigger(
        &self,
        signal: &NewSignal,
        title: &str,
        severity: Severity,
        description: Option<String>,
        dedup_key: String,
    ) -> Trigger {
        Trigger {
            incident_id: signal.incident_id,
            event_id: signal.event_id,
            title: title.to_owned(),
            description,
            severity,
            service: ServiceKey::Id(self.source.service.id),
            assignee: None,
            dedup_key: Some(dedup_key),
            change: signal.change.clone(),
            receipt: None,
        }
    }

    fn acknowledge(&mut self, place: Option<usize>, signal: &NewSignal) -> SignalOutcome {
        let alert = match place.map(|place| &self.alerts[place].0) {
            None => return ignored("no alert has this key"),
            Some(alert) if !alert.is_firing => return ignored("the alert is resolved already"),
            Some(alert) if alert.is_in_storm => {
                return ignored("the alert is one of a storm: acknowledge the storm's incident");
            }
            Some(alert) => alert,
        };
        let incident_id = alert.incident_id;
        match self.statuses.get(&incident_id) {
            Some(IncidentStatus::Triggered) => {
                self.push_transition(incident_id, IncidentAction::Acknowledge, signal);
                self.statuses.insert(incident_id, IncidentStatus::Acknowledged);
                SignalOutcome::Acknowledged { incident_id }
            }
            Some(IncidentStatus::Acknowledged) => ignored("the incident is acknowledged already"),
            Some(IncidentStatus::Resolved) | None => ignored("the incident is resolved already"),
        }
    }

    fn resolve(&mut self, place: Option<usize>, signal: &NewSignal) -> SignalOutcome {
        let Some(place) = place else {
            return ignored("no alert has this key");
        };
        let (now, damping) = (self.now, self.source.settings.flapping);
        let is_open = self.is_open(self.alerts[place].0.incident_id);
        let (alert, is_changed) = &mut self.alerts[place];
        if !alert.is_firing || alert.is_quiet {
            return ignored("the alert is resolved already");
        }
        *is_changed = true;
        alert.last_at = now;
        let is_damped =
            is_open && (alert.is_flapping || changes_now(alert, now, damping.window) >= damping.max_changes);
        if is_damped {
            (alert.resolve_at, alert.is_quiet) = (Some(now.plus(damping.window)), true);
            let incident_id = alert.incident_id;
            if !std::mem::replace(&mut alert.is_flapping, true) {
                self.plan.notes.push(Note {
                    incident_id,
                    sentence: flapping_note(&alert.title, alert.changes, damping.window),
                    change: signal.change.clone(),
                });
            }
            return SignalOutcome::Damped { incident_id };
        }
        count_change(alert, now, damping.window);
        self.close(place, signal)
    }

    fn time_out(&mut self, place: Option<usize>, signal: &NewSignal) -> SignalOutcome {
        let Some(place) = place else {
            return ignored("no alert has this key");
        };
        let alert = &self.alerts[place].0;
        let is_due = alert.resolve_at.is_some_and(|at| at <= self.now);
        if !is_due || !alert.is_firing {
            return ignored("the alert was sent again");
        }
        if alert.started_at.is_some() && !self.is_open(alert.incident_id) {
            // Its sender is silent and has not said that it is over: should it come back, a person resolved this very firing.
            let (alert, is_changed) = &mut self.alerts[place];
            (alert.resolve_at, *is_changed) = (None, true);
            return ignored("the incident is resolved already");
        }
        self.close(place, signal)
    }

    /// Until when a storm's incident that has one firing alert left waits for others; nothing if it is over, or no storm's.
    fn storm_goes_on(&self, incident_id: IncidentId) -> Option<Timestamp> {
        let is_storms = self.plan.storm.incident_id == Some(incident_id) && self.is_open(incident_id);
        let is_last = self.firing.get(&incident_id).is_none_or(|firing| *firing <= 1);
        self.plan
            .storm
            .until
            .filter(|until| is_storms && is_last && *until > self.now)
    }

    /// An alert fires no more: its incident is over if it was the last one.
    fn close(&mut self, place: usize, signal: &NewSignal) -> SignalOutcome {
        let incident_id = self.alerts[place].0.incident_id;
        if let Some(until) = self.storm_goes_on(incident_id) {
            // The last one of a storm that may grow again keeps it open: else it would be opened anew with each alert.
            let (alert, is_changed) = &mut self.alerts[place];
            (alert.resolve_at, alert.is_quiet, *is_changed) = (Some(until), true, true);
            return SignalOutcome::ResolvedInStorm { incident_id };
        }
        let (alert, is_changed) = &mut self.alerts[place];
        (alert.is_firing, alert.is_flapping, alert.is_quiet) = (false, false, false);
        alert.resolve_at = None;
        *is_changed = true;
        let left = self.firing.entry(incident_id).or_insert(1);
        *left = left.saturating_sub(1);
        if *left > 0 {
            return SignalOutcome::ResolvedInStorm { incident_id };
        }
        if !self.is_open(incident_id) {
            return ignored("the incident is resolved already");
        }
        self.push_transition(incident_id, IncidentAction::Resolve, signal);
        self.statuses.insert(incident_id, IncidentStatus::Resolved);
        SignalOutcome::Resolved { incident_id }
    }

    fn push_transition(&mut self, incident_id: IncidentId, action: IncidentAction, signal: &NewSignal) {
        self.plan.effects.push(Effect::Transition(TransitionRequest {
            incident_id,
            action,
            event_id: signal.event_id,
            change: signal.change.clone(),
            receipt: None,
        }));
    }

    fn is_open(&self, incident_id: IncidentId) -> bool {
        match self.statuses.get(&incident_id) {
            Some(IncidentStatus::Triggered | IncidentStatus::Acknowledged) => true,
            Some(IncidentStatus::Resolved) | None => false,
        }
    }

    fn finish(mut self) -> Plan {
        self.describe_storm();
        let changed = self.alerts.into_iter().filter(|(_, is_changed)| *is_changed);
        self.plan.alerts = changed.map(|(alert, _)| alert).collect();
        self.plan
    }
}

/// Whether an alert that fires is only sent again: of one that says since when it does, a person resolved this very firing.
fn goes_on(alert: &Alert, said: &Signal) -> bool {
    let is_same = |(known, said): (Timestamp, Timestamp)| said <= known;
    alert.is_firing && alert.started_at.zip(said.started_at).is_some_and(is_same)
}

fn ignored(reason: &str) -> SignalOutcome {
    SignalOutcome::Ignored {
        reason: reason.to_owned(),
    }
}

#[cfg(test)]
mod tests;
