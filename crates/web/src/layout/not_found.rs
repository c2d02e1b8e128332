//! What is answered where there is no page.

use axum::extract::State;
use axum::response::{IntoResponse, Redirect};
use http::{HeaderMap, Method, Uri};

use crate::layout::Layout;
use crate::layout::error::PageError;
use crate::layout::error_page::error_page;
use crate::session::{RequestContext, preferences};
use crate::state::WebState;

/// There is no such page.
pub async fn page(State(state): State<WebState>, headers: HeaderMap, uri: Uri) -> axum::response::Response {
    error_page(&PageError::not_found("page"), &layout(&state, &headers, &uri))
}

/// The page takes another method. The address of a form leads to the page that the form stands on: it stays in the
/// browser's address bar when a form was refused.
pub async fn wrong_method(
    State(state): State<WebState>,
    method: Method,
    headers: HeaderMap,
    uri: Uri,
) -> axum::response::Response {
    let page = uri.path().rsplit_once('/').map_or("", |(page, _)| page);
    if method == Method::GET && !page.is_empty() {
        return Redirect::to(page).into_response();
    }
    error_page(&PageError::wrong_method(), &layout(&state, &headers, &uri))
}

fn layout(state: &WebState, headers: &HeaderMap, uri: &Uri) -> Layout {
    let (theme, sidebar) = preferences(headers);
    let context = RequestContext {
        theme,
        sidebar,
        flash: None,
        now: state.source.now(),
        is_dev: state.settings.is_dev,
        target: uri.path().to_owned(),
        form_nonce: String::new(),
    };
    Layout::open("Not found", &context)
}
