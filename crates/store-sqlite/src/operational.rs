//! Notices of operational events, and the events that are made of them.

use async_trait::async_trait;
use rusqlite::{Connection, Row};

use model::operational::{OperationalName, OperationalNotice, Subject};
use model::time::Timestamp;
use store::StoreResult;
use store::operational::{OperationalEvents, PUBLISH_BATCH, Publishing, is_wanted};

use super::columns::{parsed, time};
use super::database::Database;
use super::outbox::publish_operational;
use super::statements::{execute, read_all, read_one};
use super::writer::WriteContext;

#[async_trait]
impl OperationalEvents for Database {
    async fn note(&self, notice: OperationalNotice) -> StoreResult<()> {
        self.write(move |context| note(context, &notice)).await
    }

    async fn publish_due(&self, now: Timestamp) -> StoreResult<u32> {
        let is_due = self.read(move |connection| is_due(connection, now)).await?;
        match is_due {
            true => self.write(move |context| publish_due(context, now)).await,
            false => Ok(0),
        }
    }
}

/// Leaves a notice in the transaction of what it tells of, if a webhook wants to hear of it.
pub fn note(context: &mut WriteContext<'_>, notice: &OperationalNotice) -> StoreResult<()> {
    if !is_wanted(&context.subscriptions()?, notice) {
        return Ok(());
    }
    let subject = &notice.subject;
    execute(
        context.connection,
        "INSERT INTO operational_notices (name, subject, subject_id, subject_name, reason, detail, count, at, due_at)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?8)
         ON CONFLICT (subject) WHERE name = 'delivery.dead' DO UPDATE SET count = count + excluded.count,
             subject_name = excluded.subject_name, reason = excluded.reason, at = excluded.at",
        (
            notice.name.as_str(),
            subject.key,
            &subject.id,
            &subject.name,
            &notice.reason,
            &notice.detail,
            i64::try_from(notice.count).unwrap_or(i64::MAX),
            notice.at.as_millis(),
        ),
    )
    .map(|_| ())
}

fn is_due(connection: &Connection, now: Timestamp) -> StoreResult<bool> {
    let sql = "SELECT 1 FROM operational_notices WHERE due_at <= ?1 LIMIT 1";
    Ok(read_one(connection, sql, [now.as_millis()], |_| Ok(()))?.is_some())
}

fn publish_due(context: &mut WriteContext<'_>, now: Timestamp) -> StoreResult<u32> {
    let due = read_all(
        context.connection,
        "SELECT id, name, subject, subject_id, subject_name, reason, detail, count, at
         FROM operational_notices WHERE due_at <= ?1 ORDER BY id LIMIT ?2",
        (now.as_millis(), PUBLISH_BATCH),
        notice_from_row,
    )?;
    let mut published = 0;
    for (id, notice) in due {
        let publishing = Publishing::new(notice.name, notice.count, now);
        match publishing {
            Publishing::Once | Publishing::Nothing => execute(
                context.connection,
                "DELETE FROM operational_notices WHERE id = ?1",
                [id],
            )?,
            Publishing::AndCountUntil(until) => execute(
                context.connection,
                "UPDATE operational_notices SET count = 0, due_at = ?2 WHERE id = ?1",
                (id, until.as_millis()),
            )?,
        };
        if publishing != Publishing::Nothing {
            publish_operational(context, (id, &notice), now)?;
            published += 1;
        }
    }
    Ok(published)
}

fn notice_from_row(row: &Row<'_>) -> rusqlite::Result<(i64, OperationalNotice)> {
    let notice = OperationalNotice {
        name: parsed(row, "name", OperationalName::parse)?,
        subject: Subject {
            key: row.get("subject")?,
            id: row.get("subject_id")?,
            name: row.get("subject_name")?,
        },
        reason: row.get("reason")?,
        detail: row.get("detail")?,
        count: row.get::<_, i64>("count")?.unsigned_abs(),
        at: time(row, "at")?,
    };
    Ok((row.get("id")?, notice))
}
