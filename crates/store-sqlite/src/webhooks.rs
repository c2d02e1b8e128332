//! Webhooks. Their secrets are sealed on the way in; only `endpoints.rs` opens them again.

use async_trait::async_trait;
use rusqlite::{Connection, named_params};

use model::audit::Change;
use model::id::{ServiceId, WebhookId};
use model::secret::SecretText;
use model::time::Timestamp;
use model::webhook::{Webhook, WebhookSecrets, WebhookSettings, WebhookState};
use store::Page;
use store::StoreError;
use store::StoreResult;
use store::fallback_plan::check_unused;
use store::setting_changes;
use store::webhooks::{WebhookEdit, Webhooks};

use super::audit;
use super::columns::{WEBHOOK_COLUMNS, webhook_from_row};
use super::database::Database;
use super::endpoints::load_secrets;
use super::fallbacks;
use super::receiver_links;
use super::statements::{execute, read_all, read_one};
use super::writer::WriteContext;
use store::sealed::{seal, webhook_place};
use store::webhook_columns::{SecretColumns, SettingsColumns, state_columns};

const NOT_FOUND: StoreError = StoreError::NotFound { what: "webhook" };

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
        self.write(move |context| create(context, id, &settings, &secrets, &state, &change))
            .await
    }

    async fn list(&self, page: Page) -> StoreResult<Vec<Webhook>> {
        self.read(move |connection| list(connection, page)).await
    }

    async fn get(&self, id: WebhookId) -> StoreResult<Webhook> {
        self.read(move |connection| get(connection, id)).await
    }

    async fn update(&self, id: WebhookId, edit: WebhookEdit, change: Change) -> StoreResult<Webhook> {
        self.write(move |context| update(context, id, &edit, &change))
            .await
    }

    async fn delete(&self, id: WebhookId, change: Change) -> StoreResult<()> {
        self.write(move |context| delete(context, id, &change)).await
    }

    async fn set_state(&self, id: WebhookId, state: WebhookState, change: Change) -> StoreResult<Webhook> {
        self.write(move |context| set_state(context, id, &state, &change))
            .await
    }

    async fn rotate_secret(
        &self,
        id: WebhookId,
        secret: SecretText,
        previous_until: Timestamp,
        change: Change,
    ) -> StoreResult<Webhook> {
        self.write(move |context| rotate_secret(context, id, &secret, previous_until, &change))
            .await
    }
}

fn create(
    context: &mut WriteContext<'_>,
    id: WebhookId,
    settings: &WebhookSettings,
    secrets: &WebhookSecrets,
    state: &WebhookState,
    change: &Change,
) -> StoreResult<Webhook> {
    check_services(context.connection, &settings.services)?;
    let columns = SettingsColumns::new(settings);
    let sealed = SecretColumns::new(context.sealer, id, secrets);
    let (disabled_since, disabled_reason) = state_columns(state);
    execute(
        context.connection,
        "INSERT INTO webhooks (id, name, kind, url, events, operational_events, services, severities, filter, retry_schedule, timeout_ms,
             concurrency, rate, ordering, when_disabled, disabled_since, disabled_reason, secret, previous_secret,
             previous_secret_until, headers, header_names, options, secret_options, secret_option_names, ca_pem,
             identity_pem, after_outage, expire_after_ms, fallback_id, fallback_after_ms, created_at, updated_at,
             canary_hours, canary_due_at)
         VALUES (:id, :name, :kind, :url, :events, :operational_events, :services, :severities, :filter,
             :retry_schedule, :timeout_ms,
             :concurrency, :rate, :ordering, :when_disabled, :disabled_since, :disabled_reason, :secret,
             :previous_secret, :previous_secret_until, :headers, :header_names, :options, :secret_options,
             :secret_option_names, :ca_pem, :identity_pem, :after_outage, :expire_after_ms, :fallback_id,
             :fallback_after_ms, :at, :at, :canary_hours,
             iif(:canary_hours IS NULL, NULL, :at))",
        named_params! {
            ":id": id.as_bytes(), ":name": columns.name, ":kind": columns.kind, ":url": columns.url,
            ":events": columns.events,
            ":operational_events": columns.operational_events, ":services": columns.services, ":severities": columns.severities,
            ":filter": columns.filter, ":retry_schedule": columns.retry_schedule,
            ":timeout_ms": columns.timeout_ms, ":concurrency": columns.concurrency, ":rate": columns.rate,
            ":ordering": columns.ordering, ":when_disabled": columns.when_disabled,
            ":disabled_since": disabled_since, ":disabled_reason": disabled_reason,
            ":secret": sealed.secret, ":previous_secret": sealed.previous_secret,
            ":previous_secret_until": sealed.previous_secret_until, ":headers": sealed.headers,
            ":header_names": sealed.header_names, ":options": columns.options,
            ":secret_options": sealed.secret_options, ":secret_option_names": sealed.secret_option_names,
            ":ca_pem": sealed.ca_pem,
            ":identity_pem": sealed.identity_pem, ":after_outage": columns.after_outage,
            ":expire_after_ms": columns.expire_after_ms, ":fallback_id": columns.fallback_id,
            ":fallback_after_ms": columns.fallback_after_ms, ":at": change.at.as_millis(),
            ":canary_hours": columns.canary_hours,
        },
    )?;
    fallbacks::check(context.connection, settings.fallback)?;
    fallbacks::begin(context.connection, id, change.at)?;
    execute(
        context.connection,
        "INSERT INTO ledger (webhook_id) VALUES (?1)",
        [id.as_bytes()],
    )?;
    let detail = format!("created \"{}\"", settings.name);
    audit::write(context.connection, change, "webhook.create", id, &detail)?;
    let webhook = get(context.connection, id)?;
    context.webhook_created(&webhook);
    Ok(webhook)
}

