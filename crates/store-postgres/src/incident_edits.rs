//! Changes of an incident that are no transitions: they leave a note on its timeline and make no event.

use model::audit::Change;
use model::id::IncidentId;
use model::incident::Incident;
use store::StoreError;
use store::StoreResult;
use store::incident_plan;
use store::incidents::IncidentEdit;
use store::insight_plan;
use store::ticket_plan::TicketsNeedTelling;

use super::audit;
use super::incident_rows;
use super::ticket_changes::write_note;
use super::ticket_requests;
use super::writer::WriteContext;

/// Makes the changes. What is already so is left out; if nothing is left, nothing is written.
pub async fn edit(
    context: &mut WriteContext,
    id: IncidentId,
    edit: &IncidentEdit,
    change: &Change,
) -> StoreResult<Incident> {
    let connection = &context.connection;
    let stored = incident_rows::lock(connection, &[id]).await?.pop();
    let mut incident = stored.ok_or(StoreError::NotFound { what: "incident" })?.incident;
    let had = incident.clone();
    let assignee = match edit.assignee {
        Some(Some(id)) => {
            let user = incident_rows::load_users(connection, &[id]).await?.pop();
            Some(user.ok_or(StoreError::UnknownReference { what: "user" })?)
        }
        Some(None) | None => None,
    };
    let Some(sentence) = incident_plan::edit(&mut incident, edit.clone(), assignee, change.at) else {
        return Ok(incident);
    };
    incident_rows::update(connection, &[&incident], &[incident.status]).await?;
    write_note(
        connection,
        id,
        change.audit_id,
        change.at,
        &change.actor,
        &sentence,
    )
    .await?;
    audit::write(connection, change, "incident.edit", id, &sentence).await?;
    let counted = insight_plan::of_edit(&had, &incident);
    context.count_insights(*change.audit_id.as_bytes(), counted);
    if let Some(news) = TicketsNeedTelling::after(&had, &incident) {
        ticket_requests::tell_linked(context, id, news, change.at).await?;
    }
    Ok(incident)
}

/// Keeps what somebody says. The audit log tells that they did, not what.
pub async fn add_note(
    context: &mut WriteContext,
    id: IncidentId,
    text: &str,
    change: &Change,
) -> StoreResult<()> {
    let connection = &context.connection;
    let found = incident_rows::lock(connection, &[id]).await?.pop();
    found.ok_or(StoreError::NotFound { what: "incident" })?;
    write_note(connection, id, change.audit_id, change.at, &change.actor, text).await?;
    audit::write(connection, change, "incident.note", id, "wrote a note").await?;
    ticket_requests::tell_linked(context, id, TicketsNeedTelling::WrittenNote, change.at).await
}
