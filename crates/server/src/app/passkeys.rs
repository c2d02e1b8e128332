//! Wires signing in by passkeys: which host name they belong to, and what signs challenges on all nodes.

use std::net::SocketAddr;

use url::Url;

use super::shared_secret;
use clock::Env;
use config::Config;
use passkeys::{RelyingParty, UnfitAddress};

/// What the hash of the challenges' key begins with, so that it is none of another use of the master key.
const DOMAIN: &[u8] = b"opsknight passkeys 1\n";

/// The server as authenticators know it, or why there are no passkeys for it. A server for development without a public address has
/// them on localhost.
pub fn prepare(
    config: &Config,
    own_address: SocketAddr,
    source: &Env,
) -> anyhow::Result<Result<RelyingParty, UnfitAddress>> {
    let local = || Url::parse(&format!("http://localhost:{}", own_address.port())).ok();
    let public = config.public_url.clone();
    let public = public.or_else(|| config.dev.then(local).flatten());
    let key = shared_secret::make(config, source, DOMAIN, "challenges")?;
    Ok(RelyingParty::new(public.as_ref(), key))
}
