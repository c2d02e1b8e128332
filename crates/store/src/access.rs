//! API keys and the audit log.

use async_trait::async_trait;

use crate::Page;
use crate::StoreResult;
use model::access::{ApiKey, KeyHash};
use model::audit::{AuditEntry, Change};
use model::id::KeyId;

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

    /// The audit log, newest first.
    async fn list_audit(&self, page: Page) -> StoreResult<Vec<AuditEntry>>;
}
