//! Incidents: triggering, transitions, and changes that are no transitions.

use serde::Deserialize;
use utoipa::ToSchema;

use crate::checks::Checks;
use crate::{ActionError, Actions, Patch};
use model::audit::Actor;
use model::id::{IncidentId, ServiceId, UserId};
use model::incident::{Incident, IncidentAction, Severity};
use store::incidents::{
    Committed, IncidentEdit, ServiceKey, TimelineEntry, TimelineKind, TransitionRequest, Trigger,
};
use store::receipts::Receipt;

/// The longest title, in characters.
pub const MAX_TITLE_LENGTH: usize = 500;
/// The longest description, in characters.
pub const MAX_DESCRIPTION_LENGTH: usize = 10_000;
/// The longest note, in characters.
pub const MAX_NOTE_LENGTH: usize = 10_000;
/// The longest dedup key, in bytes.
pub const MAX_DEDUP_KEY_BYTES: usize = 255;

/// A new incident, as somebody asks for it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(as = NewIncident)]
pub struct IncidentDraft {
    /// One line that says what is wrong, at most 500 characters.
    #[schema(min_length = 1, max_length = 500)]
    pub title: String,
    /// More about it, at most 10,000 characters.
    #[schema(max_length = 10000)]
    pub description: Option<String>,
    /// How bad it is; `error` if absent.
    pub severity: Option<Severity>,
    /// The service it concerns, by `id` or by `name`.
    pub service: ServiceChoice,
    /// Who gets it.
    pub assignee: Option<UserChoice>,
    /// While an incident with this key is open, triggering again returns it and makes no event.
    #[schema(max_length = 255)]
    pub dedup_key: Option<String>,
}

/// A service, by id or by name.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ServiceChoice {
    /// Its id.
    #[schema(value_type = Option<String>)]
    pub id: Option<ServiceId>,
    /// Its name, if no id is given.
    pub name: Option<String>,
}

/// A user, by id.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct UserChoice {
    /// Its id.
    #[schema(value_type = String)]
    pub id: UserId,
}

/// Changes of an incident that are no transitions. What is absent stays as it is.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct IncidentChange {
    /// A new title.
    #[schema(min_length = 1, max_length = 500)]
    pub title: Option<String>,
    /// A new severity.
    pub severity: Option<Severity>,
    /// A new description; null for none.
    #[schema(value_type = Option<String>, max_length = 10000)]
    #[serde(default)]
    pub description: Patch<String>,
    /// A new assignee; null for nobody.
    #[schema(value_type = Option<UserChoice>)]
    #[serde(default)]
    pub assignee: Patch<UserChoice>,
}

/// What somebody says of an incident.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(as = NewNote)]
pub struct NoteDraft {
    /// At most 10,000 characters; web addresses in it are shown as links.
    #[schema(min_length = 1, max_length = 10000)]
    pub text: String,
}

impl Actions {
    /// Triggers an incident, or finds the open one with the same dedup key.
    pub async fn trigger(
        &self,
        actor: Actor,
        draft: IncidentDraft,
        receipt: Option<Receipt>,
    ) -> Result<Committed, ActionError> {
        check_draft(&draft)?;
        let service = match (draft.service.id, draft.service.name) {
            (Some(id), _) => ServiceKey::Id(id),
            (None, name) => ServiceKey::Name(name.unwrap_or_default()),
        };
        let trigger = Trigger {
            incident_id: self.source.new_incident_id(),
            event_id: self.source.new_event_id(),
            title: draft.title,
            description: draft.description.filter(|text| !text.is_empty()),
            severity: draft.severity.unwrap_or(Severity::Error),
            service,
            assignee: draft.assignee.map(|user| user.id),
            dedup_key: draft.dedup_key,
            change: self.source.change(actor),
            receipt,
        };
        Ok(self.store.incidents.trigger(trigger).await?)
    }

