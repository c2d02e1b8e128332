//! Migrations: numbered SQL texts, each applied once, in one transaction, checked against what was applied before.

use rusqlite::Connection;

use store::StoreError;
use store::StoreResult;

use super::database::unavailable;

/// Every migration in order. They only ever add.
const MIGRATIONS: [&str; 7] = [
    include_str!("../migrations/0001_engine.sql"),
    include_str!("../migrations/0002_pages.sql"),
    include_str!("../migrations/0003_chat.sql"),
    include_str!("../migrations/0004_tickets.sql"),
    include_str!("../migrations/0005_checks.sql"),
    include_str!("../migrations/0006_open_incidents.sql"),
    include_str!("../migrations/0007_give_up.sql"),
];

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
    for migration in MIGRATIONS.iter().skip(version as usize) {
        transaction.execute_batch(migration).map_err(unavailable)?;
    }
    transaction
        .pragma_update(None, "user_version", known)
        .map_err(unavailable)?;
    transaction.commit().map_err(unavailable)?;
    Ok(known)
}
