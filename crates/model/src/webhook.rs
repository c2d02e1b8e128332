//! Webhooks: configured receivers, what they want, and how they want it.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use strum::{EnumString, IntoStaticStr, VariantNames};
use url::Url;

use crate::event::{EventName, EventSet, EventType};
use crate::exchange::{FailureCode, TlsProfile};
use crate::filter::Filter;
use crate::id::{DeliveryId, ServiceId, WebhookId};
use crate::incident::{Incident, Severity};
use crate::operational::OperationalNotice;
use crate::outage::{AfterOutage, Fallback};
use crate::retry::RetrySchedule;
use crate::secret::SecretText;
use crate::time::Timestamp;

pub use crate::webhook_kind::WebhookKind;

/// The timeout unless a webhook says otherwise, and its bounds (docs/contract.md, 2).
pub const DEFAULT_TIMEOUT: Duration = Duration::from_secs(10);
/// The shortest timeout a webhook may have.
pub const MIN_TIMEOUT: Duration = Duration::from_secs(1);
/// The longest timeout a webhook may have.
pub const MAX_TIMEOUT: Duration = Duration::from_secs(30);
/// How many lanes of one webhook are in flight at once, unless it says otherwise.
pub const DEFAULT_CONCURRENCY: u16 = 16;
/// The most lanes one webhook may have in flight.
pub const MAX_CONCURRENCY: u16 = 256;
/// The highest rate a webhook may ask for, per unit.
pub const MAX_RATE: u32 = 100_000;
/// The most headers of their own a webhook may have.
pub const MAX_HEADERS: usize = 20;
/// The longest name of a webhook, in characters.
pub const MAX_NAME_LENGTH: usize = 100;
/// The longest URL, in bytes.
pub const MAX_URL_BYTES: usize = 2048;
/// The longest secret, in bytes.
pub const MAX_SECRET_BYTES: usize = 512;
/// How long the old secret keeps signing after a rotation, unless the call says otherwise.
pub const DEFAULT_ROTATION_OVERLAP: Duration = Duration::from_secs(24 * 3600);
/// The shortest and the longest time between two canaries, in hours.
pub const CANARY_HOURS: std::ops::RangeInclusive<u16> = 1..=168;
/// The longest overlap of a rotation.
pub const MAX_ROTATION_OVERLAP: Duration = Duration::from_secs(30 * 24 * 3600);

/// A bound on requests per time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Rate {
    /// How many.
    pub count: u32,
    /// Per what.
    pub per: RateUnit,
}

/// The time a [`Rate`] counts over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RateUnit {
    Second,
    Minute,
}

impl Rate {
    /// Reads `20/s` or `100/m`; nothing if the text is not a rate within bounds.
    pub fn parse(text: &str) -> Option<Self> {
        let (count, unit) = text.split_once('/')?;
        let per = match unit {
            "s" => RateUnit::Second,
            "m" => RateUnit::Minute,
            _ => return None,
        };
        let count = count
            .parse()
            .ok()
            .filter(|count| (1..=MAX_RATE).contains(count))?;
        Some(Self { count, per })
    }

    /// The time between two requests at this rate.
    pub fn interval(self) -> Duration {
        let unit = match self.per {
            RateUnit::Second => Duration::from_secs(1),
            RateUnit::Minute => Duration::from_secs(60),
        };
        unit / self.count.max(1)
    }
}

impl std::fmt::Display for Rate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let unit = match self.per {
            RateUnit::Second => "s",
            RateUnit::Minute => "m",
        };
        write!(f, "{}/{unit}", self.count)
    }
}

/// Whether the events of one incident wait for each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, EnumString, IntoStaticStr, VariantNames)]
#[strum(serialize_all = "snake_case")]
pub enum Ordering {
    /// In the order in which they happened.
    Incident,
    /// In any order.
    None,
}

impl Ordering {
    /// Every ordering, in the API's words.
    pub const NAMES: &'static [&'static str] = Self::VARIANTS;

    /// The ordering as the API and the store write it.
    pub fn as_str(self) -> &'static str {
        self.into()
    }

    /// The ordering read back from its text.
    pub fn parse(text: &str) -> Option<Self> {
        text.parse().ok()
    }
}

