//! A wallboard: what is open, large enough to be read across a room, live for weeks, opened by an API key in its address
//! instead of a session. Shows this and nothing else, and changes nothing.

use std::collections::HashMap;

use askama::Template;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::header::{REFERRER_POLICY, RETRY_AFTER};
use http::{HeaderValue, StatusCode};

use crate::layout::assets;
use crate::layout::error::{PageError, PageResult};
use crate::layout::live::{Watcher, follow};
use crate::layout::query::Query;
use crate::layout::render_with;
use crate::layout::show::{self, Markup};
use crate::overview::chart::{Day, chart_start};
use crate::overview::dashboard::{Summary, verdict};
use crate::people::sign_in::SignInOrigin;
use crate::session::{RequestContext, Theme};
use crate::state::WebState;
use model::access::{ApiKey, KeyHash, Scope};
use model::client_address::ClientAddress;
use model::id::{IncidentId, ServiceId};
use model::incident::{Incident, Severity};
use model::time::Timestamp;
use model::webhook::WebhookState;
use store::deliveries::COUNTED_AT_MOST;
use store::overview::{OpenIncidents, WebhookHealth};

/// Incidents that fit on a screen.
const SHOWN_INCIDENTS: u32 = 12;
/// Webhooks that are named at the foot.
const SHOWN_FAILING: usize = 4;
/// How often a browser without JavaScript loads the page anew, in seconds.
const RELOAD_SECONDS: u32 = 30;
/// The same for a wallboard that is not let in: each time counts as a failure.
const REFUSED_RELOAD_SECONDS: u32 = 300;

#[derive(Template)]
#[template(path = "overview/wall.html")]
struct WallPage {
    theme: &'static str,
    title: String,
    served_at: String,
    exact: String,
    clock: String,
    reload_seconds: u32,
    overview: Option<Overview>,
    refusal: Option<Refusal>,
}

impl WallPage {
    fn asset(&self, name: &str) -> String {
        assets::path_of(name)
    }
}

/// What a wallboard shows.
struct Overview {
    verdict: Summary,
    severities: Vec<SeverityCount>,
    incidents: Vec<Row>,
    more: String,
    delivered: String,
    retried: String,
    dead: String,
    degraded: String,
    /// Webhooks that keep failing or have dead deliveries, for keys that may see webhooks.
    failing: String,
    is_well: bool,
}

/// In which order incidents are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Order {
    /// The most urgent first.
    Urgency,
    /// The same, but those of one service together, behind its name.
    Service,
}

/// A key that was let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Admission {
    hash: KeyHash,
    sees_webhooks: bool,
}

struct SeverityCount {
    name: &'static str,
    class: &'static str,
    count: u64,
}

struct Row {
    /// The line before it that names its service; empty if there is none.
    heading: String,
    id: IncidentId,
    class: &'static str,
    severity: Markup,
    title: String,
    service: String,
    status: Markup,
    since: Markup,
    assignee: String,
}

/// Why there is no wallboard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Refusal {
    /// No key in the address.
    NoKey,
    /// A key that opens nothing.
    WrongKey,
    /// A key without the right.
    NoRight,
    /// A key that is shown a part only, and the wallboard shows all.
    Restricted,
    /// Too many wrong keys from there.
    TooMany { wait_seconds: u32 },
}

impl Refusal {
    fn status(self) -> StatusCode {
        match self {
            Self::NoKey | Self::WrongKey => StatusCode::UNAUTHORIZED,
            Self::NoRight | Self::Restricted => StatusCode::FORBIDDEN,
            Self::TooMany { .. } => StatusCode::TOO_MANY_REQUESTS,
        }
    }

    fn sentence(self) -> &'static str {
        match self {
            Self::NoKey => "This wallboard needs a key",
            Self::WrongKey => "This key opens nothing: it is wrong, expired or revoked",
            Self::NoRight => "This key may not see incidents",
            Self::Restricted => "This key is restricted to services or events, and a wallboard shows all",
            Self::TooMany { .. } => "Too many wrong keys came from this address",
        }
    }
}

/// `GET /wall?key=ok_…`
pub async fn page(
    State(state): State<WebState>,
    origin: SignInOrigin,
    context: RequestContext,
    query: Query,
) -> PageResult {
    let theme = match Theme::parse(query.text("theme")) {
        Theme::System | Theme::Dark => Theme::Dark,
        Theme::Light => Theme::Light,
    };
    let mut page = WallPage {
        theme: theme.as_str(),
        title: "Wallboard".to_owned(),
        served_at: context.now.to_string(),
        exact: show::exact(context.now),
        clock: clock(context.now),
        reload_seconds: RELOAD_SECONDS,
        overview: None,
        refusal: None,
    };
    match authorize(&state, origin.address, &query, context.now).await? {
        Ok(admission) => {
            let order = match query.text("by") {
                "service" => Order::Service,
                _ => Order::Urgency,
            };
            let overview = Overview::load(&state, admission, order, context.now).await?;
            page.title.clone_from(&overview.verdict.title);
            page.overview = Some(overview);
            Ok(private(render_with(StatusCode::OK, &page)))
        }
        Err(refusal) => {
            page.reload_seconds = REFUSED_RELOAD_SECONDS;
            page.refusal = Some(refusal);
            Ok(refused(render_with(refusal.status(), &page), refusal))
        }
    }
}

