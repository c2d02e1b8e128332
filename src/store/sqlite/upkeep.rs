//! Keeping the file in shape. The larger parts have files of their own: `prune.rs`, `examine.rs`, `backup.rs`,
//! `rekey.rs`.

use std::path::PathBuf;

use async_trait::async_trait;
use rusqlite::{Connection, Row};

use crate::model::audit::Change;
use crate::model::exchange::FailureCode;
use crate::model::id::WebhookId;
use crate::model::time::Timestamp;
use crate::store::StoreResult;
use crate::store::upkeep::{Balance, Finding, Retention, StoreInfo, Upkeep};

use super::columns::id_bytes;
use super::database::{Database, unavailable};
use super::statements::{execute, read_all, read_one};
use super::{backup, examine, prune, rekey};

/// How many deliveries of deleted webhooks one call lets die.
const BURY_BATCH: u32 = 500;

#[async_trait]
impl Upkeep for Database {
    async fn prune(&self, retention: Retention) -> StoreResult<u64> {
        prune::prune(self, retention).await
    }

    async fn bury_deleted(&self, now: Timestamp) -> StoreResult<u64> {
        self.write(move |context| bury_deleted(context.connection, now))
            .await
    }

    async fn balance(&self) -> StoreResult<Vec<Balance>> {
        self.read_long(balance).await
    }

    async fn examine(&self, now: Timestamp) -> StoreResult<Vec<Finding>> {
        self.read_long(move |connection| examine::examine(connection, now))
            .await
    }

    async fn backup(&self, to: PathBuf, change: Change) -> StoreResult<()> {
        backup::backup(self, to, change).await
    }

    async fn rekey(&self, change: Change) -> StoreResult<u64> {
        self.write(move |context| rekey::rekey(context.connection, context.sealer, &change))
            .await
    }

    async fn ping(&self) -> StoreResult<()> {
        // The transaction around it takes the write lock.
        self.write(|context| read_one(context.connection, "SELECT 1", (), |_| Ok(())).map(|_| ()))
            .await
    }

    async fn info(&self) -> StoreResult<StoreInfo> {
        let schema_version = self.schema_version();
        self.read(move |connection| info(connection, schema_version))
            .await
    }
}

/// Claimed deliveries are left alone: their attempt's result comes, or their lease runs out.
fn bury_deleted(connection: &Connection, now: Timestamp) -> StoreResult<u64> {
    let buried = execute(
        connection,
        "UPDATE deliveries SET state = 'dead', finished_at = ?1, last_failure = ?2
         WHERE id IN (SELECT d.id FROM webhooks w CROSS JOIN deliveries d ON d.webhook_id = w.id
                      WHERE w.deleted_at IS NOT NULL AND d.finished_at IS NULL
                          AND d.state <> 'claimed'
                      LIMIT ?3)",
        (now.as_millis(), FailureCode::WebhookDeleted.as_str(), BURY_BATCH),
    );
    buried.map(|count| count as u64)
}

/// One statement, so that the counts are of one moment.
pub fn balance(connection: &Connection) -> StoreResult<Vec<Balance>> {
    read_all(
        connection,
        "SELECT w.id, coalesce(l.accepted, 0) AS accepted, coalesce(l.pruned, 0) AS pruned,
             count(*) FILTER (WHERE d.state = 'delivered') AS delivered,
             count(*) FILTER (WHERE d.state IN ('scheduled', 'queued', 'claimed')) AS open,
             count(*) FILTER (WHERE d.state = 'dead') AS dead
         FROM webhooks w
         LEFT JOIN ledger l ON l.webhook_id = w.id
         LEFT JOIN deliveries d ON d.webhook_id = w.id AND d.is_test = 0
         GROUP BY w.id ORDER BY w.id",
        (),
        balance_from_row,
    )
}

fn balance_from_row(row: &Row<'_>) -> rusqlite::Result<Balance> {
    Ok(Balance {
        webhook_id: WebhookId::from_bytes(id_bytes(row, "id")?),
        accepted: row.get::<_, i64>("accepted")?.unsigned_abs(),
        pruned: row.get::<_, i64>("pruned")?.unsigned_abs(),
        delivered: row.get::<_, i64>("delivered")?.unsigned_abs(),
        open: row.get::<_, i64>("open")?.unsigned_abs(),
        dead: row.get::<_, i64>("dead")?.unsigned_abs(),
    })
}

fn info(connection: &Connection, schema_version: u32) -> StoreResult<StoreInfo> {
    let pragma = |name: &str| {
        connection
            .pragma_query_value(None, name, |row| row.get::<_, i64>(0))
            .map(i64::unsigned_abs)
            .map_err(unavailable)
    };
    let page_bytes = pragma("page_size")?;
    Ok(StoreInfo {
        backend: format!("SQLite {}", rusqlite::version()),
        schema_version,
        size_bytes: pragma("page_count")? * page_bytes,
        free_bytes: pragma("freelist_count")? * page_bytes,
    })
}
