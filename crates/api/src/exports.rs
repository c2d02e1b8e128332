//! Exports: a whole list as one answer, as lines of JSON, as CSV or as Parquet. It is read page by page while its reader takes it, so that
//! neither memory nor a connection of the store is held for all of it. Nothing here decides who may; it is asked before each page.

mod csv;
mod form;
mod pages;
mod queries;
mod writing;

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Query, State};
use axum::response::{IntoResponse, Response};
use futures_util::future::BoxFuture;
use http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, Uri};
use serde::de::DeserializeOwned;
use tokio::sync::{Semaphore, watch};

use crate::answer::ApiResult;
use crate::auth::{Caller, find};
use crate::problem::{Code, Problem};
use crate::query::QueryOf;
use crate::state::ApiState;
use form::Form;
use model::access::Scope;
use model::restriction::Restriction;
use pages::Selection;
use store::Store;
use writing::Writing;

pub use queries::{
    AttemptExportQuery, CSV, DeliveryExportQuery, EventExportQuery, Format, IncidentExportQuery, PARQUET,
};

/// How many exports of one kind of reader are written at once: those of keys, and those of pages.
const MAX_EXPORTS: usize = 4;
/// How long a refused reader should wait, in seconds.
const RETRY_AFTER_SECONDS: u32 = 10;

/// Says whether the reader may still have it.
pub type MayRead = Box<dyn Fn() -> BoxFuture<'static, bool> + Send + Sync>;

/// Room for exports, and what they read.
pub struct Exports {
    store: Store,
    /// Becomes true when the server stops: exports break off.
    stopping: watch::Receiver<bool>,
    room: Arc<Semaphore>,
}

impl Exports {
    /// Nothing is exported yet.
    pub fn new(store: Store, stopping: watch::Receiver<bool>) -> Self {
        Self {
            store,
            stopping,
            room: Arc::new(Semaphore::new(MAX_EXPORTS)),
        }
    }

    /// Answers a page's link to an export of incidents; its parameters are those of the API.
    pub async fn incidents_for_page(&self, uri: &Uri, may_read: MayRead) -> Response {
        self.answer(incidents_of(uri), may_read).await
    }

    /// The same for deliveries.
    pub async fn deliveries_for_page(&self, uri: &Uri, may_read: MayRead) -> Response {
        self.answer(deliveries_of(uri), may_read).await
    }

    /// Answers who has the store itself and may read all of it. What is exported has its name in the API, and the parameters of it.
    pub async fn for_owner(&self, what: &str, uri: &Uri) -> Response {
        let wanted = match what {
            "incidents" => incidents_of(uri),
            "deliveries" => deliveries_of(uri),
            "attempts" => parse(uri).and_then(|query: AttemptExportQuery| query.selection(all())),
            "events" => self.events_of(uri).await,
            _ => Err(Problem::plain(Code::UnknownRoute)),
        };
        self.answer(wanted, Box::new(|| Box::pin(async { true }))).await
    }

    async fn events_of(&self, uri: &Uri) -> Result<(Selection, Format), Problem> {
        let up_to = self.store.events.latest_sequence().await?;
        parse(uri).and_then(|query: EventExportQuery| query.selection(all(), up_to))
    }

    async fn answer(&self, wanted: Result<(Selection, Format), Problem>, may_read: MayRead) -> Response {
        let opened = match wanted {
            Ok((selection, format)) => self.open(selection, format, may_read).await,
            Err(problem) => Err(problem),
        };
        opened.unwrap_or_else(IntoResponse::into_response)
    }

    /// An answer that begins with the first page; what is wrong before that is a problem.
    async fn open(&self, selection: Selection, format: Format, may_read: MayRead) -> ApiResult {
        let room = Arc::clone(&self.room).try_acquire_owned();
        let room = room.map_err(|_| Problem::plain(Code::TooManyExports).retry_after(RETRY_AFTER_SECONDS))?;
        let headers = headers(&selection, format);
        let writing = Writing {
            store: self.store.clone(),
            form: Form::new(format, selection.columns()),
            selection,
            may_read,
            stopping: self.stopping.clone(),
            _room: room,
        };
        Ok((headers, Body::from_stream(writing.begin().await?)).into_response())
    }
}

fn incidents_of(uri: &Uri) -> Result<(Selection, Format), Problem> {
    parse(uri).and_then(|query: IncidentExportQuery| query.selection(all()))
}

fn deliveries_of(uri: &Uri) -> Result<(Selection, Format), Problem> {
    parse(uri).and_then(|query: DeliveryExportQuery| query.selection(all()))
}

fn parse<T: DeserializeOwned>(uri: &Uri) -> Result<T, Problem> {
    let query = Query::<T>::try_from_uri(uri);
    let query = query.map_err(|rejection| Problem::new(Code::InvalidQuery, rejection.body_text()))?;
    Ok(query.0)
}

/// People, and who has the store, are restricted to nothing.
fn all() -> Restriction {
    Restriction::default()
}

fn headers(selection: &Selection, format: Format) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(format.media_type()));
    let name = format!(
        "attachment; filename=\"{}.{}\"",
        selection.name(),
        format.as_str()
    );
    if let Ok(name) = HeaderValue::from_str(&name) {
        headers.insert(CONTENT_DISPOSITION, name);
    }
    headers
}

/// `GET /export/incidents`
pub async fn incidents(
    State(state): State<ApiState>,
    caller: Caller,
    QueryOf(query): QueryOf<IncidentExportQuery>,
) -> ApiResult {
    let (selection, format) = query.selection(caller.restriction())?;
    let may_read = key_may_read(&state, &caller, Scope::IncidentsRead);
    state.exports.open(selection, format, may_read).await
}

/// `GET /export/events`
pub async fn events(
    State(state): State<ApiState>,
    caller: Caller,
    QueryOf(query): QueryOf<EventExportQuery>,
) -> ApiResult {
    let up_to = state.store.events.latest_sequence().await?;
    let (selection, format) = query.selection(caller.restriction(), up_to)?;
    let may_read = key_may_read(&state, &caller, Scope::EventsRead);
    state.exports.open(selection, format, may_read).await
}

/// `GET /export/deliveries`
pub async fn deliveries(
    State(state): State<ApiState>,
    caller: Caller,
    QueryOf(query): QueryOf<DeliveryExportQuery>,
) -> ApiResult {
    let (selection, format) = query.selection(caller.restriction())?;
    let may_read = key_may_read(&state, &caller, Scope::DeliveriesRead);
    state.exports.open(selection, format, may_read).await
}

/// `GET /export/attempts`
pub async fn attempts(
    State(state): State<ApiState>,
    caller: Caller,
    QueryOf(query): QueryOf<AttemptExportQuery>,
) -> ApiResult {
    let (selection, format) = query.selection(caller.restriction())?;
    let may_read = key_may_read(&state, &caller, Scope::DeliveriesRead);
    state.exports.open(selection, format, may_read).await
}

/// A key that was revoked meanwhile, or has expired, reads no further page.
fn key_may_read(state: &ApiState, caller: &Caller, scope: Scope) -> MayRead {
    let (state, hash) = (state.clone(), caller.0.hash);
    Box::new(move || {
        let state = state.clone();
        Box::pin(async move {
            let found = find(&state, hash).await;
            matches!(found, Ok(Some(caller)) if caller.must_have(scope).is_ok())
        })
    })
}