/// `GET /wall/live?key=ok_…`
pub async fn stream(
    State(state): State<WebState>,
    origin: SignInOrigin,
    context: RequestContext,
    query: Query,
) -> PageResult {
    match authorize(&state, origin.address, &query, context.now).await? {
        Ok(admission) => follow(state, Watcher::Key(admission.hash)).map(private),
        Err(refusal) => Ok(refused(refusal.status().into_response(), refusal)),
    }
}

/// Lets a key in that may see incidents; one that is wrong counts as a failure of its address.
async fn authorize(
    state: &WebState,
    client: ClientAddress,
    query: &Query,
    now: Timestamp,
) -> Result<Result<Admission, Refusal>, PageError> {
    let key = query.text("key");
    if key.is_empty() {
        return Ok(Err(Refusal::NoKey));
    }
    let now_ms = state.source.monotonic_millis();
    let hash = KeyHash::new(key);
    let found = state.store.access.find_key(hash).await?;
    let verdict = judge(found.as_ref(), now);
    if verdict == Err(Refusal::WrongKey)
        && let Err(limit) = state.link_failures.take(client.network(), now_ms)
    {
        let wait_seconds = limit.wait_seconds;
        return Ok(Err(Refusal::TooMany { wait_seconds }));
    }
    if let (Ok(()), Some(key)) = (&verdict, &found) {
        state.actions.note_key_use(key).await;
    }
    let sees_webhooks = found.is_some_and(|key| key.scopes.contains(Scope::WebhooksRead));
    Ok(verdict.map(|()| Admission { hash, sees_webhooks }))
}

fn judge(key: Option<&ApiKey>, now: Timestamp) -> Result<(), Refusal> {
    let key = key.filter(|key| key.is_usable(now));
    let key = key.ok_or(Refusal::WrongKey)?;
    if !key.scopes.contains(Scope::IncidentsRead) {
        Err(Refusal::NoRight)
    } else if !key.restriction.is_none() {
        Err(Refusal::Restricted)
    } else {
        Ok(())
    }
}

/// The address holds a key: no other site may hear of it.
fn private(mut response: Response) -> Response {
    let no_referrer = HeaderValue::from_static("no-referrer");
    response.headers_mut().insert(REFERRER_POLICY, no_referrer);
    response
}

fn refused(response: Response, refusal: Refusal) -> Response {
    let mut response = private(response);
    if let Refusal::TooMany { wait_seconds } = refusal {
        let wait = HeaderValue::from(wait_seconds);
        response.headers_mut().insert(RETRY_AFTER, wait);
    }
    response
}

impl Overview {
    async fn load(
        state: &WebState,
        admission: Admission,
        order: Order,
        now: Timestamp,
    ) -> Result<Self, PageError> {
        let store = &state.store;
        let open = store.overview.open_incidents(Some(COUNTED_AT_MOST)).await?;
        let counts = store.deliveries.counts().await?;
        let activity = store.overview.activity(chart_start(now)).await?;
        let health = store.overview.webhook_health().await?;
        let incidents = store.overview.most_urgent(None, SHOWN_INCIDENTS).await?;
        let rows = match order {
            Order::Urgency => incidents.iter().map(|incident| Row::new(incident, now)).collect(),
            Order::Service => {
                let open = store.overview.open_by_service().await?;
                rows_by_service(&incidents, &open, now)
            }
        };
        let degraded = health
            .values()
            .filter(|health| health.state == WebhookState::Enabled && health.degraded.is_some())
            .count();
        let (day, degraded) = (Day::new(&activity, None, now), degraded as u64);
        let total: u64 = open.iter().map(|row| row.count).sum();
        Ok(Self {
            verdict: verdict(&open, degraded_in_words(degraded), &counts, now),
            severities: severities(&open),
            more: more_in_words(total.saturating_sub(rows.len() as u64)),
            incidents: rows,
            delivered: show::count(day.delivered()),
            retried: show::count(day.retried()),
            dead: show::count(day.dead()),
            degraded: show::count(degraded),
            failing: match admission.sees_webhooks {
                true => failing_in_words(health.values()),
                false => String::new(),
            },
            is_well: degraded == 0 && day.dead() == 0,
        })
    }
}

/// The rows with those of one service together, the service of the most urgent first; as many lines as fit on the screen.
fn rows_by_service(incidents: &[Incident], open: &HashMap<ServiceId, u64>, now: Timestamp) -> Vec<Row> {
    let mut services: Vec<ServiceId> = Vec::new();
    for incident in incidents {
        if !services.contains(&incident.service.id) {
            services.push(incident.service.id);
        }
    }
    let (mut rows, mut lines) = (Vec::new(), 0);
    for service in services {
        let of_service = incidents.iter().filter(|incident| incident.service.id == service);
        let mut is_first = true;
        for incident in of_service {
            lines += if is_first { 2 } else { 1 };
            if lines > SHOWN_INCIDENTS {
                return rows;
            }
            let mut row = Row::new(incident, now);
            if std::mem::take(&mut is_first) {
                let count = open.get(&service).copied().unwrap_or(0);
                row.heading = format!("{}: {} open", incident.service.name, show::count(count));
            }
            rows.push(row);
        }
    }
    rows
}

