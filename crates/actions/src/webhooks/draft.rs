//! Checks a webhook as somebody wants it, field by field, into the settings that the model knows.

use std::collections::BTreeMap;
use std::mem::take;
use std::sync::Arc;

use serde::Deserialize;
use url::Url;
use utoipa::ToSchema;

use crate::checks::Checks;
use crate::webhooks::fields::{
    check_canary, check_concurrency, check_events, check_filter, check_headers, check_kind, check_ordering,
    check_rate, check_retry_schedule, check_secret, check_services, check_severities, check_timeout,
    check_when_disabled, has_certificate, has_private_key,
};
use crate::webhooks::options::{OptionsCheck, OptionsDraft, SecretChanges};
use crate::webhooks::outages::apply_outages;
use crate::{ActionError, Patch, UrlRules};
use destination::task::Target;
use kinds::adapter;
use kinds::adapter_or_unknown;
use model::action_link::LINK_KEY;
use model::event::{EventSet, EventType};
use model::exchange::TlsProfile;
use model::incident::Severity;
use model::outage::{AfterOutage, AfterOutageName};
use model::retry::RetrySchedule;
use model::secret::SecretText;
use model::webhook::{
    DEFAULT_CONCURRENCY, Endpoint, MAX_NAME_LENGTH, Ordering, WebhookKind, WebhookSettings, WhenDisabled,
};

/// A webhook as somebody wants it. Creating needs `name`, `events` and, for most kinds, `url`; changing keeps what is absent, and null
/// brings a field back to its default.
#[derive(Clone, Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(as = WebhookChange)]
pub struct WebhookDraft {
    /// A friendly name.
    #[schema(value_type = String, min_length = 1, max_length = 100)]
    #[serde(default)]
    pub name: Patch<String>,
    /// Where events go.
    #[schema(value_type = Option<String>, max_length = 2048)]
    #[serde(default)]
    pub url: Patch<String>,
    /// What signs; only when creating. One is made if absent.
    #[schema(value_type = Option<String>, max_length = 512)]
    #[serde(default)]
    pub secret: Patch<String>,
    /// Which events go there, at least one. Operational ones are not for ticket systems.
    #[schema(value_type = Vec<EventType>, min_items = 1)]
    #[serde(default)]
    pub events: Patch<Vec<String>>,
    /// Which adapter speaks to it; `generic` if absent.
    #[schema(value_type = Option<WebhookKind>)]
    #[serde(default)]
    pub kind: Patch<String>,
    /// What the kind asks for beyond these, name to value; null takes one away. Secret ones are never read back.
    #[schema(value_type = Option<std::collections::HashMap<String, Option<String>>>)]
    #[serde(default)]
    pub options: Patch<OptionsDraft>,
    /// Whether it gets events; true if absent.
    #[schema(value_type = Option<bool>)]
    #[serde(default)]
    pub enabled: Patch<bool>,
    /// A CEL expression: only what it lets pass.
    #[schema(value_type = Option<String>)]
    #[serde(default)]
    pub filter: Patch<String>,
    /// Ids: only these services.
    #[schema(value_type = Option<Vec<String>>)]
    #[serde(default)]
    pub services: Patch<Vec<String>>,
    /// Only these severities.
    #[schema(value_type = Option<Vec<Severity>>)]
    #[serde(default)]
    pub severities: Patch<Vec<String>>,
    /// Headers of your own, name to value. The values are secrets and never read back. A change replaces all.
    #[schema(value_type = Option<std::collections::HashMap<String, String>>)]
    #[serde(default)]
    pub headers: Patch<BTreeMap<String, String>>,
    /// The waits before retries, such as `["1m","5m","15m"]` (the default); empty for no retries.
    #[schema(value_type = Option<Vec<String>>)]
    #[serde(default)]
    pub retry_schedule: Patch<Vec<String>>,
    /// Until the response head must have come, `1s` to `30s`; if absent `10s`, or what the kind takes.
    #[schema(value_type = Option<String>)]
    #[serde(default)]
    pub timeout: Patch<String>,
    /// Requests in flight at once, 1 to 256; 16 if absent.
    #[schema(value_type = Option<u32>, minimum = 1, maximum = 256)]
    #[serde(default)]
    pub concurrency: Patch<u32>,
    /// Requests per time, such as `20/s` or `100/m`; unbounded if absent.
    #[schema(value_type = Option<String>)]
    #[serde(default)]
    pub rate: Patch<String>,
    /// `incident` (the events of one incident in order) if absent.
    #[schema(value_type = Option<Ordering>)]
    #[serde(default)]
    pub ordering: Patch<String>,
    /// What becomes of events while it is disabled; `hold` if absent.
    #[schema(value_type = Option<WhenDisabled>)]
    #[serde(default)]
    pub when_disabled: Patch<String>,
    /// Which of the events that waited through an outage it still gets; `everything`, in order, if absent.
    #[schema(value_type = Option<AfterOutageName>)]
    #[serde(default)]
    pub after_outage: Patch<String>,
    /// With `expire`: how old an event may be, `1m` to `7d`.
    #[schema(value_type = Option<String>)]
    #[serde(default)]
    pub expire_after: Patch<String>,
    /// The id of the webhook that takes over what is dead.
    #[schema(value_type = Option<String>)]
    #[serde(default)]
    pub fallback_webhook: Patch<String>,
    /// It also takes over what was not delivered after this time, `30s` to `7d`.
    #[schema(value_type = Option<String>)]
    #[serde(default)]
    pub fallback_after: Patch<String>,
    /// A test is sent this often, `1h` to `168h` in whole hours; none if absent. Not for ticket systems.
    #[schema(value_type = Option<String>)]
    #[serde(default)]
    pub canary: Patch<String>,
    /// Certificates beyond the public authorities.
    #[schema(value_type = Option<TlsDraft>)]
    #[serde(default)]
    pub tls: Patch<TlsDraft>,
}

