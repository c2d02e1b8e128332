//! Webhooks with their secrets, for the dispatcher: the one place that opens them.

use async_trait::async_trait;
use tokio_postgres::Row;

use model::id::{IncidentId, WebhookId};
use model::operational::Subject;
use model::time::Timestamp;
use model::webhook::{Degraded, Endpoint, WebhookKind, WebhookSecrets};
use store::StoreError;
use store::StoreResult;
use store::operational::of_breaker;
use store::seal::Sealer;
use store::texts::plain;
use store::webhook_columns::SealedSecrets;
use store::webhooks::{Endpoints, MessageRef, OpenMessage};

use super::columns::{WEBHOOK_COLUMNS, bytes, optional_time, value, webhook_from_row};
use super::connection::Connection;
use super::database::Database;
use super::events::event_from_row;
use super::operational;
use super::writer::WriteContext;

/// What [`sealed_from_row`] reads beside `previous_secret_until`.
const SECRET_COLUMNS: &str = "secret, previous_secret, headers, secret_options, ca_pem, identity_pem";

#[async_trait]
impl Endpoints for Database {
    async fn load(&self, id: WebhookId) -> StoreResult<Option<Endpoint>> {
        // One statement, so that settings and secrets are of one moment.
        let sql = format!(
            "SELECT {WEBHOOK_COLUMNS}, {SECRET_COLUMNS}, learned FROM webhooks WHERE id = $1 AND deleted_at IS NULL"
        );
        let connection = self.connection().await?;
        let found = connection
            .read_one(&sql, &[&&id.as_bytes()[..]], |row| {
                Ok((
                    webhook_from_row(row)?,
                    sealed_from_row(row)?,
                    value(row, "learned")?,
                ))
            })
            .await?;
        let Some((webhook, sealed, learned)) = found else {
            return Ok(None);
        };
        let secrets = sealed.open(self.sealer(), id)?;
        Ok(Some(Endpoint {
            webhook,
            secrets,
            learned,
        }))
    }

    async fn load_message_ref(
        &self,
        id: WebhookId,
        incident_id: IncidentId,
    ) -> StoreResult<Option<MessageRef>> {
        let sql = "SELECT memory, event_sequence FROM memories WHERE webhook_id = $1 AND incident_id = $2";
        let ids: [&[u8]; 2] = [id.as_bytes(), incident_id.as_bytes()];
        let connection = self.connection().await?;
        connection
            .read_one(sql, &[&ids[0], &ids[1]], |row| {
                Ok(MessageRef {
                    text: value(row, "memory")?,
                    event_sequence: value(row, "event_sequence")?,
                })
            })
            .await
    }

    async fn open_messages(
        &self,
        id: WebhookId,
        after: Option<IncidentId>,
        limit: u32,
    ) -> StoreResult<Vec<OpenMessage>> {
        let sql = "SELECT e.sequence, e.id, e.name, e.at, e.incident_id, e.actor, e.is_test, e.body, m.memory,
                       (SELECT n.number FROM incident_numbers n WHERE n.incident_id = e.incident_id) AS incident_number
                   FROM incidents i
                   JOIN memories m ON m.webhook_id = $1 AND m.incident_id = i.id
                   JOIN events e ON e.sequence = m.event_sequence
                   WHERE i.status <> 'resolved' AND i.id > $2 ORDER BY i.id LIMIT $3";
        let after = after.as_ref().map_or([0; 16], |id| *id.as_bytes());
        let connection = self.connection().await?;
        connection
            .read_all(
                sql,
                &[&&id.as_bytes()[..], &&after[..], &i64::from(limit)],
                |row| {
                    Ok(OpenMessage {
                        event: event_from_row(row)?,
                        text: value(row, "memory")?,
                    })
                },
            )
            .await
    }

    async fn enabled_of(&self, kind: WebhookKind, limit: u32) -> StoreResult<Vec<WebhookId>> {
        let sql = "SELECT id FROM webhooks WHERE kind = $1 AND disabled_since IS NULL AND deleted_at IS NULL
                   ORDER BY id LIMIT $2";
        let connection = self.connection().await?;
        connection
            .read_all(sql, &[&kind.as_str(), &i64::from(limit)], |row| {
                bytes(row, "id").map(WebhookId::from_bytes)
            })
            .await
    }

