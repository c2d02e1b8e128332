//! Wires signing in by an OpenID provider, if the settings name one.

use std::sync::Arc;

use anyhow::{Context, ensure};
use url::Url;

use actions::people::PasswordRule;
use clock::Env;
use config::Config;
use oidc::{OidcSettings, Provider};
use outbound::Client;
use web::SingleSignOn;

/// Where the provider leads back to, behind the server's own address.
const CALLBACK: &str = "sign-in/oidc/callback";

/// The provider of the settings, asked by way of this client; nothing if they name none.
pub fn prepare(
    config: &Config,
    public_url: Option<&Url>,
    client: &Client,
    source: &Env,
) -> anyhow::Result<Option<SingleSignOn>> {
    let oidc = &config.oidc;
    if !oidc.is_on() {
        ensure!(
            oidc.passwords,
            "the setting oidc.passwords: without oidc.issuer nobody could sign in"
        );
        return Ok(None);
    }
    ensure!(
        !oidc.client_id.is_empty(),
        "the setting oidc.client_id: oidc.issuer needs it"
    );
    ensure!(
        !oidc.roles.is_empty() || oidc.fallback_role.is_some(),
        "the setting oidc.roles: say which group brings which role, or give everybody oidc.fallback_role"
    );
    let base = public_url.context("the setting public_url: the provider leads people back to it")?;
    let redirect_url = Url::parse(&format!("{}/{CALLBACK}", base.as_str().trim_end_matches('/')))?;
    let settings = OidcSettings {
        issuer: oidc.issuer.clone(),
        client_id: oidc.client_id.clone(),
        client_secret: oidc.client_secret.clone(),
        scopes: oidc.scopes.clone(),
        redirect_url,
    };
    Ok(Some(SingleSignOn {
        provider: Provider::new(settings, Arc::new(client.clone()), source.clone()),
        name: oidc.name.clone(),
        groups_claim: oidc.groups_claim.clone(),
        roles: oidc.roles.clone(),
        fallback_role: oidc.fallback_role,
        replaces_passwords: !oidc.passwords,
    }))
}

/// Whose passwords the settings accept.
pub fn password_rule(config: &Config) -> PasswordRule {
    match config.oidc.passwords {
        true => PasswordRule::Everybody,
        false => PasswordRule::Only(config.oidc.break_glass.clone()),
    }
}
