//! Users.

use async_trait::async_trait;
use tokio_postgres::Row;

use model::access::Role;
use model::audit::Change;
use model::display::{TimeDisplay, ZoneName};
use model::id::UserId;
use model::user::User;
use store::Page;
use store::StoreError;
use store::StoreResult;
use store::catalog::Users;
use store::setting_changes::{self, display_from_columns};

use super::audit;
use super::columns::{bytes, parsed, time, value};
use super::connection::{Connection, ConstraintRefusal};
use super::database::Database;
use super::sign_in;

#[async_trait]
impl Users for Database {
    async fn create(&self, user: User, change: Change) -> StoreResult<User> {
        self.write((user, change), |context, (user, change)| {
            Box::pin(create(&context.connection, user, change))
        })
        .await
    }

    async fn list(&self, page: Page) -> StoreResult<Vec<User>> {
        let (before, limit) = page.bounds();
        let sql = "SELECT id, name, email, role, created_at, time_zone, clock FROM users WHERE id < $1 ORDER BY id DESC LIMIT $2";
        let connection = self.connection().await?;
        connection
            .read_all(sql, &[&&before[..], &i64::from(limit)], user_from_row)
            .await
    }

    async fn get(&self, id: UserId) -> StoreResult<User> {
        get(&self.connection().await?, id).await
    }

    async fn update(&self, user: User, change: Change) -> StoreResult<User> {
        self.write((user, change), |context, (user, change)| {
            Box::pin(update(&context.connection, user, change))
        })
        .await
    }

    async fn set_display(&self, id: UserId, display: TimeDisplay, change: Change) -> StoreResult<()> {
        self.write((id, display, change), |context, (id, display, change)| {
            Box::pin(set_display(&context.connection, *id, display, change))
        })
        .await
    }

    async fn delete(&self, id: UserId, change: Change) -> StoreResult<()> {
        self.write((id, change), |context, (id, change)| {
            Box::pin(delete(&context.connection, *id, change))
        })
        .await
    }
}

async fn create(connection: &Connection, user: &User, change: &Change) -> StoreResult<User> {
    lock_addresses(connection).await?;
    insert(connection, user).await?;
    let detail = format!("created \"{}\" as {}", user.name, user.role.as_str());
    audit::write(connection, change, "user.create", user.id, &detail).await?;
    Ok(user.clone())
}

/// Writes the row of a new user; taken if the address is another's. Addresses are locked already.
pub async fn insert(connection: &Connection, user: &User) -> StoreResult<()> {
    check_address(connection, user).await?;
    connection
        .execute_or_refuse(
            "INSERT INTO users (id, name, email, role, created_at) VALUES ($1, $2, $3, $4, $5)",
            &[
                &&user.id.as_bytes()[..],
                &user.name,
                &user.email,
                &user.role.as_str(),
                &user.created_at.as_millis(),
            ],
            REFUSAL,
        )
        .await
        .map(|_| ())
}

/// One user.
pub async fn get(connection: &Connection, id: UserId) -> StoreResult<User> {
    let sql = "SELECT id, name, email, role, created_at, time_zone, clock FROM users WHERE id = $1";
    let found = connection
        .read_one(sql, &[&&id.as_bytes()[..]], user_from_row)
        .await?;
    found.ok_or(NOT_FOUND)
}

/// One user, whom nobody else changes or refers to anew until this transaction has ended.
pub async fn lock(connection: &Connection, id: UserId) -> StoreResult<User> {
    let sql =
        "SELECT id, name, email, role, created_at, time_zone, clock FROM users WHERE id = $1 FOR UPDATE";
    let found = connection
        .read_one(sql, &[&&id.as_bytes()[..]], user_from_row)
        .await?;
    found.ok_or(NOT_FOUND)
}

/// Addresses are compared without regard to case, which no index of the schema forbids: version 1 of SQLite's let such in.
/// So whoever writes one does it alone.
pub async fn lock_addresses(connection: &Connection) -> StoreResult<()> {
    connection
        .execute("LOCK TABLE users IN SHARE ROW EXCLUSIVE MODE", &[])
        .await
        .map(|_| ())
}

