//! Counting deliveries: all open and dead ones by index, and one webhook's recent past by a bounded sample.

use std::collections::HashMap;

use tokio_postgres::Row;

use model::exchange::FailureCode;
use model::id::WebhookId;
use model::time::Timestamp;
use store::StoreError;
use store::StoreResult;
use store::deliveries::{
    COUNTED_AT_MOST, DEAD_SEARCHED, StateCounts, WebhookCounts, WebhookStats, without_tests,
};

use super::columns::{bytes, number, optional_number, optional_time, value};
use super::connection::Connection;
use super::delivery_rows::optional_failure_code;

/// How many of a webhook's latest deliveries its stats look at.
const STATS_SAMPLE: i64 = 20_000;
/// Of how many of these they look at the attempts, and at how many attempts.
const ATTEMPTS_SAMPLE: i64 = 5_000;

/// A webhook's open and dead deliveries, tests and those that were given up left out.
#[derive(Clone, Copy, Default)]
pub struct Counts {
    pub scheduled: u64,
    pub queued: u64,
    pub claimed: u64,
    pub dead: u64,
    /// When the next scheduled one is due, test or not.
    pub next_due_at: Option<Timestamp>,
}

/// Open and dead deliveries of each webhook by state, tests left out. Of deliveries, only indexes are read.
pub async fn counts_by_webhook(
    connection: &Connection,
    at_most: Option<u32>,
) -> StoreResult<Vec<WebhookCounts>> {
    let counts = counts(connection, at_most).await?;
    let sql =
        "SELECT id, name, deleted_at IS NOT NULL AS is_deleted, disabled_since IS NOT NULL AS is_disabled,
                   degraded_since IS NOT NULL AS is_degraded,
                   CASE WHEN canary_hours IS NOT NULL AND canary_at IS NOT NULL
                       THEN canary_failure IS NOT NULL END AS canary_failed
               FROM webhooks ORDER BY id";
    connection
        .read_all(sql, &[], |row| {
            let id = WebhookId::from_bytes(bytes(row, "id")?);
            let state = match (
                value(row, "is_deleted")?,
                value(row, "is_disabled")?,
                value(row, "is_degraded")?,
            ) {
                (true, _, _) => "deleted",
                (false, true, _) => "disabled",
                (false, false, true) => "degraded",
                (false, false, false) => "enabled",
            };
            let counted = counts.get(&id).copied().unwrap_or_default();
            Ok(WebhookCounts {
                id,
                name: value(row, "name")?,
                state,
                canary_failed: value(row, "canary_failed")?,
                counts: by_state(counted, matches!(state, "enabled" | "degraded")),
            })
        })
        .await
}

fn by_state(counted: Counts, is_enabled: bool) -> StateCounts {
    let counts = StateCounts {
        claimed: counted.claimed,
        dead: counted.dead,
        ..StateCounts::default()
    };
    match is_enabled {
        true => StateCounts {
            scheduled: counted.scheduled,
            queued: counted.queued,
            oldest_due_at: counted.next_due_at,
            ..counts
        },
        false => StateCounts {
            held: counted.scheduled + counted.queued,
            ..counts
        },
    }
}