/// TLS settings of one webhook.
#[derive(Clone, Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(as = WebhookTls)]
pub struct TlsDraft {
    /// An authority to trust besides the public ones, PEM.
    #[schema(value_type = Option<String>)]
    #[serde(default)]
    pub ca_pem: Patch<String>,
    /// A client certificate and its key, PEM. A secret.
    #[schema(value_type = Option<String>)]
    #[serde(default)]
    pub identity_pem: Patch<String>,
}

/// A draft without mistakes.
pub struct CheckedWebhook {
    /// All settings as they shall be.
    pub settings: WebhookSettings,
    /// What shall sign, if the draft says.
    pub secret: Option<SecretText>,
    /// Secret options that change.
    pub secret_options: SecretChanges,
    /// Where it leads then, for its kind to try.
    pub target: Target,
    /// Headers of the user's own, if they change.
    pub headers: Option<Vec<(String, SecretText)>>,
    /// TLS settings, if they change.
    pub tls: TlsChange,
    /// Whether it shall be enabled, if the draft says.
    pub enabled: Option<bool>,
}

/// Changes of a webhook's TLS settings.
#[derive(Default)]
pub struct TlsChange {
    /// Another authority, or none, if it changes.
    pub ca_pem: Option<Option<String>>,
    /// A client certificate and key, or none, if it changes.
    pub identity_pem: Option<Option<SecretText>>,
}

impl TlsChange {
    /// The TLS settings of a new webhook; nothing if it has none.
    pub fn into_profile(self) -> Option<Arc<TlsProfile>> {
        let ca_pem = self.ca_pem.flatten();
        let identity_pem = self.identity_pem.flatten().map(|pem| pem.reveal().to_owned());
        let has_any = ca_pem.is_some() || identity_pem.is_some();
        has_any.then(|| Arc::new(TlsProfile { ca_pem, identity_pem }))
    }
}

