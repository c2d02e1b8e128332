//! Webhooks. Their secrets are sealed on the way in; only `endpoints.rs` opens them again.

use async_trait::async_trait;

use model::audit::Change;
use model::id::{ServiceId, WebhookId};
use model::secret::SecretText;
use model::time::Timestamp;
use model::webhook::{Webhook, WebhookSecrets, WebhookSettings, WebhookState};
use store::Page;
use store::StoreError;
use store::StoreResult;
use store::fallback_plan::check_unused;
use store::sealed::{seal, webhook_place};
use store::setting_changes;
use store::webhook_columns::{SecretColumns, SettingsColumns, state_columns};
use store::webhooks::{WebhookEdit, Webhooks};

use super::audit;
use super::columns::{WEBHOOK_COLUMNS, webhook_from_row};
use super::connection::Connection;
use super::database::Database;
use super::endpoints::load_secrets;
use super::fallbacks;
use super::receiver_links;
use super::subscriptions;
use super::writer::WriteContext;

const NOT_FOUND: StoreError = StoreError::NotFound { what: "webhook" };

/// A webhook as it shall be made.
struct NewWebhook {
    id: WebhookId,
    settings: WebhookSettings,
    secrets: WebhookSecrets,
    state: WebhookState,
    change: Change,
}

#[async_trait]
impl Webhooks for Database {
    async fn create(
        &self,
        id: WebhookId,
        settings: WebhookSettings,
        secrets: WebhookSecrets,
        state: WebhookState,
        change: Change,
    ) -> StoreResult<Webhook> {
        let new = NewWebhook {
            id,
            settings,
            secrets,
            state,
            change,
        };
        self.write(new, |context, new| Box::pin(create(context, new)))
            .await
    }

    async fn list(&self, page: Page) -> StoreResult<Vec<Webhook>> {
        let (before, limit) = page.bounds();
        let sql = format!(
            "SELECT {WEBHOOK_COLUMNS} FROM webhooks WHERE id < $1 AND deleted_at IS NULL ORDER BY id DESC LIMIT $2"
        );
        let connection = self.connection().await?;
        connection
            .read_all(&sql, &[&&before[..], &i64::from(limit)], webhook_from_row)
            .await
    }

    async fn get(&self, id: WebhookId) -> StoreResult<Webhook> {
        get(&self.connection().await?, id).await
    }

    async fn update(&self, id: WebhookId, edit: WebhookEdit, change: Change) -> StoreResult<Webhook> {
        self.write((id, edit, change), |context, (id, edit, change)| {
            Box::pin(update(context, *id, edit, change))
        })
        .await
    }

    async fn delete(&self, id: WebhookId, change: Change) -> StoreResult<()> {
        self.write((id, change), |context, (id, change)| {
            Box::pin(delete(context, *id, change))
        })
        .await
    }

    async fn set_state(&self, id: WebhookId, state: WebhookState, change: Change) -> StoreResult<Webhook> {
        self.write((id, state, change), |context, (id, state, change)| {
            Box::pin(set_state(context, *id, state, change))
        })
        .await
    }

    async fn rotate_secret(
        &self,
        id: WebhookId,
        secret: SecretText,
        previous_until: Timestamp,
        change: Change,
    ) -> StoreResult<Webhook> {
        let input = (id, secret, previous_until, change);
        self.write(input, |context, (id, secret, previous_until, change)| {
            Box::pin(rotate_secret(context, *id, secret, *previous_until, change))
        })
        .await
    }
}

async fn create(context: &mut WriteContext, new: &NewWebhook) -> StoreResult<Webhook> {
    let (connection, id) = (&context.connection, &new.id.as_bytes()[..]);
    check_services(connection, &new.settings.services).await?;
    let columns = SettingsColumns::new(&new.settings);
    let sealed = SecretColumns::new(context.sealer(), new.id, &new.secrets);
    let (disabled_since, disabled_reason) = state_columns(&new.state);
    let sql = "INSERT INTO webhooks (id, name, kind, url, events, services, severities, filter, retry_schedule, timeout_ms,
             concurrency, rate, ordering, when_disabled, options, disabled_since, disabled_reason, secret,
             previous_secret, previous_secret_until, headers, header_names, secret_options, secret_option_names, ca_pem,
             identity_pem, created_at, updated_at, after_outage, expire_after_ms, fallback_id, fallback_after_ms,
             operational_events, canary_hours, canary_due_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22,
             $23, $24, $25, $26, $27, $27, $28, $29, $30, $31, $32, $33,
             CASE WHEN $33::bigint IS NULL THEN NULL ELSE $27::bigint END)";
    connection
        .execute(
            sql,
            &[
                &id,
                &columns.name,
                &columns.kind,
                &columns.url,
                &i64::from(columns.events),
                &columns.services,
                &columns.severities,
                &columns.filter,
                &columns.retry_schedule,
                &columns.timeout_ms,
                &i64::from(columns.concurrency),
                &columns.rate,
                &columns.ordering,
                &columns.when_disabled,
                &columns.options,
                &disabled_since,
                &disabled_reason,
                &sealed.secret,
                &sealed.previous_secret,
                &sealed.previous_secret_until,
                &sealed.headers,
                &sealed.header_names,
                &sealed.secret_options,
                &sealed.secret_option_names,
                &sealed.ca_pem,
                &sealed.identity_pem,
                &new.change.at.as_millis(),
                &columns.after_outage,
                &columns.expire_after_ms,
                &columns.fallback_id,
                &columns.fallback_after_ms,
                &i64::from(columns.operational_events),
                &columns.canary_hours,
            ],
        )
        .await?;
    fallbacks::check(connection, new.settings.fallback).await?;
    fallbacks::begin(connection, new.id, new.change.at).await?;
    connection
        .execute("INSERT INTO ledger (webhook_id) VALUES ($1)", &[&id])
        .await?;
    let detail = format!("created \"{}\"", new.settings.name);
    finish(context, new.id, &new.change, "webhook.create", &detail).await?;
    get(&context.connection, new.id).await
}

