//! Sealing everything anew under the present master key, in one transaction: whoever changes a secret meanwhile waits.

use tokio_postgres::Row;

use model::audit::Change;
use model::id::{InboxId, SourceId, UserId, WebhookId};
use store::StoreResult;
use store::sealed::{inbox_place, receipt_place, reseal, second_factor_place, source_place, webhook_place};

use super::audit;
use super::columns::{bytes, value};
use super::writer::WriteContext;

/// Seals every secret anew; says how many.
pub async fn rekey(context: &mut WriteContext, change: &Change) -> StoreResult<u64> {
    let count = rekey_webhooks(context).await?
        + rekey_inboxes(context).await?
        + rekey_sources(context).await?
        + rekey_second_factors(context).await?
        + rekey_receipts(context).await?;
    let detail = format!("sealed {count} secrets anew under the present master key");
    audit::write(&context.connection, change, "system.rekey", "master-key", &detail).await?;
    Ok(count)
}

/// The sealed fields of a webhook, in the order of [`WEBHOOK_FIELDS`].
type SealedFields = [Option<Vec<u8>>; 5];
const WEBHOOK_FIELDS: [&str; 5] = [
    "secret",
    "previous_secret",
    "headers",
    "identity_pem",
    "secret_options",
];

/// Deleted webhooks too: whatever is sealed must open under the present key alone.
async fn rekey_webhooks(context: &WriteContext) -> StoreResult<u64> {
    let sql = "SELECT id, secret, previous_secret, headers, identity_pem, secret_options FROM webhooks
               ORDER BY id FOR NO KEY UPDATE";
    let webhooks = context.connection.read_all(sql, &[], webhook_from_row).await?;
    let mut count = 0;
    for (id, fields) in webhooks {
        count += fields.iter().flatten().count() as u64;
        let mut again = SealedFields::default();
        for ((name, sealed), again) in WEBHOOK_FIELDS.iter().zip(fields).zip(&mut again) {
            let place = webhook_place(id, name);
            let anew = |sealed: Vec<u8>| reseal(context.sealer(), &place, &sealed);
            *again = sealed.map(anew).transpose()?;
        }
        let [secret, previous_secret, headers, identity_pem, secret_options] = &again;
        let sql = "UPDATE webhooks SET secret = $2, previous_secret = $3, headers = $4, identity_pem = $5,
                 secret_options = $6
             WHERE id = $1";
        context
            .connection
            .execute(
                sql,
                &[
                    &&id.as_bytes()[..],
                    secret,
                    previous_secret,
                    headers,
                    identity_pem,
                    secret_options,
                ],
            )
            .await?;
    }
    Ok(count)
}

fn webhook_from_row(row: &Row) -> StoreResult<(WebhookId, SealedFields)> {
    let mut fields = SealedFields::default();
    for (name, field) in WEBHOOK_FIELDS.iter().zip(&mut fields) {
        *field = value(row, *name)?;
    }
    Ok((WebhookId::from_bytes(bytes(row, "id")?), fields))
}

async fn rekey_inboxes(context: &WriteContext) -> StoreResult<u64> {
    let sql = "SELECT id, secret FROM inboxes WHERE secret IS NOT NULL ORDER BY id FOR NO KEY UPDATE";
    let inboxes: Vec<(InboxId, Vec<u8>)> = context
        .connection
        .read_all(sql, &[], |row| {
            Ok((InboxId::from_bytes(bytes(row, "id")?), value(row, "secret")?))
        })
        .await?;
    for (id, secret) in &inboxes {
        let again = reseal(context.sealer(), &inbox_place(*id, "secret"), secret)?;
        let sql = "UPDATE inboxes SET secret = $2 WHERE id = $1";
        context
            .connection
            .execute(sql, &[&&id.as_bytes()[..], &again])
            .await?;
    }
    Ok(inboxes.len() as u64)
}

async fn rekey_sources(context: &WriteContext) -> StoreResult<u64> {
    let sql = "SELECT id, key, secret FROM sources ORDER BY id FOR NO KEY UPDATE";
    let sources: Vec<(SourceId, Vec<u8>, Option<Vec<u8>>)> = context
        .connection
        .read_all(sql, &[], |row| {
            let id = SourceId::from_bytes(bytes(row, "id")?);
            Ok((id, value(row, "key")?, value(row, "secret")?))
        })
        .await?;
    let mut count = 0;
    for (id, key, secret) in &sources {
        let again = |field, sealed: &Vec<u8>| reseal(context.sealer(), &source_place(*id, field), sealed);
        let key = again("key", key)?;
        let secret = secret
            .as_ref()
            .map(|sealed| again("secret", sealed))
            .transpose()?;
        count += 1 + u64::from(secret.is_some());
        let sql = "UPDATE sources SET key = $2, secret = $3 WHERE id = $1";
        context
            .connection
            .execute(sql, &[&&id.as_bytes()[..], &key, &secret])
            .await?;
    }
    Ok(count)
}

async fn rekey_second_factors(context: &WriteContext) -> StoreResult<u64> {
    let sql = "SELECT user_id, secret FROM second_factors ORDER BY user_id FOR NO KEY UPDATE";
    let factors: Vec<(UserId, Vec<u8>)> = context
        .connection
        .read_all(sql, &[], |row| {
            Ok((UserId::from_bytes(bytes(row, "user_id")?), value(row, "secret")?))
        })
        .await?;
    for (id, secret) in &factors {
        let again = reseal(context.sealer(), &second_factor_place(*id), secret)?;
        let sql = "UPDATE second_factors SET secret = $2 WHERE user_id = $1";
        context
            .connection
            .execute(sql, &[&&id.as_bytes()[..], &again])
            .await?;
    }
    Ok(factors.len() as u64)
}

/// Answers are kept for a day, and can be many: one at a time, so that they are not all in memory.
async fn rekey_receipts(context: &WriteContext) -> StoreResult<u64> {
    let sql = "SELECT owner, key FROM receipts WHERE answer IS NOT NULL ORDER BY owner, key";
    let receipts: Vec<(String, String)> = context
        .connection
        .read_all(sql, &[], |row| Ok((value(row, "owner")?, value(row, "key")?)))
        .await?;
    let mut count = 0;
    for (owner, key) in &receipts {
        let sql =
            "SELECT answer FROM receipts WHERE owner = $1 AND key = $2 AND answer IS NOT NULL FOR UPDATE";
        let answer: Option<Vec<u8>> = context
            .connection
            .read_one(sql, &[owner, key], |row| value(row, "answer"))
            .await?;
        let Some(answer) = answer else { continue };
        let again = reseal(context.sealer(), &receipt_place(owner, key), &answer)?;
        let sql = "UPDATE receipts SET answer = $3 WHERE owner = $1 AND key = $2";
        count += context.connection.execute(sql, &[owner, key, &again]).await?;
    }
    Ok(count)
}
