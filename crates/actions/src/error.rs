//! Why an action was refused or failed, in words that every door can pass on.

use model::access::Scope;
use model::exchange::FailureCode;
use store::StoreError;

/// What is wrong with one field of a request.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, utoipa::ToSchema)]
pub struct FieldError {
    /// Which field, such as `retrySchedule[1]`.
    pub field: String,
    /// A stable code, such as `too_long`.
    #[schema(value_type = String)]
    pub code: &'static str,
    /// One sentence for people.
    pub detail: String,
}

/// Why an action did not happen. Nothing was changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ActionError {
    /// Fields of the request are wrong.
    #[error("{} of the request cannot be accepted", fields_in_words(.0))]
    Invalid(Vec<FieldError>),
    /// The request names something that does not exist.
    #[error("there is no such {what}")]
    Unknown {
        /// `service`, `user`, `escalation policy`.
        what: &'static str,
    },
    /// What the action is about does not exist.
    #[error("there is no such {what}")]
    NotFound {
        /// `incident`, `webhook`, …
        what: &'static str,
    },
    /// A field that must be unique is not.
    #[error("there is already a {what} with this {field}")]
    Taken {
        /// What there is already.
        what: &'static str,
        /// Its unique field.
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
    /// A ticket system was asked, and did not answer as it should.
    #[error("{detail}")]
    TicketSystem {
        /// Why.
        code: FailureCode,
        /// A sentence: what the system said, and what to do.
        detail: String,
    },
    /// It does not fit the present state.
    #[error("{0}")]
    Conflict(String),
    /// Nobody can grant, or take from others, what they lack.
    #[error("this takes the scope {}, which you do not have", .0.as_str())]
    ScopeNotHeld(Scope),
    /// The set-up token is wrong or used up.
    #[error("the set-up token is wrong, or the first key exists already")]
    SetupRefused,
    /// It cannot be done now; trying again may help.
    #[error("it cannot be done now: {0}")]
    Unavailable(String),
    /// The store's files were deleted or replaced under the server.
    #[error("it cannot be done: {0}")]
    StoreReplaced(String),
    /// A bug or damage.
    #[error("something unexpected happened: {0}")]
    Internal(String),
}

fn fields_in_words(errors: &[FieldError]) -> String {
    let names: Vec<_> = errors.iter().map(|error| error.field.as_str()).collect();
    names.join(", ")
}

impl From<StoreError> for ActionError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::NotFound { what } => Self::NotFound { what },
            StoreError::UnknownReference { what } => Self::Unknown { what },
            StoreError::Taken { what, field } => Self::Taken { what, field },
            StoreError::InUse { what, used_by } => Self::InUse { what, used_by },
            StoreError::Conflict(sentence) => Self::Conflict(sentence),
            StoreError::Unavailable(sentence) => Self::Unavailable(sentence),
            StoreError::FilesReplaced(_) => Self::StoreReplaced(error.to_string()),
            StoreError::Corrupt(sentence) => Self::Internal(sentence),
        }
    }
}
