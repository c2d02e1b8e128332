//! Activity: one row for each webhook and period.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use rusqlite::{Connection, Row};

use model::activity::{Activity, Histogram, period_of};
use model::attempt::Outcome;
use model::id::WebhookId;
use model::time::Timestamp;
use store::StoreResult;
use store::queue::AttemptRecord;

use super::columns::{id_bytes, time};
use super::statements::{execute, read_all, read_one};

/// The rows that a batch of attempts counts into. They are read before the batch changes anything, and written once at
/// its end: one row for each webhook, however many attempts there are.
pub struct Tally {
    rows: HashMap<WebhookId, Counted>,
}

struct Counted {
    activity: Activity,
    has_changed: bool,
}

impl Tally {
    /// Reads the present rows of the webhooks that a batch is about.
    pub fn read(connection: &Connection, records: &[AttemptRecord], now: Timestamp) -> StoreResult<Self> {
        let period_at = period_of(now);
        let mut rows = HashMap::new();
        for record in records.iter().filter(|record| !record.is_test) {
            if let Entry::Vacant(entry) = rows.entry(record.webhook_id) {
                let kept = find(connection, period_at, record.webhook_id)?;
                entry.insert(Counted {
                    activity: kept.unwrap_or_else(|| Activity::none(record.webhook_id, period_at)),
                    has_changed: false,
                });
            }
        }
        Ok(Self { rows })
    }

    /// Counts an attempt that was applied. Tests do not count, and neither do requests that have others follow.
    pub fn count(&mut self, record: &AttemptRecord) {
        let row = self.rows.get_mut(&record.webhook_id);
        let is_step = record.attempt.outcome == Outcome::Step;
        let Some(row) = row.filter(|_| !record.is_test && !is_step) else {
            return;
        };
        let attempt = &record.attempt;
        let attempt_us = attempt.timings.total_us;
        let waited = attempt.started_at.since(record.delivery_created_at);
        let waited_us = u64::try_from(waited.as_micros()).unwrap_or(u64::MAX);
        row.activity
            .count(record.next_step, attempt_us, waited_us.saturating_add(attempt_us));
        row.has_changed = true;
    }

    /// Writes the rows that something was counted into.
    pub fn write(&self, connection: &Connection) -> StoreResult<()> {
        self.rows
            .values()
            .filter(|row| row.has_changed)
            .try_for_each(|row| write(connection, &row.activity))
    }
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

/// Every webhook's rows since a time, oldest first.
pub fn list(connection: &Connection, since: Timestamp) -> StoreResult<Vec<Activity>> {
    read_all(
        connection,
        "SELECT period_at, webhook_id, delivered, retried, dead, attempt_times, delivery_times FROM activity
         WHERE period_at >= ?1 ORDER BY period_at, webhook_id",
        [since.as_millis()],
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
