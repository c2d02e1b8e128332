//! Budgets. Rows are locked in the order of their subjects, so that two nodes never wait for each other's.

use std::time::Duration;

use async_trait::async_trait;
use tokio_postgres::Row;

use model::time::Timestamp;
use store::StoreResult;
use store::budgets::{self, Budget, Budgets, FullAt, REMOVED_AT_ONCE, Taken};

use super::columns::{bytes, value};
use super::connection::Connection;
use super::database::Database;
use super::writer::WriteContext;

#[async_trait]
impl Budgets for Database {
    async fn spend(&self, wanted: Vec<Budget>, now: Timestamp) -> StoreResult<Option<Duration>> {
        // Whoever tries on and on is refused without a lock or a commit.
        let rows = read(&self.connection().await?, &wanted).await?;
        if let Err(wait) = budgets::spend(&rows, &wanted, now) {
            return Ok(Some(wait));
        }
        self.write((wanted, now), |context, (wanted, now)| {
            Box::pin(spend(context, wanted, *now))
        })
        .await
    }

    async fn give_back(&self, given: Vec<Budget>, now: Timestamp) -> StoreResult<()> {
        self.write((given, now), |context, (given, now)| {
            Box::pin(give_back(context, given, *now))
        })
        .await
    }

    async fn add(&self, taken: Vec<Taken>, since: Timestamp, now: Timestamp) -> StoreResult<Vec<Duration>> {
        self.write((taken, since, now), |context, (taken, since, now)| {
            Box::pin(add(context, taken, *since, *now))
        })
        .await
    }
}

async fn spend(
    context: &mut WriteContext,
    wanted: &[Budget],
    now: Timestamp,
) -> StoreResult<Option<Duration>> {
    context.shows_nothing();
    let connection = &context.connection;
    match budgets::spend(&lock(connection, wanted).await?, wanted, now) {
        Ok(rows) => {
            keep(connection, &rows).await?;
            remove_full(connection, now).await?;
            Ok(None)
        }
        Err(wait) => Ok(Some(wait)),
    }
}

async fn give_back(context: &mut WriteContext, given: &[Budget], now: Timestamp) -> StoreResult<()> {
    context.shows_nothing();
    let rows = lock(&context.connection, given).await?;
    keep(&context.connection, &budgets::give_back(&rows, given, now)).await
}

async fn add(
    context: &mut WriteContext,
    taken: &[Taken],
    since: Timestamp,
    now: Timestamp,
) -> StoreResult<Vec<Duration>> {
    context.shows_nothing();
    let connection = &context.connection;
    let touched: Vec<_> = taken.iter().map(|taken| taken.budget).collect();
    let (rows, waits) = budgets::add(&lock(connection, &touched).await?, taken, since, now);
    keep(connection, &rows).await?;
    remove_full(connection, now).await?;
    Ok(waits)
}

async fn read(connection: &Connection, budgets: &[Budget]) -> StoreResult<FullAt> {
    let sql = "SELECT subject, full_at_us FROM budgets WHERE subject = ANY($1::bytea[])";
    let rows = connection
        .read_all(sql, &[&subjects(budgets)], full_at_from_row)
        .await?;
    Ok(rows.into_iter().collect())
}

/// Reads rows that nobody else changes until this transaction has ended; makes those that are not there.
async fn lock(connection: &Connection, budgets: &[Budget]) -> StoreResult<FullAt> {
    let sql = "INSERT INTO budgets AS b (subject, full_at_us)
                   SELECT subject, 0 FROM unnest($1::bytea[]) AS new (subject) ORDER BY subject
               ON CONFLICT (subject) DO UPDATE SET full_at_us = b.full_at_us
               RETURNING subject, full_at_us";
    let rows = connection
        .read_all(sql, &[&subjects(budgets)], full_at_from_row)
        .await?;
    Ok(rows.into_iter().collect())
}

async fn keep(connection: &Connection, rows: &FullAt) -> StoreResult<()> {
    let (subjects, full_at): (Vec<&[u8]>, Vec<i64>) = rows
        .iter()
        .map(|(subject, full_at_us)| (&subject[..], *full_at_us))
        .unzip();
    let sql = "UPDATE budgets b SET full_at_us = new.full_at_us
               FROM unnest($1::bytea[], $2::bigint[]) AS new (subject, full_at_us) WHERE b.subject = new.subject";
    connection
        .execute_all(rows.len(), sql, &[&subjects, &full_at])
        .await
}

/// Removes some rows of budgets that have long been full.
async fn remove_full(connection: &Connection, now: Timestamp) -> StoreResult<()> {
    let sql = "DELETE FROM budgets WHERE subject IN
                   (SELECT subject FROM budgets WHERE full_at_us < $1 ORDER BY full_at_us LIMIT $2
                    FOR UPDATE SKIP LOCKED)";
    let before_us = budgets::removable_before_us(now);
    connection
        .execute(sql, &[&before_us, &i64::from(REMOVED_AT_ONCE)])
        .await
        .map(|_| ())
}

fn subjects(budgets: &[Budget]) -> Vec<&[u8]> {
    budgets.iter().map(|budget| &budget.subject[..]).collect()
}

fn full_at_from_row(row: &Row) -> StoreResult<([u8; 32], i64)> {
    Ok((bytes(row, "subject")?, value(row, "full_at_us")?))
}
