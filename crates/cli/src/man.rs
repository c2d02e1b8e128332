//! `opsknight man`: the manual pages, made from the same description of the commands as their help.

use std::fs;
use std::path::PathBuf;

use clap::{Args, CommandFactory};
use clap_mangen::Man;

use super::failure::Failure;
use super::output;

/// Where to.
#[derive(Args)]
pub struct Arguments {
    /// Write a page for each command into this folder, such as /usr/local/share/man/man1.
    #[arg(long, value_name = "DIR")]
    to: Option<PathBuf>,
}

/// Prints the page of the program itself (`opsknight man | man -l -`), or writes all of them.
pub fn run(arguments: &Arguments) -> Result<(), Failure> {
    // The pages themselves are the help.
    let command = super::Arguments::command().disable_help_subcommand(true);
    let Some(folder) = &arguments.to else {
        let mut page = Vec::new();
        Man::new(command).render(&mut page)?;
        return output::print(&String::from_utf8_lossy(&page));
    };
    fs::create_dir_all(folder)?;
    clap_mangen::generate_to(command, folder)?;
    Ok(())
}
