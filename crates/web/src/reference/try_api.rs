//! Try it: reads of the API with the reader's own session, and what they answer. Only what a GET answers with JSON, so that the page may
//! be one itself: whatever leads here changes nothing.

use std::sync::{Arc, OnceLock};

use askama::Template;
use axum::extract::State;
use axum::response::Response;
use futures_util::future::BoxFuture;
use http::Uri;
use http_body_util::{BodyExt, Limited};
use serde_json::Value;

use crate::layout::error::{PageError, PageResult};
use crate::layout::query::Query;
use crate::layout::{Layout, Nav, render, show};
use crate::reference::openapi_schema::{elements, members, text};
use crate::session::UserSession;
use crate::state::WebState;
use config::base_url;
use model::access::ScopeSet;
use model::audit::Actor;
use model::id::UserId;

/// The longest answer that is shown, in bytes.
const MAX_SHOWN_BYTES: usize = 256 * 1024;
/// What the names of parameters begin with in the page's address.
const PREFIX: &str = "in-";

/// Answers an address of the API as a person.
pub type ApiRead = Arc<dyn Fn(UserId, Actor, ScopeSet, Uri) -> BoxFuture<'static, Response> + Send + Sync>;

/// The API's reads. The pages are made before the API is, which then puts itself in.
#[derive(Clone, Default)]
pub struct ApiReads(Arc<OnceLock<ApiRead>>);

impl ApiReads {
    /// Puts the API in; once.
    pub fn set(&self, read: ApiRead) {
        let _ = self.0.set(read);
    }
}

/// A route that can be read.
struct ReadRoute {
    path: String,
    summary: String,
    scope: String,
    parameters: Vec<Parameter>,
    is_chosen: bool,
}

/// What a route asks for.
struct Parameter {
    name: String,
    about: String,
    is_in_path: bool,
    value: String,
}

/// What came back.
struct Answer {
    status: u16,
    is_good: bool,
    body: String,
    target: String,
}

#[derive(Template)]
#[template(path = "reference/try_api.html")]
struct TryPage {
    layout: Layout,
    routes: Vec<ReadRoute>,
    base: String,
    answer: Option<Answer>,
    mistake: Option<&'static str>,
}

impl TryPage {
    fn chosen(&self) -> Option<&ReadRoute> {
        self.routes.iter().find(|route| route.is_chosen)
    }

    /// Whether the role of the session may read the route.
    fn may(&self, route: &ReadRoute) -> bool {
        self.layout.may(&route.scope)
    }
}

/// `GET /docs/api/try`
pub async fn page(
    State(state): State<WebState>,
    session: UserSession,
    headers: http::HeaderMap,
    query: Query,
) -> PageResult {
    let mut page = TryPage {
        layout: Layout::new(&session, "Try the API", Nav::Api),
        routes: routes_of(&(state.openapi)(), &query),
        base: base_url(state.settings.public_url.as_ref(), &headers),
        answer: None,
        mistake: None,
    };
    if query.text("send").is_empty() {
        return render(&page);
    }
    match page.chosen().map(target_of) {
        None => page.mistake = Some("There is no such route."),
        Some(None) => page.mistake = Some("An id has letters, digits, - and _ only, and none may be empty."),
        Some(Some(target)) => page.answer = Some(ask(&state, &session, target).await?),
    }
    render(&page)
}

async fn ask(state: &WebState, session: &UserSession, target: String) -> Result<Answer, PageError> {
    let uri: Uri = target
        .parse()
        .map_err(|_| PageError::bad_request("this is no address of the API"))?;
    let read = state.api_reads.0.get();
    let read = read.ok_or_else(|| PageError::internal("the API is not there yet"))?;
    let (id, scopes) = (session.user.id, session.user.role.scopes());
    let response = read(id, session.actor(), scopes, uri).await;
    let status = response.status();
    let body = Limited::new(response.into_body(), MAX_SHOWN_BYTES)
        .collect()
        .await;
    let body = match body {
        Ok(body) => {
            let bytes = body.to_bytes();
            show::pretty_json(&bytes).unwrap_or_else(|| show::body_text(&bytes))
        }
        Err(_) => "The answer is too long for this page: ask for less with `limit`.".to_owned(),
    };
    Ok(Answer {
        status: status.as_u16(),
        is_good: status.is_success(),
        body,
        target,
    })
}

/// Every route that can be read, by path, with what the page's address says of the chosen one.
fn routes_of(description: &Value, query: &Query) -> Vec<ReadRoute> {
    let chosen = query.text("route");
    let route = |(path, item): (&String, &Value)| {
        let described = &item["get"];
        let scope = described["security"][0]["apiKey"][0].as_str()?;
        let content = described["responses"]["200"]["content"].as_object()?;
        let is_json = content.len() == 1 && content.contains_key("application/json");
        let parameter = |parameter: &Value| Parameter {
            value: query
                .text(&format!("{PREFIX}{}", text(&parameter["name"])))
                .to_owned(),
            name: text(&parameter["name"]),
            about: text(&parameter["description"]),
            is_in_path: parameter["in"] == "path",
        };
        is_json.then(|| ReadRoute {
            path: path.clone(),
            summary: text(&described["summary"]),
            scope: scope.to_owned(),
            parameters: elements(&described["parameters"]).map(parameter).collect(),
            is_chosen: path == chosen,
        })
    };
    members(&description["paths"]).filter_map(route).collect()
}

/// Path and query of a route with what was typed; nothing if an id is missing or none.
fn target_of(route: &ReadRoute) -> Option<String> {
    let is_id = |text: &str| {
        let is_in_id = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        !text.is_empty() && text.bytes().all(is_in_id)
    };
    let mut path = route.path.clone();
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    for parameter in &route.parameters {
        let value = parameter.value.as_str();
        match parameter.is_in_path {
            true if is_id(value) => path = path.replace(&format!("{{{}}}", parameter.name), value),
            true => return None,
            false if value.is_empty() => {}
            false => drop(query.append_pair(&parameter.name, value)),
        }
    }
    let query = query.finish();
    Some(match query.is_empty() {
        true => path,
        false => format!("{path}?{query}"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parameter(name: &str, is_in_path: bool, value: &str) -> Parameter {
        Parameter {
            name: name.into(),
            about: String::new(),
            is_in_path,
            value: value.into(),
        }
    }

    fn target(id: &str, status: &str) -> Option<String> {
        target_of(&ReadRoute {
            path: "/api/v1/deliveries/{id}".into(),
            summary: String::new(),
            scope: "deliveries:read".into(),
            parameters: vec![parameter("id", true, id), parameter("status", false, status)],
            is_chosen: true,
        })
    }

    #[test]
    fn what_is_typed_stays_within_its_part_of_the_address() {
        assert_eq!(target("dlv_1", "").as_deref(), Some("/api/v1/deliveries/dlv_1"));
        let escaped = target("1042", "a&limit=9 #x").unwrap();
        assert_eq!(escaped, "/api/v1/deliveries/1042?status=a%26limit%3D9+%23x");
        assert_eq!(
            ["", "../webhooks", "a/b", "a?b", "%2e"].map(|id| target(id, "")),
            [const { None }; 5]
        );
    }
}