/// Which webhooks do not get what they should, those with the most dead deliveries first.
fn failing_in_words<'a>(health: impl Iterator<Item = &'a WebhookHealth>) -> String {
    let is_failing = |health: &&WebhookHealth| health.degraded.is_some() || health.dead > 0;
    let mut failing: Vec<_> = health.filter(is_failing).collect();
    failing.sort_by(|a, b| b.dead.cmp(&a.dead).then_with(|| a.name.cmp(&b.name)));
    let more = failing.len().saturating_sub(SHOWN_FAILING);
    let mut words: Vec<String> = failing
        .iter()
        .take(SHOWN_FAILING)
        .map(|health| match health.dead {
            0 => health.name.clone(),
            dead => format!("{} ({} dead)", health.name, show::counted(dead)),
        })
        .collect();
    words.extend((more > 0).then(|| more_in_words(more as u64)));
    words.join(", ")
}

/// `12:05 UTC`, until a script shows the time of the place.
fn clock(now: Timestamp) -> String {
    let exact = show::exact(now);
    format!("{} UTC", exact.get(11..16).unwrap_or_default())
}

/// Sentences without names: a wallboard's key need not open webhooks.
fn degraded_in_words(count: u64) -> String {
    match count {
        0 => String::new(),
        1 => "One webhook keeps failing.".to_owned(),
        _ => format!("{} webhooks keep failing.", show::count(count)),
    }
}

fn more_in_words(count: u64) -> String {
    match count {
        0 => String::new(),
        _ => format!("and {} more", show::counted(count)),
    }
}

fn severities(open: &[OpenIncidents]) -> Vec<SeverityCount> {
    let of = |severity: Severity| SeverityCount {
        name: match severity {
            Severity::Critical => "Critical",
            Severity::Error => "Error",
            Severity::Warning => "Warning",
            Severity::Info => "Info",
        },
        class: severity.as_str(),
        count: open
            .iter()
            .filter(|row| row.severity == severity)
            .map(|row| row.count)
            .sum(),
    };
    Severity::ALL.iter().copied().map(of).collect()
}

impl Row {
    fn new(incident: &Incident, now: Timestamp) -> Self {
        let assignee = incident.assignee.as_ref();
        Self {
            heading: String::new(),
            id: incident.id,
            class: incident.severity.as_str(),
            severity: show::severity_badge(incident.severity),
            title: incident.title.clone(),
            service: incident.service.name.clone(),
            status: show::status_badge(incident.status),
            since: show::when(incident.created_at, now),
            assignee: assignee.map_or("nobody".to_owned(), |user| user.name.clone()),
        }
    }
}

impl SeverityCount {
    fn shown(&self) -> String {
        show::counted(self.count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::access::ScopeSet;
    use model::id::KeyId;
    use model::restriction::Restriction;

    fn now() -> Timestamp {
        Timestamp::from_millis(1_767_614_400_000)
    }

    fn key(scopes: &[Scope], expires_at: Option<Timestamp>) -> ApiKey {
        ApiKey {
            id: KeyId::new(now(), [1; 10]),
            name: "wall".into(),
            hash: KeyHash::new("ok_1"),
            hint: "ok_1".into(),
            scopes: ScopeSet::new(scopes),
            restriction: Restriction::default(),
            created_at: now(),
            expires_at,
            revoked_at: None,
            last_used_at: None,
        }
    }

    #[test]
    fn a_key_opens_the_wallboard_by_its_right_to_see_incidents_alone() {
        let good = key(&[Scope::IncidentsRead], None);
        assert_eq!(judge(Some(&good), now()), Ok(()));
        assert_eq!(judge(None, now()), Err(Refusal::WrongKey));
        let expired = key(&[Scope::IncidentsRead], Some(now()));
        assert_eq!(judge(Some(&expired), now()), Err(Refusal::WrongKey));
        let other = key(&[Scope::IncidentsWrite, Scope::WebhooksRead], None);
        assert_eq!(judge(Some(&other), now()), Err(Refusal::NoRight));
        let restricted = ApiKey {
            restriction: Restriction::new(vec![ServiceId::from_bytes([1; 16])], None),
            ..good
        };
        assert_eq!(judge(Some(&restricted), now()), Err(Refusal::Restricted));
        let statuses = [Refusal::NoKey, Refusal::WrongKey, Refusal::NoRight].map(|r| r.status().as_u16());
        assert_eq!(statuses, [401, 401, 403]);
    }

    #[test]
    fn what_does_not_fit_is_counted() {
        assert_eq!(
            (more_in_words(0).as_str(), more_in_words(8).as_str()),
            ("", "and 8 more")
        );
        assert_eq!(clock(now()), "12:00 UTC");
    }
}
