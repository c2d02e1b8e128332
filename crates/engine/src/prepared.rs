//! A webhook made ready for sending: its keys prepared, its headers parsed, its adapter chosen. Made once per change.

use std::sync::Arc;

use http::{HeaderMap, HeaderName, HeaderValue};
use url::Url;

use crate::masking::Credentials;
use crate::probe::LastRefused;
use crate::scheduler::WebhookLimits;
use crate::tokens::TokenPlace;
use destination::Adapter;
use destination::about::Signature;
use destination::task::Target;
use destination::template::is_template;
use kinds::adapter_or_unknown;
use model::exchange::TlsProfile;
use model::secret::SecretText;
use model::time::Timestamp;
use model::webhook::{Endpoint, Webhook, WebhookSecrets, masked_url};
use outbound::{Signer, SigningSecrets};
use telemetry::webhooks::{AttemptCounters, WebhookMetrics};

/// What every request says it comes from, unless its platform wants another form.
const PRODUCT: HeaderValue = HeaderValue::from_static(concat!("OpsKnight/", env!("CARGO_PKG_VERSION")));

/// See the module.
pub struct Prepared {
    pub webhook: Webhook,
    /// Where it leads.
    pub target: Target,
    /// What speaks to it.
    pub adapter: &'static dyn Adapter,
    /// Its URL as it may be seen in the log.
    pub shown_url: String,
    /// Headers of the user's own; their values are secrets.
    pub headers: HeaderMap,
    /// What its requests say they come from.
    pub agent: HeaderValue,
    /// What must not be kept of what is sent and comes back.
    pub credentials: Credentials,
    /// Whether a template makes its URL, for each delivery another.
    pub has_templated_url: bool,
    /// TLS settings of its own.
    pub tls: Option<Arc<TlsProfile>>,
    /// Its access token, if its kind needs one.
    pub token: Arc<TokenPlace>,
    /// Whose delivery its platform refused last.
    pub last_refused: Arc<LastRefused>,
    /// Counts its attempts.
    pub counters: AttemptCounters,
    signer: Signer,
    rotating: Option<(Signer, Timestamp)>,
}

impl Prepared {
    /// Prepares a webhook as it was loaded, on a server that people reach at a URL, if it knows that.
    pub fn new(endpoint: Endpoint, public_url: Option<&Url>, metrics: &WebhookMetrics) -> Self {
        let target = Target::new(&endpoint);
        let Endpoint { webhook, secrets, .. } = endpoint;
        let signing = |previous| {
            Signer::new(&SigningSecrets {
                current: secrets.signing.clone(),
                previous,
            })
        };
        let rotating = secrets
            .previous
            .clone()
            .map(|(previous, until)| (signing(Some(previous)), until));
        let adapter = adapter_or_unknown(webhook.settings.kind);
        Self {
            agent: adapter.agent(public_url).unwrap_or(PRODUCT),
            adapter,
            shown_url: masked_url(&target.url),
            headers: parse_headers(&secrets),
            credentials: Credentials::of(&target),
            has_templated_url: is_template(target.secret("url")),
            signer: signing(None),
            rotating,
            tls: secrets.tls.clone(),
            token: Arc::default(),
            last_refused: Arc::default(),
            counters: metrics.counters(webhook.id, &webhook.settings.name),
            target,
            webhook,
        }
    }

    /// Takes over what is known of the same webhook under settings before (its access token, who was refused), if it was
    /// learned with the same ones.
    pub fn learn_from(&mut self, before: &Self) {
        let (now, then) = (&self.target, &before.target);
        if now.url == then.url && now.options == then.options && now.secrets == then.secrets {
            self.token = Arc::clone(&before.token);
            self.last_refused = Arc::clone(&before.last_refused);
        }
    }

    /// What signs at this time: during a rotation both secrets, otherwise the present one. Nothing if the kind knows no
    /// signatures.
    pub fn signer(&self, now: Timestamp) -> Option<&Signer> {
        match (self.adapter.description().signature, &self.rotating) {
            (Signature::None, _) => None,
            (Signature::Ours, Some((both, until))) if now < *until => Some(both),
            (Signature::Ours, _) => Some(&self.signer),
        }
    }

    /// The webhook's name.
    pub fn name(&self) -> &str {
        &self.webhook.settings.name
    }

    /// Whether its messages have a form of their own: links, something to remember, secrets to mask. The default format
    /// has none of it, and is spared the work.
    pub fn has_own_form(&self) -> bool {
        !self.adapter.description().fields.is_empty()
    }

    /// What the scheduler must know.
    pub fn limits(&self) -> WebhookLimits {
        WebhookLimits {
            is_enabled: self.webhook.is_enabled(),
            concurrency: usize::from(self.webhook.settings.concurrency),
            rate: self.webhook.settings.rate,
            buckets: self.adapter.buckets(&self.target),
            joint: self.adapter.joint().map(|joint| joint.limits(&self.target)),
            degraded: self.webhook.degraded.clone(),
        }
    }
}

/// Header names and values were checked when the webhook was saved; one that cannot be read is left out.
fn parse_headers(secrets: &WebhookSecrets) -> HeaderMap {
    let parse = |(name, value): &(String, SecretText)| {
        let name = HeaderName::try_from(name.as_str()).ok()?;
        let mut value = HeaderValue::try_from(value.reveal()).ok()?;
        value.set_sensitive(true);
        Some((name, value))
    };
    secrets.headers.iter().filter_map(parse).collect()
}
