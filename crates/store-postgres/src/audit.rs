//! The audit log: every change by a person, a key or the server leaves a row, in the transaction of the change.

use std::fmt::Display;

use tokio_postgres::Row;

use model::audit::{Actor, AuditEntry, Change};
use model::id::AuditId;
use store::StoreResult;
use store::access::AuditFilter;
use store::page::WALKED_ROWS;
use store::texts::{findable, plain};
use store::{Listed, Page};

use super::columns::{bytes, number, parsed, time, value};
use super::connection::Connection;

/// A row of a change. The detail is a sentence without secrets.
pub struct Line<'a> {
    pub change: &'a Change,
    pub action: &'static str,
    pub subject: String,
    pub detail: String,
}

/// Writes the rows of several changes.
pub async fn write_all(connection: &Connection, lines: &[Line<'_>]) -> StoreResult<()> {
    if lines.is_empty() {
        return Ok(());
    }
    let ids: Vec<&[u8]> = lines
        .iter()
        .map(|line| &line.change.audit_id.as_bytes()[..])
        .collect();
    let times: Vec<i64> = lines.iter().map(|line| line.change.at.as_millis()).collect();
    let actors: Vec<String> = lines.iter().map(|line| line.change.actor.encode()).collect();
    let actions: Vec<&str> = lines.iter().map(|line| line.action).collect();
    let subjects: Vec<&str> = lines.iter().map(|line| line.subject.as_str()).collect();
    let details: Vec<_> = lines.iter().map(|line| plain(&line.detail)).collect();
    connection
        .execute(
            "INSERT INTO audit (id, at, actor, action, subject, detail)
             SELECT * FROM unnest($1::bytea[], $2::bigint[], $3::text[], $4::text[], $5::text[], $6::text[])
             ON CONFLICT (id) DO NOTHING",
            &[&ids, &times, &actors, &actions, &subjects, &details],
        )
        .await
        .map(|_| ())
}

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

/// Writes the row of what is told once, or counts it once more if a row has the same id.
pub async fn count(
    connection: &Connection,
    change: &Change,
    action: &str,
    subject: &str,
    detail: &str,
) -> StoreResult<()> {
    let sql = "INSERT INTO audit (id, at, actor, action, subject, detail) VALUES ($1, $2, $3, $4, $5, $6)
               ON CONFLICT (id) DO UPDATE SET times = audit.times + 1, at = excluded.at, detail = excluded.detail";
    let (id, at) = (&change.audit_id.as_bytes()[..], change.at.as_millis());
    connection
        .execute(
            sql,
            &[
                &id,
                &at,
                &change.actor.encode(),
                &action,
                &subject,
                &plain(detail),
            ],
        )
        .await
        .map(|_| ())
}

/// The rows of the log, newest first.
pub async fn list(
    connection: &Connection,
    filter: &AuditFilter,
    page: Page,
) -> StoreResult<Listed<AuditEntry>> {
    let texts = [&filter.who, &filter.kind];
    if texts.into_iter().flatten().any(|text| findable(text).is_none()) {
        return Ok(Listed::none());
    }
    let (lower, upper) = filter.bounds(page);
    let walked_to = match filter.is_selective() {
        true => walk_end(connection, lower, upper).await?,
        false => None,
    };
    let rows = connection
        .read_all(
            "SELECT id, at, actor, action, subject, detail, times FROM audit
             WHERE id < $1 AND id >= $2
                 AND ($3::text IS NULL OR subject = $3 OR left(actor, length($4::text)) = $4)
                 AND ($5::text IS NULL OR left(action, length($5)) = $5)
             ORDER BY id DESC LIMIT $6",
            &[
                &&upper[..],
                &&walked_to.unwrap_or(lower)[..],
                &filter.who,
                &filter.actor_start(),
                &filter.action_start(),
                &i64::from(page.bounds().1),
            ],
            entry_from_row,
        )
        .await?;
    Ok(Listed::new(rows, page, walked_to, |row| *row.id.as_bytes()))
}

/// The last row that is looked at; nothing if the log, or its period, ends before.
async fn walk_end(
    connection: &Connection,
    lower: [u8; 16],
    upper: [u8; 16],
) -> StoreResult<Option<[u8; 16]>> {
    let sql = "SELECT id FROM audit WHERE id < $1 AND id >= $2 ORDER BY id DESC LIMIT 1 OFFSET $3";
    let offset = i64::from(WALKED_ROWS - 1);
    connection
        .read_one(sql, &[&&upper[..], &&lower[..], &offset], |row| bytes(row, "id"))
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
        times: number(row, "times")?,
    })
}
