//! Checks the fields of a webhook, one function each: a refused field is noted and gives nothing.

use std::collections::{BTreeMap, HashSet};
use std::time::Duration;

use http::{HeaderName, HeaderValue};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use url::Url;

use crate::UrlRules;
use crate::checks::Checks;
use crate::webhooks::sample_incident;
use model::event::{EventName, EventSet, EventType};
use model::filter::Filter;
use model::id::{ServiceId, UserId};
use model::incident::Severity;
use model::retry::RetrySchedule;
use model::secret::SecretText;
use model::service::ServiceRef;
use model::standard_secret;
use model::time::{Timestamp, parse_duration};
use model::user::UserRef;
use model::webhook::{
    CANARY_HOURS, MAX_CONCURRENCY, MAX_HEADERS, MAX_SECRET_BYTES, MAX_TIMEOUT, MAX_URL_BYTES, MIN_TIMEOUT,
    Ordering, Rate, WebhookKind, WhenDisabled,
};

/// The most services one webhook may name.
pub const MAX_SERVICES: usize = 100;
/// The longest value of a header of the user's own, in bytes.
pub const MAX_HEADER_VALUE_BYTES: usize = 4096;
/// The longest PEM text, in bytes.
pub const MAX_PEM_BYTES: usize = 64 * 1024;
/// Headers that are ours or the protocol's (docs/contract.md, 2), beside all that begin with a reserved prefix.
const RESERVED_HEADERS: [&str; 15] = [
    "accept-encoding",
    "connection",
    "content-encoding",
    "content-length",
    "content-type",
    "expect",
    "host",
    "keep-alive",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "user-agent",
];
/// What reserved headers begin with.
const RESERVED_PREFIXES: [&str; 2] = ["x-opsknight-", "webhook-"];

/// A signing secret: any text, exactly as typed, but none that was meant as a `whsec_` one and is broken.
pub(crate) fn check_secret(checks: &mut Checks, secret: String) -> SecretText {
    if secret.is_empty() || secret.len() > MAX_SECRET_BYTES {
        checks.fail(
            "secret",
            "out_of_range",
            format!("a secret has 1 to {MAX_SECRET_BYTES} bytes"),
        );
    }
    if let Some(mistake) = standard_secret::mistake(&secret) {
        checks.fail("secret", "invalid_value", mistake);
    }
    SecretText::new(secret)
}

pub(crate) fn check_url(
    checks: &mut Checks,
    field: impl Into<String>,
    text: &str,
    schemes: &[&str],
    rules: &dyn UrlRules,
) -> Option<Url> {
    let url = usable_url(text, schemes, rules);
    url.map_err(|refusal| checks.fail(field, "invalid_url", refusal))
        .ok()
}

/// A URL that requests may go to; otherwise a sentence that says why not.
fn usable_url(text: &str, schemes: &[&str], rules: &dyn UrlRules) -> Result<Url, String> {
    if text.len() > MAX_URL_BYTES {
        return Err(format!("a URL has at most {MAX_URL_BYTES} bytes"));
    }
    let mut url = Url::parse(text).map_err(|error| format!("this is no URL: {error}"))?;
    if !schemes.contains(&url.scheme()) {
        let known: Vec<_> = schemes.iter().map(|scheme| format!("{scheme}://")).collect();
        return Err(format!("the URL must begin with {}", known.join(" or ")));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("the URL must not contain a user name or password; they have fields of their own, or go into a header".into());
    }
    url.set_fragment(None);
    rules.check(&url)?;
    Ok(url)
}

pub(crate) fn check_events(checks: &mut Checks, texts: &[String]) -> EventSet {
    if texts.is_empty() {
        checks.fail("events", "empty", "choose at least one event");
    }
    let chosen = check_each(checks, "events", texts, EventType::parse, EventType::NAMES);
    chosen.into_iter().collect()
}

/// Every kind that this version knows, in the order in which forms show them.
pub fn kinds() -> Vec<&'static str> {
    let adapters = kinds::all().iter();
    adapters.map(|adapter| adapter.description().kind).collect()
}

pub(crate) fn check_kind(checks: &mut Checks, text: &str) -> Option<WebhookKind> {
    let parse = |text: &str| WebhookKind::parse(text).filter(|kind| kinds::adapter(*kind).is_some());
    check_one_of(checks, "kind", text, parse, &kinds())
}

pub(crate) fn check_ordering(checks: &mut Checks, text: &str) -> Option<Ordering> {
    check_one_of(checks, "ordering", text, Ordering::parse, Ordering::NAMES)
}

pub(crate) fn check_when_disabled(checks: &mut Checks, text: &str) -> Option<WhenDisabled> {
    check_one_of(
        checks,
        "whenDisabled",
        text,
        WhenDisabled::parse,
        WhenDisabled::NAMES,
    )
}

