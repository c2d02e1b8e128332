//! Incidents as rows: reading them with the present names of service and assignee, writing them whole.

use tokio_postgres::Row;

use model::id::{IncidentId, PolicyId, ServiceId, UserId};
use model::incident::{Incident, IncidentStatus, Severity};
use model::incident_number::IncidentNumber;
use model::service::ServiceRef;
use model::time::Timestamp;
use model::user::UserRef;
use store::StoreError;
use store::StoreResult;

use super::columns::{bytes, number, optional_id, optional_time, parsed, time, value};
use super::connection::{Connection, ConstraintRefusal, LastStatement};
use super::incident_numbers::number_from_row;

/// What [`incident_from_row`] and [`stored_from_row`] read.
macro_rules! select_incidents {
    ($rest:literal) => {
        concat!(
            "SELECT i.id, i.title, i.description, i.status, i.severity, i.service_id, s.name AS service_name, ",
            "i.assignee_id, u.name AS assignee_name, i.dedup_key, i.escalation_steps_fired, i.escalate_at, i.created_at, ",
            "i.updated_at, i.acknowledged_at, i.resolved_at, s.policy_id, ",
            "(SELECT n.number FROM incident_numbers n WHERE n.incident_id = i.id) AS incident_number ",
            "FROM incidents i JOIN services s ON s.id = i.service_id LEFT JOIN users u ON u.id = i.assignee_id ",
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
pub async fn load(connection: &Connection, id: IncidentId) -> StoreResult<StoredIncident> {
    let sql = select_incidents!("WHERE i.id = $1");
    connection
        .read_one(sql, &[&&id.as_bytes()[..]], stored_from_row)
        .await?
        .ok_or(StoreError::NotFound { what: "incident" })
}

/// Locks incidents, so that nobody else changes them or adds to their lanes until this transaction has ended, and reads
/// those that there are. The lock comes first: a row that is waited for is not what its names were joined to.
pub async fn lock(connection: &Connection, ids: &[IncidentId]) -> StoreResult<Vec<StoredIncident>> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let ids: Vec<&[u8]> = ids.iter().map(|id| &id.as_bytes()[..]).collect();
    let lock = "SELECT 1 FROM incidents WHERE id = ANY($1::bytea[]) ORDER BY id FOR NO KEY UPDATE";
    connection.read_all(lock, &[&ids], |_| Ok(())).await?;
    let sql = select_incidents!("WHERE i.id = ANY($1::bytea[])");
    connection.read_all(sql, &[&ids], stored_from_row).await
}

/// Reads the open incidents with these dedup keys.
pub async fn load_open(connection: &Connection, dedup_keys: &[&str]) -> StoreResult<Vec<Incident>> {
    let sql = select_incidents!("WHERE i.dedup_key = ANY($1::text[]) AND i.status <> 'resolved'");
    connection.read_all(sql, &[&dedup_keys], incident_from_row).await
}

/// Writes new incidents with their numbers and says which: one whose dedup key an open incident has is left out.
pub async fn insert(connection: &Connection, incidents: &[&Incident]) -> StoreResult<Vec<IncidentId>> {
    let statement = insertion(incidents);
    let values: Vec<_> = statement.values.iter().map(|value| value.as_ref() as _).collect();
    connection
        .read_all(statement.sql, &values, |row| {
            bytes(row, "id").map(IncidentId::from_bytes)
        })
        .await
}

/// The statement that writes new incidents, with the numbers that were drawn for them. What comes without one is numbered by
/// the schema.
pub fn insertion<'a>(incidents: &[&'a Incident]) -> LastStatement<'a> {
    let columns = Columns::new(incidents);
    let service_ids: Vec<&[u8]> = incidents.iter().map(|of| &of.service.id.as_bytes()[..]).collect();
    let dedup_keys: Vec<Option<&str>> = incidents.iter().map(|of| of.dedup_key.as_deref()).collect();
    let created_at: Vec<i64> = incidents.iter().map(|of| of.created_at.as_millis()).collect();
    let numbers: Vec<Option<i64>> = incidents
        .iter()
        .map(|of| of.number.map(IncidentNumber::get))
        .collect();
    LastStatement {
        sql: "WITH written AS (
                 INSERT INTO incidents (id, title, description, status, severity, assignee_id, escalation_steps_fired,
                     escalate_at, updated_at, acknowledged_at, resolved_at, service_id, dedup_key, created_at)
                 SELECT * FROM unnest($1::bytea[], $2::text[], $3::text[], $4::text[], $5::text[], $6::bytea[],
                     $7::bigint[], $8::bigint[], $9::bigint[], $10::bigint[], $11::bigint[], $12::bytea[], $13::text[],
                     $14::bigint[])
                 ON CONFLICT (dedup_key) WHERE dedup_key IS NOT NULL AND status <> 'resolved' DO NOTHING
                 RETURNING id),
             numbered AS (
                 INSERT INTO incident_numbers (number, incident_id)
                 SELECT drawn.number, written.id
                 FROM unnest($1::bytea[], $15::bigint[]) AS drawn (id, number) JOIN written ON written.id = drawn.id
                 WHERE drawn.number IS NOT NULL)
             SELECT id FROM written",
        values: vec![
            Box::new(columns.ids),
            Box::new(columns.titles),
            Box::new(columns.descriptions),
            Box::new(columns.statuses),
            Box::new(columns.severities),
            Box::new(columns.assignee_ids),
            Box::new(columns.escalation_steps_fired),
            Box::new(columns.escalate_at),
            Box::new(columns.updated_at),
            Box::new(columns.acknowledged_at),
            Box::new(columns.resolved_at),
            Box::new(service_ids),
            Box::new(dedup_keys),
            Box::new(created_at),
            Box::new(numbers),
        ],
    }
}

