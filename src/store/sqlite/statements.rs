//! Running one prepared statement, and what its refusals mean.

use rusqlite::{Connection, OptionalExtension, Params, Result, Row, ffi};

use crate::store::{Page, StoreError};

use super::database::unavailable;

/// Above every id: where the first page of a list begins.
const ABOVE_EVERY_ID: [u8; 16] = [0xff; 16];

/// Runs a statement that changes rows; says how many.
pub fn execute(connection: &Connection, statement: &str, parameters: impl Params) -> Result<usize> {
    connection.prepare_cached(statement)?.execute(parameters)
}

/// The one row of a query, if there is one.
pub fn query_one<T>(
    connection: &Connection,
    statement: &str,
    parameters: impl Params,
    read: impl FnOnce(&Row<'_>) -> Result<T>,
) -> Result<Option<T>> {
    connection
        .prepare_cached(statement)?
        .query_row(parameters, read)
        .optional()
}

/// All rows of a query. The statement itself must have a limit.
pub fn query_all<T>(
    connection: &Connection,
    statement: &str,
    parameters: impl Params,
    read: impl FnMut(&Row<'_>) -> Result<T>,
) -> Result<Vec<T>> {
    connection
        .prepare_cached(statement)?
        .query_map(parameters, read)?
        .collect()
}

/// The bounds of a page: only ids below the first, at most so many rows as the second says.
pub fn page_bounds(page: Page) -> ([u8; 16], u32) {
    (
        page.before.unwrap_or(ABOVE_EVERY_ID),
        page.limit.min(Page::MAX_LIMIT),
    )
}

/// What a refused statement means: `taken` if a unique field exists already, `unknown` if a reference leads nowhere.
pub fn refusal(error: rusqlite::Error, taken: StoreError, unknown: StoreError) -> StoreError {
    match error.sqlite_error().map(|cause| cause.extended_code) {
        Some(ffi::SQLITE_CONSTRAINT_UNIQUE) => taken,
        Some(ffi::SQLITE_CONSTRAINT_FOREIGNKEY) => unknown,
        Some(_) | None => unavailable(error),
    }
}
