//! Statements that the schema may refuse because of what a caller asked for: a name that is taken, a reference that
//! leads nowhere.

use rusqlite::{Connection, Params, ffi};

use store::StoreError;
use store::StoreResult;

use super::database::unavailable;

/// What a refused statement means.
pub struct ConstraintRefusal {
    /// A unique field exists already.
    pub taken: StoreError,
    /// A reference leads nowhere.
    pub unknown: StoreError,
}

/// Runs a statement that changes rows.
pub fn execute_or_refuse(
    connection: &Connection,
    sql: &str,
    params: impl Params,
    refusal: ConstraintRefusal,
) -> StoreResult<()> {
    let executed = connection
        .prepare_cached(sql)
        .and_then(|mut statement| statement.execute(params));
    let Err(error) = executed else {
        return Ok(());
    };
    match error.sqlite_error().map(|cause| cause.extended_code) {
        Some(ffi::SQLITE_CONSTRAINT_UNIQUE) => Err(refusal.taken),
        Some(ffi::SQLITE_CONSTRAINT_FOREIGNKEY) => Err(refusal.unknown),
        Some(_) | None => Err(unavailable(error)),
    }
}