    /// Acknowledges, resolves, escalates or reopens an incident.
    pub async fn transition(
        &self,
        actor: Actor,
        incident_id: IncidentId,
        action: IncidentAction,
        receipt: Option<Receipt>,
    ) -> Result<Committed, ActionError> {
        let request = TransitionRequest {
            incident_id,
            action,
            event_id: self.source.new_event_id(),
            change: self.source.change(actor),
            receipt,
        };
        Ok(self.store.incidents.transition(request).await?)
    }

    /// Changes title, severity, description or assignee; makes no event.
    pub async fn edit_incident(
        &self,
        actor: Actor,
        id: IncidentId,
        change: IncidentChange,
    ) -> Result<Incident, ActionError> {
        let mut checks = Checks::new();
        if let Some(title) = &change.title {
            checks.text("title", title, MAX_TITLE_LENGTH);
        }
        if let Patch::Set(description) = &change.description {
            checks.optional_text("description", description, MAX_DESCRIPTION_LENGTH);
        }
        let edit = checks.finish(|| IncidentEdit {
            title: change.title,
            severity: change.severity,
            description: change.description.into_change(),
            assignee: change.assignee.into_change().map(|user| user.map(|user| user.id)),
        })?;
        let change = self.source.change(actor);
        Ok(self.store.incidents.edit(id, edit, change).await?)
    }
}

impl Actions {
    /// Keeps a note on an incident's timeline; makes no event. Answers the line as it is shown.
    pub async fn add_note(
        &self,
        actor: Actor,
        id: IncidentId,
        draft: NoteDraft,
    ) -> Result<TimelineEntry, ActionError> {
        let mut checks = Checks::new();
        checks.text("text", &draft.text, MAX_NOTE_LENGTH);
        checks.finish(|| ())?;
        let change = self.source.change(actor);
        let entry = TimelineEntry {
            at: change.at,
            actor: change.actor.clone(),
            kind: TimelineKind::Note(draft.text.clone()),
        };
        self.store.incidents.add_note(id, draft.text, change).await?;
        Ok(entry)
    }
}

fn check_draft(draft: &IncidentDraft) -> Result<(), ActionError> {
    let mut checks = Checks::new();
    checks.text("title", &draft.title, MAX_TITLE_LENGTH);
    if let Some(description) = &draft.description {
        checks.optional_text("description", description, MAX_DESCRIPTION_LENGTH);
    }
    match (&draft.service.id, &draft.service.name) {
        (Some(_), Some(_)) => checks.fail(
            "service",
            "ambiguous",
            "give the service's id or its name, not both",
        ),
        (None, None) => checks.fail("service", "missing", "give the service's id or its name"),
        (Some(_), None) | (None, Some(_)) => {}
    }
    if let Some(key) = &draft.dedup_key {
        if key.len() > MAX_DEDUP_KEY_BYTES {
            let detail = format!("dedupKey has more than {MAX_DEDUP_KEY_BYTES} bytes");
            checks.fail("dedupKey", "too_long", detail);
        }
        checks.text("dedupKey", key, MAX_DEDUP_KEY_BYTES);
    }
    checks.finish(|| ())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn draft(json: &str) -> IncidentDraft {
        serde_json::from_str(json).unwrap()
    }

    fn fields(json: &str) -> Vec<String> {
        match check_draft(&draft(json)) {
            Err(ActionError::Invalid(errors)) => errors.into_iter().map(|error| error.field).collect(),
            other => panic!("expected mistakes, got {other:?}"),
        }
    }

    #[test]
    fn every_mistake_of_a_draft_is_named() {
        assert_eq!(
            fields(r#"{"title":" ","service":{},"dedupKey":""}"#),
            ["title", "service", "dedupKey"]
        );
    }

    #[test]
    fn a_draft_with_title_and_service_is_enough() {
        assert_eq!(
            check_draft(&draft(r#"{"title":"x","service":{"name":"API"}}"#)),
            Ok(())
        );
    }
}
