//! `opsknight completions`: a completion script for a shell.

use clap::{Args, CommandFactory};
use clap_complete::Shell;

use super::failure::Failure;
use super::output;

/// Which shell.
#[derive(Args)]
pub struct Arguments {
    /// The shell, such as bash: `opsknight completions bash > /etc/bash_completion.d/opsknight`.
    shell: Shell,
}

/// Prints the script.
pub fn run(arguments: &Arguments) -> Result<(), Failure> {
    let mut script = Vec::new();
    let mut command = super::Arguments::command();
    clap_complete::generate(arguments.shell, &mut command, "opsknight", &mut script);
    output::print(&String::from_utf8_lossy(&script))
}
