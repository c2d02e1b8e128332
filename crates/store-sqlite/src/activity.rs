//! Activity: one row for each webhook and period.

use rusqlite::{Connection, Row};

use model::activity::{Activity, Histogram};
use model::id::WebhookId;
use model::time::Timestamp;
use store::StoreResult;
use store::activity_plan::Tally;
use store::queue::AttemptRecord;

use super::columns::{id_bytes, time};
use super::statements::{execute, read_all, read_one};

/// A tally of a batch with the present rows of the webhooks that it is about.
pub fn read_tally(connection: &Connection, records: &[AttemptRecord], now: Timestamp) -> StoreResult<Tally> {
    let mut tally = Tally::new(records, now);
    let webhooks: Vec<_> = tally.webhooks().collect();
    for webhook_id in webhooks {
        if let Some(kept) = find(connection, tally.period_at(), webhook_id)? {
            tally.take_in(kept);
        }
    }
    Ok(tally)
}

/// Writes the rows that something was counted into.
pub fn write_tally(connection: &Connection, tally: &Tally) -> StoreResult<()> {
    tally
        .changed()
        .try_for_each(|activity| write(connection, activity))
}

fn find(
    connection: &Connection,
    period_at: Timestamp,
    webhook_id: WebhookId,
) -> StoreResult<Option<Activity>> {
    read_one(
        connection,
        "SELECT period_at, webhook_id, delivered, retried, dead, attempt_times, delivery_times FROM activity
         WHERE period_at = ?1 AND webhook_id = ?2",
        (period_at.as_millis(), webhook_id.as_bytes()),
        activity_from_row,
    )
}

fn write(connection: &Connection, activity: &Activity) -> StoreResult<()> {
    execute(
        connection,
        "INSERT INTO activity (period_at, webhook_id, delivered, retried, dead, attempt_times, delivery_times)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
         ON CONFLICT (period_at, webhook_id) DO UPDATE SET delivered = excluded.delivered,
             retried = excluded.retried, dead = excluded.dead, attempt_times = excluded.attempt_times,
             delivery_times = excluded.delivery_times",
        (
            activity.period_at.as_millis(),
            activity.webhook_id.as_bytes(),
            signed(activity.delivered),
            signed(activity.retried),
            signed(activity.dead),
            activity.attempt_times.to_bytes(),
            activity.delivery_times.to_bytes(),
        ),
    )
    .map(|_| ())
}

/// Every webhook's rows of a time, oldest first.
pub fn list(connection: &Connection, since: Timestamp, until: Timestamp) -> StoreResult<Vec<Activity>> {
    read_all(
        connection,
        "SELECT period_at, webhook_id, delivered, retried, dead, attempt_times, delivery_times FROM activity
         WHERE period_at >= ?1 AND period_at < ?2 ORDER BY period_at, webhook_id",
        (since.as_millis(), until.as_millis()),
        activity_from_row,
    )
}

fn activity_from_row(row: &Row<'_>) -> rusqlite::Result<Activity> {
    Ok(Activity {
        webhook_id: WebhookId::from_bytes(id_bytes(row, "webhook_id")?),
        period_at: time(row, "period_at")?,
        delivered: row.get::<_, i64>("delivered")?.unsigned_abs(),
        retried: row.get::<_, i64>("retried")?.unsigned_abs(),
        dead: row.get::<_, i64>("dead")?.unsigned_abs(),
        attempt_times: histogram(row, "attempt_times")?,
        delivery_times: histogram(row, "delivery_times")?,
    })
}

fn signed(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

fn histogram(row: &Row<'_>, column: &str) -> rusqlite::Result<Histogram> {
    Ok(Histogram::from_bytes(row.get_ref(column)?.as_blob()?))
}
