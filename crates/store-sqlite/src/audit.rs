//! The audit log: every change by a person, a key or the server leaves a row, in the transaction of the change.

use std::fmt::Display;

use rusqlite::{Connection, Row};

use model::audit::{Actor, AuditEntry, Change};
use model::id::AuditId;
use store::StoreResult;
use store::access::AuditFilter;
use store::page::WALKED_ROWS;
use store::{Listed, Page};

use super::columns::{id_bytes, parsed, time};
use super::statements::{execute, read_all, read_one};

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

/// Writes the row of what is told once, or counts it once more if a row has the same id.
pub fn count(
    connection: &Connection,
    change: &Change,
    action: &str,
    subject: &str,
    detail: &str,
) -> StoreResult<()> {
    execute(
        connection,
        "INSERT INTO audit (id, at, actor, action, subject, detail) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
         ON CONFLICT (id) DO UPDATE SET times = audit.times + 1, at = excluded.at, detail = excluded.detail",
        (
            change.audit_id.as_bytes(),
            change.at.as_millis(),
            change.actor.encode(),
            action,
            subject,
            detail,
        ),
    )
    .map(|_| ())
}

/// The rows of the log, newest first.
pub fn list(connection: &Connection, filter: &AuditFilter, page: Page) -> StoreResult<Listed<AuditEntry>> {
    let (lower, upper) = filter.bounds(page);
    let walked_to = match filter.is_selective() {
        true => walk_end(connection, lower, upper)?,
        false => None,
    };
    let rows = read_all(
        connection,
        "SELECT id, at, actor, action, subject, detail, times FROM audit
         WHERE id < ?1 AND id >= ?2
             AND (?3 IS NULL OR subject = ?3 OR substr(actor, 1, length(?4)) = ?4)
             AND (?5 IS NULL OR substr(action, 1, length(?5)) = ?5)
         ORDER BY id DESC LIMIT ?6",
        (
            upper,
            walked_to.unwrap_or(lower),
            &filter.who,
            filter.actor_start(),
            filter.action_start(),
            page.bounds().1,
        ),
        entry_from_row,
    )?;
    Ok(Listed::new(rows, page, walked_to, |row| *row.id.as_bytes()))
}

/// The last row that is looked at; nothing if the log, or its period, ends before.
fn walk_end(connection: &Connection, lower: [u8; 16], upper: [u8; 16]) -> StoreResult<Option<[u8; 16]>> {
    read_one(
        connection,
        "SELECT id FROM audit WHERE id < ?1 AND id >= ?2 ORDER BY id DESC LIMIT 1 OFFSET ?3",
        (upper, lower, WALKED_ROWS - 1),
        |row| row.get(0),
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
        times: row.get("times")?,
    })
}
