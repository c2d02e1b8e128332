//! Migrations: numbered SQL texts, each applied once, all that are missing in one transaction. What was applied is kept
//! with its hash, so that one which changed afterwards is noticed.

use rusqlite::Connection;

use store::StoreError;
use store::StoreResult;

use super::database::unavailable;
use super::statements::{execute, read_all};
use model::digest::sha256;

/// Every migration in order. They only ever add.
const MIGRATIONS: [&str; 10] = [
    include_str!("../migrations/0001_engine.sql"),
    include_str!("../migrations/0002_pages.sql"),
    include_str!("../migrations/0003_chat.sql"),
    include_str!("../migrations/0004_tickets.sql"),
    include_str!("../migrations/0005_checks.sql"),
    include_str!("../migrations/0006_open_incidents.sql"),
    include_str!("../migrations/0007_give_up.sql"),
    include_str!("../migrations/0008_migrations.sql"),
    include_str!("../migrations/0009_open_words.sql"),
    include_str!("../migrations/0010_ticket_state.sql"),
];
/// The first schema that knows the hashes of what was applied. Of earlier ones it is believed that they are ours.
const FIRST_WITH_HASHES: u32 = 8;

/// Brings the schema up to date and says its number.
pub fn migrate(connection: &mut Connection) -> StoreResult<u32> {
    let transaction = connection.transaction().map_err(unavailable)?;
    let version: u32 = transaction
        .pragma_query_value(None, "user_version", |row| row.get(0))
        .map_err(unavailable)?;
    let known = u32::try_from(MIGRATIONS.len()).unwrap_or(u32::MAX);
    if version > known {
        return Err(StoreError::Unavailable(format!(
            "the data was written by a newer version (schema {version}, this program knows {known}); \
             start the newer program, or restore a backup"
        )));
    }
    if version >= FIRST_WITH_HASHES {
        expect_unchanged(&transaction, version)?;
    }
    for migration in MIGRATIONS.iter().skip(version as usize) {
        transaction.execute_batch(migration).map_err(unavailable)?;
    }
    if version < known {
        for (number, hash) in hashes() {
            let sql = "INSERT INTO migrations (number, hash) VALUES (?1, ?2) ON CONFLICT (number) DO NOTHING";
            execute(&transaction, sql, (number, hash))?;
        }
        transaction
            .pragma_update(None, "user_version", known)
            .map_err(unavailable)?;
    }
    transaction.commit().map_err(unavailable)?;
    Ok(known)
}

/// The number and the hash of each migration.
fn hashes() -> impl Iterator<Item = (u32, [u8; 32])> {
    (1..).zip(MIGRATIONS.map(|migration| sha256([migration.as_bytes()])))
}

/// A migration that was edited after it was applied leaves a schema that no program believes in.
fn expect_unchanged(connection: &Connection, version: u32) -> StoreResult<()> {
    let sql = "SELECT number, hash FROM migrations";
    let applied: Vec<(u32, [u8; 32])> = read_all(connection, sql, (), |row| Ok((row.get(0)?, row.get(1)?)))?;
    let mut shipped = hashes().take(version as usize);
    match shipped.find(|migration| !applied.contains(migration)) {
        None => Ok(()),
        Some((number, _)) => Err(StoreError::Unavailable(format!(
            "the schema was made by another migration {number} than this program's (migration_changed); start the program \
             that wrote the data, or restore a backup"
        ))),
    }
}
