//! The short numbers of incidents. The next one is given by the row itself, in the transaction that makes the incident.

use rusqlite::{Connection, Result, Row};

use model::id::IncidentId;
use model::incident_number::IncidentNumber;
use store::{StoreError, StoreResult};

use super::columns::unexpected;
use super::statements::{execute, read_one};

/// Gives a new incident the number behind the last one: no row of the table is ever deleted. The number is the row's place,
/// which needs no `RETURNING`: SQLite would make a table for it, each time.
pub fn give(connection: &Connection, id: IncidentId) -> StoreResult<IncidentNumber> {
    let sql = "INSERT INTO incident_numbers (incident_id) VALUES (?1)";
    execute(connection, sql, [id.as_bytes()])?;
    let missing = || StoreError::Corrupt("an incident got no number".into());
    IncidentNumber::new(connection.last_insert_rowid()).ok_or_else(missing)
}

/// The incident with a number.
pub fn find(connection: &Connection, number: IncidentNumber) -> StoreResult<IncidentId> {
    let sql = "SELECT incident_id FROM incident_numbers WHERE number = ?1";
    let found = read_one(connection, sql, [number.get()], |row| {
        row.get(0).map(IncidentId::from_bytes)
    })?;
    found.ok_or(StoreError::NotFound { what: "incident" })
}

/// The number in a column, if the row has one.
pub fn number_from_row(row: &Row<'_>, column: usize) -> Result<Option<IncidentNumber>> {
    let number: Option<i64> = row.get(column)?;
    let read = |number| IncidentNumber::new(number).ok_or_else(|| unexpected("incident number"));
    number.map(read).transpose()
}
