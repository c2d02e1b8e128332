//! Passwords and one-time links.

use async_trait::async_trait;
use tokio_postgres::Row;

use model::access::KeyHash;
use model::audit::Change;
use model::id::UserId;
use model::session::PasswordHash;
use model::time::Timestamp;
use model::user::User;
use store::StoreError;
use store::StoreResult;
use store::setting_changes;
use store::sign_in::{SignIn, SignInRecord};
use store::texts::findable;

use super::audit;
use super::columns::value;
use super::connection::Connection;
use super::database::Database;
use super::users;

#[async_trait]
impl SignIn for Database {
    async fn create_first_admin(
        &self,
        user: User,
        password: PasswordHash,
        change: Change,
    ) -> StoreResult<User> {
        self.write((user, password, change), |context, (user, password, change)| {
            Box::pin(create_first_admin(&context.connection, user, password, change))
        })
        .await
    }

    async fn has_passwords(&self) -> StoreResult<bool> {
        has_passwords(&self.connection().await?).await
    }

    async fn find_by_email(&self, email: String) -> StoreResult<Option<SignInRecord>> {
        find_by_email(&self.connection().await?, &email).await
    }

    async fn find_by_id(&self, id: UserId) -> StoreResult<SignInRecord> {
        let sql =
            "SELECT id, name, email, role, created_at, time_zone, clock, password FROM users WHERE id = $1";
        let connection = self.connection().await?;
        let found = connection
            .read_one(sql, &[&&id.as_bytes()[..]], record_from_row)
            .await?;
        found.ok_or(StoreError::NotFound { what: "user" })
    }

    async fn set_password(&self, id: UserId, password: PasswordHash, change: Change) -> StoreResult<()> {
        self.write((id, password, change), |context, (id, password, change)| {
            Box::pin(set_password(&context.connection, *id, password, change))
        })
        .await
    }

    async fn create_link(
        &self,
        hash: KeyHash,
        user_id: UserId,
        expires_at: Timestamp,
        change: Change,
    ) -> StoreResult<()> {
        let input = (hash, user_id, expires_at, change);
        self.write(input, |context, (hash, user_id, expires_at, change)| {
            Box::pin(create_link(
                &context.connection,
                *hash,
                *user_id,
                *expires_at,
                change,
            ))
        })
        .await
    }

    async fn find_link(&self, hash: KeyHash, now: Timestamp) -> StoreResult<Option<User>> {
        find_link(&self.connection().await?, hash, now).await
    }

    async fn use_link(&self, hash: KeyHash, password: PasswordHash, change: Change) -> StoreResult<User> {
        self.write((hash, password, change), |context, (hash, password, change)| {
            Box::pin(use_link(&context.connection, *hash, password, change))
        })
        .await
    }
}

async fn create_first_admin(
    connection: &Connection,
    user: &User,
    password: &PasswordHash,
    change: &Change,
) -> StoreResult<User> {
    users::lock_addresses(connection).await?;
    if has_passwords(connection).await? {
        return Err(StoreError::Conflict("somebody can sign in already".into()));
    }
    let known = match &user.email {
        Some(email) => find_by_email(connection, email).await?,
        None => None,
    };
    let user = setting_changes::first_admin(user.clone(), known.map(|record| record.user));
    connection
        .execute(
            "INSERT INTO users (id, name, email, role, created_at) VALUES ($1, $2, $3, $4, $5)
             ON CONFLICT (id) DO UPDATE SET name = excluded.name, email = excluded.email, role = excluded.role",
            &[
                &&user.id.as_bytes()[..],
                &user.name,
                &user.email,
                &user.role.as_str(),
                &user.created_at.as_millis(),
            ],
        )
        .await?;
    replace_password(connection, user.id, password).await?;
    let detail = format!(
        "made \"{}\" the first who can sign in, as {}",
        user.name,
        user.role.as_str()
    );
    audit::write(connection, change, "user.first_admin", user.id, &detail).await?;
    Ok(user)
}

async fn has_passwords(connection: &Connection) -> StoreResult<bool> {
    let sql = "SELECT 1 FROM users WHERE password IS NOT NULL LIMIT 1";
    connection.finds(sql, &[]).await
}

