//! Webhooks: creating, changing, enabling, disabling, rotating the secret, Send Test.

pub mod choice_preview;
mod clone;
pub mod draft;
pub mod fields;
pub mod file;
pub mod import;
pub mod message_preview;
pub mod options;
mod outages;

use std::collections::BTreeMap;

use serde::Deserialize;
use utoipa::ToSchema;

use crate::checks::Checks;
use crate::webhooks::draft::{WebhookDraft, check_webhook};
use crate::webhooks::fields::check_secret;
use crate::webhooks::options::SecretChanges;
use crate::{ActionError, Actions};
use destination::about::Signature;
use destination::task::Target;
use kinds::adapter_or_unknown;
use model::action_link::LINK_KEY;
use model::audit::{Actor, Change};
use model::event::{Event, EventName};
use model::id::WebhookId;
use model::incident::{Incident, IncidentStatus, Severity};
use model::secret::SecretText;
use model::service::ServiceRef;
use model::standard_secret::new_secret;
use model::time::{Timestamp, parse_duration};
use model::webhook::{
    DEFAULT_ROTATION_OVERLAP, Endpoint, MAX_ROTATION_OVERLAP, Webhook, WebhookKind, WebhookSecrets,
    WebhookSettings, WebhookState,
};
use store::deliveries::DeliveryDetail;
use store::webhooks::WebhookEdit;

/// The longest reason for disabling a webhook, in characters.
pub const MAX_REASON_LENGTH: usize = 500;
/// How often a change is put on top of the present settings, if others change them at the same time.
const MAX_MERGES: u32 = 3;

/// A new secret.
#[derive(Clone, Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(as = SecretRotation)]
pub struct RotationDraft {
    /// The new secret; one is made if absent.
    #[schema(max_length = 512)]
    pub secret: Option<String>,
    /// How long the old secret signs too, such as `24h` (the default); `0s` for not at all.
    pub overlap: Option<String>,
}

impl Actions {
    /// Creates a webhook. Answers with its secret: this is the only time that it is shown.
    pub async fn create_webhook(
        &self,
        actor: Actor,
        draft: WebhookDraft,
    ) -> Result<(Webhook, SecretText), ActionError> {
        let change = self.source.change(actor);
        let checked = check_webhook(draft, None, self.url_rules.as_ref())?;
        self.check_services(&checked.settings).await?;
        self.check_fallback(None, &checked.settings).await?;
        self.try_target(checked.settings.kind, checked.target).await?;
        let signing = checked
            .secret
            .unwrap_or_else(|| new_secret(&self.source.random()));
        let state = match checked.enabled {
            Some(false) => disabled(&change, None),
            Some(true) | None => WebhookState::Enabled,
        };
        let link_key = self.new_link_key(checked.settings.kind);
        let secrets = WebhookSecrets {
            signing: signing.clone(),
            previous: None,
            headers: checked.headers.unwrap_or_default(),
            options: present(checked.secret_options, link_key),
            tls: checked.tls.into_profile(),
        };
        let id = self.source.new_webhook_id();
        let webhooks = &self.store.webhooks;
        let webhook = webhooks
            .create(id, checked.settings, secrets, state, change)
            .await?;
        Ok((webhook, signing))
    }

    /// What signs the links in messages of a kind that offers actions. It never leaves the server.
    pub(crate) fn new_link_key(&self, kind: WebhookKind) -> Option<SecretText> {
        let offers = kinds::adapter(kind)?.description().offers_actions();
        offers.then(|| SecretText::new(hex::encode(self.source.random::<32>())))
    }

    /// Changes a webhook; what is absent stays as it is. The secret changes by [`Actions::rotate_secret`] only.
    pub async fn change_webhook(
        &self,
        actor: Actor,
        id: WebhookId,
        draft: WebhookDraft,
    ) -> Result<Webhook, ActionError> {
        let mut tries = 1;
        let (webhook, enabled) = loop {
            match self.merge_webhook(&actor, id, draft.clone()).await {
                Err(ActionError::Conflict(_)) if tries < MAX_MERGES => tries += 1,
                merged => break merged?,
            }
        };
        match enabled {
            Some(true) => self.enable_webhook(actor, id).await,
            Some(false) => self.disable_webhook(actor, id, None).await,
            None => Ok(webhook),
        }
    }

