//! `opsknight serve`: puts the settings together and runs the server.

use std::env;
use std::ffi::OsString;
use std::io::Write;
use std::path::{Path, PathBuf};

use clap::Args;

use config::secret_file;
use config::{self, Flag};
use server::app::{self, ServeError};
use server::transfer;

use super::failure::Failure;

/// The settings that may hold a password; with `_FILE` behind it, each names a file that holds it.
const SECRETS: [&str; 4] = [
    "OPSKNIGHT_OUTBOUND_PROXY",
    "OPSKNIGHT_DATABASE",
    "OPSKNIGHT_OIDC_CLIENT_SECRET",
    "OPSKNIGHT_MAIL_SERVER",
];

/// Settings of the server. Each is also `OPSKNIGHT_…` in the environment and a line of the file; flags win.
#[derive(Args)]
pub struct Arguments {
    /// A TOML file with settings; see config.example.toml.
    #[arg(long, env = "OPSKNIGHT_CONFIG", value_name = "FILE")]
    config: Option<OsString>,
    /// For development: allows loopback receivers and prints a key with all rights.
    #[arg(long)]
    dev: bool,
    /// The address and port to listen on [default: 127.0.0.1:8080].
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<String>,
    /// The folder for the database, the master key and backups [default: ./opsknight-data].
    #[arg(long, value_name = "DIR")]
    data: Option<String>,
    /// Where the data is kept: sqlite, or postgres://USER@HOST/DATABASE, which any number of servers may share. Whoever lists
    /// processes reads it: a password belongs into OPSKNIGHT_DATABASE_FILE [default: sqlite].
    #[arg(long, value_name = "URL")]
    database: Option<String>,
    /// The address under which people and receivers reach this server.
    #[arg(long, value_name = "URL")]
    public_url: Option<String>,
    /// What is logged: info, debug, or in the form of RUST_LOG.
    #[arg(long, value_name = "FILTER")]
    log: Option<String>,
    /// Serve a data directory although its data were moved to PostgreSQL; nothing that is accepted here arrives there.
    #[arg(long)]
    force_moved: bool,
    /// Any other setting, such as `--set outbound.allow=10.0.0.0/8`.
    #[arg(long, value_name = "SETTING=VALUE")]
    set: Vec<String>,
}

/// Runs a server until it is told to stop.
pub fn run(arguments: Arguments) -> Result<(), Failure> {
    let file = arguments
        .config
        .clone()
        .filter(|path| !path.is_empty())
        .map(PathBuf::from);
    let is_forced = arguments.force_moved;
    let flags = flags(arguments)?;
    let variable = config::environment;
    let mut secrets = Vec::new();
    for name in SECRETS {
        let secret = secret_file::find(name, variable).map_err(|error| Failure::Usage(error.to_string()))?;
        secrets.extend(secret.map(|secret| (name, secret)));
    }
    let environment = |name: &str| match secrets.iter().find(|(secret, _)| *secret == name) {
        Some((_, secret)) => Some(secret.trim().to_owned()),
        None => variable(name),
    };
    let config = config::load(file.as_deref(), environment, &flags)
        .map_err(|error| Failure::Usage(error.to_string()))?;
    let given = env::vars_os().filter(|(_, value)| !value.is_empty());
    let names = given.filter_map(|(name, _)| name.into_string().ok());
    for name in config::unknown_names(names) {
        // A warning that cannot be shown is no reason not to start.
        let _ = writeln!(
            std::io::stderr(),
            "warning: {name} in the environment is no setting"
        );
    }
    if is_forced {
        take_back(&config.data)?;
    }
    app::serve(&config).map_err(|error| match error {
        ServeError::Start(error) => Failure::other(format!("{error:#}")),
        ServeError::VitalTask(end) => Failure::VitalTask(end),
        ServeError::Outdated(sentence) => Failure::other(sentence),
    })
}

/// The folder is an ordinary one from now on: the next start needs no force.
fn take_back(directory: &Path) -> Result<(), Failure> {
    let was_moved = transfer::take_back(directory).map_err(|error| Failure::other(error.to_string()))?;
    if was_moved {
        // A warning that cannot be shown is no reason not to start.
        let _ = writeln!(
            std::io::stderr(),
            "warning: {} is served again although its data were moved; what is accepted here does not arrive there",
            directory.display()
        );
    }
    Ok(())
}

fn flags(arguments: Arguments) -> Result<Vec<Flag>, Failure> {
    let dev = arguments.dev.then(|| "true".to_owned());
    let named = [
        ("--listen", "listen", arguments.listen),
        ("--data", "data", arguments.data),
        ("--database", "database", arguments.database),
        ("--public-url", "public_url", arguments.public_url),
        ("--log", "log", arguments.log),
        ("--dev", "dev", dev),
    ];
    let named = named.into_iter().filter_map(|(flag, setting, text)| {
        Some(Flag {
            flag: flag.to_owned(),
            setting: setting.to_owned(),
            text: text?,
        })
    });
    let other = arguments.set.iter().map(|pair| {
        let (setting, text) = pair
            .split_once('=')
            .ok_or_else(|| Failure::Usage(format!("--set {pair}: write --set SETTING=VALUE")))?;
        Ok(Flag {
            flag: format!("--set {setting}"),
            setting: setting.to_owned(),
            text: text.to_owned(),
        })
    });
    // The flags of their own come last: they win over `--set`.
    let mut flags = other.collect::<Result<Vec<_>, Failure>>()?;
    flags.extend(named);
    Ok(flags)
}
