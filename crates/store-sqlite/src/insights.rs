//! What is counted of incidents: changes, written in the transaction of the events that make them, and the days that they are
//! folded into.

use std::time::Duration;

use rusqlite::types::Value;
use rusqlite::{Connection, Row};

use model::id::ServiceId;
use model::insight::{DayCounts, InsightChange, InsightDay, Measure};
use model::time::Timestamp;
use store::StoreResult;
use store::insight_plan::{FOLD_BATCH, InsightTally, days_of, fold};

use super::columns::{id_bytes, time, unexpected};
use super::statements::{execute, read_all, read_one, snapshot};

/// Writes the changes of a transaction.
pub fn write(connection: &Connection, tally: &InsightTally) -> StoreResult<()> {
    for (id, part, change) in tally.rows() {
        execute(
            connection,
            "INSERT INTO insight_changes (id, part, at, service_id, measure, took_ms, count)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
            (
                id,
                part,
                change.at.as_millis(),
                change.service_id.as_bytes(),
                change.measure.as_str(),
                i64::try_from(change.measure.took().as_millis()).unwrap_or(i64::MAX),
                change.count,
            ),
        )?;
    }
    Ok(())
}

/// The days that begin within a time, with every change, whether it is folded or not.
pub fn days(
    connection: &Connection,
    since: Timestamp,
    until: Timestamp,
    service_id: Option<ServiceId>,
) -> StoreResult<Vec<InsightDay>> {
    let snapshot = snapshot(connection)?;
    let service = service_id.map_or(Value::Null, |id| Value::Blob(id.as_bytes().to_vec()));
    let bounds = (since.as_millis(), until.as_millis(), service);
    let days = read_all(
        &snapshot,
        "SELECT day_at, service_id, counts FROM insight_days
         WHERE day_at >= ?1 AND day_at < ?2 AND (?3 IS NULL OR service_id = ?3)",
        bounds.clone(),
        day_from_row,
    )?;
    let changes = read_all(
        &snapshot,
        "SELECT at, service_id, measure, took_ms, count FROM insight_changes
         WHERE at >= ?1 AND at < ?2 AND (?3 IS NULL OR service_id = ?3)",
        bounds,
        change_from_row,
    )?;
    Ok(fold(days, &changes))
}

/// Folds a batch of changes into their days; says how many.
pub fn fold_batch(connection: &Connection) -> StoreResult<u64> {
    let changes = read_all(
        connection,
        "DELETE FROM insight_changes WHERE (id, part) IN
             (SELECT id, part FROM insight_changes ORDER BY at LIMIT ?1)
         RETURNING at, service_id, measure, took_ms, count",
        [FOLD_BATCH],
        change_from_row,
    )?;
    let mut days = Vec::new();
    for (day_at, service_id) in days_of(&changes) {
        days.extend(read_one(
            connection,
            "SELECT day_at, service_id, counts FROM insight_days WHERE day_at = ?1 AND service_id = ?2",
            (day_at.as_millis(), service_id.as_bytes()),
            day_from_row,
        )?);
    }
    for day in fold(days, &changes) {
        execute(
            connection,
            "INSERT INTO insight_days (day_at, service_id, counts) VALUES (?1, ?2, ?3)
             ON CONFLICT (day_at, service_id) DO UPDATE SET counts = excluded.counts",
            (
                day.day_at.as_millis(),
                day.service_id.as_bytes(),
                day.counts.to_bytes(),
            ),
        )?;
    }
    Ok(changes.len() as u64)
}

fn day_from_row(row: &Row<'_>) -> rusqlite::Result<InsightDay> {
    Ok(InsightDay {
        day_at: time(row, "day_at")?,
        service_id: ServiceId::from_bytes(id_bytes(row, "service_id")?),
        counts: DayCounts::from_bytes(row.get_ref("counts")?.as_blob()?),
    })
}

fn change_from_row(row: &Row<'_>) -> rusqlite::Result<InsightChange> {
    let took = Duration::from_millis(row.get::<_, i64>("took_ms")?.unsigned_abs());
    Ok(InsightChange {
        at: time(row, "at")?,
        service_id: ServiceId::from_bytes(id_bytes(row, "service_id")?),
        measure: Measure::parse(row.get_ref("measure")?.as_str()?, took)
            .ok_or_else(|| unexpected("measure"))?,
        count: row.get("count")?,
    })
}
