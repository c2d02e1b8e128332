//! A copy of the whole file while it is in use: of one moment, readable by its owner alone, checked before it counts.

use std::fs::OpenOptions;
use std::io::ErrorKind;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use rusqlite::Connection;
use rusqlite::backup::{Backup, StepResult};

use model::audit::Change;
use store::StoreError;
use store::StoreResult;

use super::audit;
use super::database::{Database, unavailable};

/// How many pages one step copies.
const STEP_PAGES: i32 = 1024;

/// Copies the whole store to a new file and leaves a row in the audit log: no copy without one, unless the files were
/// replaced under the server. Then nothing can be written, and the copy may be all that is left.
pub async fn backup(database: &Database, to: PathBuf, change: Change) -> StoreResult<()> {
    let file = to.clone();
    database
        .read_whole(move |connection| copy_to(connection, &file))
        .await?;
    let name = to.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let written = database.write(move |context| {
        let detail = format!("copied the whole store to \"{name}\"");
        audit::write(context.connection, &change, "system.backup", &name, &detail)
    });
    let written = written.await;
    if let Err(StoreError::FilesReplaced(_)) = written {
        tracing::warn!(file = %to.display(), "copied what the server still holds open; the audit log says nothing of it");
        return Ok(());
    }
    if written.is_err() {
        // The error that matters is the one that made it fail.
        let _ = std::fs::remove_file(&to);
    }
    written
}

/// Copies the file behind a connection to a new file. What was begun is removed if it fails.
fn copy_to(source: &Connection, to: &Path) -> StoreResult<()> {
    create_file(to)?;
    let copied = copy(source, to).and_then(|()| check(to));
    if copied.is_err() {
        // The error that matters is the one that made it fail.
        let _ = std::fs::remove_file(to);
    }
    copied
}

fn create_file(to: &Path) -> StoreResult<()> {
    let created = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(to);
    match created {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Err(StoreError::Conflict(format!(
            "the file {} exists already; a backup never overwrites one",
            to.display()
        ))),
        Err(error) => Err(StoreError::Unavailable(format!(
            "the backup file {} cannot be made: {error}",
            to.display()
        ))),
    }
}

/// The source stays in one read transaction: otherwise every write between two steps would start the copy anew.
fn copy(source: &Connection, to: &Path) -> StoreResult<()> {
    let snapshot = source.unchecked_transaction().map_err(unavailable)?;
    snapshot
        .query_row("SELECT count(*) FROM sqlite_schema", (), |_| Ok(()))
        .map_err(unavailable)?;
    let mut target = Connection::open(to).map_err(unavailable)?;
    let backup = Backup::new(&snapshot, &mut target).map_err(unavailable)?;
    while next_step(&backup)? == StepResult::More {}
    drop(backup);
    // One file, without a write-ahead log beside it, can be moved anywhere.
    target
        .pragma_update(None, "journal_mode", "DELETE")
        .map_err(unavailable)
}

fn next_step(backup: &Backup<'_, '_>) -> StoreResult<StepResult> {
    let step = backup.step(STEP_PAGES).map_err(unavailable)?;
    match step {
        StepResult::Done | StepResult::More => Ok(step),
        _ => Err(StoreError::Unavailable(
            "another program uses the backup file".into(),
        )),
    }
}

fn check(to: &Path) -> StoreResult<()> {
    let copy = Connection::open(to).map_err(unavailable)?;
    let verdict: String = copy
        .pragma_query_value(None, "quick_check", |row| row.get(0))
        .map_err(unavailable)?;
    if verdict != "ok" {
        return Err(StoreError::Corrupt(format!("the backup is damaged: {verdict}")));
    }
    Ok(())
}
