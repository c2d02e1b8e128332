//! The audit log: every change by a person, a key or the server leaves a row, in the transaction of the change.

use std::fmt::Display;

use rusqlite::{Connection, Row};

use model::audit::{Actor, AuditEntry, Change};
use model::id::AuditId;
use store::Page;
use store::StoreResult;

use super::columns::{id_bytes, parsed, time};
use super::statements::{execute, read_all};

/// Writes the row of a change. The detail is a sentence without secrets. A change of several steps, each told with the
/// same id, leaves one row.
pub fn write(
    connection: &Connection,
    change: &Change,
    action: &str,
    subject: impl Display,
    detail: &str,
) -> StoreResult<()> {
    execute(
        connection,
        "INSERT INTO audit (id, at, actor, action, subject, detail) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
         ON CONFLICT (id) DO NOTHING",
        (
            change.audit_id.as_bytes(),
            change.at.as_millis(),
            change.actor.encode(),
            action,
            subject.to_string(),
            detail,
        ),
    )
    .map(|_| ())
}

/// The rows of the log, newest first.
pub fn list(connection: &Connection, page: Page) -> StoreResult<Vec<AuditEntry>> {
    read_all(
        connection,
        "SELECT id, at, actor, action, subject, detail FROM audit WHERE id < ?1 ORDER BY id DESC LIMIT ?2",
        page.bounds(),
        entry_from_row,
    )
}

fn entry_from_row(row: &Row<'_>) -> rusqlite::Result<AuditEntry> {
    Ok(AuditEntry {
        id: AuditId::from_bytes(id_bytes(row, "id")?),
        at: time(row, "at")?,
        actor: parsed(row, "actor", |text| Some(Actor::decode(text)))?,
        action: row.get("action")?,
        subject: row.get("subject")?,
        detail: row.get("detail")?,
    })
}