fn list(connection: &Connection, page: Page) -> StoreResult<Vec<Webhook>> {
    let statement = format!(
        "SELECT {WEBHOOK_COLUMNS} FROM webhooks WHERE id < ?1 AND deleted_at IS NULL ORDER BY id DESC LIMIT ?2"
    );
    read_all(connection, &statement, page.bounds(), webhook_from_row)
}

/// One webhook that is not deleted.
pub fn get(connection: &Connection, id: WebhookId) -> StoreResult<Webhook> {
    let statement = format!("SELECT {WEBHOOK_COLUMNS} FROM webhooks WHERE id = ?1 AND deleted_at IS NULL");
    read_one(connection, &statement, [id.as_bytes()], webhook_from_row)?.ok_or(NOT_FOUND)
}

fn update(
    context: &mut WriteContext<'_>,
    id: WebhookId,
    edit: &WebhookEdit,
    change: &Change,
) -> StoreResult<Webhook> {
    let before = get(context.connection, id)?;
    let secrets = load_secrets(context.connection, context.sealer, id)?;
    let Some(plan) = setting_changes::of_webhook(&before, &secrets, edit)? else {
        return Ok(before);
    };
    check_services(context.connection, &edit.settings.services)?;
    let columns = SettingsColumns::new(&edit.settings);
    let sealed = SecretColumns::new(context.sealer, id, &plan.secrets);
    let updated = execute(
        context.connection,
        "UPDATE webhooks SET name = :name, kind = :kind, url = :url, events = :events,
             operational_events = :operational_events, services = :services,
             severities = :severities, filter = :filter, retry_schedule = :retry_schedule, timeout_ms = :timeout_ms,
             concurrency = :concurrency, rate = :rate, ordering = :ordering, when_disabled = :when_disabled,
             headers = :headers, header_names = :header_names, options = :options, secret_options = :secret_options,
             secret_option_names = :secret_option_names, ca_pem = :ca_pem, identity_pem = :identity_pem,
             after_outage = :after_outage, expire_after_ms = :expire_after_ms, fallback_id = :fallback_id,
             fallback_after_ms = :fallback_after_ms, updated_at = :at,
             canary_hours = :canary_hours,
             canary_due_at = CASE WHEN canary_hours IS :canary_hours THEN canary_due_at ELSE :at END
         WHERE id = :id AND deleted_at IS NULL",
        named_params! {
            ":id": id.as_bytes(), ":name": columns.name, ":kind": columns.kind, ":url": columns.url,
            ":events": columns.events,
            ":operational_events": columns.operational_events, ":services": columns.services, ":severities": columns.severities,
            ":filter": columns.filter, ":retry_schedule": columns.retry_schedule,
            ":timeout_ms": columns.timeout_ms, ":concurrency": columns.concurrency, ":rate": columns.rate,
            ":ordering": columns.ordering, ":when_disabled": columns.when_disabled, ":headers": sealed.headers,
            ":header_names": sealed.header_names, ":options": columns.options,
            ":secret_options": sealed.secret_options, ":secret_option_names": sealed.secret_option_names,
            ":ca_pem": sealed.ca_pem,
            ":identity_pem": sealed.identity_pem, ":after_outage": columns.after_outage,
            ":expire_after_ms": columns.expire_after_ms, ":fallback_id": columns.fallback_id,
            ":fallback_after_ms": columns.fallback_after_ms, ":at": change.at.as_millis(),
            ":canary_hours": columns.canary_hours,
        },
    );
    expect_one(updated)?;
    if plan.has_new_fallback {
        fallbacks::check(context.connection, edit.settings.fallback)?;
    }
    if plan.begins_to_look {
        fallbacks::begin(context.connection, id, change.at)?;
    }
    if plan.must_forget {
        forget(context.connection, id)?;
    }
    finish(context, id, change, "webhook.update", &plan.detail)?;
    get(context.connection, id)
}

