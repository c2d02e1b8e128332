//! Second factors. Their secrets are sealed on the way in and opened on the way out.

use async_trait::async_trait;
use rusqlite::Connection;

use model::access::KeyHash;
use model::audit::Change;
use model::id::UserId;
use model::second_factor::TotpSecret;
use store::StoreError;
use store::StoreResult;
use store::seal::Sealer;
use store::sealed::{open, seal, second_factor_place};
use store::second_factors::{SecondFactor, SecondFactors};

use super::audit;
use super::database::Database;
use super::statements::{execute, read_one, snapshot};
use super::users;
use super::writer::WriteContext;

#[async_trait]
impl SecondFactors for Database {
    async fn get(&self, user_id: UserId) -> StoreResult<Option<SecondFactor>> {
        let sealer = self.sealer().clone();
        self.read(move |connection| {
            let snapshot = snapshot(connection)?;
            get(&snapshot, &sealer, user_id)
        })
        .await
    }

    async fn create(
        &self,
        user_id: UserId,
        secret: TotpSecret,
        step: i64,
        recovery_codes: Vec<KeyHash>,
        change: Change,
    ) -> StoreResult<()> {
        self.write(move |context| create(context, user_id, &secret, step, &recovery_codes, &change))
            .await
    }

    async fn use_step(&self, user_id: UserId, step: i64) -> StoreResult<bool> {
        self.write(move |context| {
            let used = execute(
                context.connection,
                "UPDATE second_factors SET last_step = ?2 WHERE user_id = ?1 AND last_step < ?2",
                (user_id.as_bytes(), step),
            );
            used.map(|count| count == 1)
        })
        .await
    }

    async fn use_recovery_code(&self, user_id: UserId, hash: KeyHash, change: Change) -> StoreResult<bool> {
        self.write(move |context| use_recovery_code(context.connection, user_id, hash, &change))
            .await
    }

    async fn delete(&self, user_id: UserId, change: Change) -> StoreResult<bool> {
        self.write(move |context| delete(context.connection, user_id, &change))
            .await
    }
}

fn get(connection: &Connection, sealer: &Sealer, user_id: UserId) -> StoreResult<Option<SecondFactor>> {
    let row: Option<(Vec<u8>, i64)> = read_one(
        connection,
        "SELECT secret, last_step FROM second_factors WHERE user_id = ?1",
        [user_id.as_bytes()],
        |row| Ok((row.get(0)?, row.get(1)?)),
    )?;
    let Some((sealed, last_step)) = row else {
        return Ok(None);
    };
    let place = second_factor_place(user_id);
    let text = open(sealer, &place, &sealed)?;
    let secret = TotpSecret::parse(text.reveal()).ok_or(StoreError::Corrupt(place))?;
    Ok(Some(SecondFactor {
        secret,
        last_step,
        recovery_codes: count_codes(connection, user_id)?,
    }))
}

fn count_codes(connection: &Connection, user_id: UserId) -> StoreResult<u32> {
    let count = read_one(
        connection,
        "SELECT count(*) FROM recovery_codes WHERE user_id = ?1",
        [user_id.as_bytes()],
        |row| row.get(0),
    );
    Ok(count?.unwrap_or(0))
}

fn create(
    context: &WriteContext<'_>,
    user_id: UserId,
    secret: &TotpSecret,
    step: i64,
    recovery_codes: &[KeyHash],
    change: &Change,
) -> StoreResult<()> {
    let user = users::get(context.connection, user_id)?;
    let sealed = seal(
        context.sealer,
        &second_factor_place(user_id),
        secret.to_text().reveal(),
    );
    let count = execute(
        context.connection,
        "INSERT INTO second_factors (user_id, secret, last_step, created_at) VALUES (?1, ?2, ?3, ?4)
         ON CONFLICT (user_id) DO NOTHING",
        (user_id.as_bytes(), sealed, step, change.at.as_millis()),
    )?;
    if count == 0 {
        return Err(StoreError::Conflict("there is a second factor already".into()));
    }
    for hash in recovery_codes {
        execute(
            context.connection,
            "INSERT INTO recovery_codes (hash, user_id) VALUES (?1, ?2)",
            (hash.0, user_id.as_bytes()),
        )?;
    }
    let detail = format!("gave \"{}\" a second factor", user.name);
    audit::write(context.connection, change, "user.second_factor", user_id, &detail)
}

fn use_recovery_code(
    connection: &Connection,
    user_id: UserId,
    hash: KeyHash,
    change: &Change,
) -> StoreResult<bool> {
    let count = execute(
        connection,
        "DELETE FROM recovery_codes WHERE hash = ?1 AND user_id = ?2",
        (hash.0, user_id.as_bytes()),
    )?;
    if count == 0 {
        return Ok(false);
    }
    let (user, left) = (
        users::get(connection, user_id)?,
        count_codes(connection, user_id)?,
    );
    let detail = format!("used a recovery code of \"{}\"; {left} are left", user.name);
    audit::write(connection, change, "user.recovery_code", user_id, &detail)?;
    Ok(true)
}

fn delete(connection: &Connection, user_id: UserId, change: &Change) -> StoreResult<bool> {
    let user = users::get(connection, user_id)?;
    let count = execute(
        connection,
        "DELETE FROM second_factors WHERE user_id = ?1",
        [user_id.as_bytes()],
    )?;
    if count == 0 {
        return Ok(false);
    }
    let detail = format!("took the second factor of \"{}\" away", user.name);
    audit::write(connection, change, "user.second_factor.delete", user_id, &detail)?;
    Ok(true)
}
