//! Access tokens by OAuth 2.0. A new one is always asked for anew: a refresh token would be one more secret to keep.

use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, Method};
use serde_json::Value;
use url::form_urlencoded;

use crate::servicenow::ServiceNow;
use crate::servicenow::answer::{no_result, quoted, wait, words};
use crate::servicenow::request::address;
use crate::servicenow::settings::{Auth, account};
use destination::status;
use destination::task::{Recording, Rendered, Target, Token};
use destination::ticketing::Tokens;
use model::attempt::{Disposition, Failure};
use model::exchange::{Exchange, FailureCode, Response};
use model::secret::SecretText;
use model::time::Timestamp;

/// How long a token is used whose end was not told: what instances are set up with.
const UNTOLD_LIFETIME: Duration = Duration::from_secs(1800);
/// The longest time that a token is used.
const MAX_LIFETIME: Duration = Duration::from_secs(24 * 3600);
/// How long before its end a token is used no more, lest it ends on the way.
const MARGIN: Duration = Duration::from_secs(60);
/// The longest token that is taken, in bytes: it has to fit into a header.
const MAX_TOKEN_BYTES: usize = 8 * 1024;

impl Tokens for ServiceNow {
    fn request(&self, target: &Target) -> Result<Rendered, Failure> {
        let mut form = form_urlencoded::Serializer::new(String::new());
        let grant = match Auth::of(target) {
            Auth::OauthPassword => "password",
            Auth::OauthClient | Auth::Basic | Auth::ApiKey => "client_credentials",
        };
        form.append_pair("grant_type", grant);
        form.append_pair("client_id", target.option("clientId").trim());
        form.append_pair("client_secret", target.secret("clientSecret"));
        if Auth::of(target) == Auth::OauthPassword {
            form.append_pair("username", account(target));
            form.append_pair("password", target.secret("password"));
        }
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        headers.insert(
            CONTENT_TYPE,
            HeaderValue::from_static("application/x-www-form-urlencoded"),
        );
        let url = address(target, &["oauth_token.do"], &[]);
        let rendered = Rendered::new(Method::POST, url, headers, Bytes::from(form.finish()));
        Ok(Rendered {
            recording: Recording::HeadsOnly,
            ..rendered
        })
    }

    fn read(&self, exchange: &Exchange, now: Timestamp) -> Result<Token, Failure> {
        let response = match &exchange.result {
            Ok(response) => response,
            Err(failure) => {
                let detail = format!("no access token could be fetched: {}", failure.detail);
                return Err(Failure::new(FailureCode::TokenFailed, detail));
            }
        };
        let body: Option<Value> = serde_json::from_slice(&response.body).ok();
        match (response.status, &body) {
            (200..=299, Some(body)) => token(body, now),
            (200..=299, None) => Err(Failure::new(FailureCode::TokenFailed, no_result(response).detail)),
            _ => Err(refused(response, &body.unwrap_or_default(), now)),
        }
    }
}

fn token(body: &Value, now: Timestamp) -> Result<Token, Failure> {
    let text = body
        .get("access_token")
        .and_then(Value::as_str)
        .unwrap_or_default();
    let is_token =
        !text.is_empty() && text.len() <= MAX_TOKEN_BYTES && text.bytes().all(|byte| byte.is_ascii_graphic());
    if !is_token {
        let detail = "the instance answered without an access token: check the client's grant type";
        return Err(Failure::new(FailureCode::TokenFailed, detail).with(Disposition::NeedsOperator));
    }
    let seconds = body.get("expires_in");
    let seconds = seconds.and_then(|value| value.as_u64().or_else(|| value.as_str()?.parse().ok()));
    let lifetime = seconds
        .map_or(UNTOLD_LIFETIME, Duration::from_secs)
        .min(MAX_LIFETIME);
    let margin = MARGIN.min(lifetime / 2);
    Ok(Token {
        text: SecretText::new(text),
        fetched_at: now,
        until: now.plus(lifetime.saturating_sub(margin)),
    })
}

fn refused(response: &Response, body: &Value, now: Timestamp) -> Failure {
    let (status, words) = (response.status, quoted(&words(body)));
    let failure = |sentence: &str| {
        let detail = format!("{sentence}{words}");
        Failure::new(FailureCode::TokenFailed, detail)
    };
    match status {
        429 => Failure {
            retry_after: wait(&response.headers, now),
            ..failure("the instance hands out no access token before its rate limit allows it").with(Disposition::RateLimited)
        },
        400..=499 if words.is_empty() => failure(&status::foreign_sentence(status, "ServiceNow")),
        400..=499 => failure(&format!(
            "the instance refuses to hand out an access token (status {status}): put client id, client secret, account \
             and password right"
        ))
        .with(Disposition::NeedsOperator),
        _ => failure(&format!("the instance handed out no access token (status {status})")),
    }
}
