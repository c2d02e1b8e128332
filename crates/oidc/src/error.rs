//! Why somebody could not be signed in by the provider: a sentence for the log, and whether the provider or its answer is at
//! fault. None of them holds a token or a code.

/// Why a sign-in by the provider came to nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OidcError {
    /// The provider could not be asked, or did not answer as it should.
    #[error("the provider cannot be asked: {0}")]
    Unreachable(String),
    /// What came back proves nothing.
    #[error("the provider's answer is not believed: {0}")]
    NotBelieved(&'static str),
    /// Too many sign-ins are under way.
    #[error("too many sign-ins wait for the provider")]
    Busy,
}
