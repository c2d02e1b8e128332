//! Migrations: numbered SQL texts, each applied once, each in a transaction of its own, by one node while the others go on.
//! What was applied is kept with its hash, so that one which changed afterwards is noticed, and with the oldest schema
//! whose programs may go on beside it (decision 0025). Nodes that start together wait for each other at a row.

use std::sync::Arc;
use std::time::Duration;

use deadpool_postgres::Pool;

use store::StoreError;
use store::StoreResult;

use super::columns::{bytes, number, optional_number};
use super::connection::Connection;
use super::terms::Terms;
use model::digest::sha256;

/// One step from a schema to the next.
struct Migration {
    sql: &'static str,
    /// The oldest schema whose programs may go on once this is applied: an earlier number while it only adds.
    min_program: u32,
}

/// Every migration in order.
const MIGRATIONS: [Migration; 17] = [
    Migration {
        sql: include_str!("../migrations/0001_schema.sql"),
        min_program: 1,
    },
    Migration {
        sql: include_str!("../migrations/0002_leases.sql"),
        min_program: 1,
    },
    Migration {
        sql: include_str!("../migrations/0003_hot_paths.sql"),
        min_program: 1,
    },
    Migration {
        sql: include_str!("../migrations/0004_transfer.sql"),
        min_program: 1,
    },
    Migration {
        sql: include_str!("../migrations/0005_timelines.sql"),
        min_program: 1,
    },
    Migration {
        sql: include_str!("../migrations/0006_budgets.sql"),
        min_program: 1,
    },
    Migration {
        sql: include_str!("../migrations/0007_sources.sql"),
        min_program: 1,
    },
    Migration {
        sql: include_str!("../migrations/0008_operational.sql"),
        min_program: 1,
    },
    Migration {
        sql: include_str!("../migrations/0009_outages.sql"),
        min_program: 1,
    },
    Migration {
        sql: include_str!("../migrations/0010_watch.sql"),
        min_program: 1,
    },
    Migration {
        sql: include_str!("../migrations/0011_insights.sql"),
        min_program: 1,
    },
    Migration {
        sql: include_str!("../migrations/0012_key_restrictions.sql"),
        min_program: 1,
    },
    Migration {
        sql: include_str!("../migrations/0013_incident_numbers.sql"),
        min_program: 1,
    },
    Migration {
        sql: include_str!("../migrations/0014_older_incidents.sql"),
        min_program: 1,
    },
    Migration {
        sql: include_str!("../migrations/0015_receiver_links.sql"),
        min_program: 1,
    },
    Migration {
        sql: include_str!("../migrations/0016_people.sql"),
        min_program: 1,
    },
    Migration {
        sql: include_str!("../migrations/0017_passkeys.sql"),
        min_program: 1,
    },
];
/// The number of the row that is locked while migrations are applied.
const LOCK_ROW: i64 = 0;
/// How often it is tried to make the table: two nodes that do so at the same moment get in each other's way.
const MAX_TRIES: u32 = 10;
/// How long a migration may take, and the wait for another node that applies some.
const MIGRATION_TIMEOUT: Duration = Duration::from_secs(600);
/// How long a migration waits for a lock: meanwhile everybody else waits behind it.
const LOCK_TIMEOUT: Duration = Duration::from_secs(1);
/// How often a lock is asked for that others hold.
const LOCK_TRIES: u32 = 60;
/// The pause in which those go on who had to wait.
const LOCK_PAUSE: Duration = Duration::from_millis(500);

/// Makes connections for migrating.
pub struct Migrator<'a> {
    pub pool: &'a Pool,
    pub terms: &'a Arc<Terms>,
}

