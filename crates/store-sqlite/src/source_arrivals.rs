//! What comes to alert sources: load, let the pure rules decide, write incidents, events and deliveries, alerts and the
//! request's record, in one transaction.

use std::collections::{BTreeSet, HashSet};

use model::id::IncidentId;
use model::source::RequestResult;
use store::StoreResult;
use store::incidents::{Committed, IncidentEdit};
use store::source_plan::{Before, Effect, Plan, Raise, plan};
use store::sources::Arrival;

use super::incident_edits;
use super::incident_rows;
use super::source_rows::{
    count_firing, insert_request, load_alert, load_status, load_storm, write_alert, write_storm,
};
use super::sources;
use super::statements::execute;
use super::ticket_changes::write_note;
use super::transitions;
use super::writer::WriteContext;

/// Does what is said of alerts and keeps the request.
pub fn receive(context: &mut WriteContext<'_>, arrival: Arrival) -> StoreResult<RequestResult> {
    let id = arrival.source_id;
    let before = load(context, &arrival)?;
    let mut plan = plan(before, &arrival.signals, arrival.at);
    if let Some((incident_id, text)) = plan.storm_description.take() {
        let mut incident = incident_rows::load(context.connection, incident_id)?.incident;
        incident.description = Some(text);
        incident_rows::update(context.connection, &incident, incident.status)?;
    }
    run_effects(context, &mut plan)?;
    for raise in &plan.raises {
        raise_severity(context, raise)?;
    }
    for note in &plan.notes {
        let change = &note.change;
        let actor = change.actor.encode();
        let connection = context.connection;
        write_note(
            connection,
            note.incident_id,
            change.audit_id,
            change.at,
            &actor,
            &note.sentence,
        )?;
    }
    for alert in &plan.alerts {
        write_alert(context.connection, id, alert)?;
    }
    write_storm(context.connection, id, &plan.storm)?;
    let result = plan.result();
    if let Some(mut request) = arrival.request {
        if request.result.refusal.is_none() {
            request.result = result.clone();
        }
        insert_request(context.connection, &request)?;
        execute(
            context.connection,
            "UPDATE sources SET last_request_at = ?2 WHERE id = ?1",
            (id.as_bytes(), arrival.at.as_millis()),
        )?;
    }
    Ok(result)
}

fn load(context: &WriteContext<'_>, arrival: &Arrival) -> StoreResult<Before> {
    let (connection, id) = (context.connection, arrival.source_id);
    let source = sources::get(connection, context.sealer, id)?;
    let storm = load_storm(connection, id)?;
    let keys: HashSet<&str> = arrival.signals.iter().map(|signal| signal.what.key()).collect();
    let mut alerts = Vec::new();
    for key in keys {
        alerts.extend(load_alert(connection, id, key)?);
    }
    let mut incidents: BTreeSet<IncidentId> = alerts.iter().map(|alert| alert.incident_id).collect();
    incidents.extend(storm.incident_id.filter(|_| !arrival.signals.is_empty()));
    let (mut statuses, mut firing) = (Vec::new(), Vec::new());
    for incident_id in incidents {
        statuses.extend(load_status(connection, incident_id)?.map(|status| (incident_id, status)));
        firing.push((incident_id, count_firing(connection, incident_id)?));
    }
    Ok(Before {
        source,
        storm,
        alerts,
        statuses,
        firing,
    })
}

/// An incident that is as bad already stays as it is.
fn raise_severity(context: &mut WriteContext<'_>, raise: &Raise) -> StoreResult<()> {
    let incident = incident_rows::load(context.connection, raise.incident_id)?.incident;
    let edit = IncidentEdit {
        severity: Some(raise.severity.worst(incident.severity)),
        ..IncidentEdit::default()
    };
    incident_edits::edit(context, raise.incident_id, edit, &raise.change).map(|_| ())
}

fn run_effects(context: &mut WriteContext<'_>, plan: &mut Plan) -> StoreResult<()> {
    for place in 0..plan.effects.len() {
        match plan.effects[place].clone() {
            Effect::Trigger(trigger) => {
                let planned = trigger.incident_id;
                if let Committed::Unchanged(open) = transitions::trigger(context, trigger)? {
                    plan.found(planned, open.id);
                }
            }
            Effect::Transition(request) => {
                transitions::transition(context, request)?;
            }
        }
    }
    Ok(())
}
