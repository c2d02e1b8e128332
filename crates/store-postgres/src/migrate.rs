//! Migrations: numbered SQL texts, each applied once, all that are missing in one transaction. What was applied is kept
//! with its hash, so that one which changed afterwards is noticed. Nodes that start together wait for each other at a row.

use store::StoreError;
use store::StoreResult;

use super::columns::{bytes, number};
use super::connection::Connection;
use model::digest::sha256;

/// Every migration in order. They only ever add.
const MIGRATIONS: [&str; 3] = [
    include_str!("../migrations/0001_schema.sql"),
    include_str!("../migrations/0002_leases.sql"),
    include_str!("../migrations/0004_hot_paths.sql"),
];
/// The number of the row that is locked while migrations are applied.
const LOCK_ROW: i64 = 0;
/// How often it is tried to make the table: two nodes that do so at the same moment get in each other's way.
const MAX_TRIES: u32 = 10;

/// Brings the schema up to date and says its number.
pub async fn migrate(connection: &mut Connection) -> StoreResult<u32> {
    make_table(connection).await?;
    connection.begin();
    let lock = "SELECT number FROM migrations WHERE number = $1 FOR UPDATE";
    connection.finds(lock, &[&LOCK_ROW]).await?;
    let applied = connection
        .read_all(
            "SELECT number, hash FROM migrations WHERE number <> $1 ORDER BY number",
            &[&LOCK_ROW],
            |row| Ok((number(row, "number")?, bytes(row, "hash")?)),
        )
        .await?;
    let missing = missing_after(&applied)?;
    for (number, hash, sql) in missing {
        connection.execute_batch(sql).await?;
        let sql = "INSERT INTO migrations (number, hash) VALUES ($1, $2)";
        connection.execute(sql, &[&i64::from(number), &&hash[..]]).await?;
    }
    connection.commit().await?;
    Ok(u32::try_from(MIGRATIONS.len()).unwrap_or(u32::MAX))
}

async fn make_table(connection: &Connection) -> StoreResult<()> {
    let hash = "decode(repeat('00', 32), 'hex')";
    let sql = format!(
        "CREATE TABLE IF NOT EXISTS migrations (number BIGINT PRIMARY KEY, hash BYTEA NOT NULL CHECK (length(hash) = 32));
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

/// The number and the hash of each migration, and what it does.
fn shipped() -> impl Iterator<Item = (u32, [u8; 32], &'static str)> {
    (1..)
        .zip(MIGRATIONS)
        .map(|(number, sql)| (number, sha256([sql.as_bytes()]), sql))
}

/// The migrations to apply. One that was edited after it was applied leaves a schema that no program believes in.
fn missing_after(applied: &[(u32, [u8; 32])]) -> StoreResult<Vec<(u32, [u8; 32], &'static str)>> {
    let version = applied.iter().map(|(number, _)| *number).max().unwrap_or(0);
    let known = u32::try_from(MIGRATIONS.len()).unwrap_or(u32::MAX);
    if version > known {
        return Err(StoreError::Unavailable(format!(
            "the data was written by a newer version (schema {version}, this program knows {known}); \
             start the newer program, or restore a backup"
        )));
    }
    let is_missing = |(number, ..): &(u32, _, _)| *number > version;
    let (missing, known): (Vec<_>, Vec<_>) = shipped().partition(is_missing);
    let changed = known
        .iter()
        .find(|(number, hash, _)| !applied.contains(&(*number, *hash)));
    match changed {
        None => Ok(missing),
        Some((number, ..)) => Err(StoreError::Unavailable(format!(
            "the schema was made by another migration {number} than this program's (migration_changed); start the program \
             that wrote the data, or restore a backup"
        ))),
    }
}
