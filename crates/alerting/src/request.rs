//! One JSON request, as every kind here makes it.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, Method};
use serde_json::Value;
use sha2::{Digest, Sha256};
use url::Url;

use destination::about::Problem;
use destination::task::{Rendered, Target};
use model::attempt::{Disposition, Failure};
use model::exchange::FailureCode;

/// How much of a digest tells two keys apart, in bytes.
const DIGEST_BYTES: usize = 8;

/// A POST of JSON with the credentials that a target holds.
pub(crate) fn post(url: Url, credentials: &Credentials<'_>, body: &Value) -> Result<Rendered, Failure> {
    let mut headers = credentials.headers()?;
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    let body = Bytes::from(body.to_string());
    Ok(Rendered::new(Method::POST, url, headers, body))
}

/// An address below the root that a webhook names, whether or not that ends with a slash.
pub(crate) fn below(root: &Url, path: &str) -> Url {
    let mut url = root.clone();
    url.set_path(&format!("{}{path}", root.path().trim_end_matches('/')));
    url.set_query(None);
    url.set_fragment(None);
    url
}

/// What proves who sends.
pub(crate) enum Credentials<'a> {
    /// Nothing, or what is in the body.
    None,
    /// A scheme and what goes behind it.
    Token(&'static str, &'a str),
    /// A name and a password.
    Basic(&'a str, &'a str),
}

impl<'a> Credentials<'a> {
    /// What a target's `token`, or else its `username` and `password`, say.
    pub(crate) fn new(target: &'a Target) -> Self {
        match (target.secret("token"), target.option("username")) {
            ("", "") => Self::None,
            ("", name) => Self::Basic(name, target.secret("password")),
            (token, _) => Self::Token("Bearer", token),
        }
    }

    pub(crate) fn headers(&self) -> Result<HeaderMap, Failure> {
        let text = match self {
            Self::None => return Ok(HeaderMap::new()),
            Self::Token(scheme, token) => format!("{scheme} {token}"),
            Self::Basic(name, password) => format!("Basic {}", STANDARD.encode(format!("{name}:{password}"))),
        };
        let mut value = HeaderValue::from_str(&text).map_err(|_| {
            let detail = "the credentials hold characters that no header can carry";
            Failure::new(FailureCode::RequestInvalid, detail).with(Disposition::NeedsOperator)
        })?;
        value.set_sensitive(true);
        Ok(HeaderMap::from_iter([(AUTHORIZATION, value)]))
    }
}

/// What is wrong with a target's `token`, `username` and `password`.
pub(crate) fn credential_problems(target: &Target) -> Vec<Problem> {
    let (token, name, password) = (
        target.secret("token"),
        target.option("username"),
        target.secret("password"),
    );
    let both = !token.is_empty() && !name.is_empty();
    let both = both.then(|| invalid("token", "give a token or a user name, not both"));
    let half = token.is_empty() && name.is_empty() != password.is_empty();
    let half = half.then(|| invalid("password", "user name and password go together"));
    let unsendable = |text: &str| text.bytes().any(|byte| !(0x20..0x7f).contains(&byte));
    let unsendable = unsendable(token).then(|| invalid("token", "a token is of printable ASCII characters"));
    let colon = name
        .contains(':')
        .then(|| invalid("username", "a user name holds no colon"));
    [both, half, unsendable, colon].into_iter().flatten().collect()
}

/// A problem with a field's value.
pub(crate) fn invalid(field: &'static str, detail: &str) -> Problem {
    Problem {
        field,
        code: "invalid_value",
        detail: detail.to_owned(),
    }
}

/// What tells a key from others and lets nobody use it.
pub(crate) fn digest(key: &str) -> String {
    let digest = Sha256::digest(key.as_bytes());
    hex::encode(digest.get(..DIGEST_BYTES).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use destination::sample::Sample;
    use model::event::EventName;
    use model::time::Timestamp;
    use model::webhook::WebhookKind;

    fn sample() -> Sample {
        let url = Url::parse("https://alerts.example/prefix/").unwrap();
        Sample::new(
            WebhookKind::new("ntfy"),
            url,
            EventName::Triggered,
            Timestamp::EPOCH,
        )
    }

    fn authorization(sample: &Sample) -> Option<String> {
        let headers = Credentials::new(&sample.target).headers().unwrap();
        let value = headers.get(AUTHORIZATION)?;
        assert!(value.is_sensitive());
        Some(value.to_str().unwrap().to_owned())
    }

    #[test]
    fn an_address_keeps_the_path_of_its_root() {
        let url = Url::parse("https://alerts.example/prefix/?x=1#y").unwrap();
        assert_eq!(
            below(&url, "/v2/alerts").as_str(),
            "https://alerts.example/prefix/v2/alerts"
        );
    }

    #[test]
    fn a_token_or_a_name_with_a_password_proves_who_sends() {
        assert_eq!(authorization(&sample()), None);
        let token = sample().with_secret("token", "tk_1");
        assert_eq!(authorization(&token).as_deref(), Some("Bearer tk_1"));
        let basic = sample()
            .with_option("username", "ada")
            .with_secret("password", "ü");
        assert_eq!(authorization(&basic).as_deref(), Some("Basic YWRhOsO8"));
    }

    #[test]
    fn half_of_the_credentials_or_two_of_them_are_refused() {
        let fields = |sample: Sample| {
            credential_problems(&sample.target)
                .iter()
                .map(|problem| problem.field)
                .collect::<Vec<_>>()
        };
        assert_eq!(fields(sample()), [""; 0]);
        assert_eq!(fields(sample().with_option("username", "ada")), ["password"]);
        assert_eq!(fields(sample().with_secret("password", "x")), ["password"]);
        assert_eq!(fields(sample().with_secret("token", "a\nb")), ["token"]);
        let both = sample().with_secret("token", "t").with_option("username", "a:b");
        assert_eq!(fields(both), ["token", "username"]);
    }

    #[test]
    fn a_digest_tells_keys_apart() {
        assert_eq!(digest("a").len(), 16);
        assert_ne!(digest("a"), digest("b"));
    }
}
