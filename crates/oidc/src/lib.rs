//! Signing in by an OpenID provider: the authorization code flow with PKCE (OpenID Connect Core 1.0, RFC 7636, RFC 9207).
//!
//! [`Provider`] asks the provider, through the guarded client like everything that leaves this server. What is believed of
//! its answers is decided by pure functions beside it. Nothing here knows users, sessions or pages.

mod claims;
mod error;
mod flow;
mod jws;
mod metadata;
mod provider;

pub use claims::Claims;
pub use error::OidcError;
pub use flow::SignInFlow;
pub use provider::{OidcSettings, Provider};