/// One webhook that is not deleted.
pub async fn get(connection: &Connection, id: WebhookId) -> StoreResult<Webhook> {
    let sql = format!("SELECT {WEBHOOK_COLUMNS} FROM webhooks WHERE id = $1 AND deleted_at IS NULL");
    let found = connection
        .read_one(&sql, &[&&id.as_bytes()[..]], webhook_from_row)
        .await?;
    found.ok_or(NOT_FOUND)
}

/// One webhook that nobody else changes until this transaction has ended. Deliveries of it may be made meanwhile.
pub async fn lock(connection: &Connection, id: WebhookId) -> StoreResult<Webhook> {
    let sql = format!(
        "SELECT {WEBHOOK_COLUMNS} FROM webhooks WHERE id = $1 AND deleted_at IS NULL FOR NO KEY UPDATE"
    );
    let found = connection
        .read_one(&sql, &[&&id.as_bytes()[..]], webhook_from_row)
        .await?;
    found.ok_or(NOT_FOUND)
}

async fn update(
    context: &mut WriteContext,
    id: WebhookId,
    edit: &WebhookEdit,
    change: &Change,
) -> StoreResult<Webhook> {
    let connection = &context.connection;
    let before = lock(connection, id).await?;
    let secrets = load_secrets(connection, context.sealer(), id).await?;
    let Some(plan) = setting_changes::of_webhook(&before, &secrets, edit)? else {
        return Ok(before);
    };
    check_services(connection, &edit.settings.services).await?;
    write_settings(context, id, edit, &plan.secrets, change).await?;
    if plan.has_new_fallback {
        fallbacks::check(&context.connection, edit.settings.fallback).await?;
    }
    if plan.begins_to_look {
        fallbacks::begin(&context.connection, id, change.at).await?;
    }
    if plan.must_forget {
        forget(&context.connection, id).await?;
    }
    finish(context, id, change, "webhook.update", &plan.detail).await?;
    get(&context.connection, id).await
}

async fn write_settings(
    context: &WriteContext,
    id: WebhookId,
    edit: &WebhookEdit,
    secrets: &WebhookSecrets,
    change: &Change,
) -> StoreResult<()> {
    let columns = SettingsColumns::new(&edit.settings);
    let sealed = SecretColumns::new(context.sealer(), id, secrets);
    let sql = "UPDATE webhooks SET name = $2, kind = $3, url = $4, events = $5, services = $6, severities = $7, filter = $8,
             retry_schedule = $9, timeout_ms = $10, concurrency = $11, rate = $12, ordering = $13, when_disabled = $14,
             options = $15, headers = $16, header_names = $17, secret_options = $18, secret_option_names = $19,
             ca_pem = $20, identity_pem = $21, updated_at = $22, after_outage = $23, expire_after_ms = $24,
             fallback_id = $25, fallback_after_ms = $26, operational_events = $27, canary_hours = $28,
             canary_due_at = CASE WHEN canary_hours IS NOT DISTINCT FROM $28 THEN canary_due_at ELSE $22::bigint END
         WHERE id = $1 AND deleted_at IS NULL";
    let updated = context
        .connection
        .execute(
            sql,
            &[
                &&id.as_bytes()[..],
                &columns.name,
                &columns.kind,
                &columns.url,
                &i64::from(columns.events),
                &columns.services,
                &columns.severities,
                &columns.filter,
                &columns.retry_schedule,
                &columns.timeout_ms,
                &i64::from(columns.concurrency),
                &columns.rate,
                &columns.ordering,
                &columns.when_disabled,
                &columns.options,
                &sealed.headers,
                &sealed.header_names,
                &sealed.secret_options,
                &sealed.secret_option_names,
                &sealed.ca_pem,
                &sealed.identity_pem,
                &change.at.as_millis(),
                &columns.after_outage,
                &columns.expire_after_ms,
                &columns.fallback_id,
                &columns.fallback_after_ms,
                &i64::from(columns.operational_events),
                &columns.canary_hours,
            ],
        )
        .await;
    expect_one(updated)
}

