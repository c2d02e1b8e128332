//! Notices of operational events, and the events that are made of them.
//!
//! Rows are locked in this order: notices, heads of lanes, the feed, the ledger. Nothing else adds to these lanes.

use async_trait::async_trait;
use tokio_postgres::Row;

use model::operational::{OperationalName, OperationalNotice, Subject};
use model::time::Timestamp;
use store::StoreResult;
use store::operational::{OperationalEvents, PUBLISH_BATCH, Publishing, is_wanted};
use store::texts::plain;

use super::columns::{bytes, number, parsed, time, value};
use super::database::Database;
use super::outbox::{LaneHistory, Outbox, Publication, Subscribers};
use super::writer::WriteContext;

#[async_trait]
impl OperationalEvents for Database {
    async fn note(&self, notice: OperationalNotice) -> StoreResult<()> {
        self.write(notice, |context, notice| Box::pin(note(context, notice)))
            .await
    }

    async fn publish_due(&self, now: Timestamp) -> StoreResult<u32> {
        let sql = "SELECT 1 FROM operational_notices WHERE due_at <= $1 LIMIT 1";
        let connection = self.connection().await?;
        let is_due = connection.finds(sql, &[&now.as_millis()]).await?;
        drop(connection);
        match is_due {
            true => {
                self.write(now, |context, now| Box::pin(publish_due(context, *now)))
                    .await
            }
            false => Ok(0),
        }
    }
}

/// Leaves a notice in the transaction of what it tells of, if a webhook wants to hear of it.
pub async fn note(context: &mut WriteContext, notice: &OperationalNotice) -> StoreResult<()> {
    if !is_wanted(&context.subscriptions().await?, notice) {
        return Ok(());
    }
    let sql = "INSERT INTO operational_notices AS n
                   (name, subject, subject_id, subject_name, reason, detail, count, at, due_at)
               VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $8)
               ON CONFLICT (subject) WHERE name = 'delivery.dead' DO UPDATE SET count = n.count + excluded.count,
                   subject_name = excluded.subject_name, reason = excluded.reason, at = excluded.at";
    let subject = &notice.subject;
    context
        .connection
        .execute(
            sql,
            &[
                &notice.name.as_str(),
                &&subject.key[..],
                &subject.id,
                &plain(&subject.name),
                &notice.reason.as_deref().map(plain),
                &notice.detail.as_deref().map(plain),
                &i64::try_from(notice.count).unwrap_or(i64::MAX),
                &notice.at.as_millis(),
            ],
        )
        .await
        .map(|_| ())
}

async fn publish_due(context: &mut WriteContext, now: Timestamp) -> StoreResult<u32> {
    let sql = "SELECT id, name, subject, subject_id, subject_name, reason, detail, count, at
               FROM operational_notices WHERE due_at <= $1 ORDER BY id LIMIT $2 FOR UPDATE";
    let due = context
        .connection
        .read_all(
            sql,
            &[&now.as_millis(), &i64::from(PUBLISH_BATCH)],
            notice_from_row,
        )
        .await?;
    let mut published = 0;
    for (id, notice) in due {
        let publishing = Publishing::new(notice.name, notice.count, now);
        settle(context, id, publishing).await?;
        if publishing != Publishing::Nothing {
            publish(context, (id, notice), now).await?;
            published += 1;
        }
    }
    Ok(published)
}

/// One at a time: of two about the same subject the second queues behind the first. Nobody may want it any more.
async fn publish(
    context: &mut WriteContext,
    (number, notice): (i64, OperationalNotice),
    now: Timestamp,
) -> StoreResult<()> {
    let subscriptions = context.subscriptions().await?;
    if !is_wanted(&subscriptions, &notice) {
        return Ok(());
    }
    let publication = Publication {
        event: notice.clone().into_event(number, now),
        subscribers: Subscribers::OfNotice(notice),
        history: LaneHistory::Possible,
    };
    let outbox = Outbox::fill(context, &subscriptions, vec![publication]).await?;
    outbox.write(context).await
}

/// Takes a notice away, or lets it count on.
async fn settle(context: &WriteContext, id: i64, publishing: Publishing) -> StoreResult<()> {
    let connection = &context.connection;
    let settled = match publishing {
        Publishing::Once | Publishing::Nothing => {
            let sql = "DELETE FROM operational_notices WHERE id = $1";
            connection.execute(sql, &[&id]).await
        }
        Publishing::AndCountUntil(until) => {
            let sql = "UPDATE operational_notices SET count = 0, due_at = $2 WHERE id = $1";
            connection.execute(sql, &[&id, &until.as_millis()]).await
        }
    };
    settled.map(|_| ())
}

fn notice_from_row(row: &Row) -> StoreResult<(i64, OperationalNotice)> {
    let notice = OperationalNotice {
        name: parsed(row, "name", OperationalName::parse)?,
        subject: Subject {
            key: bytes(row, "subject")?,
            id: value(row, "subject_id")?,
            name: value(row, "subject_name")?,
        },
        reason: value(row, "reason")?,
        detail: value(row, "detail")?,
        count: number(row, "count")?,
        at: time(row, "at")?,
    };
    Ok((number(row, "id")?, notice))
}
