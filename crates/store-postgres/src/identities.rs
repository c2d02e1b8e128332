//! Who people are at an OpenID provider.

use async_trait::async_trait;
use tokio_postgres::Row;

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
use super::columns::{optional_time, time, value};
use super::connection::{Connection, ConstraintRefusal};
use super::database::Database;
use super::users;

#[async_trait]
impl Identities for Database {
    async fn find(&self, identity: Identity) -> StoreResult<Option<User>> {
        find(&self.connection().await?, &identity).await
    }

    async fn admit(
        &self,
        person: ProvenPerson,
        role: Role,
        new_id: UserId,
        change: Change,
    ) -> StoreResult<User> {
        let input = (person, role, new_id, change);
        self.write(input, |context, (person, role, new_id, change)| {
            Box::pin(admit(&context.connection, person, *role, *new_id, change))
        })
        .await
    }

    async fn link(&self, identity: Identity, user_id: UserId, change: Change) -> StoreResult<()> {
        self.write(
            (identity, user_id, change),
            |context, (identity, user_id, change)| {
                Box::pin(link(&context.connection, identity, *user_id, change))
            },
        )
        .await
    }

    async fn list(&self, user_id: UserId) -> StoreResult<Vec<LinkedIdentity>> {
        list(&self.connection().await?, user_id).await
    }

    async fn unlink(&self, user_id: UserId, change: Change) -> StoreResult<u64> {
        self.write((user_id, change), |context, (user_id, change)| {
            Box::pin(unlink(&context.connection, *user_id, change))
        })
        .await
    }
}

async fn find(connection: &Connection, identity: &Identity) -> StoreResult<Option<User>> {
    let sql = "SELECT u.id, u.name, u.email, u.role, u.created_at, u.time_zone, u.clock FROM identities i JOIN users u ON u.id = i.user_id
               WHERE i.issuer = $1 AND i.subject = $2";
    connection
        .read_one(sql, &[&identity.issuer, &identity.subject], users::user_from_row)
        .await
}

/// Users are made one at a time, so that of two first sign-ins at the same moment the second finds the user of the first.
async fn admit(
    connection: &Connection,
    person: &ProvenPerson,
    role: Role,
    new_id: UserId,
    change: &Change,
) -> StoreResult<User> {
    let mut before = find(connection, &person.identity).await?;
    if before.is_none() {
        users::lock_addresses(connection).await?;
        before = find(connection, &person.identity).await?;
    }
    let user = match &before {
        Some(known) => User {
            role,
            ..users::lock(connection, known.id).await?
        },
        None => {
            let user = User {
                id: new_id,
                name: person.name.clone(),
                email: person.email.clone(),
                role,
                created_at: change.at,
                display: TimeDisplay::default(),
            };
            users::insert(connection, &user).await?;
            insert(connection, &person.identity, new_id, change).await?;
            user
        }
    };
    let id = &user.id.as_bytes()[..];
    if before.as_ref().is_some_and(|before| before.role != role) {
        let sql = "UPDATE users SET role = $2 WHERE id = $1";
        connection.execute(sql, &[&id, &role.as_str()]).await?;
    }
    let sql = "UPDATE identities SET last_used_at = $3 WHERE issuer = $1 AND subject = $2";
    let (issuer, subject) = (&person.identity.issuer, &person.identity.subject);
    connection
        .execute(sql, &[issuer, subject, &change.at.as_millis()])
        .await?;
    if let Some((action, detail)) = admitted_sentence(before.as_ref(), &user, &person.identity) {
        audit::write(connection, change, action, user.id, &detail).await?;
    }
    Ok(user)
}

async fn link(
    connection: &Connection,
    identity: &Identity,
    user_id: UserId,
    change: &Change,
) -> StoreResult<()> {
    let user = users::lock(connection, user_id).await?;
    match find(connection, identity).await? {
        Some(other) if other.id == user_id => return Ok(()),
        Some(_) => return Err(REFUSAL.taken),
        None => {}
    }
    if list(connection, user_id).await?.len() >= MAX_IDENTITIES_PER_USER as usize {
        return Err(StoreError::Conflict("the user has too many identities".into()));
    }
    insert(connection, identity, user_id, change).await?;
    let detail = linked_sentence(&user, identity);
    audit::write(connection, change, "user.link", user_id, &detail).await
}

async fn insert(
    connection: &Connection,
    identity: &Identity,
    user_id: UserId,
    change: &Change,
) -> StoreResult<()> {
    let user_id = &user_id.as_bytes()[..];
    connection
        .execute_or_refuse(
            "INSERT INTO identities (issuer, subject, user_id, created_at) VALUES ($1, $2, $3, $4)",
            &[
                &identity.issuer,
                &identity.subject,
                &user_id,
                &change.at.as_millis(),
            ],
            REFUSAL,
        )
        .await
        .map(|_| ())
}

async fn list(connection: &Connection, user_id: UserId) -> StoreResult<Vec<LinkedIdentity>> {
    let sql = "SELECT issuer, subject, created_at, last_used_at FROM identities WHERE user_id = $1
               ORDER BY created_at, issuer, subject LIMIT $2";
    let (id, limit) = (&user_id.as_bytes()[..], i64::from(MAX_IDENTITIES_PER_USER));
    connection.read_all(sql, &[&id, &limit], identity_from_row).await
}

async fn unlink(connection: &Connection, user_id: UserId, change: &Change) -> StoreResult<u64> {
    let user = users::lock(connection, user_id).await?;
    let id = &user_id.as_bytes()[..];
    let count = connection
        .execute("DELETE FROM identities WHERE user_id = $1", &[&id])
        .await?;
    if count == 0 {
        return Ok(0);
    }
    connection
        .execute("DELETE FROM sessions WHERE user_id = $1", &[&id])
        .await?;
    audit::write(
        connection,
        change,
        "user.unlink",
        user_id,
        &unlinked_sentence(&user),
    )
    .await?;
    Ok(count)
}

const REFUSAL: ConstraintRefusal = ConstraintRefusal {
    taken: StoreError::Taken {
        what: "user",
        field: "identity",
    },
    unknown: StoreError::NotFound { what: "user" },
};

fn identity_from_row(row: &Row) -> StoreResult<LinkedIdentity> {
    Ok(LinkedIdentity {
        identity: Identity {
            issuer: value(row, "issuer")?,
            subject: value(row, "subject")?,
        },
        created_at: time(row, "created_at")?,
        last_used_at: optional_time(row, "last_used_at")?,
    })
}