pub(crate) fn check_severities(checks: &mut Checks, texts: &[String]) -> Option<Vec<Severity>> {
    let mut severities = check_each(checks, "severities", texts, Severity::parse, Severity::NAMES);
    let mut seen = HashSet::new();
    severities.retain(|severity| seen.insert(*severity));
    Some(severities)
}

pub(crate) fn check_services(checks: &mut Checks, texts: &[String]) -> Option<Vec<ServiceId>> {
    if texts.len() > MAX_SERVICES {
        checks.fail("services", "too_many", format!("at most {MAX_SERVICES} services"));
        return None;
    }
    let parse = |text: &str| text.parse().ok();
    let mut ids: Vec<ServiceId> = check_each(checks, "services", texts, parse, &["ids of services (svc_…)"]);
    let mut seen = HashSet::new();
    ids.retain(|id| seen.insert(*id));
    Some(ids)
}

pub(crate) fn check_one_of<T>(
    checks: &mut Checks,
    field: &str,
    text: &str,
    parse: impl Fn(&str) -> Option<T>,
    known: &[&str],
) -> Option<T> {
    let parsed = parse(text);
    if parsed.is_none() {
        checks.fail(
            field,
            "invalid_value",
            format!("{field} takes {}", known.join(", ")),
        );
    }
    parsed
}

pub(crate) fn check_each<T>(
    checks: &mut Checks,
    field: &str,
    texts: &[String],
    parse: impl Fn(&str) -> Option<T>,
    known: &[&str],
) -> Vec<T> {
    let mut values = Vec::with_capacity(texts.len());
    for (index, text) in texts.iter().enumerate() {
        let place = format!("{field}[{index}]");
        values.extend(check_one_of(checks, &place, text, &parse, known));
    }
    values
}

/// Outer `None`: refused.
#[expect(clippy::option_option, reason = "a setting that may be empty, or a refusal")]
pub(crate) fn check_filter(checks: &mut Checks, text: &str) -> Option<Option<Filter>> {
    let at = Timestamp::EPOCH;
    let service = ServiceRef {
        id: ServiceId::new(at, [0; 10]),
        name: "Example service".into(),
    };
    let mut incident = sample_incident(at, service);
    incident.assignee = Some(UserRef {
        id: UserId::new(at, [0; 10]),
        name: "Example user".into(),
    });
    let parsed = Filter::parse(text).and_then(|filter| {
        filter.evaluate(EventName::Triggered, &incident)?;
        Ok(filter)
    });
    match parsed {
        Ok(_) if text.contains('\0') => {
            checks.fail("filter", "invalid_filter", "a filter cannot hold a NUL");
            None
        }
        Ok(filter) => Some(Some(filter)),
        Err(error) => {
            checks.fail("filter", "invalid_filter", error.to_string());
            None
        }
    }
}

pub(crate) fn check_duration(checks: &mut Checks, field: &str, text: &str) -> Option<Duration> {
    let parsed = parse_duration(text);
    if let Err(error) = &parsed {
        checks.fail(field, "invalid_value", format!("{field} is {error}"));
    }
    parsed.ok()
}

pub(crate) fn check_retry_schedule(checks: &mut Checks, texts: &[String]) -> Option<RetrySchedule> {
    let mut delays = Vec::with_capacity(texts.len());
    for (index, text) in texts.iter().enumerate() {
        delays.extend(check_duration(checks, &format!("retrySchedule[{index}]"), text));
    }
    let schedule = RetrySchedule::new(delays);
    if let Err(error) = &schedule {
        checks.fail("retrySchedule", "out_of_range", error.to_string());
    }
    schedule.ok()
}

pub(crate) fn check_timeout(checks: &mut Checks, text: &str) -> Option<Duration> {
    let timeout = check_duration(checks, "timeout", text)?;
    if (MIN_TIMEOUT..=MAX_TIMEOUT).contains(&timeout) {
        return Some(timeout);
    }
    checks.fail("timeout", "out_of_range", "timeout is 1s to 30s");
    None
}

/// Outer `None`: refused.
#[expect(clippy::option_option, reason = "a setting that may be empty, or a refusal")]
pub(crate) fn check_canary(checks: &mut Checks, text: &str) -> Option<Option<u16>> {
    let interval = check_duration(checks, "canary", text)?;
    let is_whole = interval.as_secs().is_multiple_of(3600) && interval.subsec_nanos() == 0;
    let hours = u16::try_from(interval.as_secs() / 3600).ok().filter(|_| is_whole);
    let hours = hours.filter(|hours| CANARY_HOURS.contains(hours));
    if hours.is_none() {
        checks.fail("canary", "out_of_range", "canary is 1h to 168h, in whole hours");
    }
    hours.map(Some)
}

pub(crate) fn check_concurrency(checks: &mut Checks, count: u32) -> Option<u16> {
    let count = u16::try_from(count).ok();
    let accepted = count.filter(|count| (1..=MAX_CONCURRENCY).contains(count));
    if accepted.is_none() {
        checks.fail(
            "concurrency",
            "out_of_range",
            format!("concurrency is 1 to {MAX_CONCURRENCY}"),
        );
    }
    accepted
}

