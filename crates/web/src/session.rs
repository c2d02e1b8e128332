//! Who looks at a page, and how they like pages to look.

use std::convert::Infallible;

use axum::extract::FromRequestParts;
use http::HeaderMap;
use http::header::COOKIE;
use http::request::Parts;
use model::digest::hmac_sha256;
use subtle::ConstantTimeEq;

use crate::layout::error::PageError;
use actions::people::actor_of;
use model::access::Scope;
use model::audit::Actor;
use model::device::DEVICE_LIFETIME;
use model::session::Session;
use model::time::Timestamp;
use model::user::User;
use store::seal::MasterKey;
use strum::{EnumString, IntoStaticStr};

/// The cookie with the session's token, over plain HTTP.
const SESSION_COOKIE: &str = "opsknight_session";
/// The same over TLS: browsers accept this name only with `Secure`, `Path=/` and no `Domain`.
const SECURE_SESSION_COOKIE: &str = "__Host-opsknight_session";
/// The same if the server has only a part of its host: browsers accept this name only with `Secure`.
const SECURE_PART_SESSION_COOKIE: &str = "__Secure-opsknight_session";
/// The cookie by which a device is known, over plain HTTP.
const DEVICE_COOKIE: &str = "opsknight_device";
/// The same over TLS.
const SECURE_DEVICE_COOKIE: &str = "__Host-opsknight_device";
/// The same if the server has only a part of its host.
const SECURE_PART_DEVICE_COOKIE: &str = "__Secure-opsknight_device";
/// The cookie of a sign-in by the provider or a passkey that is under way, over plain HTTP.
const FLOW_COOKIE: &str = "opsknight_sign_in";
/// The same over TLS.
const SECURE_FLOW_COOKIE: &str = "__Host-opsknight_sign_in";
/// The same if the server has only a part of its host.
const SECURE_PART_FLOW_COOKIE: &str = "__Secure-opsknight_sign_in";
/// The cookie with the token of a link to a receiver's page; it is sent to that page only.
pub const RECEIVER_COOKIE: &str = "opsknight_receiver";
/// The cookie with the choice of light or dark.
const THEME_COOKIE: &str = "opsknight_theme";
/// The cookie with the choice of a wide or narrow sidebar.
const SIDEBAR_COOKIE: &str = "opsknight_sidebar";

/// How cookies are set, which depends on how the server is reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transport {
    /// Whether over TLS.
    pub is_secure: bool,
    /// Under which path; empty if the host is all its own.
    pub base_path: String,
}

impl Transport {
    /// The name of the session's cookie.
    pub fn session_cookie(&self) -> &'static str {
        match (self.is_secure, self.base_path.is_empty()) {
            (false, _) => SESSION_COOKIE,
            (true, true) => SECURE_SESSION_COOKIE,
            (true, false) => SECURE_PART_SESSION_COOKIE,
        }
    }

    /// The name of the device's cookie.
    pub fn device_cookie(&self) -> &'static str {
        match (self.is_secure, self.base_path.is_empty()) {
            (false, _) => DEVICE_COOKIE,
            (true, true) => SECURE_DEVICE_COOKIE,
            (true, false) => SECURE_PART_DEVICE_COOKIE,
        }
    }

    /// The name of the cookie of a sign-in under way.
    pub fn flow_cookie(&self) -> &'static str {
        match (self.is_secure, self.base_path.is_empty()) {
            (false, _) => FLOW_COOKIE,
            (true, true) => SECURE_FLOW_COOKIE,
            (true, false) => SECURE_PART_FLOW_COOKIE,
        }
    }

    /// A `Set-Cookie` for a sign-in under way, for so long; an empty text ends it.
    pub fn set_flow(&self, text: &str, max_age_seconds: u64) -> String {
        self.set(self.flow_cookie(), text, max_age_seconds)
    }

    /// A `Set-Cookie` for this session token, for so long; an empty token ends it.
    pub fn set_session(&self, token: &str, max_age_seconds: u64) -> String {
        self.set(self.session_cookie(), token, max_age_seconds)
    }

    /// A `Set-Cookie` for the token of a device.
    pub fn set_device(&self, token: &str) -> String {
        self.set(self.device_cookie(), token, DEVICE_LIFETIME.as_secs())
    }

    /// A `Set-Cookie` for the token of a link to a receiver's page, for so long; for that page only.
    pub fn set_receiver(&self, link: &str, token: &str, max_age_seconds: u64) -> String {
        let (path, secure) = (&self.base_path, self.secure_attribute());
        format!(
            "{RECEIVER_COOKIE}={token}; Path={path}/receiver/{link}; HttpOnly; SameSite=Lax; \
             Max-Age={max_age_seconds}{secure}"
        )
    }

    /// A `Set-Cookie` for a matter of taste.
    fn set_preference(&self, name: &str, value: &str) -> String {
        const YEAR_SECONDS: u64 = 365 * 24 * 3600;
        self.set(name, value, YEAR_SECONDS)
    }

    fn set(&self, name: &str, value: &str, max_age_seconds: u64) -> String {
        let (path, secure) = (&self.base_path, self.secure_attribute());
        format!("{name}={value}; Path={path}/; HttpOnly; SameSite=Lax; Max-Age={max_age_seconds}{secure}")
    }

    fn secure_attribute(&self) -> &'static str {
        if self.is_secure { "; Secure" } else { "" }
    }
}

/// Light or dark.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, EnumString, IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub enum Theme {
    /// As the system says.
    #[default]
    System,
    Light,
    Dark,
}

impl Theme {
    /// The theme as forms and cookies write it.
    pub fn as_str(self) -> &'static str {
        self.into()
    }

    /// The theme read back; the system's for anything else.
    pub fn parse(text: &str) -> Self {
        text.parse().unwrap_or_default()
    }
}

