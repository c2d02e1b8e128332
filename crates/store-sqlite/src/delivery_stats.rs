//! Counting deliveries: all open and dead ones by index, and one webhook's recent past by a bounded sample.

use std::collections::HashMap;

use rusqlite::{Connection, Row};

use model::exchange::FailureCode;
use model::id::WebhookId;
use model::time::Timestamp;
use store::StoreError;
use store::StoreResult;
use store::deliveries::{
    COUNTED_AT_MOST, DEAD_SEARCHED, StateCounts, WebhookCounts, WebhookStats, without_tests,
};

use super::delivery_rows::parse_failure_code;
use super::statements::{read_all, read_one, row_limit};

/// How many of a webhook's latest deliveries its stats look at.
const STATS_SAMPLE: u32 = 20_000;
/// Of how many of these they look at the attempts, and at how many attempts.
const ATTEMPTS_SAMPLE: u32 = 5_000;

/// Open and dead deliveries of each webhook by state, tests left out. Of deliveries, only indexes are read.
pub fn counts_by_webhook(connection: &Connection, at_most: Option<u32>) -> StoreResult<Vec<WebhookCounts>> {
    let webhooks = read_all(
        connection,
        "SELECT id, name, deleted_at IS NOT NULL, disabled_since IS NOT NULL, degraded_since IS NOT NULL,
             CASE WHEN canary_hours IS NOT NULL AND canary_at IS NOT NULL THEN canary_failure IS NOT NULL END
         FROM webhooks ORDER BY id",
        (),
        |row| {
            Ok(WebhookCounts {
                id: WebhookId::from_bytes(row.get(0)?),
                name: row.get(1)?,
                state: match (row.get(2)?, row.get(3)?, row.get(4)?) {
                    (true, _, _) => "deleted",
                    (false, true, _) => "disabled",
                    (false, false, true) => "degraded",
                    (false, false, false) => "enabled",
                },
                canary_failed: row.get(5)?,
                counts: StateCounts::default(),
            })
        },
    )?;
    let count = |webhook: WebhookCounts| -> StoreResult<WebhookCounts> {
        let counts = count_states(
            connection,
            webhook.id,
            matches!(webhook.state, "enabled" | "degraded"),
            at_most,
        )?;
        Ok(WebhookCounts { counts, ..webhook })
    };
    webhooks.into_iter().map(count).collect()
}

fn count_states(
    connection: &Connection,
    id: WebhookId,
    is_enabled: bool,
    at_most: Option<u32>,
) -> StoreResult<StateCounts> {
    let scheduled = count_open(connection, id, "scheduled", at_most)?;
    let queued = count_open(connection, id, "queued", at_most)?;
    let counts = StateCounts {
        claimed: count_open(connection, id, "claimed", at_most)?,
        dead: count_dead(connection, id, at_most)?,
        ..StateCounts::default()
    };
    Ok(match is_enabled {
        true => StateCounts {
            scheduled,
            queued,
            oldest_due_at: super::claims::next_due_at(connection, id)?,
            ..counts
        },
        false => StateCounts {
            held: scheduled + queued,
            ..counts
        },
    })
}

/// How many open deliveries of a webhook are in a state, tests left out; counted up to a number, or to the end.
pub fn count_open(
    connection: &Connection,
    webhook_id: WebhookId,
    state: &'static str,
    at_most: Option<u32>,
) -> StoreResult<u64> {
    let counted = read_one(
        connection,
        "SELECT count(*), (SELECT count(*) FROM deliveries INDEXED BY deliveries_test
                           WHERE webhook_id = ?1 AND state = ?2 AND is_test = 1)
         FROM (SELECT 1 FROM deliveries INDEXED BY deliveries_open
               WHERE webhook_id = ?1 AND state = ?2 AND finished_at IS NULL LIMIT ?3)",
        (webhook_id.as_bytes(), state, row_limit(at_most)),
        |row| Ok((unsigned(row.get(0)?), unsigned(row.get(1)?))),
    )?;
    let (open, tests) = counted.unwrap_or_default();
    Ok(without_tests(open, tests, at_most))
}

/// How many deliveries of a webhook are dead, tests and those that were given up left out; counted likewise, among the
/// latest [`DEAD_SEARCHED`] that ended unsent.
pub fn count_dead(connection: &Connection, webhook_id: WebhookId, at_most: Option<u32>) -> StoreResult<u64> {
    count(
        connection,
        "SELECT count(*) FROM (
             SELECT 1 FROM (SELECT is_test, last_failure FROM deliveries INDEXED BY deliveries_dead_causes
                            WHERE webhook_id = ?1 AND state = 'dead' ORDER BY id DESC LIMIT ?4)
             WHERE is_test = 0 AND last_failure IS NOT ?2 LIMIT ?3)",
        (
            webhook_id.as_bytes(),
            FailureCode::GivenUp.as_str(),
            row_limit(at_most),
            row_limit(at_most.map(|_| DEAD_SEARCHED)),
        ),
    )
}

