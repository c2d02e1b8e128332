//! The partitions of attempts: one for each day of their deliveries, made ahead, and dropped whole once everything of that
//! day that was delivered may go. What must stay longer moves to the partition for everything else.
//!
//! One node at a time changes them: it has locked their rows. Whoever reads or writes attempts never waits for long: a lock
//! that is not free at once is left for the next round.

use model::id::DeliveryId;
use model::time::Timestamp;
use std::time::Duration;
use store::StoreResult;
use store::upkeep::Finding;

use super::columns::{time, value};
use super::connection::Connection;
use super::writer::WriteContext;

const DAY: Duration = Duration::from_secs(24 * 3600);
/// How many days there is a partition for before they begin.
const DAYS_AHEAD: u32 = 3;
/// The attempts of more deliveries than this are not moved out of a partition: it stays until they have gone.
const MAX_MOVED: i64 = 2000;
/// A lock that takes longer is given up: whoever records attempts waits behind it.
const LOCK_LIMIT: Duration = Duration::from_millis(100);

/// The attempts of deliveries made in some time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Partition {
    name: String,
    from: Timestamp,
    until: Timestamp,
}

impl Partition {
    /// Whether the attempts of a delivery go with this partition, and not one by one.
    pub fn drops(&self, delivery_id: &[u8; 16]) -> bool {
        !self.is_first() && (bound(self.from)..bound(self.until)).contains(delivery_id)
    }

    /// What was there before there were partitions.
    fn is_first(&self) -> bool {
        self.from.as_millis() == 0
    }
}

fn bound(at: Timestamp) -> [u8; 16] {
    *DeliveryId::lower_bound(at).as_bytes()
}

/// Every partition, the earliest first.
pub async fn list(connection: &Connection) -> StoreResult<Vec<Partition>> {
    let sql = "SELECT name, from_at, until_at FROM attempt_partitions ORDER BY from_at";
    connection
        .read_all(sql, &[], |row| {
            Ok(Partition {
                name: value(row, "name")?,
                from: time(row, "from_at")?,
                until: time(row, "until_at")?,
            })
        })
        .await
}

/// Whether partitions are to be made.
pub fn are_missing(partitions: &[Partition], now: Timestamp) -> bool {
    partitions
        .last()
        .is_none_or(|last| last.until < now.plus(DAYS_AHEAD * DAY))
}

/// Makes the first that is missing; says whether it did. Days that something lies elsewhere of get none.
///
/// One in a transaction: attaching looks through all that lies elsewhere, and keeps who reads or writes attempts waiting.
pub async fn make(context: &mut WriteContext, now: Timestamp) -> StoreResult<u64> {
    let connection = &context.connection;
    let lock = "LOCK TABLE attempt_partitions IN EXCLUSIVE MODE; LOCK TABLE attempts_elsewhere";
    connection.lock_within(LOCK_LIMIT, lock).await?;
    let partitions = list(connection).await?;
    let mut from = midnight_before(now);
    if let Some(last) = partitions.last() {
        from = from.max(last.until);
    }
    while from < now.plus(DAYS_AHEAD * DAY) {
        let until = midnight_after(from);
        if !finds_elsewhere(connection, from, until).await? {
            attach(connection, from, until).await?;
            return Ok(1);
        }
        from = until;
    }
    Ok(0)
}

fn midnight_before(at: Timestamp) -> Timestamp {
    let day = i64::try_from(DAY.as_millis()).unwrap_or(i64::MAX);
    Timestamp::from_millis(at.as_millis() / day * day)
}

fn midnight_after(at: Timestamp) -> Timestamp {
    midnight_before(at.plus(DAY))
}

async fn finds_elsewhere(connection: &Connection, from: Timestamp, until: Timestamp) -> StoreResult<bool> {
    let sql = "SELECT 1 FROM attempts_elsewhere WHERE delivery_id >= $1 AND delivery_id < $2 LIMIT 1";
    connection
        .finds(sql, &[&&bound(from)[..], &&bound(until)[..]])
        .await
}

/// Attached, not made as a partition: that would lock all attempts.
async fn attach(connection: &Connection, from: Timestamp, until: Timestamp) -> StoreResult<()> {
    let day = from.to_rfc3339_seconds();
    let day: String = day
        .chars()
        .take_while(|char| *char != 'T')
        .filter(char::is_ascii_digit)
        .collect();
    let name = format!("attempts_{day}");
    let (first, end) = (literal(from), literal(until));
    let sql = format!(
        "CREATE TABLE {name} (LIKE attempts INCLUDING DEFAULTS INCLUDING CONSTRAINTS, PRIMARY KEY (delivery_id, id));
         ALTER TABLE attempts ATTACH PARTITION {name} FOR VALUES FROM ({first}) TO ({end});
         INSERT INTO attempt_partitions (name, from_at, until_at) VALUES ('{name}', {}, {})",
        from.as_millis(),
        until.as_millis()
    );
    connection.execute_batch(&sql).await
}

fn literal(at: Timestamp) -> String {
    let digits: String = bound(at).iter().map(|byte| format!("{byte:02x}")).collect();
    format!("'\\x{digits}'")
}

/// The earliest partition that may go: of deliveries that were all made before a time.
pub fn outlived(partitions: &[Partition], delivered_before: Timestamp) -> Option<Partition> {
    partitions
        .first()
        .filter(|first| first.until <= delivered_before)
        .cloned()
}

/// Drops a partition. What is left of its deliveries keeps its attempts; if that is much, the partition stays, and nothing
/// is dropped.
pub async fn drop_one(context: &mut WriteContext, partition: &Partition) -> StoreResult<u64> {
    let connection = &context.connection;
    let sql = "SELECT 1 FROM attempt_partitions WHERE name = $1 FOR UPDATE";
    if !connection.finds(sql, &[&partition.name]).await? {
        // Another node was faster.
        return Ok(0);
    }
    let (from, until) = (bound(partition.from), bound(partition.until));
    let sql = "SELECT 1 FROM deliveries WHERE id >= $1 AND id < $2 ORDER BY id OFFSET $3 LIMIT 1";
    if connection
        .finds(sql, &[&&from[..], &&until[..], &MAX_MOVED])
        .await?
    {
        return Ok(0);
    }
    let name = &partition.name;
    let lock = format!("LOCK TABLE ONLY attempts; LOCK TABLE attempts_elsewhere, {name}");
    connection.lock_within(LOCK_LIMIT, &lock).await?;
    // Detached first: what is moved belongs nowhere else from then on.
    let sql = format!(
        "ALTER TABLE attempts DETACH PARTITION {name};
         INSERT INTO attempts SELECT a.* FROM deliveries d JOIN {name} a ON a.delivery_id = d.id
         WHERE d.id >= {} AND d.id < {};
         DROP TABLE {name};
         DELETE FROM attempt_partitions WHERE name = '{name}'",
        literal(partition.from),
        literal(partition.until)
    );
    connection.execute_batch(&sql).await?;
    Ok(1)
}

/// What is wrong if nobody makes partitions.
pub async fn examine(connection: &Connection, now: Timestamp) -> StoreResult<Option<Finding>> {
    let partitions = list(connection).await?;
    let covers_now = partitions.last().is_some_and(|last| last.until > now);
    Ok((!covers_now).then(|| Finding {
        code: "partitions_missing",
        sentence:
            "there is no partition for the attempts of today; they are kept, and cost more to remove one day"
                .into(),
        advice: "see in the log of the servers why the pruner cannot make tables, and whether their user may",
    }))
}
