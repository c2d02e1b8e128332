//! The incident and its state machine: which transition applies, what it changes, and which event it makes.

use serde::{Deserialize, Serialize};
use strum::{EnumString, IntoStaticStr, VariantArray, VariantNames};

use crate::escalation::EscalationPolicy;
use crate::event::EventName;
use crate::id::IncidentId;
use crate::incident_number::IncidentNumber;
use crate::service::ServiceRef;
use crate::time::Timestamp;
use crate::user::UserRef;

/// Where an incident stands.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, EnumString, IntoStaticStr, VariantNames,
)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum IncidentStatus {
    /// Open, and nobody has taken it.
    Triggered,
    /// Open, and somebody works on it.
    Acknowledged,
    /// Closed.
    Resolved,
}

impl IncidentStatus {
    /// Every status, in the order of an incident's life, in the API's words.
    pub const NAMES: &'static [&'static str] = Self::VARIANTS;

    /// The status as the API and the store write it.
    pub fn as_str(self) -> &'static str {
        self.into()
    }

    /// The status read back from its text.
    pub fn parse(text: &str) -> Option<Self> {
        text.parse().ok()
    }
}

/// What an incident is called and how bad it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Headline {
    pub title: String,
    pub severity: Severity,
}

/// How bad an incident is.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    Hash,
    Serialize,
    Deserialize,
    EnumString,
    IntoStaticStr,
    VariantArray,
    VariantNames,
)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum Severity {
    /// Users are hurt now.
    Critical,
    /// Something is broken.
    Error,
    /// Something may break.
    Warning,
    /// Good to know.
    Info,
}

impl Severity {
    /// Every severity, worst first.
    pub const ALL: &'static [Self] = <Self as VariantArray>::VARIANTS;

    /// The same in the API's words.
    pub const NAMES: &'static [&'static str] = <Self as VariantNames>::VARIANTS;

    /// The worse of two.
    pub fn worst(self, other: Self) -> Self {
        // They are declared worst first.
        match (self as u8) < other as u8 {
            true => self,
            false => other,
        }
    }

    /// The severity as the API and the store write it.
    pub fn as_str(self) -> &'static str {
        self.into()
    }

    /// The severity read back from its text.
    pub fn parse(text: &str) -> Option<Self> {
        text.parse().ok()
    }
}

/// An incident as it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Incident {
    pub id: IncidentId,
    /// What people call it; nothing before it is stored, and of a sample.
    pub number: Option<IncidentNumber>,
    /// One line that says what is wrong.
    pub title: String,
    /// More about it, if given.
    pub description: Option<String>,
    /// Where it stands.
    pub status: IncidentStatus,
    /// How bad it is.
    pub severity: Severity,
    /// The service it concerns.
    pub service: ServiceRef,
    /// Who has it.
    pub assignee: Option<UserRef>,
    /// At most one open incident has this key.
    pub dedup_key: Option<String>,
    /// How many steps of the escalation policy have fired since it was last triggered.
    pub escalation_steps_fired: u32,
    /// When the next step fires by itself.
    pub escalate_at: Option<Timestamp>,
    /// When it was first triggered.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
    /// When it was last acknowledged, while that holds.
    pub acknowledged_at: Option<Timestamp>,
    /// When it was resolved, while that holds.
    pub resolved_at: Option<Timestamp>,
}

/// What can be done to an incident that exists.
#[derive(Debug, Clone, Copy, PartialEq, Eq, IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub enum IncidentAction {
    /// Somebody takes it.
    Acknowledge,
    /// It is over.
    Resolve,
    /// The next step of the escalation policy, by hand or by the timer.
    Escalate,
    /// It is not over after all.
    Reopen,
}

impl IncidentAction {
    /// The action's name in routes and messages.
    pub fn as_str(self) -> &'static str {
        self.into()
    }
}

/// What an action comes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Transition {
    /// The incident changes and the event is made, both in one transaction.
    Changed {
        /// The incident afterwards.
        incident: Box<Incident>,
        /// The one event of this transition.
        event: EventName,
    },
    /// The incident is already as wanted: no event.
    Unchanged,
    /// The action does not apply to the present status.
    Refused,
}

impl Incident {
    /// Starts the clock of the first escalation step: called once, when the incident is triggered.
    pub fn schedule_first_escalation(&mut self, policy: Option<&EscalationPolicy>, now: Timestamp) {
        self.escalation_steps_fired = 0;
        self.escalate_at = policy
            .and_then(|policy| policy.wait_of_step(0))
            .map(|wait| now.plus(wait));
    }

