//! What is answered where there is no page.

use axum::extract::State;
use axum::response::{IntoResponse, Redirect};
use http::{HeaderMap, Method, Uri};

use crate::error::PageError;
use crate::frame::Frame;
use crate::state::WebState;
use crate::visitor::{Look, taste};

/// There is no such page.
pub async fn page(State(state): State<WebState>, headers: HeaderMap, uri: Uri) -> axum::response::Response {
    PageError::not_found("page").page_in(&frame(&state, &headers, &uri))
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
    PageError::wrong_method().page_in(&frame(&state, &headers, &uri))
}

fn frame(state: &WebState, headers: &HeaderMap, uri: &Uri) -> Frame {
    let (theme, sidebar) = taste(headers);
    let look = Look {
        theme,
        sidebar,
        did: None,
        now: state.source.now(),
        is_dev: state.settings.is_dev,
        target: uri.path().to_owned(),
        once: String::new(),
    };
    Frame::open("Not found", &look)
}
