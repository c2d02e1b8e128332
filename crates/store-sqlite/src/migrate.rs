//! Migrations: numbered SQL texts, each applied once, all that are missing in one transaction. What was applied is kept
//! with its hash, so that one which changed afterwards is noticed.

use rusqlite::Connection;

use store::StoreError;
use store::StoreResult;

use super::database::unavailable;
use super::statements::{execute, read_all};
use super::transfer::refusal;
use model::digest::sha256;

/// Every migration in order. They only ever add.
const MIGRATIONS: [&str; 23] = [
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
    include_str!("../migrations/0011_budgets.sql"),
    include_str!("../migrations/0012_sources.sql"),
    include_str!("../migrations/0013_operational.sql"),
    include_str!("../migrations/0014_outages.sql"),
    include_str!("../migrations/0015_watch.sql"),
    include_str!("../migrations/0016_insights.sql"),
    include_str!("../migrations/0017_key_restrictions.sql"),
    include_str!("../migrations/0018_incident_numbers.sql"),
    include_str!("../migrations/0019_acknowledged.sql"),
    include_str!("../migrations/0020_receiver_links.sql"),
    include_str!("../migrations/0021_people.sql"),
    include_str!("../migrations/0022_passkeys.sql"),
    include_str!("../migrations/0023_ended.sql"),
];
/// Added to the number of the schema once the data are moved elsewhere, so that programs that know nothing of moving take the
/// file for a newer one's, and leave it alone.
pub const MOVED_OFFSET: u32 = 1_000_000;
/// The first schema that knows the hashes of what was applied. Of earlier ones it is believed that they are ours.
const FIRST_WITH_HASHES: u32 = 8;

/// What is done with a file whose data were moved to another store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moved {
    /// What would be accepted in it is missing there.
    Refused,
    /// It is only read.
    Allowed,
}

/// Brings the schema up to date and says its number.
pub fn migrate(connection: &mut Connection, moved: Moved) -> StoreResult<u32> {
    let transaction = connection.transaction().map_err(unavailable)?;
    let (version, offset) = read_version(&transaction)?;
    if offset > 0 && moved == Moved::Refused {
        return Err(refusal(&transaction)?);
    }
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
            .pragma_update(None, "user_version", known + offset)
            .map_err(unavailable)?;
    }
    transaction.commit().map_err(unavailable)?;
    Ok(known)
}

/// The number of the schema, and what is added to it in a file whose data were moved.
pub fn read_version(connection: &Connection) -> StoreResult<(u32, u32)> {
    let version: u32 = connection
        .pragma_query_value(None, "user_version", |row| row.get(0))
        .map_err(unavailable)?;
    Ok(match version.checked_sub(MOVED_OFFSET) {
        Some(version) => (version, MOVED_OFFSET),
        None => (version, 0),
    })
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
