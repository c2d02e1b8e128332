//! The short numbers of incidents. They are drawn before the incidents are written: the answer that tells a number is kept in
//! the same transaction, and the incidents travel with its COMMIT.

use std::collections::HashMap;

use tokio_postgres::Row;

use model::id::IncidentId;
use model::incident_number::IncidentNumber;
use store::{StoreError, StoreResult};

use super::columns::{bytes, optional_number, unexpected};
use super::connection::Connection;
use super::transitions::Request;

/// Numbers by the incidents that have them.
pub type Numbers = HashMap<IncidentId, IncidentNumber>;

/// Draws a number for each trigger, but where an open incident has its dedup key: a storm of repeats should not use them up.
/// A number that is drawn in vain is a gap.
pub async fn draw<'a>(
    connection: &Connection,
    requests: impl Iterator<Item = &'a Request>,
) -> StoreResult<Numbers> {
    let triggers = requests.filter_map(|request| match request {
        Request::Trigger(trigger) => Some((trigger.incident_id, trigger.dedup_key.as_deref())),
        Request::Transition(_) | Request::Escalation { .. } => None,
    });
    let (ids, keys): (Vec<IncidentId>, Vec<Option<&str>>) = triggers.unzip();
    if ids.is_empty() {
        return Ok(Numbers::new());
    }
    let sql = "SELECT CASE WHEN k.key IS NULL OR (SELECT i.id FROM incidents i
                       WHERE i.dedup_key = k.key AND i.status <> 'resolved' LIMIT 1) IS NULL
                   THEN nextval(pg_get_serial_sequence('incident_numbers', 'number')) END AS incident_number
               FROM unnest($1::text[]) AS k (key)";
    let drawn = connection.read_all(sql, &[&keys], number_from_row).await?;
    let drawn = ids.into_iter().zip(drawn);
    Ok(drawn.filter_map(|(id, number)| Some((id, number?))).collect())
}

/// The numbers that incidents have.
pub async fn of(connection: &Connection, ids: &[IncidentId]) -> StoreResult<Numbers> {
    if ids.is_empty() {
        return Ok(Numbers::new());
    }
    let ids: Vec<&[u8]> = ids.iter().map(|id| &id.as_bytes()[..]).collect();
    let sql = "SELECT incident_id, number AS incident_number FROM incident_numbers WHERE incident_id = ANY($1::bytea[])";
    let from_row = |row: &Row| {
        Ok((
            IncidentId::from_bytes(bytes(row, "incident_id")?),
            number_from_row(row)?,
        ))
    };
    let found = connection.read_all(sql, &[&ids], from_row).await?.into_iter();
    Ok(found.filter_map(|(id, number)| Some((id, number?))).collect())
}

/// The incident with a number.
pub async fn find(connection: &Connection, number: IncidentNumber) -> StoreResult<IncidentId> {
    let sql = "SELECT incident_id FROM incident_numbers WHERE number = $1";
    let from_row = |row: &Row| bytes(row, "incident_id").map(IncidentId::from_bytes);
    let found = connection.read_one(sql, &[&number.get()], from_row).await?;
    found.ok_or(StoreError::NotFound { what: "incident" })
}

/// The number in the column `incident_number`, if the row has one.
pub fn number_from_row(row: &Row) -> StoreResult<Option<IncidentNumber>> {
    let number: Option<i64> = optional_number(row, "incident_number")?;
    let read = |number| IncidentNumber::new(number).ok_or_else(|| unexpected("incident number"));
    number.map(read).transpose()
}