    /// Decides what an action does to this incident.
    pub fn after(
        &self,
        action: IncidentAction,
        policy: Option<&EscalationPolicy>,
        now: Timestamp,
    ) -> Transition {
        use IncidentStatus::{Acknowledged, Resolved, Triggered};
        let mut next = self.clone();
        next.updated_at = now.max(self.updated_at);
        let event = match (action, self.status) {
            (IncidentAction::Acknowledge, Triggered) => {
                next.status = Acknowledged;
                next.acknowledged_at = Some(now);
                next.escalate_at = None;
                EventName::Acknowledged
            }
            (IncidentAction::Resolve, Triggered | Acknowledged) => {
                next.status = Resolved;
                next.resolved_at = Some(now);
                next.escalate_at = None;
                EventName::Resolved
            }
            (IncidentAction::Reopen, Resolved) => {
                next.status = Triggered;
                next.acknowledged_at = None;
                next.resolved_at = None;
                next.schedule_first_escalation(policy, now);
                EventName::Reopened
            }
            (IncidentAction::Escalate, Triggered | Acknowledged) => {
                next.escalate(policy, now);
                EventName::Escalated
            }
            (IncidentAction::Acknowledge, Acknowledged)
            | (IncidentAction::Resolve, Resolved)
            | (IncidentAction::Reopen, Triggered) => return Transition::Unchanged,
            (IncidentAction::Acknowledge | IncidentAction::Escalate, Resolved)
            | (IncidentAction::Reopen, Acknowledged) => return Transition::Refused,
        };
        Transition::Changed {
            incident: Box::new(next),
            event,
        }
    }

    /// Decides what the escalation timer does: nothing unless the incident is unacknowledged and the wait is over.
    pub fn after_escalation_timer(&self, policy: Option<&EscalationPolicy>, now: Timestamp) -> Transition {
        let due = self.escalate_at.is_some_and(|at| at <= now);
        match (self.status, due) {
            (IncidentStatus::Triggered, true) => self.after(IncidentAction::Escalate, policy, now),
            (IncidentStatus::Triggered, false)
            | (IncidentStatus::Acknowledged | IncidentStatus::Resolved, true | false) => {
                Transition::Unchanged
            }
        }
    }

