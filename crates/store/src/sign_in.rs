//! Who may sign in: passwords and one-time links.

use async_trait::async_trait;

use crate::StoreResult;
use model::access::KeyHash;
use model::audit::Change;
use model::id::UserId;
use model::session::PasswordHash;
use model::time::Timestamp;
use model::user::User;

/// A person who wants to sign in, and what their password is checked against.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignInRecord {
    /// The person.
    pub user: User,
    /// The password's hash; nothing if none was set yet.
    pub password: Option<PasswordHash>,
}

/// Passwords and one-time links.
#[async_trait]
pub trait SignIn: Send + Sync {
    /// Keeps the first person who can sign in, as given; a conflict if anybody can sign in already. A user with the same
    /// address becomes that person, as an administrator: name and address are as given then, id and creation time stay.
    async fn create_first_admin(
        &self,
        user: User,
        password: PasswordHash,
        change: Change,
    ) -> StoreResult<User>;

    /// Whether anybody has a password.
    async fn has_passwords(&self) -> StoreResult<bool>;

    /// The person with this address, compared without regard to ASCII case.
    async fn find_by_email(&self, email: String) -> StoreResult<Option<SignInRecord>>;

    /// One person with their password.
    async fn find_by_id(&self, id: UserId) -> StoreResult<SignInRecord>;

    /// Gives a person a new password and ends all of their sessions, and their links.
    async fn set_password(&self, id: UserId, password: PasswordHash, change: Change) -> StoreResult<()>;

    /// Keeps the hash of a one-time link, instead of any earlier link of the same person.
    async fn create_link(
        &self,
        hash: KeyHash,
        user_id: UserId,
        expires_at: Timestamp,
        change: Change,
    ) -> StoreResult<()>;

    /// Whose link this is, while it works.
    async fn find_link(&self, hash: KeyHash, now: Timestamp) -> StoreResult<Option<User>>;

    /// Uses a link up: sets the password as [`SignIn::set_password`] does. Not found if the link does not work (any more)
    /// at the time of the change.
    async fn use_link(&self, hash: KeyHash, password: PasswordHash, change: Change) -> StoreResult<User>;
}
