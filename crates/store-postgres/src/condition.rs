//! What is known of the server that keeps the data: settings that endanger what is accepted, tables and replicas in bad
//! shape, a clock that is off. Reads the server's own views, which every user may, and decides in pure functions.

use std::collections::HashMap;
use std::time::Instant;

use tokio_postgres::Row;

use model::time::Timestamp;
use store::StoreResult;
use store::upkeep::Finding;

use super::columns::value;
use super::connection::Connection;
use super::database::Database;
use super::migrate::known;
use super::nodes::clock_differs;
use super::replication::{replicas, slots};

/// The settings that are read.
const SETTINGS: [&str; 12] = [
    "autovacuum",
    "autovacuum_freeze_max_age",
    "data_checksums",
    "fsync",
    "full_page_writes",
    "max_connections",
    "reserved_connections",
    "superuser_reserved_connections",
    "synchronous_commit",
    "synchronous_standby_names",
    "track_counts",
    "transaction_read_only",
];
/// Fewer dead rows are no trouble, whatever their share.
const DEAD_ROWS_TOLERATED: i64 = 100_000;
/// For how long somebody may keep a transaction open and do nothing in it.
const IDLE_TOLERATED_SECONDS: i64 = 60;
/// The most tables that are told of.
const MAX_TOLD: i64 = 20;

/// Everything that is not as it should be.
pub async fn examine(database: &Database, now: Timestamp) -> StoreResult<Vec<Finding>> {
    let asked_at = Instant::now();
    let connection = database.long_connection().await?;
    let clock = read_clock(&connection).await?;
    let here = now.as_millis() + i64::try_from(asked_at.elapsed().as_millis()).unwrap_or(0);
    let facts = Facts {
        settings: read_settings(&connection).await?,
        is_standby: connection
            .finds("SELECT 1 WHERE pg_is_in_recovery()", &[])
            .await?,
        // Whose heartbeats measure it has told.
        clock_here_ahead_ms: match database.clock_ahead_ms() {
            0 => here - clock,
            _ => 0,
        },
        transaction_age: read_age(&connection).await?,
    };
    let mut findings = facts.durability();
    findings.extend(facts.health());
    findings.extend(connections(database, &connection, &facts).await?);
    findings.extend(tables(&connection).await?);
    if !facts.is_standby {
        findings.extend(replicas(&connection, facts.has_synchronous_names()).await?);
    }
    findings.extend(slots(&connection).await?);
    findings.extend(idle_transactions(&connection).await?);
    findings.extend(schema_ahead(database.schema_version()));
    Ok(findings)
}

/// What the server says of itself as a whole.
struct Facts {
    settings: HashMap<String, String>,
    is_standby: bool,
    /// How much later it is here than there, if nobody has told of it yet.
    clock_here_ahead_ms: i64,
    /// How many transactions ago the oldest row was written that was not frozen since.
    transaction_age: i64,
}

impl Facts {
    fn is(&self, name: &str, expected: &str) -> bool {
        self.settings.get(name).is_some_and(|setting| setting == expected)
    }

    fn number(&self, name: &str) -> i64 {
        let number = self.settings.get(name).and_then(|setting| setting.parse().ok());
        number.unwrap_or(0)
    }

    /// What can lose an answered request.
    fn durability(&self) -> Vec<Finding> {
        let is_unsafe = |name: &str| self.is(name, "off");
        let commit = self.settings.get("synchronous_commit").map(String::as_str);
        let told = [
            is_unsafe("fsync").then(|| finding(
                "fsync_off",
                "fsync is off: after a loss of power the database may be damaged as a whole",
                "set fsync = on in postgresql.conf and restart PostgreSQL",
            )),
            is_unsafe("full_page_writes").then(|| finding(
                "full_page_writes_off",
                "full_page_writes is off: a page that is half written when the power goes stays damaged",
                "set full_page_writes = on and reload PostgreSQL, unless the file system never tears a page",
            )),
            (commit == Some("off")).then(|| finding(
                "synchronous_commit_off",
                "synchronous_commit is off for this server's user or database: what was answered may be lost in a crash",
                "set it on, and look at ALTER ROLE and ALTER DATABASE too (\\drds in psql)",
            )),
            (commit == Some("local") && self.has_synchronous_names()).then(|| finding(
                "synchronous_commit_local",
                "synchronous_commit is local, though replicas are named that shall confirm each commit: a failover may lose \
                 what was answered",
                "set it on for this server's user and database",
            )),
            self.is("data_checksums", "off").then(|| finding(
                "checksums_off",
                "the database has no checksums of its pages: damage by the disk is noticed late or never",
                "stop PostgreSQL and run pg_checksums --enable when there is time for it",
            )),
        ];
        told.into_iter().flatten().collect()
    }

