//! Who may come in: Basic with any account, Bearer with a personal token or one that was given out here. A secret that
//! begins with `bad` opens nothing. Refusals have the forms of Data Center (a page), Cloud (a sentence) and the gateway.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::HeaderMap;
use http::Method;
use http::header::AUTHORIZATION;
use serde_json::{Value, json};

use crate::jira::answer::{Answer, Refusal};
use crate::jira::people::{self, Person};
use crate::jira::request::{Api, Asked};
use crate::jira::world::World;
use model::time::Timestamp;

/// How long an access token lives.
const LIFETIME: Duration = Duration::from_secs(3600);
/// How tokens begin that were given out here.
const PREFIX: &str = "fake-access-";
/// The most tokens that are remembered.
const MAX_TOKENS: usize = 100;

/// An access token that was given out.
#[derive(Debug)]
pub struct IssuedToken {
    token: String,
    expires_at: Timestamp,
}

/// The account behind a request's credentials.
pub fn caller(world: &World, headers: &HeaderMap, asked: &Asked<'_>) -> Result<Person, Refusal> {
    let header = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
    let Some(header) = header else {
        let is_open = asked.path.first().is_some_and(|first| first == "serverInfo");
        return if is_open {
            Ok(people::nobody())
        } else {
            Err(not_logged_in(asked))
        };
    };
    let (scheme, credentials) = header.split_once(' ').unwrap_or((header, ""));
    let found = if scheme.eq_ignore_ascii_case("basic") {
        basic(world, credentials.trim())
    } else if scheme.eq_ignore_ascii_case("bearer") {
        bearer(world, credentials.trim(), asked)
    } else {
        None
    };
    found.ok_or_else(|| unknown(asked))
}

fn basic(world: &World, credentials: &str) -> Option<Person> {
    let text = String::from_utf8(STANDARD.decode(credentials).ok()?).ok()?;
    let (account, secret) = text.split_once(':')?;
    (!account.is_empty() && is_good(secret)).then(|| people::caller(&world.people, account))
}

/// Tokens from here are known by name, and through the gateway there are no others.
fn bearer(world: &World, token: &str, asked: &Asked<'_>) -> Option<Person> {
    let is_issued = token.starts_with(PREFIX) || asked.is_below_gateway;
    let is_fresh = |issued: &IssuedToken| issued.token == token && asked.now < issued.expires_at;
    let is_accepted = if is_issued {
        world.tokens.iter().any(is_fresh)
    } else {
        is_good(token)
    };
    is_accepted.then(people::service)
}

fn is_good(secret: &str) -> bool {
    !secret.is_empty() && !secret.starts_with("bad")
}

/// Nobody is logged in.
pub fn not_logged_in(asked: &Asked<'_>) -> Refusal {
    let message = "Client must be authenticated to access this resource.";
    match asked.view.api {
        Api::Two => Refusal::said(
            401,
            "You are not authenticated. Authentication required to perform this operation.",
        )
        .header("www-authenticate", "OAuth realm=\"Jira\""),
        Api::Three => Refusal::json(401, &json!({ "message": message, "status-code": 401 }), message),
    }
}

/// The credentials are not known.
pub fn unknown(asked: &Asked<'_>) -> Refusal {
    if asked.is_below_gateway {
        return Refusal::json(
            401,
            &json!({ "code": 401, "message": "Unauthorized" }),
            "Unauthorized",
        );
    }
    let refusal = match asked.view.api {
        Api::Two => Refusal::page(
            401,
            "Basic Authentication Failure - Reason : AUTHENTICATED_FAILED",
        ),
        Api::Three => Refusal::text(401, "Client must be authenticated to access this resource."),
    };
    refusal.header("x-seraph-loginreason", "AUTHENTICATED_FAILED")
}

/// `POST /oauth/token`: an access token for a client's id and secret.
pub fn issue_token(world: &mut World, asked: &Asked<'_>) -> Result<Answer, Refusal> {
    if asked.method != Method::POST {
        return Err(Refusal::no_such_method(asked.method));
    }
    let refused = |status, error: &str, description: &str| {
        Err(Refusal::json(
            status,
            &json!({ "error": error, "error_description": description }),
            description,
        ))
    };
    let members = asked.members()?;
    let text = |name: &str| members.get(name).and_then(Value::as_str).unwrap_or_default();
    match text("grant_type") {
        "client_credentials" => {}
        "" => return refused(400, "invalid_request", "Missing required parameter: grant_type"),
        _ => return refused(403, "unsupported_grant_type", "Unsupported grant type"),
    }
    if text("client_id").is_empty() || !is_good(text("client_secret")) {
        return refused(401, "access_denied", "Unauthorized");
    }
    let token = format!("{PREFIX}{}-{}", asked.now.as_millis(), world.next_id());
    world.tokens.push(IssuedToken {
        token: token.clone(),
        expires_at: asked.now.plus(LIFETIME),
    });
    if world.tokens.len() > MAX_TOKENS {
        world.tokens.remove(0);
    }
    let body = json!({
        "access_token": token,
        "expires_in": LIFETIME.as_secs(),
        "token_type": "Bearer",
        "scope": "read:jira-work write:jira-work read:jira-user",
    });
    Ok(Answer::new(200, body, "gave out an access token"))
}
