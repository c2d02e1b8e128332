//! The event feed.

use async_trait::async_trait;
use bytes::Bytes;
use tokio_postgres::Row;

use model::audit::Actor;
use model::event::{Event, EventType};
use model::id::{EventId, IncidentId};
use store::StoreError;
use store::StoreResult;
use store::events::Events;

use super::columns::{bytes, number, parsed, time, value};
use super::connection::Connection;
use super::database::Database;
use super::incident_numbers::number_from_row;

#[async_trait]
impl Events for Database {
    async fn list_after(&self, sequence: i64, limit: u32) -> StoreResult<Vec<Event>> {
        let sql = "SELECT sequence, id, name, at, incident_id, actor, is_test, body,
                       (SELECT n.number FROM incident_numbers n WHERE n.incident_id = events.incident_id) AS incident_number
                   FROM events WHERE sequence > $1 AND NOT is_test AND operational IS NULL ORDER BY sequence LIMIT $2";
        let connection = self.connection().await?;
        connection
            .read_all(sql, &[&sequence, &i64::from(limit)], event_from_row)
            .await
    }

    async fn latest_sequence(&self) -> StoreResult<i64> {
        // From the end of the table: past a few tests and operational events at most.
        let sql = "SELECT sequence FROM events WHERE NOT is_test AND operational IS NULL
                   ORDER BY sequence DESC LIMIT 1";
        let connection = self.connection().await?;
        let latest = connection
            .read_one(sql, &[], |row| number(row, "sequence"))
            .await?;
        Ok(latest.unwrap_or(0))
    }
}

/// Reads one event, test or not.
pub async fn load(connection: &Connection, sequence: i64) -> StoreResult<Event> {
    let found = load_all(connection, &[sequence]).await?.pop();
    found.ok_or_else(|| gone(sequence))
}

/// Reads events, tests or not, in no order.
pub async fn load_all(connection: &Connection, sequences: &[i64]) -> StoreResult<Vec<Event>> {
    let sql = "SELECT sequence, id, coalesce(operational, name) AS name, at, incident_id, actor, is_test, body,
                   (SELECT n.number FROM incident_numbers n WHERE n.incident_id = events.incident_id) AS incident_number
               FROM events WHERE sequence = ANY($1::bigint[])";
    connection.read_all(sql, &[&sequences], event_from_row).await
}

/// A delivery without its event.
pub fn gone(sequence: i64) -> StoreError {
    StoreError::Corrupt(format!("a delivery's event {sequence} is gone"))
}

/// An event.
pub fn event_from_row(row: &Row) -> StoreResult<Event> {
    let event_type = parsed(row, "name", EventType::parse)?;
    Ok(Event {
        sequence: number(row, "sequence")?,
        id: EventId::from_bytes(bytes(row, "id")?),
        name: event_type.shown_as(),
        operational: event_type.operational(),
        at: time(row, "at")?,
        incident_id: IncidentId::from_bytes(bytes(row, "incident_id")?),
        incident_number: number_from_row(row)?,
        actor: parsed(row, "actor", |text| Some(Actor::decode(text)))?,
        is_test: value(row, "is_test")?,
        body: Bytes::copy_from_slice(value(row, "body")?),
    })
}
