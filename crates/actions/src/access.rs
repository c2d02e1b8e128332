//! API keys: the first one by the set-up token, further ones by keys that hold what they grant.

use std::sync::{Mutex, PoisonError};

use model::digest::sha256;
use serde::Deserialize;
use subtle::ConstantTimeEq;
use utoipa::ToSchema;

use crate::checks::Checks;
use crate::{ActionError, Actions};
use model::access::{ApiKey, KeyHash, Scope, ScopeSet, new_key};
use model::audit::Actor;
use model::id::KeyId;
use model::secret::SecretText;
use model::time::Timestamp;
use store::StoreError;

/// The longest name of a key, in characters.
pub const MAX_KEY_NAME_LENGTH: usize = 200;
/// The name of the first key unless the caller says otherwise.
const FIRST_KEY_NAME: &str = "first key";

/// A new key, as somebody asks for it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(as = NewApiKey)]
pub struct KeyDraft {
    /// What it is for.
    #[schema(min_length = 1, max_length = 200)]
    pub name: String,
    /// What it may do: at least one scope, and only scopes that you have.
    #[schema(value_type = Vec<Scope>, min_items = 1)]
    pub scopes: Vec<String>,
    /// When it stops working; never if absent.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub expires_at: Option<Timestamp>,
}

/// The one-time token that makes the first key. Held in memory only; a new run makes a new one.
pub struct SetupToken(Mutex<Option<[u8; 32]>>);

impl SetupToken {
    /// Accepts this token, once.
    pub fn new(token: &str) -> Self {
        Self(Mutex::new(Some(sha256([token.as_bytes()]))))
    }

    /// Accepts none: there are keys already.
    pub fn none() -> Self {
        Self(Mutex::new(None))
    }

    /// Compares in constant time: over hashes, so that not even the length shows.
    pub(super) fn accepts(&self, token: &str) -> bool {
        let hash = sha256([token.as_bytes()]);
        let expected = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        expected.is_some_and(|expected| expected.ct_eq(&hash).into())
    }

    pub(super) fn use_up(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

impl Actions {
    /// Makes the first key of an installation, with all scopes.
    pub async fn create_first_key(
        &self,
        setup: &SetupToken,
        token: &str,
        name: Option<String>,
    ) -> Result<(ApiKey, SecretText), ActionError> {
        if !setup.accepts(token) {
            return Err(ActionError::SetupRefused);
        }
        let name = name.unwrap_or_else(|| FIRST_KEY_NAME.to_owned());
        let (key, secret) = self.new_key(name, ScopeSet::all(), None)?;
        let change = self.source.change(Actor::System);
        let made = self.store.access.create_first_key(key, change).await;
        match made {
            Ok(key) => {
                setup.use_up();
                Ok((key, secret))
            }
            Err(StoreError::Conflict(_)) => {
                setup.use_up();
                Err(ActionError::SetupRefused)
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Makes a key. It cannot grant what its maker lacks.
    pub async fn create_key(
        &self,
        actor: Actor,
        held: ScopeSet,
        draft: KeyDraft,
    ) -> Result<(ApiKey, SecretText), ActionError> {
        let scopes = check_scopes(&draft.scopes)?;
        if let Some(scope) = scopes.iter().find(|scope| !held.contains(*scope)) {
            return Err(ActionError::ScopeNotHeld(scope));
        }
        let (key, secret) = self.new_key(draft.name, scopes, draft.expires_at)?;
        let change = self.source.change(actor);
        Ok((self.store.access.create_key(key, change).await?, secret))
    }

    /// Revokes a key. Doing so twice changes nothing.
    pub async fn revoke_key(&self, actor: Actor, id: KeyId) -> Result<ApiKey, ActionError> {
        let change = self.source.change(actor);
        Ok(self.store.access.revoke_key(id, change).await?)
    }

    fn new_key(
        &self,
        name: String,
        scopes: ScopeSet,
        expires_at: Option<Timestamp>,
    ) -> Result<(ApiKey, SecretText), ActionError> {
        let now = self.source.now();
        let mut checks = Checks::new();
        checks.name("name", &name, MAX_KEY_NAME_LENGTH);
        if expires_at.is_some_and(|at| at <= now) {
            checks.fail("expiresAt", "out_of_range", "expiresAt must be later than now");
        }
        checks.finish(|| ())?;
        let (secret, hint) = new_key(&self.source.random());
        let key = ApiKey {
            id: self.source.new_key_id(),
            name,
            hash: KeyHash::new(secret.reveal()),
            hint,
            scopes,
            created_at: now,
            expires_at,
            revoked_at: None,
        };
        Ok((key, secret))
    }
}

fn check_scopes(texts: &[String]) -> Result<ScopeSet, ActionError> {
    let mut checks = Checks::new();
    if texts.is_empty() {
        checks.fail("scopes", "empty", "name at least one scope");
    }
    for (index, text) in texts.iter().enumerate() {
        if Scope::parse(text).is_none() {
            let known = Scope::NAMES.join(", ");
            let detail = format!("there is no such scope; there are {known}");
            checks.fail(format!("scopes[{index}]"), "invalid_value", detail);
        }
    }
    checks.finish(|| {
        let scopes: Vec<_> = texts.iter().filter_map(|text| Scope::parse(text)).collect();
        ScopeSet::new(&scopes)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_set_up_token_is_accepted_until_it_is_used_up() {
        let token = SetupToken::new("correct");
        assert!(token.accepts("correct") && !token.accepts("wrong") && !token.accepts(""));
        token.use_up();
        assert!(!token.accepts("correct"));
        assert!(!SetupToken::none().accepts(""));
    }

    #[test]
    fn unknown_scopes_are_named() {
        let texts = ["incidents:read".to_owned(), "everything".to_owned()];
        let Err(ActionError::Invalid(errors)) = check_scopes(&texts) else {
            panic!("expected a mistake");
        };
        assert_eq!(errors[0].field, "scopes[1]");
    }
}
