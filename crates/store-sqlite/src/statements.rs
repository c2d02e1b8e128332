//! Running one prepared statement: the three shapes that all statements here have.

use rusqlite::{Connection, OptionalExtension, Params, Result, Row, Transaction};

use store::StoreResult;

use super::database::unavailable;

/// Runs a statement that changes rows; says how many.
pub fn execute(connection: &Connection, sql: &str, params: impl Params) -> StoreResult<usize> {
    connection
        .prepare_cached(sql)
        .and_then(|mut statement| statement.execute(params))
        .map_err(unavailable)
}

/// Reads the one row that a statement gives, if any.
pub fn read_one<T>(
    connection: &Connection,
    sql: &str,
    params: impl Params,
    read: impl FnOnce(&Row<'_>) -> Result<T>,
) -> StoreResult<Option<T>> {
    connection
        .prepare_cached(sql)
        .and_then(|mut statement| statement.query_row(params, read).optional())
        .map_err(unavailable)
}

/// Reads every row that a statement gives; its `LIMIT` bounds them.
pub fn read_all<T>(
    connection: &Connection,
    sql: &str,
    params: impl Params,
    read: impl FnMut(&Row<'_>) -> Result<T>,
) -> StoreResult<Vec<T>> {
    connection
        .prepare_cached(sql)
        .and_then(|mut statement| statement.query_map(params, read)?.collect())
        .map_err(unavailable)
}

/// So many places for values, as a list: `?, ?`.
pub fn marks(count: usize) -> String {
    vec!["?"; count].join(", ")
}

/// A `LIMIT`: a negative one is none.
pub fn row_limit(at_most: Option<u32>) -> i64 {
    at_most.map_or(-1, i64::from)
}

/// Several reads that must see the same state: the store as it is at the first of them.
pub fn snapshot(connection: &Connection) -> StoreResult<Transaction<'_>> {
    connection.unchecked_transaction().map_err(unavailable)
}
