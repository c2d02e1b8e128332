//! A webhook made ready for sending: its keys prepared, its headers parsed, its adapter chosen. Made once per change.

use std::sync::Arc;

use http::{HeaderMap, HeaderName, HeaderValue};

use crate::adapters::{Adapter, adapter};
use crate::dispatch::board::WebhookLimits;
use crate::model::exchange::TlsProfile;
use crate::model::time::Timestamp;
use crate::model::webhook::{Endpoint, Webhook, WebhookSecrets};
use crate::outbound::{Signer, SigningSecrets};

/// See the module.
pub struct Prepared {
    /// The webhook.
    pub webhook: Webhook,
    /// What speaks to it.
    pub adapter: &'static dyn Adapter,
    /// Headers of the user's own; their values are secrets.
    pub headers: HeaderMap,
    /// TLS settings of its own.
    pub tls: Option<Arc<TlsProfile>>,
    signer: Signer,
    rotating: Option<(Signer, Timestamp)>,
}

impl Prepared {
    /// Prepares a webhook as it was loaded.
    pub fn new(endpoint: Endpoint) -> Self {
        let Endpoint { webhook, secrets } = endpoint;
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
        Self {
            adapter: adapter(webhook.settings.kind),
            headers: parse_headers(&secrets),
            signer: signing(None),
            rotating,
            tls: secrets.tls.clone(),
            webhook,
        }
    }

    /// What signs at this time: during a rotation both secrets, otherwise the present one.
    pub fn signer(&self, now: Timestamp) -> &Signer {
        match &self.rotating {
            Some((both, until)) if now < *until => both,
            Some(_) | None => &self.signer,
        }
    }

    /// What the board must know.
    pub fn limits(&self) -> WebhookLimits {
        WebhookLimits {
            is_enabled: self.webhook.is_enabled(),
            concurrency: usize::from(self.webhook.settings.concurrency),
            rate: self.webhook.settings.rate,
            degraded: self.webhook.degraded.clone(),
        }
    }
}

/// Header names and values were checked when the webhook was saved; one that cannot be read is left out.
fn parse_headers(secrets: &WebhookSecrets) -> HeaderMap {
    let parse = |(name, value): &(String, crate::model::secret::SecretText)| {
        let name = HeaderName::try_from(name.as_str()).ok()?;
        let mut value = HeaderValue::try_from(value.reveal()).ok()?;
        value.set_sensitive(true);
        Some((name, value))
    };
    secrets.headers.iter().filter_map(parse).collect()
}
