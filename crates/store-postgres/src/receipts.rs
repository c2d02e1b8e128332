//! Idempotency keys of requests other than triggers and transitions. A reservation counts on every node while the node that
//! made it lives: another must not do the same work beside it.

use async_trait::async_trait;
use tokio_postgres::Row;

use model::time::Timestamp;
use store::StoreError;
use store::StoreResult;
use store::receipts::{Answer, KeptReceipt, ReceiptState, Receipts};
use store::sealed::receipt_place;

use super::columns::{bytes, optional_number, time, value};
use super::connection::Connection;
use super::database::Database;
use super::writer::WriteContext;

/// How often a row may vanish between two looks at it.
const MAX_TRIES: u32 = 5;

/// A request that wants to be the first with its key.
struct Request {
    owner: String,
    key: String,
    hash: [u8; 32],
    now: Timestamp,
}

#[async_trait]
impl Receipts for Database {
    async fn begin(
        &self,
        owner: String,
        key: String,
        request_hash: [u8; 32],
        now: Timestamp,
    ) -> StoreResult<ReceiptState> {
        let request = Request {
            owner,
            key,
            hash: request_hash,
            now,
        };
        self.write(request, |context, request| Box::pin(begin(context, request)))
            .await
    }

    async fn finish(&self, owner: String, key: String, answer: Answer) -> StoreResult<()> {
        self.write((owner, key, answer), |context, (owner, key, answer)| {
            Box::pin(finish(context, owner, key, answer))
        })
        .await
    }

    async fn use_up(&self, owner: String, key: String, now: Timestamp) -> StoreResult<bool> {
        let request = Request {
            owner,
            key,
            hash: [0; 32],
            now,
        };
        self.write(request, |context, request| Box::pin(insert(context, request)))
            .await
    }

    async fn forget(&self, owner: String, key: String) -> StoreResult<()> {
        self.write((owner, key), |context, (owner, key)| {
            Box::pin(forget(context, owner, key))
        })
        .await
    }
}

async fn begin(context: &mut WriteContext, request: &Request) -> StoreResult<ReceiptState> {
    for _ in 0..MAX_TRIES {
        if insert(context, request).await? {
            return Ok(ReceiptState::New);
        }
        let Some(kept) = find(&context.connection, context.node(), request).await? else {
            // Forgotten or pruned since.
            continue;
        };
        let place = receipt_place(&request.owner, &request.key);
        let state = kept.state(&request.hash, request.now, context.sealer(), &place)?;
        if state == ReceiptState::New {
            take_over(context, request).await?;
        }
        return Ok(state);
    }
    Err(StoreError::Unavailable(
        "an idempotency key is reserved and forgotten over and over".into(),
    ))
}

/// Reserves the key if there is no row of it.
async fn insert(context: &mut WriteContext, request: &Request) -> StoreResult<bool> {
    let sql = "INSERT INTO receipts (owner, key, request_hash, node, created_at) VALUES ($1, $2, $3, $4, $5)
               ON CONFLICT (owner, key) DO NOTHING";
    let inserted = context
        .connection
        .execute(
            sql,
            &[
                &request.owner,
                &request.key,
                &&request.hash[..],
                &context.node(),
                &request.now.as_millis(),
            ],
        )
        .await;
    inserted.map(|count| count == 1)
}

/// The row of the key, which nobody else changes until this transaction has ended.
async fn find(connection: &Connection, node: i64, request: &Request) -> StoreResult<Option<KeptReceipt>> {
    let sql = "SELECT request_hash, created_at, status, answer,
             node = $3 OR EXISTS (SELECT 1 FROM nodes n WHERE n.id = r.node
                 AND n.lease_until > (extract(epoch FROM statement_timestamp()) * 1000)::bigint) AS is_held
         FROM receipts r WHERE owner = $1 AND key = $2 FOR UPDATE OF r";
    connection
        .read_one(sql, &[&request.owner, &request.key, &node], kept_from_row)
        .await
}

/// Reserves the key over a row that no longer counts.
async fn take_over(context: &WriteContext, request: &Request) -> StoreResult<()> {
    let sql =
        "UPDATE receipts SET request_hash = $3, node = $4, created_at = $5, status = NULL, answer = NULL
         WHERE owner = $1 AND key = $2";
    let taken = context
        .connection
        .execute(
            sql,
            &[
                &request.owner,
                &request.key,
                &&request.hash[..],
                &context.node(),
                &request.now.as_millis(),
            ],
        )
        .await;
    taken.map(|_| ())
}

async fn finish(context: &mut WriteContext, owner: &str, key: &str, answer: &Answer) -> StoreResult<()> {
    let sealed = context
        .sealer()
        .seal(receipt_place(owner, key).as_bytes(), &answer.body);
    let sql = "UPDATE receipts SET status = $4, answer = $5
         WHERE owner = $1 AND key = $2 AND node = $3 AND status IS NULL";
    let finished = context
        .connection
        .execute(
            sql,
            &[&owner, &key, &context.node(), &i64::from(answer.status), &sealed],
        )
        .await;
    match finished? {
        0 => Err(StoreError::NotFound {
            what: "reserved idempotency key",
        }),
        _ => Ok(()),
    }
}

async fn forget(context: &mut WriteContext, owner: &str, key: &str) -> StoreResult<()> {
    let sql = "DELETE FROM receipts WHERE owner = $1 AND key = $2 AND node = $3 AND status IS NULL";
    let node = context.node();
    context
        .connection
        .execute(sql, &[&owner, &key, &node])
        .await
        .map(|_| ())
}

fn kept_from_row(row: &Row) -> StoreResult<KeptReceipt> {
    let answer: Option<Vec<u8>> = value(row, "answer")?;
    Ok(KeptReceipt {
        request_hash: bytes(row, "request_hash")?,
        is_held: value(row, "is_held")?,
        created_at: time(row, "created_at")?,
        answer: optional_number(row, "status")?.zip(answer),
    })
}
