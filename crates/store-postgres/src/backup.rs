//! Copies of the database: PostgreSQL has better tools for them than a program that uses it.

use store::StoreError;

/// What somebody hears who asks for a copy here.
pub fn refusal() -> StoreError {
    StoreError::Conflict(
        "a store on PostgreSQL is copied by PostgreSQL's own tools (use_pg_dump): run `pg_dump --format=custom` for a copy of \
         one moment, or keep base backups and the write-ahead log to go back to any; the master key is not in it"
            .into(),
    )
}
