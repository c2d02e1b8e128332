//! One webhook: how it does, Send Test with everything that was sent and came back, and what can be done to it.

use askama::Template;
use axum::extract::State;
use axum::response::{IntoResponse, Redirect};

use crate::deliveries::attempt::AttemptView;
use crate::deliveries::list::{DeliveryRow, delivery_rows, event_choices, since_of, state_choices};
use crate::inboxes::snippets::{SNIPPETS, Snippet, snippet};
use crate::layout::choices::Choice;
use crate::layout::error::{FieldErrors, PageError, PageResult};
use crate::layout::form::Form;
use crate::layout::paging::{Pager, page_of};
use crate::layout::query::{PathId, Query};
use crate::layout::show::{self, Markup};
use crate::layout::{Layout, Nav, go, render, render_refused};
use crate::overview::chart::{Day, chart_start};
use crate::session::UserSession;
use crate::state::WebState;
use crate::webhooks::facts::{Fact, facts};
use crate::webhooks::list::{CanaryLine, trouble, webhook_badge};
use crate::webhooks::new::show_secret;
use crate::webhooks::receiver_links::LinkList;
use actions::deliveries::Period;
use actions::webhooks::RotationDraft;
use destination::about::{Signature, UrlField};
use destination::ticketing::{Finding, FindingState};
use model::access::Scope;
use model::delivery::DeliveryState;
use model::event::{EventName, EventType};
use model::id::{DeliveryId, WebhookId};
use model::time::Timestamp;
use model::webhook::{Webhook, WhenDisabled, masked_url};
use store::deliveries::{DeliveryDetail, DeliveryFilter, WebhookStats};

/// How an attempt failed, and how often.
struct FailureLine {
    code: &'static str,
    advice: &'static str,
    count: String,
}

/// The result of a Send Test.
struct TestResult {
    delivery_id: DeliveryId,
    attempt: AttemptView,
    body: String,
    curl: String,
}

/// What a recovery would do, or did.
struct Recovery {
    since: &'static str,
    since_name: &'static str,
    count: u64,
    /// Whether it was only counted.
    is_dry: bool,
    is_done: bool,
}

/// What may be sent as a sample.
pub fn sample_events() -> Vec<Choice> {
    let choice = |name: &&'static str| Choice::new(*name, *name, "");
    EventName::NAMES.iter().map(choice).collect()
}

#[derive(Template)]
#[template(path = "webhooks/page.html")]
struct WebhookPage {
    layout: Layout,
    id: WebhookId,
    name: String,
    url: String,
    badge: Markup,
    is_enabled: bool,
    is_degraded: bool,
    trouble: Option<String>,
    trouble_since: Option<Markup>,
    /// When its next delivery is due, if that is later than now.
    next_try: Option<Markup>,
    day: Day,
    stats: WebhookStats,
    failures: Vec<FailureLine>,
    last_delivered: Markup,
    canary: Option<CanaryLine>,
    test: Option<TestResult>,
    test_events: Vec<Choice>,
    language: &'static Snippet,
    deliveries: Vec<DeliveryRow>,
    states: Vec<Choice>,
    events: Vec<Choice>,
    pager: Pager,
    facts: Vec<Fact>,
    overlap_until: Option<Markup>,
    hold: bool,
    recovery: Option<Recovery>,
    rotation_errors: FieldErrors,
    receiver_links: LinkList,
    query: Query,
    /// How to have the platform tell us of pressed buttons, for those who may set it up.
    callback: Option<String>,
    /// When the platform last did that.
    last_call: Option<Markup>,
    /// Whether requests are signed.
    is_signed: bool,
    /// Whether a copied request works: nothing in it is masked.
    is_repeatable: bool,
    kind_name: &'static str,
    /// Whether it makes tickets.
    makes_tickets: bool,
    /// What Check connection found.
    findings: Option<Vec<Finding>>,
}