/// Writes what transitions and edits change of incidents that are locked, each with the status it is expected to have.
pub async fn update(
    connection: &Connection,
    incidents: &[&Incident],
    expected: &[IncidentStatus],
) -> StoreResult<()> {
    if incidents.is_empty() {
        return Ok(());
    }
    let columns = Columns::new(incidents);
    let expected: Vec<&str> = expected.iter().map(|status| status.as_str()).collect();
    let changed = connection
        .count_or_refuse(
            "UPDATE incidents i SET title = new.title, description = new.description, status = new.status,
                 severity = new.severity, assignee_id = new.assignee_id,
                 escalation_steps_fired = new.escalation_steps_fired, escalate_at = new.escalate_at,
                 updated_at = new.updated_at, acknowledged_at = new.acknowledged_at, resolved_at = new.resolved_at
             FROM unnest($1::bytea[], $2::text[], $3::text[], $4::text[], $5::text[], $6::bytea[], $7::bigint[],
                 $8::bigint[], $9::bigint[], $10::bigint[], $11::bigint[], $12::text[])
                 AS new (id, title, description, status, severity, assignee_id, escalation_steps_fired, escalate_at,
                     updated_at, acknowledged_at, resolved_at, expected)
             WHERE i.id = new.id AND i.status = new.expected",
            &[
                &columns.ids,
                &columns.titles,
                &columns.descriptions,
                &columns.statuses,
                &columns.severities,
                &columns.assignee_ids,
                &columns.escalation_steps_fired,
                &columns.escalate_at,
                &columns.updated_at,
                &columns.acknowledged_at,
                &columns.resolved_at,
                &expected,
            ],
            ConstraintRefusal {
                taken: StoreError::Conflict("an open incident has the same dedup key".into()),
                unknown: StoreError::UnknownReference { what: "user" },
            },
        )
        .await?;
    match usize::try_from(changed) {
        Ok(changed) if changed == incidents.len() => Ok(()),
        Ok(_) | Err(_) => Err(StoreError::Corrupt(
            "an incident changed within a transaction".into(),
        )),
    }
}

