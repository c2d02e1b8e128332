//! Triggers and transitions, inside the writer: load, let the pure state machine decide, write the incident, publish
//! its event.

use rusqlite::Connection;

use model::audit::Change;
use model::event::{Event, EventName};
use model::id::{EventId, IncidentId};
use model::incident::{Incident, IncidentAction, Transition};
use store::StoreError;
use store::StoreResult;
use store::incident_plan::{audited, new_incident};
use store::incidents::{Committed, TransitionRequest, Trigger};
use store::insight_plan;

use super::answers::answer_once;
use super::audit;
use super::incident_references as references;
use super::incident_rows;
use super::outbox::{LaneHistory, publish};
use super::writer::WriteContext;

/// Creates an incident with its event, or finds the open one with the same dedup key.
pub fn trigger(context: &mut WriteContext<'_>, trigger: Trigger) -> StoreResult<Committed> {
    let receipt = trigger.receipt.clone();
    answer_once(context, receipt.as_ref(), trigger.change.at, |context| {
        create(context, trigger)
    })
}

/// Applies an action.
pub fn transition(context: &mut WriteContext<'_>, request: TransitionRequest) -> StoreResult<Committed> {
    let TransitionRequest {
        incident_id,
        action,
        event_id,
        change,
        receipt,
    } = request;
    answer_once(context, receipt.as_ref(), change.at, |context| {
        let stored = incident_rows::load(context.connection, incident_id)?;
        let policy = match action {
            IncidentAction::Escalate | IncidentAction::Reopen => {
                references::policy(context.connection, stored.policy_id)?
            }
            IncidentAction::Acknowledge | IncidentAction::Resolve => None,
        };
        let transition = stored.incident.after(action, policy.as_ref(), change.at);
        commit(context, stored.incident, transition, event_id, change)
    })
}

/// Fires the escalation timer, if it is still due.
pub fn fire_escalation(
    context: &mut WriteContext<'_>,
    incident_id: IncidentId,
    event_id: EventId,
    change: Change,
) -> StoreResult<Committed> {
    let stored = incident_rows::load(context.connection, incident_id)?;
    let policy = references::policy(context.connection, stored.policy_id)?;
    let transition = stored.incident.after_escalation_timer(policy.as_ref(), change.at);
    commit(context, stored.incident, transition, event_id, change)
}

fn create(context: &mut WriteContext<'_>, trigger: Trigger) -> StoreResult<Committed> {
    let (service, policy_id) = references::service(context.connection, &trigger.service)?;
    let assignee = match trigger.assignee {
        Some(id) => Some(incident_rows::load_user(context.connection, id)?),
        None => None,
    };
    if let Some(dedup_key) = &trigger.dedup_key
        && let Some(open) = incident_rows::load_open(context.connection, dedup_key)?
    {
        return Ok(Committed::Unchanged(open));
    }
    let policy = references::policy(context.connection, policy_id)?;
    let mut incident = new_incident(&trigger, service, assignee, policy.as_ref());
    incident_rows::insert(context.connection, &mut incident)?;
    let event = Event::new(
        trigger.event_id,
        EventName::Triggered,
        &incident,
        trigger.change.actor,
        trigger.change.at,
    );
    publish(context, event, &incident, LaneHistory::None)?;
    let counted = insight_plan::of_new(&incident);
    context.count_insights(trigger.event_id.as_bytes(), counted);
    Ok(Committed::Created(incident))
}

/// Writes what the state machine decided.
fn commit(
    context: &mut WriteContext<'_>,
    before: Incident,
    transition: Transition,
    event_id: EventId,
    change: Change,
) -> StoreResult<Committed> {
    let (incident, name) = match transition {
        Transition::Unchanged => return Ok(Committed::Unchanged(before)),
        Transition::Refused => return Ok(Committed::Refused(before)),
        Transition::Changed { incident, event } => (*incident, event),
    };
    if name == EventName::Reopened {
        refuse_second_open(context.connection, &incident)?;
    }
    incident_rows::update(context.connection, &incident, before.status)?;
    if let Some((action, detail)) = audited(&before, &incident, name, &change.actor) {
        audit::write(context.connection, &change, action, incident.id, &detail)?;
    }
    let counted = insight_plan::of_transition(&before, &incident, name, change.at);
    let event = Event::new(event_id, name, &incident, change.actor, change.at);
    publish(context, event, &incident, LaneHistory::Possible)?;
    context.count_insights(event_id.as_bytes(), counted);
    Ok(Committed::Changed(incident))
}

/// A resolved incident's dedup key may have been taken by a newer incident: then it cannot be open again.
fn refuse_second_open(connection: &Connection, reopened: &Incident) -> StoreResult<()> {
    let Some(dedup_key) = &reopened.dedup_key else {
        return Ok(());
    };
    match incident_rows::load_open(connection, dedup_key)? {
        None => Ok(()),
        Some(open) => Err(StoreError::Conflict(format!(
            "the open incident {} has the same dedup key",
            open.id
        ))),
    }
}
