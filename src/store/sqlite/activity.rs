//! Activity: one row for each webhook and period.

use rusqlite::{Connection, Row};

use crate::model::activity::{Activity, Histogram};
use crate::model::id::WebhookId;
use crate::model::time::Timestamp;
use crate::store::StoreResult;

use super::columns::{id_bytes, time};
use super::statements::read_all;

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

fn histogram(row: &Row<'_>, column: &str) -> rusqlite::Result<Histogram> {
    Ok(Histogram::from_bytes(row.get_ref(column)?.as_blob()?))
}
