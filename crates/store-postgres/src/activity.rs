//! Activity: one row for each webhook and period.

use tokio_postgres::Row;

use model::activity::{Activity, Histogram};
use model::id::WebhookId;
use model::time::Timestamp;
use store::StoreResult;
use store::activity_plan::Tally;
use store::queue::AttemptRecord;

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

/// Counts attempts that were applied. Other nodes count into the same rows: each is locked from here to the commit, so this
/// comes last.
pub async fn count(connection: &Connection, applied: &[&AttemptRecord], now: Timestamp) -> StoreResult<()> {
    let mut tally = Tally::new(applied.iter().copied(), now);
    let webhooks: Vec<WebhookId> = tally.webhooks().collect();
    if webhooks.is_empty() {
        return Ok(());
    }
    let mut kept = lock(connection, tally.period_at(), &webhooks).await?;
    if kept.len() < webhooks.len() {
        insert(connection, tally.period_at(), &webhooks).await?;
        kept = lock(connection, tally.period_at(), &webhooks).await?;
    }
    for activity in kept {
        tally.take_in(activity);
    }
    for record in applied {
        tally.count(record);
    }
    update(connection, &tally).await
}

async fn lock(
    connection: &Connection,
    period_at: Timestamp,
    webhooks: &[WebhookId],
) -> StoreResult<Vec<Activity>> {
    let sql =
        "SELECT period_at, webhook_id, delivered, retried, dead, attempt_times, delivery_times FROM activity
         WHERE period_at = $1 AND webhook_id = ANY($2::bytea[]) ORDER BY webhook_id FOR NO KEY UPDATE";
    let ids: Vec<&[u8]> = webhooks.iter().map(|id| &id.as_bytes()[..]).collect();
    connection
        .read_all(sql, &[&period_at.as_millis(), &ids], activity_from_row)
        .await
}

/// The rows of a new period, with nothing counted yet.
async fn insert(connection: &Connection, period_at: Timestamp, webhooks: &[WebhookId]) -> StoreResult<()> {
    let sql = "INSERT INTO activity (period_at, webhook_id, delivered, retried, dead, attempt_times, delivery_times)
               SELECT $1, new.id, 0, 0, 0, $3, $3 FROM unnest($2::bytea[]) AS new (id)
               ON CONFLICT (period_at, webhook_id) DO NOTHING";
    let ids: Vec<&[u8]> = webhooks.iter().map(|id| &id.as_bytes()[..]).collect();
    let none = Histogram::default().to_bytes();
    connection
        .execute(sql, &[&period_at.as_millis(), &ids, &none])
        .await
        .map(|_| ())
}

async fn update(connection: &Connection, tally: &Tally) -> StoreResult<()> {
    let changed: Vec<&Activity> = tally.changed().collect();
    let signed = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
    let ids: Vec<&[u8]> = changed.iter().map(|of| &of.webhook_id.as_bytes()[..]).collect();
    let delivered: Vec<i64> = changed.iter().map(|of| signed(of.delivered)).collect();
    let retried: Vec<i64> = changed.iter().map(|of| signed(of.retried)).collect();
    let dead: Vec<i64> = changed.iter().map(|of| signed(of.dead)).collect();
    let attempt_times: Vec<Vec<u8>> = changed.iter().map(|of| of.attempt_times.to_bytes()).collect();
    let delivery_times: Vec<Vec<u8>> = changed.iter().map(|of| of.delivery_times.to_bytes()).collect();
    let sql = "UPDATE activity a SET delivered = new.delivered, retried = new.retried, dead = new.dead,
                   attempt_times = new.attempt_times, delivery_times = new.delivery_times
               FROM unnest($2::bytea[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bytea[], $7::bytea[])
                   AS new (webhook_id, delivered, retried, dead, attempt_times, delivery_times)
               WHERE a.period_at = $1 AND a.webhook_id = new.webhook_id";
    let period_at = tally.period_at().as_millis();
    connection
        .execute_all(
            changed.len(),
            sql,
            &[
                &period_at,
                &ids,
                &delivered,
                &retried,
                &dead,
                &attempt_times,
                &delivery_times,
            ],
        )
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