/// The counts of every webhook that has any, each up to a number, or to the end. That a delivery is a test stands in an index
/// of its own: reading it from the rows would take longer than everything else.
pub async fn counts(
    connection: &Connection,
    at_most: Option<u32>,
) -> StoreResult<HashMap<WebhookId, Counts>> {
    let sql = "SELECT w.id, open.scheduled, open.queued, open.claimed, tests.scheduled AS scheduled_tests,
                   tests.queued AS queued_tests, tests.claimed AS claimed_tests, died.dead, open.next_due_at
               FROM webhooks w
               CROSS JOIN LATERAL (
                   SELECT (SELECT count(*) FROM (SELECT 1 FROM deliveries d WHERE d.webhook_id = w.id
                               AND d.finished_at IS NULL AND d.state = 'scheduled' LIMIT $2) s) AS scheduled,
                       (SELECT count(*) FROM (SELECT 1 FROM deliveries d WHERE d.webhook_id = w.id
                            AND d.finished_at IS NULL AND d.state = 'queued' LIMIT $2) q) AS queued,
                       (SELECT count(*) FROM (SELECT 1 FROM deliveries d WHERE d.webhook_id = w.id
                            AND d.finished_at IS NULL AND d.state = 'claimed' LIMIT $2) c) AS claimed,
                       (SELECT min(d.due_at) FROM deliveries d WHERE d.webhook_id = w.id
                            AND d.finished_at IS NULL AND d.state = 'scheduled') AS next_due_at) open
               CROSS JOIN LATERAL (
                   SELECT count(*) FILTER (WHERE state = 'scheduled') AS scheduled,
                       count(*) FILTER (WHERE state = 'queued') AS queued,
                       count(*) FILTER (WHERE state = 'claimed') AS claimed
                   FROM deliveries d
                   WHERE d.webhook_id = w.id AND d.is_test AND d.state IN ('scheduled', 'queued', 'claimed')) tests
               CROSS JOIN LATERAL (
                   SELECT count(*) AS dead FROM (
                       SELECT 1 FROM (SELECT d.is_test, d.last_failure FROM deliveries d
                                      WHERE d.webhook_id = w.id AND d.state = 'dead' ORDER BY d.id DESC LIMIT $3) latest
                       WHERE NOT is_test AND last_failure IS DISTINCT FROM $1 LIMIT $2) dead) died";
    let searched = at_most.map(|_| i64::from(DEAD_SEARCHED));
    let counted = |row: &Row, open: &str, tests: &str| -> StoreResult<u64> {
        Ok(without_tests(number(row, open)?, number(row, tests)?, at_most))
    };
    let rows = connection
        .read_all(
            sql,
            &[&FailureCode::GivenUp.as_str(), &at_most.map(i64::from), &searched],
            |row| {
                let counts = Counts {
                    scheduled: counted(row, "scheduled", "scheduled_tests")?,
                    queued: counted(row, "queued", "queued_tests")?,
                    claimed: counted(row, "claimed", "claimed_tests")?,
                    dead: number(row, "dead")?,
                    next_due_at: optional_time(row, "next_due_at")?,
                };
                Ok((WebhookId::from_bytes(bytes(row, "id")?), counts))
            },
        )
        .await?;
    Ok(rows.into_iter().collect())
}

/// What a webhook did since a time, as far as its latest [`STATS_SAMPLE`] deliveries tell.
pub async fn webhook_stats(
    connection: &Connection,
    webhook_id: WebhookId,
    since: Timestamp,
) -> StoreResult<WebhookStats> {
    let id = &webhook_id.as_bytes()[..];
    if !connection
        .finds("SELECT 1 FROM webhooks WHERE id = $1", &[&id])
        .await?
    {
        return Err(StoreError::NotFound { what: "webhook" });
    }
    let (open, next_due_at) = open_of(connection, webhook_id).await?;
    let mut stats = WebhookStats {
        open,
        next_due_at,
        ..count_deliveries(connection, webhook_id, since).await?
    };
    let mut durations_us = Vec::new();
    let mut failures: HashMap<FailureCode, u64> = HashMap::new();
    for attempt in sample_attempts(connection, webhook_id, since).await? {
        durations_us.push(attempt.total_us);
        match attempt.failure {
            None => stats.attempts_delivered += 1,
            Some(code) => *failures.entry(code).or_default() += 1,
        }
    }
    durations_us.sort_unstable();
    stats.p50_us = percentile(&durations_us, 50);
    stats.p95_us = percentile(&durations_us, 95);
    stats.failures = failures.into_iter().collect();
    stats.failures.sort_unstable_by(|(a, a_count), (b, b_count)| {
        b_count.cmp(a_count).then_with(|| a.as_str().cmp(b.as_str()))
    });
    Ok(stats)
}

