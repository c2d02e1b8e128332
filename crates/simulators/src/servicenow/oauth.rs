//! `POST /oauth_token.do`: access tokens for a password, a refresh token or client credentials, good for half an hour.
//! Refusals say no more than the real ones do: `access_denied`.

use std::collections::BTreeMap;
use std::time::Duration;

use http::Method;
use http::header::AUTHORIZATION;
use serde_json::json;

use crate::servicenow::access;
use crate::servicenow::seed::INTEGRATION;
use crate::simulator::{Request, Response};
use model::time::Timestamp;

/// How long an access token is good.
const GOOD_FOR: Duration = Duration::from_secs(1800);
/// What the answer says of that: a second has passed already.
const EXPIRES_IN: u64 = 1799;
/// The most tokens that are kept; the oldest go first.
const MAX_TOKENS: usize = 100;

/// The tokens that were given out.
#[derive(Debug, Default)]
pub struct Tokens {
    given: Vec<Token>,
    count: u64,
}

#[derive(Debug)]
struct Token {
    access: String,
    refresh: String,
    user: String,
    until: Timestamp,
}

impl Tokens {
    /// The user of an access token that is still good.
    pub fn user(&self, access: &str, now: Timestamp) -> Option<&str> {
        let token = self
            .given
            .iter()
            .find(|token| token.access == access && now < token.until);
        token.map(|token| token.user.as_str())
    }

    /// Forgets an access token, as if its time had come.
    pub fn expire(&mut self, access: &str) {
        self.given.retain(|token| token.access != access);
    }

    /// Answers a request for a token.
    pub fn answer(&mut self, request: &Request<'_>) -> Response {
        if request.method != Method::POST {
            return refusal("invalid_request");
        }
        let form: BTreeMap<String, String> = url::form_urlencoded::parse(request.body).into_owned().collect();
        let field = |name: &str| form.get(name).map_or("", String::as_str);
        let header = request
            .headers
            .get(AUTHORIZATION)
            .and_then(|value| value.to_str().ok());
        let basic = header.and_then(access::basic).unwrap_or_default();
        let id = if field("client_id").is_empty() {
            &basic.0
        } else {
            field("client_id")
        };
        let secret = if field("client_secret").is_empty() {
            &basic.1
        } else {
            field("client_secret")
        };
        if !access::is_taken(id) || !access::is_taken(secret) {
            return refusal("invalid_client");
        }
        let user = match field("grant_type") {
            "password" if access::is_taken(field("password")) => Some(field("username").to_owned()),
            "client_credentials" => Some(INTEGRATION.to_owned()),
            "refresh_token" => self.refreshed(field("refresh_token")),
            "password" => None,
            _ => return refusal("unsupported_grant_type"),
        };
        match user.filter(|user| !user.is_empty()) {
            Some(user) => self.give(&user, field("grant_type"), request.now),
            None => refusal("server_error"),
        }
    }

    fn refreshed(&self, refresh: &str) -> Option<String> {
        let token = self
            .given
            .iter()
            .find(|token| !refresh.is_empty() && token.refresh == refresh);
        token.map(|token| token.user.clone())
    }

    fn give(&mut self, user: &str, grant: &str, now: Timestamp) -> Response {
        self.count = self.count.saturating_add(1);
        let refresh = match grant {
            "client_credentials" => String::new(),
            _ => format!("made-up-refresh-token-{}", self.count),
        };
        let token = Token {
            access: format!("made-up-access-token-{}", self.count),
            refresh,
            user: user.to_owned(),
            until: now.plus(GOOD_FOR),
        };
        let mut body = json!({
            "access_token": token.access,
            "scope": "useraccount",
            "token_type": "Bearer",
            "expires_in": EXPIRES_IN,
        });
        if let Some(members) = body.as_object_mut().filter(|_| !token.refresh.is_empty()) {
            members.insert("refresh_token".to_owned(), json!(token.refresh));
        }
        if self.given.len() >= MAX_TOKENS {
            self.given.remove(0);
        }
        self.given.push(token);
        Response::json(200, &body, format!("gave a token to {user}"))
    }
}

/// A refusal of a token.
pub fn refusal(error: &str) -> Response {
    let body = json!({ "error_description": "access_denied", "error": error });
    Response::json(401, &body, format!("refused a token: {error}"))
}
