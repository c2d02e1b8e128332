//! What becomes of incidents by triggers and edits, and what is told of transitions: pure rules from the rows that are there to what is written.

use model::audit::Actor;
use model::escalation::EscalationPolicy;
use model::event::EventName;
use model::incident::{Incident, IncidentStatus};
use model::service::ServiceRef;
use model::time::Timestamp;
use model::user::UserRef;

use crate::differences::{Difference, with_values};
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

/// What the audit log says of a transition that a person or a key made: the action and a sentence. What timers, tickets and senders of
/// alerts do is told by the timeline alone.
pub fn audited(
    before: &Incident,
    after: &Incident,
    event: EventName,
    actor: &Actor,
) -> Option<(&'static str, String)> {
    match actor {
        Actor::User { .. } | Actor::Key { .. } | Actor::Chat { .. } => {}
        Actor::System | Actor::Ticket { .. } | Actor::Source { .. } | Actor::Receiver { .. } => return None,
    }
    let (action, done) = match event {
        EventName::Triggered => return None,
        EventName::Acknowledged => ("incident.acknowledge", "acknowledged"),
        EventName::Resolved => ("incident.resolve", "resolved"),
        EventName::Escalated => ("incident.escalate", "escalated"),
        EventName::Reopened => ("incident.reopen", "reopened"),
    };
    let assignee = |of: &Option<UserRef>| of.as_ref().map_or("nobody".to_owned(), |user| user.name.clone());
    let step = |of: &Incident| match event {
        EventName::Escalated => of.escalation_steps_fired,
        EventName::Triggered | EventName::Acknowledged | EventName::Resolved | EventName::Reopened => 0,
    };
    let differences = [
        Difference::text("the status", before.status.as_str(), after.status.as_str()),
        Difference::shown("the assignee", &before.assignee, &after.assignee, assignee),
        Difference::shown("the step", &step(before), &step(after), u32::to_string),
    ];
    Some((
        action,
        with_values(format!("{done} \"{}\"", after.title), &differences),
    ))
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
        sentences.push(format!(
            "changed the title from \"{}\" to \"{title}\"",
            incident.title
        ));
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
        let from = incident.assignee.as_ref();
        let from = from.map_or(String::new(), |user| format!(" from {}", user.name));
        let to = assignee.as_ref().map_or("nobody", |user| &user.name);
        sentences.push(format!("assigned it{from} to {to}"));
        incident.assignee = assignee;
    }
    if sentences.is_empty() {
        return None;
    }
    incident.updated_at = at.max(incident.updated_at);
    Some(sentences.join("; "))
}
