//! Budgets.

use std::time::Duration;

use async_trait::async_trait;
use rusqlite::Connection;

use model::time::Timestamp;
use store::StoreResult;
use store::budgets::{self, Budget, Budgets, FullAt, REMOVED_AT_ONCE, Taken};

use super::database::Database;
use super::statements::{execute, read_one};

#[async_trait]
impl Budgets for Database {
    async fn spend(&self, wanted: Vec<Budget>, now: Timestamp) -> StoreResult<Option<Duration>> {
        self.write(move |context| spend(context.connection, &wanted, now))
            .await
    }

    async fn give_back(&self, given: Vec<Budget>, now: Timestamp) -> StoreResult<()> {
        self.write(move |context| {
            let rows = read(context.connection, &given)?;
            keep(context.connection, &budgets::give_back(&rows, &given, now))
        })
        .await
    }

    async fn add(&self, taken: Vec<Taken>, since: Timestamp, now: Timestamp) -> StoreResult<Vec<Duration>> {
        self.write(move |context| {
            let touched: Vec<_> = taken.iter().map(|taken| taken.budget).collect();
            let rows = read(context.connection, &touched)?;
            let (rows, waits) = budgets::add(&rows, &taken, since, now);
            keep(context.connection, &rows)?;
            remove_full(context.connection, now)?;
            Ok(waits)
        })
        .await
    }
}

fn spend(connection: &Connection, wanted: &[Budget], now: Timestamp) -> StoreResult<Option<Duration>> {
    match budgets::spend(&read(connection, wanted)?, wanted, now) {
        Ok(rows) => {
            keep(connection, &rows)?;
            remove_full(connection, now)?;
            Ok(None)
        }
        Err(wait) => Ok(Some(wait)),
    }
}

fn read(connection: &Connection, budgets: &[Budget]) -> StoreResult<FullAt> {
    let mut rows = FullAt::new();
    for Budget { subject, .. } in budgets {
        let sql = "SELECT full_at_us FROM budgets WHERE subject = ?1";
        let full_at_us = read_one(connection, sql, [subject], |row| row.get(0))?;
        rows.extend(full_at_us.map(|full_at_us: i64| (*subject, full_at_us)));
    }
    Ok(rows)
}

fn keep(connection: &Connection, rows: &FullAt) -> StoreResult<()> {
    for (subject, full_at_us) in rows {
        let sql = "INSERT INTO budgets (subject, full_at_us) VALUES (?1, ?2)
                   ON CONFLICT (subject) DO UPDATE SET full_at_us = excluded.full_at_us";
        execute(connection, sql, (subject, full_at_us))?;
    }
    Ok(())
}

/// Removes some rows of budgets that have long been full.
fn remove_full(connection: &Connection, now: Timestamp) -> StoreResult<()> {
    let sql = "DELETE FROM budgets WHERE subject IN
                   (SELECT subject FROM budgets WHERE full_at_us < ?1 ORDER BY full_at_us LIMIT ?2)";
    let before_us = budgets::removable_before_us(now);
    execute(connection, sql, (before_us, REMOVED_AT_ONCE)).map(|_| ())
}
