//! The balance of each webhook: what was accepted for it, and what of that is found.
//!
//! Every delivery is read, in the order in which they lie in the file and not along an index: that takes a tenth of the time.

use std::collections::HashMap;

use rusqlite::Connection;

use model::id::WebhookId;
use store::StoreResult;
use store::upkeep::Balance;

use super::columns::unexpected;
use super::database::unavailable;
use super::statements::{read_all, read_one};

/// Draws them. The connection must be a snapshot, so that the counts are of one moment.
pub fn draw(connection: &Connection) -> StoreResult<Vec<Balance>> {
    let mut balances = read_all(
        connection,
        "SELECT w.id, coalesce(l.accepted, 0), coalesce(l.pruned, 0)
         FROM webhooks w LEFT JOIN ledger l ON l.webhook_id = w.id ORDER BY w.id",
        (),
        |row| {
            Ok(Balance {
                webhook_id: WebhookId::from_bytes(row.get(0)?),
                accepted: row.get::<_, i64>(1)?.unsigned_abs(),
                pruned: row.get::<_, i64>(2)?.unsigned_abs(),
                delivered: 0,
                open: 0,
                dead: 0,
                superseded: 0,
                expired: 0,
            })
        },
    )?;
    let places: HashMap<_, _> = (0..)
        .zip(&balances)
        .map(|(place, balance)| (*balance.webhook_id.as_bytes(), place))
        .collect();
    for_each_delivery(connection, |webhook, state, ended_as| {
        let balance = places
            .get(&webhook)
            .and_then(|place: &usize| balances.get_mut(*place));
        // One without a webhook is told by the deep check; nobody counts for it.
        let Some(balance) = balance else {
            return Ok(());
        };
        match (state, ended_as) {
            ("delivered", _) => balance.delivered += 1,
            ("scheduled" | "queued" | "claimed", _) => balance.open += 1,
            ("dead", None) => balance.dead += 1,
            ("dead", Some("superseded")) => balance.superseded += 1,
            ("dead", Some("expired")) => balance.expired += 1,
            _ => {}
        }
        Ok(())
    })?;
    Ok(balances)
}

/// Every delivery that is no test: its webhook, its state, and as what it ended unsent.
fn for_each_delivery(
    connection: &Connection,
    mut count: impl FnMut([u8; 16], &str, Option<&str>) -> StoreResult<()>,
) -> StoreResult<()> {
    let sql = "SELECT webhook_id, state, ended_as FROM deliveries NOT INDEXED WHERE is_test = 0";
    let mut statement = connection.prepare_cached(sql).map_err(unavailable)?;
    let mut rows = statement.query(()).map_err(unavailable)?;
    while let Some(row) = rows.next().map_err(unavailable)? {
        let read = || {
            let webhook = row
                .get_ref(0)?
                .as_blob()?
                .try_into()
                .map_err(|_| unexpected("webhook_id"))?;
            Ok((
                webhook,
                row.get_ref(1)?.as_str()?,
                row.get_ref(2)?.as_str_or_null()?,
            ))
        };
        let (webhook, state, ended_as) = read().map_err(unavailable)?;
        count(webhook, state, ended_as)?;
    }
    Ok(())
}

/// How many deliveries there should be.
pub fn kept(connection: &Connection) -> StoreResult<u64> {
    let sql = "SELECT coalesce(sum(accepted) - sum(pruned), 0) FROM ledger";
    let kept: Option<i64> = read_one(connection, sql, (), |row| row.get(0))?;
    Ok(kept.and_then(|kept| u64::try_from(kept).ok()).unwrap_or(0))
}
