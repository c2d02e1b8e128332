//! The fields of a webhook as somebody types them: shown, read back, tried on the latest events, saved.

use std::collections::BTreeMap;

use askama::Template;
use axum::extract::State;
use axum::response::Response;

use crate::layout::choices::Choice;
use crate::layout::error::{FieldErrors, PageError, PageResult};
use crate::layout::form::Form;
use crate::layout::query::PathId;
use crate::layout::typed_secrets::TypedSecrets;
use crate::layout::{Layout, Nav, go, render, render_refused};
use crate::session::UserSession;
use crate::state::WebState;
use crate::webhooks::event_choices::{
    EventChoice, event_choices, is_told_of_webhooks, operational_choices, severity_boxes,
};
use crate::webhooks::form_secrets::{HeaderRow, headers_of, keep_secrets, spare_headers, with_typed_secrets};
use crate::webhooks::options::{KindFields, Shown, options_draft};
use crate::webhooks::outage_fields::{self, OutageFields};
use crate::webhooks::service_picker::ServicePicker;
use actions::checks::Checks;
use actions::webhooks::choice_preview::ChoicePreview;
use actions::webhooks::draft::{TlsDraft, WebhookDraft};
use actions::{ActionError, Patch};
use destination::about::{KindDescription, UrlField};
use model::event::EventType;
use model::id::WebhookId;
use model::incident::Severity;
use model::time::format_duration;
use model::webhook::{Ordering, Webhook, WebhookKind, WhenDisabled};

/// The fields of a webhook, as typed.
pub struct WebhookFields {
    /// A friendly name.
    pub name: String,
    /// Every event of incidents.
    pub events: Vec<EventChoice>,
    /// Every operational event; none if its kind does not get them.
    pub operational: Vec<EventChoice>,
    /// A CEL expression.
    pub filter: String,
    /// The services that it is limited to.
    pub services: ServicePicker,
    /// Every severity.
    pub severities: Vec<Choice>,
    /// Names of headers that are set already; their values are never shown.
    pub header_names: Vec<String>,
    /// Headers being typed.
    pub headers: Vec<HeaderRow>,
    /// The waits before retries.
    pub retry_schedule: String,
    /// Until the response head must have come.
    pub timeout: String,
    /// Requests in flight at once.
    pub concurrency: String,
    /// Requests per time.
    pub rate: String,
    /// `incident` or `none`.
    pub ordering: String,
    /// `hold` or `drop`.
    pub when_disabled: String,
    /// What it does when its receiver fails.
    pub outage: OutageFields,
    /// How often a test is sent; nothing if its kind gets none.
    pub canary: Option<String>,
    /// Whether it has an authority of its own.
    pub has_ca: bool,
    /// Whether it has a client certificate of its own.
    pub has_identity: bool,
    /// Whether it exists already.
    pub is_saved: bool,
    /// Names the settings that the form was made from.
    pub seen: String,
    /// Whether the headers that are set shall be replaced, as ticked.
    pub replaces_headers: bool,
}

impl WebhookFields {
    /// The fields of a webhook of a kind to come.
    pub fn empty(kind: WebhookKind) -> Self {
        Self {
            name: String::new(),
            events: event_choices(|_| true),
            operational: operational_choices(kind, |_| false),
            filter: String::new(),
            services: ServicePicker::default(),
            severities: severity_boxes(&[]),
            header_names: Vec::new(),
            headers: spare_headers().collect(),
            retry_schedule: "1m, 5m, 15m".into(),
            timeout: format_duration(kinds::adapter_or_unknown(kind).default_timeout()),
            concurrency: "16".into(),
            rate: String::new(),
            ordering: Ordering::Incident.as_str().into(),
            when_disabled: WhenDisabled::Hold.as_str().into(),
            outage: OutageFields::empty(),
            canary: is_told_of_webhooks(kind).then(String::new),
            has_ca: false,
            has_identity: false,
            is_saved: false,
            seen: String::new(),
            replaces_headers: false,
        }
    }

