//! Webhooks with their secrets, for the dispatcher: the one place that opens them.

use async_trait::async_trait;
use rusqlite::{Connection, Row};

use model::id::{IncidentId, WebhookId};
use model::operational::Subject;
use model::time::Timestamp;
use model::webhook::{Degraded, Endpoint, WebhookKind, WebhookSecrets};
use store::StoreError;
use store::StoreResult;
use store::operational::of_breaker;
use store::seal::Sealer;
use store::webhook_columns::SealedSecrets;
use store::webhooks::{Endpoints, MessageRef, OpenMessage};

use super::columns::{WEBHOOK_COLUMNS, optional_time, webhook_from_row};
use super::database::Database;
use super::events::event_from_row;
use super::operational;
use super::statements::{execute, read_all, read_one};
use super::writer::WriteContext;

/// What [`sealed_from_row`] reads.
const SECRET_COLUMNS: &str = "secret, previous_secret, headers, secret_options, ca_pem, identity_pem";

#[async_trait]
impl Endpoints for Database {
    async fn load(&self, id: WebhookId) -> StoreResult<Option<Endpoint>> {
        let sealer = self.sealer().clone();
        self.read(move |connection| load(connection, &sealer, id)).await
    }

    async fn load_message_ref(
        &self,
        id: WebhookId,
        incident_id: IncidentId,
    ) -> StoreResult<Option<MessageRef>> {
        self.read(move |connection| {
            read_one(
                connection,
                "SELECT memory, event_sequence FROM memories WHERE webhook_id = ?1 AND incident_id = ?2",
                (id.as_bytes(), incident_id.as_bytes()),
                |row| {
                    Ok(MessageRef {
                        text: row.get(0)?,
                        event_sequence: row.get(1)?,
                    })
                },
            )
        })
        .await
    }

    async fn open_messages(
        &self,
        id: WebhookId,
        after: Option<IncidentId>,
        limit: u32,
    ) -> StoreResult<Vec<OpenMessage>> {
        self.read(move |connection| {
            // `CROSS JOIN` keeps the incidents the outer table: few are open of many that have messages.
            let sql =
                "SELECT e.sequence, e.id, e.name, e.at, e.incident_id, e.actor, e.is_test, e.body,
                           (SELECT n.number FROM incident_numbers n WHERE n.incident_id = e.incident_id), m.memory
                       FROM incidents i
                       CROSS JOIN memories m ON m.webhook_id = ?1 AND m.incident_id = i.id
                       CROSS JOIN events e ON e.sequence = m.event_sequence
                       WHERE i.status <> 'resolved' AND i.id > ?2 ORDER BY i.id LIMIT ?3";
            let after = after.as_ref().map_or([0; 16], |id| *id.as_bytes());
            read_all(connection, sql, (id.as_bytes(), after, limit), |row| {
                Ok(OpenMessage {
                    event: event_from_row(row)?,
                    text: row.get("memory")?,
                })
            })
        })
        .await
    }

    async fn enabled_of(&self, kind: WebhookKind, limit: u32) -> StoreResult<Vec<WebhookId>> {
        self.read(move |connection| {
            let sql =
                "SELECT id FROM webhooks WHERE kind = ?1 AND disabled_since IS NULL AND deleted_at IS NULL
                       ORDER BY id LIMIT ?2";
            read_all(connection, sql, (kind.as_str(), limit), |row| {
                row.get(0).map(WebhookId::from_bytes)
            })
        })
        .await
    }

    async fn last_call_at(&self, id: WebhookId) -> StoreResult<Option<Timestamp>> {
        self.read(move |connection| {
            let sql = "SELECT last_call_at FROM webhooks WHERE id = ?1";
            let at = read_one(connection, sql, [id.as_bytes()], |row| {
                optional_time(row, "last_call_at")
            })?;
            Ok(at.flatten())
        })
        .await
    }

