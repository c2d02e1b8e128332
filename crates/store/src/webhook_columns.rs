//! A webhook's settings and secrets as columns, whichever database keeps them: as texts on the way in, and secrets opened on
//! the way out.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use model::action_link::LINK_KEY;
use model::exchange::TlsProfile;
use model::id::WebhookId;
use model::incident::Severity;
use model::secret::SecretText;
use model::time::Timestamp;
use model::webhook::{WebhookSecrets, WebhookSettings, WebhookState};

use crate::StoreError;
use crate::StoreResult;
use crate::attempt_columns::millis;
use crate::seal::Sealer;
use crate::sealed::{open, seal, webhook_place};

/// The settings as columns.
pub struct SettingsColumns<'a> {
    pub name: &'a str,
    pub kind: &'a str,
    pub url: &'a str,
    pub options: String,
    pub events: u8,
    pub operational_events: u8,
    pub services: String,
    pub severities: String,
    pub filter: Option<&'a str>,
    pub retry_schedule: String,
    pub timeout_ms: i64,
    pub concurrency: u16,
    pub rate: Option<String>,
    pub ordering: &'static str,
    pub when_disabled: &'static str,
    pub after_outage: &'static str,
    pub expire_after_ms: Option<i64>,
    pub fallback_id: Option<&'a [u8]>,
    pub fallback_after_ms: Option<i64>,
    pub canary_hours: Option<i64>,
}

impl<'a> SettingsColumns<'a> {
    /// The columns of these settings.
    pub fn new(settings: &'a WebhookSettings) -> Self {
        let severities: Vec<_> = settings
            .severities
            .iter()
            .copied()
            .map(Severity::as_str)
            .collect();
        Self {
            name: &settings.name,
            kind: settings.kind.as_str(),
            url: settings.url.as_str(),
            options: serde_json::json!(settings.options).to_string(),
            events: settings.events.bits(),
            operational_events: settings.events.operational_bits(),
            services: words(&settings.services),
            severities: words(&severities),
            filter: settings.filter.as_ref().map(|filter| filter.source()),
            retry_schedule: words(
                &settings
                    .retry_schedule
                    .delays()
                    .iter()
                    .map(Duration::as_millis)
                    .collect::<Vec<_>>(),
            ),
            timeout_ms: millis(settings.timeout),
            concurrency: settings.concurrency,
            rate: settings.rate.map(|rate| rate.to_string()),
            ordering: settings.ordering.as_str(),
            when_disabled: settings.when_disabled.as_str(),
            after_outage: settings.after_outage.as_str(),
            expire_after_ms: settings.after_outage.expire_after().map(millis),
            fallback_id: settings.fallback.as_ref().map(|of| &of.webhook_id.as_bytes()[..]),
            fallback_after_ms: settings.fallback.and_then(|of| of.late_after).map(millis),
            canary_hours: settings.canary_hours.map(i64::from),
        }
    }
}

/// The secrets as columns, sealed.
pub struct SecretColumns<'a> {
    pub secret: Vec<u8>,
    pub previous_secret: Option<Vec<u8>>,
    pub previous_secret_until: Option<i64>,
    pub headers: Option<Vec<u8>>,
    pub header_names: String,
    pub secret_options: Option<Vec<u8>>,
    pub secret_option_names: String,
    pub ca_pem: Option<&'a str>,
    pub identity_pem: Option<Vec<u8>>,
}

impl<'a> SecretColumns<'a> {
    /// The columns of a webhook's secrets.
    pub fn new(sealer: &Sealer, id: WebhookId, secrets: &'a WebhookSecrets) -> Self {
        let sealed = |field, text: &str| seal(sealer, &webhook_place(id, field), text);
        let previous = secrets.previous.as_ref();
        let tls = secrets.tls.as_deref();
        let option_names: Vec<_> = secrets.options.keys().filter(|name| *name != LINK_KEY).collect();
        let names: Vec<_> = secrets.headers.iter().map(|(name, _)| name).collect();
        Self {
            secret: sealed("secret", secrets.signing.reveal()),
            previous_secret: previous.map(|(secret, _)| sealed("previous_secret", secret.reveal())),
            previous_secret_until: previous.map(|(_, until)| until.as_millis()),
            headers: headers_json(secrets).map(|json| sealed("headers", &json)),
            header_names: serde_json::json!(names).to_string(),
            secret_options: options_json(secrets).map(|json| sealed("secret_options", &json)),
            secret_option_names: serde_json::json!(option_names).to_string(),
            ca_pem: tls.and_then(|tls| tls.ca_pem.as_deref()),
            identity_pem: tls
                .and_then(|tls| tls.identity_pem.as_deref())
                .map(|pem| sealed("identity_pem", pem)),
        }
    }
}