    /// What will stop it.
    fn health(&self) -> Vec<Finding> {
        let told = [
            (self.is_standby || self.is("transaction_read_only", "on")).then(|| finding(
                "read_only",
                "the database takes no changes: it is a replica, or transactions are read-only for this user",
                "give the address of the primary, or several hosts with target_session_attrs=read-write",
            )),
            (self.is("autovacuum", "off") || self.is("track_counts", "off")).then(|| finding(
                "autovacuum_off",
                "autovacuum is off: tables grow without end, and at last PostgreSQL takes no changes any more",
                "set autovacuum = on and track_counts = on, and reload PostgreSQL",
            )),
            clock_differs(self.clock_here_ahead_ms),
            (self.transaction_age > 2 * self.number("autovacuum_freeze_max_age").max(1)).then(|| Finding {
                code: "wraparound_near",
                sentence: format!(
                    "rows {} transactions old were not frozen yet: at 2,000 million PostgreSQL takes no changes any more",
                    self.transaction_age
                ),
                advice: "look for what keeps autovacuum from freezing (old transactions, prepared ones, replication slots), \
                         then run VACUUM (FREEZE)",
            }),
        ];
        told.into_iter().flatten().collect()
    }

    fn has_synchronous_names(&self) -> bool {
        let names = self.settings.get("synchronous_standby_names");
        names.is_some_and(|names| !names.is_empty())
    }

    /// Connections for everybody but those for whom some are kept back.
    fn connections(&self) -> i64 {
        let kept = self.number("reserved_connections") + self.number("superuser_reserved_connections");
        self.number("max_connections") - kept
    }
}

/// A finding of fixed words.
pub fn finding(code: &'static str, sentence: &str, advice: &'static str) -> Finding {
    Finding {
        code,
        sentence: sentence.to_owned(),
        advice,
    }
}

async fn read_settings(connection: &Connection) -> StoreResult<HashMap<String, String>> {
    let sql = "SELECT name, setting FROM pg_settings WHERE name = ANY($1) AND setting IS NOT NULL";
    let read = |row: &Row| Ok((value(row, "name")?, value(row, "setting")?));
    let settings = connection.read_all(sql, &[&&SETTINGS[..]], read).await?;
    Ok(settings.into_iter().collect())
}

async fn read_clock(connection: &Connection) -> StoreResult<i64> {
    let sql = "SELECT floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint AS now";
    let now = connection.read_one(sql, &[], |row| value(row, "now")).await?;
    Ok(now.unwrap_or(0))
}

async fn read_age(connection: &Connection) -> StoreResult<i64> {
    let sql = "SELECT age(datfrozenxid)::bigint AS age FROM pg_database WHERE datname = current_database()";
    let age = connection.read_one(sql, &[], |row| value(row, "age")).await?;
    Ok(age.unwrap_or(0))
}

