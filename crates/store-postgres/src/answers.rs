//! The first answers to triggers and transitions, kept in the transaction of the change itself: a repeated request
//! gets the first answer, and never makes a second change.
//!
//! The key's row is there, and locked, before the change is made: the same request on two nodes at once waits for the first
//! answer.

use std::collections::{HashMap, HashSet};

use tokio_postgres::Row;

use model::time::Timestamp;
use store::StoreResult;
use store::incidents::Committed;
use store::receipts::{KeptReceipt, Receipt};
use store::sealed::receipt_place;

use super::columns::{bytes, optional_number, time, value};
use super::connection::Connection;
use super::writer::WriteContext;

/// A key: whose, and which.
type Key = (String, String);

/// The receipts of requests that are answered together; no two have the same key.
pub struct Receipts<'a> {
    all: Vec<(&'a Receipt, Timestamp)>,
    /// Keys of which there was no row.
    new: HashSet<Key>,
    earlier: HashMap<Key, KeptReceipt>,
}

impl<'a> Receipts<'a> {
    /// Reserves the keys that are new, and reads and locks the rows of the others.
    pub async fn reserve(
        context: &WriteContext,
        mut all: Vec<(&'a Receipt, Timestamp)>,
    ) -> StoreResult<Self> {
        all.sort_by_key(|(receipt, _)| (receipt.owner.as_str(), receipt.key.as_str()));
        let mut receipts = Self {
            all,
            new: HashSet::new(),
            earlier: HashMap::new(),
        };
        if !receipts.all.is_empty() {
            receipts.new = receipts.insert(context).await?;
            receipts.earlier = receipts.lock(&context.connection).await?;
        }
        Ok(receipts)
    }

    async fn insert(&self, context: &WriteContext) -> StoreResult<HashSet<Key>> {
        let sql = "INSERT INTO receipts (owner, key, request_hash, node, created_at)
                   SELECT new.owner, new.key, new.request_hash, $4, new.created_at
                   FROM unnest($1::text[], $2::text[], $3::bytea[], $5::bigint[])
                       AS new (owner, key, request_hash, created_at)
                   ON CONFLICT (owner, key) DO NOTHING RETURNING owner, key";
        let (owners, keys) = self.keys();
        let hashes: Vec<&[u8]> = self.all.iter().map(|(of, _)| &of.request_hash[..]).collect();
        let times: Vec<i64> = self.all.iter().map(|(_, now)| now.as_millis()).collect();
        let inserted = context
            .connection
            .read_all(
                sql,
                &[&owners, &keys, &hashes, &context.node(), &times],
                key_from_row,
            )
            .await?;
        Ok(inserted.into_iter().collect())
    }

    async fn lock(&self, connection: &Connection) -> StoreResult<HashMap<Key, KeptReceipt>> {
        let sql = "SELECT r.owner, r.key, r.request_hash, r.created_at, r.status, r.answer
                   FROM receipts r JOIN unnest($1::text[], $2::text[]) AS asked (owner, key)
                       ON asked.owner = r.owner AND asked.key = r.key
                   ORDER BY r.owner, r.key FOR UPDATE OF r";
        let (owners, keys) = self.keys();
        let kept = connection
            .read_all(sql, &[&owners, &keys], |row| {
                Ok((key_from_row(row)?, kept_from_row(row)?))
            })
            .await?;
        Ok(kept.into_iter().collect())
    }

    fn keys(&self) -> (Vec<&str>, Vec<&str>) {
        let keys = self
            .all
            .iter()
            .map(|(of, _)| (of.owner.as_str(), of.key.as_str()));
        keys.unzip()
    }

    /// What was answered before.
    pub fn earlier(
        &mut self,
        context: &WriteContext,
        receipt: &Receipt,
        now: Timestamp,
    ) -> StoreResult<Option<Committed>> {
        let key = key_of(receipt);
        match self.earlier.remove(&key).filter(|_| !self.new.contains(&key)) {
            Some(kept) => kept.earlier_answer(receipt, now, context.sealer()),
            None => Ok(None),
        }
    }

    /// Keeps the answers to what was done now, over reservations or outdated answers if there are any. The keys of what
    /// failed are as they were.
    pub async fn keep(
        self,
        context: &WriteContext,
        done: &[(&Receipt, &Committed, Timestamp)],
    ) -> StoreResult<()> {
        let done_keys: HashSet<Key> = done.iter().map(|(receipt, ..)| key_of(receipt)).collect();
        let failed: Vec<&Key> = self.new.difference(&done_keys).collect();
        if !failed.is_empty() {
            let (owners, keys): (Vec<&str>, Vec<&str>) = failed
                .iter()
                .map(|(owner, key)| (owner.as_str(), key.as_str()))
                .unzip();
            let sql = "DELETE FROM receipts r USING unnest($1::text[], $2::text[]) AS failed (owner, key)
                       WHERE r.owner = failed.owner AND r.key = failed.key";
            context.connection.execute(sql, &[&owners, &keys]).await?;
        }
        if done.is_empty() {
            return Ok(());
        }
        let answers = done.iter().map(|(receipt, committed, _)| {
            let answer = (receipt.render)(committed);
            let place = receipt_place(&receipt.owner, &receipt.key);
            let sealed = context.sealer().seal(place.as_bytes(), &answer.body);
            (i64::from(answer.status), sealed)
        });
        let (statuses, sealed): (Vec<i64>, Vec<Vec<u8>>) = answers.unzip();
        let owners: Vec<&str> = done.iter().map(|(of, ..)| of.owner.as_str()).collect();
        let keys: Vec<&str> = done.iter().map(|(of, ..)| of.key.as_str()).collect();
        let hashes: Vec<&[u8]> = done.iter().map(|(of, ..)| &of.request_hash[..]).collect();
        let times: Vec<i64> = done.iter().map(|(_, _, now)| now.as_millis()).collect();
        let sql =
            "UPDATE receipts r SET request_hash = new.request_hash, node = $1, created_at = new.created_at,
                       status = new.status, answer = new.answer
                   FROM unnest($2::text[], $3::text[], $4::bytea[], $5::bigint[], $6::bigint[], $7::bytea[])
                       AS new (owner, key, request_hash, created_at, status, answer)
                   WHERE r.owner = new.owner AND r.key = new.key";
        let values = &[
            &context.node() as _,
            &owners as _,
            &keys as _,
            &hashes as _,
            &times as _,
            &statuses as _,
            &sealed as _,
        ];
        context.connection.execute(sql, values).await.map(|_| ())
    }
}

fn key_of(receipt: &Receipt) -> Key {
    (receipt.owner.clone(), receipt.key.clone())
}

fn key_from_row(row: &Row) -> StoreResult<Key> {
    Ok((value(row, "owner")?, value(row, "key")?))
}

fn kept_from_row(row: &Row) -> StoreResult<KeptReceipt> {
    let status = optional_number(row, "status")?;
    let answer: Option<Vec<u8>> = value(row, "answer")?;
    Ok(KeptReceipt {
        request_hash: bytes(row, "request_hash")?,
        is_held: true,
        created_at: time(row, "created_at")?,
        answer: status.zip(answer),
    })
}