/// Outer `None`: refused.
#[expect(clippy::option_option, reason = "a setting that may be empty, or a refusal")]
pub(crate) fn check_rate(checks: &mut Checks, text: &str) -> Option<Option<Rate>> {
    let rate = Rate::parse(text);
    if rate.is_none() {
        checks.fail(
            "rate",
            "invalid_value",
            "rate is a number per second or minute, such as 20/s or 100/m",
        );
    }
    rate.map(Some)
}

pub(crate) fn check_headers(
    checks: &mut Checks,
    headers: BTreeMap<String, String>,
) -> Vec<(String, SecretText)> {
    if headers.len() > MAX_HEADERS {
        checks.fail("headers", "too_many", format!("at most {MAX_HEADERS} headers"));
    }
    let mut seen = HashSet::new();
    for (name, value) in &headers {
        let field = format!("headers.{name}");
        if HeaderName::from_bytes(name.as_bytes()).is_err() {
            checks.fail(&field, "invalid_name", "this is no name of a header");
        } else if is_reserved(name) {
            checks.fail(&field, "reserved", "OpsKnight or the protocol sets this header");
        } else if !seen.insert(name.to_ascii_lowercase()) {
            checks.fail(&field, "duplicate", "this header is given twice");
        }
        if value.len() > MAX_HEADER_VALUE_BYTES || HeaderValue::from_str(value).is_err() {
            let detail =
                format!("a value has at most {MAX_HEADER_VALUE_BYTES} bytes and no control characters");
            checks.fail(&field, "invalid_value", detail);
        }
    }
    headers
        .into_iter()
        .map(|(name, value)| (name, SecretText::new(value)))
        .collect()
}

/// Receivers behind CGI, WSGI and their like cannot tell `X_OpsKnight_Event` from `X-OpsKnight-Event`: neither may be set.
fn is_reserved(name: &str) -> bool {
    let dashed = |character: char| match character.is_ascii_alphanumeric() {
        true => character.to_ascii_lowercase(),
        false => '-',
    };
    let name: String = name.chars().map(dashed).collect();
    RESERVED_HEADERS.contains(&name.as_str())
        || RESERVED_PREFIXES.iter().any(|prefix| name.starts_with(prefix))
}

pub(crate) fn has_certificate(pem: &str) -> bool {
    pem.len() <= MAX_PEM_BYTES && CertificateDer::from_pem_slice(pem.as_bytes()).is_ok()
}

pub(crate) fn has_private_key(pem: &str) -> bool {
    PrivateKeyDer::from_pem_slice(pem.as_bytes()).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    struct AnyUrl;

    impl UrlRules for AnyUrl {
        fn check(&self, _: &Url) -> Result<(), String> {
            Ok(())
        }
    }

    fn is_refused(check: impl FnOnce(&mut Checks)) -> bool {
        let mut checks = Checks::new();
        check(&mut checks);
        checks.has_errors()
    }

    #[test]
    fn only_plain_http_addresses_are_urls_of_webhooks() {
        let refused = |text: &str| {
            is_refused(|checks| drop(check_url(checks, "url", text, &["https", "http"], &AnyUrl)))
        };
        let bad = [
            "ftp://a/",
            "nothing",
            "https://user:pass@a/",
            "https://",
            "file:///etc/passwd",
        ];
        assert!(bad.iter().all(|text| refused(text)));
        assert!(!refused("https://example.com/hook?x=1#part"));
    }

    #[test]
    fn reserved_malformed_and_doubled_headers_are_refused() {
        let refused = |name: &str, value: &str| {
            let headers = BTreeMap::from([(name.to_owned(), value.to_owned())]);
            is_refused(|checks| drop(check_headers(checks, headers)))
        };
        let reserved = [
            "X-OpsKnight-Event",
            "webhook-id",
            "HOST",
            "content-length",
            "Connection",
            "User-Agent",
            "Proxy-Authorization",
            "X_OpsKnight_Event",
            "x.opsknight_signature",
            "Webhook_Id",
            "Content_Length",
        ];
        assert!(reserved.iter().all(|name| refused(name, "x")));
        assert!(refused("a b", "x") && refused("X-A", "line\nbreak") && refused("", "x"));
        assert!(!refused("Authorization", "Bearer x") && !refused("X_Team", "x"));
        let twice = BTreeMap::from([("x-a", "1"), ("X-A", "2")].map(|(n, v)| (n.to_owned(), v.to_owned())));
        assert!(is_refused(|checks| drop(check_headers(checks, twice))));
    }

    #[test]
    fn a_filter_must_be_true_or_false_for_an_event() {
        let refused = |text: &str| is_refused(|checks| drop(check_filter(checks, text)));
        assert!(refused("1 + 1") && refused("severity ==") && refused("nobody == 1"));
        assert!(!refused("assignee.name == \"x\" || severity == \"critical\""));
    }
}
