//! Webhooks in the store. Secrets go in, and come out only as an [`Endpoint`].

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;

use crate::Page;
use crate::StoreResult;
use model::audit::Change;
use model::event::Event;
use model::exchange::TlsProfile;
use model::id::{IncidentId, WebhookId};
use model::secret::SecretText;
use model::time::Timestamp;
use model::webhook::{
    Degraded, Endpoint, Webhook, WebhookKind, WebhookSecrets, WebhookSettings, WebhookState,
};

/// Changes of a webhook. Absent fields stay as they are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebhookEdit {
    /// All settings as they were when the edit was made.
    pub expected: WebhookSettings,
    /// All settings as they shall be.
    pub settings: WebhookSettings,
    /// All headers of its own, if they change.
    pub headers: Option<Vec<(String, SecretText)>>,
    /// Secret options that change: their new values, or nothing for those that go.
    pub secret_options: BTreeMap<String, Option<SecretText>>,
    /// Another authority to trust (PEM), or none, if it changes.
    pub ca_pem: Option<Option<String>>,
    /// A client certificate and key (PEM), or none, if it changes.
    pub identity_pem: Option<Option<SecretText>>,
}

impl WebhookEdit {
    /// The secrets as they are after the edit.
    pub fn apply_to(&self, secrets: &WebhookSecrets) -> WebhookSecrets {
        let tls = secrets.tls.as_deref();
        let ca_pem = match &self.ca_pem {
            Some(ca_pem) => ca_pem.clone(),
            None => tls.and_then(|tls| tls.ca_pem.clone()),
        };
        let identity_pem = match &self.identity_pem {
            Some(identity_pem) => identity_pem.as_ref().map(|pem| pem.reveal().to_owned()),
            None => tls.and_then(|tls| tls.identity_pem.clone()),
        };
        let mut options = secrets.options.clone();
        for (name, value) in &self.secret_options {
            match value {
                Some(value) => drop(options.insert(name.clone(), value.clone())),
                None => drop(options.remove(name)),
            }
        }
        WebhookSecrets {
            options,
            signing: secrets.signing.clone(),
            previous: secrets.previous.clone(),
            headers: self.headers.clone().unwrap_or_else(|| secrets.headers.clone()),
            tls: TlsProfile::new(ca_pem, identity_pem).map(Arc::new),
        }
    }
}

/// What is remembered of an incident's message at a webhook.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MessageRef {
    /// In the adapter's own words.
    pub text: String,
    /// The place of the latest event that the message tells of.
    pub event_sequence: i64,
}

/// What the message of an open incident tells at a webhook.
#[derive(Debug, Clone)]
pub struct OpenMessage {
    /// The latest event that it tells of.
    pub event: Event,
    /// What is remembered of it, in the adapter's own words.
    pub text: String,
}

/// Webhooks.
#[async_trait]
pub trait Webhooks: Send + Sync {
    /// Creates a webhook.
    async fn create(
        &self,
        id: WebhookId,
        settings: WebhookSettings,
        secrets: WebhookSecrets,
        state: WebhookState,
        change: Change,
    ) -> StoreResult<Webhook>;

    /// Webhooks, newest first.
    async fn list(&self, page: Page) -> StoreResult<Vec<Webhook>>;

    /// One webhook.
    async fn get(&self, id: WebhookId) -> StoreResult<Webhook>;

    /// Changes a webhook; a conflict if its settings are no longer the expected ones.
    async fn update(&self, id: WebhookId, edit: WebhookEdit, change: Change) -> StoreResult<Webhook>;

    /// Deletes a webhook. Its history stays until it is pruned; its open deliveries die with `webhook_deleted`.
    async fn delete(&self, id: WebhookId, change: Change) -> StoreResult<()>;

    /// Enables or disables a webhook. Being so already changes nothing.
    async fn set_state(&self, id: WebhookId, state: WebhookState, change: Change) -> StoreResult<Webhook>;

    /// Makes `secret` the one that signs; the one before signs too until a time.
    async fn rotate_secret(
        &self,
        id: WebhookId,
        secret: SecretText,
        previous_until: Timestamp,
        change: Change,
    ) -> StoreResult<Webhook>;
}

/// Webhooks with their secrets, for the dispatcher and for checks that need them whole.
#[async_trait]
pub trait Endpoints: Send + Sync {
    /// One webhook with its secrets; nothing if it was deleted.
    async fn load(&self, id: WebhookId) -> StoreResult<Option<Endpoint>>;

    /// What is remembered of an incident's message at a webhook.
    async fn load_message_ref(
        &self,
        id: WebhookId,
        incident_id: IncidentId,
    ) -> StoreResult<Option<MessageRef>>;

    /// The messages of open incidents at a webhook, in the order of the incidents' ids, after one of them.
    async fn open_messages(
        &self,
        id: WebhookId,
        after: Option<IncidentId>,
        limit: u32,
    ) -> StoreResult<Vec<OpenMessage>>;

    /// Enabled webhooks of a kind, the oldest first.
    async fn enabled_of(&self, kind: WebhookKind, limit: u32) -> StoreResult<Vec<WebhookId>>;

    /// When its platform last called us for a webhook, with a proof that was believed.
    async fn last_call_at(&self, id: WebhookId) -> StoreResult<Option<Timestamp>>;

    /// Notes that its platform called us for a webhook.
    async fn record_call(&self, id: WebhookId, at: Timestamp) -> StoreResult<()>;

    /// Notes that a webhook's breaker opened or closed at a time, and leaves a notice of it.
    async fn set_degraded(&self, id: WebhookId, degraded: Option<Degraded>, at: Timestamp)
    -> StoreResult<()>;
}
