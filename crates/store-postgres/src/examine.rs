//! The deep check: whatever the schema cannot forbid. It only reads, each question with a snapshot of its own, so that it
//! keeps no old rows alive for long. Damaged pages are for `pg_amcheck` to find.

use model::id::{IncidentId, WebhookId};
use model::time::Timestamp;
use store::StoreResult;
use store::cross_checks::{self, blocked_lane, imbalance};
use store::upkeep::{CheckListener, Examined, Finding, tell};

use super::attempt_partitions;
use super::balances;
use super::columns::{bytes, value};
use super::connection::Connection;
use super::cross_checks::cross_check;

/// The most findings that are told.
const MAX_FINDINGS: u32 = 50;

/// Everything that is not as it should be.
pub async fn examine(
    connection: &Connection,
    now: Timestamp,
    listener: &CheckListener,
) -> StoreResult<Examined> {
    tell(listener, "lanes", 0, 1)?;
    let mut findings = blocked_lanes(connection).await?;
    findings.extend(attempt_partitions::examine(connection, now).await?);
    findings.extend(claims_of_nobody(connection).await?);
    findings.extend(cross_check(connection, listener).await?);
    tell(listener, "balance", 0, 1)?;
    let balances = balances::draw(connection).await?;
    findings.extend(balances.iter().filter_map(imbalance));
    findings.truncate(MAX_FINDINGS as usize);
    Ok(Examined { findings, balances })
}

/// A queued delivery waits for one before it in its lane; if none is scheduled or claimed, it waits for ever.
async fn blocked_lanes(connection: &Connection) -> StoreResult<Vec<Finding>> {
    let sql = "SELECT q.webhook_id, q.incident_id, count(*) AS count
         FROM webhooks w JOIN deliveries q ON q.webhook_id = w.id
         WHERE w.deleted_at IS NULL AND q.finished_at IS NULL AND q.state = 'queued'
             AND NOT EXISTS (SELECT 1 FROM deliveries head
                             WHERE head.incident_id = q.incident_id AND head.webhook_id = q.webhook_id
                                 AND head.state IN ('scheduled', 'claimed'))
         GROUP BY q.webhook_id, q.incident_id LIMIT $1";
    connection
        .read_all(sql, &[&i64::from(MAX_FINDINGS)], |row| {
            let webhook_id = WebhookId::from_bytes(bytes(row, "webhook_id")?);
            let incident_id = IncidentId::from_bytes(bytes(row, "incident_id")?);
            Ok(blocked_lane(webhook_id, incident_id, value(row, "count")?))
        })
        .await
}

async fn claims_of_nobody(connection: &Connection) -> StoreResult<Vec<Finding>> {
    let sql = "SELECT c.node, count(*) AS count FROM deliveries c
         WHERE c.finished_at IS NULL AND c.state = 'claimed'
             AND NOT EXISTS (SELECT 1 FROM nodes n WHERE n.id = c.node
                                 AND n.lease_until > (extract(epoch FROM statement_timestamp()) * 1000)::bigint)
         GROUP BY c.node LIMIT $1";
    connection
        .read_all(sql, &[&i64::from(MAX_FINDINGS)], |row| {
            Ok(cross_checks::claims_of_nobody(
                value(row, "node")?,
                value(row, "count")?,
            ))
        })
        .await
}