/// Keeps the row for the history, and nothing that is secret. The open deliveries die in `bury_deleted`.
fn delete(context: &mut WriteContext<'_>, id: WebhookId, change: &Change) -> StoreResult<()> {
    let webhook = get(context.connection, id)?;
    check_unused(&context.subscriptions()?, id)?;
    let nothing = seal(context.sealer, &webhook_place(id, "secret"), "");
    let deleted = execute(
        context.connection,
        "UPDATE webhooks SET deleted_at = ?2, updated_at = ?2, secret = ?3, previous_secret = NULL,
             previous_secret_until = NULL, headers = NULL, header_names = '[]', options = '{}', secret_options = NULL,
             secret_option_names = '[]', ca_pem = NULL, identity_pem = NULL
         WHERE id = ?1 AND deleted_at IS NULL",
        (id.as_bytes(), change.at.as_millis(), nothing),
    );
    expect_one(deleted)?;
    forget(context.connection, id)?;
    receiver_links::delete_of(context.connection, id)?;
    let detail = format!("deleted \"{}\"", webhook.settings.name);
    finish(context, id, change, "webhook.delete", &detail)
}

fn set_state(
    context: &mut WriteContext<'_>,
    id: WebhookId,
    state: &WebhookState,
    change: &Change,
) -> StoreResult<Webhook> {
    let before = get(context.connection, id)?;
    let Some((action, detail)) = setting_changes::of_webhook_state(&before, state) else {
        return Ok(before);
    };
    let (disabled_since, disabled_reason) = state_columns(state);
    let updated = execute(
        context.connection,
        "UPDATE webhooks SET disabled_since = ?2, disabled_reason = ?3, updated_at = ?4
         WHERE id = ?1 AND deleted_at IS NULL AND (disabled_since IS NULL) <> (?2 IS NULL)",
        (
            id.as_bytes(),
            disabled_since,
            disabled_reason,
            change.at.as_millis(),
        ),
    );
    expect_one(updated)?;
    finish(context, id, change, action, &detail)?;
    get(context.connection, id)
}

fn rotate_secret(
    context: &mut WriteContext<'_>,
    id: WebhookId,
    secret: &SecretText,
    previous_until: Timestamp,
    change: &Change,
) -> StoreResult<Webhook> {
    let webhook = get(context.connection, id)?;
    let before = load_secrets(context.connection, context.sealer, id)?.signing;
    if before == *secret {
        let sentence = "the webhook has this secret already; rotating to it would end the one before";
        return Err(StoreError::Conflict(sentence.into()));
    }
    let sealed = |field, text: &SecretText| seal(context.sealer, &webhook_place(id, field), text.reveal());
    let updated = execute(
        context.connection,
        "UPDATE webhooks SET secret = ?2, previous_secret = ?3, previous_secret_until = ?4, updated_at = ?5
         WHERE id = ?1 AND deleted_at IS NULL",
        (
            id.as_bytes(),
            sealed("secret", secret),
            sealed("previous_secret", &before),
            previous_until.as_millis(),
            change.at.as_millis(),
        ),
    );
    expect_one(updated)?;
    let name = &webhook.settings.name;
    let detail = format!("rotated the secret of \"{name}\"; the one before signs too until {previous_until}");
    finish(context, id, change, "webhook.rotate_secret", &detail)?;
    get(context.connection, id)
}

/// What every change of a webhook that there was before ends with.
fn finish(
    context: &mut WriteContext<'_>,
    id: WebhookId,
    change: &Change,
    action: &str,
    detail: &str,
) -> StoreResult<()> {
    audit::write(context.connection, change, action, id, detail)?;
    context.webhook_changed(id);
    Ok(())
}

/// Forgets what was learned, and every message: a place elsewhere knows other ones.
fn forget(connection: &Connection, id: WebhookId) -> StoreResult<()> {
    execute(
        connection,
        "UPDATE webhooks SET learned = NULL WHERE id = ?1",
        [id.as_bytes()],
    )?;
    execute(
        connection,
        "DELETE FROM memories WHERE webhook_id = ?1",
        [id.as_bytes()],
    )
    .map(|_| ())
}

fn check_services(connection: &Connection, services: &[ServiceId]) -> StoreResult<()> {
    for id in services {
        read_one(
            connection,
            "SELECT 1 FROM services WHERE id = ?1",
            [id.as_bytes()],
            |_| Ok(()),
        )?
        .ok_or(StoreError::UnknownReference { what: "service" })?;
    }
    Ok(())
}

fn expect_one(changed: StoreResult<usize>) -> StoreResult<()> {
    match changed? {
        1 => Ok(()),
        _ => Err(NOT_FOUND),
    }
}
