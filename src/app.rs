//! The server put together: opens the store, starts the dispatcher and the doors, stops them in order.

use crate::config::Config;

/// Runs a server until it is told to stop.
#[expect(clippy::needless_pass_by_value, reason = "the server keeps it")]
pub fn serve(config: Config) -> anyhow::Result<()> {
    anyhow::bail!(
        "this build has no server yet (it would listen on {})",
        config.listen
    )
}
