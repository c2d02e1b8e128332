//! Sealing everything anew under the present master key, in one transaction.

use rusqlite::Connection;

use model::audit::Change;
use model::id::{InboxId, SourceId, UserId, WebhookId};
use store::StoreResult;
use store::seal::Sealer;

use super::audit;
use super::statements::{execute, read_all, read_one};
use store::sealed::{inbox_place, receipt_place, reseal, second_factor_place, source_place, webhook_place};

/// Seals every secret anew; says how many.
pub fn rekey(connection: &Connection, sealer: &Sealer, change: &Change) -> StoreResult<u64> {
    let webhooks = read_all(connection, "SELECT id FROM webhooks", (), |row| {
        row.get(0).map(WebhookId::from_bytes)
    });
    let mut count = 0;
    for id in webhooks? {
        count += rekey_webhook(connection, sealer, id)?;
    }
    let inboxes = read_all(
        connection,
        "SELECT id, secret FROM inboxes WHERE secret IS NOT NULL",
        (),
        |row| Ok((InboxId::from_bytes(row.get(0)?), row.get(1)?)),
    );
    let inboxes: Vec<(InboxId, Vec<u8>)> = inboxes?;
    for (id, secret) in &inboxes {
        rekey_inbox(connection, sealer, *id, secret)?;
    }
    count += rekey_sources(connection, sealer)?;
    count += rekey_second_factors(connection, sealer)?;
    let receipts = read_all(
        connection,
        "SELECT owner, key FROM receipts WHERE answer IS NOT NULL",
        (),
        |row| Ok((row.get(0)?, row.get(1)?)),
    );
    let receipts: Vec<(String, String)> = receipts?;
    for (owner, key) in &receipts {
        rekey_receipt(connection, sealer, owner, key)?;
    }
    count += inboxes.len() as u64 + receipts.len() as u64;
    let detail = format!("sealed {count} secrets anew under the present master key");
    audit::write(connection, change, "system.rekey", "master-key", &detail)?;
    Ok(count)
}

/// Deleted webhooks too: whatever is sealed must open under the present key alone.
fn rekey_webhook(connection: &Connection, sealer: &Sealer, id: WebhookId) -> StoreResult<u64> {
    let sealed: [Option<Vec<u8>>; 5] = read_one(
        connection,
        "SELECT secret, previous_secret, headers, identity_pem, secret_options FROM webhooks WHERE id = ?1",
        [id.as_bytes()],
        |row| Ok([row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?]),
    )?
    .unwrap_or_default();
    let again = |field, sealed: &Option<Vec<u8>>| {
        let place = webhook_place(id, field);
        let anew = |sealed: &Vec<u8>| reseal(sealer, &place, sealed);
        sealed.as_ref().map(anew).transpose()
    };
    let [secret, previous_secret, headers, identity_pem, secret_options] = &sealed;
    execute(
        connection,
        "UPDATE webhooks SET secret = ?2, previous_secret = ?3, headers = ?4, identity_pem = ?5,
             secret_options = ?6
         WHERE id = ?1",
        (
            id.as_bytes(),
            again("secret", secret)?,
            again("previous_secret", previous_secret)?,
            again("headers", headers)?,
            again("identity_pem", identity_pem)?,
            again("secret_options", secret_options)?,
        ),
    )?;
    Ok(sealed.iter().flatten().count() as u64)
}

fn rekey_inbox(connection: &Connection, sealer: &Sealer, id: InboxId, secret: &[u8]) -> StoreResult<()> {
    let again = reseal(sealer, &inbox_place(id, "secret"), secret)?;
    execute(
        connection,
        "UPDATE inboxes SET secret = ?2 WHERE id = ?1",
        (id.as_bytes(), again),
    )
    .map(|_| ())
}

fn rekey_sources(connection: &Connection, sealer: &Sealer) -> StoreResult<u64> {
    let sources = read_all(connection, "SELECT id, key, secret FROM sources", (), |row| {
        Ok((SourceId::from_bytes(row.get(0)?), row.get(1)?, row.get(2)?))
    });
    let sources: Vec<(SourceId, Vec<u8>, Option<Vec<u8>>)> = sources?;
    let mut count = 0;
    for (id, key, secret) in &sources {
        let again = |field, sealed: &Vec<u8>| reseal(sealer, &source_place(*id, field), sealed);
        let secret = secret
            .as_ref()
            .map(|sealed| again("secret", sealed))
            .transpose()?;
        count += 1 + u64::from(secret.is_some());
        execute(
            connection,
            "UPDATE sources SET key = ?2, secret = ?3 WHERE id = ?1",
            (id.as_bytes(), again("key", key)?, secret),
        )?;
    }
    Ok(count)
}

fn rekey_second_factors(connection: &Connection, sealer: &Sealer) -> StoreResult<u64> {
    let factors = read_all(
        connection,
        "SELECT user_id, secret FROM second_factors",
        (),
        |row| Ok((UserId::from_bytes(row.get(0)?), row.get(1)?)),
    );
    let factors: Vec<(UserId, Vec<u8>)> = factors?;
    for (id, secret) in &factors {
        let again = reseal(sealer, &second_factor_place(*id), secret)?;
        execute(
            connection,
            "UPDATE second_factors SET secret = ?2 WHERE user_id = ?1",
            (id.as_bytes(), again),
        )?;
    }
    Ok(factors.len() as u64)
}

fn rekey_receipt(connection: &Connection, sealer: &Sealer, owner: &str, key: &str) -> StoreResult<()> {
    let answer: Option<Vec<u8>> = read_one(
        connection,
        "SELECT answer FROM receipts WHERE owner = ?1 AND key = ?2",
        (owner, key),
        |row| row.get(0),
    )?;
    let place = receipt_place(owner, key);
    let again = answer.map(|sealed| reseal(sealer, &place, &sealed)).transpose()?;
    execute(
        connection,
        "UPDATE receipts SET answer = ?3 WHERE owner = ?1 AND key = ?2 AND answer IS NOT NULL",
        (owner, key, again),
    )
    .map(|_| ())
}
