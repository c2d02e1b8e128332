//! Inboxes and what came to them. Their secrets are sealed on the way in and opened on the way out.

use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use rusqlite::{Connection, Row};

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
use store::setting_changes;

use super::audit;
use super::columns::{id_bytes, time};
use super::database::Database;
use super::refusals::{ConstraintRefusal, execute_or_refuse};
use super::statements::{execute, read_all, read_one};
use super::writer::WriteContext;
use store::sealed::{inbox_place, open, seal};

const NOT_FOUND: StoreError = StoreError::NotFound { what: "inbox" };

#[async_trait]
impl Inboxes for Database {
    async fn create(&self, inbox: Inbox, change: Change) -> StoreResult<Inbox> {
        self.write(move |context| create(context, inbox, &change)).await
    }

    async fn list(&self) -> StoreResult<Vec<(Inbox, u32)>> {
        let sealer = self.sealer().clone();
        self.read(move |connection| list(connection, &sealer)).await
    }

    async fn get(&self, id: InboxId) -> StoreResult<Inbox> {
        let sealer = self.sealer().clone();
        self.read(move |connection| get(connection, &sealer, id)).await
    }

    async fn update(&self, id: InboxId, edit: InboxEdit, change: Change) -> StoreResult<Inbox> {
        self.write(move |context| update(context, id, &edit, &change))
            .await
    }

    async fn delete(&self, id: InboxId, change: Change) -> StoreResult<()> {
        self.write(move |context| delete(context.connection, id, &change))
            .await
    }

    async fn keep(&self, request: InboxRequest) -> StoreResult<()> {
        self.write(move |context| {
            insert_request(context.connection, &request)?;
            let before = request.at.minus(INBOX_REQUEST_LIFETIME);
            delete_surplus(context.connection, request.inbox_id, before)
        })
        .await
    }

    async fn requests(&self, id: InboxId) -> StoreResult<Vec<InboxRequest>> {
        self.read(move |connection| requests(connection, id)).await
    }

    async fn clear(&self, id: InboxId, request: Option<InboxRequestId>, change: Change) -> StoreResult<()> {
        self.write(move |context| clear(context.connection, id, request, &change))
            .await
    }
}

fn create(context: &WriteContext<'_>, inbox: Inbox, change: &Change) -> StoreResult<Inbox> {
    let count = read_one(context.connection, "SELECT count(*) FROM inboxes", (), |row| {
        row.get::<_, u32>(0)
    })?;
    if count.unwrap_or(0) >= MAX_INBOXES {
        let sentence = format!("there are {MAX_INBOXES} inboxes already; delete one first");
        return Err(StoreError::Conflict(sentence));
    }
    execute(
        context.connection,
        "INSERT INTO inboxes (id, name, answer_status, answer_delay_ms, secret, created_at)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        (
            inbox.id.as_bytes(),
            &inbox.name,
            inbox.answer.status,
            delay_ms(inbox.answer),
            sealed_secret(context.sealer, &inbox),
            inbox.created_at.as_millis(),
        ),
    )?;
    let detail = format!("created \"{}\"", inbox.name);
    audit::write(context.connection, change, "inbox.create", inbox.id, &detail)?;
    Ok(inbox)
}

fn list(connection: &Connection, sealer: &Sealer) -> StoreResult<Vec<(Inbox, u32)>> {
    let rows = read_all(
        connection,
        "SELECT id, name, answer_status, answer_delay_ms, secret, created_at,
             (SELECT count(*) FROM inbox_requests r WHERE r.inbox_id = inboxes.id) AS requests
         FROM inboxes ORDER BY id DESC LIMIT ?1",
        [MAX_INBOXES],
        |row| Ok((SealedInbox::from_row(row)?, row.get("requests")?)),
    )?;
    rows.into_iter()
        .map(|(inbox, count)| Ok((inbox.open(sealer)?, count)))
        .collect()
}

fn get(connection: &Connection, sealer: &Sealer, id: InboxId) -> StoreResult<Inbox> {
    read_one(
        connection,
        "SELECT id, name, answer_status, answer_delay_ms, secret, created_at FROM inboxes WHERE id = ?1",
        [id.as_bytes()],
        SealedInbox::from_row,
    )?
    .ok_or(NOT_FOUND)?
    .open(sealer)
}

fn update(context: &WriteContext<'_>, id: InboxId, edit: &InboxEdit, change: &Change) -> StoreResult<Inbox> {
    let before = get(context.connection, context.sealer, id)?;
    let Some((after, detail)) = setting_changes::of_inbox(&before, edit) else {
        return Ok(before);
    };
    execute(
        context.connection,
        "UPDATE inboxes SET answer_status = ?2, answer_delay_ms = ?3, secret = ?4 WHERE id = ?1",
        (
            id.as_bytes(),
            after.answer.status,
            delay_ms(after.answer),
            sealed_secret(context.sealer, &after),
        ),
    )?;
    audit::write(context.connection, change, "inbox.update", id, &detail)?;
    Ok(after)
}

