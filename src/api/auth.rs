//! Who calls: API keys, looked up by their hash and remembered for a few seconds, since every request brings one.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use axum::extract::FromRequestParts;
use http::HeaderMap;
use http::header::AUTHORIZATION;
use http::request::Parts;

use crate::api::problem::{Code, Problem};
use crate::api::state::ApiState;
use crate::model::access::{KeyHash, Scope, ScopeSet};
use crate::model::audit::Actor;
use crate::model::id::KeyId;
use crate::model::time::Timestamp;

/// How long a key is believed before the store is asked again. Revoking on this node takes effect at once.
pub const BELIEVED_MS: i64 = 5000;
/// How many keys are remembered.
const MAX_REMEMBERED: usize = 10_000;

/// A key that opened the door.
#[derive(Debug)]
pub struct CallerKey {
    /// The key's id: the owner of idempotency keys.
    pub id: KeyId,
    /// Who the audit log names.
    pub actor: Actor,
    /// What it may do.
    pub scopes: ScopeSet,
    /// Its hash, to ask again.
    pub hash: KeyHash,
    expires_at: Option<Timestamp>,
}

/// The key of the request at hand.
#[derive(Debug, Clone)]
pub struct Caller(pub Arc<CallerKey>);

impl Caller {
    /// Who the audit log names.
    pub fn actor(&self) -> Actor {
        self.0.actor.clone()
    }

    /// Refuses if the key lacks a scope.
    pub fn must_have(&self, scope: Scope) -> Result<(), Problem> {
        if self.0.scopes.contains(scope) {
            return Ok(());
        }
        let detail = format!("this needs the scope {}", scope.as_str());
        Err(Problem::new(Code::Forbidden, detail))
    }
}

impl<S: Sync> FromRequestParts<S> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let caller = parts.extensions.get::<Self>().cloned();
        caller.ok_or_else(|| Problem::plain(Code::Unauthorized))
    }
}

/// Keys that were good when last looked up. They are believed for a moment only, but known until they fail.
#[derive(Default)]
pub struct KeyCache {
    keys: Mutex<HashMap<KeyHash, (Arc<CallerKey>, i64)>>,
}

impl KeyCache {
    fn get(&self, hash: &KeyHash, now_ms: i64) -> Option<Arc<CallerKey>> {
        let keys = self.keys.lock().unwrap_or_else(PoisonError::into_inner);
        let (key, checked_ms) = keys.get(hash)?;
        (now_ms - checked_ms < BELIEVED_MS).then(|| Arc::clone(key))
    }

    /// Whether a key was good when it was last looked up, however long ago.
    fn knows(&self, hash: &KeyHash) -> bool {
        let keys = self.keys.lock().unwrap_or_else(PoisonError::into_inner);
        keys.contains_key(hash)
    }

    fn put(&self, key: &Arc<CallerKey>, now_ms: i64) {
        let mut keys = self.keys.lock().unwrap_or_else(PoisonError::into_inner);
        if keys.len() >= MAX_REMEMBERED {
            keys.clear();
        }
        keys.insert(key.hash, (Arc::clone(key), now_ms));
    }

    fn forget_hash(&self, hash: &KeyHash) {
        let mut keys = self.keys.lock().unwrap_or_else(PoisonError::into_inner);
        keys.remove(hash);
    }

    /// Forgets a key that was revoked.
    pub fn forget(&self, id: KeyId) {
        let mut keys = self.keys.lock().unwrap_or_else(PoisonError::into_inner);
        keys.retain(|_, (key, _)| key.id != id);
    }
}

/// Finds out who calls. An address that failed too often is refused before the store is asked, but not with a key
/// that was good before: behind a proxy, all callers share one address.
pub async fn authenticate(state: &ApiState, headers: &HeaderMap, address: IpAddr) -> Result<Caller, Problem> {
    let now_ms = state.source.monotonic_millis();
    let Some(token) = bearer_token(headers) else {
        return Err(failed(state, address, now_ms));
    };
    let hash = KeyHash::of(token);
    if !state.keys.knows(&hash) {
        let limited = state.failures.check(address, now_ms);
        limited.map_err(|refused| too_many_failures(refused.wait_seconds))?;
    }
    match find(state, hash).await? {
        Some(caller) => Ok(caller),
        None => {
            state.keys.forget_hash(&hash);
            Err(failed(state, address, now_ms))
        }
    }
}

/// The usable key with this hash, from memory or from the store.
pub async fn find(state: &ApiState, hash: KeyHash) -> Result<Option<Caller>, Problem> {
    let now_ms = state.source.monotonic_millis();
    let now = state.source.now();
    if let Some(key) = state.keys.get(&hash, now_ms) {
        let is_usable = key.expires_at.is_none_or(|at| now < at);
        return Ok(is_usable.then_some(Caller(key)));
    }
    let found = state.store.access.find_key(hash).await?;
    let Some(key) = found.filter(|key| key.is_usable(now)) else {
        return Ok(None);
    };
    let key = Arc::new(CallerKey {
        id: key.id,
        actor: Actor::Key {
            id: key.id,
            name: key.name,
        },
        scopes: key.scopes,
        hash,
        expires_at: key.expires_at,
    });
    state.keys.put(&key, now_ms);
    Ok(Some(Caller(key)))
}

fn bearer_token(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

fn failed(state: &ApiState, address: IpAddr, now_ms: i64) -> Problem {
    match state.failures.take(address, now_ms) {
        Ok(()) => Problem::plain(Code::Unauthorized),
        Err(refused) => too_many_failures(refused.wait_seconds),
    }
}

/// The answer to an address that failed too often.
pub fn too_many_failures(wait_seconds: u32) -> Problem {
    Problem::plain(Code::TooManyFailures).retry_after(wait_seconds)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_good_key_is_believed_for_a_moment_and_known_until_it_fails() {
        let cache = KeyCache::default();
        let key = Arc::new(CallerKey {
            id: KeyId::new(Timestamp::EPOCH, [1; 10]),
            actor: Actor::System,
            scopes: ScopeSet::default(),
            hash: KeyHash::of("ok_good"),
            expires_at: None,
        });
        cache.put(&key, 0);
        let believed = [0, BELIEVED_MS].map(|now_ms| cache.get(&key.hash, now_ms).is_some());
        assert_eq!((believed, cache.knows(&key.hash)), ([true, false], true));
        cache.forget_hash(&key.hash);
        assert!(!cache.knows(&key.hash) && !cache.knows(&KeyHash::of("ok_other")));
    }
}
