//! The first answers to triggers and transitions, kept in the transaction of the change itself: a repeated request
//! gets the first answer, and never makes a second change.

use rusqlite::Row;

use model::time::Timestamp;
use store::StoreResult;
use store::incidents::Committed;
use store::receipts::{Answer, KeptReceipt, Receipt};
use store::sealed::receipt_place;

use super::statements::{execute, read_one};
use super::writer::WriteContext;

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

/// What was answered before.
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
    match kept {
        Some(kept) => kept.earlier_answer(receipt, now, context.sealer),
        None => Ok(None),
    }
}

fn read_kept(row: &Row<'_>) -> rusqlite::Result<KeptReceipt> {
    let status: Option<u16> = row.get(2)?;
    let answer: Option<Vec<u8>> = row.get(3)?;
    Ok(KeptReceipt {
        is_held: true,
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
    let sealed = context.sealer.seal(
        receipt_place(&receipt.owner, &receipt.key).as_bytes(),
        &answer.body,
    );
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
