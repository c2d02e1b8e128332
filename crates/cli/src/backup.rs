//! `opsknight backup`: copies the store while it is in use.

use clap::Args;
use serde_json::json;

use super::failure::Failure;
use super::output;
use super::session::Session;

/// The copy.
#[derive(Args)]
pub struct Arguments {
    /// The name of the copy, such as 2024-01-15.db: it appears in the folder `backups` of the server's data directory.
    name: String,
}

/// Asks the server for a copy.
pub fn run(session: &Session, arguments: &Arguments) -> Result<(), Failure> {
    let body = json!({ "name": arguments.name });
    let answer = session.api.post("/api/v1/system/backup", Some(&body))?;
    session.print(&answer, |backup| {
        let path = output::text(backup, "/path");
        let place = if path.is_empty() {
            format!("backups/{}", arguments.name)
        } else {
            path
        };
        format!(
            "copied to {place}; keep the master key too, elsewhere: without it the secrets cannot be read"
        )
    })
}
