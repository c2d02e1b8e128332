//! What PostgreSQL says, as what callers tell apart.

use deadpool_postgres::PoolError;
use tokio_postgres::Error;
use tokio_postgres::error::SqlState;

use store::StoreError;

/// How a statement failed, as far as the transaction around it is concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failure {
    /// The same transaction may succeed if it is run again.
    Transient,
    /// A unique index refused a value.
    Taken,
    /// A reference leads nowhere, or is still used.
    Reference,
    /// A lock was not free within the time that the transaction gives it.
    Locked,
    /// Anything else.
    Lasting,
}

impl Failure {
    /// How this failed.
    pub fn new(error: &Error) -> Self {
        match error.code() {
            Some(code)
                if *code == SqlState::T_R_SERIALIZATION_FAILURE
                    || *code == SqlState::T_R_DEADLOCK_DETECTED =>
            {
                Self::Transient
            }
            Some(_) if is_stale(error) => Self::Transient,
            Some(code) if *code == SqlState::UNIQUE_VIOLATION => Self::Taken,
            Some(code) if *code == SqlState::FOREIGN_KEY_VIOLATION => Self::Reference,
            Some(code) if *code == SqlState::LOCK_NOT_AVAILABLE => Self::Locked,
            Some(_) | None => Self::Lasting,
        }
    }
}

/// Whether a statement only has to be prepared anew: another node has changed a table since, or a pooler has forgotten it.
pub fn is_stale(error: &Error) -> bool {
    let Some(cause) = error.as_db_error() else {
        return false;
    };
    // PostgreSQL gives this code to other things too, and tells them apart by the place in its source alone.
    let is_replanned = *cause.code() == SqlState::FEATURE_NOT_SUPPORTED
        && (cause.routine() == Some("RevalidateCachedQuery") || cause.message().starts_with("cached plan"));
    is_replanned || *cause.code() == SqlState::INVALID_SQL_STATEMENT_NAME
}

/// Classes of SQLSTATE that say that statement, values and schema do not fit together: a bug or damage.
const UNEXPECTED: [&str; 5] = ["21", "22", "23", "42", "XX"];

/// Turns what PostgreSQL says into what callers tell apart.
#[expect(clippy::needless_pass_by_value, reason = "the shape that map_err wants")]
pub fn unavailable(error: Error) -> StoreError {
    let Some(cause) = error.as_db_error() else {
        // Values that do not fit their columns are noticed on this side; everything else is the connection.
        let is_of_a_value = error.to_string().starts_with("error ") && !error.is_closed();
        return match is_of_a_value && is_conversion(&error) {
            true => StoreError::Corrupt(in_full(&error)),
            false => StoreError::Unavailable(in_full(&error)),
        };
    };
    let code = cause.code().code();
    let sentence = format!("{} (SQLSTATE {code})", cause.message());
    match UNEXPECTED.iter().any(|class| code.starts_with(class)) {
        true => StoreError::Corrupt(sentence),
        false => StoreError::Unavailable(sentence),
    }
}

fn is_conversion(error: &Error) -> bool {
    let text = error.to_string();
    [
        "error serializing parameter",
        "error deserializing column",
        "invalid column",
    ]
    .iter()
    .any(|head| text.starts_with(head))
}

/// The error with its cause: by itself it says only `error connecting to server`.
pub fn in_full(error: &Error) -> String {
    match std::error::Error::source(error) {
        Some(cause) => format!("{error}: {cause}"),
        None => error.to_string(),
    }
}

/// The pool's own words leave out why a connection could not be made.
pub fn pool_sentence(error: &PoolError) -> String {
    match error {
        PoolError::Backend(cause) => in_full(cause),
        PoolError::Timeout(_) => "no connection to PostgreSQL became free, or could be made, in time".into(),
        PoolError::Closed | PoolError::NoRuntimeSpecified | PoolError::PostCreateHook(_) => error.to_string(),
    }
}
