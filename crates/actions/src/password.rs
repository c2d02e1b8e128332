//! Passwords: checked when they are chosen, hashed with argon2id, and verified off the async threads, a few at a time.

use std::sync::{Arc, OnceLock};

use argon2::Argon2;
use argon2::password_hash::{PasswordHasher, PasswordVerifier, phc};
use tokio::sync::Semaphore;

use crate::ActionError;
use crate::checks::Checks;
use model::session::PasswordHash;

/// The shortest password, in characters (NIST SP 800-63B asks for 15 without a second factor, and allows 8 with rate
/// limits as ours; 10 lies between).
pub const MIN_PASSWORD_LENGTH: usize = 10;
/// The longest password, in bytes: hashing is slow on purpose.
pub const MAX_PASSWORD_BYTES: usize = 200;
/// How many passwords of strangers are hashed at once: each takes 19 MiB and a core.
const MAX_HASHING: usize = 2;
/// How many of people who have shown something that only they have.
const MAX_HASHING_KNOWN: usize = 1;
/// How many of either wait for that at most; further ones are refused.
const MAX_WAITING: usize = 64;

/// What is hashed for people who do not exist.
const NOBODYS_PASSWORD: &str = "nobody has this password";

/// Who wants a password hashed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asker {
    /// Anybody.
    Stranger,
    /// Somebody who has shown a session, a link or a known device: strangers do not stand in their way.
    Known,
}

/// Hashes and verifies.
pub struct Passwords {
    strangers: Room,
    known: Room,
    salt: [u8; 16],
    /// What unknown people are checked against, so that they take as long as known ones. Made at first need, since
    /// making it would slow the start down.
    nobody: Arc<OnceLock<PasswordHash>>,
}

/// Room for so many at once, and for so many who wait.
struct Room {
    hashing: Arc<Semaphore>,
    waiting: Semaphore,
}

impl Room {
    fn new(hashing: usize) -> Self {
        Self {
            hashing: Arc::new(Semaphore::new(hashing)),
            waiting: Semaphore::new(MAX_WAITING),
        }
    }
}

impl Passwords {
    /// Needs a salt for the hash that nobody's password fits.
    pub fn new(salt: [u8; 16]) -> Self {
        Self {
            strangers: Room::new(MAX_HASHING),
            known: Room::new(MAX_HASHING_KNOWN),
            salt,
            nobody: Arc::default(),
        }
    }

    /// The hash of a new password, which only somebody known chooses.
    pub async fn hash(&self, password: String, salt: [u8; 16]) -> Result<PasswordHash, ActionError> {
        let hash = self.run(Asker::Known, move || hash_now(&password, &salt)).await?;
        let hash = hash.ok_or_else(|| ActionError::Internal("a password cannot be hashed".into()))?;
        Ok(PasswordHash::new(hash))
    }

    /// Whether a password fits. Nothing fits no hash, but that takes as long.
    pub async fn verify(
        &self,
        password: String,
        expected: Option<PasswordHash>,
        asker: Asker,
    ) -> Result<bool, ActionError> {
        let (nobody, salt) = (Arc::clone(&self.nobody), self.salt);
        self.run(asker, move || match expected {
            Some(expected) => fits_now(&password, &expected),
            None => {
                let make = || PasswordHash::new(hash_now(NOBODYS_PASSWORD, &salt).unwrap_or_default());
                fits_now(&password, nobody.get_or_init(make));
                false
            }
        })
        .await
    }

    async fn run<T: Send + 'static>(
        &self,
        asker: Asker,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, ActionError> {
        let busy = || ActionError::Unavailable("too many people sign in at this moment".into());
        let room = match asker {
            Asker::Stranger => &self.strangers,
            Asker::Known => &self.known,
        };
        let _waiting = room.waiting.try_acquire().map_err(|_| busy())?;
        let permit = Arc::clone(&room.hashing)
            .acquire_owned()
            .await
            .map_err(|_| busy())?;
        let task = tokio::task::spawn_blocking(move || {
            let _permit = permit;
            work()
        });
        task.await
            .map_err(|_| ActionError::Internal("hashing a password panicked".into()))
    }
}

/// Notes what is wrong with a password that somebody chooses.
pub fn check_password(checks: &mut Checks, field: &str, password: &str, again: &str) {
    if password.chars().count() < MIN_PASSWORD_LENGTH {
        let detail = format!("a password has at least {MIN_PASSWORD_LENGTH} characters");
        checks.fail(field, "too_short", detail);
    } else if password.len() > MAX_PASSWORD_BYTES {
        let detail = format!("a password has at most {MAX_PASSWORD_BYTES} bytes");
        checks.fail(field, "too_long", detail);
    } else if password != again {
        checks.fail("passwordAgain", "different", "the two passwords differ");
    }
}

fn hash_now(password: &str, salt: &[u8; 16]) -> Option<String> {
    let hash: phc::PasswordHash = Argon2::default()
        .hash_password_with_salt(password.as_bytes(), salt)
        .ok()?;
    Some(hash.to_string())
}

fn fits_now(password: &str, expected: &PasswordHash) -> bool {
    if password.len() > MAX_PASSWORD_BYTES {
        return false;
    }
    let Ok(expected) = phc::PasswordHash::new(expected.as_str()) else {
        return false;
    };
    Argon2::default()
        .verify_password(password.as_bytes(), &expected)
        .is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_password_fits_its_own_hash_only_and_never_no_hash() {
        let passwords = Passwords::new([1; 16]);
        let hash = passwords.hash("correct horse".into(), [2; 16]).await.unwrap();
        assert!(hash.as_str().starts_with("$argon2id$"));
        let fits =
            |text: &str, hash: Option<PasswordHash>| passwords.verify(text.to_owned(), hash, Asker::Stranger);
        assert!(fits("correct horse", Some(hash.clone())).await.unwrap());
        assert!(!fits("wrong horse", Some(hash)).await.unwrap());
        assert!(!fits(NOBODYS_PASSWORD, None).await.unwrap());
    }
}
