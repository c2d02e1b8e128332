//! `opsknight init`: writes a commented configuration for a use, with whatever else this use takes. The files are those of `deploy/`, but
//! for what differs: pure, until they are written.

mod files;
mod settings;

use std::fs::OpenOptions;
use std::io::{ErrorKind, Write};
use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::failure::Failure;
use super::output;

/// What to write, and where.
#[derive(Args)]
pub struct Arguments {
    /// What the server shall run under, or behind.
    #[arg(long = "for", value_name = "USE", default_value = "local")]
    purpose: Purpose,
    /// The folder to write into. Nothing that is there is overwritten.
    #[arg(long, value_name = "DIR", default_value = ".")]
    to: PathBuf,
    /// The name under which people reach the server.
    #[arg(long, value_name = "NAME", default_value = files::EXAMPLE_DOMAIN, value_parser = files::domain)]
    domain: String,
}

/// What a server is run with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Purpose {
    /// From a terminal, on this machine.
    Local,
    /// As a unit of systemd.
    Systemd,
    /// In a container, by Docker or Podman compose.
    Compose,
    /// Behind nginx.
    Nginx,
    /// Behind Caddy, which fetches the certificate itself.
    Caddy,
    /// Behind Traefik.
    Traefik,
}

/// Writes the files and says what to do with them.
pub fn run(arguments: &Arguments) -> Result<(), Failure> {
    let files = files::all(arguments.purpose, &arguments.domain);
    let taken = files
        .iter()
        .map(|(name, _)| arguments.to.join(name))
        .find(|path| path.exists());
    if let Some(path) = taken {
        return Err(is_there(&path));
    }
    std::fs::create_dir_all(&arguments.to)?;
    for (name, text) in &files {
        let path = arguments.to.join(name);
        let file = OpenOptions::new().write(true).create_new(true).open(&path);
        let mut file = file.map_err(|error| match error.kind() {
            ErrorKind::AlreadyExists => is_there(&path),
            _ => Failure::other(format!("cannot write {}: {error}", path.display())),
        })?;
        file.write_all(text.as_bytes())?;
    }
    let names: Vec<&str> = files.iter().map(|(name, _)| *name).collect();
    output::print(&format!(
        "wrote {} into {}\n{}",
        names.join(" and "),
        arguments.to.display(),
        files::next_step(arguments.purpose)
    ))
}

fn is_there(path: &std::path::Path) -> Failure {
    Failure::other(format!(
        "{} is there already; move it away, or write elsewhere with --to",
        path.display()
    ))
}
