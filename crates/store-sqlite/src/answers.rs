//! The first answers to triggers and transitions, kept in the transaction of the change itself: a repeated request
//! gets the first answer, and never makes a second change.

use rusqlite::Row;

use model::time::Timestamp;
use store::StoreError;
use store::StoreResult;
use store::incidents::Committed;
use store::receipts::{Answer, RECEIPT_LIFETIME, Receipt};
use store::seal::{SealError, Sealer};

use super::statements::{execute, read_one};
use super::writer::WriteContext;

struct Kept {
    request_hash: [u8; 32],
    created_at: Timestamp,
    answer: Option<(u16, Vec<u8>)>,
}

/// Runs a change unless its receipt says that it was made before; keeps the answer to it.
pub fn answer_once(
    context: &mut WriteContext<'_>,
    receipt: Option<&Receipt>,
    now: Timestamp,
    change: impl FnOnce(&mut WriteContext<'_>) -> StoreResult<Committed>,
) -> StoreResult<Committed> {
    let Some(receipt) = receipt else {
        return change(context);
    };
    if let Some(earlier) = earlier_answer(context, receipt, now)? {
        return Ok(earlier);
    }
    let committed = change(context)?;
    keep_answer(context, receipt, &(receipt.render)(&committed), now)?;
    Ok(committed)
}

/// What was answered before. A reservation without an answer counts as nothing: these rows are only written whole.
fn earlier_answer(
    context: &WriteContext<'_>,
    receipt: &Receipt,
    now: Timestamp,
) -> StoreResult<Option<Committed>> {
    let kept = read_one(
        context.connection,
        "SELECT request_hash, created_at, status, answer FROM receipts WHERE owner = ?1 AND key = ?2",
        (&receipt.owner, &receipt.key),
        read_kept,
    )?;
    let Some(kept) = kept.filter(|kept| now.since(kept.created_at) <= RECEIPT_LIFETIME) else {
        return Ok(None);
    };
    if kept.request_hash != receipt.request_hash {
        return Ok(Some(Committed::KeyMisused));
    }
    let Some((status, sealed)) = kept.answer else {
        return Ok(None);
    };
    let body = open(context.sealer, receipt, &sealed)?;
    Ok(Some(Committed::Repeated(Answer { status, body })))
}

fn read_kept(row: &Row<'_>) -> rusqlite::Result<Kept> {
    let status: Option<u16> = row.get(2)?;
    let answer: Option<Vec<u8>> = row.get(3)?;
    Ok(Kept {
        request_hash: row.get(0)?,
        created_at: Timestamp::from_millis(row.get(1)?),
        answer: status.zip(answer),
    })
}

/// Keeps an answer, over a reservation or an outdated answer if there is one.
fn keep_answer(
    context: &WriteContext<'_>,
    receipt: &Receipt,
    answer: &Answer,
    now: Timestamp,
) -> StoreResult<()> {
    let sealed = context.sealer.seal(&place(receipt), &answer.body);
    execute(
        context.connection,
        "INSERT INTO receipts (owner, key, request_hash, node, created_at, status, answer)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
         ON CONFLICT (owner, key) DO UPDATE SET request_hash = excluded.request_hash, node = excluded.node,
             created_at = excluded.created_at, status = excluded.status, answer = excluded.answer",
        (
            &receipt.owner,
            &receipt.key,
            &receipt.request_hash,
            context.node,
            now.as_millis(),
            answer.status,
            sealed,
        ),
    )?;
    Ok(())
}

fn open(sealer: &Sealer, receipt: &Receipt, sealed: &[u8]) -> StoreResult<Vec<u8>> {
    let opened = sealer.open(&place(receipt), sealed);
    opened.map(|body| body.to_vec()).map_err(|error| match error {
        SealError::UnknownKey(_) => StoreError::Unavailable(error.to_string()),
        SealError::Damaged => StoreError::Corrupt(error.to_string()),
    })
}

/// What the sealed answer is bound to: its row.
fn place(receipt: &Receipt) -> Vec<u8> {
    format!("receipts:{}:{}", receipt.owner, receipt.key).into_bytes()
}
