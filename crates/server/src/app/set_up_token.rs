//! The one-time tokens that make the first key and the first administrator. Servers that share a database print the same
//! ones, since whoever uses one may reach any of them; the store sees to it that each works once.

use anyhow::Context;

use clock::Env;
use config::{Config, Database};
use model::digest::hmac_sha256;

use crate::master_key;

const TOKEN_BYTES: usize = 24;
/// What the hash of a purpose begins with, so that it is none of another use of the master key.
const DOMAIN: &[u8] = b"opsknight set-up token 1\n";

/// The token for this purpose: new at each start, or made of the master key that servers share.
pub fn make(config: &Config, source: &Env, purpose: &str) -> anyhow::Result<String> {
    let bytes = match config.database {
        Database::Sqlite => source.random(),
        Database::Postgres(_) => {
            let keys = master_key::load_shared(&config.data, config::environment)?;
            of_key(keys.current.to_text().as_bytes(), purpose).context("a hash has too few bytes")?
        }
    };
    Ok(format!("setup_{}", hex::encode(bytes)))
}

fn of_key(master_key: &[u8], purpose: &str) -> Option<[u8; TOKEN_BYTES]> {
    let hash = hmac_sha256(master_key, [DOMAIN, purpose.as_bytes()]);
    hash.first_chunk().copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_master_key_and_purpose_has_its_own_token() {
        let token = of_key(b"one", "key");
        assert_eq!(token, of_key(b"one", "key"));
        assert!(token != of_key(b"one", "administrator") && token != of_key(b"other", "key"));
    }
}
