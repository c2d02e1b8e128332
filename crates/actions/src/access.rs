//! API keys: the first one by the set-up token, further ones by keys that hold what they grant.

use std::sync::{Mutex, PoisonError};

use model::digest::sha256;
use serde::Deserialize;
use subtle::ConstantTimeEq;
use utoipa::ToSchema;

use crate::checks::Checks;
use crate::webhooks::fields::{check_each, check_services};
use crate::{ActionError, Actions};
use model::access::{ApiKey, KeyHash, Scope, ScopeSet, new_key};
use model::audit::Actor;
use model::event::{EventName, EventSet};
use model::id::{KeyId, ServiceId};
use model::restriction::Restriction;
use model::secret::SecretText;
use model::time::Timestamp;
use store::{StoreError, log_store_failure};

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
    /// Ids: only what is about these services; of all if absent. Such a key may only read incidents, events and deliveries.
    #[serde(default)]
    #[schema(min_items = 1, max_items = 100)]
    pub services: Option<Vec<String>>,
    /// Only these events; all if absent. Such a key may only read events and deliveries.
    #[serde(default)]
    #[schema(value_type = Option<Vec<EventName>>, min_items = 1)]
    pub events: Option<Vec<String>>,
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
        expect_held(held, scopes)?;
        let restriction = check_restriction(&draft, scopes)?;
        for id in restriction.services() {
            self.expect_service(*id).await?;
        }
        let (key, secret) = self.new_key(draft.name, scopes, draft.expires_at)?;
        let key = ApiKey { restriction, ..key };
        let change = self.source.change(actor);
        Ok((self.store.access.create_key(key, change).await?, secret))
    }

    /// Notes that a usable key is used, unless that was noted a moment ago. That it cannot be noted is in nobody's way.
    pub async fn note_key_use(&self, key: &ApiKey) {
        let now = self.source.now();
        if key.is_to_be_touched(now)
            && let Err(error) = self.store.access.touch_key(key.id, now).await
        {
            log_store_failure!(error, "that a key is used is not noted");
        }
    }

    /// Revokes a key. Doing so twice changes nothing.
    pub async fn revoke_key(&self, actor: Actor, id: KeyId) -> Result<ApiKey, ActionError> {
        let change = self.source.change(actor);
        Ok(self.store.access.revoke_key(id, change).await?)
    }

    async fn expect_service(&self, id: ServiceId) -> Result<(), ActionError> {
        match self.store.services.get(id).await {
            Ok(_) => Ok(()),
            Err(StoreError::NotFound { what }) => Err(ActionError::Unknown { what }),
            Err(error) => Err(error.into()),
        }
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
            restriction: Restriction::default(),
            created_at: now,
            expires_at,
            revoked_at: None,
            last_used_at: None,
        };
        Ok((key, secret))
    }
}

/// Nobody gives, or takes over, what they may not do themselves.
pub(crate) fn expect_held(held: ScopeSet, wanted: ScopeSet) -> Result<(), ActionError> {
    match wanted.iter().find(|scope| !held.contains(*scope)) {
        Some(scope) => Err(ActionError::ScopeNotHeld(scope)),
        None => Ok(()),
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

/// What a key shall be restricted to. An empty list is a mistake: it must not be taken for everything.
fn check_restriction(draft: &KeyDraft, scopes: ScopeSet) -> Result<Restriction, ActionError> {
    let mut checks = Checks::new();
    for (field, texts) in [("services", &draft.services), ("events", &draft.events)] {
        if texts.as_ref().is_some_and(Vec::is_empty) {
            checks.fail(
                field,
                "empty",
                format!("name at least one of the {field}, or leave {field} away"),
            );
        }
    }
    let services = draft.services.as_deref().unwrap_or_default();
    let services = check_services(&mut checks, services).unwrap_or_default();
    let events = draft.events.as_deref();
    let events =
        events.map(|texts| check_each(&mut checks, "events", texts, EventName::parse, EventName::NAMES));
    let restriction = Restriction::new(services, events.map(|events| EventSet::new(&events)));
    let may_hold = restriction.scopes();
    let wider = scopes.iter().filter(|scope| !may_hold.contains(scope));
    for scope in wider.filter(|_| !restriction.is_none()) {
        let known: Vec<_> = may_hold.iter().map(|scope| scope.as_str()).collect();
        let detail = format!(
            "a key that is restricted like this has no {}; it may have {}",
            scope.as_str(),
            known.join(", ")
        );
        checks.fail("scopes", "not_restrictable", detail);
    }
    checks.finish(|| restriction)
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

    fn mistakes(
        services: Option<&[&str]>,
        events: Option<&[&str]>,
        scopes: &[Scope],
    ) -> Vec<(String, &'static str)> {
        let texts = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
        let draft = KeyDraft {
            name: "display".to_owned(),
            scopes: Vec::new(),
            services: services.map(texts),
            events: events.map(texts),
            expires_at: None,
        };
        match check_restriction(&draft, ScopeSet::new(scopes)) {
            Ok(_) => Vec::new(),
            Err(ActionError::Invalid(errors)) => {
                let errors = errors.into_iter();
                errors.map(|error| (error.field, error.code)).collect()
            }
            Err(error) => panic!("{error}"),
        }
    }

    #[test]
    fn a_restricted_key_only_reads_what_can_be_restricted() {
        let service = ServiceId::from_bytes([1; 16]).to_string();
        let services: Option<&[&str]> = Some(&[&service]);
        let reads = [Scope::IncidentsRead, Scope::EventsRead, Scope::DeliveriesRead];
        assert_eq!(mistakes(services, None, &reads), []);
        assert_eq!(mistakes(None, None, Scope::ALL), []);
        let refused = ("scopes".to_owned(), "not_restrictable");
        assert_eq!(
            mistakes(services, None, &[Scope::IncidentsWrite]),
            std::slice::from_ref(&refused)
        );
        assert_eq!(mistakes(None, Some(&["incident.resolved"]), &reads), [refused]);
    }

    #[test]
    fn an_empty_restriction_is_a_mistake_and_not_everything() {
        let reads = [Scope::EventsRead];
        assert_eq!(
            mistakes(Some(&[]), None, &reads),
            [("services".to_owned(), "empty")]
        );
        assert_eq!(
            mistakes(None, Some(&[]), &reads),
            [("events".to_owned(), "empty")]
        );
        let unknown = mistakes(Some(&["x"]), Some(&["webhook.degraded"]), &reads);
        assert_eq!(
            unknown,
            [
                ("services[0]".to_owned(), "invalid_value"),
                ("events[0]".to_owned(), "invalid_value")
            ]
        );
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
