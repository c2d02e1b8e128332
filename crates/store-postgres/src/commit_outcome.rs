//! What became of a transaction whose COMMIT was not answered: the connection broke, or took too long. It may be on disk.
//! PostgreSQL is asked by the transaction's number until it knows. Claims that were taken in it must not stay in the hand of
//! a node that lives and does not know of them.

use std::sync::Arc;
use std::time::Duration;

use tokio_postgres::Row;

use model::id::WebhookId;
use store::StoreResult;

use super::columns::{bytes, time, value};
use super::connection::Connection;
use super::database::Shared;
use super::writer::Effects;

/// How long a caller waits for the outcome.
const PATIENCE: Duration = Duration::from_secs(5);
/// How often PostgreSQL is asked, a second apart, once the caller waits no longer: for a day.
const MAX_LOOKS: u32 = 24 * 3600;
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const PAUSE: Duration = Duration::from_secs(1);

/// Whether the transaction is on disk; nothing if that is not known soon.
pub async fn find_out(shared: &Shared, transaction_id: &str) -> Option<bool> {
    let look = async {
        loop {
            if let Ok(Some(outcome)) = look(shared, transaction_id).await {
                return outcome;
            }
            tokio::time::sleep(FIRST_PAUSE).await;
        }
    };
    tokio::time::timeout(PATIENCE, look).await.ok()
}

/// Waits until it is known, and does then what follows. The caller has heard that it failed: what only the answer would have
/// named is given back.
pub async fn settle_later(shared: Arc<Shared>, transaction_id: String, effects: Effects) {
    for _ in 0..MAX_LOOKS {
        tokio::time::sleep(PAUSE).await;
        let is_committed = match look(&shared, &transaction_id).await {
            Ok(Some(is_committed)) => is_committed,
            Ok(None) | Err(_) => continue,
        };
        if is_committed && give_back(&shared, effects.answered_claims()).await.is_err() {
            continue;
        }
        effects.settle(is_committed, shared.delivery_sink.as_ref());
        return;
    }
}

/// Whether it is on disk; nothing while it is under way.
async fn look(shared: &Shared, transaction_id: &str) -> StoreResult<Option<bool>> {
    let connection = shared.connection().await?;
    let sql = "SELECT pg_xact_status($1::text::xid8) AS status";
    let status: Option<String> = connection
        .read_one(sql, &[&transaction_id], |row| value(row, "status"))
        .await?
        .flatten();
    Ok(match status.as_deref() {
        Some("committed") => Some(true),
        Some("aborted") => Some(false),
        Some(_) | None => None,
    })
}

async fn give_back(shared: &Shared, claims: &[i64]) -> StoreResult<()> {
    if claims.is_empty() {
        return Ok(());
    }
    let connection: Connection = shared.connection().await?;
    let sql = "UPDATE deliveries SET state = 'scheduled', node = NULL, claim = NULL
               WHERE state = 'claimed' AND finished_at IS NULL AND node = $1 AND claim = ANY($2::bigint[])
               RETURNING webhook_id, due_at";
    let from_row = |row: &Row| {
        Ok((
            WebhookId::from_bytes(bytes(row, "webhook_id")?),
            time(row, "due_at")?,
        ))
    };
    for (webhook_id, due_at) in connection
        .read_all(sql, &[&shared.node, &claims], from_row)
        .await?
    {
        shared.delivery_sink.wake(webhook_id, due_at);
    }
    Ok(())
}
