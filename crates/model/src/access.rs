//! Who may do what: scopes of API keys, roles of people, and the key itself.

use sha2::{Digest, Sha256};

use crate::id::KeyId;
use crate::secret::SecretText;
use crate::time::Timestamp;

macro_rules! define_scopes {
    ($($(#[$doc:meta])* $name:ident = $text:literal),+ $(,)?) => {
        /// One right.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Scope {
            $($(#[$doc])* $name),+
        }

        impl Scope {
            /// Every scope.
            pub const ALL: &'static [Self] = &[$(Self::$name),+];

            /// The scope as the API writes it.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$name => $text),+ }
            }
        }
    };
}

define_scopes! {
    /// See incidents, services, users and escalation policies.
    IncidentsRead = "incidents:read",
    /// Trigger incidents and change them.
    IncidentsWrite = "incidents:write",
    /// Change services, users and escalation policies.
    CatalogWrite = "catalog:write",
    /// See webhooks.
    WebhooksRead = "webhooks:read",
    /// Create, change and delete webhooks.
    WebhooksWrite = "webhooks:write",
    /// Send a test event to a webhook.
    WebhooksTest = "webhooks:test",
    /// See deliveries and their attempts.
    DeliveriesRead = "deliveries:read",
    /// Replay and recover deliveries.
    DeliveriesReplay = "deliveries:replay",
    /// Read the event feed and stream.
    EventsRead = "events:read",
    /// Read metrics and the state of the store.
    SystemRead = "system:read",
    /// Make backups, re-wrap secrets, manage API keys, read the audit log.
    Admin = "admin",
}

impl Scope {
    /// The scope read back from its text.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|scope| scope.as_str() == text)
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
    pub fn of(scopes: &[Scope]) -> Self {
        Self(scopes.iter().fold(0, |bits, scope| bits | scope.bit()))
    }

    /// Every scope there is.
    pub fn all() -> Self {
        Self::of(Scope::ALL)
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
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Everything.
    Admin,
    /// Incidents, Send Test and replay.
    Responder,
    /// Look, and touch nothing.
    Viewer,
}

impl Role {
    /// Every role, the mightiest first.
    pub const ALL: [Self; 3] = [Self::Admin, Self::Responder, Self::Viewer];

    /// The role as the store keeps it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Admin => "admin",
            Self::Responder => "responder",
            Self::Viewer => "viewer",
        }
    }

    /// The role read back from its text.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.as_str() == text)
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
            Self::Responder => ScopeSet(ScopeSet::of(&look).0 | ScopeSet::of(&act).0),
            Self::Viewer => ScopeSet::of(&look),
        }
    }
}

/// An API key as it is kept: never the key, only its hash.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiKey {
    /// Its id.
    pub id: KeyId,
    /// What it is for.
    pub name: String,
    /// SHA-256 of the key.
    pub hash: KeyHash,
    /// Its first characters, to recognise it by.
    pub hint: String,
    /// What it may do.
    pub scopes: ScopeSet,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it stops working, if ever.
    pub expires_at: Option<Timestamp>,
    /// When it was revoked.
    pub revoked_at: Option<Timestamp>,
}

impl ApiKey {
    /// Whether the key opens doors at this time.
    pub fn is_usable(&self, now: Timestamp) -> bool {
        self.revoked_at.is_none() && self.expires_at.is_none_or(|at| now < at)
    }
}

/// SHA-256 of an API key. The keys carry 256 random bits, so that a fast hash without salt is enough.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct KeyHash(pub [u8; 32]);

impl KeyHash {
    /// The hash of a key as it was sent.
    pub fn of(key: &str) -> Self {
        Self(Sha256::digest(key.as_bytes()).into())
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
