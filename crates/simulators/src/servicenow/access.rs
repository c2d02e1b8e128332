//! Who calls: a user with a password, an API key, or an access token. Every user name is taken; a password or key that
//! begins with `bad` is not.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::HeaderMap;
use http::header::AUTHORIZATION;

use crate::servicenow::answer::Refusal;
use crate::servicenow::instance::Instance;
use crate::servicenow::oauth::Tokens;
use crate::servicenow::seed::{INTEGRATION, READER};
use crate::simulator::Response;
use model::time::Timestamp;

/// What a password, a key or a secret begins with that is refused.
pub const REFUSED: &str = "bad";

/// Whoever calls.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// The user name.
    pub name: String,
    /// The id; empty if there is no record of this user.
    pub sys_id: String,
}

impl User {
    /// The user of a name.
    pub fn named(name: &str, instance: &Instance) -> Self {
        let record = instance
            .records("sys_user")
            .find(|user| user.get("user_name") == name);
        Self {
            name: name.to_owned(),
            sys_id: record.map_or_else(String::new, |user| user.sys_id.clone()),
        }
    }

    /// Refuses a write of somebody who may only read; `what` is such as `Insert`.
    pub fn may_write(&self, what: &str) -> Result<(), Refusal> {
        if self.name == READER {
            Err(Refusal::acl(what))
        } else {
            Ok(())
        }
    }
}

/// Who calls; nothing if nobody is known by what the headers say.
pub fn caller(headers: &HeaderMap, tokens: &Tokens, instance: &Instance, now: Timestamp) -> Option<User> {
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    if let Some(key) = header("x-sn-apikey") {
        return is_taken(key).then(|| User::named(INTEGRATION, instance));
    }
    let authorization = header(AUTHORIZATION.as_str())?;
    if let Some((name, password)) = basic(authorization) {
        let is_known = !name.is_empty() && is_taken(&password);
        return is_known.then(|| User::named(&name, instance));
    }
    let token = strip_scheme(authorization, "bearer ")?;
    tokens.user(token, now).map(|name| User::named(name, instance))
}

/// The name and password of Basic credentials.
pub fn basic(authorization: &str) -> Option<(String, String)> {
    let credentials = strip_scheme(authorization, "basic ")?;
    let bytes = STANDARD.decode(credentials.trim()).ok()?;
    let text = String::from_utf8(bytes).ok()?;
    text.split_once(':')
        .map(|(name, password)| (name.to_owned(), password.to_owned()))
}

/// The token of a Bearer header.
pub fn bearer(headers: &HeaderMap) -> Option<&str> {
    strip_scheme(headers.get(AUTHORIZATION)?.to_str().ok()?, "bearer ")
}

/// Whether a password, a key or a secret is taken.
pub fn is_taken(secret: &str) -> bool {
    !secret.is_empty() && !secret.starts_with(REFUSED)
}

/// The answer to somebody who is not known.
pub fn unknown() -> Response {
    let refusal = Refusal::new(
        401,
        "User Not Authenticated",
        "Required to provide Auth information",
    );
    let mut answer = refusal.answer();
    answer
        .headers
        .push(("www-authenticate", "BASIC realm=\"Service-now\"".to_owned()));
    answer
}

fn strip_scheme<'a>(authorization: &'a str, scheme: &str) -> Option<&'a str> {
    let (start, rest) = authorization.split_at_checked(scheme.len())?;
    start.eq_ignore_ascii_case(scheme).then_some(rest)
}