impl WebhookPage {
    async fn load(
        state: &WebState,
        session: &UserSession,
        id: WebhookId,
        query: Query,
    ) -> Result<Self, PageError> {
        let now = session.context.now;
        let webhook = state.store.webhooks.get(id).await?;
        let adapter = kinds::adapter_or_unknown(webhook.settings.kind);
        let about = adapter.description();
        let activity = state.store.overview.activity(chart_start(now)).await?;
        let stats = state.store.deliveries.webhook_stats(id, chart_start(now)).await?;
        let (deliveries, pager) = list_deliveries(state, id, &query, now).await?;
        let test = match query.parsed("test", |text| text.parse().ok()) {
            Some(delivery_id) => test_result(state, session, &webhook, delivery_id).await?,
            None => None,
        };
        let last_call = state.store.endpoints.last_call_at(id).await?;
        Ok(Self {
            layout: Layout::new(session, webhook.settings.name.clone(), Nav::Integrations),
            id,
            url: if session.may(Scope::WebhooksWrite) {
                webhook.settings.url.to_string()
            } else {
                masked_url(&webhook.settings.url)
            },
            badge: webhook_badge(&webhook),
            is_enabled: webhook.is_enabled(),
            is_degraded: webhook.degraded.is_some(),
            trouble: trouble(&webhook),
            trouble_since: trouble_since(&webhook).map(|since| show::lasting(since, now)),
            day: Day::new(&activity, Some(id), now),
            next_try: stats
                .next_due_at
                .filter(|at| *at > now)
                .map(|at| show::when(at, now)),
            failures: failure_lines(&stats),
            last_delivered: show::when_or_dash(stats.last_delivered_at, now),
            canary: CanaryLine::new(&webhook, now),
            stats,
            test,
            test_events: sample_events(),
            language: snippet(query.text("lang")),
            deliveries: delivery_rows(state, &deliveries, now).await?,
            states: state_choices(query.text("status")),
            events: event_choices(query.text("event")),
            pager,
            facts: facts(&webhook, state).await?,
            overlap_until: webhook
                .previous_secret_until
                .filter(|until| now < *until)
                .map(show::when_exactly),
            hold: webhook.settings.when_disabled == WhenDisabled::Hold,
            recovery: None,
            rotation_errors: FieldErrors::default(),
            receiver_links: LinkList::load(state, session, id).await?,
            callback: match session.may(Scope::WebhooksWrite) {
                true => callback_help(state, id).await?,
                false => None,
            },
            last_call: last_call.map(|at| show::when(at, now)),
            is_signed: about.signature == Signature::Ours,
            is_repeatable: matches!(about.url, UrlField::Open { .. }) && !about.has_secrets(),
            kind_name: about.name,
            makes_tickets: adapter.ticketing().is_some(),
            findings: None,
            query,
            name: webhook.settings.name,
        })
    }

    /// Badge and word of a finding.
    fn finding_badge(state: &FindingState) -> Markup {
        match state {
            FindingState::Good => show::badge("success", "Good"),
            FindingState::Unsure => show::badge("neutral", "Unsure"),
            FindingState::Bad => show::badge("error", "Missing"),
        }
    }

    /// What the findings come to.
    fn findings_sum(findings: &[Finding]) -> &'static str {
        let has = |state: FindingState| findings.iter().any(|finding| finding.state == state);
        match (has(FindingState::Bad), has(FindingState::Unsure)) {
            (true, _) => "Something is missing",
            (false, true) => "Nothing is missing, as far as can be seen",
            (false, false) => "Nothing is missing",
        }
    }

    fn snippets() -> &'static [Snippet] {
        &SNIPPETS
    }

    /// The same page with another language.
    fn address_with(&self, language: &str) -> String {
        let test = self.query.text("test");
        let pairs = [("test", test), ("lang", language)];
        crate::layout::paging::address(&format!("/settings/integrations/{}", self.id), &pairs, None)
    }

    /// What is open is counted up to a number.
    fn count(number: &u64) -> String {
        show::counted(*number)
    }

    /// What is recovered is counted to the end, and what is dead to that of the sample.
    fn exact(number: &u64) -> String {
        show::count(*number)
    }
}

async fn list_deliveries(
    state: &WebState,
    id: WebhookId,
    query: &Query,
    now: Timestamp,
) -> Result<(Vec<model::delivery::Delivery>, Pager), PageError> {
    let filter = DeliveryFilter {
        webhook_id: Some(id),
        event: query.parsed("event", EventType::parse),
        state: query.parsed("status", DeliveryState::parse),
        since: since_of(query.text("since"), now),
        ..DeliveryFilter::default()
    };
    let mut page = page_of(query.text("before"));
    page.limit = 20;
    let listed = state.store.deliveries.list(filter, page).await?;
    let filters = ["event", "status"].map(|name| (name, query.text(name)));
    let path = format!("/settings/integrations/{id}");
    let pager = Pager::of_listed(&path, &filters, page, &listed);
    Ok((listed.rows, pager))
}

