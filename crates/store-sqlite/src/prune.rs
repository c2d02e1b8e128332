//! Pruning: finished deliveries with their attempts, then events that nothing needs, then the small things.
//! Incidents are never pruned.
//!
//! What may go is looked for on a reader, in the order of ids, and deleted by the writer in small batches, so that
//! deliveries never wait for the pruner. A round remembers how far it came: each row is looked at once a round.

use std::collections::HashMap;

use rusqlite::{Connection, Row};

use model::id::{DeliveryId, InboxRequestId};
use model::time::Timestamp;
use store::StoreResult;
use store::upkeep::Retention;

use super::database::Database;
use super::sessions;
use super::statements::{execute, read_all, read_one};

/// The most rows of one kind that one call deletes.
const PRUNE_BATCH: u32 = 500;

/// How far the present round has come. It begins anew when a call finds nothing more.
#[derive(Debug, Clone, Copy, Default)]
pub struct PruneRound {
    /// Deliveries up to this id were looked at.
    delivery: [u8; 16],
    /// Events up to this one were looked at.
    event: i64,
}

/// Deletes one batch; says how many rows.
pub async fn prune(database: &Database, retention: Retention) -> StoreResult<u64> {
    let round = *database.prune_round();
    let found = find_deliveries(database, round, retention).await?;
    if let Some(last) = found.last().copied() {
        let count = database
            .write(move |context| delete_deliveries(context.connection, &found, retention))
            .await?;
        database.prune_round().delivery = last;
        return Ok(count);
    }
    let found = find_events(database, round, retention).await?;
    if let Some(last) = found.last().copied() {
        let count = database
            .write(move |context| delete_events(context.connection, &found))
            .await?;
        database.prune_round().event = last;
        return Ok(count);
    }
    *database.prune_round() = PruneRound::default();
    database
        .write(move |context| delete_small_things(context.connection, retention))
        .await
}

async fn find_deliveries(
    database: &Database,
    round: PruneRound,
    retention: Retention,
) -> StoreResult<Vec<[u8; 16]>> {
    let (delivered, dead) = bounds(retention);
    database
        .read(move |connection| {
            read_all(
                connection,
                "SELECT id FROM deliveries WHERE id > ?1 AND id < max(?2, ?3)
                     AND ((state = 'delivered' AND id < ?2) OR (state = 'dead' AND id < iif(is_test, ?2, ?3)))
                 ORDER BY id LIMIT ?4",
                (round.delivery, delivered, dead, PRUNE_BATCH),
                |row| row.get(0),
            )
        })
        .await
}

/// The ids below which delivered and dead deliveries go.
fn bounds(retention: Retention) -> ([u8; 16], [u8; 16]) {
    let bound = |at| *DeliveryId::lower_bound(at).as_bytes();
    (bound(retention.delivered_before), bound(retention.dead_before))
}

/// What was found may have been replayed since, so each row is asked for its state again.
fn delete_deliveries(connection: &Connection, found: &[[u8; 16]], retention: Retention) -> StoreResult<u64> {
    let (delivered, dead) = bounds(retention);
    let mut pruned: HashMap<[u8; 16], i64> = HashMap::new();
    let mut count = 0;
    for id in found {
        let deleted = read_one(
            connection,
            "DELETE FROM deliveries WHERE id = ?1
                 AND ((state = 'delivered' AND id < ?2) OR (state = 'dead' AND id < iif(is_test, ?2, ?3)))
             RETURNING webhook_id, is_test",
            (id, delivered, dead),
            |row| Ok((row.get(0)?, row.get(1)?)),
        );
        let Some((webhook_id, is_test)): Option<([u8; 16], bool)> = deleted? else {
            continue;
        };
        count += 1;
        *pruned.entry(webhook_id).or_default() += i64::from(!is_test);
    }
    for (webhook_id, count) in pruned {
        execute(
            connection,
            "UPDATE ledger SET pruned = pruned + ?2 WHERE webhook_id = ?1",
            (webhook_id, count),
        )?;
    }
    Ok(count)
}

/// Whether nothing needs an event `e`: no delivery, and no open incident, whose latest is told to a ticket that is made or changed
/// later.
macro_rules! is_unused {
    () => {
        "NOT EXISTS (SELECT 1 FROM deliveries d WHERE d.incident_id = e.incident_id AND d.event_sequence = e.sequence)
         AND (EXISTS (SELECT 1 FROM events later
                      WHERE later.incident_id = e.incident_id AND later.sequence > e.sequence AND later.is_test = 0)
              OR coalesce((SELECT i.status = 'resolved' FROM incidents i WHERE i.id = e.incident_id), true))"
    };
}

/// One event as the pruner sees it.
struct Candidate {
    sequence: i64,
    is_old: bool,
    is_unused: bool,
}

