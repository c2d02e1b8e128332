//! Passkeys.

use async_trait::async_trait;
use tokio_postgres::Row;

use model::audit::Change;
use model::id::{PasskeyId, UserId};
use model::passkey::{Credential, Passkey, is_count_after};
use model::time::Timestamp;
use store::StoreError;
use store::StoreResult;
use store::passkeys::{MAX_PASSKEYS_PER_USER, Passkeys};

use super::audit;
use super::columns::{bytes, number, optional_time, time, value};
use super::connection::{Connection, ConstraintRefusal};
use super::database::Database;
use super::users;

#[async_trait]
impl Passkeys for Database {
    async fn find(&self, credential_id: Vec<u8>) -> StoreResult<Option<Passkey>> {
        let sql = "SELECT id, user_id, name, credential_id, public_key, sign_count, created_at, last_used_at
                   FROM passkeys WHERE credential_id = $1";
        let connection = self.connection().await?;
        connection
            .read_one(sql, &[&credential_id], passkey_from_row)
            .await
    }

    async fn list(&self, user_id: UserId) -> StoreResult<Vec<Passkey>> {
        let connection = self.connection().await?;
        list(&connection, user_id).await
    }

    async fn create(&self, passkey: Passkey, change: Change) -> StoreResult<()> {
        self.write((passkey, change), |context, (passkey, change)| {
            Box::pin(create(&context.connection, passkey, change))
        })
        .await
    }

    async fn count_use(&self, id: PasskeyId, sign_count: u32, now: Timestamp) -> StoreResult<bool> {
        self.write((id, sign_count, now), |context, (id, sign_count, now)| {
            Box::pin(count_use(&context.connection, *id, *sign_count, *now))
        })
        .await
    }

    async fn delete(&self, user_id: UserId, id: PasskeyId, change: Change) -> StoreResult<()> {
        self.write((user_id, id, change), |context, (user_id, id, change)| {
            Box::pin(delete(&context.connection, *user_id, *id, change))
        })
        .await
    }

    async fn delete_all(&self, user_id: UserId, change: Change) -> StoreResult<u64> {
        self.write((user_id, change), |context, (user_id, change)| {
            Box::pin(delete_all(&context.connection, *user_id, change))
        })
        .await
    }
}

async fn list(connection: &Connection, user_id: UserId) -> StoreResult<Vec<Passkey>> {
    let sql = "SELECT id, user_id, name, credential_id, public_key, sign_count, created_at, last_used_at
               FROM passkeys WHERE user_id = $1 ORDER BY id LIMIT $2";
    let (id, limit) = (&user_id.as_bytes()[..], i64::from(MAX_PASSKEYS_PER_USER));
    connection.read_all(sql, &[&id, &limit], passkey_from_row).await
}

/// The user's row is locked: of two passkeys that are added at the same moment the second finds the first.
async fn create(connection: &Connection, passkey: &Passkey, change: &Change) -> StoreResult<()> {
    let user = users::lock(connection, passkey.user_id).await?;
    if list(connection, passkey.user_id).await?.len() >= MAX_PASSKEYS_PER_USER as usize {
        return Err(StoreError::Conflict("the user has too many passkeys".into()));
    }
    connection
        .execute_or_refuse(
            "INSERT INTO passkeys (id, user_id, name, credential_id, public_key, sign_count, created_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7)",
            &[
                &&passkey.id.as_bytes()[..],
                &&passkey.user_id.as_bytes()[..],
                &passkey.name,
                &passkey.credential.id,
                &passkey.credential.public_key,
                &i64::from(passkey.credential.sign_count),
                &passkey.created_at.as_millis(),
            ],
            REFUSAL,
        )
        .await?;
    let detail = format!("gave \"{}\" the passkey \"{}\"", user.name, passkey.name);
    audit::write(connection, change, "user.passkey", user.id, &detail).await
}

async fn count_use(
    connection: &Connection,
    id: PasskeyId,
    sign_count: u32,
    now: Timestamp,
) -> StoreResult<bool> {
    let id = &id.as_bytes()[..];
    let sql = "SELECT sign_count FROM passkeys WHERE id = $1 FOR NO KEY UPDATE";
    let before = connection
        .read_one(sql, &[&id], |row| number::<u32>(row, "sign_count"))
        .await?;
    if !before.is_some_and(|before| is_count_after(before, sign_count)) {
        return Ok(false);
    }
    let sql = "UPDATE passkeys SET sign_count = $2, last_used_at = $3 WHERE id = $1";
    let count = connection
        .execute(sql, &[&id, &i64::from(sign_count), &now.as_millis()])
        .await?;
    Ok(count == 1)
}

async fn delete(connection: &Connection, user_id: UserId, id: PasskeyId, change: &Change) -> StoreResult<()> {
    let user = users::lock(connection, user_id).await?;
    let (id, owner) = (&id.as_bytes()[..], &user_id.as_bytes()[..]);
    let sql = "DELETE FROM passkeys WHERE id = $1 AND user_id = $2 RETURNING name";
    let name = connection
        .read_one(sql, &[&id, &owner], |row| value::<String>(row, "name"))
        .await?;
    let name = name.ok_or(StoreError::NotFound { what: "passkey" })?;
    let detail = format!("took the passkey \"{name}\" of \"{}\" away", user.name);
    audit::write(connection, change, "user.passkey.delete", user_id, &detail).await
}

async fn delete_all(connection: &Connection, user_id: UserId, change: &Change) -> StoreResult<u64> {
    let user = users::lock(connection, user_id).await?;
    let sql = "DELETE FROM passkeys WHERE user_id = $1";
    let count = connection.execute(sql, &[&&user_id.as_bytes()[..]]).await?;
    if count > 0 {
        let detail = format!("took all passkeys of \"{}\" away ({count})", user.name);
        audit::write(connection, change, "user.passkey.delete", user_id, &detail).await?;
    }
    Ok(count)
}

const REFUSAL: ConstraintRefusal = ConstraintRefusal {
    taken: StoreError::Taken {
        what: "passkey",
        field: "credential",
    },
    unknown: StoreError::NotFound { what: "user" },
};

fn passkey_from_row(row: &Row) -> StoreResult<Passkey> {
    Ok(Passkey {
        id: PasskeyId::from_bytes(bytes(row, "id")?),
        user_id: UserId::from_bytes(bytes(row, "user_id")?),
        name: value(row, "name")?,
        credential: Credential {
            id: value(row, "credential_id")?,
            public_key: value(row, "public_key")?,
            sign_count: number(row, "sign_count")?,
        },
        created_at: time(row, "created_at")?,
        last_used_at: optional_time(row, "last_used_at")?,
    })
}