/// Checks a draft against the webhook it changes, or against the defaults if it creates one.
pub fn check_webhook(
    mut draft: WebhookDraft,
    before: Option<&Endpoint>,
    url_rules: &dyn UrlRules,
) -> Result<CheckedWebhook, ActionError> {
    let mut checks = Checks::new();
    let endpoint = before;
    let before = endpoint.map(|endpoint| &endpoint.webhook.settings);
    let Some(mut settings) = before.cloned().or_else(|| blank_settings(WebhookKind::GENERIC)) else {
        return Err(ActionError::Internal(
            "the defaults of a webhook cannot be made".into(),
        ));
    };
    apply_kind(&mut checks, &mut settings, take(&mut draft.kind), before);
    if before.is_none() {
        settings.timeout = adapter_or_unknown(settings.kind).default_timeout();
    }
    if before.is_some() && draft.secret != Patch::Keep {
        checks.fail("secret", "not_changeable", "change the secret with rotate-secret");
    }
    let is_new = before.is_none();
    if let Some(name) = required(&mut checks, "name", take(&mut draft.name), is_new) {
        checks.name("name", &name, MAX_NAME_LENGTH);
        settings.name = name;
    }
    if let Some(events) = required(&mut checks, "events", take(&mut draft.events), is_new) {
        settings.events = check_events(&mut checks, &events);
    }
    apply_choice_of_events(&mut checks, &mut settings, &mut draft);
    apply_way_of_sending(&mut checks, &mut settings, &mut draft);
    let headers = take(&mut draft.headers).into_change();
    let headers = headers.map(|headers| check_headers(&mut checks, headers.unwrap_or_default()));
    let url = match take(&mut draft.url) {
        Patch::Keep => None,
        Patch::Clear => Some(String::new()),
        Patch::Set(url) => Some(url),
    };
    let options = match take(&mut draft.options) {
        Patch::Keep => OptionsDraft::new(),
        Patch::Clear => all_cleared(&settings, endpoint),
        Patch::Set(options) => options,
    };
    let (secret_options, target) = match adapter(settings.kind) {
        Some(adapter) => OptionsCheck {
            adapter,
            before: endpoint,
            headers: headers.as_deref(),
            rules: url_rules,
        }
        .apply(&mut checks, &mut settings, url.as_deref(), options),
        None => return Err(unknown_kind(checks)),
    };
    let secret = draft.secret.set();
    let secret = secret.map(|secret| check_secret(&mut checks, secret));
    let tls = check_tls(&mut checks, draft.tls);
    let enabled = match draft.enabled {
        Patch::Set(enabled) => Some(enabled),
        Patch::Clear => Some(true),
        Patch::Keep => None,
    };
    checks.finish(|| CheckedWebhook {
        settings,
        secret,
        secret_options,
        target,
        headers,
        tls,
        enabled,
    })
}

/// A kind that was made by a newer version cannot be changed by this one.
fn unknown_kind(mut checks: Checks) -> ActionError {
    checks.fail("kind", "invalid_value", "this version does not know this kind");
    checks.into_error()
}

/// A kind is chosen once: its options mean nothing to another.
fn apply_kind(
    checks: &mut Checks,
    settings: &mut WebhookSettings,
    kind: Patch<String>,
    before: Option<&WebhookSettings>,
) {
    change(&mut settings.kind, kind, WebhookKind::GENERIC, |text| {
        check_kind(checks, &text)
    });
    if before.is_some_and(|before| before.kind != settings.kind) {
        let detail = "the kind of a webhook cannot change: make a new webhook";
        checks.fail("kind", "not_changeable", detail);
    }
}

/// Takes every option away.
fn all_cleared(settings: &WebhookSettings, before: Option<&Endpoint>) -> OptionsDraft {
    let secrets = before.map(|endpoint| endpoint.secrets.options.keys());
    let is_internal = |name: &&String| ["url", LINK_KEY].contains(&name.as_str());
    let secrets = secrets.into_iter().flatten().filter(|name| !is_internal(name));
    let names = settings.options.keys().chain(secrets);
    names.map(|name| (name.clone(), None)).collect()
}

/// Which of its events a webhook gets.
fn apply_choice_of_events(checks: &mut Checks, settings: &mut WebhookSettings, draft: &mut WebhookDraft) {
    change(&mut settings.filter, take(&mut draft.filter), None, |text| {
        check_filter(checks, &text)
    });
    let services = take(&mut draft.services);
    change(&mut settings.services, services, Vec::new(), |ids| {
        check_services(checks, &ids)
    });
    let severities = take(&mut draft.severities);
    change(&mut settings.severities, severities, Vec::new(), |texts| {
        check_severities(checks, &texts)
    });
}

/// What would make tickets that nobody closes.
fn refuse_needless_tickets(checks: &mut Checks, settings: &WebhookSettings) {
    if adapter_or_unknown(settings.kind).ticketing().is_none() {
        return;
    }
    if settings.events.has_operational() {
        let detail =
            "a ticket system gets events of incidents only: choose another webhook for operational ones";
        checks.fail("events", "not_for_tickets", detail);
    }
    if settings.canary_hours.is_some() {
        let detail = "a canary would make a ticket each time: check the connection instead";
        checks.fail("canary", "not_for_tickets", detail);
    }
}