/// What is written of incidents whether they are new or not, a column each.
struct Columns<'a> {
    ids: Vec<&'a [u8]>,
    titles: Vec<&'a str>,
    descriptions: Vec<Option<&'a str>>,
    statuses: Vec<&'static str>,
    severities: Vec<&'static str>,
    assignee_ids: Vec<Option<&'a [u8]>>,
    escalation_steps_fired: Vec<i64>,
    escalate_at: Vec<Option<i64>>,
    updated_at: Vec<i64>,
    acknowledged_at: Vec<Option<i64>>,
    resolved_at: Vec<Option<i64>>,
}

impl<'a> Columns<'a> {
    fn new(incidents: &[&'a Incident]) -> Self {
        fn column<'a, T>(incidents: &[&'a Incident], read: impl Fn(&'a Incident) -> T) -> Vec<T> {
            incidents.iter().map(|incident| read(incident)).collect()
        }
        Self {
            ids: column(incidents, |of| &of.id.as_bytes()[..]),
            titles: column(incidents, |of| of.title.as_str()),
            descriptions: column(incidents, |of| of.description.as_deref()),
            statuses: column(incidents, |of| of.status.as_str()),
            severities: column(incidents, |of| of.severity.as_str()),
            assignee_ids: column(incidents, |of| {
                of.assignee.as_ref().map(|user| &user.id.as_bytes()[..])
            }),
            escalation_steps_fired: column(incidents, |of| i64::from(of.escalation_steps_fired)),
            escalate_at: column(incidents, |of| of.escalate_at.map(Timestamp::as_millis)),
            updated_at: column(incidents, |of| of.updated_at.as_millis()),
            acknowledged_at: column(incidents, |of| of.acknowledged_at.map(Timestamp::as_millis)),
            resolved_at: column(incidents, |of| of.resolved_at.map(Timestamp::as_millis)),
        }
    }
}

/// Reads users as incidents name them.
pub async fn load_users(connection: &Connection, ids: &[UserId]) -> StoreResult<Vec<UserRef>> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let ids: Vec<&[u8]> = ids.iter().map(|id| &id.as_bytes()[..]).collect();
    let sql = "SELECT id, name FROM users WHERE id = ANY($1::bytea[])";
    let from_row = |row: &Row| {
        Ok(UserRef {
            id: UserId::from_bytes(bytes(row, "id")?),
            name: value(row, "name")?,
        })
    };
    connection.read_all(sql, &[&ids], from_row).await
}

/// Reads an incident.
pub fn incident_from_row(row: &Row) -> StoreResult<Incident> {
    let assignee_name: Option<String> = value(row, "assignee_name")?;
    let assignee = optional_id(row, "assignee_id")?.zip(assignee_name);
    Ok(Incident {
        id: IncidentId::from_bytes(bytes(row, "id")?),
        number: number_from_row(row)?,
        title: value(row, "title")?,
        description: value(row, "description")?,
        status: parsed(row, "status", IncidentStatus::parse)?,
        severity: parsed(row, "severity", Severity::parse)?,
        service: ServiceRef {
            id: ServiceId::from_bytes(bytes(row, "service_id")?),
            name: value(row, "service_name")?,
        },
        assignee: assignee.map(|(id, name)| UserRef {
            id: UserId::from_bytes(id),
            name,
        }),
        dedup_key: value(row, "dedup_key")?,
        escalation_steps_fired: number(row, "escalation_steps_fired")?,
        escalate_at: optional_time(row, "escalate_at")?,
        created_at: time(row, "created_at")?,
        updated_at: time(row, "updated_at")?,
        acknowledged_at: optional_time(row, "acknowledged_at")?,
        resolved_at: optional_time(row, "resolved_at")?,
    })
}

fn stored_from_row(row: &Row) -> StoreResult<StoredIncident> {
    Ok(StoredIncident {
        incident: incident_from_row(row)?,
        policy_id: optional_id(row, "policy_id")?.map(PolicyId::from_bytes),
    })
}
