//! Inboxes and what came to them. Their secrets are sealed on the way in and opened on the way out.

use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use tokio_postgres::Row;

use model::audit::Change;
use model::id::{InboxId, InboxRequestId};
use model::inbox::{
    INBOX_REQUEST_LIFETIME, Inbox, InboxAnswer, InboxRequest, MAX_INBOX_REQUESTS, MAX_INBOXES,
};
use model::secret::SecretText;
use model::time::Timestamp;
use store::StoreError;
use store::StoreResult;
use store::inboxes::{InboxEdit, Inboxes};
use store::seal::Sealer;
use store::sealed::{inbox_place, open, seal};
use store::setting_changes;
use store::texts::plain;

use super::audit;
use super::columns::{bytes, number, time, value};
use super::connection::{Connection, ConstraintRefusal};
use super::database::Database;
use super::writer::WriteContext;

const NOT_FOUND: StoreError = StoreError::NotFound { what: "inbox" };

#[async_trait]
impl Inboxes for Database {
    async fn create(&self, inbox: Inbox, change: Change) -> StoreResult<Inbox> {
        self.write((inbox, change), |context, (inbox, change)| {
            Box::pin(create(context, inbox, change))
        })
        .await
    }

    async fn list(&self) -> StoreResult<Vec<(Inbox, u32)>> {
        let sql = "SELECT id, name, answer_status, answer_delay_ms, secret, created_at,
                 (SELECT count(*) FROM inbox_requests r WHERE r.inbox_id = inboxes.id) AS requests
             FROM inboxes ORDER BY id DESC LIMIT $1";
        let connection = self.connection().await?;
        let rows = connection
            .read_all(sql, &[&i64::from(MAX_INBOXES)], |row| {
                Ok((SealedInbox::from_row(row)?, number(row, "requests")?))
            })
            .await?;
        rows.into_iter()
            .map(|(inbox, count)| Ok((inbox.open(self.sealer())?, count)))
            .collect()
    }

    async fn get(&self, id: InboxId) -> StoreResult<Inbox> {
        let sql =
            "SELECT id, name, answer_status, answer_delay_ms, secret, created_at FROM inboxes WHERE id = $1";
        let connection = self.connection().await?;
        let found = connection
            .read_one(sql, &[&&id.as_bytes()[..]], SealedInbox::from_row)
            .await?;
        found.ok_or(NOT_FOUND)?.open(self.sealer())
    }

    async fn update(&self, id: InboxId, edit: InboxEdit, change: Change) -> StoreResult<Inbox> {
        self.write((id, edit, change), |context, (id, edit, change)| {
            Box::pin(update(context, *id, edit, change))
        })
        .await
    }

    async fn delete(&self, id: InboxId, change: Change) -> StoreResult<()> {
        self.write((id, change), |context, (id, change)| {
            Box::pin(delete(&context.connection, *id, change))
        })
        .await
    }

    async fn keep(&self, request: InboxRequest) -> StoreResult<()> {
        self.write(request, |context, request| {
            Box::pin(keep(&context.connection, request))
        })
        .await
    }

    async fn requests(&self, id: InboxId) -> StoreResult<Vec<InboxRequest>> {
        let sql = "SELECT inbox_id, id, at, method, target, remote_address, head, body, body_truncated, answered_status
             FROM inbox_requests WHERE inbox_id = $1 ORDER BY id DESC LIMIT $2";
        let connection = self.connection().await?;
        connection
            .read_all(
                sql,
                &[&&id.as_bytes()[..], &i64::from(MAX_INBOX_REQUESTS)],
                request_from_row,
            )
            .await
    }

    async fn clear(&self, id: InboxId, request: Option<InboxRequestId>, change: Change) -> StoreResult<()> {
        self.write((id, request, change), |context, (id, request, change)| {
            Box::pin(clear(&context.connection, *id, *request, change))
        })
        .await
    }
}

