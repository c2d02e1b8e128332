//! Links to receivers' pages.

use async_trait::async_trait;
use rusqlite::{Connection, Row};

use model::access::KeyHash;
use model::audit::Change;
use model::id::{ReceiverLinkId, WebhookId};
use model::receiver_link::{MAX_RECEIVER_LINKS, ReceiverLink};
use model::time::Timestamp;
use store::StoreError;
use store::StoreResult;
use store::receiver_links::ReceiverLinks;

use super::audit;
use super::columns::{id_bytes, optional_time, time};
use super::database::Database;
use super::statements::{execute, read_all, read_one};
use super::webhooks;

const NOT_FOUND: StoreError = StoreError::NotFound { what: "link" };

#[async_trait]
impl ReceiverLinks for Database {
    async fn create(&self, link: ReceiverLink, change: Change) -> StoreResult<ReceiverLink> {
        self.write(move |context| create(context.connection, link, &change))
            .await
    }

    async fn list(&self, webhook_id: WebhookId) -> StoreResult<Vec<ReceiverLink>> {
        self.read(move |connection| list(connection, webhook_id)).await
    }

    async fn find(&self, hash: KeyHash) -> StoreResult<Option<ReceiverLink>> {
        self.read(move |connection| find(connection, hash)).await
    }

    async fn revoke(
        &self,
        webhook_id: WebhookId,
        id: ReceiverLinkId,
        change: Change,
    ) -> StoreResult<ReceiverLink> {
        self.write(move |context| revoke(context.connection, webhook_id, id, &change))
            .await
    }

    async fn touch(&self, id: ReceiverLinkId, at: Timestamp) -> StoreResult<()> {
        self.write(move |context| touch(context.connection, id, at)).await
    }
}

fn create(connection: &Connection, link: ReceiverLink, change: &Change) -> StoreResult<ReceiverLink> {
    let webhook = webhooks::get(connection, link.webhook_id)?;
    execute(
        connection,
        "DELETE FROM receiver_links WHERE webhook_id = ?1 AND (revoked_at IS NOT NULL OR expires_at <= ?2)",
        (link.webhook_id.as_bytes(), change.at.as_millis()),
    )?;
    if list(connection, link.webhook_id)?.len() >= MAX_RECEIVER_LINKS as usize {
        let sentence = format!("this webhook has {MAX_RECEIVER_LINKS} links already; revoke one first");
        return Err(StoreError::Conflict(sentence));
    }
    execute(
        connection,
        "INSERT INTO receiver_links (id, webhook_id, name, hash, created_at, expires_at, revoked_at, last_used_at)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
        (
            link.id.as_bytes(),
            link.webhook_id.as_bytes(),
            &link.name,
            link.hash.0,
            link.created_at.as_millis(),
            link.expires_at.as_millis(),
            link.revoked_at.map(Timestamp::as_millis),
            link.last_used_at.map(Timestamp::as_millis),
        ),
    )?;
    let detail = format!(
        "made a receiver's link to \"{}\" for \"{}\" until {}",
        webhook.settings.name, link.name, link.expires_at
    );
    audit::write(
        connection,
        change,
        "webhook.receiver_link",
        link.webhook_id,
        &detail,
    )?;
    Ok(link)
}

fn list(connection: &Connection, webhook_id: WebhookId) -> StoreResult<Vec<ReceiverLink>> {
    read_all(
        connection,
        "SELECT id, webhook_id, name, hash, created_at, expires_at, revoked_at, last_used_at FROM receiver_links
         WHERE webhook_id = ?1 ORDER BY id DESC LIMIT ?2",
        (webhook_id.as_bytes(), MAX_RECEIVER_LINKS),
        link_from_row,
    )
}

fn find(connection: &Connection, hash: KeyHash) -> StoreResult<Option<ReceiverLink>> {
    read_one(
        connection,
        "SELECT l.id, l.webhook_id, l.name, l.hash, l.created_at, l.expires_at, l.revoked_at, l.last_used_at
         FROM receiver_links l JOIN webhooks w ON w.id = l.webhook_id
         WHERE l.hash = ?1 AND w.deleted_at IS NULL",
        [hash.0],
        link_from_row,
    )
}

fn revoke(
    connection: &Connection,
    webhook_id: WebhookId,
    id: ReceiverLinkId,
    change: &Change,
) -> StoreResult<ReceiverLink> {
    let link = read_one(
        connection,
        "SELECT id, webhook_id, name, hash, created_at, expires_at, revoked_at, last_used_at FROM receiver_links
         WHERE id = ?1 AND webhook_id = ?2",
        (id.as_bytes(), webhook_id.as_bytes()),
        link_from_row,
    )?
    .ok_or(NOT_FOUND)?;
    if link.revoked_at.is_some() {
        return Ok(link);
    }
    execute(
        connection,
        "UPDATE receiver_links SET revoked_at = ?2 WHERE id = ?1 AND revoked_at IS NULL",
        (id.as_bytes(), change.at.as_millis()),
    )?;
    let detail = format!("revoked the receiver's link of \"{}\"", link.name);
    audit::write(
        connection,
        change,
        "webhook.revoke_receiver_link",
        webhook_id,
        &detail,
    )?;
    Ok(ReceiverLink {
        revoked_at: Some(change.at),
        ..link
    })
}

fn touch(connection: &Connection, id: ReceiverLinkId, at: Timestamp) -> StoreResult<()> {
    execute(
        connection,
        "UPDATE receiver_links SET last_used_at = ?2 WHERE id = ?1",
        (id.as_bytes(), at.as_millis()),
    )
    .map(|_| ())
}

/// Deletes the links of a webhook that goes.
pub fn delete_of(connection: &Connection, webhook_id: WebhookId) -> StoreResult<()> {
    execute(
        connection,
        "DELETE FROM receiver_links WHERE webhook_id = ?1",
        [webhook_id.as_bytes()],
    )
    .map(|_| ())
}

fn link_from_row(row: &Row<'_>) -> rusqlite::Result<ReceiverLink> {
    Ok(ReceiverLink {
        id: ReceiverLinkId::from_bytes(id_bytes(row, "id")?),
        webhook_id: WebhookId::from_bytes(id_bytes(row, "webhook_id")?),
        name: row.get("name")?,
        hash: KeyHash(row.get("hash")?),
        created_at: time(row, "created_at")?,
        expires_at: time(row, "expires_at")?,
        revoked_at: optional_time(row, "revoked_at")?,
        last_used_at: optional_time(row, "last_used_at")?,
    })
}
