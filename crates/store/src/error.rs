//! What can go wrong in the store, as far as callers tell cases apart.

/// Why a store method failed. Nothing was changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// There is no such thing.
    #[error("there is no such {what}")]
    NotFound {
        /// What was looked for: `incident`, `webhook`, …
        what: &'static str,
    },
    /// The request names something that does not exist.
    #[error("there is no such {what}")]
    UnknownReference {
        /// What the request names: `service`, `user`, `escalation policy`.
        what: &'static str,
    },
    /// The name (or address) is taken.
    #[error("there is already a {what} with this {field}")]
    Taken {
        /// What there is already.
        what: &'static str,
        /// Which of its fields must be unique.
        field: &'static str,
    },
    /// It cannot be deleted while something uses it.
    #[error("the {what} is still used by {used_by}")]
    InUse {
        /// What should have been deleted.
        what: &'static str,
        /// What uses it.
        used_by: &'static str,
    },
    /// The change does not fit the present state.
    #[error("{0}")]
    Conflict(String),
    /// The store cannot be written or read now: disk full, file locked, connection lost. Trying again may help.
    #[error("the store cannot be used now: {0}")]
    Unavailable(String),
    /// The files that the server has open are no longer those under their names: what is written to them is lost.
    #[error("the store's files are not its own any more: {0}")]
    FilesReplaced(String),
    /// Something in the store is not as the code believes: a bug or damage.
    #[error("the store holds something unexpected: {0}")]
    Corrupt(String),
}

impl StoreError {
    /// Whether the store itself says it in the log, once and then counted: callers that fail with it, and try again, say
    /// nothing more.
    pub fn is_said_by_the_store(&self) -> bool {
        match self {
            Self::Unavailable(_) | Self::FilesReplaced(_) => true,
            Self::NotFound { .. }
            | Self::UnknownReference { .. }
            | Self::Taken { .. }
            | Self::InUse { .. }
            | Self::Conflict(_)
            | Self::Corrupt(_) => false,
        }
    }
}

/// Logs what a failure of the store means for its caller: as an error, unless the store has said the cause itself.
#[macro_export]
macro_rules! log_store_failure {
    ($error:expr, $($rest:tt)+) => {
        if $error.is_said_by_the_store() {
            $crate::tracing::debug!(error = %$error, $($rest)+);
        } else {
            $crate::tracing::error!(error = %$error, $($rest)+);
        }
    };
}