    /// The fields of a webhook as it is.
    fn new(webhook: &Webhook) -> Self {
        let settings = &webhook.settings;
        let delays = settings.retry_schedule.delays().iter();
        let delays: Vec<_> = delays.map(|delay| format_duration(*delay)).collect();
        Self {
            name: settings.name.clone(),
            events: event_choices(|event| settings.events.contains(event)),
            operational: operational_choices(settings.kind, |event| {
                settings.events.has(EventType::Operational(event))
            }),
            filter: settings
                .filter
                .as_ref()
                .map_or("", |filter| filter.source())
                .to_owned(),
            services: ServicePicker::new(settings.services.iter().map(ToString::to_string).collect()),
            severities: severity_boxes(&settings.severities),
            header_names: webhook.header_names.clone(),
            retry_schedule: delays.join(", "),
            timeout: format_duration(settings.timeout),
            concurrency: settings.concurrency.to_string(),
            rate: settings.rate.map_or(String::new(), |rate| rate.to_string()),
            ordering: settings.ordering.as_str().into(),
            when_disabled: settings.when_disabled.as_str().into(),
            outage: OutageFields::new(settings),
            canary: is_told_of_webhooks(settings.kind).then(|| {
                settings
                    .canary_hours
                    .map_or(String::new(), |hours| format!("{hours}h"))
            }),
            has_ca: webhook.has_extra_ca,
            has_identity: webhook.has_tls_identity,
            is_saved: true,
            seen: version_of(webhook),
            ..Self::empty(settings.kind)
        }
    }

    /// The fields as somebody typed them, on top of those of the webhook that they change.
    pub fn typed(form: &Form, kind: WebhookKind, before: Option<&Webhook>, kept: &TypedSecrets) -> Self {
        let events = form.all("events");
        let is_typed = |name: &str| events.iter().any(|text| text == name);
        let severities: Vec<_> = form
            .all("severities")
            .iter()
            .filter_map(|text| Severity::parse(text))
            .collect();
        let headers = headers_of(form).map(|(name, _)| HeaderRow {
            is_kept: kept.has_beside(&name),
            name,
        });
        let headers = headers.chain(spare_headers()).collect();
        Self {
            name: form.text("name").to_owned(),
            events: event_choices(|event| is_typed(event.as_str())),
            operational: operational_choices(kind, |event| is_typed(event.as_str())),
            filter: form.lines("filter"),
            services: ServicePicker::typed(form),
            severities: severity_boxes(&severities),
            headers,
            retry_schedule: form.text("retrySchedule").to_owned(),
            timeout: form.text("timeout").to_owned(),
            concurrency: form.text("concurrency").to_owned(),
            rate: form.text("rate").to_owned(),
            ordering: form.text("ordering").to_owned(),
            when_disabled: form.text("whenDisabled").to_owned(),
            outage: OutageFields::typed(form),
            canary: is_told_of_webhooks(kind).then(|| form.text("canary").to_owned()),
            replaces_headers: form.has("replaceHeaders"),
            ..before.map_or_else(|| Self::empty(kind), Self::new)
        }
    }

    /// Puts the names of services in, and of all other webhooks; those chosen stay so.
    pub async fn with_choices(mut self, state: &WebState, own: Option<WebhookId>) -> Result<Self, PageError> {
        self.services = self.services.filled(state).await?;
        self.outage = self.outage.with_choices(state, own).await?;
        Ok(self)
    }
}

/// A draft out of a form. What is empty goes back to its default.
pub fn draft_of(form: &Form, is_new: bool, about: &KindDescription) -> WebhookDraft {
    let headers: BTreeMap<_, _> = headers_of(form).collect();
    let replaces_headers = is_new || form.has("replaceHeaders");
    let concurrency = match form.text("concurrency") {
        "" => Patch::Clear,
        text => Patch::Set(text.parse().unwrap_or(0)),
    };
    let draft = WebhookDraft {
        name: Patch::Set(form.text("name").to_owned()),
        url: match form.text("url") {
            "" if form.has("remove-url") => Patch::Clear,
            "" if !is_new && matches!(about.url, UrlField::Secret { .. }) => Patch::Keep,
            url => Patch::Set(url.to_owned()),
        },
        options: Patch::Set(options_draft(about, form)),
        secret: match form.raw("secret") {
            secret if is_new && !secret.is_empty() => Patch::Set(secret.to_owned()),
            _ => Patch::Keep,
        },
        events: Patch::Set(form.all("events")),
        kind: Patch::Keep,
        enabled: Patch::Keep,
        filter: text_or_default(form.lines("filter")),
        services: Patch::Set(form.all("services")),
        severities: Patch::Set(form.all("severities")),
        headers: if replaces_headers {
            Patch::Set(headers)
        } else {
            Patch::Keep
        },
        retry_schedule: Patch::Set(schedule_of(form.text("retrySchedule"))),
        timeout: text_or_default(form.text("timeout").to_owned()),
        concurrency,
        rate: text_or_default(form.text("rate").to_owned()),
        ordering: text_or_default(form.text("ordering").to_owned()),
        when_disabled: text_or_default(form.text("whenDisabled").to_owned()),
        canary: text_or_default(form.text("canary").to_owned()),
        tls: Patch::Set(TlsDraft {
            ca_pem: pem(form, "caPem", "removeCa"),
            identity_pem: pem(form, "identityPem", "removeIdentity"),
        }),
        ..WebhookDraft::default()
    };
    outage_fields::apply_to(draft, form)
}