async fn create(context: &mut WriteContext, inbox: &Inbox, change: &Change) -> StoreResult<Inbox> {
    let connection = &context.connection;
    // Two nodes that count at the same time would both find room for one more.
    connection
        .execute("LOCK TABLE inboxes IN SHARE ROW EXCLUSIVE MODE", &[])
        .await?;
    let count = connection
        .read_one("SELECT count(*) AS count FROM inboxes", &[], |row| {
            number::<u32>(row, "count")
        })
        .await?;
    if count.unwrap_or(0) >= MAX_INBOXES {
        let sentence = format!("there are {MAX_INBOXES} inboxes already; delete one first");
        return Err(StoreError::Conflict(sentence));
    }
    let sql = "INSERT INTO inboxes (id, name, answer_status, answer_delay_ms, secret, created_at)
         VALUES ($1, $2, $3, $4, $5, $6)";
    connection
        .execute(
            sql,
            &[
                &&inbox.id.as_bytes()[..],
                &inbox.name,
                &i64::from(inbox.answer.status),
                &delay_ms(inbox.answer),
                &sealed_secret(context.sealer(), inbox),
                &inbox.created_at.as_millis(),
            ],
        )
        .await?;
    let detail = format!("created \"{}\"", inbox.name);
    audit::write(connection, change, "inbox.create", inbox.id, &detail).await?;
    Ok(inbox.clone())
}

async fn update(
    context: &mut WriteContext,
    id: InboxId,
    edit: &InboxEdit,
    change: &Change,
) -> StoreResult<Inbox> {
    let (connection, sealer) = (&context.connection, context.sealer());
    let sql = "SELECT id, name, answer_status, answer_delay_ms, secret, created_at FROM inboxes WHERE id = $1
               FOR NO KEY UPDATE";
    let found = connection
        .read_one(sql, &[&&id.as_bytes()[..]], SealedInbox::from_row)
        .await?;
    let before = found.ok_or(NOT_FOUND)?.open(sealer)?;
    let Some((after, detail)) = setting_changes::of_inbox(&before, edit) else {
        return Ok(before);
    };
    connection
        .execute(
            "UPDATE inboxes SET answer_status = $2, answer_delay_ms = $3, secret = $4 WHERE id = $1",
            &[
                &&id.as_bytes()[..],
                &i64::from(after.answer.status),
                &delay_ms(after.answer),
                &sealed_secret(sealer, &after),
            ],
        )
        .await?;
    audit::write(connection, change, "inbox.update", id, &detail).await?;
    Ok(after)
}

async fn delete(connection: &Connection, id: InboxId, change: &Change) -> StoreResult<()> {
    let sql = "DELETE FROM inboxes WHERE id = $1 RETURNING name";
    let name: Option<String> = connection
        .read_one(sql, &[&&id.as_bytes()[..]], |row| value(row, "name"))
        .await?;
    let detail = format!("deleted \"{}\"", name.ok_or(NOT_FOUND)?);
    audit::write(connection, change, "inbox.delete", id, &detail).await
}

async fn keep(connection: &Connection, request: &InboxRequest) -> StoreResult<()> {
    connection
        .execute_or_refuse(
            "INSERT INTO inbox_requests (inbox_id, id, at, method, target, remote_address, head, body, body_truncated,
                 answered_status)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
            &[
                &&request.inbox_id.as_bytes()[..],
                &&request.id.as_bytes()[..],
                &request.at.as_millis(),
                &plain(&request.method),
                &plain(&request.target),
                &request.remote_address,
                &plain(&request.head),
                &&request.body[..],
                &request.body_is_truncated,
                &i64::from(request.answered_status),
            ],
            REFUSAL,
        )
        .await?;
    let before = request.at.minus(INBOX_REQUEST_LIFETIME);
    delete_surplus(connection, request.inbox_id, before).await
}

