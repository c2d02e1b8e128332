//! Links to receivers' pages.

use async_trait::async_trait;
use tokio_postgres::Row;

use model::access::KeyHash;
use model::audit::Change;
use model::id::{ReceiverLinkId, WebhookId};
use model::receiver_link::{MAX_RECEIVER_LINKS, ReceiverLink};
use model::time::Timestamp;
use store::StoreError;
use store::StoreResult;
use store::receiver_links::ReceiverLinks;

use super::audit;
use super::columns::{bytes, optional_time, time, value};
use super::connection::Connection;
use super::database::Database;
use super::webhooks;

const NOT_FOUND: StoreError = StoreError::NotFound { what: "link" };

#[async_trait]
impl ReceiverLinks for Database {
    async fn create(&self, link: ReceiverLink, change: Change) -> StoreResult<ReceiverLink> {
        self.write((link, change), |context, (link, change)| {
            Box::pin(create(&context.connection, link, change))
        })
        .await
    }

    async fn list(&self, webhook_id: WebhookId) -> StoreResult<Vec<ReceiverLink>> {
        list(&self.connection().await?, webhook_id).await
    }

    async fn find(&self, hash: KeyHash) -> StoreResult<Option<ReceiverLink>> {
        let sql = "SELECT l.id, l.webhook_id, l.name, l.hash, l.created_at, l.expires_at, l.revoked_at, l.last_used_at
             FROM receiver_links l JOIN webhooks w ON w.id = l.webhook_id
             WHERE l.hash = $1 AND w.deleted_at IS NULL";
        let connection = self.connection().await?;
        connection.read_one(sql, &[&&hash.0[..]], link_from_row).await
    }

    async fn revoke(
        &self,
        webhook_id: WebhookId,
        id: ReceiverLinkId,
        change: Change,
    ) -> StoreResult<ReceiverLink> {
        self.write((webhook_id, id, change), |context, (webhook_id, id, change)| {
            Box::pin(revoke(&context.connection, *webhook_id, *id, change))
        })
        .await
    }

    async fn touch(&self, id: ReceiverLinkId, at: Timestamp) -> StoreResult<()> {
        self.write((id, at), |context, (id, at)| {
            Box::pin(touch(&context.connection, *id, *at))
        })
        .await
    }
}

/// The webhook is locked first: of two who make its last link at the same time, the second finds no room.
async fn create(connection: &Connection, link: &ReceiverLink, change: &Change) -> StoreResult<ReceiverLink> {
    let webhook = webhooks::lock(connection, link.webhook_id).await?;
    let webhook_id = &link.webhook_id.as_bytes()[..];
    let sql =
        "DELETE FROM receiver_links WHERE webhook_id = $1 AND (revoked_at IS NOT NULL OR expires_at <= $2)";
    connection
        .execute(sql, &[&webhook_id, &change.at.as_millis()])
        .await?;
    if list(connection, link.webhook_id).await?.len() >= MAX_RECEIVER_LINKS as usize {
        let sentence = format!("this webhook has {MAX_RECEIVER_LINKS} links already; revoke one first");
        return Err(StoreError::Conflict(sentence));
    }
    let sql =
        "INSERT INTO receiver_links (id, webhook_id, name, hash, created_at, expires_at, revoked_at, last_used_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)";
    connection
        .execute(
            sql,
            &[
                &&link.id.as_bytes()[..],
                &webhook_id,
                &link.name,
                &&link.hash.0[..],
                &link.created_at.as_millis(),
                &link.expires_at.as_millis(),
                &link.revoked_at.map(Timestamp::as_millis),
                &link.last_used_at.map(Timestamp::as_millis),
            ],
        )
        .await?;
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
    )
    .await?;
    Ok(link.clone())
}

async fn list(connection: &Connection, webhook_id: WebhookId) -> StoreResult<Vec<ReceiverLink>> {
    let sql = "SELECT id, webhook_id, name, hash, created_at, expires_at, revoked_at, last_used_at FROM receiver_links
         WHERE webhook_id = $1 ORDER BY id DESC LIMIT $2";
    let limit = i64::from(MAX_RECEIVER_LINKS);
    connection
        .read_all(sql, &[&&webhook_id.as_bytes()[..], &limit], link_from_row)
        .await
}

async fn revoke(
    connection: &Connection,
    webhook_id: WebhookId,
    id: ReceiverLinkId,
    change: &Change,
) -> StoreResult<ReceiverLink> {
    let sql = "SELECT id, webhook_id, name, hash, created_at, expires_at, revoked_at, last_used_at FROM receiver_links
         WHERE id = $1 AND webhook_id = $2 FOR UPDATE";
    let link = connection
        .read_one(
            sql,
            &[&&id.as_bytes()[..], &&webhook_id.as_bytes()[..]],
            link_from_row,
        )
        .await?
        .ok_or(NOT_FOUND)?;
    if link.revoked_at.is_some() {
        return Ok(link);
    }
    let sql = "UPDATE receiver_links SET revoked_at = $2 WHERE id = $1 AND revoked_at IS NULL";
    connection
        .execute(sql, &[&&id.as_bytes()[..], &change.at.as_millis()])
        .await?;
    let detail = format!("revoked the receiver's link of \"{}\"", link.name);
    audit::write(
        connection,
        change,
        "webhook.revoke_receiver_link",
        webhook_id,
        &detail,
    )
    .await?;
    Ok(ReceiverLink {
        revoked_at: Some(change.at),
        ..link
    })
}

async fn touch(connection: &Connection, id: ReceiverLinkId, at: Timestamp) -> StoreResult<()> {
    let sql = "UPDATE receiver_links SET last_used_at = $2 WHERE id = $1";
    connection
        .execute(sql, &[&&id.as_bytes()[..], &at.as_millis()])
        .await
        .map(|_| ())
}

/// Deletes the links of a webhook that goes.
pub async fn delete_of(connection: &Connection, webhook_id: WebhookId) -> StoreResult<()> {
    let sql = "DELETE FROM receiver_links WHERE webhook_id = $1";
    connection
        .execute(sql, &[&&webhook_id.as_bytes()[..]])
        .await
        .map(|_| ())
}

fn link_from_row(row: &Row) -> StoreResult<ReceiverLink> {
    Ok(ReceiverLink {
        id: ReceiverLinkId::from_bytes(bytes(row, "id")?),
        webhook_id: WebhookId::from_bytes(bytes(row, "webhook_id")?),
        name: value(row, "name")?,
        hash: KeyHash(bytes(row, "hash")?),
        created_at: time(row, "created_at")?,
        expires_at: time(row, "expires_at")?,
        revoked_at: optional_time(row, "revoked_at")?,
        last_used_at: optional_time(row, "last_used_at")?,
    })
}
