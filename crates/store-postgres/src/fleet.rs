//! What nodes hear of each other: each has a row, whose number moves when it has committed something.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use tokio_postgres::Row;

use model::time::Timestamp;
use store::StoreResult;
use store::fleet::{Fleet, FleetNews};

use super::columns::{number, value};
use super::database::Database;

/// How old the last sign of life of a node may be that counts: older than clocks may differ.
const MAX_SILENCE: Duration = Duration::from_secs(15 * 60);

/// What this node has committed, and what the others know of it.
#[derive(Default)]
pub struct Progress {
    made: AtomicI64,
    told: AtomicI64,
    has_others: AtomicI64,
}

impl Progress {
    /// There is more to be seen.
    pub fn moved(&self) {
        self.made.fetch_add(1, Ordering::Relaxed);
    }

    /// What the others should know; as long as there are none, what they knew.
    fn to_tell(&self) -> i64 {
        match self.has_others.load(Ordering::Relaxed) {
            0 => self.told.load(Ordering::Relaxed),
            _ => self.made.load(Ordering::Relaxed),
        }
    }

    fn told(&self, progress: i64, other_nodes: u32) {
        self.told.store(progress, Ordering::Relaxed);
        self.has_others.store(i64::from(other_nodes), Ordering::Relaxed);
    }
}

#[async_trait]
impl Fleet for Database {
    async fn news(&self, now: Timestamp) -> StoreResult<FleetNews> {
        // Writes nothing unless there is something new to tell. No transaction of its own: what it tells is none of the
        // commits that it tells of.
        let sql = "WITH told AS (UPDATE nodes SET progress = $2 WHERE id = $1 AND progress <> $2)
                   SELECT count(*) AS other_nodes, coalesce(sum(progress), 0)::bigint AS progress,
                       coalesce((SELECT sequence FROM events WHERE NOT is_test ORDER BY sequence DESC LIMIT 1), 0)
                           AS latest_sequence
                   FROM nodes WHERE id <> $1 AND lease_until > $3";
        let progress = self.shared().progress.to_tell();
        let since = now.minus(MAX_SILENCE).as_millis();
        let connection = self.connection().await?;
        let news = connection
            .read_one(sql, &[&self.node(), &progress, &since], news_from_row)
            .await?
            .unwrap_or_default();
        self.shared().progress.told(progress, news.other_nodes);
        Ok(news)
    }
}

fn news_from_row(row: &Row) -> StoreResult<FleetNews> {
    Ok(FleetNews {
        latest_sequence: value(row, "latest_sequence")?,
        progress: value(row, "progress")?,
        other_nodes: number(row, "other_nodes")?,
    })
}
