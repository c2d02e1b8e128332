//! Changes of an incident that are no transitions: they leave a note on its timeline and make no event.

use model::audit::Change;
use model::id::IncidentId;
use model::incident::Incident;
use store::StoreResult;
use store::incident_plan;
use store::incidents::IncidentEdit;
use store::insight_plan;
use store::ticket_plan::TicketsNeedTelling;

use super::audit;
use super::incident_rows;
use super::statements::execute;
use super::ticket_changes::write_note;
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
    let assignee = match edit.assignee {
        Some(Some(id)) => Some(incident_rows::load_user(context.connection, id)?),
        Some(None) | None => None,
    };
    let Some(sentence) = incident_plan::edit(&mut incident, edit, assignee, change.at) else {
        return Ok(incident);
    };
    incident_rows::update(context.connection, &incident, incident.status)?;
    let counted = insight_plan::of_edit(&had, &incident);
    context.count_insights(change.audit_id.as_bytes(), counted);
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

/// Keeps what somebody says. The audit log tells that they did, not what.
pub fn add_note(
    context: &mut WriteContext<'_>,
    id: IncidentId,
    text: &str,
    change: &Change,
) -> StoreResult<()> {
    let connection = context.connection;
    incident_rows::load(connection, id)?;
    let actor = change.actor.encode();
    write_note(connection, id, change.audit_id, change.at, &actor, text)?;
    audit::write(connection, change, "incident.note", id, "wrote a note")?;
    ticket_requests::tell_linked(context, id, TicketsNeedTelling::WrittenNote, change.at)
}
