//! Requests to the instance: addresses, queries and who we are.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use serde_json::Value;
use url::Url;

use crate::servicenow::settings::{Auth, account, table};
use destination::task::{Rendered, Target, Token};
use model::attempt::{Disposition, Failure};
use model::exchange::FailureCode;

/// Where an API key goes.
const KEY_HEADER: HeaderName = HeaderName::from_static("x-sn-apikey");
/// How much is read of an answer that is a list or holds texts, in bytes.
pub(super) const LIST_CAP_BYTES: usize = 256 * 1024;

/// What every record is read with.
pub(super) const RECORD_FIELDS: &str = "sys_id,number,state,correlation_id,sys_updated_on,sys_updated_by,assigned_to,\
                                        assigned_to.user_name";

/// A caller: where to, and who we are.
#[derive(Debug, Clone, Copy)]
pub(super) struct Caller<'a> {
    /// Where to.
    pub(super) target: &'a Target,
    /// The token, if one is needed.
    pub(super) token: Option<&'a Token>,
}

impl Caller<'_> {
    /// Reads one record of our table.
    pub(super) fn record(self, sys_id: &str, fields: &str) -> Result<Rendered, Failure> {
        let url = address(
            self.target,
            &["api", "now", "table", table(self.target), sys_id],
            &reading(fields),
        );
        Ok(Rendered::new(Method::GET, url, self.headers()?, Bytes::new()))
    }

    /// Reads records of a table.
    pub(super) fn list(
        self,
        table: &str,
        query: &str,
        fields: &str,
        limit: usize,
    ) -> Result<Rendered, Failure> {
        let limit = limit.to_string();
        let query = (!query.is_empty()).then_some(("sysparm_query", query));
        let mut pairs: Vec<_> = query
            .into_iter()
            .chain([("sysparm_limit", limit.as_str())])
            .collect();
        pairs.extend(reading(fields));
        let url = address(self.target, &["api", "now", "table", table], &pairs);
        let rendered = Rendered::new(Method::GET, url, self.headers()?, Bytes::new());
        Ok(Rendered {
            body_cap: LIST_CAP_BYTES,
            ..rendered
        })
    }

    /// Makes a record of our table.
    pub(super) fn create(self, body: &Value) -> Result<Rendered, Failure> {
        let path = ["api", "now", "table", table(self.target)];
        self.write(Method::POST, &path, body)
    }

    /// Changes a record of our table.
    pub(super) fn change(self, sys_id: &str, body: &Value) -> Result<Rendered, Failure> {
        let path = ["api", "now", "table", table(self.target), sys_id];
        self.write(Method::PATCH, &path, body)
    }

    fn write(self, method: Method, path: &[&str], body: &Value) -> Result<Rendered, Failure> {
        let url = address(self.target, path, &reading(RECORD_FIELDS));
        let mut headers = self.headers()?;
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        Ok(Rendered::new(method, url, headers, Bytes::from(body.to_string())))
    }

    fn headers(self) -> Result<HeaderMap, Failure> {
        let (name, value) = match (Auth::of(self.target), self.token) {
            (Auth::Basic, _) => {
                let pair = format!("{}:{}", account(self.target), self.target.secret("password"));
                (AUTHORIZATION, format!("Basic {}", STANDARD.encode(pair)))
            }
            (Auth::ApiKey, _) => (KEY_HEADER, self.target.secret("apiKey").trim().to_owned()),
            (Auth::OauthClient | Auth::OauthPassword, Some(token)) => {
                (AUTHORIZATION, format!("Bearer {}", token.text.reveal()))
            }
            (Auth::OauthClient | Auth::OauthPassword, None) => {
                let detail = "there is no access token to call the instance with";
                return Err(Failure::new(FailureCode::TokenFailed, detail));
            }
        };
        let mut value = HeaderValue::from_str(&value).map_err(|_| {
            let detail = "the credentials hold a character that no header may: enter them again";
            Failure::new(FailureCode::SettingsRefused, detail).with(Disposition::NeedsOperator)
        })?;
        value.set_sensitive(true);
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        headers.insert(name, value);
        Ok(headers)
    }
}

/// What makes an answer short and holds each value both as it is kept and as people see it.
fn reading(fields: &str) -> [(&str, &str); 3] {
    [
        ("sysparm_fields", fields),
        ("sysparm_display_value", "all"),
        ("sysparm_exclude_reference_link", "true"),
    ]
}

/// An address below the instance's root.
pub(super) fn address(target: &Target, path: &[&str], pairs: &[(&str, &str)]) -> Url {
    let mut url = target.url.clone();
    url.set_fragment(None);
    url.set_query(None);
    // Only a URL such as `mailto:` has no path; none of those is ever saved.
    if let Ok(mut segments) = url.path_segments_mut() {
        segments.pop_if_empty().extend(path);
    }
    if !pairs.is_empty() {
        url.query_pairs_mut().extend_pairs(pairs);
    }
    url
}

/// A value as it may stand in an encoded query: `^` separates conditions there and is doubled to mean itself.
pub(super) fn query_value(value: &str) -> String {
    let line: String = value
        .chars()
        .filter(|character| !character.is_control())
        .collect();
    line.replace('^', "^^")
}
