//! API keys, and the audit log as it is read.

use async_trait::async_trait;
use tokio_postgres::Row;

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
use super::columns::{bytes, number, optional_time, time, value};
use super::connection::{Connection, ConstraintRefusal};
use super::database::Database;
use super::writer::WriteContext;

#[async_trait]
impl Access for Database {
    async fn create_key(&self, key: ApiKey, change: Change) -> StoreResult<ApiKey> {
        self.write((key, change), |context, (key, change)| {
            Box::pin(create_key(&context.connection, key, change))
        })
        .await
    }

    async fn create_first_key(&self, key: ApiKey, change: Change) -> StoreResult<ApiKey> {
        self.write((key, change), |context, (key, change)| {
            Box::pin(create_first_key(context, key, change))
        })
        .await
    }

    async fn list_keys(&self, page: Page) -> StoreResult<Vec<ApiKey>> {
        let (before, limit) = page.bounds();
        let sql = "SELECT id, name, hash, hint, scopes, restriction, created_at, expires_at, revoked_at, last_used_at FROM api_keys
                   WHERE id < $1 ORDER BY id DESC LIMIT $2";
        let connection = self.connection().await?;
        connection
            .read_all(sql, &[&&before[..], &i64::from(limit)], key_from_row)
            .await
    }

    async fn find_key(&self, hash: KeyHash) -> StoreResult<Option<ApiKey>> {
        let sql = "SELECT id, name, hash, hint, scopes, restriction, created_at, expires_at, revoked_at, last_used_at FROM api_keys
                   WHERE hash = $1";
        let connection = self.connection().await?;
        connection.read_one(sql, &[&&hash.0[..]], key_from_row).await
    }

    async fn get_key(&self, id: KeyId) -> StoreResult<Option<ApiKey>> {
        let sql = "SELECT id, name, hash, hint, scopes, restriction, created_at, expires_at, revoked_at, last_used_at FROM api_keys
                   WHERE id = $1";
        let connection = self.connection().await?;
        connection
            .read_one(sql, &[&&id.as_bytes()[..]], key_from_row)
            .await
    }

    async fn revoke_key(&self, id: KeyId, change: Change) -> StoreResult<ApiKey> {
        self.write((id, change), |context, (id, change)| {
            Box::pin(revoke_key(&context.connection, *id, change))
        })
        .await
    }

    async fn touch_key(&self, id: KeyId, now: Timestamp) -> StoreResult<()> {
        self.write((id, now), |context, (id, now)| {
            Box::pin(touch_key(&context.connection, *id, *now))
        })
        .await
    }

    async fn note_refusal(&self, subject: String, detail: String, change: Change) -> StoreResult<()> {
        self.write((subject, detail, change), |context, (subject, detail, change)| {
            let connection = &context.connection;
            Box::pin(audit::count(connection, change, REFUSED_SIGN_IN, subject, detail))
        })
        .await
    }

    async fn has_keys(&self) -> StoreResult<bool> {
        has_keys(&self.connection().await?).await
    }

    async fn list_audit(&self, filter: AuditFilter, page: Page) -> StoreResult<Listed<AuditEntry>> {
        audit::list(&self.connection().await?, &filter, page).await
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

async fn create_key(connection: &Connection, key: &ApiKey, change: &Change) -> StoreResult<ApiKey> {
    let columns = KeyColumns::new(key);
    let sql =
        "INSERT INTO api_keys (id, name, hash, hint, scopes, restriction, created_at, expires_at, revoked_at)
               VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)";
    connection
        .execute_or_refuse(
            sql,
            &[
                &&key.id.as_bytes()[..],
                &key.name,
                &&key.hash.0[..],
                &key.hint,
                &i64::from(columns.scopes),
                &columns.restriction,
                &key.created_at.as_millis(),
                &key.expires_at.map(Timestamp::as_millis),
                &key.revoked_at.map(Timestamp::as_millis),
            ],
            REFUSAL,
        )
        .await?;
    let scopes: Vec<_> = key.scopes.iter().map(|scope| scope.as_str()).collect();
    let detail = format!("created \"{}\" with {}", key.name, scopes.join(", ")) + &key.restriction.in_words();
    audit::write(connection, change, "key.create", key.id, &detail).await?;
    Ok(key.clone())
}

/// Two nodes that are new at the same time must not both make a first key.
async fn create_first_key(context: &mut WriteContext, key: &ApiKey, change: &Change) -> StoreResult<ApiKey> {
    let connection = &context.connection;
    connection
        .execute("LOCK TABLE api_keys IN SHARE ROW EXCLUSIVE MODE", &[])
        .await?;
    if has_keys(connection).await? {
        return Err(StoreError::Conflict("there is an API key already".into()));
    }
    create_key(connection, key, change).await
}

async fn revoke_key(connection: &Connection, id: KeyId, change: &Change) -> StoreResult<ApiKey> {
    let sql =
        "SELECT id, name, hash, hint, scopes, restriction, created_at, expires_at, revoked_at, last_used_at FROM api_keys
               WHERE id = $1 FOR UPDATE";
    let key = connection
        .read_one(sql, &[&&id.as_bytes()[..]], key_from_row)
        .await?
        .ok_or(StoreError::NotFound { what: "API key" })?;
    if key.revoked_at.is_some() {
        return Ok(key);
    }
    let sql = "UPDATE api_keys SET revoked_at = $2 WHERE id = $1 AND revoked_at IS NULL";
    connection
        .execute(sql, &[&&id.as_bytes()[..], &change.at.as_millis()])
        .await?;
    let detail = format!("revoked \"{}\"", key.name);
    audit::write(connection, change, "key.revoke", id, &detail).await?;
    Ok(ApiKey {
        revoked_at: Some(change.at),
        ..key
    })
}

/// A key that is gone meanwhile is passed over.
async fn touch_key(connection: &Connection, id: KeyId, now: Timestamp) -> StoreResult<()> {
    let sql = "UPDATE api_keys SET last_used_at = $2 WHERE id = $1";
    connection
        .execute(sql, &[&&id.as_bytes()[..], &now.as_millis()])
        .await
        .map(|_| ())
}

async fn has_keys(connection: &Connection) -> StoreResult<bool> {
    connection.finds("SELECT 1 FROM api_keys LIMIT 1", &[]).await
}

fn key_from_row(row: &Row) -> StoreResult<ApiKey> {
    let columns = KeyColumns {
        scopes: number(row, "scopes")?,
        restriction: value(row, "restriction")?,
    };
    let unreadable = || StoreError::Corrupt("the restriction of an API key cannot be read".into());
    let (scopes, restriction) = columns.read().ok_or_else(unreadable)?;
    Ok(ApiKey {
        id: KeyId::from_bytes(bytes(row, "id")?),
        name: value(row, "name")?,
        hash: KeyHash(bytes(row, "hash")?),
        hint: value(row, "hint")?,
        scopes,
        restriction,
        created_at: time(row, "created_at")?,
        expires_at: optional_time(row, "expires_at")?,
        revoked_at: optional_time(row, "revoked_at")?,
        last_used_at: optional_time(row, "last_used_at")?,
    })
}
