//! Requests to Jira: address, proof, body.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, Method};
use serde_json::Value;
use url::Url;

use crate::jira::settings::{Auth, Edition, Settings};
use destination::task::{Rendered, Target, Token};
use model::attempt::{Disposition, Failure};
use model::exchange::FailureCode;

/// How much is read of an answer that holds a ticket with its transitions, or comments, in bytes.
pub(super) const LARGE_BODY_CAP: usize = 256 * 1024;

/// Where requests go and who makes them.
#[derive(Debug, Clone, Copy)]
pub(super) struct Api<'a> {
    /// Where to.
    pub(super) target: &'a Target,
    /// The access token, if the settings ask for one.
    pub(super) token: Option<&'a Token>,
}

impl Api<'_> {
    /// A request without a body.
    pub(super) fn get(self, path: &[&str], query: &[(&str, &str)]) -> Result<Rendered, Failure> {
        let mut url = self.url(path)?;
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        Ok(Rendered::new(Method::GET, url, self.headers()?, Bytes::new()))
    }

    /// A request with a body.
    pub(super) fn send(self, method: Method, path: &[&str], body: &Value) -> Result<Rendered, Failure> {
        let mut headers = self.headers()?;
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        let body = Bytes::from(body.to_string());
        Ok(Rendered::new(method, self.url(path)?, headers, body))
    }

    /// The tickets that a query finds, the oldest first.
    pub(super) fn search(self, jql: &str, fields: &str, max: &str) -> Result<Rendered, Failure> {
        let path: &[&str] = match Settings(self.target).edition() {
            Edition::Cloud => &["search", "jql"],
            Edition::DataCenter => &["search"],
        };
        let request = self.get(path, &[("jql", jql), ("fields", fields), ("maxResults", max)])?;
        Ok(with_large_answer(request))
    }

    /// The address of something below `/rest/api/2`: the version that speaks wiki markup everywhere.
    fn url(self, path: &[&str]) -> Result<Url, Failure> {
        let mut url = self.target.url.clone();
        url.set_query(None);
        url.set_fragment(None);
        let is_base = url.path_segments_mut().is_ok_and(|mut segments| {
            segments.pop_if_empty().extend(["rest", "api", "2"]).extend(path);
            true
        });
        let failure = || {
            Failure::new(FailureCode::RequestInvalid, "the address is none of a Jira")
                .with(Disposition::NeedsOperator)
        };
        is_base.then_some(url).ok_or_else(failure)
    }

    fn headers(self) -> Result<HeaderMap, Failure> {
        let proof = match Settings(self.target).auth() {
            Auth::Basic => {
                let pair = format!(
                    "{}:{}",
                    Settings(self.target).account(),
                    self.target.secret("token")
                );
                format!("Basic {}", STANDARD.encode(pair))
            }
            Auth::Bearer => format!("Bearer {}", self.target.secret("token").trim()),
            Auth::ClientCredentials => {
                let missing = || Failure::new(FailureCode::TokenFailed, "there is no access token");
                format!("Bearer {}", self.token.ok_or_else(missing)?.text.reveal())
            }
        };
        let unusable = |_| {
            let detail = "the token has characters that no token has: fill it in again";
            Failure::new(FailureCode::SettingsRefused, detail).with(Disposition::NeedsOperator)
        };
        let mut proof = HeaderValue::from_str(&proof).map_err(unusable)?;
        proof.set_sensitive(true);
        let mut headers = HeaderMap::new();
        headers.insert(AUTHORIZATION, proof);
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        Ok(headers)
    }
}

/// The same with more of its answer read.
pub(super) fn with_large_answer(request: Rendered) -> Rendered {
    Rendered {
        body_cap: LARGE_BODY_CAP,
        ..request
    }
}
