//! Where alerts come from: what each sender says, read into signals; what it is answered; how it is set up. Pure: what
//! becomes of a signal is decided elsewhere, and nothing here connects to anything.

pub mod about;
mod alertmanager;
mod grafana;
mod json;
mod mapped;
pub mod mapping;
mod opsgenie;
mod pagerduty;
mod presets;
mod prometheus;
mod prometheus_alert;
pub mod request;
mod severity;
mod signature;
mod sns;
#[cfg(test)]
mod testing;

use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue, Method};

use crate::about::SourceDescription;
use crate::request::{Answer, Reading, Refusal, Refused, SourceRequest};
use model::digest::sha256;
use model::secret::SecretText;
use model::signal::AlertKey;
use model::source_kind::SourceKind;
use model::time::Timestamp;

/// How one kind of sender speaks.
pub trait Format: Sync {
    /// What is said of it.
    fn description(&self) -> &'static SourceDescription;

    /// Reads a request. The same request gives the same reading.
    fn read(&self, request: &SourceRequest<'_>) -> Result<Reading, Refused>;

    /// How a refusal looks to this sender, whoever refused: the door, or [`Format::read`].
    fn refuse(&self, refused: &Refused) -> Answer {
        let code = refused.refusal.code();
        Answer::text(refused.refusal.status(), &format!("{code}: {}", refused.sentence))
    }

    /// Whether this path at the root of the server is this sender's: for senders that take only a host.
    fn is_root_door(&self, _path: &str) -> bool {
        false
    }

    /// The key of the source at a root door, as the sender gives it.
    fn key_at_root(&self, _headers: &HeaderMap, _body: &[u8]) -> Option<String> {
        None
    }

    /// A request as the sender makes one, for a test; nothing if only the sender itself can make one.
    fn sample(&self, moment: SampleMoment, context: &SampleContext<'_>) -> Option<Sample>;
}

/// What a sample says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SampleMoment {
    /// Something is wrong.
    Fire,
    /// It is over.
    Resolve,
}

/// What a sample is made of.
#[derive(Debug, Clone, Copy)]
pub struct SampleContext<'a> {
    /// The source's key.
    pub key: &'a str,
    /// What its requests are signed with.
    pub secret: Option<&'a SecretText>,
    pub now: Timestamp,
}

/// A request as a sender makes one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sample {
    pub method: Method,
    /// What follows the source's own base: see [`SourceRequest::path`].
    pub path: String,
    pub headers: HeaderMap,
    pub body: Vec<u8>,
}

/// Every format, in the order of [`SourceKind::ALL`].
const FORMATS: &[&dyn Format] = &[
    &alertmanager::Alertmanager,
    &prometheus::Prometheus,
    &grafana::Grafana,
    &pagerduty::Pagerduty,
    &opsgenie::Opsgenie,
    &presets::UPTIME_KUMA,
    &presets::DATADOG,
    &presets::SENTRY,
    &presets::ZABBIX,
    &presets::HEALTHCHECKS,
    &sns::Sns,
    &presets::GENERIC,
];

/// Every format, in the order in which people choose.
pub fn all() -> &'static [&'static dyn Format] {
    FORMATS
}

/// The format of a kind.
pub fn format(kind: SourceKind) -> Option<&'static dyn Format> {
    let is_it = |format: &&&'static dyn Format| format.description().kind == kind;
    FORMATS.iter().find(is_it).copied()
}

/// The format whose door a path at the root of the server is.
pub fn format_at_root(path: &str) -> Option<&'static dyn Format> {
    FORMATS.iter().find(|format| format.is_root_door(path)).copied()
}

/// The largest body that any sender sends, in bytes: what a door reads before it knows the sender.
pub const MAX_BODY_BYTES: usize = 4 * 1024 * 1024;

/// The headers of a sample.
fn json_headers() -> HeaderMap {
    HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static("application/json"))])
}

/// A key for an alert whose sender gave none: the same request sent twice has the same one, since a sender that lost our
/// answer repeats itself.
fn made_up_key(body: &[u8]) -> Result<AlertKey, Refused> {
    let digest = sha256([body]);
    let key: String = digest.iter().take(16).map(|byte| format!("{byte:02x}")).collect();
    AlertKey::new(&key).ok_or_else(|| Refusal::RequestUnreadable.into())
}

/// Takes only `POST`.
fn only_post(request: &SourceRequest<'_>) -> Result<(), Refused> {
    match *request.method == Method::POST {
        true => Ok(()),
        false => Err(Refusal::MethodNotAllowed.into()),
    }
}

#[cfg(test)]
mod tests;
