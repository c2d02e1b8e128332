//! Secrets that servers on one database share without keeping them anywhere: made of their master key. A server alone has new ones
//! at each start.

use clock::Env;
use config::{Config, Database};
use model::digest::hmac_sha256;

use crate::master_key;

/// The secret for this purpose. The domain tells it from those of every other use of the master key.
pub fn make(config: &Config, source: &Env, domain: &[u8], purpose: &str) -> anyhow::Result<[u8; 32]> {
    Ok(match config.database {
        Database::Sqlite => source.random(),
        Database::Postgres(_) => {
            let keys = master_key::load_shared(&config.data, config::environment)?;
            of_key(keys.current.to_text().as_bytes(), domain, purpose)
        }
    })
}

fn of_key(master_key: &[u8], domain: &[u8], purpose: &str) -> [u8; 32] {
    hmac_sha256(master_key, [domain, purpose.as_bytes()])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_master_key_and_purpose_has_its_own_secret() {
        let secret = of_key(b"one", b"a\n", "key");
        assert_eq!(secret, of_key(b"one", b"a\n", "key"));
        let others = [
            of_key(b"one", b"a\n", "administrator"),
            of_key(b"one", b"b\n", "key"),
            of_key(b"other", b"a\n", "key"),
        ];
        assert!(!others.contains(&secret));
    }
}
