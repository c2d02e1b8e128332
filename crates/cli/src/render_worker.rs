//! `opsknight render-worker`: what the server starts to render users' templates. Of no use to people.

use crate::failure::Failure;
use renderer::process;

/// Runs until standard input ends.
pub fn run() -> Result<(), Failure> {
    process::run().map_err(|error| Failure::other(error.to_string()))
}