/// Events lie in the order of their commits, so that the search ends where a whole batch of them is young.
async fn find_events(database: &Database, round: PruneRound, retention: Retention) -> StoreResult<Vec<i64>> {
    let before = retention.delivered_before.min(retention.dead_before);
    database
        .read(move |connection| {
            let mut after = round.event;
            loop {
                let batch = read_events(connection, after, before)?;
                let Some(last) = batch.last() else {
                    return Ok(Vec::new());
                };
                after = last.sequence;
                let may_go = batch.iter().filter(|event| event.is_old && event.is_unused);
                let found: Vec<_> = may_go.map(|event| event.sequence).collect();
                if !found.is_empty() || !batch.iter().any(|event| event.is_old) {
                    return Ok(found);
                }
            }
        })
        .await
}

fn read_events(connection: &Connection, after: i64, before: Timestamp) -> StoreResult<Vec<Candidate>> {
    read_all(
        connection,
        concat!(
            "SELECT sequence, at < ?2 AS is_old, ",
            is_unused!(),
            " AS is_unused FROM events e WHERE sequence > ?1 ORDER BY sequence LIMIT ?3"
        ),
        (after, before.as_millis(), PRUNE_BATCH),
        candidate_from_row,
    )
}

fn candidate_from_row(row: &Row<'_>) -> rusqlite::Result<Candidate> {
    Ok(Candidate {
        sequence: row.get("sequence")?,
        is_old: row.get("is_old")?,
        is_unused: row.get("is_unused")?,
    })
}

fn delete_events(connection: &Connection, found: &[i64]) -> StoreResult<u64> {
    let mut count = 0;
    for sequence in found {
        let deleted = execute(
            connection,
            concat!("DELETE FROM events AS e WHERE sequence = ?1 AND ", is_unused!()),
            [sequence],
        );
        count += deleted? as u64;
    }
    Ok(count)
}

/// What is found by an index, or is little, needs no search on a reader.
fn delete_small_things(connection: &Connection, retention: Retention) -> StoreResult<u64> {
    let count = delete_receipts(connection, retention.receipts_before)?
        + delete_activity(connection, retention.activity_before)?
        + delete_memories(connection, retention.message_refs_before)?
        + delete_inbox_requests(connection, retention.inbox_requests_before)?
        + delete_alerts(connection, retention.alerts_before)?
        + delete_sign_in_links(connection, retention.expired_by)?
        + sessions::delete_expired(connection, retention.expired_by, PRUNE_BATCH)?;
    Ok(count as u64)
}

fn delete_receipts(connection: &Connection, before: Timestamp) -> StoreResult<usize> {
    execute(
        connection,
        "DELETE FROM receipts WHERE (owner, key) IN
             (SELECT owner, key FROM receipts WHERE created_at < ?1 ORDER BY created_at LIMIT ?2)",
        (before.as_millis(), PRUNE_BATCH),
    )
}

fn delete_activity(connection: &Connection, before: Timestamp) -> StoreResult<usize> {
    execute(
        connection,
        "DELETE FROM activity WHERE (period_at, webhook_id) IN
             (SELECT period_at, webhook_id FROM activity WHERE period_at < ?1 ORDER BY period_at LIMIT ?2)",
        (before.as_millis(), PRUNE_BATCH),
    )
}

fn delete_memories(connection: &Connection, before: Timestamp) -> StoreResult<usize> {
    execute(
        connection,
        "DELETE FROM memories WHERE (webhook_id, incident_id) IN
             (SELECT webhook_id, incident_id FROM memories WHERE updated_at < ?1 ORDER BY updated_at LIMIT ?2)",
        (before.as_millis(), PRUNE_BATCH),
    )
}

fn delete_inbox_requests(connection: &Connection, before: Timestamp) -> StoreResult<usize> {
    execute(
        connection,
        "DELETE FROM inbox_requests WHERE (inbox_id, id) IN
             (SELECT r.inbox_id, r.id FROM inboxes i CROSS JOIN inbox_requests r ON r.inbox_id = i.id
              WHERE r.id < ?1 LIMIT ?2)",
        (InboxRequestId::lower_bound(before).as_bytes(), PRUNE_BATCH),
    )
}

/// Alerts that fire no more.
fn delete_alerts(connection: &Connection, before: Timestamp) -> StoreResult<usize> {
    execute(
        connection,
        "DELETE FROM source_alerts WHERE (source_id, key) IN
             (SELECT a.source_id, a.key FROM source_alerts a JOIN incidents i ON i.id = a.incident_id
              WHERE a.last_at < ?1 AND (a.is_firing = 0 OR i.status = 'resolved')
              ORDER BY a.last_at LIMIT ?2)",
        (before.as_millis(), PRUNE_BATCH),
    )
}

fn delete_sign_in_links(connection: &Connection, at: Timestamp) -> StoreResult<usize> {
    execute(
        connection,
        "DELETE FROM sign_in_links WHERE hash IN (SELECT hash FROM sign_in_links WHERE expires_at <= ?1 LIMIT ?2)",
        (at.as_millis(), PRUNE_BATCH),
    )
}
