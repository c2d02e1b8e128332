//! `opsknight ready`: whether the server takes requests, as an exit code. Images without a shell have nothing else to ask with.

use super::failure::Failure;
use super::session::Session;

/// Asks; fails if the answer is no, or none.
pub fn run(session: &Session) -> Result<(), Failure> {
    let answer = session.api.get("/readyz", &Vec::new())?;
    session.print(&answer, |_| "ready".to_owned())
}