fn count(connection: &Connection, sql: &str, params: impl rusqlite::Params) -> StoreResult<u64> {
    let count: Option<i64> = read_one(connection, sql, params, |row| row.get(0))?;
    Ok(count.and_then(|count| u64::try_from(count).ok()).unwrap_or(0))
}

/// What a webhook did since a time, as far as its latest [`STATS_SAMPLE`] deliveries tell.
pub fn webhook_stats(
    connection: &Connection,
    webhook_id: WebhookId,
    since: Timestamp,
) -> StoreResult<WebhookStats> {
    let exists = read_one(
        connection,
        "SELECT 1 FROM webhooks WHERE id = ?1",
        [webhook_id.as_bytes()],
        |_| Ok(()),
    )?;
    if exists.is_none() {
        return Err(StoreError::NotFound { what: "webhook" });
    }
    let mut stats = count_deliveries(connection, webhook_id, since)?;
    for state in ["scheduled", "queued", "claimed"] {
        stats.open += count_open(connection, webhook_id, state, Some(COUNTED_AT_MOST))?;
    }
    stats.open = stats.open.min(COUNTED_AT_MOST.into());
    stats.next_due_at = super::claims::next_due_at(connection, webhook_id)?;
    let mut durations_us = Vec::new();
    let mut failures: HashMap<FailureCode, u64> = HashMap::new();
    for attempt in sample_attempts(connection, webhook_id, since)? {
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

fn count_deliveries(
    connection: &Connection,
    webhook_id: WebhookId,
    since: Timestamp,
) -> StoreResult<WebhookStats> {
    let stats = read_one(
        connection,
        "SELECT count(*) FILTER (WHERE state = 'delivered' AND created_at >= ?2),
                count(*) FILTER (WHERE state = 'dead' AND created_at >= ?2 AND last_failure IS NOT ?4),
                max(finished_at) FILTER (WHERE state = 'delivered')
         FROM (SELECT state, created_at, finished_at, is_test, last_failure FROM deliveries INDEXED BY deliveries_webhook
               WHERE webhook_id = ?1 ORDER BY id DESC LIMIT ?3)
         WHERE is_test = 0",
        (
            webhook_id.as_bytes(),
            since.as_millis(),
            STATS_SAMPLE,
            FailureCode::GivenUp.as_str(),
        ),
        |row| {
            Ok(WebhookStats {
                delivered: unsigned(row.get(0)?),
                dead: unsigned(row.get(1)?),
                last_delivered_at: row.get::<_, Option<i64>>(2)?.map(Timestamp::from_millis),
                ..WebhookStats::default()
            })
        },
    )?;
    Ok(stats.unwrap_or_default())
}

struct SampledAttempt {
    total_us: u64,
    failure: Option<FailureCode>,
}

fn sample_attempts(
    connection: &Connection,
    webhook_id: WebhookId,
    since: Timestamp,
) -> StoreResult<Vec<SampledAttempt>> {
    read_all(
        connection,
        "SELECT a.total_us, a.failure
         FROM (SELECT id, is_test FROM deliveries INDEXED BY deliveries_webhook
               WHERE webhook_id = ?1 ORDER BY id DESC LIMIT ?3) d
              CROSS JOIN attempts a ON a.delivery_id = d.id
         WHERE d.is_test = 0 AND a.started_at >= ?2 LIMIT ?3",
        (webhook_id.as_bytes(), since.as_millis(), ATTEMPTS_SAMPLE),
        |row: &Row<'_>| {
            let failure: Option<String> = row.get(1)?;
            Ok(SampledAttempt {
                total_us: unsigned(row.get(0)?),
                failure: failure.as_deref().map(parse_failure_code).transpose()?,
            })
        },
    )
}

fn unsigned(value: i64) -> u64 {
    u64::try_from(value).unwrap_or(0)
}

/// The value below or at which so many percent of the sorted values lie.
fn percentile(sorted: &[u64], percent: usize) -> Option<u64> {
    let rank = (sorted.len() * percent).div_ceil(100);
    sorted.get(rank.saturating_sub(1)).copied()
}

#[cfg(test)]
mod tests {
    use super::percentile;

    #[test]
    fn percentiles_are_values_that_were_seen() {
        let sorted: Vec<u64> = (1..=20).collect();
        assert_eq!(
            (percentile(&sorted, 50), percentile(&sorted, 95)),
            (Some(10), Some(19))
        );
        assert_eq!((percentile(&[], 50), percentile(&[7], 95)), (None, Some(7)));
    }
}
