//! Passkeys.

use async_trait::async_trait;
use rusqlite::{Connection, Row};

use model::audit::Change;
use model::id::{PasskeyId, UserId};
use model::passkey::{Credential, Passkey, is_count_after};
use model::time::Timestamp;
use store::StoreError;
use store::StoreResult;
use store::passkeys::{MAX_PASSKEYS_PER_USER, Passkeys};

use super::audit;
use super::columns::{optional_time, time};
use super::database::Database;
use super::refusals::{ConstraintRefusal, execute_or_refuse};
use super::statements::{execute, read_all, read_one};
use super::users;

#[async_trait]
impl Passkeys for Database {
    async fn find(&self, credential_id: Vec<u8>) -> StoreResult<Option<Passkey>> {
        self.read(move |connection| {
            read_one(
                connection,
                "SELECT id, user_id, name, credential_id, public_key, sign_count, created_at, last_used_at
                 FROM passkeys WHERE credential_id = ?1",
                [credential_id],
                passkey_from_row,
            )
        })
        .await
    }

    async fn list(&self, user_id: UserId) -> StoreResult<Vec<Passkey>> {
        self.read(move |connection| list(connection, user_id)).await
    }

    async fn create(&self, passkey: Passkey, change: Change) -> StoreResult<()> {
        self.write(move |context| create(context.connection, &passkey, &change))
            .await
    }

    async fn count_use(&self, id: PasskeyId, sign_count: u32, now: Timestamp) -> StoreResult<bool> {
        self.write(move |context| count_use(context.connection, id, sign_count, now))
            .await
    }

    async fn delete(&self, user_id: UserId, id: PasskeyId, change: Change) -> StoreResult<()> {
        self.write(move |context| delete(context.connection, user_id, id, &change))
            .await
    }

    async fn delete_all(&self, user_id: UserId, change: Change) -> StoreResult<u64> {
        self.write(move |context| delete_all(context.connection, user_id, &change))
            .await
    }
}

fn list(connection: &Connection, user_id: UserId) -> StoreResult<Vec<Passkey>> {
    read_all(
        connection,
        "SELECT id, user_id, name, credential_id, public_key, sign_count, created_at, last_used_at
         FROM passkeys WHERE user_id = ?1 ORDER BY id LIMIT ?2",
        (user_id.as_bytes(), MAX_PASSKEYS_PER_USER),
        passkey_from_row,
    )
}

fn create(connection: &Connection, passkey: &Passkey, change: &Change) -> StoreResult<()> {
    let user = users::get(connection, passkey.user_id)?;
    if list(connection, passkey.user_id)?.len() >= MAX_PASSKEYS_PER_USER as usize {
        return Err(StoreError::Conflict("the user has too many passkeys".into()));
    }
    execute_or_refuse(
        connection,
        "INSERT INTO passkeys (id, user_id, name, credential_id, public_key, sign_count, created_at)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        (
            passkey.id.as_bytes(),
            passkey.user_id.as_bytes(),
            &passkey.name,
            &passkey.credential.id,
            &passkey.credential.public_key,
            passkey.credential.sign_count,
            passkey.created_at.as_millis(),
        ),
        REFUSAL,
    )?;
    let detail = format!("gave \"{}\" the passkey \"{}\"", user.name, passkey.name);
    audit::write(connection, change, "user.passkey", user.id, &detail)
}

fn count_use(connection: &Connection, id: PasskeyId, sign_count: u32, now: Timestamp) -> StoreResult<bool> {
    let before = read_one(
        connection,
        "SELECT sign_count FROM passkeys WHERE id = ?1",
        [id.as_bytes()],
        |row| row.get(0),
    )?;
    if !before.is_some_and(|before| is_count_after(before, sign_count)) {
        return Ok(false);
    }
    let count = execute(
        connection,
        "UPDATE passkeys SET sign_count = ?2, last_used_at = ?3 WHERE id = ?1",
        (id.as_bytes(), sign_count, now.as_millis()),
    )?;
    Ok(count == 1)
}

fn delete(connection: &Connection, user_id: UserId, id: PasskeyId, change: &Change) -> StoreResult<()> {
    let user = users::get(connection, user_id)?;
    let name: Option<String> = read_one(
        connection,
        "SELECT name FROM passkeys WHERE id = ?1 AND user_id = ?2",
        (id.as_bytes(), user_id.as_bytes()),
        |row| row.get(0),
    )?;
    let name = name.ok_or(StoreError::NotFound { what: "passkey" })?;
    execute(connection, "DELETE FROM passkeys WHERE id = ?1", [id.as_bytes()])?;
    let detail = format!("took the passkey \"{name}\" of \"{}\" away", user.name);
    audit::write(connection, change, "user.passkey.delete", user_id, &detail)
}

fn delete_all(connection: &Connection, user_id: UserId, change: &Change) -> StoreResult<u64> {
    let user = users::get(connection, user_id)?;
    let count = execute(
        connection,
        "DELETE FROM passkeys WHERE user_id = ?1",
        [user_id.as_bytes()],
    )?;
    if count > 0 {
        let detail = format!("took all passkeys of \"{}\" away ({count})", user.name);
        audit::write(connection, change, "user.passkey.delete", user_id, &detail)?;
    }
    Ok(count as u64)
}

const REFUSAL: ConstraintRefusal = ConstraintRefusal {
    taken: StoreError::Taken {
        what: "passkey",
        field: "credential",
    },
    unknown: StoreError::NotFound { what: "user" },
};

fn passkey_from_row(row: &Row<'_>) -> rusqlite::Result<Passkey> {
    Ok(Passkey {
        id: PasskeyId::from_bytes(row.get("id")?),
        user_id: UserId::from_bytes(row.get("user_id")?),
        name: row.get("name")?,
        credential: Credential {
            id: row.get("credential_id")?,
            public_key: row.get("public_key")?,
            sign_count: row.get("sign_count")?,
        },
        created_at: time(row, "created_at")?,
        last_used_at: optional_time(row, "last_used_at")?,
    })
}
