//! Triggers and transitions, inside the writer: load, let the pure state machine decide, write the incident, publish
//! its event.

use rusqlite::Connection;

use model::audit::Change;
use model::escalation::{EscalationPolicy, EscalationStep};
use model::event::{Event, EventName};
use model::id::{EventId, IncidentId, PolicyId, ServiceId, UserId};
use model::incident::{Incident, IncidentAction, IncidentStatus, Transition};
use model::service::ServiceRef;
use model::time::Timestamp;
use model::user::UserRef;
use store::StoreError;
use store::StoreResult;
use store::incidents::{Committed, ServiceKey, TransitionRequest, Trigger};

use super::answers::answer_once;
use super::incident_rows;
use super::outbox::{LaneHistory, publish};
use super::statements::{read_all, read_one};
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
                load_policy(context.connection, stored.policy_id)?
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
    let policy = load_policy(context.connection, stored.policy_id)?;
    let transition = stored.incident.after_escalation_timer(policy.as_ref(), change.at);
    commit(context, stored.incident, transition, event_id, change)
}

fn create(context: &mut WriteContext<'_>, trigger: Trigger) -> StoreResult<Committed> {
    let (service, policy_id) = load_service(context.connection, &trigger.service)?;
    let assignee = match trigger.assignee {
        Some(id) => Some(incident_rows::load_user(context.connection, id)?),
        None => None,
    };
    if let Some(dedup_key) = &trigger.dedup_key
        && let Some(open) = incident_rows::load_open(context.connection, dedup_key)?
    {
        return Ok(Committed::Unchanged(open));
    }
    let policy = load_policy(context.connection, policy_id)?;
    let now = trigger.change.at;
    let mut incident = Incident {
        id: trigger.incident_id,
        title: trigger.title,
        description: trigger.description,
        status: IncidentStatus::Triggered,
        severity: trigger.severity,
        service,
        assignee,
        dedup_key: trigger.dedup_key,
        escalation_steps_fired: 0,
        escalate_at: None,
        created_at: now,
        updated_at: now,
        acknowledged_at: None,
        resolved_at: None,
    };
    incident.schedule_first_escalation(policy.as_ref(), now);
    incident_rows::insert(context.connection, &incident)?;
    let event = Event::new(
        trigger.event_id,
        EventName::Triggered,
        &incident,
        trigger.change.actor,
        now,
    );
    publish(context, event, &incident, LaneHistory::None)?;
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
    let event = Event::new(event_id, name, &incident, change.actor, change.at);
    publish(context, event, &incident, LaneHistory::Possible)?;
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

fn load_service(connection: &Connection, key: &ServiceKey) -> StoreResult<(ServiceRef, Option<PolicyId>)> {
    let read = |row: &rusqlite::Row<'_>| {
        let service = ServiceRef {
            id: ServiceId::from_bytes(row.get(0)?),
            name: row.get(1)?,
        };
        Ok((
            service,
            row.get::<_, Option<[u8; 16]>>(2)?.map(PolicyId::from_bytes),
        ))
    };
    let found = match key {
        ServiceKey::Id(id) => read_one(
            connection,
            "SELECT id, name, policy_id FROM services WHERE id = ?1",
            [id.as_bytes()],
            read,
        ),
        ServiceKey::Name(name) => read_one(
            connection,
            "SELECT id, name, policy_id FROM services WHERE name = ?1",
            [name],
            read,
        ),
    };
    found?.ok_or(StoreError::UnknownReference { what: "service" })
}

fn load_policy(connection: &Connection, id: Option<PolicyId>) -> StoreResult<Option<EscalationPolicy>> {
    let Some(id) = id else {
        return Ok(None);
    };
    let head = read_one(
        connection,
        "SELECT name, created_at FROM policies WHERE id = ?1",
        [id.as_bytes()],
        |row| Ok((row.get(0)?, Timestamp::from_millis(row.get(1)?))),
    )?;
    let Some((name, created_at)) = head else {
        return Ok(None);
    };
    let steps = read_all(
        connection,
        "SELECT step.wait_minutes, u.id, u.name
         FROM policy_steps step LEFT JOIN users u ON u.id = step.assignee_id
         WHERE step.policy_id = ?1 ORDER BY step.position",
        [id.as_bytes()],
        |row| {
            let user: Option<[u8; 16]> = row.get(1)?;
            let name: Option<String> = row.get(2)?;
            Ok(EscalationStep {
                wait_minutes: row.get(0)?,
                assignee: user.zip(name).map(|(id, name)| UserRef {
                    id: UserId::from_bytes(id),
                    name,
                }),
            })
        },
    )?;
    Ok(Some(EscalationPolicy {
        id,
        name,
        steps,
        created_at,
    }))
}
