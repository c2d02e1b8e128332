//! Settings → Integrations → Alert sources: where alerts come from.

use askama::Template;
use axum::extract::State;

use crate::layout::error::PageResult;
use crate::layout::show::{self, Markup};
use crate::layout::{Layout, Nav, render};
use crate::session::UserSession;
use crate::state::WebState;
use model::id::{ServiceId, SourceId};
use model::source::Source;
use model::source_kind::SourceKind;
use model::time::Timestamp;

struct SourceRow {
    id: SourceId,
    name: String,
    kind: &'static str,
    service: String,
    service_id: ServiceId,
    state: Markup,
    last: Markup,
}

#[derive(Template)]
#[template(path = "alert_sources/list.html")]
struct SourcesPage {
    layout: Layout,
    rows: Vec<SourceRow>,
}

/// `GET /settings/sources`
pub async fn page(State(state): State<WebState>, session: UserSession) -> PageResult {
    let now = session.context.now;
    let sources = state.store.sources.list().await?;
    let row = |source: Source| SourceRow {
        id: source.id,
        kind: kind_name(source.kind),
        state: state_badge(&source, now),
        last: show::when_or_dash(source.last_request_at, now),
        service_id: source.service.id,
        service: source.service.name,
        name: source.settings.name,
    };
    render(&SourcesPage {
        layout: Layout::new(&session, "Alert sources", Nav::Integrations),
        rows: sources.into_iter().map(row).collect(),
    })
}

/// What people call a kind.
pub(super) fn kind_name(kind: SourceKind) -> &'static str {
    sources::format(kind).map_or(kind.as_str(), |format| format.description().name)
}

/// How a source stands.
pub(super) fn state_badge(source: &Source, now: Timestamp) -> Markup {
    if !source.settings.is_enabled {
        return show::badge("neutral", "Disabled");
    }
    match (source.silent_since(now), source.last_request_at) {
        (Some(_), _) => show::badge("error", "Silent"),
        (None, None) => show::badge("info", "Waiting"),
        (None, Some(_)) => show::badge("success", "Takes alerts"),
    }
}
