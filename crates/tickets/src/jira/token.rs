//! Access tokens of service accounts: OAuth 2.0 client credentials (RFC 6749 § 4.4).

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, Method};
use serde::Deserialize;
use serde_json::json;
use url::Url;
use url::form_urlencoded::Serializer;

use crate::jira::answer::wait;
use crate::jira::settings::{Edition, Settings};
use destination::status;
use destination::task::{Recording, Rendered, Target, Token};
use destination::ticketing::Tokens;
use model::attempt::{Disposition, Failure};
use model::exchange::{Exchange, FailureCode};
use model::secret::SecretText;
use model::time::Timestamp;

/// Where Atlassian hands out tokens.
pub(super) const DEFAULT_URL: &str = "https://auth.atlassian.com/oauth/token";
/// How long a token is used of which no end was told.
const UNTOLD_LIFETIME: Duration = Duration::from_secs(300);
/// The longest time that a token is used.
const MAX_LIFETIME: Duration = Duration::from_secs(24 * 3600);
/// The longest token, in bytes.
const MAX_TOKEN_BYTES: usize = 8192;

/// Tokens for a client id and its secret.
pub(super) struct ClientCredentials;

#[derive(Deserialize)]
struct TokenBody {
    access_token: String,
    expires_in: Option<u64>,
}

/// The address that hands out tokens.
pub(super) fn url(target: &Target) -> Option<Url> {
    let own = target.option("tokenUrl").trim();
    let url = Url::parse(if own.is_empty() { DEFAULT_URL } else { own }).ok()?;
    matches!(url.scheme(), "http" | "https").then_some(url)
}

impl Tokens for ClientCredentials {
    fn request(&self, target: &Target) -> Result<Rendered, Failure> {
        let url = url(target)
            .ok_or_else(|| failed("the token address is no address", Disposition::NeedsOperator))?;
        let pairs = [
            ("grant_type", "client_credentials"),
            ("client_id", target.option("clientId").trim()),
            ("client_secret", target.secret("clientSecret").trim()),
        ];
        // Atlassian documents JSON for Cloud; Data Center takes the form of RFC 6749 only.
        let (content_type, body) = match Settings(target).edition() {
            Edition::Cloud => ("application/json", json!(BTreeMap::from(pairs)).to_string()),
            Edition::DataCenter => {
                let form = Serializer::new(String::new()).extend_pairs(pairs).finish();
                ("application/x-www-form-urlencoded", form)
            }
        };
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        Ok(Rendered {
            recording: Recording::HeadsOnly,
            ..Rendered::new(Method::POST, url, headers, Bytes::from(body))
        })
    }

    fn read(&self, exchange: &Exchange, now: Timestamp) -> Result<Token, Failure> {
        let response = match &exchange.result {
            Ok(response) => response,
            Err(failure) => return Err(failed(&failure.detail, Disposition::Backoff)),
        };
        match response.status {
            200..=299 => token(&response.body, now),
            429 => Err(Failure {
                retry_after: wait(response, now),
                ..failed(
                    "the token address asks for fewer requests",
                    Disposition::RateLimited,
                )
            }),
            // What it says is not repeated: it may repeat what it was sent.
            400..=499 if !is_own(&response.body) => Err(failed(
                &status::foreign_sentence(response.status, "a token address"),
                Disposition::Backoff,
            )),
            400..=499 => {
                let detail = format!(
                    "no access token for this client id and secret ({})",
                    response.status
                );
                Err(failed(&detail, Disposition::NeedsOperator))
            }
            status => Err(failed(
                &format!("the token address answered {status}"),
                Disposition::Backoff,
            )),
        }
    }
}

/// Whether a refusal has the form of RFC 6749; anything else may be of a firewall or proxy on the way.
fn is_own(body: &[u8]) -> bool {
    let body: Option<serde_json::Value> = serde_json::from_slice(body).ok();
    body.is_some_and(|body| body["error"].is_string())
}

fn token(body: &[u8], now: Timestamp) -> Result<Token, Failure> {
    let unreadable = || {
        failed(
            "the token address answered, but not with a token",
            Disposition::Backoff,
        )
    };
    let body: TokenBody = serde_json::from_slice(body).map_err(|_| unreadable())?;
    let text = body.access_token;
    let is_token =
        (1..=MAX_TOKEN_BYTES).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic());
    if !is_token {
        return Err(unreadable());
    }
    let lifetime = body
        .expires_in
        .map_or(UNTOLD_LIFETIME, Duration::from_secs)
        .min(MAX_LIFETIME);
    Ok(Token {
        text: SecretText::new(text),
        fetched_at: now,
        // A tenth before its end nothing is begun with it any more.
        until: now.plus(lifetime - lifetime / 10),
    })
}

fn failed(detail: &str, remedy: Disposition) -> Failure {
    Failure::new(FailureCode::TokenFailed, detail).with(remedy)
}
