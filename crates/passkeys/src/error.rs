//! Why a passkey is not believed, and why a server can have none. No sentence holds anything that was sent.

/// Why an answer of a browser proves nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PasskeyError {
    /// It answers no question of ours, or one that was asked too long ago, in another browser, or for something else.
    #[error("its challenge is not one of this browser's, or too old")]
    Stale,
    /// It is not what it should be.
    #[error("{0}")]
    NotBelieved(&'static str),
}

/// Why there are no passkeys at a server's address. Each is a sentence for those who run it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum UnfitAddress {
    #[error(
        "the setting public_url is not set: passkeys belong to the address under which people reach this server"
    )]
    Missing,
    #[error("the setting public_url is plain http: browsers have passkeys over https only, or on localhost")]
    Plain,
    #[error("the setting public_url has an IP address: browsers have passkeys for host names only")]
    NoName,
}