impl Migrator<'_> {
    /// Brings the schema up to date and says its number, which is greater than the last one known here if newer programs
    /// have only added to it.
    pub async fn migrate(&self) -> StoreResult<u32> {
        make_table(&self.connection().await?).await?;
        loop {
            match self.apply_next().await? {
                Applied::One(number) => tracing::info!(number, "a migration of the schema was applied"),
                Applied::AllAreThere(version) => return Ok(version),
            }
        }
    }

    /// Applies the first migration that is missing, once whoever is in the way has let go.
    async fn apply_next(&self) -> StoreResult<Applied> {
        for _ in 1..LOCK_TRIES {
            let mut connection = self.connection().await?;
            let applied = try_next(&mut connection).await;
            let is_transient = connection.is_transient();
            if applied.is_err() {
                connection.rollback().await;
            }
            match applied {
                Err(error) if is_transient => tracing::info!(%error, "a migration waits for a lock"),
                result => return result,
            }
            tokio::time::sleep(LOCK_PAUSE).await;
        }
        let mut connection = self.connection().await?;
        try_next(&mut connection).await
    }

    async fn connection(&self) -> StoreResult<Connection> {
        Connection::take(self.pool, MIGRATION_TIMEOUT, self.terms).await
    }
}

/// What came of looking for a migration to apply.
enum Applied {
    /// This one was missing.
    One(u32),
    /// None is; the number of the schema.
    AllAreThere(u32),
}

async fn try_next(connection: &mut Connection) -> StoreResult<Applied> {
    connection.begin();
    let lock = "SELECT number FROM migrations WHERE number = $1 FOR UPDATE";
    connection.finds(lock, &[&LOCK_ROW]).await?;
    let applied = AppliedMigration::read_all(connection).await?;
    let result = match first_missing(&applied)? {
        None => Applied::AllAreThere(version(&applied)),
        Some((number, migration)) => {
            let limit = LOCK_TIMEOUT.as_millis();
            connection
                .execute_batch(&format!("SET LOCAL lock_timeout = {limit}"))
                .await?;
            connection.execute_batch(migration.sql).await?;
            let hash = hash(migration);
            let sql = "INSERT INTO migrations (number, hash, min_program) VALUES ($1, $2, $3)";
            let (own, oldest) = (i64::from(number), i64::from(migration.min_program));
            connection.execute(sql, &[&own, &&hash[..], &oldest]).await?;
            Applied::One(number)
        }
    };
    connection.commit().await?;
    Ok(result)
}

/// Says why this program must not go on: since its start, newer programs have taken something out of the schema.
pub async fn outdated(connection: &Connection) -> StoreResult<Option<String>> {
    let sql = "SELECT number, hash, min_program FROM migrations WHERE number > $1";
    let later = connection
        .read_all(sql, &[&i64::from(known())], AppliedMigration::from_row)
        .await?;
    Ok(refusal(&later))
}

/// The number of the schema as it is, without changing anything; nothing if there is none.
pub async fn present_version(connection: &Connection) -> StoreResult<Option<u32>> {
    if !has_table(connection).await? {
        return Ok(None);
    }
    let applied = AppliedMigration::read_all(connection).await?;
    Ok(Some(version(&applied)).filter(|version| *version > 0))
}

/// The number of the last migration that this program knows.
pub fn known() -> u32 {
    u32::try_from(MIGRATIONS.len()).unwrap_or(u32::MAX)
}

/// Looks first: changing a table waits for everybody who uses it, though there be nothing to change.
async fn make_table(connection: &Connection) -> StoreResult<()> {
    if has_table(connection).await? {
        return Ok(());
    }
    let hash = "decode(repeat('00', 32), 'hex')";
    let sql = format!(
        "CREATE TABLE IF NOT EXISTS migrations (number BIGINT PRIMARY KEY, hash BYTEA NOT NULL CHECK (length(hash) = 32));
         ALTER TABLE migrations ADD COLUMN IF NOT EXISTS min_program BIGINT;
         INSERT INTO migrations (number, hash) VALUES ({LOCK_ROW}, {hash}) ON CONFLICT (number) DO NOTHING"
    );
    let mut made = connection.execute_batch(&sql).await;
    for _ in 1..MAX_TRIES {
        match made {
            Err(StoreError::Corrupt(_)) => made = connection.execute_batch(&sql).await,
            Ok(()) | Err(_) => break,
        }
    }
    made
}