/// A text, or the default if it is empty.
pub fn text_or_default(text: String) -> Patch<String> {
    if text.is_empty() {
        Patch::Clear
    } else {
        Patch::Set(text)
    }
}

/// `1m, 5m 15m` as its parts; nothing for no retries.
fn schedule_of(text: &str) -> Vec<String> {
    let parts = text.split([',', ' ']).filter(|part| !part.is_empty());
    parts.map(str::to_owned).collect()
}

/// A certificate that is typed, removed, or stays as it is.
fn pem(form: &Form, field: &str, remove: &str) -> Patch<String> {
    match form.lines(field) {
        text if !text.is_empty() => Patch::Set(text),
        _ if form.has(remove) => Patch::Clear,
        _ => Patch::Keep,
    }
}

#[derive(Template)]
#[template(path = "webhooks/form.html")]
struct EditPage {
    layout: Layout,
    id: WebhookId,
    fields: WebhookFields,
    kind: KindFields,
    typed: TypedSecrets,
    errors: FieldErrors,
}

impl EditPage {
    /// The form of a webhook, with what was typed and what is wrong with it.
    async fn load(
        state: &WebState,
        session: &UserSession,
        webhook: &Webhook,
        typed: Option<&Form>,
        errors: FieldErrors,
    ) -> Result<Self, PageError> {
        let about = kinds::adapter_or_unknown(webhook.settings.kind).description();
        let kept = keep_secrets(session, &edit_path(webhook.id), typed, about, &errors);
        let shown = Shown {
            saved: Some(webhook),
            typed,
            kept: &kept,
            errors: &errors,
        };
        let kind = KindFields::load(state, webhook.settings.kind, shown).await?;
        let fields = match typed {
            Some(form) => WebhookFields::typed(form, webhook.settings.kind, Some(webhook), &kept),
            None => WebhookFields::new(webhook),
        };
        let title = format!("Edit {}", webhook.settings.name);
        Ok(Self {
            layout: Layout::new(session, title, Nav::Integrations),
            id: webhook.id,
            fields: fields.with_choices(state, Some(webhook.id)).await?,
            kind,
            typed: kept,
            errors,
        })
    }
}

/// `GET /settings/integrations/{id}/edit`
pub async fn page(
    State(state): State<WebState>,
    session: UserSession,
    PathId(id): PathId<WebhookId>,
) -> PageResult {
    let webhook = state.store.webhooks.get(id).await?;
    let errors = FieldErrors::default();
    render(&EditPage::load(&state, &session, &webhook, None, errors).await?)
}

/// `POST /settings/integrations/{id}/edit`
pub async fn change(
    State(state): State<WebState>,
    session: UserSession,
    PathId(id): PathId<WebhookId>,
    form: Form,
) -> PageResult {
    let before = state.store.webhooks.get(id).await?;
    let form = with_typed_secrets(&session, &edit_path(id), form);
    if is_no_attempt(&form) {
        let errors = FieldErrors::default();
        return render(&EditPage::load(&state, &session, &before, Some(&form), errors).await?);
    }
    let about = kinds::adapter_or_unknown(before.settings.kind).description();
    let draft = draft_of(&form, false, about);
    let changed = match refusal_of(&form, &before) {
        Some(error) => Err(error),
        None => state.actions.change_webhook(session.actor(), id, draft).await,
    };
    match changed {
        Ok(_) => go(&format!("/settings/integrations/{id}"), "saved"),
        Err(error) => {
            let errors = field_errors(error)?;
            let webhook = state.store.webhooks.get(id).await?;
            let page = EditPage::load(&state, &session, &webhook, Some(&form), errors);
            render_refused(&page.await?)
        }
    }
}

