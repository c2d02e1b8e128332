//! One alert source: how its sender is set up, what came last and what became of it.

use std::time::Duration;

use askama::Template;
use axum::extract::State;
use http::HeaderMap;

use crate::alert_sources::edit::description;
use crate::alert_sources::list::{kind_name, state_badge};
use crate::alert_sources::requests::{RequestRow, ShownRequest};
use crate::layout::error::{PageError, PageResult};
use crate::layout::form::Form;
use crate::layout::query::{PathId, Query};
use crate::layout::show::{self, Markup};
use crate::layout::{Layout, Nav, go, render};
use crate::session::UserSession;
use crate::state::WebState;
use actions::Patch;
use actions::alert_sources::{SourceChange, SourceSettingsDraft};
use config::base_url;
use model::id::{ServiceId, SourceId};
use model::source::{FlapDamping, MAX_SOURCE_REQUESTS, Source, StormControl};
use sources::about::SetUpPart;
use sources::{SampleContext, SampleMoment};

#[derive(Template)]
#[template(path = "alert_sources/page.html")]
struct SourcePage {
    layout: Layout,
    id: SourceId,
    name: String,
    kind: &'static str,
    service: String,
    service_id: ServiceId,
    state: Markup,
    is_enabled: bool,
    silent_since: Option<Markup>,
    created: Markup,
    last: Markup,
    key: String,
    set_up: Vec<SetUpPart>,
    can_test: bool,
    takes_secret: bool,
    has_secret: bool,
    storm: String,
    flapping: String,
    silence: String,
    requests: Vec<RequestRow>,
    shown: Option<ShownRequest>,
    /// Whether the session chose a request, so that newer ones do not take its place.
    is_chosen: bool,
}

impl SourcePage {
    async fn load(
        state: &WebState,
        session: &UserSession,
        headers: &HeaderMap,
        id: SourceId,
        chosen: &str,
    ) -> Result<Self, PageError> {
        let now = session.context.now;
        let source = state.store.sources.get(id).await?;
        let about = description(&source)?;
        let requests = state.store.sources.requests(id).await?;
        let is_chosen = !chosen.is_empty();
        let shown = match is_chosen {
            true => requests.iter().find(|request| request.id.to_string() == chosen),
            false => requests.first(),
        };
        let base = base_url(state.settings.public_url.as_ref(), headers);
        let key = source.key.reveal();
        let settings = &source.settings;
        Ok(Self {
            layout: Layout::new(session, settings.name.clone(), Nav::Integrations),
            id,
            name: settings.name.clone(),
            kind: kind_name(source.kind),
            service: source.service.name.clone(),
            service_id: source.service.id,
            state: state_badge(&source, now),
            is_enabled: settings.is_enabled,
            silent_since: source.silent_since(now).map(|at| show::lasting(at, now)),
            created: show::when(source.created_at, now),
            last: show::when_or_dash(source.last_request_at, now),
            key: key.to_owned(),
            set_up: about.set_up_parts(base.trim_end_matches('/'), key),
            can_test: can_test(&source, session),
            takes_secret: about.secret.is_some(),
            has_secret: source.secret.is_some(),
            storm: storm(settings.storm),
            flapping: flapping(settings.flapping),
            silence: silence(settings.silent_after),
            requests: requests
                .iter()
                .map(|request| RequestRow::new(request, shown.map(|shown| shown.id), now))
                .collect(),
            shown: shown.map(ShownRequest::new),
            is_chosen,
        })
    }

    fn most(&self) -> u32 {
        MAX_SOURCE_REQUESTS
    }

    fn count(&self) -> String {
        match self.requests.len() {
            0 => "Nothing yet".to_owned(),
            1 => "1 request".to_owned(),
            count => format!("{count} requests"),
        }
    }
}

/// Whether anybody but the sender can make a request of its kind.
fn can_test(source: &Source, session: &UserSession) -> bool {
    let context = SampleContext {
        key: "",
        secret: None,
        now: session.context.now,
    };
    let format = sources::format(source.kind);
    format.is_some_and(|format| format.sample(SampleMoment::Fire, &context).is_some())
}

fn storm(storm: StormControl) -> String {
    format!(
        "More than {} new alerts in {} are counted into one incident",
        storm.max_alerts,
        show::long(storm.window)
    )
}

fn flapping(flapping: FlapDamping) -> String {
    format!(
        "An alert that changes more than {} times in {} keeps its incident open until it is quiet for so long",
        flapping.max_changes,
        show::long(flapping.window)
    )
}

fn silence(silent_after: Option<Duration>) -> String {
    silent_after.map_or_else(
        || "Not watched".to_owned(),
        |after| format!("Counts as silent after {} without a request", show::long(after)),
    )
}

fn path_of(id: SourceId) -> String {
    format!("/settings/sources/{id}")
}

/// `GET /settings/sources/{id}`
pub async fn page(
    State(state): State<WebState>,
    session: UserSession,
    PathId(id): PathId<SourceId>,
    headers: HeaderMap,
    query: Query,
) -> PageResult {
    render(&SourcePage::load(&state, &session, &headers, id, query.text("request")).await?)
}

/// `POST /settings/sources/{id}/test`: a sample goes through the sender's own door.
pub async fn test(
    State(state): State<WebState>,
    _session: UserSession,
    PathId(id): PathId<SourceId>,
    form: Form,
) -> PageResult {
    let moment = match form.text("moment") {
        "resolve" => SampleMoment::Resolve,
        _ => SampleMoment::Fire,
    };
    let tested = state.actions.test_source(id, moment).await?;
    let path = path_of(id);
    match tested.request {
        Some(request) => go(&format!("{path}?request={}", request.id), "tested"),
        None => go(&path, "tested"),
    }
}

/// `POST /settings/sources/{id}/rotate-key`
pub async fn rotate_key(
    State(state): State<WebState>,
    session: UserSession,
    PathId(id): PathId<SourceId>,
) -> PageResult {
    state.actions.rotate_source_key(session.actor(), id).await?;
    go(&path_of(id), "key-rotated")
}

/// `POST /settings/sources/{id}/enable`
pub async fn enable(
    State(state): State<WebState>,
    session: UserSession,
    PathId(id): PathId<SourceId>,
) -> PageResult {
    switch(&state, &session, id, true).await?;
    go(&path_of(id), "saved")
}

/// `POST /settings/sources/{id}/disable`
pub async fn disable(
    State(state): State<WebState>,
    session: UserSession,
    PathId(id): PathId<SourceId>,
) -> PageResult {
    switch(&state, &session, id, false).await?;
    go(&path_of(id), "disabled")
}

async fn switch(
    state: &WebState,
    session: &UserSession,
    id: SourceId,
    is_enabled: bool,
) -> Result<Source, PageError> {
    let change = SourceChange {
        secret: Patch::Keep,
        settings: SourceSettingsDraft {
            enabled: Some(is_enabled),
            ..SourceSettingsDraft::default()
        },
        ..SourceChange::default()
    };
    Ok(state.actions.change_source(session.actor(), id, change).await?)
}

/// `POST /settings/sources/{id}/delete`
pub async fn delete(
    State(state): State<WebState>,
    session: UserSession,
    PathId(id): PathId<SourceId>,
) -> PageResult {
    state.actions.delete_source(session.actor(), id).await?;
    go("/settings/sources", "deleted")
}
