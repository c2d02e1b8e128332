//! Webhooks as the API shows them: never a secret, and of headers only the names.

use std::collections::BTreeMap;

use serde::Serialize;
use utoipa::ToSchema;

use crate::system::CountsView;
use crate::words::WebhookStatus;
use model::event::EventType;
use model::exchange::FailureCode;
use model::id::{DeliveryId, ServiceId, WebhookId};
use model::incident::Severity;
use model::outage::AfterOutageName;
use model::time::{Timestamp, format_duration};
use model::webhook::{CanaryResult, Ordering, Webhook, WebhookKind, WebhookState, WhenDisabled};
use store::deliveries::StateCounts;

const ENABLED: &str = "enabled";
const DEGRADED: &str = "degraded";
const DISABLED: &str = "disabled";
/// Everything that the status of a webhook may be.
pub const STATUSES: [&str; 3] = [ENABLED, DEGRADED, DISABLED];

/// A webhook.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Webhook)]
pub struct WebhookView<'a> {
    #[schema(value_type = String)]
    id: WebhookId,
    name: &'a str,
    url: &'a str,
    #[schema(value_type = WebhookKind)]
    kind: &'a str,
    /// What the kind asks for beyond these, name to value. Secret ones are never read back.
    #[schema(value_type = std::collections::HashMap<String, String>)]
    options: &'a BTreeMap<String, String>,
    /// The names of the secret options that are set.
    secret_options: &'a [String],
    #[schema(value_type = Vec<EventType>)]
    events: Vec<&'a str>,
    #[schema(value_type = WebhookStatus)]
    status: &'a str,
    enabled: bool,
    /// Since when it is disabled or degraded.
    #[schema(required, value_type = Option<String>, format = DateTime)]
    status_since: Option<Timestamp>,
    /// Why it is disabled or degraded: a sentence or a failure code.
    #[schema(required)]
    status_reason: Option<&'a str>,
    #[schema(required)]
    filter: Option<&'a str>,
    #[schema(value_type = Vec<String>)]
    services: &'a [ServiceId],
    #[schema(value_type = Vec<Severity>)]
    severities: Vec<&'a str>,
    /// The names of its own headers; the values are never read back.
    headers: &'a [String],
    retry_schedule: Vec<String>,
    timeout: String,
    concurrency: u16,
    #[schema(required)]
    rate: Option<String>,
    #[schema(value_type = Ordering)]
    ordering: &'a str,
    #[schema(value_type = WhenDisabled)]
    when_disabled: &'a str,
    #[schema(value_type = AfterOutageName)]
    after_outage: &'a str,
    /// How old an event may be, if events expire.
    #[schema(required)]
    expire_after: Option<String>,
    /// The webhook that takes over.
    #[schema(required, value_type = Option<String>)]
    fallback_webhook: Option<WebhookId>,
    /// After which time it takes over what is late; null if it only takes over what is dead.
    #[schema(required)]
    fallback_after: Option<String>,
    /// How often a test is sent.
    #[schema(required)]
    canary: Option<String>,
    /// What the last one came to.
    #[schema(required)]
    last_canary: Option<CanaryView>,
    tls: TlsView,
    /// Until when the secret before the present one signs too.
    #[schema(required, value_type = Option<String>, format = DateTime)]
    previous_secret_until: Option<Timestamp>,
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    #[schema(value_type = String, format = DateTime)]
    updated_at: Timestamp,
    /// Its open and dead deliveries. Only in lists that were asked to count.
    #[serde(skip_serializing_if = "Option::is_none")]
    deliveries: Option<CountsView>,
    /// What signs. Only in the answers that create a webhook or rotate its secret.
    #[serde(skip_serializing_if = "Option::is_none")]
    secret: Option<&'a str>,
}

/// What a canary came to.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = WebhookCanary)]
pub struct CanaryView {
    #[schema(value_type = String, format = DateTime)]
    at: Timestamp,
    /// The test as a delivery.
    #[schema(value_type = String)]
    delivery: DeliveryId,
    /// Why it failed; nothing if it was delivered.
    #[schema(required, value_type = Option<FailureCode>)]
    failure: Option<&'static str>,
}

impl From<CanaryResult> for CanaryView {
    fn from(result: CanaryResult) -> Self {
        Self {
            at: result.at,
            delivery: result.delivery_id,
            failure: result.failure.map(FailureCode::as_str),
        }
    }
}

/// Which TLS settings of its own a webhook has.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = WebhookTlsState)]
pub struct TlsView {
    has_ca: bool,
    has_identity: bool,
}

impl<'a> From<&'a Webhook> for WebhookView<'a> {
    fn from(webhook: &'a Webhook) -> Self {
        let settings = &webhook.settings;
        let (status, status_since, status_reason) = status(webhook);
        Self {
            id: webhook.id,
            name: &settings.name,
            url: settings.url.as_str(),
            kind: settings.kind.as_str(),
            options: &settings.options,
            secret_options: &webhook.secret_option_names,
            events: settings.events.types().map(EventType::as_str).collect(),
            status,
            enabled: webhook.is_enabled(),
            status_since,
            status_reason,
            filter: settings.filter.as_ref().map(|filter| filter.source()),
            services: &settings.services,
            severities: settings
                .severities
                .iter()
                .map(|severity| severity.as_str())
                .collect(),
            headers: &webhook.header_names,
            retry_schedule: settings
                .retry_schedule
                .delays()
                .iter()
                .map(|delay| format_duration(*delay))
                .collect(),
            timeout: format_duration(settings.timeout),
            concurrency: settings.concurrency,
            rate: settings.rate.map(|rate| rate.to_string()),
            ordering: settings.ordering.as_str(),
            when_disabled: settings.when_disabled.as_str(),
            after_outage: settings.after_outage.as_str(),
            expire_after: settings.after_outage.expire_after().map(format_duration),
            fallback_webhook: settings.fallback.map(|fallback| fallback.webhook_id),
            fallback_after: settings
                .fallback
                .and_then(|fallback| fallback.late_after)
                .map(format_duration),
            canary: settings.canary_hours.map(|hours| format!("{hours}h")),
            last_canary: webhook.last_canary.map(CanaryView::from),
            tls: TlsView {
                has_ca: webhook.has_extra_ca,
                has_identity: webhook.has_tls_identity,
            },
            previous_secret_until: webhook.previous_secret_until,
            created_at: webhook.created_at,
            updated_at: webhook.updated_at,
            deliveries: None,
            secret: None,
        }
    }
}

impl<'a> WebhookView<'a> {
    /// The view with what was counted.
    pub fn with_counts(mut self, counts: StateCounts) -> Self {
        self.deliveries = Some(counts.into());
        self
    }

    /// The view with the secret, for the one answer that shows it.
    pub fn with_secret(mut self, secret: &'a str) -> Self {
        self.secret = Some(secret);
        self
    }
}

fn status(webhook: &Webhook) -> (&str, Option<Timestamp>, Option<&str>) {
    match (&webhook.state, &webhook.degraded) {
        (WebhookState::Disabled { since, reason }, _) => (DISABLED, Some(*since), Some(reason)),
        (WebhookState::Enabled, Some(degraded)) => {
            let reason = degraded.detail.as_deref().unwrap_or(degraded.code.as_str());
            (DEGRADED, Some(degraded.since), Some(reason))
        }
        (WebhookState::Enabled, None) => (ENABLED, None, None),
    }
}
