//! The audit log: every change by a person, a key or the server leaves a row, in the transaction of the change.

use std::fmt::Display;

use tokio_postgres::Row;

use model::audit::{Actor, AuditEntry, Change};
use model::id::AuditId;
use store::Page;
use store::StoreResult;
use store::texts::plain;

use super::columns::{bytes, parsed, time, value};
use super::connection::Connection;

/// Writes the row of a change. The detail is a sentence without secrets. A change of several steps, each told with the
/// same id, leaves one row.
pub async fn write(
    connection: &Connection,
    change: &Change,
    action: &str,
    subject: impl Display,
    detail: &str,
) -> StoreResult<()> {
    let sql = "INSERT INTO audit (id, at, actor, action, subject, detail) VALUES ($1, $2, $3, $4, $5, $6)
               ON CONFLICT (id) DO NOTHING";
    let (id, at) = (&change.audit_id.as_bytes()[..], change.at.as_millis());
    let (actor, subject) = (change.actor.encode(), subject.to_string());
    connection
        .execute(sql, &[&id, &at, &actor, &action, &subject, &plain(detail)])
        .await
        .map(|_| ())
}

/// The rows of the log, newest first.
pub async fn list(connection: &Connection, page: Page) -> StoreResult<Vec<AuditEntry>> {
    let (before, limit) = page.bounds();
    connection
        .read_all(
            "SELECT id, at, actor, action, subject, detail FROM audit WHERE id < $1 ORDER BY id DESC LIMIT $2",
            &[&&before[..], &i64::from(limit)],
            entry_from_row,
        )
        .await
}

fn entry_from_row(row: &Row) -> StoreResult<AuditEntry> {
    Ok(AuditEntry {
        id: AuditId::from_bytes(bytes(row, "id")?),
        at: time(row, "at")?,
        actor: parsed(row, "actor", |text| Some(Actor::decode(text)))?,
        action: value(row, "action")?,
        subject: value(row, "subject")?,
        detail: value(row, "detail")?,
    })
}
