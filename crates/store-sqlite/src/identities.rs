//! Who people are at an OpenID provider.

use async_trait::async_trait;
use rusqlite::{Connection, Row};

use model::access::Role;
use model::audit::Change;
use model::display::TimeDisplay;
use model::id::UserId;
use model::identity::{Identity, LinkedIdentity, ProvenPerson};
use model::user::User;
use store::StoreError;
use store::StoreResult;
use store::identities::{Identities, MAX_IDENTITIES_PER_USER};
use store::setting_changes::{admitted_sentence, linked_sentence, unlinked_sentence};

use super::audit;
use super::columns::{optional_time, time};
use super::database::Database;
use super::refusals::{ConstraintRefusal, execute_or_refuse};
use super::statements::{execute, read_all, read_one, snapshot};
use super::users;

#[async_trait]
impl Identities for Database {
    async fn find(&self, identity: Identity) -> StoreResult<Option<User>> {
        self.read(move |connection| {
            let snapshot = snapshot(connection)?;
            find(&snapshot, &identity)
        })
        .await
    }

    async fn admit(
        &self,
        person: ProvenPerson,
        role: Role,
        new_id: UserId,
        change: Change,
    ) -> StoreResult<User> {
        self.write(move |context| admit(context.connection, &person, role, new_id, &change))
            .await
    }

    async fn link(&self, identity: Identity, user_id: UserId, change: Change) -> StoreResult<()> {
        self.write(move |context| link(context.connection, &identity, user_id, &change))
            .await
    }

    async fn list(&self, user_id: UserId) -> StoreResult<Vec<LinkedIdentity>> {
        self.read(move |connection| list(connection, user_id)).await
    }

    async fn unlink(&self, user_id: UserId, change: Change) -> StoreResult<u64> {
        self.write(move |context| unlink(context.connection, user_id, &change))
            .await
    }
}

fn find(connection: &Connection, identity: &Identity) -> StoreResult<Option<User>> {
    let user_id = read_one(
        connection,
        "SELECT user_id FROM identities WHERE issuer = ?1 AND subject = ?2",
        (&identity.issuer, &identity.subject),
        |row| row.get(0).map(UserId::from_bytes),
    )?;
    user_id.map(|id| users::get(connection, id)).transpose()
}

fn admit(
    connection: &Connection,
    person: &ProvenPerson,
    role: Role,
    new_id: UserId,
    change: &Change,
) -> StoreResult<User> {
    let before = find(connection, &person.identity)?;
    let user = match before.clone() {
        Some(user) => User { role, ..user },
        None => {
            let user = User {
                id: new_id,
                name: person.name.clone(),
                email: person.email.clone(),
                role,
                created_at: change.at,
                display: TimeDisplay::default(),
            };
            users::insert(connection, &user)?;
            insert(connection, &person.identity, new_id, change)?;
            user
        }
    };
    if before.as_ref().is_some_and(|before| before.role != role) {
        execute(
            connection,
            "UPDATE users SET role = ?2 WHERE id = ?1",
            (user.id.as_bytes(), role.as_str()),
        )?;
    }
    execute(
        connection,
        "UPDATE identities SET last_used_at = ?3 WHERE issuer = ?1 AND subject = ?2",
        (
            &person.identity.issuer,
            &person.identity.subject,
            change.at.as_millis(),
        ),
    )?;
    if let Some((action, detail)) = admitted_sentence(before.as_ref(), &user, &person.identity) {
        audit::write(connection, change, action, user.id, &detail)?;
    }
    Ok(user)
}

fn link(connection: &Connection, identity: &Identity, user_id: UserId, change: &Change) -> StoreResult<()> {
    let user = users::get(connection, user_id)?;
    match find(connection, identity)? {
        Some(other) if other.id == user_id => return Ok(()),
        Some(_) => return Err(REFUSAL.taken),
        None => {}
    }
    if list(connection, user_id)?.len() >= MAX_IDENTITIES_PER_USER as usize {
        return Err(StoreError::Conflict("the user has too many identities".into()));
    }
    insert(connection, identity, user_id, change)?;
    let detail = linked_sentence(&user, identity);
    audit::write(connection, change, "user.link", user_id, &detail)
}

fn insert(connection: &Connection, identity: &Identity, user_id: UserId, change: &Change) -> StoreResult<()> {
    execute_or_refuse(
        connection,
        "INSERT INTO identities (issuer, subject, user_id, created_at) VALUES (?1, ?2, ?3, ?4)",
        (
            &identity.issuer,
            &identity.subject,
            user_id.as_bytes(),
            change.at.as_millis(),
        ),
        REFUSAL,
    )
}

fn list(connection: &Connection, user_id: UserId) -> StoreResult<Vec<LinkedIdentity>> {
    read_all(
        connection,
        "SELECT issuer, subject, created_at, last_used_at FROM identities WHERE user_id = ?1
         ORDER BY created_at, issuer, subject LIMIT ?2",
        (user_id.as_bytes(), MAX_IDENTITIES_PER_USER),
        identity_from_row,
    )
}

fn unlink(connection: &Connection, user_id: UserId, change: &Change) -> StoreResult<u64> {
    let user = users::get(connection, user_id)?;
    let count = execute(
        connection,
        "DELETE FROM identities WHERE user_id = ?1",
        [user_id.as_bytes()],
    )?;
    if count == 0 {
        return Ok(0);
    }
    execute(
        connection,
        "DELETE FROM sessions WHERE user_id = ?1",
        [user_id.as_bytes()],
    )?;
    audit::write(
        connection,
        change,
        "user.unlink",
        user_id,
        &unlinked_sentence(&user),
    )?;
    Ok(count as u64)
}

const REFUSAL: ConstraintRefusal = ConstraintRefusal {
    taken: StoreError::Taken {
        what: "user",
        field: "identity",
    },
    unknown: StoreError::NotFound { what: "user" },
};

fn identity_from_row(row: &Row<'_>) -> rusqlite::Result<LinkedIdentity> {
    Ok(LinkedIdentity {
        identity: Identity {
            issuer: row.get("issuer")?,
            subject: row.get("subject")?,
        },
        created_at: time(row, "created_at")?,
        last_used_at: optional_time(row, "last_used_at")?,
    })
}
