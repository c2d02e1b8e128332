//! Who calls: API keys, looked up by their hash and remembered for a second, since every request brings one.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::extract::FromRequestParts;
use http::HeaderMap;
use http::header::AUTHORIZATION;
use http::request::Parts;
use tokio::sync::Semaphore;

use crate::problem::{Code, Problem};
use crate::state::ApiState;
use limit::bounded_map::BoundedMap;
use model::access::{ApiKey, KeyHash, Scope, ScopeSet};
use model::audit::Actor;
use model::client_address::ClientAddress;
use model::id::{KeyId, UserId};
use model::restriction::Restriction;
use model::time::Timestamp;

/// How long a key is believed before the store is asked again. Revoking on this node takes effect at once, on others after
/// so long.
pub const BELIEVED_MS: i64 = 1000;
/// How many keys are remembered.
const MAX_REMEMBERED: usize = 10_000;
/// How many keys that are not known are looked up at once: fewer than the store reads at once, so that whoever tries keys
/// leaves room for others. The rest waits in turn.
const MAX_LOOKUPS: usize = 2;

/// A key that opened the door.
#[derive(Debug)]
pub struct CallerKey {
    /// The key's id: the owner of idempotency keys.
    pub id: KeyId,
    /// Who the audit log names.
    pub actor: Actor,
    /// What it may do.
    pub scopes: ScopeSet,
    /// What it is restricted to.
    pub restriction: Restriction,
    /// Its hash, to ask again.
    pub hash: KeyHash,
    expires_at: Option<Timestamp>,
}

impl CallerKey {
    /// What stands in the place of a key for a person who is signed in to the pages.
    pub fn of_person(id: UserId, actor: Actor, scopes: ScopeSet) -> Self {
        Self {
            id: KeyId::from_bytes(*id.as_bytes()),
            actor,
            scopes,
            restriction: Restriction::default(),
            hash: KeyHash([0; 32]),
            expires_at: None,
        }
    }
}

/// The key of the request at hand.
#[derive(Debug, Clone)]
pub struct Caller(pub Arc<CallerKey>);

impl Caller {
    /// Who the audit log names.
    pub fn actor(&self) -> Actor {
        self.0.actor.clone()
    }

    /// What the lists shall leave out for it.
    pub fn restriction(&self) -> Restriction {
        self.0.restriction.clone()
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
pub struct KeyCache {
    keys: Mutex<BoundedMap<KeyHash, (Arc<CallerKey>, i64)>>,
    /// Room for looking up keys that are not known.
    lookups: Semaphore,
}

impl Default for KeyCache {
    fn default() -> Self {
        Self {
            keys: Mutex::new(BoundedMap::new(MAX_REMEMBERED)),
            lookups: Semaphore::new(MAX_LOOKUPS),
        }
    }
}

impl KeyCache {
    fn get(&self, hash: &KeyHash, now_ms: i64) -> Option<Arc<CallerKey>> {
        let mut keys = self.lock();
        let (key, checked_ms) = keys.get(hash)?;
        (now_ms - *checked_ms < BELIEVED_MS).then(|| Arc::clone(key))
    }

    /// Whether a key was good when it was last looked up, however long ago.
    fn knows(&self, hash: &KeyHash) -> bool {
        self.lock().peek(hash).is_some()
    }

    fn put(&self, key: &Arc<CallerKey>, now_ms: i64) {
        self.lock().insert(key.hash, (Arc::clone(key), now_ms));
    }

    fn forget_hash(&self, hash: &KeyHash) {
        self.lock().remove(hash);
    }

    /// Forgets a key that was revoked.
    pub fn forget(&self, id: KeyId) {
        self.lock().retain(|_, (key, _)| key.id != id);
    }

    fn lock(&self) -> MutexGuard<'_, BoundedMap<KeyHash, (Arc<CallerKey>, i64)>> {
        self.keys.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Finds out who calls. The key is looked up before any limit is asked: a good one passes however often its address
/// failed. What limits those who try keys is the room for looking up such as are not known.
pub async fn authenticate(
    state: &ApiState,
    headers: &HeaderMap,
    client: ClientAddress,
) -> Result<Caller, Problem> {
    let Some(token) = bearer_token(headers) else {
        return Err(failed(state, client));
    };
    let hash = KeyHash::new(token);
    let found = if state.keys.knows(&hash) {
        find(state, hash).await?
    } else {
        // It is never closed; if it were, the key would be looked up all the same.
        let _room = state.keys.lookups.acquire().await;
        find(state, hash).await?
    };
    found.ok_or_else(|| {
        state.keys.forget_hash(&hash);
        failed(state, client)
    })
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
    state.actions.note_key_use(&key).await;
    Ok(Some(remember(state, key)))
}

/// Believes a key that is usable for a moment.
pub fn remember(state: &ApiState, key: ApiKey) -> Caller {
    let now_ms = state.source.monotonic_millis();
    let key = Arc::new(CallerKey {
        hash: key.hash,
        id: key.id,
        actor: Actor::Key {
            id: key.id,
            name: key.name,
        },
        scopes: key.scopes,
        restriction: key.restriction,
        expires_at: key.expires_at,
    });
    state.keys.put(&key, now_ms);
    Caller(key)
}

fn bearer_token(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

fn failed(state: &ApiState, client: ClientAddress) -> Problem {
    let counted = count_failure(state, client);
    counted.map_or_else(|too_many| too_many, |()| Problem::plain(Code::Unauthorized))
}

/// Counts a failure of a client; refuses if there were too many.
pub fn count_failure(state: &ApiState, client: ClientAddress) -> Result<(), Problem> {
    let limited = state
        .failures
        .take(client.network(), state.source.monotonic_millis());
    limited.map_err(|refused| Problem::plain(Code::TooManyFailures).retry_after(refused.wait_seconds))
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
            restriction: Restriction::default(),
            hash: KeyHash::new("ok_good"),
            expires_at: None,
        });
        cache.put(&key, 0);
        let believed = [0, BELIEVED_MS].map(|now_ms| cache.get(&key.hash, now_ms).is_some());
        assert_eq!((believed, cache.knows(&key.hash)), ([true, false], true));
        cache.forget_hash(&key.hash);
        assert!(!cache.knows(&key.hash) && !cache.knows(&KeyHash::new("ok_other")));
    }
}
