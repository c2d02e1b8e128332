//! Pruning: finished deliveries with their attempts, then days of attempts, events that nothing needs, and the small
//! things. Incidents are never pruned.
//!
//! What may go is looked for without locks, in the order of ids, and deleted in small batches, so that deliveries never wait
//! for the pruner; rows that somebody else has locked are left for the next round. A round remembers how far it came: each
//! row is looked at once a round.

use tokio_postgres::Row;

use model::id::{DeliveryId, InboxRequestId};
use model::time::Timestamp;
use store::StoreError;
use store::StoreResult;
use store::upkeep::Retention;

use super::attempt_partitions::{self, Partition};
use super::columns::{bytes, value};
use super::connection::Connection;
use super::database::Database;
use super::sessions;

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

/// Deletes one batch; says how many rows, or days of attempts.
pub async fn prune(database: &Database, retention: Retention) -> StoreResult<u64> {
    let round = *database.prune_round();
    let connection = database.connection().await?;
    let partitions = attempt_partitions::list(&connection).await?;
    let found = find_deliveries(&connection, round, retention).await?;
    drop(connection);
    if let Some(last) = found.last().copied() {
        let count = database
            .write(
                (found, partitions, retention),
                |context, (found, partitions, retention)| {
                    Box::pin(delete_deliveries(
                        &context.connection,
                        found,
                        partitions,
                        *retention,
                    ))
                },
            )
            .await?;
        database.prune_round().delivery = last;
        return Ok(count);
    }
    let changed = change_partitions(database, &partitions, retention).await?;
    if changed > 0 {
        return Ok(changed);
    }
    let found = find_events(&database.connection().await?, round, retention).await?;
    if let Some(last) = found.last().copied() {
        let count = database
            .write(found, |context, found| {
                Box::pin(delete_events(&context.connection, found))
            })
            .await?;
        database.prune_round().event = last;
        return Ok(count);
    }
    *database.prune_round() = PruneRound::default();
    database
        .write(retention, |context, retention| {
            Box::pin(delete_small_things(&context.connection, *retention))
        })
        .await
}

/// Makes partitions ahead, and drops one whose deliveries were looked at in this round. That a lock was not free in time is
/// nothing worse than a later try.
async fn change_partitions(
    database: &Database,
    partitions: &[Partition],
    retention: Retention,
) -> StoreResult<u64> {
    let now = retention.expired_by;
    if attempt_partitions::are_missing(partitions, now) {
        let made = database.write(now, |context, now| {
            Box::pin(attempt_partitions::make(context, *now))
        });
        return later_if_locked(made.await);
    }
    match attempt_partitions::outlived(partitions, retention.delivered_before) {
        None => Ok(0),
        Some(partition) => {
            let dropped = database.write(partition, |context, partition| {
                Box::pin(attempt_partitions::drop_one(context, partition))
            });
            later_if_locked(dropped.await)
        }
    }
}

fn later_if_locked(changed: StoreResult<u64>) -> StoreResult<u64> {
    match changed {
        Err(StoreError::Unavailable(reason) | StoreError::Conflict(reason)) => {
            tracing::info!(
                reason,
                "the partitions of attempts are left as they are until the next round"
            );
            Ok(0)
        }
        changed => changed,
    }
}

async fn find_deliveries(
    connection: &Connection,
    round: PruneRound,
    retention: Retention,
) -> StoreResult<Vec<[u8; 16]>> {
    let (delivered, dead) = bounds(retention);
    let sql = "SELECT id FROM deliveries WHERE id > $1 AND id < greatest($2::bytea, $3::bytea)
             AND ((state = 'delivered' AND id < $2)
                  OR (state = 'dead' AND id < CASE WHEN is_test THEN $2 ELSE $3 END))
         ORDER BY id LIMIT $4";
    connection
        .read_all(
            sql,
            &[
                &&round.delivery[..],
                &&delivered[..],
                &&dead[..],
                &i64::from(PRUNE_BATCH),
            ],
            |row| bytes(row, "id"),
        )
        .await
}

