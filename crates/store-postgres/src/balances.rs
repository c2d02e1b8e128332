//! The balance of each webhook: what was accepted for it, and what of that is found. Every delivery is read.

use tokio_postgres::Row;

use model::id::WebhookId;
use store::StoreResult;
use store::upkeep::Balance;

use super::columns::{bytes, number};
use super::connection::Connection;

/// One statement, so that the counts are of one moment.
pub async fn draw(connection: &Connection) -> StoreResult<Vec<Balance>> {
    let sql = "SELECT w.id, coalesce(l.accepted, 0) AS accepted, coalesce(l.pruned, 0) AS pruned,
             count(*) FILTER (WHERE d.state = 'delivered') AS delivered,
             count(*) FILTER (WHERE d.state IN ('scheduled', 'queued', 'claimed')) AS open,
             count(*) FILTER (WHERE d.state = 'dead' AND d.ended_as IS NULL) AS dead,
             count(*) FILTER (WHERE d.state = 'dead' AND d.ended_as = 'superseded') AS superseded,
             count(*) FILTER (WHERE d.state = 'dead' AND d.ended_as = 'expired') AS expired
         FROM webhooks w
         LEFT JOIN ledger l ON l.webhook_id = w.id
         LEFT JOIN deliveries d ON d.webhook_id = w.id AND NOT d.is_test
         GROUP BY w.id, l.accepted, l.pruned ORDER BY w.id";
    connection.read_all(sql, &[], balance_from_row).await
}

fn balance_from_row(row: &Row) -> StoreResult<Balance> {
    Ok(Balance {
        webhook_id: WebhookId::from_bytes(bytes(row, "id")?),
        accepted: number(row, "accepted")?,
        pruned: number(row, "pruned")?,
        delivered: number(row, "delivered")?,
        open: number(row, "open")?,
        dead: number(row, "dead")?,
        superseded: number(row, "superseded")?,
        expired: number(row, "expired")?,
    })
}

/// How many deliveries there should be.
pub async fn kept(connection: &Connection) -> StoreResult<u64> {
    let sql = "SELECT greatest(coalesce(sum(accepted) - sum(pruned), 0), 0)::bigint AS kept FROM ledger";
    let kept = connection.read_one(sql, &[], |row| number(row, "kept")).await?;
    Ok(kept.unwrap_or(0))
}
