//! What becomes of incidents by triggers and edits: pure rules from the rows that are there to what is written.

use model::escalation::EscalationPolicy;
use model::incident::{Incident, IncidentStatus};
use model::service::ServiceRef;
use model::time::Timestamp;
use model::user::UserRef;

use crate::incidents::{IncidentEdit, Trigger};

/// The incident that a trigger makes, unless an open one has its dedup key.
pub fn new_incident(
    trigger: &Trigger,
    service: ServiceRef,
    assignee: Option<UserRef>,
    policy: Option<&EscalationPolicy>,
) -> Incident {
    let now = trigger.change.at;
    let mut incident = Incident {
        id: trigger.incident_id,
        number: None,
        title: trigger.title.clone(),
        description: trigger.description.clone(),
        status: IncidentStatus::Triggered,
        severity: trigger.severity,
        service,
        assignee,
        dedup_key: trigger.dedup_key.clone(),
        escalation_steps_fired: 0,
        escalate_at: None,
        created_at: now,
        updated_at: now,
        acknowledged_at: None,
        resolved_at: None,
    };
    incident.schedule_first_escalation(policy, now);
    incident
}

/// Changes an incident and says, in words, what changed; nothing if it is so already. `assignee` is whom the edit names.
pub fn edit(
    incident: &mut Incident,
    edit: IncidentEdit,
    assignee: Option<UserRef>,
    at: Timestamp,
) -> Option<String> {
    let mut sentences = Vec::new();
    if let Some(title) = edit.title.filter(|title| *title != incident.title) {
        sentences.push(format!("changed the title to \"{title}\""));
        incident.title = title;
    }
    if let Some(severity) = edit.severity.filter(|severity| *severity != incident.severity) {
        let (before, after) = (incident.severity.as_str(), severity.as_str());
        sentences.push(format!("changed the severity from {before} to {after}"));
        incident.severity = severity;
    }
    if let Some(description) = edit
        .description
        .filter(|description| *description != incident.description)
    {
        sentences.push(match &description {
            Some(_) => "changed the description".to_owned(),
            None => "removed the description".to_owned(),
        });
        incident.description = description;
    }
    if edit.assignee.is_some() && assignee != incident.assignee {
        sentences.push(match &assignee {
            Some(user) => format!("assigned it to {}", user.name),
            None => "assigned it to nobody".to_owned(),
        });
        incident.assignee = assignee;
    }
    if sentences.is_empty() {
        return None;
    }
    incident.updated_at = at.max(incident.updated_at);
    Some(sentences.join("; "))
}