async fn test_result(
    state: &WebState,
    session: &UserSession,
    webhook: &Webhook,
    delivery_id: DeliveryId,
) -> Result<Option<TestResult>, PageError> {
    let detail: DeliveryDetail = state.store.deliveries.get(delivery_id).await?;
    if detail.delivery.webhook_id != webhook.id || !detail.delivery.is_test {
        return Ok(None);
    }
    Ok(detail.attempts.last().map(|attempt| {
        let sent = attempt.request_body.as_ref().unwrap_or(&detail.body);
        let body = show::body_text(sent);
        let pretty = show::pretty_json(sent);
        let mut attempt = AttemptView::new(attempt, Some(webhook.settings.kind));
        show_url(&mut attempt, session, webhook);
        TestResult {
            delivery_id,
            curl: attempt.curl(&body),
            body: pretty.unwrap_or(body),
            attempt,
        }
    }))
}

/// What makes the platform call us, or what is missing for that.
async fn callback_help(state: &WebState, id: WebhookId) -> Result<Option<String>, PageError> {
    let base = state.message_base();
    let help = state
        .actions
        .callback_help(id, base.as_deref().unwrap_or_default())
        .await?;
    Ok(help.map(|help| match base {
        Some(_) => help,
        None => {
            "Set public_url in the server's settings first: the platform must know where to call.".to_owned()
        }
    }))
}

/// The log masks URLs. Whoever may set the URL, and may see it, gets a command to copy that works. Requests about tickets go to
/// many places below the URL.
fn show_url(attempt: &mut AttemptView, session: &UserSession, webhook: &Webhook) {
    let adapter = kinds::adapter_or_unknown(webhook.settings.kind);
    let goes_there =
        matches!(adapter.description().url, UrlField::Open { .. }) && adapter.ticketing().is_none();
    if goes_there && session.may(Scope::WebhooksWrite) {
        let method = attempt.request_line.split(' ').next().unwrap_or("POST");
        attempt.request_line = format!("{method} {}", webhook.settings.url);
    }
}

fn trouble_since(webhook: &Webhook) -> Option<Timestamp> {
    use model::webhook::WebhookState;
    match (&webhook.state, &webhook.degraded) {
        (WebhookState::Disabled { since, .. }, _) => Some(*since),
        (WebhookState::Enabled, degraded) => degraded.as_ref().map(|degraded| degraded.since),
    }
}

fn failure_lines(stats: &WebhookStats) -> Vec<FailureLine> {
    let line = |(code, count): &(model::exchange::FailureCode, u64)| FailureLine {
        code: code.as_str(),
        advice: code.advice(),
        count: show::count(*count),
    };
    stats.failures.iter().map(line).collect()
}

/// `GET /settings/integrations/{id}`
pub async fn page(
    State(state): State<WebState>,
    session: UserSession,
    PathId(id): PathId<WebhookId>,
    query: Query,
) -> PageResult {
    render(&WebhookPage::load(&state, &session, id, query).await?)
}

/// `POST /settings/integrations/{id}/test`
pub async fn send_test(
    State(state): State<WebState>,
    session: UserSession,
    PathId(id): PathId<WebhookId>,
    form: Form,
) -> PageResult {
    let event = EventName::parse(form.text("event")).unwrap_or(EventName::Triggered);
    let detail = state.actions.send_test(session.actor(), id, event).await?;
    let result = format!("/settings/integrations/{id}?test={}#test", detail.delivery.id);
    Ok(Redirect::to(&result).into_response())
}

/// `POST /settings/integrations/{id}/check`: says what is missing for tickets.
pub async fn check(
    State(state): State<WebState>,
    session: UserSession,
    PathId(id): PathId<WebhookId>,
) -> PageResult {
    let mut findings = state.actions.check_connection(id).await?;
    // What there is to do comes first.
    findings.sort_by_key(|finding| match finding.state {
        FindingState::Bad => 0,
        FindingState::Unsure => 1,
        FindingState::Good => 2,
    });
    let mut page = WebhookPage::load(&state, &session, id, Query::default()).await?;
    page.findings = Some(findings);
    render(&page)
}

