//! Activity: one row for each webhook, period and run of a node. A node changes only its own.

use tokio_postgres::Row;
use tokio_postgres::types::ToSql;

use model::activity::{Activity, Histogram};
use model::id::WebhookId;
use model::time::Timestamp;
use store::StoreResult;
use store::activity_plan::Tally;

use super::columns::{bytes, number, time, value};
use super::connection::{Connection, LastStatement};

/// Every webhook's rows of a time, oldest first.
pub async fn list(connection: &Connection, since: Timestamp, until: Timestamp) -> StoreResult<Vec<Activity>> {
    let sql =
        "SELECT period_at, webhook_id, delivered, retried, dead, attempt_times, delivery_times FROM activity_of_nodes
         WHERE period_at >= $1 AND period_at < $2
         UNION ALL
         SELECT period_at, webhook_id, delivered, retried, dead, attempt_times, delivery_times FROM activity
         WHERE period_at >= $1 AND period_at < $2 ORDER BY period_at, webhook_id";
    let rows = connection
        .read_all(sql, &[&since.as_millis(), &until.as_millis()], activity_from_row)
        .await?;
    Ok(add_up(rows))
}

/// One row for each webhook and period, out of sorted ones of several nodes.
fn add_up(rows: Vec<Activity>) -> Vec<Activity> {
    let mut sums: Vec<Activity> = Vec::with_capacity(rows.len());
    for row in rows {
        match sums.last_mut() {
            Some(sum) if (sum.period_at, sum.webhook_id) == (row.period_at, row.webhook_id) => {
                sum.merge(&row)
            }
            Some(_) | None => sums.push(row),
        }
    }
    sums
}

/// Locks this node's rows of the webhooks that a batch is of, and makes those that are not there. The tally goes on from them.
pub async fn lock(connection: &Connection, tally: &Tally, node: i64) -> StoreResult<Vec<Activity>> {
    let webhooks: Vec<WebhookId> = tally.webhooks().collect();
    if webhooks.is_empty() {
        return Ok(Vec::new());
    }
    let ids: Vec<&[u8]> = webhooks.iter().map(|id| &id.as_bytes()[..]).collect();
    let kept = lock_rows(connection, tally.period_at(), &ids, node).await?;
    if kept.len() == ids.len() {
        return Ok(kept);
    }
    let sql =
        "INSERT INTO activity_of_nodes (period_at, webhook_id, node, delivered, retried, dead, attempt_times,
                   delivery_times)
               SELECT $1, new.id, $4, 0, 0, 0, $3, $3 FROM unnest($2::bytea[]) AS new (id)
               ON CONFLICT (period_at, webhook_id, node) DO NOTHING";
    let none = Histogram::default().to_bytes();
    connection
        .execute(sql, &[&tally.period_at().as_millis(), &ids, &none, &node])
        .await?;
    lock_rows(connection, tally.period_at(), &ids, node).await
}

async fn lock_rows(
    connection: &Connection,
    period_at: Timestamp,
    ids: &[&[u8]],
    node: i64,
) -> StoreResult<Vec<Activity>> {
    let sql =
        "SELECT period_at, webhook_id, delivered, retried, dead, attempt_times, delivery_times FROM activity_of_nodes
         WHERE period_at = $1 AND webhook_id = ANY($2::bytea[]) AND node = $3 ORDER BY webhook_id FOR NO KEY UPDATE";
    connection
        .read_all(sql, &[&period_at.as_millis(), &ids, &node], activity_from_row)
        .await
}

/// Writes rows that are locked.
pub fn write(tally: &Tally, node: i64) -> Option<LastStatement<'static>> {
    let changed: Vec<&Activity> = tally.changed().collect();
    if changed.is_empty() {
        return None;
    }
    fn column<T: ToSql + Sync + Send + 'static>(
        changed: &[&Activity],
        read: impl Fn(&Activity) -> T,
    ) -> Box<dyn ToSql + Sync + Send> {
        Box::new(changed.iter().map(|of| read(of)).collect::<Vec<T>>())
    }
    let signed = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
    Some(LastStatement {
        sql:
            "UPDATE activity_of_nodes a SET delivered = new.delivered, retried = new.retried, dead = new.dead,
                  attempt_times = new.attempt_times, delivery_times = new.delivery_times
              FROM unnest($3::bytea[], $4::bigint[], $5::bigint[], $6::bigint[], $7::bytea[], $8::bytea[])
                  AS new (webhook_id, delivered, retried, dead, attempt_times, delivery_times)
              WHERE a.period_at = $1 AND a.node = $2 AND a.webhook_id = new.webhook_id",
        values: vec![
            Box::new(tally.period_at().as_millis()),
            Box::new(node),
            column(&changed, |of| of.webhook_id.as_bytes().to_vec()),
            column(&changed, |of| signed(of.delivered)),
            column(&changed, |of| signed(of.retried)),
            column(&changed, |of| signed(of.dead)),
            column(&changed, |of| of.attempt_times.to_bytes()),
            column(&changed, |of| of.delivery_times.to_bytes()),
        ],
    })
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
