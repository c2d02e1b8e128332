//! Keeping the database in shape. The larger parts have files of their own: `prune.rs`, `examine.rs`, `rekey.rs`.
//!
//! What is the server's own is left to its own tools: room on disk, the write-ahead log, copies.

use std::path::PathBuf;
use std::time::Instant;

use async_trait::async_trait;
use model::audit::Change;
use model::exchange::FailureCode;
use model::time::Timestamp;
use store::StoreResult;
use store::commit_health::FailingCommits;
use store::high_water_mark::events_lost;
use store::upkeep::{
    Balance, CheckListener, Examined, Finding, Loss, Retention, StoreInfo, UnwellWebhook, Upkeep,
};

use super::columns::value;
use super::connection::Connection;
use super::database::Database;
use super::{
    backup, balances, condition, examine, insights, migrate, nodes, prune, rekey, timelines, unwell_webhooks,
};

/// How many deliveries of deleted webhooks one call lets die.
const BURY_BATCH: i64 = 500;

#[async_trait]
impl Upkeep for Database {
    async fn prune(&self, retention: Retention) -> StoreResult<u64> {
        prune::prune(self, retention).await
    }

    async fn bury_deleted(&self, now: Timestamp) -> StoreResult<u64> {
        self.write(now, |context, now| {
            Box::pin(bury_deleted(&context.connection, *now))
        })
        .await
    }

    async fn fold_insights(&self) -> StoreResult<u64> {
        self.write((), |context, ()| {
            Box::pin(async move {
                context.shows_nothing();
                insights::fold_batch(&context.connection).await
            })
        })
        .await
    }

    async fn balance(&self) -> StoreResult<Vec<Balance>> {
        balances::draw(&self.long_connection().await?).await
    }

    async fn kept_deliveries(&self) -> StoreResult<u64> {
        balances::kept(&self.connection().await?).await
    }

    async fn examine_heard(&self, now: Timestamp, listener: CheckListener) -> StoreResult<Examined> {
        examine::examine(&self.long_connection().await?, now, &listener).await
    }

    async fn examine_server(&self, now: Timestamp) -> StoreResult<Vec<Finding>> {
        condition::examine(self, now).await
    }

    async fn outdated(&self) -> StoreResult<Option<String>> {
        migrate::outdated(&self.connection().await?).await
    }

    async fn backup(&self, _: PathBuf, _: Change) -> StoreResult<()> {
        Err(backup::refusal())
    }

    async fn rekey(&self, change: Change) -> StoreResult<u64> {
        self.write(change, |context, change| Box::pin(rekey::rekey(context, change)))
            .await
    }

    async fn ping(&self) -> StoreResult<()> {
        let begun_at = Instant::now();
        if !self.commits().is_known_to_commit(begun_at) {
            self.write((), |context, ()| Box::pin(probe(&context.connection)))
                .await?;
            self.commits().recovered(begun_at);
        }
        Ok(())
    }

    fn troubles(&self) -> Vec<Finding> {
        let clock = nodes::clock_differs(self.clock_ahead_ms());
        let commits = self.commits().failing().map(commits_fail);
        let loss = Some(self.loss()).filter(|loss| !loss.is_nothing());
        [clock, commits, loss.map(events_lost)]
            .into_iter()
            .flatten()
            .collect()
    }

    fn loss(&self) -> Loss {
        self.shared().timelines.loss()
    }

    async fn accept_loss(&self, change: Change) -> StoreResult<Loss> {
        let accept = self.write(change, |context, change| {
            Box::pin(timelines::accept_loss(&context.connection, change))
        });
        let loss = accept.await?;
        self.shared().timelines.forget_loss();
        Ok(loss)
    }

    async fn unwell_webhooks(&self) -> StoreResult<Vec<UnwellWebhook>> {
        let mut snapshot = self.snapshot().await?;
        let webhooks = unwell_webhooks::read(&snapshot).await?;
        snapshot.commit().await?;
        Ok(webhooks)
    }

    async fn info(&self) -> StoreResult<StoreInfo> {
        let sql = "SELECT pg_database_size(current_database()) AS size, coalesce(max(sequence), 0) AS last_event FROM events";
        let connection = self.connection().await?;
        let found = connection
            .read_one(sql, &[], |row| {
                Ok((value(row, "size")?, value(row, "last_event")?))
            })
            .await?;
        let (size, last_event): (i64, i64) = found.unwrap_or_default();
        Ok(StoreInfo {
            backend: format!("PostgreSQL {}", self.server_version()),
            schema_version: self.schema_version(),
            size_bytes: size.unsigned_abs(),
            free_bytes: 0,
            wal_bytes: 0,
            max_bytes: None,
            disk: None,
            last_event,
        })
    }
}

fn commits_fail(failing: FailingCommits) -> Finding {
    let FailingCommits { sentence, count, .. } = failing;
    Finding {
        code: "commits_fail",
        sentence: format!("changes are refused ({count} so far): {sentence}"),
        advice: "look whether PostgreSQL runs, can be reached, has room on its disk and takes writes; it goes on by itself then",
    }
}

/// Writes a row: a database that only reads, or has no room, refuses it.
async fn probe(connection: &Connection) -> StoreResult<()> {
    let sql = "INSERT INTO probes (id, filler) VALUES (1, '') ON CONFLICT (id) DO UPDATE SET filler = excluded.filler";
    connection.execute(sql, &[]).await.map(|_| ())
}

/// Claimed deliveries are left alone: their attempt's result comes, or their lease runs out.
async fn bury_deleted(connection: &Connection, now: Timestamp) -> StoreResult<u64> {
    let sql = "UPDATE deliveries SET state = 'dead', finished_at = $1, last_failure = $2
         WHERE id IN (SELECT d.id FROM webhooks w JOIN deliveries d ON d.webhook_id = w.id
                      WHERE w.deleted_at IS NOT NULL AND d.finished_at IS NULL AND d.state <> 'claimed'
                      ORDER BY d.id LIMIT $3 FOR UPDATE OF d SKIP LOCKED)";
    let cause = FailureCode::WebhookDeleted.as_str();
    connection
        .execute(sql, &[&now.as_millis(), &cause, &BURY_BATCH])
        .await
}
