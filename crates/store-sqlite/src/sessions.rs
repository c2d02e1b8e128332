//! Sessions of people who signed in.

use async_trait::async_trait;
use rusqlite::{Connection, Row};

use model::access::KeyHash;
use model::audit::Change;
use model::id::{SessionId, UserId};
use model::session::{MAX_SESSIONS_PER_USER, SESSION_IDLE_LIFETIME, SESSION_LIFETIME, Session};
use model::time::Timestamp;
use model::user::User;
use store::StoreError;
use store::StoreResult;
use store::sessions::Sessions;

use super::audit;
use super::columns::{id_bytes, time};
use super::database::Database;
use super::refusals::{ConstraintRefusal, execute_or_refuse};
use super::statements::{execute, read_all, read_one, snapshot};
use super::users;

#[async_trait]
impl Sessions for Database {
    async fn begin(&self, session: Session, change: Change) -> StoreResult<()> {
        self.write(move |context| begin(context.connection, &session, &change))
            .await
    }

    async fn find(&self, hash: KeyHash, now: Timestamp) -> StoreResult<Option<(Session, User)>> {
        self.read(move |connection| {
            let snapshot = snapshot(connection)?;
            find(&snapshot, hash, now)
        })
        .await
    }

    async fn touch(&self, id: SessionId, now: Timestamp) -> StoreResult<()> {
        self.write(move |context| touch(context.connection, id, now))
            .await
    }

    async fn list(&self, user_id: UserId, now: Timestamp) -> StoreResult<Vec<Session>> {
        self.read(move |connection| list(connection, user_id, now)).await
    }

    async fn end(&self, user_id: UserId, id: SessionId, change: Change) -> StoreResult<()> {
        self.write(move |context| end(context.connection, user_id, id, &change))
            .await
    }
}

fn begin(connection: &Connection, session: &Session, change: &Change) -> StoreResult<()> {
    // There are few: at most MAX_SESSIONS_PER_USER for each person.
    delete_expired(connection, change.at, u32::MAX)?;
    make_room(connection, session.user_id)?;
    execute_or_refuse(
        connection,
        "INSERT INTO sessions (id, user_id, hash, created_at, last_seen_at, address, agent)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        (
            session.id.as_bytes(),
            session.user_id.as_bytes(),
            session.hash.0,
            session.created_at.as_millis(),
            session.last_seen_at.as_millis(),
            &session.address,
            &session.agent,
        ),
        REFUSAL,
    )?;
    let detail = format!("signed in from {}", session.address);
    audit::write(connection, change, "session.begin", session.id, &detail)
}

/// Deletes sessions that no longer hold, as [`Session::is_usable`] says; says how many.
pub fn delete_expired(connection: &Connection, now: Timestamp, limit: u32) -> StoreResult<usize> {
    execute(
        connection,
        "DELETE FROM sessions WHERE id IN
             (SELECT id FROM sessions WHERE created_at <= ?1 OR last_seen_at <= ?2 LIMIT ?3)",
        (
            now.minus(SESSION_LIFETIME).as_millis(),
            now.minus(SESSION_IDLE_LIFETIME).as_millis(),
            limit,
        ),
    )
}

/// Ends the longest unused sessions of a person who has as many as one may have.
fn make_room(connection: &Connection, user_id: UserId) -> StoreResult<()> {
    execute(
        connection,
        "DELETE FROM sessions WHERE id IN
             (SELECT id FROM sessions WHERE user_id = ?1 ORDER BY last_seen_at DESC, id DESC LIMIT -1 OFFSET ?2)",
        (user_id.as_bytes(), MAX_SESSIONS_PER_USER - 1),
    )
    .map(|_| ())
}

fn find(connection: &Connection, hash: KeyHash, now: Timestamp) -> StoreResult<Option<(Session, User)>> {
    let session = read_one(
        connection,
        "SELECT id, user_id, hash, created_at, last_seen_at, address, agent FROM sessions WHERE hash = ?1",
        [hash.0],
        session_from_row,
    )?;
    let usable = session.filter(|session| session.is_usable(now));
    let with_user = |session: Session| Ok((users::get(connection, session.user_id)?, session));
    let found = usable.map(with_user).transpose()?;
    Ok(found.map(|(user, session)| (session, user)))
}

/// A session that ended meanwhile is passed over.
fn touch(connection: &Connection, id: SessionId, now: Timestamp) -> StoreResult<()> {
    execute(
        connection,
        "UPDATE sessions SET last_seen_at = ?2 WHERE id = ?1",
        (id.as_bytes(), now.as_millis()),
    )
    .map(|_| ())
}

fn list(connection: &Connection, user_id: UserId, now: Timestamp) -> StoreResult<Vec<Session>> {
    let mut sessions = read_all(
        connection,
        "SELECT id, user_id, hash, created_at, last_seen_at, address, agent FROM sessions
         WHERE user_id = ?1 ORDER BY last_seen_at DESC, id DESC LIMIT ?2",
        (user_id.as_bytes(), MAX_SESSIONS_PER_USER),
        session_from_row,
    )?;
    sessions.retain(|session| session.is_usable(now));
    Ok(sessions)
}

fn end(connection: &Connection, user_id: UserId, id: SessionId, change: &Change) -> StoreResult<()> {
    let address: Option<String> = read_one(
        connection,
        "DELETE FROM sessions WHERE id = ?1 AND user_id = ?2 RETURNING address",
        (id.as_bytes(), user_id.as_bytes()),
        |row| row.get(0),
    )?;
    let address = address.ok_or(StoreError::NotFound { what: "session" })?;
    let detail = format!("ended the session that began from {address}");
    audit::write(connection, change, "session.end", id, &detail)
}

/// The token behind the hash is random, so that no two are the same.
const REFUSAL: ConstraintRefusal = ConstraintRefusal {
    taken: StoreError::Taken {
        what: "session",
        field: "token",
    },
    unknown: StoreError::UnknownReference { what: "user" },
};

fn session_from_row(row: &Row<'_>) -> rusqlite::Result<Session> {
    Ok(Session {
        id: SessionId::from_bytes(id_bytes(row, "id")?),
        user_id: UserId::from_bytes(id_bytes(row, "user_id")?),
        hash: KeyHash(row.get("hash")?),
        created_at: time(row, "created_at")?,
        last_seen_at: time(row, "last_seen_at")?,
        address: row.get("address")?,
        agent: row.get("agent")?,
    })
}
