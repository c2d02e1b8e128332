//! Doing the same to many incidents. Each is changed by itself, as if it had been asked for alone: with its own transaction,
//! its own event and line of the audit log, and its own answer. Together they share the store's commits.

use futures_util::{StreamExt, TryStreamExt, stream};
use serde::Deserialize;
use strum::{EnumString, IntoStaticStr, VariantNames};
use utoipa::ToSchema;

use crate::checks::Checks;
use crate::incidents::{IncidentChange, UserChoice};
use crate::{ActionError, Actions, Patch};
use model::audit::Actor;
use model::id::IncidentId;
use model::incident::{Incident, IncidentAction};
use model::incident_number::IncidentKey;
use store::StoreError;
use store::incidents::Committed;

/// The most incidents that one call changes.
pub const MAX_BULK: usize = 200;
/// How many of them are under way at a time.
const MAX_AT_ONCE: usize = 32;

/// What is done to each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, EnumString, IntoStaticStr, VariantNames)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum BulkAction {
    /// Triggered ones are taken.
    Acknowledge,
    /// Open ones are closed.
    Resolve,
    /// They get an assignee, or none.
    Assign,
}

/// What became of one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, IntoStaticStr, VariantNames)]
#[strum(serialize_all = "snake_case")]
pub enum BulkOutcome {
    /// It was done.
    Changed,
    /// It was so already.
    Unchanged,
    /// The action does not apply to its status.
    Refused,
    /// There is no such incident.
    NotFound,
}

impl BulkAction {
    /// Every action, in the API's words.
    pub const NAMES: &'static [&'static str] = Self::VARIANTS;

    /// The action read back from its text.
    pub fn parse(text: &str) -> Option<Self> {
        text.parse().ok()
    }
}

impl BulkOutcome {
    /// Every outcome, in the API's words.
    pub const NAMES: &'static [&'static str] = Self::VARIANTS;

    /// Its name in the API.
    pub fn as_str(self) -> &'static str {
        self.into()
    }
}

model::word_schemas! {
    BulkAction, "BulkAction", "What is done to each.", BulkAction::NAMES;
    BulkOutcome, "BulkOutcome", "What became of it.",
        BulkOutcome::NAMES;
}

/// The same for many incidents.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct BulkChange {
    /// Their ids or numbers, 1 to 200.
    #[schema(min_items = 1, max_items = 200)]
    pub incidents: Vec<String>,
    /// What is done to each.
    pub action: BulkAction,
    /// For `assign`: who gets them; null for nobody.
    #[schema(value_type = Option<UserChoice>)]
    #[serde(default)]
    pub assignee: Patch<UserChoice>,
}

/// One incident of a bulk change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BulkResult {
    /// As the caller named it.
    pub named: String,
    /// The incident afterwards; nothing if there is none.
    pub incident: Option<Incident>,
    /// What became of it.
    pub outcome: BulkOutcome,
}

/// What is done to each, with what it takes.
enum Operation {
    Transition(IncidentAction),
    Edit(IncidentChange),
}

impl Actions {
    /// Acknowledges, resolves or assigns each; answers in their order. One that is refused or gone is no reason to leave the
    /// others. If the store fails midway, those before are done: asked again, they are so already.
    pub async fn change_incidents(
        &self,
        actor: &Actor,
        change: BulkChange,
    ) -> Result<Vec<BulkResult>, ActionError> {
        check(&change)?;
        let operation = match change.action {
            BulkAction::Acknowledge => Operation::Transition(IncidentAction::Acknowledge),
            BulkAction::Resolve => Operation::Transition(IncidentAction::Resolve),
            BulkAction::Assign => Operation::Edit(IncidentChange {
                assignee: change.assignee,
                ..IncidentChange::default()
            }),
        };
        let operation = &operation;
        let results = stream::iter(change.incidents)
            .map(|named| async move { self.change_one(actor, named, operation).await })
            .buffered(MAX_AT_ONCE);
        results.try_collect().await
    }