fn delete(connection: &Connection, id: InboxId, change: &Change) -> StoreResult<()> {
    let name: Option<String> = read_one(
        connection,
        "DELETE FROM inboxes WHERE id = ?1 RETURNING name",
        [id.as_bytes()],
        |row| row.get(0),
    )?;
    let detail = format!("deleted \"{}\"", name.ok_or(NOT_FOUND)?);
    audit::write(connection, change, "inbox.delete", id, &detail)
}

fn insert_request(connection: &Connection, request: &InboxRequest) -> StoreResult<()> {
    execute_or_refuse(
        connection,
        "INSERT INTO inbox_requests (inbox_id, id, at, method, target, remote_address, head, body, body_truncated,
             answered_status)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
        (
            request.inbox_id.as_bytes(),
            request.id.as_bytes(),
            request.at.as_millis(),
            &request.method,
            &request.target,
            &request.remote_address,
            &request.head,
            &request.body[..],
            request.body_is_truncated,
            request.answered_status,
        ),
        REFUSAL,
    )
}

/// Deletes what is beyond the number of requests that an inbox keeps, and what came before a time.
fn delete_surplus(connection: &Connection, id: InboxId, before: Timestamp) -> StoreResult<()> {
    execute(
        connection,
        "DELETE FROM inbox_requests WHERE inbox_id = ?1
             AND (id < ?2 OR id <= (SELECT id FROM inbox_requests WHERE inbox_id = ?1
                                    ORDER BY id DESC LIMIT 1 OFFSET ?3))",
        (
            id.as_bytes(),
            InboxRequestId::lower_bound(before).as_bytes(),
            MAX_INBOX_REQUESTS,
        ),
    )
    .map(|_| ())
}

fn requests(connection: &Connection, id: InboxId) -> StoreResult<Vec<InboxRequest>> {
    read_all(
        connection,
        "SELECT inbox_id, id, at, method, target, remote_address, head, body, body_truncated, answered_status
         FROM inbox_requests WHERE inbox_id = ?1 ORDER BY id DESC LIMIT ?2",
        (id.as_bytes(), MAX_INBOX_REQUESTS),
        request_from_row,
    )
}

/// What is gone already is passed over, and leaves no row in the audit log.
fn clear(
    connection: &Connection,
    id: InboxId,
    request: Option<InboxRequestId>,
    change: &Change,
) -> StoreResult<()> {
    let deleted = match request {
        Some(request) => execute(
            connection,
            "DELETE FROM inbox_requests WHERE inbox_id = ?1 AND id = ?2",
            (id.as_bytes(), request.as_bytes()),
        ),
        None => execute(
            connection,
            "DELETE FROM inbox_requests WHERE inbox_id = ?1",
            [id.as_bytes()],
        ),
    };
    let count = deleted?;
    if count == 0 {
        return Ok(());
    }
    let detail = format!("deleted {count} of what came to it");
    audit::write(connection, change, "inbox.clear", id, &detail)
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
    fn from_row(row: &Row<'_>) -> rusqlite::Result<Self> {
        let delay_ms: u32 = row.get("answer_delay_ms")?;
        Ok(Self {
            inbox: Inbox {
                id: InboxId::from_bytes(id_bytes(row, "id")?),
                name: row.get("name")?,
                answer: InboxAnswer {
                    status: row.get("answer_status")?,
                    delay: Duration::from_millis(u64::from(delay_ms)),
                },
                secret: None,
                created_at: time(row, "created_at")?,
            },
            secret: row.get("secret")?,
        })
    }

    fn open(self, sealer: &Sealer) -> StoreResult<Inbox> {
        let place = inbox_place(self.inbox.id, "secret");
        let opened = |sealed: Vec<u8>| open(sealer, &place, &sealed);
        let secret: Option<SecretText> = self.secret.map(opened).transpose()?;
        Ok(Inbox { secret, ..self.inbox })
    }
}

fn request_from_row(row: &Row<'_>) -> rusqlite::Result<InboxRequest> {
    Ok(InboxRequest {
        id: InboxRequestId::from_bytes(id_bytes(row, "id")?),
        inbox_id: InboxId::from_bytes(id_bytes(row, "inbox_id")?),
        at: time(row, "at")?,
        method: row.get("method")?,
        target: row.get("target")?,
        remote_address: row.get("remote_address")?,
        head: row.get("head")?,
        body: Bytes::from(row.get::<_, Vec<u8>>("body")?),
        body_is_truncated: row.get("body_truncated")?,
        answered_status: row.get("answered_status")?,
    })
}
