//! Keeping the file in shape. The larger parts have files of their own: `prune.rs`, `examine.rs`, `backup.rs`,
//! `rekey.rs`.

use std::path::PathBuf;
use std::time::Instant;

use async_trait::async_trait;
use rusqlite::Connection;

use model::audit::Change;
use model::exchange::FailureCode;
use model::time::Timestamp;
use store::StoreResult;
use store::upkeep::{
    BALANCED_AT_ONCE, Balance, CheckListener, Examined, Finding, Loss, Retention, StoreInfo, UnwellWebhook,
    Upkeep,
};

use super::condition::disk_space;
use super::database::{Database, unavailable};
use super::statements::{execute, snapshot};
use super::{PAGE_BYTES, audit, backup, balances, examine, insights, prune, rekey, unwell_webhooks};

/// How many deliveries of deleted webhooks one call lets die.
const BURY_BATCH: u32 = 500;
/// How much a probe writes: several pages, as a change with its deliveries does.
const PROBE_BYTES: u32 = 64 * 1024;

#[async_trait]
impl Upkeep for Database {
    async fn prune(&self, retention: Retention) -> StoreResult<u64> {
        prune::prune(self, retention).await
    }

    async fn bury_deleted(&self, now: Timestamp) -> StoreResult<u64> {
        self.write(move |context| bury_deleted(context.connection, now))
            .await
    }

    async fn fold_insights(&self) -> StoreResult<u64> {
        self.write(|context| insights::fold_batch(context.connection))
            .await
    }

    async fn balance(&self) -> StoreResult<Vec<Balance>> {
        self.read_whole(|connection| balances::draw(&*snapshot(connection)?))
            .await
    }

    /// So few are counted beside somebody who reads the whole store.
    async fn balance_at_once(&self) -> StoreResult<Option<Vec<Balance>>> {
        self.read(|connection| {
            let snapshot = snapshot(connection)?;
            match balances::kept(&snapshot)? {
                0..=BALANCED_AT_ONCE => balances::draw(&snapshot).map(Some),
                _ => Ok(None),
            }
        })
        .await
    }

    async fn kept_deliveries(&self) -> StoreResult<u64> {
        self.read(balances::kept).await
    }

    async fn examine_heard(&self, now: Timestamp, listener: CheckListener) -> StoreResult<Examined> {
        // Before the first look: the database only moves on meanwhile.
        let known = self.condition().progress();
        let look = move |connection: &mut Connection| Ok(examine::examine(connection, known, now, &listener));
        // Broken off is no trouble of the store's: who asked hears what came of it, and nobody else.
        self.read_whole(look).await?
    }

    async fn examine_server(&self, _: Timestamp) -> StoreResult<Vec<Finding>> {
        Ok(Vec::new())
    }

    /// Nobody else has the file open.
    async fn outdated(&self) -> StoreResult<Option<String>> {
        Ok(None)
    }

    async fn backup(&self, to: PathBuf, change: Change) -> StoreResult<()> {
        backup::backup(self, to, change).await
    }

    async fn rekey(&self, change: Change) -> StoreResult<u64> {
        self.write(move |context| rekey::rekey(context.connection, context.sealer, &change))
            .await
    }

    async fn ping(&self) -> StoreResult<()> {
        self.condition().check_files()?;
        let begun_at = Instant::now();
        if !self.condition().commits().is_known_to_commit(begun_at) {
            self.write(|context| probe(context.connection)).await?;
            self.condition().commits().recovered(begun_at);
        }
        Ok(())
    }

    fn troubles(&self) -> Vec<Finding> {
        self.condition().troubles()
    }

    fn loss(&self) -> Loss {
        self.condition().loss()
    }

    async fn accept_loss(&self, change: Change) -> StoreResult<Loss> {
        let loss = self.condition().loss();
        if loss.is_nothing() {
            return Ok(loss);
        }
        let detail = format!(
            "took the loss of {} events and {} deliveries for known",
            loss.events, loss.deliveries
        );
        self.write(move |context| {
            audit::write(
                context.connection,
                &change,
                "system.accept_loss",
                "store",
                &detail,
            )
        })
        .await?;
        self.condition().forget_loss();
        Ok(loss)
    }

    async fn unwell_webhooks(&self) -> StoreResult<Vec<UnwellWebhook>> {
        self.read(unwell_webhooks::read).await
    }

    async fn info(&self) -> StoreResult<StoreInfo> {
        let (size_bytes, free_bytes) = self.read(sizes).await?;
        Ok(StoreInfo {
            backend: format!("SQLite {}", rusqlite::version()),
            schema_version: self.schema_version(),
            size_bytes,
            free_bytes,
            wal_bytes: std::fs::metadata(self.log_path()).map_or(0, |log| log.len()),
            max_bytes: self.max_pages().map(|pages| u64::from(pages) * PAGE_BYTES),
            disk: self.path().parent().and_then(disk_space),
            last_event: self.condition().progress().sequence,
        })
    }
}

/// Takes the room of a change and gives it back: at the limit of the file the first fails, on a full disk the commit.
fn probe(connection: &Connection) -> StoreResult<()> {
    execute(
        connection,
        "INSERT INTO probes (filler) VALUES (zeroblob(?1))",
        [PROBE_BYTES],
    )?;
    execute(
        connection,
        "DELETE FROM probes WHERE id < (SELECT max(id) FROM probes)",
        (),
    )
    .map(|_| ())
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

/// Bytes of the file, and how many of them are free to be used again.
fn sizes(connection: &Connection) -> StoreResult<(u64, u64)> {
    let pragma = |name: &str| {
        connection
            .pragma_query_value(None, name, |row| row.get::<_, i64>(0))
            .map(i64::unsigned_abs)
            .map_err(unavailable)
    };
    let page_bytes = pragma("page_size")?;
    Ok((
        pragma("page_count")? * page_bytes,
        pragma("freelist_count")? * page_bytes,
    ))
}
