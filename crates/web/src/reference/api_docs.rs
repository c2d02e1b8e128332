//! The API's reference: our own OpenAPI document as two pages, the routes and the schemas behind them.

use askama::Template;
use axum::extract::State;
use http::HeaderMap;

use crate::layout::error::PageResult;
use crate::layout::{Layout, Nav, render};
use crate::reference::openapi::Reference;
use crate::reference::openapi_schema::Schema;
use crate::session::UserSession;
use crate::state::WebState;
use config::base_url;

#[derive(Template)]
#[template(path = "reference/api_docs.html")]
struct ApiDocsPage {
    layout: Layout,
    base: String,
    reference: Reference,
}

#[derive(Template)]
#[template(path = "reference/api_schemas.html")]
struct ApiSchemasPage {
    layout: Layout,
    schemas: Vec<Schema>,
}

/// The tone of a method's badge.
fn tone(method: &str) -> &'static str {
    match method {
        "GET" => "info",
        "POST" => "success",
        "DELETE" => "error",
        _ => "warning",
    }
}

/// `GET /docs/api`
pub async fn page(State(state): State<WebState>, session: UserSession, headers: HeaderMap) -> PageResult {
    render(&ApiDocsPage {
        layout: Layout::new(&session, "API reference", Nav::Api),
        base: base_url(state.settings.public_url.as_ref(), &headers),
        reference: Reference::new(&(state.openapi)()),
    })
}

/// `GET /docs/schemas`
pub async fn schemas(State(state): State<WebState>, session: UserSession) -> PageResult {
    render(&ApiSchemasPage {
        layout: Layout::new(&session, "Schemas of the API", Nav::Api),
        schemas: Reference::new(&(state.openapi)()).schemas,
    })
}