/// The secrets of a webhook as its row has them.
pub struct SealedSecrets {
    pub secret: Vec<u8>,
    pub previous: Option<(Vec<u8>, Timestamp)>,
    pub headers: Option<Vec<u8>>,
    pub options: Option<Vec<u8>>,
    pub ca_pem: Option<String>,
    pub identity_pem: Option<Vec<u8>>,
}

impl SealedSecrets {
    /// Opens them all.
    pub fn open(self, sealer: &Sealer, id: WebhookId) -> StoreResult<WebhookSecrets> {
        let open_field = |field, sealed: &[u8]| open(sealer, &webhook_place(id, field), sealed);
        let previous = self
            .previous
            .map(|(sealed, until)| open_field("previous_secret", &sealed).map(|secret| (secret, until)));
        let headers = self.headers.map(|sealed| open_field("headers", &sealed));
        let options = self.options.map(|sealed| open_field("secret_options", &sealed));
        let identity = self
            .identity_pem
            .map(|sealed| open_field("identity_pem", &sealed));
        Ok(WebhookSecrets {
            signing: open_field("secret", &self.secret)?,
            previous: previous.transpose()?,
            headers: headers
                .transpose()?
                .map_or_else(|| Ok(Vec::new()), |json| parse_headers(&json))?,
            options: options
                .transpose()?
                .map_or_else(|| Ok(BTreeMap::new()), |json| parse_options(&json))?,
            tls: TlsProfile::new(
                self.ca_pem,
                identity.transpose()?.map(|pem| pem.reveal().to_owned()),
            )
            .map(Arc::new),
        })
    }
}

fn parse_options(json: &SecretText) -> StoreResult<BTreeMap<String, SecretText>> {
    let options: BTreeMap<String, String> = serde_json::from_str(json.reveal())
        .map_err(|_| StoreError::Corrupt("the secret options of a webhook are not as expected".into()))?;
    let secret = |(name, value)| (name, SecretText::new(value));
    Ok(options.into_iter().map(secret).collect())
}

fn parse_headers(json: &SecretText) -> StoreResult<Vec<(String, SecretText)>> {
    let pairs: Vec<(String, String)> = serde_json::from_str(json.reveal())
        .map_err(|_| StoreError::Corrupt("the headers of a webhook are not as expected".into()))?;
    let secret = |(name, value)| (name, SecretText::new(value));
    Ok(pairs.into_iter().map(secret).collect())
}

fn headers_json(secrets: &WebhookSecrets) -> Option<zeroize::Zeroizing<String>> {
    let pairs: Vec<_> = secrets
        .headers
        .iter()
        .map(|(name, value)| (name, value.reveal()))
        .collect();
    (!pairs.is_empty()).then(|| serde_json::json!(pairs).to_string().into())
}

fn options_json(secrets: &WebhookSecrets) -> Option<zeroize::Zeroizing<String>> {
    let options: std::collections::BTreeMap<_, _> = secrets
        .options
        .iter()
        .map(|(name, value)| (name, value.reveal()))
        .collect();
    (!options.is_empty()).then(|| serde_json::json!(options).to_string().into())
}

fn words<T: ToString>(values: &[T]) -> String {
    values.iter().map(T::to_string).collect::<Vec<_>>().join(" ")
}

/// When and why a webhook was disabled, as columns.
pub fn state_columns(state: &WebhookState) -> (Option<i64>, Option<&str>) {
    match state {
        WebhookState::Enabled => (None, None),
        WebhookState::Disabled { since, reason } => (Some(since.as_millis()), Some(reason)),
    }
}