/// What becomes of events while a webhook is disabled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, EnumString, IntoStaticStr, VariantNames)]
#[strum(serialize_all = "snake_case")]
pub enum WhenDisabled {
    /// They are kept and sent, in order, once it is enabled.
    Hold,
    /// They are not delivered to it.
    Drop,
}

impl WhenDisabled {
    /// Every choice, in the API's words.
    pub const NAMES: &'static [&'static str] = Self::VARIANTS;

    /// The choice as the API and the store write it.
    pub fn as_str(self) -> &'static str {
        self.into()
    }

    /// The choice read back from its text.
    pub fn parse(text: &str) -> Option<Self> {
        text.parse().ok()
    }
}

/// What a user sets on a webhook, without its secrets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebhookSettings {
    /// A friendly name.
    pub name: String,
    /// Which adapter speaks to it.
    pub kind: WebhookKind,
    /// Where events go. If the kind's URL is a secret, only the part that may be seen.
    pub url: Url,
    /// What the kind asks for beyond these, by name, without what is secret.
    pub options: BTreeMap<String, String>,
    /// Which events go there.
    pub events: EventSet,
    /// Only these services; all if empty.
    pub services: Vec<ServiceId>,
    /// Only these severities; all if empty.
    pub severities: Vec<Severity>,
    /// Only what this expression lets pass.
    pub filter: Option<Filter>,
    /// The waits before retries.
    pub retry_schedule: RetrySchedule,
    /// Until the response head must have come.
    pub timeout: Duration,
    /// Lanes in flight at once.
    pub concurrency: u16,
    /// Requests per time, if bounded.
    pub rate: Option<Rate>,
    /// Whether the events of one incident wait for each other.
    pub ordering: Ordering,
    /// What becomes of events while it is disabled.
    pub when_disabled: WhenDisabled,
    /// Which of the events that waited through an outage it still gets.
    pub after_outage: AfterOutage,
    /// Who takes over from it.
    pub fallback: Option<Fallback>,
    /// A test is sent every so many hours.
    pub canary_hours: Option<u16>,
}

/// What the last canary of a webhook came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CanaryResult {
    pub at: Timestamp,
    /// The test as a delivery.
    pub delivery_id: DeliveryId,
    /// Why it failed, if it did.
    pub failure: Option<FailureCode>,
}

/// Whether a webhook gets events.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WebhookState {
    /// It does.
    Enabled,
    /// It does not.
    Disabled {
        /// Since when.
        since: Timestamp,
        /// Why: a sentence.
        reason: String,
    },
}

/// A webhook whose last attempts failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Degraded {
    /// Since when.
    pub since: Timestamp,
    /// Why the attempt that tipped the balance failed.
    pub code: FailureCode,
    /// What to do about it, if the platform behind it told.
    pub detail: Option<String>,
}

/// A configured receiver.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Webhook {
    pub id: WebhookId,
    /// What the user set.
    pub settings: WebhookSettings,
    /// Whether it gets events.
    pub state: WebhookState,
    /// Set while its breaker is open.
    pub degraded: Option<Degraded>,
    /// What its last canary came to, if it gets some.
    pub last_canary: Option<CanaryResult>,
    /// The names of its own headers; the values are secrets.
    pub header_names: Vec<String>,
    pub secret_option_names: Vec<String>,
    /// Whether it has a client certificate of its own.
    pub has_tls_identity: bool,
    /// Whether it trusts an additional authority.
    pub has_extra_ca: bool,
    /// Until when the secret before the present one signs too.
    pub previous_secret_until: Option<Timestamp>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
}

impl Webhook {
    /// Whether it is enabled.
    pub fn is_enabled(&self) -> bool {
        self.state == WebhookState::Enabled
    }

    /// Whether an event makes a delivery for this webhook.
    pub fn wants(&self, event: EventName, incident: &Incident) -> bool {
        self.takes_deliveries() && self.settings.choose(event, incident)
    }