    fn escalate(&mut self, policy: Option<&EscalationPolicy>, now: Timestamp) {
        let step = policy.and_then(|policy| policy.step(self.escalation_steps_fired));
        if let Some(step) = step {
            self.escalation_steps_fired += 1;
            self.assignee = step.assignee.clone().or_else(|| self.assignee.take());
        }
        let waits_for_somebody = self.status == IncidentStatus::Triggered;
        let next_wait = policy.and_then(|policy| policy.wait_of_step(self.escalation_steps_fired));
        self.escalate_at = next_wait
            .filter(|_| waits_for_somebody)
            .map(|wait| now.plus(wait));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::escalation::EscalationStep;
    use crate::id::{PolicyId, ServiceId, UserId};
    use proptest::prelude::*;

    const NOW: Timestamp = Timestamp::EPOCH;

    fn incident(status: IncidentStatus) -> Incident {
        Incident {
            id: IncidentId::new(NOW, [1; 10]),
            number: None,
            title: "Database connection timeout".into(),
            description: None,
            status,
            severity: Severity::Critical,
            service: ServiceRef {
                id: ServiceId::new(NOW, [2; 10]),
                name: "API Gateway".into(),
            },
            assignee: None,
            dedup_key: None,
            escalation_steps_fired: 0,
            escalate_at: None,
            created_at: NOW,
            updated_at: NOW,
            acknowledged_at: None,
            resolved_at: None,
        }
    }

    fn user(number: u8) -> UserRef {
        UserRef {
            id: UserId::new(NOW, [number; 10]),
            name: format!("user {number}"),
        }
    }

    fn policy() -> EscalationPolicy {
        let steps = vec![
            EscalationStep {
                wait_minutes: 5,
                assignee: Some(user(1)),
            },
            EscalationStep {
                wait_minutes: 10,
                assignee: None,
            },
        ];
        EscalationPolicy {
            id: PolicyId::new(NOW, [3; 10]),
            name: "night".into(),
            steps,
            created_at: NOW,
        }
    }

    fn minutes(count: u64) -> Timestamp {
        NOW.plus(std::time::Duration::from_secs(60 * count))
    }

    fn changed(transition: Transition) -> (Incident, EventName) {
        match transition {
            Transition::Changed { incident, event } => (*incident, event),
            Transition::Unchanged | Transition::Refused => panic!("expected a change"),
        }
    }

    #[test]
    fn acknowledging_resolving_and_reopening_each_make_their_event() {
        let (acknowledged, first) =
            changed(incident(IncidentStatus::Triggered).after(IncidentAction::Acknowledge, None, NOW));
        let (resolved, second) = changed(acknowledged.after(IncidentAction::Resolve, None, minutes(1)));
        let (reopened, third) = changed(resolved.after(IncidentAction::Reopen, None, minutes(2)));
        assert_eq!(
            [first, second, third],
            [EventName::Acknowledged, EventName::Resolved, EventName::Reopened]
        );
        assert_eq!(resolved.resolved_at, Some(minutes(1)));
        assert_eq!(
            (reopened.status, reopened.resolved_at),
            (IncidentStatus::Triggered, None)
        );
    }

    #[test]
    fn what_changes_nothing_makes_no_event_and_what_does_not_apply_is_refused() {
        let after = |status, action| incident(status).after(action, None, NOW);
        assert_eq!(
            after(IncidentStatus::Acknowledged, IncidentAction::Acknowledge),
            Transition::Unchanged
        );
        assert_eq!(
            after(IncidentStatus::Resolved, IncidentAction::Resolve),
            Transition::Unchanged
        );
        assert_eq!(
            after(IncidentStatus::Triggered, IncidentAction::Reopen),
            Transition::Unchanged
        );
        assert_eq!(
            after(IncidentStatus::Resolved, IncidentAction::Acknowledge),
            Transition::Refused
        );
        assert_eq!(
            after(IncidentStatus::Resolved, IncidentAction::Escalate),
            Transition::Refused
        );
        assert_eq!(
            after(IncidentStatus::Acknowledged, IncidentAction::Reopen),
            Transition::Refused
        );
    }

    #[test]
    fn the_timer_fires_each_step_once_after_its_wait() {
        let policy = policy();
        let mut triggered = incident(IncidentStatus::Triggered);
        triggered.schedule_first_escalation(Some(&policy), NOW);
        assert_eq!(
            triggered.after_escalation_timer(Some(&policy), minutes(4)),
            Transition::Unchanged
        );
        let (first, _) = changed(triggered.after_escalation_timer(Some(&policy), minutes(5)));
        assert_eq!(
            (first.assignee.clone(), first.escalate_at),
            (Some(user(1)), Some(minutes(15)))
        );
        assert_eq!(
            first.after_escalation_timer(Some(&policy), minutes(5)),
            Transition::Unchanged
        );
        let (second, _) = changed(first.after_escalation_timer(Some(&policy), minutes(15)));
        assert_eq!(
            (second.assignee.clone(), second.escalate_at),
            (Some(user(1)), None)
        );
        assert_eq!(
            second.after_escalation_timer(Some(&policy), minutes(99)),
            Transition::Unchanged
        );
    }

    #[test]
    fn an_acknowledged_incident_escalates_by_hand_but_never_by_the_timer() {
        let policy = policy();
        let (escalated, event) = changed(incident(IncidentStatus::Acknowledged).after(
            IncidentAction::Escalate,
            Some(&policy),
            NOW,
        ));
        assert_eq!(
            (event, escalated.status),
            (EventName::Escalated, IncidentStatus::Acknowledged)
        );
        assert_eq!(escalated.escalate_at, None);
    }

    fn any_action() -> impl Strategy<Value = Option<IncidentAction>> {
        prop_oneof![
            Just(None),
            Just(Some(IncidentAction::Acknowledge)),
            Just(Some(IncidentAction::Resolve)),
            Just(Some(IncidentAction::Escalate)),
            Just(Some(IncidentAction::Reopen)),
        ]
    }

    proptest! {
        #[test]
        fn no_sequence_of_actions_breaks_the_incident(actions in prop::collection::vec((any_action(), 0u64..20), 0..40)) {
            let policy = policy();
            let mut current = incident(IncidentStatus::Triggered);
            current.schedule_first_escalation(Some(&policy), NOW);
            let mut minute = 0;
            for (action, wait) in actions {
                minute += wait;
                let now = minutes(minute);
                let transition = match action {
                    Some(action) => current.after(action, Some(&policy), now),
                    None => current.after_escalation_timer(Some(&policy), now),
                };
                if let Transition::Changed { incident, event } = transition {
                    prop_assert!(incident.escalation_steps_fired <= 2);
                    prop_assert!(event == EventName::Escalated || incident.status != current.status);
                    prop_assert!(event != EventName::Escalated || incident.status == current.status);
                    current = *incident;
                }
                prop_assert_eq!(current.resolved_at.is_some(), current.status == IncidentStatus::Resolved);
                prop_assert!(current.escalate_at.is_none() || current.status == IncidentStatus::Triggered);
            }
        }
    }
}
