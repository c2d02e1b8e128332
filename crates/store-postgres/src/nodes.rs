//! Who is there: the leases of the nodes, which of them leads, and freeing what those that are gone had in hand.
//!
//! Leases are measured by the database's clock, never by a node's, which may be wrong by minutes. A clock that the database
//! had before it failed over may have been ahead: a lease longer than any is given is cut to what it can be at most.
//!
//! Whoever frees a node's claims deletes the node's row first. A heartbeat at the same moment waits for that, finds the row
//! gone, and so says that the lease is a new one.

use std::time::Duration;

use tokio_postgres::Row;

use model::time::Timestamp;
use store::StoreError;
use store::StoreResult;
use store::queue::{Membership, NODE_LEASE, SharedLease};
use store::upkeep::Finding;

use super::claims::{Wakes, webhook_and_due_at};
use super::columns::{number, time, value};
use super::connection::Connection;
use super::writer::WriteContext;

/// No version gives a lease as long as this.
const LONGEST_LEASE: Duration = Duration::from_secs(120);

/// Clocks that differ by more are told of.
const MAX_CLOCK_DIFFERENCE: Duration = Duration::from_secs(5);

/// Renews a node's lease, and its leadership or takes one that nobody holds: one statement, one round trip. One that had to
/// wait shortens nothing that a later one has renewed.
pub async fn heartbeat(connection: &Connection, node: i64) -> StoreResult<Membership> {
    let sql = "WITH clock AS MATERIALIZED (
                   SELECT (extract(epoch FROM statement_timestamp()) * 1000)::bigint AS now),
               renewed AS (
                   INSERT INTO nodes AS n (id, lease_until, beats) SELECT $1::bigint, now + $2::bigint, 1 FROM clock
                   ON CONFLICT (id) DO UPDATE SET lease_until = greatest(n.lease_until, excluded.lease_until),
                       beats = CASE WHEN n.lease_until > excluded.lease_until - $2 THEN n.beats + 1 ELSE 1 END
                   RETURNING beats, is_leaving),
               led AS (
                   UPDATE leader l SET node = $1, lease_until = greatest(l.lease_until, clock.now + $2),
                       term = CASE WHEN l.node = $1 THEN l.term ELSE l.term + 1 END
                   FROM clock, renewed
                   WHERE NOT renewed.is_leaving AND (l.node = $1 OR l.lease_until <= clock.now)
                   RETURNING l.term)
               SELECT clock.now, renewed.beats, renewed.is_leaving,
                   EXISTS (SELECT 1 FROM led) AS is_leader,
                   coalesce((SELECT term FROM led), (SELECT term FROM leader)) AS term,
                   ARRAY(SELECT n.id FROM nodes n
                         WHERE n.id <> $1 AND NOT n.is_leaving AND n.lease_until > clock.now) AS others
               FROM clock, renewed";
    let lease_ms = i64::try_from(NODE_LEASE.as_millis()).unwrap_or(i64::MAX);
    let found = connection
        .read_one(sql, &[&node, &lease_ms], |row| membership_from_row(row, node))
        .await?;
    found.ok_or_else(|| StoreError::Corrupt("a heartbeat is answered by nothing".into()))
}

fn membership_from_row(row: &Row, own: i64) -> StoreResult<Membership> {
    let mut nodes: Vec<i64> = value(row, "others")?;
    if !value::<bool>(row, "is_leaving")? {
        nodes.push(own);
    }
    nodes.sort_unstable();
    Ok(Membership {
        own,
        nodes,
        is_leader: value(row, "is_leader")?,
        shared: Some(SharedLease {
            holds_for: NODE_LEASE,
            beat: number(row, "beats")?,
            database_time: time(row, "now")?,
            term: number(row, "term")?,
        }),
    })
}

/// Says that a node's clock is not the database's. All goes by the database's, so that this does no harm by itself.
pub fn clock_differs(ahead_ms: i64) -> Option<Finding> {
    if ahead_ms.unsigned_abs() <= u64::try_from(MAX_CLOCK_DIFFERENCE.as_millis()).unwrap_or(u64::MAX) {
        return None;
    }
    let (seconds, direction) = (
        ahead_ms.unsigned_abs() / 1000,
        if ahead_ms > 0 { "ahead of" } else { "behind" },
    );
    Some(Finding {
        code: "clock_differs",
        sentence: format!("the clock of this server is {seconds} s {direction} the database's, which counts"),
        advice: "set both machines' clocks by the same time server (NTP)",
    })
}

/// Gives up what others can take over at once.
pub async fn leave(connection: &Connection, node: i64) -> StoreResult<()> {
    let sql = "WITH left_by AS (UPDATE nodes SET is_leaving = TRUE WHERE id = $1)
               UPDATE leader SET lease_until = 0 WHERE node = $1";
    connection.execute(sql, &[&node]).await.map(|_| ())
}

/// Frees the claims of other nodes without a lease, and forgets those nodes. Says how many claims.
pub async fn rescue(context: &mut WriteContext) -> StoreResult<u64> {
    let (connection, node) = (&context.connection, context.node());
    forget_lapsed(connection, node).await?;
    let sql = "WITH abandoned AS (
                   SELECT found.id FROM webhooks w
                       CROSS JOIN LATERAL (
                           SELECT d.id FROM deliveries d
                           WHERE d.webhook_id = w.id AND d.state = 'claimed' AND d.finished_at IS NULL AND d.node <> $1
                               AND NOT EXISTS (SELECT 1 FROM nodes n WHERE n.id = d.node)
                           FOR UPDATE SKIP LOCKED
                       ) AS found)
               UPDATE deliveries d SET state = 'scheduled', node = NULL, claim = NULL
               WHERE d.id = ANY(ARRAY(SELECT id FROM abandoned)) AND d.state = 'claimed'
               RETURNING d.webhook_id AS id, d.due_at";
    let rescued: Vec<(_, Timestamp)> = connection.read_all(sql, &[&node], webhook_and_due_at).await?;
    let count = rescued.len() as u64;
    let mut wakes = Wakes::default();
    wakes.add_enabled(connection, rescued).await?;
    wakes.send_after_commit(context);
    Ok(count)
}

/// One whose heartbeat is under way keeps its row.
async fn forget_lapsed(connection: &Connection, node: i64) -> StoreResult<()> {
    let millis = |duration: Duration| i64::try_from(duration.as_millis()).unwrap_or(i64::MAX);
    let now = "(extract(epoch FROM statement_timestamp()) * 1000)::bigint";
    let sql = format!("UPDATE nodes SET lease_until = {now} + $1 WHERE lease_until > {now} + $2");
    let (lease, longest) = (millis(NODE_LEASE), millis(LONGEST_LEASE));
    connection.execute(&sql, &[&lease, &longest]).await?;
    let sql = format!("UPDATE leader SET lease_until = {now} + $1 WHERE lease_until > {now} + $1");
    connection.execute(&sql, &[&lease]).await?;
    let sql = format!(
        "DELETE FROM nodes WHERE id = ANY(ARRAY(
             SELECT id FROM nodes WHERE id <> $1 AND lease_until <= {now} FOR UPDATE SKIP LOCKED))"
    );
    connection.execute(&sql, &[&node]).await.map(|_| ())
}