/// How many open deliveries a webhook has, tests left out, and when the next scheduled one is due.
async fn open_of(connection: &Connection, webhook_id: WebhookId) -> StoreResult<(u64, Option<Timestamp>)> {
    let sql = "SELECT (SELECT count(*) FROM (SELECT 1 FROM deliveries WHERE webhook_id = $1 AND finished_at IS NULL LIMIT $2) o) AS open,
                   (SELECT count(*) FROM deliveries
                    WHERE webhook_id = $1 AND state IN ('scheduled', 'queued', 'claimed') AND is_test) AS tests,
                   (SELECT min(due_at) FROM deliveries
                    WHERE webhook_id = $1 AND state = 'scheduled' AND finished_at IS NULL) AS next_due_at";
    let open = connection
        .read_one(
            sql,
            &[&&webhook_id.as_bytes()[..], &i64::from(COUNTED_AT_MOST)],
            |row| {
                let open = without_tests(number(row, "open")?, number(row, "tests")?, Some(COUNTED_AT_MOST));
                Ok((open, optional_time(row, "next_due_at")?))
            },
        )
        .await?;
    Ok(open.unwrap_or_default())
}

async fn count_deliveries(
    connection: &Connection,
    webhook_id: WebhookId,
    since: Timestamp,
) -> StoreResult<WebhookStats> {
    let sql = "SELECT count(*) FILTER (WHERE state = 'delivered' AND created_at >= $2) AS delivered,
                   count(*) FILTER (WHERE state = 'dead' AND created_at >= $2 AND last_failure IS DISTINCT FROM $4) AS dead,
                   max(finished_at) FILTER (WHERE state = 'delivered') AS last_delivered_at
               FROM (SELECT state, created_at, finished_at, is_test, last_failure FROM deliveries
                     WHERE webhook_id = $1 ORDER BY id DESC LIMIT $3) latest
               WHERE NOT is_test";
    let (since, given_up) = (since.as_millis(), FailureCode::GivenUp.as_str());
    let stats = connection
        .read_one(
            sql,
            &[&&webhook_id.as_bytes()[..], &since, &STATS_SAMPLE, &given_up],
            |row| {
                Ok(WebhookStats {
                    delivered: number(row, "delivered")?,
                    dead: number(row, "dead")?,
                    last_delivered_at: optional_time(row, "last_delivered_at")?,
                    ..WebhookStats::default()
                })
            },
        )
        .await?;
    Ok(stats.unwrap_or_default())
}

struct SampledAttempt {
    total_us: u64,
    failure: Option<FailureCode>,
}

async fn sample_attempts(
    connection: &Connection,
    webhook_id: WebhookId,
    since: Timestamp,
) -> StoreResult<Vec<SampledAttempt>> {
    let sql = "SELECT a.total_us, a.failure
               FROM (SELECT id, is_test FROM deliveries WHERE webhook_id = $1 ORDER BY id DESC LIMIT $3) d
                   JOIN attempts a ON a.delivery_id = d.id
               WHERE NOT d.is_test AND a.started_at >= $2 LIMIT $3";
    connection
        .read_all(
            sql,
            &[&&webhook_id.as_bytes()[..], &since.as_millis(), &ATTEMPTS_SAMPLE],
            |row: &Row| {
                Ok(SampledAttempt {
                    total_us: optional_number(row, "total_us")?.unwrap_or(0),
                    failure: optional_failure_code(row, "failure")?,
                })
            },
        )
        .await
}

/// The value below or at which so many percent of the sorted values lie.
fn percentile(sorted: &[u64], percent: usize) -> Option<u64> {
    let rank = (sorted.len() * percent).div_ceil(100);
    sorted.get(rank.saturating_sub(1)).copied()
}