async fn update(connection: &Connection, user: &User, change: &Change) -> StoreResult<User> {
    lock_addresses(connection).await?;
    let before = lock(connection, user.id).await?;
    let Some(detail) = setting_changes::of_user(&before, user) else {
        return Ok(before);
    };
    check_address(connection, user).await?;
    connection
        .execute_or_refuse(
            "UPDATE users SET name = $2, email = $3, role = $4 WHERE id = $1",
            &[
                &&user.id.as_bytes()[..],
                &user.name,
                &user.email,
                &user.role.as_str(),
            ],
            REFUSAL,
        )
        .await?;
    if before.email != user.email {
        // It lies in the mailbox of before.
        sign_in::delete_link_of(connection, user.id).await?;
    }
    audit::write(connection, change, "user.update", user.id, &detail).await?;
    Ok(User {
        created_at: before.created_at,
        ..user.clone()
    })
}

async fn set_display(
    connection: &Connection,
    id: UserId,
    display: &TimeDisplay,
    change: &Change,
) -> StoreResult<()> {
    let before = lock(connection, id).await?;
    let Some(detail) = setting_changes::of_display(&before, display) else {
        return Ok(());
    };
    let zone = display.zone.as_ref().map(ZoneName::as_str);
    let sql = "UPDATE users SET time_zone = $2, clock = $3 WHERE id = $1";
    connection
        .execute(sql, &[&&id.as_bytes()[..], &zone, &display.clock.as_str()])
        .await?;
    audit::write(connection, change, "user.display", id, &detail).await
}

/// The schema knows only that no two addresses are the same to the letter; signing in does not look at the case.
async fn check_address(connection: &Connection, user: &User) -> StoreResult<()> {
    let sql = "SELECT 1 FROM users WHERE lower(email COLLATE \"C\") = lower($1 COLLATE \"C\") AND id <> $2";
    match connection
        .finds(sql, &[&user.email, &&user.id.as_bytes()[..]])
        .await?
    {
        true => Err(REFUSAL.taken),
        false => Ok(()),
    }
}

async fn delete(connection: &Connection, id: UserId, change: &Change) -> StoreResult<()> {
    let user = lock(connection, id).await?;
    let in_use = |used_by| StoreError::InUse {
        what: "user",
        used_by,
    };
    let by_incidents = "SELECT 1 FROM incidents WHERE assignee_id = $1 LIMIT 1";
    if connection.finds(by_incidents, &[&&id.as_bytes()[..]]).await? {
        return Err(in_use("incidents"));
    }
    let by_policies = "SELECT 1 FROM policy_steps WHERE assignee_id = $1 LIMIT 1";
    if connection.finds(by_policies, &[&&id.as_bytes()[..]]).await? {
        return Err(in_use("escalation policies"));
    }
    connection
        .execute("DELETE FROM users WHERE id = $1", &[&&id.as_bytes()[..]])
        .await?;
    let detail = format!("deleted \"{}\"", user.name);
    audit::write(connection, change, "user.delete", id, &detail).await
}

const NOT_FOUND: StoreError = StoreError::NotFound { what: "user" };

/// A user refers to nothing, so that no reference can lead nowhere.
const REFUSAL: ConstraintRefusal = ConstraintRefusal {
    taken: StoreError::Taken {
        what: "user",
        field: "address",
    },
    unknown: NOT_FOUND,
};

/// A user as a row; more columns do not matter.
pub fn user_from_row(row: &Row) -> StoreResult<User> {
    Ok(User {
        id: UserId::from_bytes(bytes(row, "id")?),
        name: value(row, "name")?,
        email: value(row, "email")?,
        role: parsed(row, "role", Role::parse)?,
        created_at: time(row, "created_at")?,
        display: display_from_columns(value(row, "time_zone")?, value(row, "clock")?),
    })
}