/// Keeps the row for the history, and nothing that is secret. The open deliveries die in `bury_deleted`.
async fn delete(context: &mut WriteContext, id: WebhookId, change: &Change) -> StoreResult<()> {
    let webhook = lock(&context.connection, id).await?;
    let nothing = seal(context.sealer(), &webhook_place(id, "secret"), "");
    let sql = "UPDATE webhooks SET deleted_at = $2, updated_at = $2, secret = $3, previous_secret = NULL,
             previous_secret_until = NULL, headers = NULL, header_names = '[]', options = '{}', secret_options = NULL,
             secret_option_names = '[]', ca_pem = NULL, identity_pem = NULL
         WHERE id = $1 AND deleted_at IS NULL";
    let deleted = context
        .connection
        .execute(sql, &[&&id.as_bytes()[..], &change.at.as_millis(), &nothing])
        .await;
    expect_one(deleted)?;
    // After the change, for which whoever edits another webhook at the same time waits.
    check_unused(&subscriptions::read(&context.connection).await?.1, id)?;
    forget(&context.connection, id).await?;
    receiver_links::delete_of(&context.connection, id).await?;
    let detail = format!("deleted \"{}\"", webhook.settings.name);
    finish(context, id, change, "webhook.delete", &detail).await
}

async fn set_state(
    context: &mut WriteContext,
    id: WebhookId,
    state: &WebhookState,
    change: &Change,
) -> StoreResult<Webhook> {
    let before = lock(&context.connection, id).await?;
    let Some((action, detail)) = setting_changes::of_webhook_state(&before, state) else {
        return Ok(before);
    };
    let (disabled_since, disabled_reason) = state_columns(state);
    let sql = "UPDATE webhooks SET disabled_since = $2, disabled_reason = $3, updated_at = $4
         WHERE id = $1 AND deleted_at IS NULL AND (disabled_since IS NULL) <> ($2::bigint IS NULL)";
    let updated = context
        .connection
        .execute(
            sql,
            &[
                &&id.as_bytes()[..],
                &disabled_since,
                &disabled_reason,
                &change.at.as_millis(),
            ],
        )
        .await;
    expect_one(updated)?;
    finish(context, id, change, action, &detail).await?;
    get(&context.connection, id).await
}

async fn rotate_secret(
    context: &mut WriteContext,
    id: WebhookId,
    secret: &SecretText,
    previous_until: Timestamp,
    change: &Change,
) -> StoreResult<Webhook> {
    let webhook = lock(&context.connection, id).await?;
    let before = load_secrets(&context.connection, context.sealer(), id)
        .await?
        .signing;
    if before == *secret {
        let sentence = "the webhook has this secret already; rotating to it would end the one before";
        return Err(StoreError::Conflict(sentence.into()));
    }
    let sealed = |field, text: &SecretText| seal(context.sealer(), &webhook_place(id, field), text.reveal());
    let sql =
        "UPDATE webhooks SET secret = $2, previous_secret = $3, previous_secret_until = $4, updated_at = $5
         WHERE id = $1 AND deleted_at IS NULL";
    let updated = context
        .connection
        .execute(
            sql,
            &[
                &&id.as_bytes()[..],
                &sealed("secret", secret),
                &sealed("previous_secret", &before),
                &previous_until.as_millis(),
                &change.at.as_millis(),
            ],
        )
        .await;
    expect_one(updated)?;
    let name = &webhook.settings.name;
    let detail = format!("rotated the secret of \"{name}\"; the one before signs too until {previous_until}");
    finish(context, id, change, "webhook.rotate_secret", &detail).await?;
    get(&context.connection, id).await
}

/// What every change of a webhook ends with.
async fn finish(
    context: &mut WriteContext,
    id: WebhookId,
    change: &Change,
    action: &str,
    detail: &str,
) -> StoreResult<()> {
    audit::write(&context.connection, change, action, id, detail).await?;
    context.webhook_changed(id);
    Ok(())
}

/// Forgets what was learned, and every message: a place elsewhere knows other ones.
async fn forget(connection: &Connection, id: WebhookId) -> StoreResult<()> {
    let id = &id.as_bytes()[..];
    connection
        .execute("UPDATE webhooks SET learned = NULL WHERE id = $1", &[&id])
        .await?;
    connection
        .execute("DELETE FROM memories WHERE webhook_id = $1", &[&id])
        .await
        .map(|_| ())
}

/// What is named stays until this transaction has ended.
async fn check_services(connection: &Connection, services: &[ServiceId]) -> StoreResult<()> {
    let mut ids: Vec<&[u8]> = services.iter().map(|id| &id.as_bytes()[..]).collect();
    ids.sort_unstable();
    ids.dedup();
    let sql = "SELECT id FROM services WHERE id = ANY($1) ORDER BY id FOR KEY SHARE";
    let found = connection.read_all(sql, &[&ids], |_| Ok(())).await?;
    match found.len() == ids.len() {
        true => Ok(()),
        false => Err(StoreError::UnknownReference { what: "service" }),
    }
}

fn expect_one(changed: StoreResult<u64>) -> StoreResult<()> {
    match changed? {
        1 => Ok(()),
        _ => Err(NOT_FOUND),
    }
}