/// When and how fast a webhook is sent to.
fn apply_way_of_sending(checks: &mut Checks, settings: &mut WebhookSettings, draft: &mut WebhookDraft) {
    let schedule = take(&mut draft.retry_schedule);
    change(
        &mut settings.retry_schedule,
        schedule,
        RetrySchedule::default(),
        |texts| check_retry_schedule(checks, &texts),
    );
    let timeout = take(&mut draft.timeout);
    let usual = adapter_or_unknown(settings.kind).default_timeout();
    change(&mut settings.timeout, timeout, usual, |text| {
        check_timeout(checks, &text)
    });
    let concurrency = take(&mut draft.concurrency);
    change(
        &mut settings.concurrency,
        concurrency,
        DEFAULT_CONCURRENCY,
        |count| check_concurrency(checks, count),
    );
    change(&mut settings.rate, take(&mut draft.rate), None, |text| {
        check_rate(checks, &text)
    });
    let ordering = take(&mut draft.ordering);
    change(&mut settings.ordering, ordering, Ordering::Incident, |text| {
        check_ordering(checks, &text)
    });
    let when_disabled = take(&mut draft.when_disabled);
    change(
        &mut settings.when_disabled,
        when_disabled,
        WhenDisabled::Hold,
        |text| check_when_disabled(checks, &text),
    );
    apply_outages(checks, settings, draft, adapter_or_unknown(settings.kind));
    change(
        &mut settings.canary_hours,
        take(&mut draft.canary),
        None,
        |text| check_canary(checks, &text),
    );
    refuse_needless_tickets(checks, settings);
}

/// The defaults (docs/contract.md, 2); name, URL and events are placeholders that no new webhook keeps.
pub(crate) fn blank_settings(kind: WebhookKind) -> Option<WebhookSettings> {
    Some(WebhookSettings {
        name: String::new(),
        kind,
        options: BTreeMap::new(),
        url: Url::parse("http://unset.invalid/").ok()?,
        events: EventSet::default(),
        services: Vec::new(),
        severities: Vec::new(),
        filter: None,
        retry_schedule: RetrySchedule::default(),
        timeout: adapter_or_unknown(kind).default_timeout(),
        concurrency: DEFAULT_CONCURRENCY,
        rate: None,
        ordering: Ordering::Incident,
        when_disabled: WhenDisabled::Hold,
        after_outage: AfterOutage::Everything,
        fallback: None,
        canary_hours: None,
    })
}

/// A field without a default: creating needs it, and it cannot be cleared.
fn required<T>(checks: &mut Checks, field: &str, patch: Patch<T>, is_new: bool) -> Option<T> {
    match patch {
        Patch::Set(value) => Some(value),
        Patch::Keep if !is_new => None,
        Patch::Keep | Patch::Clear => {
            checks.missing(field);
            None
        }
    }
}

/// Changes one setting; a value that `check` refused leaves it as it is.
fn change<T, U>(setting: &mut T, patch: Patch<U>, default: T, check: impl FnOnce(U) -> Option<T>) {
    match patch {
        Patch::Keep => {}
        Patch::Clear => *setting = default,
        Patch::Set(value) => {
            if let Some(checked) = check(value) {
                *setting = checked;
            }
        }
    }
}

fn check_tls(checks: &mut Checks, patch: Patch<TlsDraft>) -> TlsChange {
    let draft = match patch {
        Patch::Keep => return TlsChange::default(),
        Patch::Clear => TlsDraft {
            ca_pem: Patch::Clear,
            identity_pem: Patch::Clear,
        },
        Patch::Set(draft) => draft,
    };
    let ca_pem = draft.ca_pem.into_change();
    if let Some(Some(pem)) = &ca_pem
        && !has_certificate(pem)
    {
        checks.fail("tls.caPem", "invalid_pem", "this holds no certificate in PEM");
    }
    let identity_pem = draft.identity_pem.into_change();
    if let Some(Some(pem)) = &identity_pem
        && !(has_certificate(pem) && has_private_key(pem))
    {
        let detail = "this holds no certificate with its private key in PEM";
        checks.fail("tls.identityPem", "invalid_pem", detail);
    }
    TlsChange {
        ca_pem,
        identity_pem: identity_pem.map(|pem| pem.map(SecretText::new)),
    }
}