    async fn change_one(
        &self,
        actor: &Actor,
        named: String,
        operation: &Operation,
    ) -> Result<BulkResult, ActionError> {
        let done = match self.find_named(&named).await {
            Ok(id) => self.do_to(actor, id, operation).await,
            Err(error) => Err(error),
        };
        let (incident, outcome) = match done {
            Ok((incident, outcome)) => (Some(incident), outcome),
            Err(ActionError::NotFound { .. }) => (None, BulkOutcome::NotFound),
            Err(error) => return Err(error),
        };
        Ok(BulkResult {
            named,
            incident,
            outcome,
        })
    }

    async fn find_named(&self, named: &str) -> Result<IncidentId, ActionError> {
        match named.parse() {
            Ok(IncidentKey::Id(id)) => Ok(id),
            Ok(IncidentKey::Number(number)) => Ok(self.store.incidents.find(number).await?),
            Err(_) => Err(StoreError::NotFound { what: "incident" }.into()),
        }
    }

    async fn do_to(
        &self,
        actor: &Actor,
        id: IncidentId,
        operation: &Operation,
    ) -> Result<(Incident, BulkOutcome), ActionError> {
        match operation {
            Operation::Transition(action) => match self.transition(actor.clone(), id, *action, None).await? {
                Committed::Created(incident) | Committed::Changed(incident) => {
                    Ok((incident, BulkOutcome::Changed))
                }
                Committed::Unchanged(incident) => Ok((incident, BulkOutcome::Unchanged)),
                Committed::Refused(incident) => Ok((incident, BulkOutcome::Refused)),
                Committed::Repeated(_) | Committed::KeyMisused => Err(ActionError::Internal(
                    "a transition without an idempotency key met one".into(),
                )),
            },
            Operation::Edit(change) => {
                let before = self.store.incidents.get(id).await?;
                let after = self.edit_incident(actor.clone(), id, change.clone()).await?;
                let outcome = match before.assignee == after.assignee {
                    true => BulkOutcome::Unchanged,
                    false => BulkOutcome::Changed,
                };
                Ok((after, outcome))
            }
        }
    }
}

fn check(change: &BulkChange) -> Result<(), ActionError> {
    let mut checks = Checks::new();
    if change.incidents.is_empty() || change.incidents.len() > MAX_BULK {
        let detail = format!("name 1 to {MAX_BULK} incidents");
        checks.fail("incidents", "out_of_range", detail);
    }
    match (change.action, &change.assignee) {
        (BulkAction::Assign, Patch::Keep) => checks.missing("assignee"),
        (BulkAction::Assign, Patch::Set(_) | Patch::Clear)
        | (BulkAction::Acknowledge | BulkAction::Resolve, Patch::Keep) => {}
        (BulkAction::Acknowledge | BulkAction::Resolve, Patch::Set(_) | Patch::Clear) => checks.fail(
            "assignee",
            "not_allowed",
            "assignee goes with the action assign only",
        ),
    }
    checks.finish(|| ())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(json: &str) -> Vec<String> {
        match check(&serde_json::from_str(json).unwrap()) {
            Ok(()) => Vec::new(),
            Err(ActionError::Invalid(errors)) => errors.into_iter().map(|error| error.field).collect(),
            Err(other) => panic!("expected mistakes, got {other:?}"),
        }
    }

    #[test]
    fn a_bulk_change_names_a_bounded_number_of_incidents_and_an_assignee_only_to_assign() {
        let of = |count: usize| {
            let incidents = vec!["#1"; count];
            serde_json::json!({ "incidents": incidents, "action": "resolve" }).to_string()
        };
        assert_eq!(fields(&of(0)), ["incidents"]);
        assert_eq!(fields(&of(MAX_BULK)), [""; 0]);
        assert_eq!(fields(&of(MAX_BULK + 1)), ["incidents"]);
        assert_eq!(fields(r#"{"incidents":["1"],"action":"assign"}"#), ["assignee"]);
        assert_eq!(
            fields(r#"{"incidents":["1"],"action":"assign","assignee":null}"#),
            [""; 0]
        );
        assert_eq!(
            fields(r#"{"incidents":["1"],"action":"resolve","assignee":null}"#),
            ["assignee"]
        );
    }
}
