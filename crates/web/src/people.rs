//! People: who they are, and how they come in.

pub mod account;
pub mod code;
pub mod forgot;
pub mod passkey_sign_in;
pub mod passkeys;
pub mod second_factor;
pub mod set_up;
pub mod sign_in;
pub mod single_sign_on;
pub mod users;
pub mod welcome;
