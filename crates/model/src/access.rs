//! Who may do what: scopes of API keys, roles of people, and the key itself.

use std::time::Duration;

use crate::digest::sha256;
use strum::{EnumString, IntoStaticStr, VariantArray, VariantNames};

use crate::id::KeyId;
use crate::restriction::Restriction;
use crate::secret::SecretText;
use crate::time::Timestamp;

/// One right.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, EnumString, IntoStaticStr, VariantArray, VariantNames)]
pub enum Scope {
    /// See incidents, services, users and escalation policies.
    #[strum(serialize = "incidents:read")]
    IncidentsRead,
    /// Trigger incidents and change them.
    #[strum(serialize = "incidents:write")]
    IncidentsWrite,
    /// Change services, users and escalation policies.
    #[strum(serialize = "catalog:write")]
    CatalogWrite,
    /// See webhooks.
    #[strum(serialize = "webhooks:read")]
    WebhooksRead,
    /// Create, change and delete webhooks.
    #[strum(serialize = "webhooks:write")]
    WebhooksWrite,
    /// Send a test event to a webhook.
    #[strum(serialize = "webhooks:test")]
    WebhooksTest,
    /// See deliveries and their attempts.
    #[strum(serialize = "deliveries:read")]
    DeliveriesRead,
    /// Replay and recover deliveries.
    #[strum(serialize = "deliveries:replay")]
    DeliveriesReplay,
    /// Read the event feed and stream.
    #[strum(serialize = "events:read")]
    EventsRead,
    /// Read metrics and the state of the store.
    #[strum(serialize = "system:read")]
    SystemRead,
    /// Make backups, re-wrap secrets, manage API keys, read the audit log.
    #[strum(serialize = "admin")]
    Admin,
}

impl Scope {
    /// Every scope.
    pub const ALL: &'static [Self] = <Self as VariantArray>::VARIANTS;

    /// The same in the API's words.
    pub const NAMES: &'static [&'static str] = <Self as VariantNames>::VARIANTS;

    /// The scope as the API writes it.
    pub fn as_str(self) -> &'static str {
        self.into()
    }

    /// The scope read back from its text.
    pub fn parse(text: &str) -> Option<Self> {
        text.parse().ok()
    }

    fn bit(self) -> u32 {
        1 << (self as u32)
    }
}

/// A set of scopes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ScopeSet(u32);

impl ScopeSet {
    /// The set of these scopes.
    pub fn new(scopes: &[Scope]) -> Self {
        Self(scopes.iter().fold(0, |bits, scope| bits | scope.bit()))
    }

    /// Every scope there is.
    pub fn all() -> Self {
        Self::new(Scope::ALL)
    }

    /// Whether a scope is in the set.
    pub fn contains(self, scope: Scope) -> bool {
        self.0 & scope.bit() != 0
    }

    /// Whether every scope of another set is in this one.
    pub fn includes(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// The scopes in the set.
    pub fn iter(self) -> impl Iterator<Item = Scope> {
        Scope::ALL
            .iter()
            .copied()
            .filter(move |scope| self.contains(*scope))
    }

    /// The set as the store keeps it.
    pub fn bits(self) -> u32 {
        self.0
    }

    /// The set read back from the store; unknown bits are dropped.
    pub fn from_bits(bits: u32) -> Self {
        Self(bits & Self::all().0)
    }
}

/// What a person may do.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    serde::Serialize,
    serde::Deserialize,
    EnumString,
    IntoStaticStr,
    VariantNames,
)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum Role {
    /// Everything.
    Admin,
    /// Incidents, Send Test and replay.
    Responder,
    /// Look, and touch nothing.
    Viewer,
}

impl Role {
    /// Every role, the mightiest first, in the API's words.
    pub const NAMES: &'static [&'static str] = Self::VARIANTS;

    /// The role as the store keeps it.
    pub fn as_str(self) -> &'static str {
        self.into()
    }

    /// The role read back from its text.
    pub fn parse(text: &str) -> Option<Self> {
        text.parse().ok()
    }

    /// The scopes that the role brings.
    pub fn scopes(self) -> ScopeSet {
        let look = [
            Scope::IncidentsRead,
            Scope::WebhooksRead,
            Scope::DeliveriesRead,
            Scope::EventsRead,
            Scope::SystemRead,
        ];
        let act = [
            Scope::IncidentsWrite,
            Scope::WebhooksTest,
            Scope::DeliveriesReplay,
        ];
        match self {
            Self::Admin => ScopeSet::all(),
            Self::Responder => ScopeSet(ScopeSet::new(&look).0 | ScopeSet::new(&act).0),
            Self::Viewer => ScopeSet::new(&look),
        }
    }
}

/// An API key as it is kept: never the key, only its hash.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiKey {
    pub id: KeyId,
    /// What it is for.
    pub name: String,
    /// SHA-256 of the key.
    pub hash: KeyHash,
    /// Its first characters, to recognise it by.
    pub hint: String,
    /// What it may do.
    pub scopes: ScopeSet,
    /// What it is restricted to.
    pub restriction: Restriction,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it stops working, if ever.
    pub expires_at: Option<Timestamp>,
    /// When it was revoked.
    pub revoked_at: Option<Timestamp>,
    /// When it was last used, within [`KEY_TOUCH_INTERVAL`].
    pub last_used_at: Option<Timestamp>,
}

/// A key's last use is noted again only after so long: requests that read must not write.
pub const KEY_TOUCH_INTERVAL: Duration = Duration::from_secs(600);

impl ApiKey {
    /// Whether the key opens doors at this time.
    pub fn is_usable(&self, now: Timestamp) -> bool {
        self.revoked_at.is_none() && self.expires_at.is_none_or(|at| now < at)
    }

    /// Whether a use now is worth noting.
    pub fn is_to_be_touched(&self, now: Timestamp) -> bool {
        self.last_used_at
            .is_none_or(|at| now.since(at) >= KEY_TOUCH_INTERVAL)
    }
}

/// SHA-256 of an API key. The keys carry 256 random bits, so that a fast hash without salt is enough.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct KeyHash(pub [u8; 32]);

impl KeyHash {
    /// The hash of a key as it was sent.
    pub fn new(key: &str) -> Self {
        Self(sha256([key.as_bytes()]))
    }
}

/// Characters of a key that are kept to recognise it by.
const HINT_LENGTH: usize = 9;

/// Makes a key (`ok_…`) out of 32 random bytes, with the hint that may be shown later.
pub fn new_key(random: &[u8; 32]) -> (SecretText, String) {
    let key = format!("ok_{}", hex::encode(random));
    let hint = key[..HINT_LENGTH].to_owned();
    (SecretText::new(key), hint)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scopes_read_back_and_roles_grow() {
        let parsed: Vec<_> = Scope::ALL
            .iter()
            .map(|scope| Scope::parse(scope.as_str()))
            .collect();
        assert_eq!(parsed, Scope::ALL.iter().copied().map(Some).collect::<Vec<_>>());
        assert!(Role::Admin.scopes().includes(Role::Responder.scopes()));
        assert!(Role::Responder.scopes().includes(Role::Viewer.scopes()));
        assert!(!Role::Viewer.scopes().contains(Scope::IncidentsWrite));
    }

    #[test]
    fn a_key_shows_only_its_first_characters() {
        let (key, hint) = new_key(&[0xab; 32]);
        assert_eq!((key.reveal().len(), hint.as_str()), (67, "ok_ababab"));
    }
}