    async fn record_call(&self, id: WebhookId, at: Timestamp) -> StoreResult<()> {
        self.write(move |context| {
            execute(
                context.connection,
                "UPDATE webhooks SET last_call_at = ?2 WHERE id = ?1 AND deleted_at IS NULL",
                (id.as_bytes(), at.as_millis()),
            )
            .map(|_| ())
        })
        .await
    }

    async fn set_degraded(
        &self,
        id: WebhookId,
        degraded: Option<Degraded>,
        at: Timestamp,
    ) -> StoreResult<()> {
        self.write(move |context| set_degraded(context, id, degraded.as_ref(), at))
            .await
    }
}

fn load(connection: &Connection, sealer: &Sealer, id: WebhookId) -> StoreResult<Option<Endpoint>> {
    // One statement, so that settings and secrets are of one moment.
    let statement = format!(
        "SELECT {WEBHOOK_COLUMNS}, {SECRET_COLUMNS}, learned FROM webhooks WHERE id = ?1 AND deleted_at IS NULL"
    );
    let found = read_one(connection, &statement, [id.as_bytes()], |row| {
        Ok((webhook_from_row(row)?, sealed_from_row(row)?, row.get("learned")?))
    });
    let Some((webhook, sealed, learned)) = found? else {
        return Ok(None);
    };
    let secrets = sealed.open(sealer, id)?;
    Ok(Some(Endpoint {
        webhook,
        secrets,
        learned,
    }))
}

/// The secrets of a webhook that is not deleted.
pub fn load_secrets(connection: &Connection, sealer: &Sealer, id: WebhookId) -> StoreResult<WebhookSecrets> {
    let statement = format!(
        "SELECT {SECRET_COLUMNS}, previous_secret_until FROM webhooks WHERE id = ?1 AND deleted_at IS NULL"
    );
    read_one(connection, &statement, [id.as_bytes()], sealed_from_row)?
        .ok_or(StoreError::NotFound { what: "webhook" })?
        .open(sealer, id)
}

/// The breaker says this, not a person: no audit, and the dispatcher is not told what it told. A webhook that was
/// deleted meanwhile has no breaker any more.
fn set_degraded(
    context: &mut WriteContext<'_>,
    id: WebhookId,
    degraded: Option<&Degraded>,
    at: Timestamp,
) -> StoreResult<()> {
    let sql = "SELECT name, degraded_since FROM webhooks WHERE id = ?1 AND deleted_at IS NULL";
    let before = read_one(context.connection, sql, [id.as_bytes()], |row| {
        Ok((
            row.get::<_, String>("name")?,
            optional_time(row, "degraded_since")?,
        ))
    })?;
    let Some((name, since)) = before else {
        return Ok(());
    };
    execute(
        context.connection,
        "UPDATE webhooks SET degraded_since = ?2, degraded_code = ?3, degraded_detail = ?4
         WHERE id = ?1 AND deleted_at IS NULL",
        (
            id.as_bytes(),
            degraded.map(|degraded| degraded.since.as_millis()),
            degraded.map(|degraded| degraded.code.as_str()),
            degraded.and_then(|degraded| degraded.detail.as_deref()),
        ),
    )?;
    context.forget_subscriptions();
    match of_breaker(since, degraded, Subject::webhook(id, name), at) {
        Some(notice) => operational::note(context, &notice),
        None => Ok(()),
    }
}

fn sealed_from_row(row: &Row<'_>) -> rusqlite::Result<SealedSecrets> {
    let previous: Option<Vec<u8>> = row.get("previous_secret")?;
    Ok(SealedSecrets {
        secret: row.get("secret")?,
        previous: previous.zip(optional_time(row, "previous_secret_until")?),
        headers: row.get("headers")?,
        options: row.get("secret_options")?,
        ca_pem: row.get("ca_pem")?,
        identity_pem: row.get("identity_pem")?,
    })
}
