//! Who calls: a token in `PRIVATE-TOKEN`, or in `Authorization: Bearer`.

use http::HeaderMap;
use http::header::AUTHORIZATION;
use serde_json::json;

use super::refused;
use crate::code_host::call::Refusal;
use crate::code_host::people::{self, Person};

/// Whoever calls.
pub fn caller(headers: &HeaderMap) -> Result<Person, Refusal> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    if let Some(token) = text("private-token") {
        return people::behind(token).ok_or_else(unauthorized);
    }
    let bearer = text(AUTHORIZATION.as_str()).and_then(|header| header.split_once(' '));
    let token = bearer
        .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
        .map(|(_, token)| token.trim());
    token.and_then(people::behind).ok_or_else(unauthorized)
}

/// Nobody is known.
fn unauthorized() -> Refusal {
    refused(401, "401 Unauthorized")
}

/// The token was good once.
pub fn expired() -> Refusal {
    let description = "Token is expired. You can either do re-authorization or token refresh.";
    let body = json!({ "error": "invalid_token", "error_description": description });
    let challenge = format!(
        "Bearer realm=\"Protected by OAuth 2.0\", error=\"invalid_token\", error_description=\"{description}\""
    );
    Refusal::new(401, body).header("www-authenticate", challenge)
}
