//! Second factors. Their secrets are sealed on the way in and opened on the way out.

use async_trait::async_trait;
use tokio_postgres::Row;

use model::access::KeyHash;
use model::audit::Change;
use model::id::UserId;
use model::second_factor::TotpSecret;
use store::StoreError;
use store::StoreResult;
use store::sealed::{open, seal, second_factor_place};
use store::second_factors::{SecondFactor, SecondFactors};

use super::audit;
use super::columns::{number, value};
use super::connection::Connection;
use super::database::Database;
use super::users;
use super::writer::WriteContext;

#[async_trait]
impl SecondFactors for Database {
    async fn get(&self, user_id: UserId) -> StoreResult<Option<SecondFactor>> {
        // One statement: it sees the secret and the codes as they are at one moment.
        let sql = "SELECT secret, last_step,
                 (SELECT count(*) FROM recovery_codes c WHERE c.user_id = second_factors.user_id) AS codes
             FROM second_factors WHERE user_id = $1";
        let connection = self.connection().await?;
        let found = connection
            .read_one(sql, &[&&user_id.as_bytes()[..]], from_row)
            .await?;
        let Some((sealed, last_step, recovery_codes)) = found else {
            return Ok(None);
        };
        let place = second_factor_place(user_id);
        let text = open(self.sealer(), &place, &sealed)?;
        Ok(Some(SecondFactor {
            secret: TotpSecret::parse(text.reveal()).ok_or(StoreError::Corrupt(place))?,
            last_step,
            recovery_codes,
        }))
    }

    async fn create(
        &self,
        user_id: UserId,
        secret: TotpSecret,
        step: i64,
        recovery_codes: Vec<KeyHash>,
        change: Change,
    ) -> StoreResult<()> {
        let input = (user_id, secret, step, recovery_codes, change);
        self.write(input, |context, (user_id, secret, step, codes, change)| {
            Box::pin(create(context, *user_id, secret, *step, codes, change))
        })
        .await
    }

    async fn use_step(&self, user_id: UserId, step: i64) -> StoreResult<bool> {
        self.write((user_id, step), |context, (user_id, step)| {
            Box::pin(use_step(&context.connection, *user_id, *step))
        })
        .await
    }

    async fn use_recovery_code(&self, user_id: UserId, hash: KeyHash, change: Change) -> StoreResult<bool> {
        self.write((user_id, hash, change), |context, (user_id, hash, change)| {
            Box::pin(use_recovery_code(&context.connection, *user_id, *hash, change))
        })
        .await
    }

    async fn delete(&self, user_id: UserId, change: Change) -> StoreResult<bool> {
        self.write((user_id, change), |context, (user_id, change)| {
            Box::pin(delete(&context.connection, *user_id, change))
        })
        .await
    }
}

async fn create(
    context: &WriteContext,
    user_id: UserId,
    secret: &TotpSecret,
    step: i64,
    recovery_codes: &[KeyHash],
    change: &Change,
) -> StoreResult<()> {
    let connection = &context.connection;
    let user = users::lock(connection, user_id).await?;
    let place = second_factor_place(user_id);
    let sealed = seal(context.sealer(), &place, secret.to_text().reveal());
    let id = &user_id.as_bytes()[..];
    let sql = "INSERT INTO second_factors (user_id, secret, last_step, created_at) VALUES ($1, $2, $3, $4)
               ON CONFLICT (user_id) DO NOTHING";
    let count = connection
        .execute(sql, &[&id, &sealed, &step, &change.at.as_millis()])
        .await?;
    if count == 0 {
        return Err(StoreError::Conflict("there is a second factor already".into()));
    }
    for hash in recovery_codes {
        let sql = "INSERT INTO recovery_codes (hash, user_id) VALUES ($1, $2)";
        connection.execute(sql, &[&&hash.0[..], &id]).await?;
    }
    let detail = format!("gave \"{}\" a second factor", user.name);
    audit::write(connection, change, "user.second_factor", user_id, &detail).await
}

async fn use_step(connection: &Connection, user_id: UserId, step: i64) -> StoreResult<bool> {
    let sql = "UPDATE second_factors SET last_step = $2 WHERE user_id = $1 AND last_step < $2";
    let count = connection
        .execute(sql, &[&&user_id.as_bytes()[..], &step])
        .await?;
    Ok(count == 1)
}

async fn use_recovery_code(
    connection: &Connection,
    user_id: UserId,
    hash: KeyHash,
    change: &Change,
) -> StoreResult<bool> {
    let user = users::lock(connection, user_id).await?;
    let id = &user_id.as_bytes()[..];
    let sql = "DELETE FROM recovery_codes WHERE hash = $1 AND user_id = $2";
    if connection.execute(sql, &[&&hash.0[..], &id]).await? == 0 {
        return Ok(false);
    }
    let sql = "SELECT count(*) AS codes FROM recovery_codes WHERE user_id = $1";
    let left = connection
        .read_one(sql, &[&id], |row| number::<u32>(row, "codes"))
        .await?;
    let (name, left) = (&user.name, left.unwrap_or(0));
    let detail = format!("used a recovery code of \"{name}\"; {left} are left");
    audit::write(connection, change, "user.recovery_code", user_id, &detail).await?;
    Ok(true)
}

async fn delete(connection: &Connection, user_id: UserId, change: &Change) -> StoreResult<bool> {
    let user = users::lock(connection, user_id).await?;
    let sql = "DELETE FROM second_factors WHERE user_id = $1";
    if connection.execute(sql, &[&&user_id.as_bytes()[..]]).await? == 0 {
        return Ok(false);
    }
    let detail = format!("took the second factor of \"{}\" away", user.name);
    audit::write(connection, change, "user.second_factor.delete", user_id, &detail).await?;
    Ok(true)
}

fn from_row(row: &Row) -> StoreResult<(Vec<u8>, i64, u32)> {
    Ok((
        value(row, "secret")?,
        value(row, "last_step")?,
        number(row, "codes")?,
    ))
}
