//! Passwords and one-time links.

use async_trait::async_trait;
use rusqlite::{Connection, Row};

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

use super::audit;
use super::database::Database;
use super::statements::{execute, read_one, snapshot};
use super::users;

#[async_trait]
impl SignIn for Database {
    async fn create_first_admin(
        &self,
        user: User,
        password: PasswordHash,
        change: Change,
    ) -> StoreResult<User> {
        self.write(move |context| create_first_admin(context.connection, user, &password, &change))
            .await
    }

    async fn has_passwords(&self) -> StoreResult<bool> {
        self.read(has_passwords).await
    }

    async fn find_by_email(&self, email: String) -> StoreResult<Option<SignInRecord>> {
        self.read(move |connection| find_by_email(connection, &email))
            .await
    }

    async fn find_by_id(&self, id: UserId) -> StoreResult<SignInRecord> {
        self.read(move |connection| find_by_id(connection, id)).await
    }

    async fn set_password(&self, id: UserId, password: PasswordHash, change: Change) -> StoreResult<()> {
        self.write(move |context| {
            let user = users::get(context.connection, id)?;
            let ended = replace_password(context.connection, id, &password)?;
            let detail = format!("set the password of \"{}\" and ended {ended} sessions", user.name);
            audit::write(context.connection, &change, "user.password", id, &detail)
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
        self.write(move |context| create_link(context.connection, hash, user_id, expires_at, &change))
            .await
    }

    async fn find_link(&self, hash: KeyHash, now: Timestamp) -> StoreResult<Option<User>> {
        self.read(move |connection| {
            let snapshot = snapshot(connection)?;
            find_link(&snapshot, hash, now)
        })
        .await
    }

    async fn use_link(&self, hash: KeyHash, password: PasswordHash, change: Change) -> StoreResult<User> {
        self.write(move |context| use_link(context.connection, hash, &password, &change))
            .await
    }
}

fn create_first_admin(
    connection: &Connection,
    user: User,
    password: &PasswordHash,
    change: &Change,
) -> StoreResult<User> {
    if has_passwords(connection)? {
        return Err(StoreError::Conflict("somebody can sign in already".into()));
    }
    let known = match &user.email {
        Some(email) => find_by_email(connection, email)?,
        None => None,
    };
    let user = setting_changes::first_admin(user, known.map(|record| record.user));
    execute(
        connection,
        "INSERT INTO users (id, name, email, role, created_at) VALUES (?1, ?2, ?3, ?4, ?5)
         ON CONFLICT (id) DO UPDATE SET name = excluded.name, email = excluded.email, role = excluded.role",
        (
            user.id.as_bytes(),
            &user.name,
            &user.email,
            user.role.as_str(),
            user.created_at.as_millis(),
        ),
    )?;
    replace_password(connection, user.id, password)?;
    let detail = format!(
        "made \"{}\" the first who can sign in, as {}",
        user.name,
        user.role.as_str()
    );
    audit::write(connection, change, "user.first_admin", user.id, &detail)?;
    Ok(user)
}

fn has_passwords(connection: &Connection) -> StoreResult<bool> {
    let found = read_one(
        connection,
        "SELECT 1 FROM users WHERE password IS NOT NULL LIMIT 1",
        (),
        |_| Ok(()),
    );
    found.map(|row| row.is_some())
}

/// Of two people whose addresses differ in case alone, which version 1 let in, it is the one written the same way, or
/// else the first.
fn find_by_email(connection: &Connection, email: &str) -> StoreResult<Option<SignInRecord>> {
    read_one(
        connection,
        "SELECT id, name, email, role, created_at, time_zone, clock, password FROM users WHERE email = ?1 COLLATE NOCASE
         ORDER BY email = ?1 DESC, id LIMIT 1",
        [email],
        record_from_row,
    )
}

fn find_by_id(connection: &Connection, id: UserId) -> StoreResult<SignInRecord> {
    read_one(
        connection,
        "SELECT id, name, email, role, created_at, time_zone, clock, password FROM users WHERE id = ?1",
        [id.as_bytes()],
        record_from_row,
    )?
    .ok_or(StoreError::NotFound { what: "user" })
}

/// Whoever knew the password before, or holds a link, is out. Says how many sessions ended.
fn replace_password(connection: &Connection, id: UserId, password: &PasswordHash) -> StoreResult<usize> {
    execute(
        connection,
        "UPDATE users SET password = ?2 WHERE id = ?1",
        (id.as_bytes(), password.as_str()),
    )?;
    delete_link_of(connection, id)?;
    execute(
        connection,
        "DELETE FROM sessions WHERE user_id = ?1",
        [id.as_bytes()],
    )
}

fn create_link(
    connection: &Connection,
    hash: KeyHash,
    user_id: UserId,
    expires_at: Timestamp,
    change: &Change,
) -> StoreResult<()> {
    let user = users::get(connection, user_id)?;
    delete_link_of(connection, user_id)?;
    execute(
        connection,
        "INSERT INTO sign_in_links (hash, user_id, expires_at) VALUES (?1, ?2, ?3)",
        (hash.0, user_id.as_bytes(), expires_at.as_millis()),
    )?;
    let detail = format!(
        "made a link for \"{}\" to sign in with until {expires_at}",
        user.name
    );
    audit::write(connection, change, "user.sign_in_link", user_id, &detail)
}

/// Ends the link of a person, if there is one.
pub fn delete_link_of(connection: &Connection, user_id: UserId) -> StoreResult<()> {
    execute(
        connection,
        "DELETE FROM sign_in_links WHERE user_id = ?1",
        [user_id.as_bytes()],
    )
    .map(|_| ())
}

fn find_link(connection: &Connection, hash: KeyHash, now: Timestamp) -> StoreResult<Option<User>> {
    let user_id = read_one(
        connection,
        "SELECT l.user_id FROM sign_in_links l JOIN users u ON u.id = l.user_id
         WHERE l.hash = ?1 AND l.expires_at > ?2 AND u.email IS NOT NULL",
        (hash.0, now.as_millis()),
        |row| row.get(0).map(UserId::from_bytes),
    )?;
    user_id.map(|id| users::get(connection, id)).transpose()
}

fn use_link(
    connection: &Connection,
    hash: KeyHash,
    password: &PasswordHash,
    change: &Change,
) -> StoreResult<User> {
    let user =
        find_link(connection, hash, change.at)?.ok_or(StoreError::NotFound { what: "sign-in link" })?;
    let ended = replace_password(connection, user.id, password)?;
    let detail = format!(
        "set the password of \"{}\" with a sign-in link and ended {ended} sessions",
        user.name
    );
    audit::write(connection, change, "user.use_link", user.id, &detail)?;
    Ok(user)
}

fn record_from_row(row: &Row<'_>) -> rusqlite::Result<SignInRecord> {
    Ok(SignInRecord {
        user: users::user_from_row(row)?,
        password: row.get::<_, Option<String>>("password")?.map(PasswordHash::new),
    })
}
