//! The event feed.

use async_trait::async_trait;
use rusqlite::{Connection, Result, Row};

use model::audit::Actor;
use model::event::{Event, EventType};
use model::id::{EventId, IncidentId};
use model::time::Timestamp;
use store::StoreError;
use store::StoreResult;
use store::body_text;
use store::events::Events;

use super::columns::unexpected;
use super::database::Database;
use super::incident_numbers::number_from_row;
use super::statements::{read_all, read_one};

#[async_trait]
impl Events for Database {
    async fn list_after(&self, sequence: i64, limit: u32) -> StoreResult<Vec<Event>> {
        self.read(move |connection| {
            let sql = "SELECT sequence, id, name, at, incident_id, actor, is_test, body,
                           (SELECT n.number FROM incident_numbers n WHERE n.incident_id = events.incident_id)
                       FROM events WHERE sequence > ?1 AND is_test = 0 AND operational IS NULL ORDER BY sequence LIMIT ?2";
            read_all(connection, sql, (sequence, limit), event_from_row)
        })
        .await
    }

    async fn latest_sequence(&self) -> StoreResult<i64> {
        self.read(|connection| {
            // From the end of the table: past a few tests and operational events at most.
            let sql = "SELECT sequence FROM events WHERE is_test = 0 AND operational IS NULL
                       ORDER BY sequence DESC LIMIT 1";
            let latest = read_one(connection, sql, (), |row| row.get(0))?;
            Ok(latest.unwrap_or(0))
        })
        .await
    }
}

/// Reads one event, test or not.
pub fn load(connection: &Connection, sequence: i64) -> StoreResult<Event> {
    let sql = "SELECT sequence, id, coalesce(operational, name), at, incident_id, actor, is_test, body,
             (SELECT n.number FROM incident_numbers n WHERE n.incident_id = events.incident_id)
         FROM events WHERE sequence = ?1";
    read_one(connection, sql, [sequence], event_from_row)?
        .ok_or_else(|| StoreError::Corrupt(format!("a delivery's event {sequence} is gone")))
}

/// An event: its columns in the order in which [`load`] reads them.
pub fn event_from_row(row: &Row<'_>) -> Result<Event> {
    let event_type = EventType::parse(row.get_ref(2)?.as_str()?).ok_or_else(|| unexpected("event"))?;
    let (at, incident_id) = (
        Timestamp::from_millis(row.get(3)?),
        IncidentId::from_bytes(row.get(4)?),
    );
    Ok(Event {
        sequence: row.get(0)?,
        id: EventId::from_bytes(row.get(1)?),
        name: event_type.shown_as(),
        operational: event_type.operational(),
        at,
        incident_id,
        incident_number: number_from_row(row, 8)?,
        actor: Actor::decode(row.get_ref(5)?.as_str()?),
        is_test: row.get(6)?,
        body: body_text::unpack(row.get_ref(7)?.as_blob()?, incident_id, at).into(),
    })
}
