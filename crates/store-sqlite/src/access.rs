//! API keys, and the audit log as it is read.

use async_trait::async_trait;
use rusqlite::{Connection, Row};

use model::access::{ApiKey, KeyHash};
use model::audit::{AuditEntry, Change};
use model::id::KeyId;
use model::time::Timestamp;
use store::StoreError;
use store::StoreResult;
use store::access::{Access, AuditFilter, REFUSED_SIGN_IN};
use store::key_columns::KeyColumns;
use store::{Listed, Page};

use super::audit;
use super::columns::{id_bytes, optional_time, time, unexpected};
use super::database::Database;
use super::refusals::{ConstraintRefusal, execute_or_refuse};
use super::statements::{execute, read_all, read_one};

#[async_trait]
impl Access for Database {
    async fn create_key(&self, key: ApiKey, change: Change) -> StoreResult<ApiKey> {
        self.write(move |context| create_key(context.connection, key, &change))
            .await
    }

    async fn create_first_key(&self, key: ApiKey, change: Change) -> StoreResult<ApiKey> {
        self.write(move |context| {
            if has_keys(context.connection)? {
                return Err(StoreError::Conflict("there is an API key already".into()));
            }
            create_key(context.connection, key, &change)
        })
        .await
    }

    async fn list_keys(&self, page: Page) -> StoreResult<Vec<ApiKey>> {
        self.read(move |connection| list_keys(connection, page)).await
    }

    async fn find_key(&self, hash: KeyHash) -> StoreResult<Option<ApiKey>> {
        self.read(move |connection| find_key(connection, hash)).await
    }

    async fn get_key(&self, id: KeyId) -> StoreResult<Option<ApiKey>> {
        self.read(move |connection| get_key(connection, id)).await
    }

    async fn revoke_key(&self, id: KeyId, change: Change) -> StoreResult<ApiKey> {
        self.write(move |context| revoke_key(context.connection, id, &change))
            .await
    }

    async fn has_keys(&self) -> StoreResult<bool> {
        self.read(has_keys).await
    }

    async fn touch_key(&self, id: KeyId, now: Timestamp) -> StoreResult<()> {
        self.write(move |context| touch_key(context.connection, id, now))
            .await
    }

    async fn list_audit(&self, filter: AuditFilter, page: Page) -> StoreResult<Listed<AuditEntry>> {
        self.read(move |connection| audit::list(connection, &filter, page))
            .await
    }

    async fn note_refusal(&self, subject: String, detail: String, change: Change) -> StoreResult<()> {
        self.write(move |context| {
            audit::count(context.connection, &change, REFUSED_SIGN_IN, &subject, &detail)
        })
        .await
    }
}

/// A key refers to nothing, so that no reference can lead nowhere.
const REFUSAL: ConstraintRefusal = ConstraintRefusal {
    taken: StoreError::Taken {
        what: "API key",
        field: "value",
    },
    unknown: StoreError::NotFound { what: "API key" },
};

fn create_key(connection: &Connection, key: ApiKey, change: &Change) -> StoreResult<ApiKey> {
    let columns = KeyColumns::new(&key);
    execute_or_refuse(
        connection,
        "INSERT INTO api_keys (id, name, hash, hint, scopes, restriction, created_at, expires_at, revoked_at)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
        (
            key.id.as_bytes(),
            &key.name,
            key.hash.0,
            &key.hint,
            columns.scopes,
            columns.restriction,
            key.created_at.as_millis(),
            key.expires_at.map(Timestamp::as_millis),
            key.revoked_at.map(Timestamp::as_millis),
        ),
        REFUSAL,
    )?;
    let scopes: Vec<_> = key.scopes.iter().map(|scope| scope.as_str()).collect();
    let detail = format!("created \"{}\" with {}", key.name, scopes.join(", ")) + &key.restriction.in_words();
    audit::write(connection, change, "key.create", key.id, &detail)?;
    Ok(key)
}

fn list_keys(connection: &Connection, page: Page) -> StoreResult<Vec<ApiKey>> {
    read_all(
        connection,
        "SELECT id, name, hash, hint, scopes, restriction, created_at, expires_at, revoked_at, last_used_at FROM api_keys
         WHERE id < ?1 ORDER BY id DESC LIMIT ?2",
        page.bounds(),
        key_from_row,
    )
}

fn get_key(connection: &Connection, id: KeyId) -> StoreResult<Option<ApiKey>> {
    read_one(
        connection,
        "SELECT id, name, hash, hint, scopes, restriction, created_at, expires_at, revoked_at, last_used_at FROM api_keys
         WHERE id = ?1",
        [id.as_bytes()],
        key_from_row,
    )
}

fn find_key(connection: &Connection, hash: KeyHash) -> StoreResult<Option<ApiKey>> {
    read_one(
        connection,
        "SELECT id, name, hash, hint, scopes, restriction, created_at, expires_at, revoked_at, last_used_at FROM api_keys
         WHERE hash = ?1",
        [hash.0],
        key_from_row,
    )
}

fn revoke_key(connection: &Connection, id: KeyId, change: &Change) -> StoreResult<ApiKey> {
    let key = read_one(
        connection,
        "SELECT id, name, hash, hint, scopes, restriction, created_at, expires_at, revoked_at, last_used_at FROM api_keys
         WHERE id = ?1",
        [id.as_bytes()],
        key_from_row,
    )?
    .ok_or(StoreError::NotFound { what: "API key" })?;
    if key.revoked_at.is_some() {
        return Ok(key);
    }
    execute(
        connection,
        "UPDATE api_keys SET revoked_at = ?2 WHERE id = ?1 AND revoked_at IS NULL",
        (id.as_bytes(), change.at.as_millis()),
    )?;
    let detail = format!("revoked \"{}\"", key.name);
    audit::write(connection, change, "key.revoke", id, &detail)?;
    Ok(ApiKey {
        revoked_at: Some(change.at),
        ..key
    })
}

/// A key that is gone meanwhile is passed over.
fn touch_key(connection: &Connection, id: KeyId, now: Timestamp) -> StoreResult<()> {
    execute(
        connection,
        "UPDATE api_keys SET last_used_at = ?2 WHERE id = ?1",
        (id.as_bytes(), now.as_millis()),
    )
    .map(|_| ())
}

fn has_keys(connection: &Connection) -> StoreResult<bool> {
    read_one(connection, "SELECT 1 FROM api_keys LIMIT 1", (), |_| Ok(())).map(|row| row.is_some())
}

fn key_from_row(row: &Row<'_>) -> rusqlite::Result<ApiKey> {
    let columns = KeyColumns {
        scopes: row.get("scopes")?,
        restriction: row.get("restriction")?,
    };
    let (scopes, restriction) = columns.read().ok_or_else(|| unexpected("restriction"))?;
    Ok(ApiKey {
        id: KeyId::from_bytes(id_bytes(row, "id")?),
        name: row.get("name")?,
        hash: KeyHash(row.get("hash")?),
        hint: row.get("hint")?,
        scopes,
        restriction,
        created_at: time(row, "created_at")?,
        expires_at: optional_time(row, "expires_at")?,
        revoked_at: optional_time(row, "revoked_at")?,
        last_used_at: optional_time(row, "last_used_at")?,
    })
}
