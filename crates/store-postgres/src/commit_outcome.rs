//! What became of a transaction whose COMMIT was not answered: the connection broke, or took too long. It may be on disk.
//! PostgreSQL is asked by the transaction's number until it knows. Claims that were taken in it must not stay in the hand of
//! a node that lives and does not know of them.
//!
//! A number means nothing on another timeline, nor after the server was started anew: a transaction that did not get to disk
//! leaves its number to the next one. There only what the transaction itself has written tells: its event. Whatever has none
//! counts as undone, and whoever asked for it asks again.

use std::sync::Arc;
use std::time::Duration;

use tokio_postgres::Row;

use model::id::{EventId, WebhookId};
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
/// Between a transaction's number and the run of the server that gave it.
const SEPARATOR: char = '@';

/// A transaction that may be on disk.
pub struct UnansweredTransaction {
    number: String,
    /// The run in which that number was given; empty on a database that does not say.
    run: String,
    /// An event that it has made.
    event_id: Option<EventId>,
}

impl UnansweredTransaction {
    /// Reads what [`read_number`] has answered.
    pub fn new(number: &str, event_id: Option<EventId>) -> Self {
        let (number, run) = number.split_once(SEPARATOR).unwrap_or((number, ""));
        Self {
            number: number.to_owned(),
            run: run.to_owned(),
            event_id,
        }
    }
}

/// The statement that says a transaction's number, with the run of the server if the database knows of timelines.
pub fn read_number(knows_timelines: bool) -> String {
    match knows_timelines {
        true => format!("SELECT pg_current_xact_id()::text || '{SEPARATOR}' || {RUN}"),
        false => "SELECT pg_current_xact_id()::text".to_owned(),
    }
}

/// A run: the timeline, when the postmaster began, and when it last began to count anew, which it does too when it recovers
/// from the crash of one of its processes without beginning again.
const RUN: &str = "concat_ws('/', substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8), \
    extract(epoch FROM pg_postmaster_start_time()), extract(epoch FROM pg_stat_get_bgwriter_stat_reset_time()))";

enum Outcome {
    Committed,
    Undone,
    /// It is not under way, and nobody can say more. What has no proof of its own is done again.
    Unknowable,
}

/// Whether the transaction is on disk; nothing if that is not known soon.
pub async fn find_out(shared: &Shared, transaction: &UnansweredTransaction) -> Option<bool> {
    let look = async {
        loop {
            match look(shared, transaction).await {
                Ok(Some(Outcome::Committed)) => return Some(true),
                Ok(Some(Outcome::Undone)) => return Some(false),
                Ok(Some(Outcome::Unknowable)) => return None,
                Ok(None) | Err(_) => tokio::time::sleep(FIRST_PAUSE).await,
            }
        }
    };
    tokio::time::timeout(PATIENCE, look).await.ok().flatten()
}

/// Waits until it is known, and does then what follows. The caller has heard that it failed: what only the answer would have
/// named is given back.
pub async fn settle_later(shared: Arc<Shared>, transaction: UnansweredTransaction, mut effects: Effects) {
    for _ in 0..MAX_LOOKS {
        tokio::time::sleep(PAUSE).await;
        let is_committed = match look(&shared, &transaction).await {
            Ok(Some(outcome)) => matches!(outcome, Outcome::Committed),
            Ok(None) | Err(_) => continue,
        };
        if give_back(&shared, effects.answered_claims()).await.is_err() {
            continue;
        }
        if is_committed && effects.look_up_places(&shared).await.is_err() {
            continue;
        }
        effects.settle(is_committed, &shared);
        return;
    }
}

/// What became of it; nothing while it is under way.
async fn look(shared: &Shared, transaction: &UnansweredTransaction) -> StoreResult<Option<Outcome>> {
    let connection = shared.connection().await?;
    let sql = format!(
        "SELECT CASE WHEN $2::text <> '' AND {RUN} <> $2 THEN 'elsewhere'
                     WHEN $2 = '' AND $1::text::xid8 >= pg_snapshot_xmax(pg_current_snapshot()) THEN 'elsewhere'
                     ELSE pg_xact_status($1::text::xid8) END AS status"
    );
    let status: Option<String> = connection
        .read_one(&sql, &[&transaction.number, &transaction.run], |row| {
            value(row, "status")
        })
        .await?
        .flatten();
    let by_number = match status.as_deref() {
        Some("committed") => Outcome::Committed,
        Some("aborted") => Outcome::Undone,
        Some("elsewhere") => Outcome::Unknowable,
        Some(_) | None => return Ok(None),
    };
    // Asked after its number: it is visible if it is there.
    let Some(event_id) = transaction.event_id else {
        return Ok(Some(by_number));
    };
    let sql = "SELECT 1 FROM events WHERE id = $1";
    Ok(Some(
        match connection.finds(sql, &[&&event_id.as_bytes()[..]]).await? {
            true => Outcome::Committed,
            false => Outcome::Undone,
        },
    ))
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