/// Whether all nodes find room beside the others.
async fn connections(
    database: &Database,
    connection: &Connection,
    facts: &Facts,
) -> StoreResult<Option<Finding>> {
    if database.schema_version() == 0 {
        return Ok(None);
    }
    let sql = "SELECT (SELECT count(*) FROM nodes WHERE lease_until > (extract(epoch FROM statement_timestamp()) * 1000)::bigint) AS nodes,
                      (SELECT count(*) FROM pg_stat_activity
                       WHERE backend_type = 'client backend' AND application_name <> 'opsknight') AS others";
    let read = |row: &Row| Ok((value(row, "nodes")?, value(row, "others")?));
    let counts: Option<(i64, i64)> = connection.read_one(sql, &[], read).await?;
    let (nodes, others) = counts.unwrap_or_default();
    let pool = i64::try_from(database.pool_size() + 1).unwrap_or(i64::MAX);
    Ok(too_few_connections(facts.connections(), nodes, pool, others))
}

fn too_few_connections(available: i64, nodes: i64, pool: i64, others: i64) -> Option<Finding> {
    let needed = nodes.saturating_mul(pool).saturating_add(others);
    (needed > available).then(|| Finding {
        code: "connections_short",
        sentence: format!(
            "{nodes} servers with up to {pool} connections each, and {others} of other programs, are more than the {available} \
             that PostgreSQL has for them"
        ),
        advice: "raise max_connections, lower [postgres] connections, or put a pooler in between",
    })
}

/// Tables that are not cleaned up.
async fn tables(connection: &Connection) -> StoreResult<Vec<Finding>> {
    let sql = "SELECT s.relname::text AS name, s.n_live_tup AS live, s.n_dead_tup AS dead,
                   coalesce(to_char(greatest(s.last_autovacuum, s.last_vacuum), 'YYYY-MM-DD HH24:MI'), 'never') AS cleaned,
                   coalesce('autovacuum_enabled=false' = ANY(c.reloptions)
                            OR 'autovacuum_enabled=off' = ANY(c.reloptions), FALSE) AS is_left_alone
               FROM pg_stat_user_tables s JOIN pg_class c ON c.oid = s.relid
               WHERE s.schemaname = current_schema()
               ORDER BY is_left_alone DESC, s.n_dead_tup DESC LIMIT $1";
    let found = connection
        .read_all(sql, &[&MAX_TOLD], |row| {
            Ok(table_in_bad_shape(
                value(row, "name")?,
                value(row, "live")?,
                value(row, "dead")?,
                value(row, "cleaned")?,
                value(row, "is_left_alone")?,
            ))
        })
        .await?;
    Ok(found.into_iter().flatten().collect())
}

fn table_in_bad_shape(
    name: &str,
    live: i64,
    dead: i64,
    cleaned: &str,
    is_left_alone: bool,
) -> Option<Finding> {
    if is_left_alone {
        return Some(Finding {
            code: "table_left_alone",
            sentence: format!("autovacuum is off for the table {name}"),
            advice: "run ALTER TABLE … RESET (autovacuum_enabled)",
        });
    }
    (dead > DEAD_ROWS_TOLERATED && dead > live).then(|| Finding {
        code: "table_bloated",
        sentence: format!("the table {name} has {dead} dead rows beside {live} live ones; it was last cleaned up: {cleaned}"),
        advice: "look for transactions that stay open for long (pg_stat_activity), and run VACUUM on the table",
    })
}

async fn idle_transactions(connection: &Connection) -> StoreResult<Option<Finding>> {
    let sql =
        "SELECT count(*) AS count, coalesce(string_agg(DISTINCT application_name, ', '), '') AS programs
               FROM pg_stat_activity
               WHERE datname = current_database() AND state LIKE 'idle in transaction%'
                   AND state_change < clock_timestamp() - make_interval(secs => $1)";
    let read = |row: &Row| Ok((value(row, "count")?, value(row, "programs")?));
    let seconds = f64::from(u32::try_from(IDLE_TOLERATED_SECONDS).unwrap_or(0));
    let found: Option<(i64, String)> = connection.read_one(sql, &[&seconds], read).await?;
    Ok(found.filter(|(count, _)| *count > 0).map(|(count, programs)| Finding {
        code: "transaction_idle",
        sentence: format!(
            "{count} transactions have been open and idle for more than {IDLE_TOLERATED_SECONDS} s, of: {programs}; they keep \
             locks and dead rows"
        ),
        advice: "end those programs, and set idle_in_transaction_session_timeout for them",
    }))
}

