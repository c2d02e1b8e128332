//! Users.

use async_trait::async_trait;
use rusqlite::{Connection, Row};

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
use super::columns::{id_bytes, parsed, time};
use super::database::Database;
use super::refusals::{ConstraintRefusal, execute_or_refuse};
use super::sign_in;
use super::statements::{execute, read_all, read_one};

#[async_trait]
impl Users for Database {
    async fn create(&self, user: User, change: Change) -> StoreResult<User> {
        self.write(move |context| create(context.connection, user, &change))
            .await
    }

    async fn list(&self, page: Page) -> StoreResult<Vec<User>> {
        self.read(move |connection| list(connection, page)).await
    }

    async fn get(&self, id: UserId) -> StoreResult<User> {
        self.read(move |connection| get(connection, id)).await
    }

    async fn update(&self, user: User, change: Change) -> StoreResult<User> {
        self.write(move |context| update(context.connection, user, &change))
            .await
    }

    async fn set_display(&self, id: UserId, display: TimeDisplay, change: Change) -> StoreResult<()> {
        self.write(move |context| set_display(context.connection, id, &display, &change))
            .await
    }

    async fn delete(&self, id: UserId, change: Change) -> StoreResult<()> {
        self.write(move |context| delete(context.connection, id, &change))
            .await
    }
}

fn create(connection: &Connection, user: User, change: &Change) -> StoreResult<User> {
    insert(connection, &user)?;
    let detail = format!("created \"{}\" as {}", user.name, user.role.as_str());
    audit::write(connection, change, "user.create", user.id, &detail)?;
    Ok(user)
}

/// Writes the row of a new user; taken if the address is another's.
pub fn insert(connection: &Connection, user: &User) -> StoreResult<()> {
    check_address(connection, user)?;
    execute_or_refuse(
        connection,
        "INSERT INTO users (id, name, email, role, created_at) VALUES (?1, ?2, ?3, ?4, ?5)",
        (
            user.id.as_bytes(),
            &user.name,
            &user.email,
            user.role.as_str(),
            user.created_at.as_millis(),
        ),
        REFUSAL,
    )
}

fn list(connection: &Connection, page: Page) -> StoreResult<Vec<User>> {
    read_all(
        connection,
        "SELECT id, name, email, role, created_at, time_zone, clock FROM users WHERE id < ?1 ORDER BY id DESC LIMIT ?2",
        page.bounds(),
        user_from_row,
    )
}

/// One user.
pub fn get(connection: &Connection, id: UserId) -> StoreResult<User> {
    read_one(
        connection,
        "SELECT id, name, email, role, created_at, time_zone, clock FROM users WHERE id = ?1",
        [id.as_bytes()],
        user_from_row,
    )?
    .ok_or(StoreError::NotFound { what: "user" })
}

fn update(connection: &Connection, user: User, change: &Change) -> StoreResult<User> {
    let before = get(connection, user.id)?;
    let Some(detail) = setting_changes::of_user(&before, &user) else {
        return Ok(before);
    };
    check_address(connection, &user)?;
    execute_or_refuse(
        connection,
        "UPDATE users SET name = ?2, email = ?3, role = ?4 WHERE id = ?1",
        (user.id.as_bytes(), &user.name, &user.email, user.role.as_str()),
        REFUSAL,
    )?;
    if before.email != user.email {
        // It lies in the mailbox of before.
        sign_in::delete_link_of(connection, user.id)?;
    }
    audit::write(connection, change, "user.update", user.id, &detail)?;
    Ok(User {
        created_at: before.created_at,
        ..user
    })
}

fn set_display(
    connection: &Connection,
    id: UserId,
    display: &TimeDisplay,
    change: &Change,
) -> StoreResult<()> {
    let before = get(connection, id)?;
    let Some(detail) = setting_changes::of_display(&before, display) else {
        return Ok(());
    };
    let zone = display.zone.as_ref().map(ZoneName::as_str);
    execute(
        connection,
        "UPDATE users SET time_zone = ?2, clock = ?3 WHERE id = ?1",
        (id.as_bytes(), zone, display.clock.as_str()),
    )?;
    audit::write(connection, change, "user.display", id, &detail)
}

/// The schema knows only that no two addresses are the same to the letter; signing in does not look at the case.
fn check_address(connection: &Connection, user: &User) -> StoreResult<()> {
    let other = read_one(
        connection,
        "SELECT 1 FROM users WHERE email = ?1 COLLATE NOCASE AND id <> ?2",
        (&user.email, user.id.as_bytes()),
        |_| Ok(()),
    )?;
    match other {
        Some(()) => Err(REFUSAL.taken),
        None => Ok(()),
    }
}

fn delete(connection: &Connection, id: UserId, change: &Change) -> StoreResult<()> {
    let user = get(connection, id)?;
    let in_use = |used_by| StoreError::InUse {
        what: "user",
        used_by,
    };
    if has_incidents(connection, id)? {
        return Err(in_use("incidents"));
    }
    if is_named_by_policies(connection, id)? {
        return Err(in_use("escalation policies"));
    }
    execute(connection, "DELETE FROM users WHERE id = ?1", [id.as_bytes()])?;
    let detail = format!("deleted \"{}\"", user.name);
    audit::write(connection, change, "user.delete", id, &detail)
}

fn has_incidents(connection: &Connection, id: UserId) -> StoreResult<bool> {
    let found = read_one(
        connection,
        "SELECT 1 FROM incidents WHERE assignee_id = ?1 LIMIT 1",
        [id.as_bytes()],
        |_| Ok(()),
    );
    found.map(|row| row.is_some())
}

fn is_named_by_policies(connection: &Connection, id: UserId) -> StoreResult<bool> {
    let found = read_one(
        connection,
        "SELECT 1 FROM policy_steps WHERE assignee_id = ?1 LIMIT 1",
        [id.as_bytes()],
        |_| Ok(()),
    );
    found.map(|row| row.is_some())
}

/// A user refers to nothing, so that no reference can lead nowhere.
const REFUSAL: ConstraintRefusal = ConstraintRefusal {
    taken: StoreError::Taken {
        what: "user",
        field: "address",
    },
    unknown: StoreError::NotFound { what: "user" },
};

/// A user as a row; more columns do not matter.
pub fn user_from_row(row: &Row<'_>) -> rusqlite::Result<User> {
    Ok(User {
        id: UserId::from_bytes(id_bytes(row, "id")?),
        name: row.get("name")?,
        email: row.get("email")?,
        role: parsed(row, "role", Role::parse)?,
        created_at: time(row, "created_at")?,
        display: display_from_columns(
            row.get::<_, Option<String>>("time_zone")?.as_deref(),
            row.get::<_, Option<String>>("clock")?.as_deref(),
        ),
    })
}
