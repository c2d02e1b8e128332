//! Idempotency keys of requests other than triggers and transitions.

use async_trait::async_trait;
use rusqlite::Row;

use model::time::Timestamp;
use store::StoreError;
use store::StoreResult;
use store::receipts::{Answer, KeptReceipt, ReceiptState, Receipts};

use super::columns::time;
use super::database::Database;
use super::statements::{execute, read_one};
use super::writer::WriteContext;
use store::sealed::receipt_place;

#[async_trait]
impl Receipts for Database {
    async fn begin(
        &self,
        owner: String,
        key: String,
        request_hash: [u8; 32],
        now: Timestamp,
    ) -> StoreResult<ReceiptState> {
        self.write(move |context| begin(context, &owner, &key, &request_hash, now))
            .await
    }

    async fn finish(&self, owner: String, key: String, answer: Answer) -> StoreResult<()> {
        self.write(move |context| finish(context, &owner, &key, &answer))
            .await
    }

    async fn use_up(&self, owner: String, key: String, now: Timestamp) -> StoreResult<bool> {
        self.write(move |context| use_up(context, &owner, &key, now))
            .await
    }

    async fn forget(&self, owner: String, key: String) -> StoreResult<()> {
        self.write(move |context| forget(context, &owner, &key)).await
    }
}

fn begin(
    context: &WriteContext<'_>,
    owner: &str,
    key: &str,
    request_hash: &[u8; 32],
    now: Timestamp,
) -> StoreResult<ReceiptState> {
    let place = receipt_place(owner, key);
    let state = match find(context, owner, key)? {
        Some(kept) => kept.state(request_hash, now, context.sealer, &place)?,
        None => ReceiptState::New,
    };
    if state == ReceiptState::New {
        reserve(context, owner, key, request_hash, now)?;
    }
    Ok(state)
}

/// There is one node: what another one reserved, an earlier run of it did.
fn find(context: &WriteContext<'_>, owner: &str, key: &str) -> StoreResult<Option<KeptReceipt>> {
    read_one(
        context.connection,
        "SELECT request_hash, node = ?3 AS is_held, created_at, status, answer FROM receipts
         WHERE owner = ?1 AND key = ?2",
        (owner, key, context.node),
        kept_from_row,
    )
}

fn reserve(
    context: &WriteContext<'_>,
    owner: &str,
    key: &str,
    request_hash: &[u8; 32],
    now: Timestamp,
) -> StoreResult<()> {
    execute(
        context.connection,
        "INSERT OR REPLACE INTO receipts (owner, key, request_hash, node, created_at) VALUES (?1, ?2, ?3, ?4, ?5)",
        (owner, key, request_hash, context.node, now.as_millis()),
    )
    .map(|_| ())
}

fn finish(context: &WriteContext<'_>, owner: &str, key: &str, answer: &Answer) -> StoreResult<()> {
    let place = receipt_place(owner, key);
    let sealed = context.sealer.seal(place.as_bytes(), &answer.body);
    let finished = execute(
        context.connection,
        "UPDATE receipts SET status = ?4, answer = ?5
         WHERE owner = ?1 AND key = ?2 AND node = ?3 AND status IS NULL",
        (owner, key, context.node, answer.status, sealed),
    )?;
    match finished {
        0 => Err(StoreError::NotFound {
            what: "reserved idempotency key",
        }),
        _ => Ok(()),
    }
}

fn use_up(context: &WriteContext<'_>, owner: &str, key: &str, now: Timestamp) -> StoreResult<bool> {
    let sql = "INSERT INTO receipts (owner, key, request_hash, node, created_at) VALUES (?1, ?2, ?3, ?4, ?5)
               ON CONFLICT DO NOTHING";
    let row = (owner, key, [0_u8; 32], context.node, now.as_millis());
    execute(context.connection, sql, row).map(|count| count == 1)
}

fn forget(context: &WriteContext<'_>, owner: &str, key: &str) -> StoreResult<()> {
    execute(
        context.connection,
        "DELETE FROM receipts WHERE owner = ?1 AND key = ?2 AND node = ?3 AND status IS NULL",
        (owner, key, context.node),
    )
    .map(|_| ())
}

fn kept_from_row(row: &Row<'_>) -> rusqlite::Result<KeptReceipt> {
    let status: Option<u16> = row.get("status")?;
    let answer: Option<Vec<u8>> = row.get("answer")?;
    Ok(KeptReceipt {
        request_hash: row.get("request_hash")?,
        is_held: row.get("is_held")?,
        created_at: time(row, "created_at")?,
        answer: status.zip(answer),
    })
}
