//! Sessions of people who signed in, and the secrets around signing in: hashed passwords, one-time links.

use std::fmt;
use std::time::Duration;

use crate::access::KeyHash;
use crate::id::{SessionId, UserId};
use crate::time::Timestamp;

/// How long a session lasts at most, however often it is used.
pub const SESSION_LIFETIME: Duration = Duration::from_secs(30 * 24 * 3600);
/// How long a session lasts without being used.
pub const SESSION_IDLE_LIFETIME: Duration = Duration::from_secs(7 * 24 * 3600);
/// A session's last use is noted again only after so long: looking at pages must not write.
pub const SESSION_TOUCH_INTERVAL: Duration = Duration::from_secs(600);
/// How long a one-time sign-in link works.
pub const SIGN_IN_LINK_LIFETIME: Duration = Duration::from_secs(3 * 24 * 3600);
/// The most sessions one person has at a time; signing in once more ends the oldest.
pub const MAX_SESSIONS_PER_USER: u32 = 20;

/// One signed-in browser. Its token is never kept, only the token's hash.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    /// Its id, to name it on pages.
    pub id: SessionId,
    /// Who signed in.
    pub user_id: UserId,
    /// SHA-256 of the token in the cookie.
    pub hash: KeyHash,
    /// When the person signed in.
    pub created_at: Timestamp,
    /// When it was last used, within [`SESSION_TOUCH_INTERVAL`].
    pub last_seen_at: Timestamp,
    /// The address it began from.
    pub address: String,
    /// The browser, as it names itself.
    pub agent: String,
}

impl Session {
    /// Until when the session holds if it is not used again.
    pub fn expires_at(&self) -> Timestamp {
        let idle = self.last_seen_at.plus(SESSION_IDLE_LIFETIME);
        idle.min(self.created_at.plus(SESSION_LIFETIME))
    }

    /// Whether the session still opens pages.
    pub fn is_usable(&self, now: Timestamp) -> bool {
        now < self.expires_at()
    }
}

/// A password as it is kept: argon2id in the PHC string format. It never prints.
#[derive(Clone, PartialEq, Eq)]
pub struct PasswordHash(String);

impl PasswordHash {
    /// A hash made elsewhere.
    pub fn new(phc: String) -> Self {
        Self(phc)
    }

    /// The PHC string, for the store and for verifying.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PasswordHash(***)")
    }
}
