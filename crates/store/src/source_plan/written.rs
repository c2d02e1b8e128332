//! What is written of a source's signals: incidents, events, alerts, notes, and what became of each signal.

use super::StormState;
use crate::incidents::{TransitionRequest, Trigger};
use model::audit::Change;
use model::id::IncidentId;
use model::incident::Severity;
use model::source::{Alert, RequestResult, SignalOutcome};

/// What is done to incidents, in this order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    Trigger(Trigger),
    Transition(TransitionRequest),
}

impl Effect {
    /// The incident that it is about, under the id it has in the plan.
    pub fn incident_id(&self) -> IncidentId {
        match self {
            Self::Trigger(trigger) => trigger.incident_id,
            Self::Transition(request) => request.incident_id,
        }
    }
}

/// An incident is at least so bad by now: its severity rises, and never falls.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Raise {
    pub incident_id: IncidentId,
    pub severity: Severity,
    pub change: Change,
}

/// A line on an incident's timeline.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    pub incident_id: IncidentId,
    pub sentence: String,
    pub change: Change,
}

/// What is written.
#[derive(Debug)]
pub struct Plan {
    pub storm: StormState,
    /// Every alert that changed.
    pub alerts: Vec<Alert>,
    /// A storm that was there before has grown: its description, to be written before the effects.
    pub storm_description: Option<(IncidentId, String)>,
    pub effects: Vec<Effect>,
    /// To be done after the effects, one of an incident at most.
    pub raises: Vec<Raise>,
    /// To be written after the effects.
    pub notes: Vec<Note>,
    /// What became of each signal: its key, its title, its outcome.
    pub outcomes: Vec<(String, String, SignalOutcome)>,
}

impl Plan {
    /// Takes up that a trigger found an open incident with its dedup key instead of opening one.
    pub fn found(&mut self, planned: IncidentId, open: IncidentId) {
        for alert in self
            .alerts
            .iter_mut()
            .filter(|alert| alert.incident_id == planned)
        {
            alert.incident_id = open;
        }
        for effect in &mut self.effects {
            if let Effect::Transition(request) = effect
                && request.incident_id == planned
            {
                request.incident_id = open;
            }
        }
        for raise in &mut self.raises {
            if raise.incident_id == planned {
                raise.incident_id = open;
            }
        }
        for note in &mut self.notes {
            if note.incident_id == planned {
                note.incident_id = open;
            }
        }
        if self.storm.incident_id == Some(planned) {
            self.storm.incident_id = Some(open);
        }
        for (_, _, outcome) in &mut self.outcomes {
            match outcome {
                SignalOutcome::Opened { incident_id } if *incident_id == planned => {
                    *outcome = SignalOutcome::Counted { incident_id: open };
                }
                SignalOutcome::Counted { incident_id }
                | SignalOutcome::Resolved { incident_id }
                | SignalOutcome::ResolvedInStorm { incident_id }
                | SignalOutcome::Acknowledged { incident_id }
                | SignalOutcome::Damped { incident_id }
                    if *incident_id == planned =>
                {
                    *incident_id = open;
                }
                _ => {}
            }
        }
    }

    /// Has an incident be at least so bad: it opens so, if this plan opens it.
    pub(super) fn raise(&mut self, incident_id: IncidentId, severity: Severity, change: &Change) {
        for effect in &mut self.effects {
            if let Effect::Trigger(trigger) = effect
                && trigger.incident_id == incident_id
            {
                trigger.severity = trigger.severity.worst(severity);
                return;
            }
        }
        match self
            .raises
            .iter_mut()
            .find(|raise| raise.incident_id == incident_id)
        {
            Some(raise) => raise.severity = raise.severity.worst(severity),
            None => self.raises.push(Raise {
                incident_id,
                severity,
                change: change.clone(),
            }),
        }
    }

    /// What became of the signals, as the request's record says it.
    pub fn result(&self) -> RequestResult {
        let mut result = RequestResult::default();
        for (key, title, outcome) in &self.outcomes {
            result.add(key.clone(), title.clone(), outcome.clone());
        }
        result
    }
}
