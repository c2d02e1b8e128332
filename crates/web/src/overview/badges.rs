//! Badges: whether a service is well, for pages of anybody. Off unless the settings name the service. A badge says `ok` or how many
//! incidents are open, and nothing else; what is not named is not there.
//!
//! Strangers may ask as often as they like: the store is asked once every few seconds for all of them, and while it does not answer,
//! what was last known is told for a while.

use std::collections::HashMap;
use std::time::Duration;

use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use http::header::{ACCESS_CONTROL_ALLOW_ORIGIN, CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderValue, StatusCode};
use serde_json::json;
use tokio::sync::Mutex;

use crate::state::WebState;
use store::{Page, StoreResult};

/// For how long what was read is told without asking again.
const HOLDS_MS: i64 = 5_000;
/// For how long it is told while the store does not answer.
const HELD_IN_NEED_MS: i64 = 10 * 60_000;
/// How long the store may take.
const READ_TIMEOUT: Duration = Duration::from_secs(3);
/// How many pages of services are searched for those that are named.
const MAX_PAGES: usize = 50;
/// The longest name that is shown, in characters.
const MAX_LABEL: usize = 60;

/// What the badges say, and when that was read.
#[derive(Default)]
pub struct Badges(Mutex<Option<Known>>);

#[derive(Clone)]
struct Known {
    read_ms: i64,
    /// Open incidents by the name of the service.
    open: HashMap<String, u64>,
}

/// How a badge is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Svg,
    Json,
}

/// `GET /badges/{file}`: the name of a service with `.svg` or `.json` behind it.
pub async fn badge(State(state): State<WebState>, Path(file): Path<String>) -> Response {
    let Some((name, form)) =
        named(&file).filter(|(name, _)| state.settings.badges.iter().any(|of| of == name))
    else {
        return StatusCode::NOT_FOUND.into_response();
    };
    match known(&state).await {
        Some(known) => write(name, known.open.get(name).copied(), form),
        None => StatusCode::SERVICE_UNAVAILABLE.into_response(),
    }
}

fn named(file: &str) -> Option<(&str, Form)> {
    let svg = file.strip_suffix(".svg").map(|name| (name, Form::Svg));
    svg.or_else(|| file.strip_suffix(".json").map(|name| (name, Form::Json)))
}

/// What is known now; whoever asks meanwhile waits for the one that reads.
async fn known(state: &WebState) -> Option<Known> {
    let mut last = state.badges.0.lock().await;
    let now_ms = state.source.monotonic_millis();
    let age_ms = last.as_ref().map_or(i64::MAX, |known| now_ms - known.read_ms);
    if age_ms >= HOLDS_MS {
        let read = tokio::time::timeout(READ_TIMEOUT, read(state)).await;
        if let Ok(Ok(open)) = read {
            *last = Some(Known {
                read_ms: now_ms,
                open,
            });
        } else if age_ms >= HELD_IN_NEED_MS {
            *last = None;
        }
    }
    last.clone()
}

async fn read(state: &WebState) -> StoreResult<HashMap<String, u64>> {
    let counts = state.store.overview.open_by_service().await?;
    let mut open = HashMap::new();
    let mut page = Page {
        limit: Page::MAX_LIMIT,
        before: None,
    };
    for _ in 0..MAX_PAGES {
        let services = state.store.services.list(page).await?;
        for service in &services {
            if state.settings.badges.contains(&service.name) {
                open.insert(
                    service.name.clone(),
                    counts.get(&service.id).copied().unwrap_or(0),
                );
            }
        }
        let is_full = services.len() >= page.limit as usize;
        page.before = services.last().map(|service| *service.id.as_bytes());
        if !is_full || open.len() == state.settings.badges.len() {
            break;
        }
    }
    Ok(open)
}

fn write(name: &str, open: Option<u64>, form: Form) -> Response {
    let (message, color) = match open {
        // It is named in the settings, but there is no such service.
        None => return StatusCode::NOT_FOUND.into_response(),
        Some(0) => ("ok".to_owned(), "#2e7d32"),
        Some(count) => (format!("{count} open"), "#c62828"),
    };
    let label: String = name.chars().take(MAX_LABEL).collect();
    let (content_type, body) = match form {
        Form::Svg => ("image/svg+xml", svg(&label, &message, color)),
        Form::Json => (
            "application/json",
            json!({ "schemaVersion": 1, "label": label, "message": message, "color": color }).to_string(),
        ),
    };
    let headers = [
        (CONTENT_TYPE, HeaderValue::from_static(content_type)),
        (CACHE_CONTROL, HeaderValue::from_static("public, max-age=5")),
        // There is nothing in it that is not for everybody.
        (ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*")),
    ];
    (headers, body).into_response()
}

/// Text on two fields, as wide as it is long: about seven pixels a letter.
fn svg(label: &str, message: &str, color: &str) -> String {
    let width = |text: &str| 12 + 7 * text.chars().count();
    let (left, right) = (width(label), width(message));
    let (label, message) = (escaped(label), escaped(message));
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{all}\" height=\"20\" role=\"img\" aria-label=\"{label}: {message}\">\
         <title>{label}: {message}</title>\
         <rect width=\"{left}\" height=\"20\" fill=\"#444\"/><rect x=\"{left}\" width=\"{right}\" height=\"20\" fill=\"{color}\"/>\
         <g fill=\"#fff\" font-family=\"Verdana,Geneva,sans-serif\" font-size=\"11\" text-anchor=\"middle\">\
         <text x=\"{middle_left}\" y=\"14\">{label}</text><text x=\"{middle_right}\" y=\"14\">{message}</text></g></svg>",
        all = left + right,
        middle_left = left / 2,
        middle_right = left + right / 2,
    )
}

fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            // XML has no way to write these.
            control if control.is_control() => escaped.push(' '),
            other => escaped.push(other),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_of_a_file_is_a_service_and_a_form() {
        assert_eq!(named("API Gateway.svg"), Some(("API Gateway", Form::Svg)));
        assert_eq!(named("a.svg.json"), Some(("a.svg", Form::Json)));
        assert_eq!(named("API Gateway"), None);
    }

    #[test]
    fn what_is_hostile_in_a_name_stays_text() {
        let svg = svg("<script>\"&\u{1}", "ok", "#2e7d32");
        assert!(svg.contains("&lt;script&gt;&quot;&amp; "), "{svg}");
        assert!(!svg.contains("<script>"));
    }
}
