//! What is answered where there is no page.

use axum::extract::{Request, State};
use axum::response::{IntoResponse, Redirect, Response};
use http::Method;

use crate::guard::layout_without_route;
use crate::layout::error::PageError;
use crate::layout::error_page::error_page;
use crate::state::WebState;

/// There is no such page.
pub async fn page(State(state): State<WebState>, request: Request) -> Response {
    let layout = layout_without_route(&state, request).await;
    error_page(&PageError::not_found("page"), &layout)
}

/// The page takes another method. The address of a form leads to the page that the form stands on: it stays in the
/// browser's address bar when a form was refused.
pub async fn wrong_method(State(state): State<WebState>, request: Request) -> Response {
    let page = request.uri().path().rsplit_once('/').map_or("", |(page, _)| page);
    if request.method() == Method::GET && !page.is_empty() {
        return Redirect::to(page).into_response();
    }
    let layout = layout_without_route(&state, request).await;
    error_page(&PageError::wrong_method(), &layout)
}