/// Said by an older program that goes on beside newer ones.
fn schema_ahead(version: u32) -> Option<Finding> {
    let known = known();
    (version > known).then(|| Finding {
        code: "schema_ahead",
        sentence: format!(
            "the schema is that of a newer program ({version}; this one knows {known}), and only adds to it"
        ),
        advice: "upgrade this server too",
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts(changes: &[(&str, &str)]) -> Facts {
        let settings = [
            ("autovacuum", "on"),
            ("autovacuum_freeze_max_age", "200000000"),
            ("data_checksums", "on"),
            ("fsync", "on"),
            ("full_page_writes", "on"),
            ("max_connections", "100"),
            ("superuser_reserved_connections", "3"),
            ("synchronous_commit", "on"),
            ("synchronous_standby_names", ""),
            ("track_counts", "on"),
            ("transaction_read_only", "off"),
        ];
        let settings = settings.iter().chain(changes);
        Facts {
            settings: settings
                .map(|(name, setting)| ((*name).to_owned(), (*setting).to_owned()))
                .collect(),
            is_standby: false,
            clock_here_ahead_ms: -5_000,
            transaction_age: 400_000_000,
        }
    }

    fn codes(facts: &Facts) -> Vec<&'static str> {
        let findings = facts.durability().into_iter().chain(facts.health());
        findings.map(|finding| finding.code).collect()
    }

    #[test]
    fn a_server_as_it_should_be_is_left_alone() {
        assert_eq!(codes(&facts(&[])), [""; 0]);
    }

    #[test]
    fn each_setting_that_endangers_what_is_accepted_has_a_code() {
        for (name, setting, code) in [
            ("fsync", "off", "fsync_off"),
            ("full_page_writes", "off", "full_page_writes_off"),
            ("synchronous_commit", "off", "synchronous_commit_off"),
            ("data_checksums", "off", "checksums_off"),
            ("transaction_read_only", "on", "read_only"),
            ("autovacuum", "off", "autovacuum_off"),
            ("track_counts", "off", "autovacuum_off"),
        ] {
            assert_eq!(codes(&facts(&[(name, setting)])), [code]);
        }
        let local = ("synchronous_commit", "local");
        assert_eq!(codes(&facts(&[local])), [""; 0], "there is nobody to confirm");
        let named = facts(&[local, ("synchronous_standby_names", "second")]);
        assert_eq!(codes(&named), ["synchronous_commit_local"]);
    }

    #[test]
    fn clocks_standbys_and_ages_are_judged() {
        let standby = Facts {
            is_standby: true,
            ..facts(&[])
        };
        assert_eq!(codes(&standby), ["read_only"]);
        let off = Facts {
            clock_here_ahead_ms: 600_000,
            ..facts(&[])
        };
        assert_eq!(codes(&off), ["clock_differs"]);
        assert!(off.health()[0].sentence.contains("600 s ahead of"));
        let old = Facts {
            transaction_age: 400_000_001,
            ..facts(&[])
        };
        assert_eq!(codes(&old), ["wraparound_near"]);
    }

    #[test]
    fn connections_of_all_nodes_and_others_must_fit() {
        assert_eq!(too_few_connections(97, 6, 16, 1), None);
        assert!(too_few_connections(97, 6, 16, 2).is_some_and(|found| found.code == "connections_short"));
    }

    #[test]
    fn a_table_is_told_of_if_most_of_it_is_dead() {
        let code = |live, dead, is_left_alone| {
            table_in_bad_shape("deliveries", live, dead, "never", is_left_alone).map(|found| found.code)
        };
        assert_eq!(code(0, DEAD_ROWS_TOLERATED, false), None);
        assert_eq!(code(200_000, 200_000, false), None);
        assert_eq!(code(100_000, 200_000, false), Some("table_bloated"));
        assert_eq!(code(1, 0, true), Some("table_left_alone"));
    }
}
