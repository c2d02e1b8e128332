//! The one-time tokens that make the first key and the first administrator. Servers that share a database print the same
//! ones, since whoever uses one may reach any of them; the store sees to it that each works once.

use clock::Env;
use config::Config;

use super::shared_secret;

const TOKEN_BYTES: usize = 24;
/// What the hash of a purpose begins with, so that it is none of another use of the master key.
const DOMAIN: &[u8] = b"opsknight set-up token 1\n";

/// The token for this purpose: new at each start, or made of the master key that servers share.
pub fn make(config: &Config, source: &Env, purpose: &str) -> anyhow::Result<String> {
    let secret = shared_secret::make(config, source, DOMAIN, purpose)?;
    Ok(format!("setup_{}", hex::encode(&secret[..TOKEN_BYTES])))
}
