//! Signing in with a passkey (Web Authentication Level 3): what a browser is asked, and what of its answers is believed.
//!
//! Everything here is pure: time and randomness come in, and nothing is kept. [`RelyingParty`] is the whole interface. Nothing here
//! knows users, sessions or pages.

mod authenticator_data;
mod challenge;
mod client_data;
mod error;
mod public_key;
mod relying_party;
#[cfg(test)]
mod tests;

pub use challenge::{CHALLENGE_LIFETIME, Purpose};
pub use error::{PasskeyError, UnfitAddress};
pub use relying_party::{Assertion, Attestation, CredentialOwner, Registered, RelyingParty, Verified};