    /// A ticket's id means another ticket, or none, in another place.
    async fn keep_place(&self, endpoint: &Endpoint, after: &Target) -> Result<(), ActionError> {
        let before = &endpoint.webhook;
        let Some(ticketing) = adapter_or_unknown(before.settings.kind).ticketing() else {
            return Ok(());
        };
        if ticketing.place(&Target::new(endpoint)) == ticketing.place(after) {
            return Ok(());
        }
        match self.store.tickets.count_linked(before.id).await? {
            0 => Ok(()),
            count => {
                let mut checks = Checks::new();
                let detail =
                    format!("{count} tickets there are linked: make another webhook for another place");
                checks.fail("url", "in_use", detail);
                Err(checks.into_error())
            }
        }
    }

    /// Puts a draft on top of the settings as they are now; a conflict if they change meanwhile. Answers also whether
    /// the draft enables or disables.
    async fn merge_webhook(
        &self,
        actor: &Actor,
        id: WebhookId,
        draft: WebhookDraft,
    ) -> Result<(Webhook, Option<bool>), ActionError> {
        let endpoint = self.store.endpoints.load(id).await?;
        let endpoint = endpoint.ok_or(ActionError::NotFound { what: "webhook" })?;
        let checked = check_webhook(draft, Some(&endpoint), self.url_rules.as_ref())?;
        self.keep_place(&endpoint, &checked.target).await?;
        self.try_target(checked.settings.kind, checked.target).await?;
        let before = endpoint.webhook;
        if checked.settings.services != before.settings.services {
            self.check_services(&checked.settings).await?;
        }
        if checked.settings.fallback != before.settings.fallback {
            self.check_fallback(Some(id), &checked.settings).await?;
        }
        let edit = WebhookEdit {
            expected: before.settings,
            settings: checked.settings,
            headers: checked.headers,
            secret_options: checked.secret_options,
            ca_pem: checked.tls.ca_pem,
            identity_pem: checked.tls.identity_pem,
        };
        let change = self.source.change(actor.clone());
        let webhook = self.store.webhooks.update(id, edit, change).await?;
        Ok((webhook, checked.enabled))
    }

    /// Deletes a webhook; its history stays until it is pruned.
    pub async fn delete_webhook(&self, actor: Actor, id: WebhookId) -> Result<(), ActionError> {
        Ok(self.store.webhooks.delete(id, self.source.change(actor)).await?)
    }

    /// Enables a webhook: what was held for it is sent.
    pub async fn enable_webhook(&self, actor: Actor, id: WebhookId) -> Result<Webhook, ActionError> {
        let change = self.source.change(actor);
        let webhooks = &self.store.webhooks;
        Ok(webhooks.set_state(id, WebhookState::Enabled, change).await?)
    }

    /// Disables a webhook.
    pub async fn disable_webhook(
        &self,
        actor: Actor,
        id: WebhookId,
        reason: Option<String>,
    ) -> Result<Webhook, ActionError> {
        let mut checks = Checks::new();
        if let Some(reason) = &reason {
            checks.name("reason", reason, MAX_REASON_LENGTH);
        }
        checks.finish(|| ())?;
        let change = self.source.change(actor);
        let state = disabled(&change, reason);
        Ok(self.store.webhooks.set_state(id, state, change).await?)
    }

