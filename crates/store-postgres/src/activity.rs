//! Activity: one row for each webhook and period.

use tokio_postgres::Row;

use model::activity::{Activity, Histogram};
use model::id::WebhookId;
use model::time::Timestamp;
use store::StoreResult;

use super::columns::{bytes, number, time, value};
use super::connection::Connection;

/// Every webhook's rows since a time, oldest first.
pub async fn list(connection: &Connection, since: Timestamp) -> StoreResult<Vec<Activity>> {
    let sql =
        "SELECT period_at, webhook_id, delivered, retried, dead, attempt_times, delivery_times FROM activity
               WHERE period_at >= $1 ORDER BY period_at, webhook_id";
    connection
        .read_all(sql, &[&since.as_millis()], activity_from_row)
        .await
}

fn activity_from_row(row: &Row) -> StoreResult<Activity> {
    Ok(Activity {
        webhook_id: WebhookId::from_bytes(bytes(row, "webhook_id")?),
        period_at: time(row, "period_at")?,
        delivered: number(row, "delivered")?,
        retried: number(row, "retried")?,
        dead: number(row, "dead")?,
        attempt_times: Histogram::from_bytes(value(row, "attempt_times")?),
        delivery_times: Histogram::from_bytes(value(row, "delivery_times")?),
    })
}
