//! Incidents as rows: reading them with the present names of service and assignee, writing them whole.

use rusqlite::{Connection, Result, Row};

use model::id::{IncidentId, PolicyId, ServiceId, UserId};
use model::incident::{Incident, IncidentStatus, Severity};
use model::service::ServiceRef;
use model::time::Timestamp;
use model::user::UserRef;
use store::StoreError;
use store::StoreResult;

use super::columns::unexpected;
use super::incident_numbers::{self, number_from_row};
use super::statements::{execute, read_one};

/// What [`incident_from_row`] and [`policy_id_from_row`] read. `CROSS JOIN` keeps incidents the outer table.
macro_rules! select_incidents {
    ($rest:literal) => {
        select_incidents!("", $rest)
    };
    ($index:literal, $rest:literal) => {
        concat!(
            "SELECT i.id, i.title, i.description, i.status, i.severity, i.service_id, s.name, i.assignee_id, u.name, ",
            "i.dedup_key, i.escalation_steps_fired, i.escalate_at, i.created_at, i.updated_at, i.acknowledged_at, ",
            "i.resolved_at, s.policy_id, (SELECT n.number FROM incident_numbers n WHERE n.incident_id = i.id) ",
            "FROM incidents i ",
            $index,
            " CROSS JOIN services s ON s.id = i.service_id LEFT JOIN users u ON u.id = i.assignee_id ",
            $rest
        )
    };
}
pub(super) use select_incidents;

/// An incident and its service's escalation policy.
pub struct StoredIncident {
    pub incident: Incident,
    /// The policy that its service has now.
    pub policy_id: Option<PolicyId>,
}

/// Reads one incident.
pub fn load(connection: &Connection, id: IncidentId) -> StoreResult<StoredIncident> {
    let sql = select_incidents!("WHERE i.id = ?1");
    read_one(connection, sql, [id.as_bytes()], stored_from_row)?
        .ok_or(StoreError::NotFound { what: "incident" })
}

/// Reads the open incident with a dedup key.
pub fn load_open(connection: &Connection, dedup_key: &str) -> StoreResult<Option<Incident>> {
    let sql = select_incidents!("WHERE i.dedup_key = ?1 AND i.status <> 'resolved'");
    read_one(connection, sql, [dedup_key], incident_from_row)
}

/// Writes a new incident, and gives it its number.
pub fn insert(connection: &Connection, incident: &mut Incident) -> StoreResult<()> {
    execute(
        connection,
        "INSERT INTO incidents (id, title, description, status, severity, service_id, assignee_id, dedup_key,
             escalation_steps_fired, escalate_at, created_at, updated_at, acknowledged_at, resolved_at)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14)",
        (
            incident.id.as_bytes(),
            &incident.title,
            &incident.description,
            incident.status.as_str(),
            incident.severity.as_str(),
            incident.service.id.as_bytes(),
            incident.assignee.as_ref().map(|user| user.id.as_bytes()),
            &incident.dedup_key,
            incident.escalation_steps_fired,
            incident.escalate_at.map(Timestamp::as_millis),
            incident.created_at.as_millis(),
            incident.updated_at.as_millis(),
            incident.acknowledged_at.map(Timestamp::as_millis),
            incident.resolved_at.map(Timestamp::as_millis),
        ),
    )?;
    incident.number = Some(incident_numbers::give(connection, incident.id)?);
    Ok(())
}

/// Writes what transitions and edits change, if the incident still has the status it is expected to have.
pub fn update(connection: &Connection, incident: &Incident, expected: IncidentStatus) -> StoreResult<()> {
    let changed = execute(
        connection,
        "UPDATE incidents SET title = ?3, description = ?4, status = ?5, severity = ?6, assignee_id = ?7,
             escalation_steps_fired = ?8, escalate_at = ?9, updated_at = ?10, acknowledged_at = ?11, resolved_at = ?12
         WHERE id = ?1 AND status = ?2",
        (
            incident.id.as_bytes(),
            expected.as_str(),
            &incident.title,
            &incident.description,
            incident.status.as_str(),
            incident.severity.as_str(),
            incident.assignee.as_ref().map(|user| user.id.as_bytes()),
            incident.escalation_steps_fired,
            incident.escalate_at.map(Timestamp::as_millis),
            incident.updated_at.as_millis(),
            incident.acknowledged_at.map(Timestamp::as_millis),
            incident.resolved_at.map(Timestamp::as_millis),
        ),
    )?;
    match changed {
        1 => Ok(()),
        _ => Err(StoreError::Corrupt(
            "an incident changed within a transaction".into(),
        )),
    }
}

/// Reads a user as an incident names them.
pub fn load_user(connection: &Connection, id: UserId) -> StoreResult<UserRef> {
    let sql = "SELECT name FROM users WHERE id = ?1";
    let name = read_one(connection, sql, [id.as_bytes()], |row| row.get(0))?;
    name.map(|name| UserRef { id, name })
        .ok_or(StoreError::UnknownReference { what: "user" })
}

/// Reads an incident.
pub fn incident_from_row(row: &Row<'_>) -> Result<Incident> {
    let assignee: Option<[u8; 16]> = row.get(7)?;
    let assignee_name: Option<String> = row.get(8)?;
    Ok(Incident {
        id: IncidentId::from_bytes(row.get(0)?),
        number: number_from_row(row, 17)?,
        title: row.get(1)?,
        description: row.get(2)?,
        status: IncidentStatus::parse(row.get_ref(3)?.as_str()?).ok_or_else(|| unexpected("status"))?,
        severity: Severity::parse(row.get_ref(4)?.as_str()?).ok_or_else(|| unexpected("severity"))?,
        service: ServiceRef {
            id: ServiceId::from_bytes(row.get(5)?),
            name: row.get(6)?,
        },
        assignee: assignee.zip(assignee_name).map(|(id, name)| UserRef {
            id: UserId::from_bytes(id),
            name,
        }),
        dedup_key: row.get(9)?,
        escalation_steps_fired: row.get(10)?,
        escalate_at: optional_time(row, 11)?,
        created_at: Timestamp::from_millis(row.get(12)?),
        updated_at: Timestamp::from_millis(row.get(13)?),
        acknowledged_at: optional_time(row, 14)?,
        resolved_at: optional_time(row, 15)?,
    })
}

fn stored_from_row(row: &Row<'_>) -> Result<StoredIncident> {
    Ok(StoredIncident {
        incident: incident_from_row(row)?,
        policy_id: row.get::<_, Option<[u8; 16]>>(16)?.map(PolicyId::from_bytes),
    })
}

fn optional_time(row: &Row<'_>, index: usize) -> Result<Option<Timestamp>> {
    Ok(row.get::<_, Option<i64>>(index)?.map(Timestamp::from_millis))
}