/// Deletes what is beyond the number of requests that an inbox keeps, and what came before a time. What another node deletes
/// at the same moment is left to it.
async fn delete_surplus(connection: &Connection, id: InboxId, before: Timestamp) -> StoreResult<()> {
    let sql = "DELETE FROM inbox_requests WHERE inbox_id = $1 AND id IN
             (SELECT id FROM inbox_requests WHERE inbox_id = $1
                  AND (id < $2 OR id <= (SELECT id FROM inbox_requests WHERE inbox_id = $1
                                         ORDER BY id DESC LIMIT 1 OFFSET $3))
              FOR UPDATE SKIP LOCKED)";
    let before = InboxRequestId::lower_bound(before);
    connection
        .execute(
            sql,
            &[
                &&id.as_bytes()[..],
                &&before.as_bytes()[..],
                &i64::from(MAX_INBOX_REQUESTS),
            ],
        )
        .await
        .map(|_| ())
}

/// What is gone already is passed over, and leaves no row in the audit log.
async fn clear(
    connection: &Connection,
    id: InboxId,
    request: Option<InboxRequestId>,
    change: &Change,
) -> StoreResult<()> {
    let sql = "DELETE FROM inbox_requests WHERE inbox_id = $1 AND ($2::bytea IS NULL OR id = $2)";
    let request = request.as_ref().map(|request| &request.as_bytes()[..]);
    let count = connection.execute(sql, &[&&id.as_bytes()[..], &request]).await?;
    if count == 0 {
        return Ok(());
    }
    let detail = format!("deleted {count} of what came to it");
    audit::write(connection, change, "inbox.clear", id, &detail).await
}

/// The only unique field is an id that is made anew for each request.
const REFUSAL: ConstraintRefusal = ConstraintRefusal {
    taken: StoreError::Taken {
        what: "request",
        field: "id",
    },
    unknown: NOT_FOUND,
};

fn delay_ms(answer: InboxAnswer) -> i64 {
    i64::try_from(answer.delay.as_millis()).unwrap_or(i64::MAX)
}

fn sealed_secret(sealer: &Sealer, inbox: &Inbox) -> Option<Vec<u8>> {
    let secret = inbox.secret.as_ref();
    secret.map(|secret| seal(sealer, &inbox_place(inbox.id, "secret"), secret.reveal()))
}

/// An inbox whose secret is still sealed.
struct SealedInbox {
    inbox: Inbox,
    secret: Option<Vec<u8>>,
}

impl SealedInbox {
    fn from_row(row: &Row) -> StoreResult<Self> {
        Ok(Self {
            inbox: Inbox {
                id: InboxId::from_bytes(bytes(row, "id")?),
                name: value(row, "name")?,
                answer: InboxAnswer {
                    status: number(row, "answer_status")?,
                    delay: Duration::from_millis(number(row, "answer_delay_ms")?),
                },
                secret: None,
                created_at: time(row, "created_at")?,
            },
            secret: value(row, "secret")?,
        })
    }

    fn open(self, sealer: &Sealer) -> StoreResult<Inbox> {
        let place = inbox_place(self.inbox.id, "secret");
        let opened = |sealed: Vec<u8>| open(sealer, &place, &sealed);
        let secret: Option<SecretText> = self.secret.map(opened).transpose()?;
        Ok(Inbox { secret, ..self.inbox })
    }
}

fn request_from_row(row: &Row) -> StoreResult<InboxRequest> {
    Ok(InboxRequest {
        id: InboxRequestId::from_bytes(bytes(row, "id")?),
        inbox_id: InboxId::from_bytes(bytes(row, "inbox_id")?),
        at: time(row, "at")?,
        method: value(row, "method")?,
        target: value(row, "target")?,
        remote_address: value(row, "remote_address")?,
        head: value(row, "head")?,
        body: Bytes::from(value::<Vec<u8>>(row, "body")?),
        body_is_truncated: value(row, "body_truncated")?,
        answered_status: number(row, "answered_status")?,
    })
}
