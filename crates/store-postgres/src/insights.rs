//! What is counted of incidents: changes, written in the transaction of the events that make them, and the days that they are
//! folded into. A change is a new row, so that nobody waits for it; only folding, which the leader does, locks days.

use std::time::Duration;

use tokio_postgres::Row;

use model::id::ServiceId;
use model::insight::{DayCounts, InsightChange, InsightDay, Measure};
use model::time::Timestamp;
use store::StoreResult;
use store::insight_plan::{FOLD_BATCH, InsightTally, days_of, fold};

use super::columns::{bytes, number, parsed, time, value};
use super::connection::{Connection, LastStatement};

/// The statement that writes the changes of a transaction.
pub fn insertion(tally: &InsightTally) -> Option<LastStatement<'static>> {
    let rows: Vec<_> = tally.rows().collect();
    if rows.is_empty() {
        return None;
    }
    let all = || rows.iter().map(|(_, _, change)| *change);
    let took_ms = |of: &InsightChange| i64::try_from(of.measure.took().as_millis()).unwrap_or(i64::MAX);
    let ids: Vec<Vec<u8>> = rows.iter().map(|(id, _, _)| id.to_vec()).collect();
    let parts: Vec<i64> = rows.iter().map(|(_, part, _)| *part).collect();
    let services: Vec<Vec<u8>> = all().map(|of| of.service_id.as_bytes().to_vec()).collect();
    let measures: Vec<&'static str> = all().map(|of| of.measure.as_str()).collect();
    Some(LastStatement {
        sql: "INSERT INTO insight_changes (id, part, at, service_id, measure, took_ms, count)
              SELECT * FROM unnest($1::bytea[], $2::bigint[], $3::bigint[], $4::bytea[], $5::text[], $6::bigint[],
                  $7::bigint[])",
        values: vec![
            Box::new(ids),
            Box::new(parts),
            Box::new(all().map(|of| of.at.as_millis()).collect::<Vec<_>>()),
            Box::new(services),
            Box::new(measures),
            Box::new(all().map(took_ms).collect::<Vec<_>>()),
            Box::new(all().map(|of| of.count).collect::<Vec<_>>()),
        ],
    })
}

/// The days that begin within a time, with every change, whether it is folded or not. The connection is of a snapshot.
pub async fn days(
    connection: &Connection,
    since: Timestamp,
    until: Timestamp,
    service_id: Option<ServiceId>,
) -> StoreResult<Vec<InsightDay>> {
    let (since, until) = (since.as_millis(), until.as_millis());
    let service = service_id.as_ref().map(|id| &id.as_bytes()[..]);
    let days = connection
        .read_all(
            "SELECT day_at, service_id, counts FROM insight_days
             WHERE day_at >= $1 AND day_at < $2 AND ($3::bytea IS NULL OR service_id = $3)",
            &[&since, &until, &service],
            day_from_row,
        )
        .await?;
    let changes = connection
        .read_all(
            "SELECT at, service_id, measure, took_ms, count FROM insight_changes
             WHERE at >= $1 AND at < $2 AND ($3::bytea IS NULL OR service_id = $3)",
            &[&since, &until, &service],
            change_from_row,
        )
        .await?;
    Ok(fold(days, &changes))
}

/// Folds a batch of changes into their days; says how many. Two nodes may do it at once: each day is locked before it is read.
pub async fn fold_batch(connection: &Connection) -> StoreResult<u64> {
    let changes = connection
        .read_all(
            "DELETE FROM insight_changes WHERE (id, part) IN
                 (SELECT id, part FROM insight_changes ORDER BY at LIMIT $1 FOR UPDATE SKIP LOCKED)
             RETURNING at, service_id, measure, took_ms, count",
            &[&i64::from(FOLD_BATCH)],
            change_from_row,
        )
        .await?;
    if changes.is_empty() {
        return Ok(0);
    }
    let of = days_of(&changes);
    let days_at: Vec<i64> = of.iter().map(|(day_at, _)| day_at.as_millis()).collect();
    let services: Vec<&[u8]> = of.iter().map(|(_, id)| &id.as_bytes()[..]).collect();
    let sql = "INSERT INTO insight_days (day_at, service_id, counts)
               SELECT day_at, service_id, ''::bytea FROM unnest($1::bigint[], $2::bytea[]) AS new (day_at, service_id)
               ORDER BY day_at, service_id ON CONFLICT (day_at, service_id) DO NOTHING";
    connection.execute(sql, &[&days_at, &services]).await?;
    let sql = "SELECT d.day_at, d.service_id, d.counts
               FROM insight_days d JOIN unnest($1::bigint[], $2::bytea[]) AS new (day_at, service_id)
                   ON d.day_at = new.day_at AND d.service_id = new.service_id
               ORDER BY d.day_at, d.service_id FOR UPDATE OF d";
    let days = connection
        .read_all(sql, &[&days_at, &services], day_from_row)
        .await?;
    let folded = fold(days, &changes);
    let counts: Vec<Vec<u8>> = folded.iter().map(|day| day.counts.to_bytes()).collect();
    let sql = "UPDATE insight_days d SET counts = new.counts
               FROM unnest($1::bigint[], $2::bytea[], $3::bytea[]) AS new (day_at, service_id, counts)
               WHERE d.day_at = new.day_at AND d.service_id = new.service_id";
    connection
        .execute_all(folded.len(), sql, &[&days_at, &services, &counts])
        .await?;
    Ok(changes.len() as u64)
}

fn day_from_row(row: &Row) -> StoreResult<InsightDay> {
    Ok(InsightDay {
        day_at: time(row, "day_at")?,
        service_id: ServiceId::from_bytes(bytes(row, "service_id")?),
        counts: DayCounts::from_bytes(value(row, "counts")?),
    })
}

fn change_from_row(row: &Row) -> StoreResult<InsightChange> {
    let took = Duration::from_millis(number(row, "took_ms")?);
    Ok(InsightChange {
        at: time(row, "at")?,
        service_id: ServiceId::from_bytes(bytes(row, "service_id")?),
        measure: parsed(row, "measure", |name| Measure::parse(name, took))?,
        count: value(row, "count")?,
    })
}