/// The ids below which delivered and dead deliveries go.
fn bounds(retention: Retention) -> ([u8; 16], [u8; 16]) {
    let bound = |at| *DeliveryId::lower_bound(at).as_bytes();
    (bound(retention.delivered_before), bound(retention.dead_before))
}

/// What was found may have been replayed since, so each row is asked for its state again. Attempts that will be dropped with
/// their day are not deleted here.
async fn delete_deliveries(
    connection: &Connection,
    found: &[[u8; 16]],
    partitions: &[Partition],
    retention: Retention,
) -> StoreResult<u64> {
    let (delivered, dead) = bounds(retention);
    let is_dropped = |id: &[u8; 16]| partitions.iter().any(|partition| partition.drops(id));
    let is_dropped: Vec<bool> = found.iter().map(is_dropped).collect();
    let found: Vec<&[u8]> = found.iter().map(|id| &id[..]).collect();
    let sql = "WITH gone AS (
             DELETE FROM deliveries WHERE id IN
                 (SELECT id FROM deliveries WHERE id = ANY($1)
                      AND ((state = 'delivered' AND id < $2)
                           OR (state = 'dead' AND id < CASE WHEN is_test THEN $2 ELSE $3 END))
                  ORDER BY id FOR UPDATE SKIP LOCKED)
             RETURNING id, webhook_id, is_test),
         gone_attempts AS (
             DELETE FROM attempts WHERE delivery_id = ANY(ARRAY(
                 SELECT gone.id FROM gone JOIN unnest($1::bytea[], $4::boolean[]) AS found (id, is_dropped)
                     ON found.id = gone.id WHERE NOT found.is_dropped)))
         SELECT webhook_id, count(*) AS count, count(*) FILTER (WHERE NOT is_test) AS counted
         FROM gone GROUP BY webhook_id ORDER BY webhook_id";
    let gone: Vec<([u8; 16], i64, i64)> = connection
        .read_all(sql, &[&found, &&delivered[..], &&dead[..], &is_dropped], |row| {
            Ok((
                bytes(row, "webhook_id")?,
                value(row, "count")?,
                value(row, "counted")?,
            ))
        })
        .await?;
    let mut count = 0;
    for (webhook_id, deleted, counted) in &gone {
        count += deleted.unsigned_abs();
        let sql = "UPDATE ledger SET pruned = pruned + $2 WHERE webhook_id = $1";
        connection.execute(sql, &[&&webhook_id[..], counted]).await?;
    }
    Ok(count)
}