    /// Whether it is enabled, or holds deliveries until it is.
    pub fn takes_deliveries(&self) -> bool {
        self.is_enabled() || self.settings.when_disabled == WhenDisabled::Hold
    }

    /// Whether an operational event makes a delivery for this webhook: never one about itself. What chooses among incidents
    /// (services, severities, the filter) has nothing to say here.
    pub fn wants_operational(&self, notice: &OperationalNotice) -> bool {
        let is_open = self.is_enabled() || self.settings.when_disabled == WhenDisabled::Hold;
        let is_chosen = self.settings.events.has(EventType::Operational(notice.name));
        is_open && is_chosen && *self.id.as_bytes() != notice.subject.key
    }
}

impl WebhookSettings {
    /// Whether these settings choose an event, whatever state the webhook is in.
    pub fn choose(&self, event: EventName, incident: &Incident) -> bool {
        self.events.contains(event)
            && (self.services.is_empty() || self.services.contains(&incident.service.id))
            && (self.severities.is_empty() || self.severities.contains(&incident.severity))
            && self
                .filter
                .as_ref()
                .is_none_or(|filter| filter.matches(event, incident))
    }
}

/// The secrets of a webhook. They leave the store only to be sent with, or to check a change against them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebhookSecrets {
    /// What signs.
    pub signing: SecretText,
    /// What signs too until a time: the secret before a rotation.
    pub previous: Option<(SecretText, Timestamp)>,
    /// Headers of the user's own.
    pub headers: Vec<(String, SecretText)>,
    /// Secret options of the kind, by name; `url` if the kind's URL is a secret.
    pub options: BTreeMap<String, SecretText>,
    /// TLS settings of its own.
    pub tls: Option<Arc<TlsProfile>>,
}

/// A webhook with its secrets: all that the dispatcher needs to send.
#[derive(Debug, Clone)]
pub struct Endpoint {
    pub webhook: Webhook,
    pub secrets: WebhookSecrets,
    /// What the receiver taught its adapter, such as a chat's new address.
    pub learned: Option<String>,
}

/// A URL without what may be secret in it: scheme and host, the first part of the path, and dots.
pub fn masked_url(url: &Url) -> String {
    const SHOWN_SEGMENT: usize = 12;
    let mut text = format!("{}://{}", url.scheme(), url.host_str().unwrap_or_default());
    if let Some(port) = url.port() {
        let _ = write!(text, ":{port}");
    }
    let mut segments = url.path_segments().into_iter().flatten();
    let first = segments.next().unwrap_or_default();
    let is_short = first.len() <= SHOWN_SEGMENT;
    let has_more = segments.any(|segment| !segment.is_empty()) || url.query().is_some();
    text.push('/');
    if is_short {
        text.push_str(first);
    }
    match (is_short, has_more) {
        (true, false) => {}
        (true, true) if first.is_empty() => text.push('…'),
        (true, true) => text.push_str("/…"),
        (false, _) => text.push('…'),
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_reads_back_and_nonsense_is_refused() {
        let texts = ["20/s", "100/m"].map(|text| Rate::parse(text).map(|rate| rate.to_string()));
        assert_eq!(texts, [Some("20/s".to_owned()), Some("100/m".to_owned())]);
        assert_eq!(["0/s", "1/h", "x/s", "5", "100001/s"].map(Rate::parse), [None; 5]);
    }

    #[test]
    fn a_masked_url_shows_where_it_leads_and_no_token() {
        let masked = |text: &str| masked_url(&Url::parse(text).unwrap());
        assert_eq!(masked("https://a.example/"), "https://a.example/");
        assert_eq!(
            masked("https://a.example/hooks/SECRET"),
            "https://a.example/hooks/…"
        );
        assert_eq!(masked("https://a.example/?token=SECRET"), "https://a.example/…");
        assert_eq!(
            masked("http://127.0.0.1:9000/0123456789abcdef"),
            "http://127.0.0.1:9000/…"
        );
    }
}
