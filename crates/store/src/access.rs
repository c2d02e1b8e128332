//! API keys and the audit log.

use async_trait::async_trait;

use crate::StoreResult;
use crate::{Listed, Page};
use model::access::{ApiKey, KeyHash};
use model::audit::{Actor, AuditEntry, Change};
use model::id::{AuditId, KeyId, UserId};
use model::time::Timestamp;

/// What an entry for a refused sign-in says was done.
pub const REFUSED_SIGN_IN: &str = "sign_in.refuse";

/// Which entries of the audit log are wanted.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AuditFilter {
    /// By or about this: the id of a user or a key, or `system`.
    pub who: Option<String>,
    /// What was done begins with this word: `webhook` of `webhook.create`.
    pub kind: Option<String>,
    /// Not before this.
    pub since: Option<Timestamp>,
    /// Before this.
    pub until: Option<Timestamp>,
}

impl AuditFilter {
    /// Whether entries are left out that the order of ids does not tell.
    pub fn is_selective(&self) -> bool {
        self.who.is_some() || self.kind.is_some()
    }

    /// Between which ids the entries of a page lie: from the first, up to the second, which is left out.
    pub fn bounds(&self, page: Page) -> ([u8; 16], [u8; 16]) {
        let bound = |at| *AuditId::lower_bound(at).as_bytes();
        let (before, _) = page.bounds();
        let lower = self.since.map(bound).unwrap_or_default();
        (lower, self.until.map_or(before, |until| bound(until).min(before)))
    }

    /// What the actor of an entry begins with, as [`Actor::encode`] writes it.
    pub fn actor_start(&self) -> Option<String> {
        let who = self.who.as_deref()?;
        if who == Actor::System.kind() {
            return Some(who.to_owned());
        }
        let kind = match who.split_once('_')?.0 {
            UserId::PREFIX => "user",
            KeyId::PREFIX => "key",
            _ => return None,
        };
        Some(format!("{kind}:{who}:"))
    }

    /// What the action of an entry begins with.
    pub fn action_start(&self) -> Option<String> {
        self.kind.as_ref().map(|kind| format!("{kind}."))
    }
}

/// API keys and the audit log.
#[async_trait]
pub trait Access: Send + Sync {
    /// Keeps a new key.
    async fn create_key(&self, key: ApiKey, change: Change) -> StoreResult<ApiKey>;

    /// Keeps the first key of a new installation; a conflict if there is any key already.
    async fn create_first_key(&self, key: ApiKey, change: Change) -> StoreResult<ApiKey>;

    /// Keys, newest first, revoked ones too.
    async fn list_keys(&self, page: Page) -> StoreResult<Vec<ApiKey>>;

    /// The key with this hash, usable or not.
    async fn find_key(&self, hash: KeyHash) -> StoreResult<Option<ApiKey>>;

    /// One key, usable or not.
    async fn get_key(&self, id: KeyId) -> StoreResult<Option<ApiKey>>;

    /// Revokes a key. Doing so twice changes nothing.
    async fn revoke_key(&self, id: KeyId, change: Change) -> StoreResult<ApiKey>;

    /// Whether there is any key.
    async fn has_keys(&self) -> StoreResult<bool>;

    /// Notes that a key is used now. One that is gone meanwhile is passed over.
    async fn touch_key(&self, id: KeyId, now: Timestamp) -> StoreResult<()>;

    /// The audit log, newest first; at most [`WALKED_ROWS`](crate::page::WALKED_ROWS) entries are looked at.
    async fn list_audit(&self, filter: AuditFilter, page: Page) -> StoreResult<Listed<AuditEntry>>;

    /// Notes that somebody was refused. Refusals that are told with the same id, which is made of the hour and of whom they are
    /// about, are one entry that counts them: nobody can fill the log.
    async fn note_refusal(&self, subject: String, detail: String, change: Change) -> StoreResult<()>;
}
