//! Sessions of people who signed in.

use async_trait::async_trait;
use tokio_postgres::Row;

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
use super::columns::{bytes, time, value};
use super::connection::{Connection, ConstraintRefusal};
use super::database::Database;
use super::users::user_from_row;

#[async_trait]
impl Sessions for Database {
    async fn begin(&self, session: Session, change: Change) -> StoreResult<()> {
        self.write((session, change), |context, (session, change)| {
            Box::pin(begin(&context.connection, session, change))
        })
        .await
    }

    async fn find(&self, hash: KeyHash, now: Timestamp) -> StoreResult<Option<(Session, User)>> {
        // One statement, because every request of a page asks: it sees session and person as they are at one moment.
        let sql =
            "SELECT s.id AS session_id, s.hash, s.created_at AS began_at, s.last_seen_at, s.address, s.agent,
                 u.id, u.name, u.email, u.role, u.created_at, u.time_zone, u.clock
             FROM sessions s JOIN users u ON u.id = s.user_id WHERE s.hash = $1";
        let connection = self.connection().await?;
        let found = connection
            .read_one(sql, &[&&hash.0[..]], session_and_user)
            .await?;
        Ok(found.filter(|(session, _)| session.is_usable(now)))
    }

    async fn touch(&self, id: SessionId, now: Timestamp) -> StoreResult<()> {
        self.write((id, now), |context, (id, now)| {
            Box::pin(touch(&context.connection, *id, *now))
        })
        .await
    }

    async fn list(&self, user_id: UserId, now: Timestamp) -> StoreResult<Vec<Session>> {
        let sql = "SELECT id, user_id, hash, created_at, last_seen_at, address, agent FROM sessions
             WHERE user_id = $1 ORDER BY last_seen_at DESC, id DESC LIMIT $2";
        let connection = self.connection().await?;
        let limit = i64::from(MAX_SESSIONS_PER_USER);
        let mut sessions = connection
            .read_all(sql, &[&&user_id.as_bytes()[..], &limit], session_from_row)
            .await?;
        sessions.retain(|session| session.is_usable(now));
        Ok(sessions)
    }

    async fn end(&self, user_id: UserId, id: SessionId, change: Change) -> StoreResult<()> {
        self.write((user_id, id, change), |context, (user_id, id, change)| {
            Box::pin(end(&context.connection, *user_id, *id, change))
        })
        .await
    }
}

async fn begin(connection: &Connection, session: &Session, change: &Change) -> StoreResult<()> {
    // There are few: at most MAX_SESSIONS_PER_USER for each person.
    delete_expired(connection, change.at, u32::MAX).await?;
    make_room(connection, session.user_id).await?;
    connection
        .execute_or_refuse(
            "INSERT INTO sessions (id, user_id, hash, created_at, last_seen_at, address, agent)
             VALUES ($1, $2, $3, $4, $5, $6, $7)",
            &[
                &&session.id.as_bytes()[..],
                &&session.user_id.as_bytes()[..],
                &&session.hash.0[..],
                &session.created_at.as_millis(),
                &session.last_seen_at.as_millis(),
                &session.address,
                &session.agent,
            ],
            REFUSAL,
        )
        .await?;
    let detail = format!("signed in from {}", session.address);
    audit::write(connection, change, "session.begin", session.id, &detail).await
}

/// Deletes sessions that no longer hold, as [`Session::is_usable`] says; says how many. Those that another node deletes or
/// uses at the same moment are left to it.
pub async fn delete_expired(connection: &Connection, now: Timestamp, limit: u32) -> StoreResult<u64> {
    let sql = "DELETE FROM sessions WHERE id IN
             (SELECT id FROM sessions WHERE created_at <= $1 OR last_seen_at <= $2 LIMIT $3 FOR UPDATE SKIP LOCKED)";
    let (made, seen) = (now.minus(SESSION_LIFETIME), now.minus(SESSION_IDLE_LIFETIME));
    connection
        .execute(sql, &[&made.as_millis(), &seen.as_millis(), &i64::from(limit)])
        .await
}

/// Ends the longest unused sessions of a person who has as many as one may have. Whoever signs in as the same person
/// meanwhile waits: both would find room for one more.
async fn make_room(connection: &Connection, user_id: UserId) -> StoreResult<()> {
    let user_id = &user_id.as_bytes()[..];
    connection
        .finds("SELECT 1 FROM users WHERE id = $1 FOR NO KEY UPDATE", &[&user_id])
        .await?;
    let sql = "DELETE FROM sessions WHERE id IN
             (SELECT id FROM sessions WHERE user_id = $1 ORDER BY last_seen_at DESC, id DESC OFFSET $2)";
    connection
        .execute(sql, &[&user_id, &i64::from(MAX_SESSIONS_PER_USER - 1)])
        .await
        .map(|_| ())
}

/// A session that ended meanwhile is passed over.
async fn touch(connection: &Connection, id: SessionId, now: Timestamp) -> StoreResult<()> {
    let sql = "UPDATE sessions SET last_seen_at = $2 WHERE id = $1";
    connection
        .execute(sql, &[&&id.as_bytes()[..], &now.as_millis()])
        .await
        .map(|_| ())
}

async fn end(connection: &Connection, user_id: UserId, id: SessionId, change: &Change) -> StoreResult<()> {
    let sql = "DELETE FROM sessions WHERE id = $1 AND user_id = $2 RETURNING address";
    let ids: [&[u8]; 2] = [id.as_bytes(), user_id.as_bytes()];
    let address: Option<String> = connection
        .read_one(sql, &[&ids[0], &ids[1]], |row| value(row, "address"))
        .await?;
    let address = address.ok_or(StoreError::NotFound { what: "session" })?;
    let detail = format!("ended the session that began from {address}");
    audit::write(connection, change, "session.end", id, &detail).await
}

/// The token behind the hash is random, so that no two are the same.
const REFUSAL: ConstraintRefusal = ConstraintRefusal {
    taken: StoreError::Taken {
        what: "session",
        field: "token",
    },
    unknown: StoreError::UnknownReference { what: "user" },
};

fn session_and_user(row: &Row) -> StoreResult<(Session, User)> {
    let user = user_from_row(row)?;
    let session = Session {
        id: SessionId::from_bytes(bytes(row, "session_id")?),
        user_id: user.id,
        hash: KeyHash(bytes(row, "hash")?),
        created_at: time(row, "began_at")?,
        last_seen_at: time(row, "last_seen_at")?,
        address: value(row, "address")?,
        agent: value(row, "agent")?,
    };
    Ok((session, user))
}

fn session_from_row(row: &Row) -> StoreResult<Session> {
    Ok(Session {
        id: SessionId::from_bytes(bytes(row, "id")?),
        user_id: UserId::from_bytes(bytes(row, "user_id")?),
        hash: KeyHash(bytes(row, "hash")?),
        created_at: time(row, "created_at")?,
        last_seen_at: time(row, "last_seen_at")?,
        address: value(row, "address")?,
        agent: value(row, "agent")?,
    })
}
