//! An error as a page of its own.

use askama::Template;
use axum::response::Response;
use http::header::RETRY_AFTER;
use http::{HeaderValue, StatusCode};

use crate::layout::error::PageError;
use crate::layout::show::sentence_case;
use crate::layout::{Layout, render_with};

/// How long a browser or a program should wait before it asks again.
const RETRY_AFTER_SECONDS: &str = "1";

#[derive(Template)]
#[template(path = "layout/error.html")]
struct ErrorPage<'a> {
    layout: &'a Layout,
    status: u16,
    code: &'static str,
    sentence: &'a str,
    advice: &'static str,
}

/// The page that says why there is no other.
pub fn error_page(error: &PageError, layout: &Layout) -> Response {
    let page = ErrorPage {
        layout: &layout
            .clone()
            .titled(error.status.canonical_reason().unwrap_or("Error")),
        status: error.status.as_u16(),
        code: error.code,
        sentence: &sentence_case(&error.sentence),
        advice: error.advice,
    };
    let mut response = render_with(error.status, &page);
    if error.status == StatusCode::SERVICE_UNAVAILABLE {
        let wait = HeaderValue::from_static(RETRY_AFTER_SECONDS);
        response.headers_mut().insert(RETRY_AFTER, wait);
    }
    response
}