/// Of two people whose addresses differ in case alone, which version 1 let in, it is the one written the same way, or
/// else the first.
async fn find_by_email(connection: &Connection, email: &str) -> StoreResult<Option<SignInRecord>> {
    let Some(email) = findable(email) else {
        return Ok(None);
    };
    let sql = "SELECT id, name, email, role, created_at, time_zone, clock, password FROM users
               WHERE lower(email COLLATE \"C\") = lower($1 COLLATE \"C\") ORDER BY email = $1 DESC, id LIMIT 1";
    connection.read_one(sql, &[&email], record_from_row).await
}

async fn set_password(
    connection: &Connection,
    id: UserId,
    password: &PasswordHash,
    change: &Change,
) -> StoreResult<()> {
    let user = users::lock(connection, id).await?;
    let ended = replace_password(connection, id, password).await?;
    let detail = format!("set the password of \"{}\" and ended {ended} sessions", user.name);
    audit::write(connection, change, "user.password", id, &detail).await
}

/// Whoever knew the password before, or holds a link, is out. Says how many sessions ended.
async fn replace_password(connection: &Connection, id: UserId, password: &PasswordHash) -> StoreResult<u64> {
    let sql = "UPDATE users SET password = $2 WHERE id = $1";
    let user_id = &id.as_bytes()[..];
    connection.execute(sql, &[&user_id, &password.as_str()]).await?;
    delete_link_of(connection, id).await?;
    connection
        .execute("DELETE FROM sessions WHERE user_id = $1", &[&user_id])
        .await
}

async fn create_link(
    connection: &Connection,
    hash: KeyHash,
    user_id: UserId,
    expires_at: Timestamp,
    change: &Change,
) -> StoreResult<()> {
    let user = users::lock(connection, user_id).await?;
    delete_link_of(connection, user_id).await?;
    let sql = "INSERT INTO sign_in_links (hash, user_id, expires_at) VALUES ($1, $2, $3)";
    connection
        .execute(
            sql,
            &[&&hash.0[..], &&user_id.as_bytes()[..], &expires_at.as_millis()],
        )
        .await?;
    let detail = format!(
        "made a link for \"{}\" to sign in with until {expires_at}",
        user.name
    );
    audit::write(connection, change, "user.sign_in_link", user_id, &detail).await
}

/// Ends the link of a person, if there is one.
pub async fn delete_link_of(connection: &Connection, user_id: UserId) -> StoreResult<()> {
    let sql = "DELETE FROM sign_in_links WHERE user_id = $1";
    connection
        .execute(sql, &[&&user_id.as_bytes()[..]])
        .await
        .map(|_| ())
}

async fn find_link(connection: &Connection, hash: KeyHash, now: Timestamp) -> StoreResult<Option<User>> {
    let sql = "SELECT u.id, u.name, u.email, u.role, u.created_at, u.time_zone, u.clock FROM sign_in_links l JOIN users u ON u.id = l.user_id
               WHERE l.hash = $1 AND l.expires_at > $2 AND u.email IS NOT NULL";
    let now = now.as_millis();
    connection
        .read_one(sql, &[&&hash.0[..], &now], users::user_from_row)
        .await
}

/// The person is locked before the link is believed: of two who use it at the same time, the second finds it gone.
async fn use_link(
    connection: &Connection,
    hash: KeyHash,
    password: &PasswordHash,
    change: &Change,
) -> StoreResult<User> {
    let unusable = || StoreError::NotFound { what: "sign-in link" };
    let found = find_link(connection, hash, change.at).await?;
    let user = users::lock(connection, found.ok_or_else(unusable)?.id).await?;
    find_link(connection, hash, change.at)
        .await?
        .ok_or_else(unusable)?;
    let ended = replace_password(connection, user.id, password).await?;
    let detail = format!(
        "set the password of \"{}\" with a sign-in link and ended {ended} sessions",
        user.name
    );
    audit::write(connection, change, "user.use_link", user.id, &detail).await?;
    Ok(user)
}

fn record_from_row(row: &Row) -> StoreResult<SignInRecord> {
    Ok(SignInRecord {
        user: users::user_from_row(row)?,
        password: value::<Option<String>>(row, "password")?.map(PasswordHash::new),
    })
}