/// Whether the table of migrations is there as this program needs it.
async fn has_table(connection: &Connection) -> StoreResult<bool> {
    let sql = "SELECT 1 FROM pg_attribute
               WHERE attrelid = to_regclass('migrations') AND attname = 'min_program' AND NOT attisdropped";
    connection.finds(sql, &[]).await
}

/// A migration that was applied to the database, known here or not.
struct AppliedMigration {
    number: u32,
    hash: [u8; 32],
    /// Not known of those that were applied before it was kept.
    min_program: Option<u32>,
}

impl AppliedMigration {
    async fn read_all(connection: &Connection) -> StoreResult<Vec<Self>> {
        let sql = "SELECT number, hash, min_program FROM migrations WHERE number <> $1 ORDER BY number";
        connection.read_all(sql, &[&LOCK_ROW], Self::from_row).await
    }

    fn from_row(row: &tokio_postgres::Row) -> StoreResult<Self> {
        Ok(Self {
            number: number(row, "number")?,
            hash: bytes(row, "hash")?,
            min_program: optional_number(row, "min_program")?,
        })
    }
}

fn hash(migration: &Migration) -> [u8; 32] {
    sha256([migration.sql.as_bytes()])
}

fn version(applied: &[AppliedMigration]) -> u32 {
    applied
        .iter()
        .map(|migration| migration.number)
        .max()
        .unwrap_or(0)
}

/// Why a program of this version must keep off the database, if it must.
fn refusal(applied: &[AppliedMigration]) -> Option<String> {
    let known = known();
    let later = applied.iter().filter(|migration| migration.number > known);
    let needed = later
        .map(|migration| migration.min_program.unwrap_or(migration.number))
        .max()?;
    (needed > known).then(|| {
        format!(
            "the data was written by a newer version (schema {}, for programs that know {needed}; this program knows {known}) \
             (schema_newer); start the newer program, or restore a backup",
            version(applied)
        )
    })
}

/// The first migration to apply. One that was edited after it was applied leaves a schema that no program believes in.
fn first_missing(applied: &[AppliedMigration]) -> StoreResult<Option<(u32, &'static Migration)>> {
    if let Some(sentence) = refusal(applied) {
        return Err(StoreError::Unavailable(sentence));
    }
    let version = version(applied);
    let mut known = (1..)
        .zip(&MIGRATIONS)
        .take_while(|(number, _)| *number <= version);
    let is_applied = |number: u32, migration: &Migration| {
        let found = applied.iter().find(|applied| applied.number == number);
        found.is_some_and(|found| found.hash == hash(migration))
    };
    match known.find(|(number, migration)| !is_applied(*number, migration)) {
        Some((number, _)) => Err(StoreError::Unavailable(format!(
            "the schema was made by another migration {number} than this program's (migration_changed); start the program \
             that wrote the data, or restore a backup"
        ))),
        None => Ok((1..).zip(&MIGRATIONS).find(|(number, _)| *number > version)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn applied(number: u32, min_program: Option<u32>) -> AppliedMigration {
        AppliedMigration {
            number,
            hash: [0; 32],
            min_program,
        }
    }

    #[test]
    fn a_program_goes_on_while_later_migrations_only_add() {
        let later = known() + 1;
        assert_eq!(refusal(&[applied(later, Some(known()))]), None);
        assert_eq!(refusal(&[applied(1, Some(1)), applied(later, Some(1))]), None);
        for migrations in [
            vec![applied(later, None)],
            vec![applied(later, Some(later))],
            vec![applied(later, Some(later)), applied(later + 1, Some(1))],
        ] {
            assert!(refusal(&migrations).is_some());
        }
    }

    #[test]
    fn each_migration_may_be_gone_on_beside_by_the_programs_of_the_schema_before_it() {
        for (number, migration) in (1..).zip(&MIGRATIONS) {
            assert!(migration.min_program <= number, "{number}");
            assert!(
                !migration.sql.contains("CONCURRENTLY"),
                "{number} runs in a transaction"
            );
        }
    }
}
