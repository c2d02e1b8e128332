//! The command line: reads the arguments, runs one command, turns what came of it into an exit code.
//!
//! All commands but `serve`, `migrate`, `render-worker`, `listen`, `bench`, `init`, `completions` and `man` are clients of the HTTP API:
//! they never open the store. `doctor --database` is none either.

mod alert_sources;
mod apply;
mod backup;
mod client;
mod colour;
mod completions;
mod database_doctor;
mod deep_check;
mod deliveries;
mod doctor;
mod events;
mod exchange;
mod export;
mod failure;
mod incident_list;
mod incidents;
mod init;
mod keys;
mod listen;
mod lookup;
mod man;
mod measure;
mod migrate;
mod output;
mod policies;
mod ready;
mod receiver_links;
mod recover;
mod rekey;
mod render_worker;
mod replay;
mod send;
mod serve;
mod services;
mod session;
mod source_file;
mod table;
mod tickets;
mod time_zone;
mod users;
mod webhook_settings;
mod webhooks;

use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

use failure::Failure;
use session::{ServerArguments, Session};

/// Holds incidents and sends their events to webhooks, without losing one.
#[derive(Parser)]
#[command(name = "opsknight", version, propagate_version = true, max_term_width = 110)]
struct Arguments {
    #[command(flatten)]
    root: RootArguments,
    #[command(subcommand)]
    command: Command,
}

/// The same options as every client command has, for writing them before the command.
#[derive(Args)]
struct RootArguments {
    /// Where the server is [default: http://127.0.0.1:8080].
    #[arg(id = "root_url", long = "url", env = "OPSKNIGHT_URL", value_name = "URL")]
    url: Option<String>,
    /// The API key (ok_…).
    #[arg(
        id = "root_key",
        long = "key",
        env = "OPSKNIGHT_API_KEY",
        hide_env_values = true,
        value_name = "KEY"
    )]
    key: Option<String>,
    /// Print JSON exactly as the API answers it.
    #[arg(id = "root_json", long = "json")]
    json: bool,
    /// The time zone of times [default: local on a terminal, as the API writes them in a pipe].
    #[arg(id = "root_tz", long = "tz", value_name = "ZONE")]
    tz: Option<String>,
}

#[derive(Subcommand)]
enum Command {
    /// Run the server.
    Serve(serve::Arguments),
    /// What the server starts to render templates.
    #[command(name = renderer::process::COMMAND, hide = true)]
    RenderWorker,
    /// Trigger an incident, or acknowledge, resolve, escalate, reopen one.
    Send(RemoteGroup<send::Command>),
    /// Incidents: list, show, acknowledge, resolve, assign, note, one or many.
    Incidents(RemoteGroup<incidents::Command>),
    /// Receive webhooks here: prints each request, verifies its signature, misbehaves on request.
    Listen(listen::Arguments),
    /// Webhooks: who receives what.
    Webhooks(RemoteGroup<webhooks::Command>),
    /// List deliveries, show one with its attempts, or give up what waits.
    Deliveries(Remote<deliveries::Arguments>),
    /// Send deliveries again.
    Replay(Remote<replay::Arguments>),
    /// Send everything again that died for a webhook since a time.
    Recover(Remote<recover::Arguments>),
    /// Read the feed of events.
    Events(Remote<events::Arguments>),
    /// Write incidents, events, deliveries or attempts into a file, as JSON or CSV.
    Export(Remote<export::Arguments>),
    /// Services: what incidents are about.
    Services(RemoteGroup<services::Command>),
    /// Alert sources: where alerts come from.
    Sources(RemoteGroup<alert_sources::Command>),
    /// Users: people that incidents are assigned to.
    Users(RemoteGroup<users::Command>),
    /// Escalation policies: who is called when nobody acknowledges.
    Policies(RemoteGroup<policies::Command>),
    /// Tickets of incidents in other systems: list, create, link, unlink, sync.
    Tickets(RemoteGroup<tickets::Command>),
    /// API keys.
    Keys(RemoteGroup<keys::Command>),
    /// Check that the server is well and that nothing is lost.
    Doctor(Remote<doctor::Arguments>),
    /// Check that the server takes requests: for the health check of a container. Needs no key.
    Ready {
        #[command(flatten)]
        server: ServerArguments,
    },
    /// Copy the whole store into a file in the server's backups folder, while it is in use.
    Backup(Remote<backup::Arguments>),
    /// Move everything from a data directory into a PostgreSQL, while no server runs on either.
    Migrate(migrate::Arguments),
    /// Seal every secret anew under the current master key.
    Rekey(Remote<rekey::Arguments>),
    /// Measure what this machine delivers, how fast and at what cost.
    Bench(bench::Arguments),
    /// Write a commented configuration: for systemd, compose, or behind a proxy.
    Init(init::Arguments),
    /// Print a completion script for a shell.
    Completions(completions::Arguments),
    /// Print the manual page, or write those of all commands into a folder.
    Man(man::Arguments),
}

