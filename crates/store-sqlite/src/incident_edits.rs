//! Changes of an incident that are no transitions: they leave a note on its timeline and make no event.

use model::audit::Change;
use model::id::IncidentId;
use model::incident::Incident;
use store::StoreResult;
use store::incidents::IncidentEdit;
use store::ticket_plan::TicketsNeedTelling;

use super::audit;
use super::incident_rows;
use super::statements::execute;
use super::ticket_requests;
use super::writer::WriteContext;

/// Makes the changes. What is already so is left out; if nothing is left, nothing is written.
pub fn edit(
    context: &mut WriteContext<'_>,
    id: IncidentId,
    edit: IncidentEdit,
    change: &Change,
) -> StoreResult<Incident> {
    let mut incident = incident_rows::load(context.connection, id)?.incident;
    let had = incident.clone();
    let sentences = apply(context, &mut incident, edit)?;
    if sentences.is_empty() {
        return Ok(incident);
    }
    let sentence = sentences.join("; ");
    incident.updated_at = change.at.max(incident.updated_at);
    incident_rows::update(context.connection, &incident, incident.status)?;
    execute(
        context.connection,
        "INSERT INTO notes (incident_id, id, at, actor, sentence) VALUES (?1, ?2, ?3, ?4, ?5)",
        (
            id.as_bytes(),
            change.audit_id.as_bytes(),
            change.at.as_millis(),
            change.actor.encode(),
            &sentence,
        ),
    )?;
    audit::write(context.connection, change, "incident.edit", id, &sentence)?;
    if let Some(news) = TicketsNeedTelling::after(&had, &incident) {
        ticket_requests::tell_linked(context, id, news, change.at)?;
    }
    Ok(incident)
}

/// Changes the incident in memory and says, in words, what changed.
fn apply(
    context: &WriteContext<'_>,
    incident: &mut Incident,
    edit: IncidentEdit,
) -> StoreResult<Vec<String>> {
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
    if let Some(assignee) = edit.assignee {
        let assignee = match assignee {
            Some(id) => Some(incident_rows::load_user(context.connection, id)?),
            None => None,
        };
        if assignee != incident.assignee {
            sentences.push(match &assignee {
                Some(user) => format!("assigned it to {}", user.name),
                None => "assigned it to nobody".to_owned(),
            });
            incident.assignee = assignee;
        }
    }
    Ok(sentences)
}
