//! What is known of replicas and of whoever else reads the write-ahead log.

use store::StoreResult;
use store::upkeep::Finding;

use super::columns::{optional_number, value};
use super::condition::finding;
use super::connection::Connection;

/// A replica may be behind by so much of the write-ahead log.
const LAG_TOLERATED_BYTES: i64 = 256 * MEBIBYTE;
/// And by so many seconds.
const LAG_TOLERATED_SECONDS: i64 = 60;
/// The most replicas and slots that are told of.
const MAX_TOLD: i64 = 20;
const MEBIBYTE: i64 = 1024 * 1024;

/// A replica, as the primary knows it.
struct Replica {
    name: String,
    state: String,
    sync_state: String,
    lag_bytes: Option<i64>,
    lag_seconds: Option<i64>,
}

/// What is wrong with the replicas of a primary.
pub async fn replicas(connection: &Connection, must_be_synchronous: bool) -> StoreResult<Vec<Finding>> {
    let sql = "SELECT application_name AS name, coalesce(state, '') AS state, coalesce(sync_state, '') AS sync_state,
                   pg_wal_lsn_diff(pg_current_wal_lsn(), replay_lsn)::bigint AS lag_bytes,
                   floor(extract(epoch FROM replay_lag))::bigint AS lag_seconds
               FROM pg_stat_replication WHERE state IS DISTINCT FROM 'backup' ORDER BY application_name LIMIT $1";
    let replicas = connection
        .read_all(sql, &[&MAX_TOLD], |row| {
            Ok(Replica {
                name: value(row, "name")?,
                state: value(row, "state")?,
                sync_state: value(row, "sync_state")?,
                lag_bytes: optional_number(row, "lag_bytes")?,
                lag_seconds: optional_number(row, "lag_seconds")?,
            })
        })
        .await?;
    Ok(judge(&replicas, must_be_synchronous))
}

fn judge(replicas: &[Replica], must_be_synchronous: bool) -> Vec<Finding> {
    let is_late = |replica: &&Replica| {
        replica.lag_bytes.unwrap_or(0) > LAG_TOLERATED_BYTES
            || replica.lag_seconds.unwrap_or(0) > LAG_TOLERATED_SECONDS
    };
    let mut findings: Vec<_> = replicas
        .iter()
        .filter(is_late)
        .map(|replica| Finding {
            code: "replica_behind",
            sentence: format!(
                "the replica {} ({}, {}) is {} MiB and {} s behind",
                replica.name,
                replica.state,
                replica.sync_state,
                replica.lag_bytes.unwrap_or(0) / MEBIBYTE,
                replica.lag_seconds.unwrap_or(0)
            ),
            advice: "look at its disk, its network and long queries on it; a failover to it now would lose that much",
        })
        .collect();
    let is_synchronous = replicas
        .iter()
        .any(|replica| ["sync", "quorum"].contains(&replica.sync_state.as_str()));
    // Without the right to look, the state of each is empty.
    let is_known = replicas.iter().all(|replica| !replica.sync_state.is_empty());
    if must_be_synchronous && is_known && !is_synchronous {
        findings.push(finding(
            "no_synchronous_replica",
            "synchronous_standby_names asks replicas to confirm each commit, and none is there that could: changes wait",
            "start the replica, or change synchronous_standby_names",
        ));
    }
    if !must_be_synchronous && is_known && !replicas.is_empty() {
        findings.push(finding(
            "replica_asynchronous",
            "the replicas confirm no commits: a failover to one may lose the latest of what was answered",
            "name them in synchronous_standby_names if that must not be",
        ));
    }
    findings
}

/// Slots that nobody reads keep the write-ahead log until the disk is full.
pub async fn slots(connection: &Connection) -> StoreResult<Vec<Finding>> {
    let sql = "SELECT slot_name::text AS name FROM pg_replication_slots WHERE NOT active ORDER BY slot_name LIMIT $1";
    connection
        .read_all(sql, &[&MAX_TOLD], |row| {
            let name: &str = value(row, "name")?;
            Ok(Finding {
                code: "slot_unused",
                sentence: format!("nobody reads the replication slot {name}: PostgreSQL keeps its log until the disk is full"),
                advice: "start the replica that it belongs to, or drop it with pg_drop_replication_slot",
            })
        })
        .await
}

#[cfg(test)]
mod tests {
    use super::*;

    fn replica(sync_state: &str, lag_bytes: i64) -> Replica {
        Replica {
            name: "second".into(),
            state: "streaming".into(),
            sync_state: sync_state.into(),
            lag_bytes: Some(lag_bytes),
            lag_seconds: None,
        }
    }

    #[test]
    fn replicas_must_be_near_and_confirm_if_they_are_asked_to() {
        let codes = |replicas: &[Replica], must: bool| -> Vec<_> {
            let findings = judge(replicas, must).into_iter();
            findings.map(|finding| finding.code).collect()
        };
        assert_eq!(codes(&[], false), [""; 0]);
        assert_eq!(codes(&[], true), ["no_synchronous_replica"]);
        assert_eq!(codes(&[replica("sync", 0)], true), [""; 0]);
        assert_eq!(codes(&[replica("async", 0)], true), ["no_synchronous_replica"]);
        assert_eq!(codes(&[replica("async", 0)], false), ["replica_asynchronous"]);
        let late = replica("sync", LAG_TOLERATED_BYTES + 1);
        assert_eq!(codes(&[late], true), ["replica_behind"]);
        assert_eq!(codes(&[replica("", 0)], true), [""; 0], "nobody may look");
    }
}