/// Wide or narrow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, EnumString, IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub enum Sidebar {
    /// With names.
    #[default]
    Wide,
    /// With marks only.
    Narrow,
}

impl Sidebar {
    /// The sidebar as forms and cookies write it.
    pub fn as_str(self) -> &'static str {
        self.into()
    }

    /// The sidebar read back; wide for anything else.
    pub fn parse(text: &str) -> Self {
        text.parse().unwrap_or_default()
    }
}

/// How a page shall look, and when it is looked at: known of everybody.
#[derive(Debug, Clone)]
pub struct RequestContext {
    /// Light or dark.
    pub theme: Theme,
    /// Wide or narrow.
    pub sidebar: Sidebar,
    /// What was just done, as a code that `layout.rs` knows.
    pub flash: Option<String>,
    pub now: Timestamp,
    /// Whether this is a server for development.
    pub is_dev: bool,
    /// Path and query of the page.
    pub target: String,
    /// A token for a form that must not act twice.
    pub form_nonce: String,
}

/// Somebody who is signed in.
#[derive(Debug, Clone)]
pub struct UserSession {
    /// Who.
    pub user: User,
    pub session: Session,
    /// The token that every form of this session carries.
    pub csrf: String,
    /// What seals secrets that were typed, until the form is sent again. It stands in no page.
    pub typed_key: MasterKey,
    /// How their pages look.
    pub context: RequestContext,
}

impl UserSession {
    /// The person as the one who does something.
    pub fn actor(&self) -> Actor {
        actor_of(&self.user)
    }

    /// Whether their role has a right.
    pub fn may(&self, scope: Scope) -> bool {
        self.user.role.scopes().contains(scope)
    }
}

/// The token of a session's forms: made from the session's own token, which no other site can read.
pub fn csrf_token(session_token: &str) -> String {
    hex::encode(hmac_sha256(session_token.as_bytes(), [b"opsknight form"]))
}

/// What seals secrets that a session typed: made from the session's own token, and not to be had from that of its forms.
pub fn typed_key(session_token: &str) -> MasterKey {
    MasterKey::new(hmac_sha256(
        session_token.as_bytes(),
        [b"opsknight typed secrets 1"],
    ))
}

/// Whether a form's token is the session's, compared in constant time.
pub fn is_csrf_token(given: &str, expected: &str) -> bool {
    !expected.is_empty() && bool::from(given.as_bytes().ct_eq(expected.as_bytes()))
}

/// The value of a cookie.
pub fn cookie<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers
        .get_all(COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .find(|(cookie, _)| *cookie == name)
        .map(|(_, value)| value)
}

/// The cookies of taste, read.
pub fn preferences(headers: &HeaderMap) -> (Theme, Sidebar) {
    let theme = cookie(headers, THEME_COOKIE).map(Theme::parse);
    let sidebar = cookie(headers, SIDEBAR_COOKIE).map(Sidebar::parse);
    (theme.unwrap_or_default(), sidebar.unwrap_or_default())
}

/// The cookies of taste, to be set.
pub fn set_preferences(transport: &Transport, theme: Theme, sidebar: Sidebar) -> [String; 2] {
    [
        transport.set_preference(THEME_COOKIE, theme.as_str()),
        transport.set_preference(SIDEBAR_COOKIE, sidebar.as_str()),
    ]
}

impl<S: Sync> FromRequestParts<S> for UserSession {
    type Rejection = PageError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, PageError> {
        let session = parts.extensions.get::<Self>().cloned();
        session.ok_or_else(PageError::not_signed_in)
    }
}

/// Somebody who is signed in, or nobody in particular.
pub struct Anybody(pub Option<UserSession>);

impl<S: Sync> FromRequestParts<S> for Anybody {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(Self(parts.extensions.get::<UserSession>().cloned()))
    }
}

impl<S: Sync> FromRequestParts<S> for RequestContext {
    type Rejection = PageError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, PageError> {
        let context = parts.extensions.get::<Self>().cloned();
        context.ok_or_else(|| PageError::internal("a page without its guard"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    #[test]
    fn a_cookie_is_found_among_others_and_only_by_its_whole_name() {
        let mut headers = HeaderMap::new();
        headers.append(COOKIE, HeaderValue::from_static("a=1; opsknight_session=ses_x"));
        headers.append(COOKIE, HeaderValue::from_static("opsknight_theme=dark"));
        assert_eq!(cookie(&headers, SESSION_COOKIE), Some("ses_x"));
        assert_eq!(cookie(&headers, "session"), None);
        assert_eq!(preferences(&headers), (Theme::Dark, Sidebar::Wide));
    }

    #[test]
    fn over_tls_the_session_cookie_is_bound_to_the_host() {
        let transport = |is_secure, base_path: &str| Transport {
            is_secure,
            base_path: base_path.to_owned(),
        };
        let secure = transport(true, "").set_session("ses_x", 60);
        assert!(secure.starts_with("__Host-opsknight_session=ses_x; Path=/; HttpOnly; SameSite=Lax"));
        assert!(secure.ends_with("; Secure"));
        assert!(!transport(false, "").set_session("ses_x", 60).contains("Secure"));
        let part = transport(true, "/ops").set_session("ses_x", 60);
        assert!(part.starts_with("__Secure-opsknight_session=ses_x; Path=/ops/; HttpOnly"));
    }

    #[test]
    fn each_session_has_its_own_form_token() {
        let token = csrf_token("ses_a");
        assert!(is_csrf_token(&token, &token));
        assert!(
            !is_csrf_token(&csrf_token("ses_b"), &token)
                && !is_csrf_token("", "")
                && !is_csrf_token("", &token)
        );
    }
}