/// Whether nothing needs an event `e`: no delivery, and no open incident, whose latest is told to a ticket that is made or changed
/// later.
macro_rules! is_unused {
    () => {
        "NOT EXISTS (SELECT 1 FROM deliveries d WHERE d.incident_id = e.incident_id AND d.event_sequence = e.sequence)
         AND (EXISTS (SELECT 1 FROM events later
                      WHERE later.incident_id = e.incident_id AND later.sequence > e.sequence AND NOT later.is_test)
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
async fn find_events(
    connection: &Connection,
    round: PruneRound,
    retention: Retention,
) -> StoreResult<Vec<i64>> {
    let before = retention.delivered_before.min(retention.dead_before);
    let mut after = round.event;
    loop {
        let batch = read_events(connection, after, before).await?;
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
}

async fn read_events(connection: &Connection, after: i64, before: Timestamp) -> StoreResult<Vec<Candidate>> {
    let sql = concat!(
        "SELECT sequence, at < $2 AS is_old, ",
        is_unused!(),
        " AS is_unused FROM events e WHERE sequence > $1 ORDER BY sequence LIMIT $3"
    );
    connection
        .read_all(
            sql,
            &[&after, &before.as_millis(), &i64::from(PRUNE_BATCH)],
            candidate_from_row,
        )
        .await
}

fn candidate_from_row(row: &Row) -> StoreResult<Candidate> {
    Ok(Candidate {
        sequence: value(row, "sequence")?,
        is_old: value(row, "is_old")?,
        is_unused: value(row, "is_unused")?,
    })
}

async fn delete_events(connection: &Connection, found: &Vec<i64>) -> StoreResult<u64> {
    let sql = concat!("DELETE FROM events e WHERE sequence = ANY($1) AND ", is_unused!());
    let deleted = connection.execute(sql, &[found]).await?;
    let sql = "UPDATE feed SET pruned_up_to = greatest(pruned_up_to, $1)";
    let last = found.iter().max().copied().unwrap_or_default();
    connection.execute(sql, &[&last]).await?;
    Ok(deleted)
}

/// What is found by an index, or is little.
async fn delete_small_things(connection: &Connection, retention: Retention) -> StoreResult<u64> {
    let expired = sessions::delete_expired(connection, retention.expired_by, PRUNE_BATCH).await?;
    let mut count = expired;
    for (sql, before) in [
        (
            "DELETE FROM receipts WHERE (owner, key) IN
                 (SELECT owner, key FROM receipts WHERE created_at < $1 ORDER BY created_at LIMIT $2
                  FOR UPDATE SKIP LOCKED)",
            retention.receipts_before,
        ),
        (
            "DELETE FROM activity WHERE (period_at, webhook_id) IN
                 (SELECT period_at, webhook_id FROM activity WHERE period_at < $1 ORDER BY period_at LIMIT $2
                  FOR UPDATE SKIP LOCKED)",
            retention.activity_before,
        ),
        (
            "DELETE FROM activity_of_nodes WHERE (period_at, webhook_id, node) IN
                 (SELECT period_at, webhook_id, node FROM activity_of_nodes WHERE period_at < $1 ORDER BY period_at LIMIT $2
                  FOR UPDATE SKIP LOCKED)",
            retention.activity_before,
        ),
        (
            "DELETE FROM memories WHERE (webhook_id, incident_id) IN
                 (SELECT webhook_id, incident_id FROM memories WHERE updated_at < $1 ORDER BY updated_at LIMIT $2
                  FOR UPDATE SKIP LOCKED)",
            retention.message_refs_before,
        ),
        (
            "DELETE FROM source_alerts WHERE (source_id, key) IN
                 (SELECT a.source_id, a.key FROM source_alerts a JOIN incidents i ON i.id = a.incident_id
                  WHERE a.last_at < $1 AND (NOT a.is_firing OR i.status = 'resolved')
                  ORDER BY a.last_at LIMIT $2 FOR UPDATE OF a SKIP LOCKED)",
            retention.alerts_before,
        ),
        (
            "DELETE FROM sign_in_links WHERE hash IN
                 (SELECT hash FROM sign_in_links WHERE expires_at <= $1 LIMIT $2 FOR UPDATE SKIP LOCKED)",
            retention.expired_by,
        ),
    ] {
        let params: [&(dyn tokio_postgres::types::ToSql + Sync); 2] =
            [&before.as_millis(), &i64::from(PRUNE_BATCH)];
        count += connection.execute(sql, &params).await?;
    }
    Ok(count + delete_inbox_requests(connection, retention.inbox_requests_before).await?)
}

async fn delete_inbox_requests(connection: &Connection, before: Timestamp) -> StoreResult<u64> {
    let sql = "DELETE FROM inbox_requests WHERE (inbox_id, id) IN
             (SELECT r.inbox_id, r.id FROM inboxes i JOIN inbox_requests r ON r.inbox_id = i.id
              WHERE r.id < $1 LIMIT $2 FOR UPDATE OF r SKIP LOCKED)";
    let before = InboxRequestId::lower_bound(before);
    connection
        .execute(sql, &[&&before.as_bytes()[..], &i64::from(PRUNE_BATCH)])
        .await
}