    /// Gives a webhook a new secret. Answers with it: this is the only time that it is shown.
    pub async fn rotate_secret(
        &self,
        actor: Actor,
        id: WebhookId,
        draft: RotationDraft,
    ) -> Result<(Webhook, SecretText), ActionError> {
        let mut checks = Checks::new();
        let secret = draft.secret.map(|secret| check_secret(&mut checks, secret));
        let overlap = draft
            .overlap
            .map_or(Ok(DEFAULT_ROTATION_OVERLAP), |text| parse_duration(&text));
        let overlap = match overlap {
            Ok(overlap) if overlap <= MAX_ROTATION_OVERLAP => overlap,
            Ok(_) => {
                checks.fail("overlap", "out_of_range", "overlap is at most 30d");
                MAX_ROTATION_OVERLAP
            }
            Err(error) => {
                checks.fail("overlap", "invalid_value", error.to_string());
                DEFAULT_ROTATION_OVERLAP
            }
        };
        checks.finish(|| ())?;
        let secret = secret.unwrap_or_else(|| new_secret(&self.source.random()));
        let change = self.source.change(actor);
        let until = change.at.plus(overlap);
        let webhooks = &self.store.webhooks;
        let webhook = webhooks.rotate_secret(id, secret.clone(), until, change).await?;
        Ok((webhook, secret))
    }

    /// Sends a sample event to a webhook, once, and says what came of it.
    pub async fn send_test(
        &self,
        actor: Actor,
        id: WebhookId,
        event: EventName,
    ) -> Result<DeliveryDetail, ActionError> {
        self.store.webhooks.get(id).await?;
        let sample = self.sample_event(actor, event);
        self.tester.send(id, sample).await
    }

    /// A sample as it would have happened now.
    fn sample_event(&self, actor: Actor, name: EventName) -> Event {
        let now = self.source.now();
        let service = ServiceRef {
            id: self.source.new_service_id(),
            name: "Example service".into(),
        };
        let mut incident = sample_incident(now, service);
        incident.id = self.source.new_incident_id();
        incident.status = match name {
            EventName::Triggered | EventName::Escalated | EventName::Reopened => IncidentStatus::Triggered,
            EventName::Acknowledged => IncidentStatus::Acknowledged,
            EventName::Resolved => IncidentStatus::Resolved,
        };
        let event = Event::new(self.source.new_event_id(), name, &incident, actor, now);
        Event {
            is_test: true,
            ..event
        }
    }

    async fn check_services(&self, settings: &WebhookSettings) -> Result<(), ActionError> {
        for id in &settings.services {
            let found = self.store.services.get(*id).await;
            found.map_err(|error| match error.into() {
                ActionError::NotFound { .. } => ActionError::Unknown { what: "service" },
                other => other,
            })?;
        }
        Ok(())
    }
}

/// Whether a webhook's requests are signed, so that its receiver needs the secret.
pub fn has_use_for_secret(webhook: &Webhook) -> bool {
    adapter_or_unknown(webhook.settings.kind).description().signature == Signature::Ours
}

/// The secret options of a new webhook, and the key of its links if it has one.
fn present(changes: SecretChanges, link_key: Option<SecretText>) -> BTreeMap<String, SecretText> {
    let present = |(name, value): (String, Option<SecretText>)| Some((name, value?));
    let link_key = link_key.map(|key| (LINK_KEY.to_owned(), key));
    changes.into_iter().filter_map(present).chain(link_key).collect()
}

fn disabled(change: &Change, reason: Option<String>) -> WebhookState {
    WebhookState::Disabled {
        since: change.at,
        reason: reason.unwrap_or_else(|| format!("disabled by {}", change.actor.name())),
    }
}

/// An incident to try things on.
pub(crate) fn sample_incident(at: Timestamp, service: ServiceRef) -> Incident {
    Incident {
        id: model::id::IncidentId::new(at, [0; 10]),
        number: None,
        title: "Test event from OpsKnight".into(),
        description: None,
        status: IncidentStatus::Triggered,
        severity: Severity::Info,
        service,
        assignee: None,
        dedup_key: None,
        escalation_steps_fired: 0,
        escalate_at: None,
        created_at: at,
        updated_at: at,
        acknowledged_at: None,
        resolved_at: None,
    }
}
