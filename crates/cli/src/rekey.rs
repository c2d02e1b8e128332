//! `opsknight rekey`: seals every secret anew under the current master key.

use clap::Args;

use super::failure::Failure;
use super::output;
use super::session::Session;

/// None: the keys are the server's.
#[derive(Args)]
pub struct Arguments {}

/// Asks the server to seal its secrets anew.
pub fn run(session: &Session) -> Result<(), Failure> {
    let answer = session.api.post("/api/v1/system/rekey", None)?;
    session.print(&answer, |done| {
        let count = output::text(done, "/count");
        format!("sealed {count} secrets under the current master key; OPSKNIGHT_PREVIOUS_MASTER_KEY is no longer needed")
    })
}