/// `POST /settings/integrations/{id}/rotate-secret`
pub async fn rotate_secret(
    State(state): State<WebState>,
    session: UserSession,
    PathId(id): PathId<WebhookId>,
    form: Form,
) -> PageResult {
    let secret = form.raw("secret");
    let draft = RotationDraft {
        secret: (!secret.is_empty()).then(|| secret.to_owned()),
        overlap: form.optional("overlap"),
    };
    match state.actions.rotate_secret(session.actor(), id, draft).await {
        Ok((webhook, secret)) => show_secret(&session, id, &webhook.settings.name, secret.reveal(), false),
        Err(error @ actions::ActionError::Conflict(_)) => {
            let errors = FieldErrors::one("secret", &error.to_string());
            refuse_rotation(&state, &session, id, errors).await
        }
        Err(error) => refuse_rotation(&state, &session, id, FieldErrors::of(error)?).await,
    }
}

async fn refuse_rotation(
    state: &WebState,
    session: &UserSession,
    id: WebhookId,
    errors: FieldErrors,
) -> PageResult {
    let mut page = WebhookPage::load(state, session, id, Query::default()).await?;
    page.rotation_errors = errors;
    render_refused(&page)
}

/// The page with what is wrong with a link that was to be made.
pub async fn refuse_link(
    state: &WebState,
    session: &UserSession,
    id: WebhookId,
    errors: FieldErrors,
) -> PageResult {
    let mut page = WebhookPage::load(state, session, id, Query::default()).await?;
    page.receiver_links.errors = errors;
    render_refused(&page)
}

/// `POST /settings/integrations/{id}/enable`
pub async fn enable(
    State(state): State<WebState>,
    session: UserSession,
    PathId(id): PathId<WebhookId>,
) -> PageResult {
    state.actions.enable_webhook(session.actor(), id).await?;
    go(&format!("/settings/integrations/{id}"), "enabled")
}

/// `POST /settings/integrations/{id}/disable`
pub async fn disable(
    State(state): State<WebState>,
    session: UserSession,
    PathId(id): PathId<WebhookId>,
    form: Form,
) -> PageResult {
    let reason = form.optional("reason");
    state.actions.disable_webhook(session.actor(), id, reason).await?;
    go(&format!("/settings/integrations/{id}"), "disabled")
}

/// `POST /settings/integrations/{id}/delete`
pub async fn delete(
    State(state): State<WebState>,
    session: UserSession,
    PathId(id): PathId<WebhookId>,
) -> PageResult {
    state.actions.delete_webhook(session.actor(), id).await?;
    go("/settings/integrations", "deleted")
}

/// How far a recovery can look back.
const RECOVERY_TIMES: [(&str, &str); 4] = [
    ("1h", "the last hour"),
    ("24h", "the last 24 hours"),
    ("7d", "the last 7 days"),
    ("30d", "the last 30 days"),
];

/// `POST /settings/integrations/{id}/recover`: counts first, then, asked again, does it.
pub async fn recover(
    State(state): State<WebState>,
    session: UserSession,
    PathId(id): PathId<WebhookId>,
    form: Form,
) -> PageResult {
    let now = session.context.now;
    let chosen = RECOVERY_TIMES.iter().find(|(key, _)| *key == form.text("since"));
    let (key, name) = chosen.ok_or_else(|| PageError::bad_request("this is no time to recover since"))?;
    let since =
        since_of(key, now).ok_or_else(|| PageError::bad_request("this is no time to recover since"))?;
    let period = Period { since, until: now };
    let is_dry = !form.has("confirmed");
    let recovered = if is_dry {
        state.actions.count_recoverable(id, period).await?
    } else {
        state.actions.recover(session.actor(), id, period, None).await?
    };
    let mut page = WebhookPage::load(&state, &session, id, Query::default()).await?;
    page.recovery = Some(Recovery {
        since: key,
        since_name: name,
        count: recovered.count,
        is_dry,
        is_done: recovered.is_done,
    });
    render(&page)
}

impl WebhookPage {
    fn recovery_times() -> &'static [(&'static str, &'static str)] {
        &RECOVERY_TIMES
    }
}