    async fn last_call_at(&self, id: WebhookId) -> StoreResult<Option<Timestamp>> {
        let sql = "SELECT last_call_at FROM webhooks WHERE id = $1";
        let connection = self.connection().await?;
        let at = connection
            .read_one(sql, &[&&id.as_bytes()[..]], |row| {
                optional_time(row, "last_call_at")
            })
            .await?;
        Ok(at.flatten())
    }

    async fn record_call(&self, id: WebhookId, at: Timestamp) -> StoreResult<()> {
        self.write((id, at), |context, (id, at)| {
            Box::pin(record_call(&context.connection, *id, *at))
        })
        .await
    }

    async fn set_degraded(
        &self,
        id: WebhookId,
        degraded: Option<Degraded>,
        at: Timestamp,
    ) -> StoreResult<()> {
        self.write((id, degraded, at), |context, (id, degraded, at)| {
            Box::pin(set_degraded(context, *id, degraded.as_ref(), *at))
        })
        .await
    }
}

/// The secrets of a webhook that is not deleted.
pub async fn load_secrets(
    connection: &Connection,
    sealer: &Sealer,
    id: WebhookId,
) -> StoreResult<WebhookSecrets> {
    let sql = format!(
        "SELECT {SECRET_COLUMNS}, previous_secret_until FROM webhooks WHERE id = $1 AND deleted_at IS NULL"
    );
    let found = connection
        .read_one(&sql, &[&&id.as_bytes()[..]], sealed_from_row)
        .await?;
    found
        .ok_or(StoreError::NotFound { what: "webhook" })?
        .open(sealer, id)
}

async fn record_call(connection: &Connection, id: WebhookId, at: Timestamp) -> StoreResult<()> {
    let sql = "UPDATE webhooks SET last_call_at = $2 WHERE id = $1 AND deleted_at IS NULL";
    connection
        .execute(sql, &[&&id.as_bytes()[..], &at.as_millis()])
        .await
        .map(|_| ())
}

/// The breaker says this, not a person: no audit, and the dispatcher is not told what it told. A webhook that was
/// deleted meanwhile has no breaker any more.
async fn set_degraded(
    context: &mut WriteContext,
    id: WebhookId,
    degraded: Option<&Degraded>,
    at: Timestamp,
) -> StoreResult<()> {
    let sql =
        "SELECT name, degraded_since FROM webhooks WHERE id = $1 AND deleted_at IS NULL FOR NO KEY UPDATE";
    let before = context
        .connection
        .read_one(sql, &[&&id.as_bytes()[..]], |row| {
            Ok((
                value::<String>(row, "name")?,
                optional_time(row, "degraded_since")?,
            ))
        })
        .await?;
    let Some((name, since)) = before else {
        return Ok(());
    };
    let sql = "UPDATE webhooks SET degraded_since = $2, degraded_code = $3, degraded_detail = $4
         WHERE id = $1 AND deleted_at IS NULL";
    context
        .connection
        .execute(
            sql,
            &[
                &&id.as_bytes()[..],
                &degraded.map(|degraded| degraded.since.as_millis()),
                &degraded.map(|degraded| degraded.code.as_str()),
                &degraded.and_then(|degraded| degraded.detail.as_deref().map(plain)),
            ],
        )
        .await?;
    match of_breaker(since, degraded, Subject::webhook(id, name), at) {
        Some(notice) => operational::note(context, &notice).await,
        None => Ok(()),
    }
}

fn sealed_from_row(row: &Row) -> StoreResult<SealedSecrets> {
    let previous: Option<Vec<u8>> = value(row, "previous_secret")?;
    Ok(SealedSecrets {
        secret: value(row, "secret")?,
        previous: previous.zip(optional_time(row, "previous_secret_until")?),
        headers: value(row, "headers")?,
        options: value(row, "secret_options")?,
        ca_pem: value(row, "ca_pem")?,
        identity_pem: value(row, "identity_pem")?,
    })
}