/// A command against a server.
#[derive(Args)]
struct Remote<T: Args> {
    #[command(flatten)]
    server: ServerArguments,
    #[command(flatten)]
    arguments: T,
}

/// A group of commands against a server.
#[derive(Args)]
struct RemoteGroup<T: Subcommand> {
    #[command(flatten)]
    server: ServerArguments,
    #[command(subcommand)]
    command: T,
}

/// Runs the program with the arguments of the process.
///
/// Exit codes: 0 done, 1 failed or refused by the server, 2 wrong usage, 3 the server cannot be reached, 4 not
/// authorised, 5 a vital task of the server ended (a bug; start it anew).
pub fn run() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            let is_mistake = error.use_stderr();
            // A reader that went away needs no help text.
            let _ = error.print();
            return ExitCode::from(if is_mistake { failure::USAGE } else { 0 });
        }
    };
    let is_json = arguments.root.json;
    match run_command(arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            failure.report(is_json);
            ExitCode::from(failure.exit_code())
        }
    }
}

fn run_command(arguments: Arguments) -> Result<(), Failure> {
    let root = &arguments.root;
    let open = |server: ServerArguments| Session::open(server.or(root));
    match arguments.command {
        Command::Serve(serve) => serve::run(serve),
        Command::RenderWorker => render_worker::run(),
        Command::Send(group) => send::run(&open(group.server)?, group.command),
        Command::Incidents(group) => incidents::run(&open(group.server)?, group.command),
        Command::Listen(listen) => listen::run(listen, root.json),
        Command::Webhooks(group) => webhooks::run(group.server, root, group.command),
        Command::Deliveries(remote) => deliveries::run(&open(remote.server)?, remote.arguments),
        Command::Replay(remote) => replay::run(&open(remote.server)?, &remote.arguments),
        Command::Recover(remote) => recover::run(&open(remote.server)?, &remote.arguments),
        Command::Events(remote) => events::run(&open(remote.server)?, remote.arguments),
        Command::Export(remote) => export::run(&open(remote.server)?, &remote.arguments),
        Command::Services(group) => services::run(&open(group.server)?, group.command),
        Command::Sources(group) => alert_sources::run(&open(group.server)?, group.command),
        Command::Users(group) => users::run(&open(group.server)?, group.command),
        Command::Policies(group) => policies::run(&open(group.server)?, group.command),
        Command::Tickets(group) => tickets::run(&open(group.server)?, group.command),
        Command::Keys(group) => keys::run(&open(group.server)?, group.command),
        Command::Doctor(remote) => doctor::run(&open(remote.server)?, &remote.arguments),
        Command::Ready { server } => ready::run(&open(server)?),
        Command::Backup(remote) => backup::run(&open(remote.server)?, &remote.arguments),
        Command::Migrate(migrate) => migrate::run(migrate, root.json),
        Command::Rekey(remote) => rekey::run(&open(remote.server)?),
        Command::Bench(bench) => measure::run(bench, root.json),
        Command::Init(init) => init::run(&init),
        Command::Completions(completions) => completions::run(&completions),
        Command::Man(man) => man::run(&man),
    }
}
