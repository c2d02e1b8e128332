//! How the first API key comes about: made at start for development, or made by whoever has the one-time token.

use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use anyhow::Context;

use super::set_up_token;
use actions::access::SetupToken;
use clock::Env;
use config::Config;
use model::access::{ApiKey, KeyHash, ScopeSet, new_key};
use model::audit::Actor;
use model::restriction::Restriction;
use model::secret::SecretText;
use store::Store;

/// Where a development key is kept between starts.
const DEV_KEY_FILE: &str = "dev.key";

/// How to get the first key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FirstKey {
    /// A key with all scopes, for development.
    Dev(SecretText),
    /// A one-time token that makes the first key.
    SetUp(SecretText),
    /// There are keys already.
    Exists,
}

/// Makes what this start needs.
pub async fn prepare(config: &Config, store: &Store, source: &Env) -> anyhow::Result<(FirstKey, SetupToken)> {
    if config.dev {
        let key = dev_key(&config.data, store, source).await?;
        return Ok((FirstKey::Dev(key), SetupToken::none()));
    }
    if store.access.has_keys().await? {
        return Ok((FirstKey::Exists, SetupToken::none()));
    }
    let token = set_up_token::make(config, source, "key")?;
    let setup_token = SetupToken::new(&token);
    Ok((FirstKey::SetUp(SecretText::new(token)), setup_token))
}

/// The same key at every start in development, as long as it was not revoked.
async fn dev_key(directory: &Path, store: &Store, source: &Env) -> anyhow::Result<SecretText> {
    let path = directory.join(DEV_KEY_FILE);
    if let Ok(text) = std::fs::read_to_string(&path) {
        let known = store.access.find_key(KeyHash::new(text.trim())).await?;
        if known.is_some_and(|key| key.is_usable(source.now())) {
            return Ok(SecretText::new(text.trim()));
        }
    }
    let (secret, hint) = new_key(&source.random());
    let key = ApiKey {
        id: source.new_key_id(),
        name: "development".into(),
        hash: KeyHash::new(secret.reveal()),
        hint,
        scopes: ScopeSet::all(),
        restriction: Restriction::default(),
        created_at: source.now(),
        expires_at: None,
        revoked_at: None,
        last_used_at: None,
    };
    store.access.create_key(key, source.change(Actor::System)).await?;
    write_private(&path, secret.reveal()).with_context(|| format!("cannot write {}", path.display()))?;
    Ok(secret)
}

fn write_private(path: &Path, text: &str) -> std::io::Result<()> {
    let mut options = std::fs::OpenOptions::new();
    let mut file = options
        .create(true)
        .truncate(true)
        .write(true)
        .mode(0o600)
        .open(path)?;
    writeln!(file, "{text}")
}
