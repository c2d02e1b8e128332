//! Escalation policies: who is called next when nobody acknowledges.

use std::time::Duration;

use crate::id::PolicyId;
use crate::time::Timestamp;
use crate::user::UserRef;

/// The most steps one policy may have.
pub const MAX_STEPS: usize = 20;
/// The longest wait of one step: a week, in minutes.
pub const MAX_WAIT_MINUTES: u32 = 7 * 24 * 60;

/// A named list of steps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EscalationPolicy {
    pub id: PolicyId,
    pub name: String,
    /// What happens, in order.
    pub steps: Vec<EscalationStep>,
    /// When it was made.
    pub created_at: Timestamp,
}

/// One step: after so long without an acknowledgement, this person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EscalationStep {
    /// Minutes since the step before (or since the trigger).
    pub wait_minutes: u32,
    /// Who becomes the assignee; nobody new if absent.
    pub assignee: Option<UserRef>,
}

impl EscalationPolicy {
    /// The step with this index, counted from zero.
    pub fn step(&self, index: u32) -> Option<&EscalationStep> {
        usize::try_from(index)
            .ok()
            .and_then(|index| self.steps.get(index))
    }

    /// How long the step with this index waits.
    pub fn wait_of_step(&self, index: u32) -> Option<Duration> {
        self.step(index)
            .map(|step| Duration::from_secs(u64::from(step.wait_minutes) * 60))
    }
}