/// Whether a form only asks for a preview, or for services to choose from.
pub fn is_no_attempt(form: &Form) -> bool {
    form.has("preview") || form.has("findServices")
}

fn edit_path(id: WebhookId) -> String {
    format!("/settings/integrations/{id}/edit")
}

/// What only a form can get wrong: headers that would be dropped in silence, and a page that is older than the webhook.
fn refusal_of(form: &Form, before: &Webhook) -> Option<ActionError> {
    let mut checks = Checks::new();
    let has_headers = headers_of(form).next().is_some();
    if has_headers && !form.has("replaceHeaders") {
        let detail = "tick the box to replace the headers that are set by these, or leave the rows empty";
        checks.fail("headers", "ambiguous", detail);
    }
    if form.text("seen") != version_of(before) {
        let detail = "somebody changed this webhook meanwhile; look at it in another window, then save again to put \
                      yours on top";
        checks.fail("seen", "changed_meanwhile", detail);
    }
    checks.has_errors().then(|| checks.into_error())
}

/// Names the settings that a form was made from.
fn version_of(webhook: &Webhook) -> String {
    webhook.updated_at.as_millis().to_string()
}

/// What is wrong with the fields of a webhook, beside them.
pub fn field_errors(error: ActionError) -> Result<FieldErrors, PageError> {
    match error {
        ActionError::Unknown { what: "service" } => Ok(FieldErrors::one(
            "services",
            "one of these services is gone: choose anew",
        )),
        error => FieldErrors::of(error),
    }
}

#[derive(Template)]
#[template(path = "webhooks/filter_verdict.html")]
struct FilterVerdict {
    verdict: Result<ChoicePreview, String>,
}

/// `POST /settings/integrations/check-filter`: a piece of a page, for the script.
pub async fn check_filter(State(state): State<WebState>, form: Form) -> Result<Response, PageError> {
    let draft = WebhookDraft {
        events: Patch::Set(form.all("events")),
        services: Patch::Set(form.all("services")),
        severities: Patch::Set(form.all("severities")),
        filter: text_or_default(form.lines("filter")),
        ..WebhookDraft::default()
    };
    let verdict = match state.actions.preview_webhook(draft).await {
        Ok(preview) => Ok(preview),
        Err(ActionError::Invalid(errors)) => {
            let sentences: Vec<_> = errors.into_iter().map(|error| error.detail).collect();
            Err(sentences.join("; "))
        }
        Err(error) => return Err(error.into()),
    };
    render(&FilterVerdict { verdict })
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::webhook::WebhookKind;

    fn about() -> &'static KindDescription {
        kinds::adapter_or_unknown(WebhookKind::GENERIC).description()
    }

    #[test]
    fn a_form_becomes_the_draft_that_the_api_would_get() {
        let form = Form::new(&[
            ("name", " Pager "),
            ("url", "https://a.example/"),
            ("events", "incident.triggered"),
            ("retrySchedule", "1m, 5m  15m"),
            ("rate", ""),
            ("concurrency", "many"),
            ("headerName", "X-A"),
            ("headerValue", "1"),
            ("headerName", ""),
            ("headerValue", ""),
        ]);
        let draft = draft_of(&form, true, about());
        assert!(draft.name == Patch::Set("Pager".into()) && draft.rate == Patch::Clear);
        assert!(draft.retry_schedule == Patch::Set(["1m", "5m", "15m"].map(str::to_owned).into()));
        assert!(draft.concurrency == Patch::Set(0) && draft.secret == Patch::Keep);
        assert!(draft.headers == Patch::Set(BTreeMap::from([("X-A".to_owned(), "1".to_owned())])));
    }

    #[test]
    fn headers_of_a_saved_webhook_stay_unless_they_are_to_be_replaced() {
        let stay = Form::new(&[("headerName", ""), ("headerValue", "")]);
        assert!(draft_of(&stay, false, about()).headers == Patch::Keep);
        let replace = Form::new(&[("replaceHeaders", "yes")]);
        assert!(draft_of(&replace, false, about()).headers == Patch::Set(BTreeMap::new()));
    }
}
