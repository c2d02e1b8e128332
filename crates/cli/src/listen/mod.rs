//! `opsknight listen`: a local receiver, to see what a webhook gets and to try how it copes with trouble.

mod calls;
mod connection;
mod fault;
mod lines;
mod platform;
mod report;

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

use clock::SystemClock;
use model::secret::SecretText;

use super::failure::Failure;
use super::output;
use super::session::secret_in_environment;
use fault::{Fault, Faults};
use platform::Platform;
use report::Report;

/// The most connections at once; further ones wait.
const MAX_CONNECTIONS: usize = 1024;
/// Requests that wait to be printed.
const MAX_WAITING_REPORTS: usize = 64;
/// After the last request of `--count`: how long its answer may take.
const LAST_ANSWER_LIMIT: Duration = Duration::from_secs(60);
/// A wait when the system has no room for another connection.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Holds the webhook's secret; with `_FILE` behind it, names a file that does.
const SECRET_NAME: &str = "OPSKNIGHT_LISTEN_SECRET";

/// Where to listen and how to behave.
#[derive(Args)]
pub struct Arguments {
    /// The port; 0 for any that is free.
    #[arg(long, default_value_t = 9000)]
    port: u16,
    /// The address; 0.0.0.0 for every network.
    #[arg(long, default_value = "127.0.0.1", value_name = "ADDRESS")]
    host: IpAddr,
    /// Play a platform (discord, slack, teams, google_chat, telegram, jira, servicenow, github, gitlab, pagerduty, opsgenie,
    /// alertmanager, ntfy, email, batch, s3, sqs, custom): its rules, its answers, its messages, tickets or alerts.
    #[arg(long = "as", value_name = "KIND")]
    platform: Option<String>,
    /// The webhook's secret, to verify signatures; OPSKNIGHT_LISTEN_SECRET_FILE names a file that holds it.
    #[arg(long, env = SECRET_NAME, hide_env_values = true)]
    secret: Option<String>,
    /// How to misbehave, one for each request in turn, then 200: a status, timeout, close, reset, slow (5 s), drip
    /// (a byte a second), redirect, garbage, ok; with --as also the platform's own, such as message_deleted.
    #[arg(long, value_delimiter = ',', value_name = "FAULTS")]
    fail: Vec<String>,
    /// Begin the list of --fail anew instead of answering 200.
    #[arg(long, requires = "fail")]
    repeat: bool,
    /// Stop after so many requests.
    #[arg(long)]
    count: Option<u64>,
    /// Print a line of JSON for each request; the URL goes to standard error.
    #[arg(long)]
    json: bool,
}

/// What all connections share.
struct Shared {
    faults: Faults,
    platform: Option<Platform>,
    secret: Option<SecretText>,
    clock: SystemClock,
    reports: mpsc::Sender<Report>,
    stop: watch::Receiver<bool>,
}

/// Receives until stopped.
pub fn run(arguments: Arguments, is_json_before: bool) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let is_json = arguments.json || is_json_before;
    runtime.block_on(listen(arguments, is_json))
}

async fn listen(arguments: Arguments, is_json: bool) -> Result<(), Failure> {
    let platform = arguments.platform.as_deref().map(Platform::new).transpose()?;
    let faults = read_faults(&arguments.fail, platform.as_ref())?;
    let address = SocketAddr::from((arguments.host, arguments.port));
    let secret = match arguments.secret.filter(|secret| !secret.is_empty()) {
        Some(secret) => Some(secret),
        None => secret_in_environment(SECRET_NAME)?,
    };
    let listener = TcpListener::bind(address).await.map_err(|error| {
        Failure::other(format!(
            "cannot listen on {address}: {error}; choose another --port"
        ))
    })?;
    announce(listener.local_addr()?, platform.as_ref(), is_json)?;
    let (reports, mut arrived) = mpsc::channel(MAX_WAITING_REPORTS);
    let (stop, stopped) = watch::channel(false);
    let shared = Arc::new(Shared {
        faults: Faults::new(faults, arguments.repeat),
        platform,
        secret: secret.map(SecretText::new),
        clock: SystemClock,
        reports,
        stop: stopped,
    });
    let mut connections = JoinSet::new();
    let mut left = arguments.count.unwrap_or(u64::MAX);
    while left > 0 {
        tokio::select! {
            // What has come is printed before anything new is taken.
            biased;
            Some(report) = arrived.recv() => {
                print(&report, is_json)?;
                left -= 1;
            }
            Some(_) = connections.join_next() => {}
            accepted = listener.accept(), if connections.len() < MAX_CONNECTIONS => match accepted {
                Ok((stream, _)) => {
                    let shared = Arc::clone(&shared);
                    match shared.platform.as_ref().is_some_and(Platform::speaks_lines) {
                        true => connections.spawn(lines::serve(stream, shared)),
                        false => connections.spawn(connection::serve(stream, shared)),
                    };
                }
                Err(_) => tokio::time::sleep(ACCEPT_PAUSE).await,
            },
        }
    }
    drop(listener);
    // Every connection holds a receiver, so that this cannot fail while one is open.
    let _ = stop.send(true);
    let all_answered = async { while connections.join_next().await.is_some() {} };
    // A sender that never hangs up does not keep us.
    let _ = tokio::time::timeout(LAST_ANSWER_LIMIT, all_answered).await;
    Ok(())
}

/// Faults of a platform need it.
fn read_faults(names: &[String], platform: Option<&Platform>) -> Result<Vec<Fault>, Failure> {
    let known = |reason: String| match platform {
        Some(platform) => format!("{reason}\n{}", platform.faults_in_words()),
        None => reason,
    };
    let faults = names.iter().map(|name| name.parse::<Fault>());
    let faults: Vec<Fault> = faults
        .collect::<Result<_, String>>()
        .map_err(|reason| Failure::Usage(known(reason)))?;
    check_faults(&faults, platform)?;
    Ok(faults)
}

fn check_faults(faults: &[Fault], platform: Option<&Platform>) -> Result<(), Failure> {
    let Some(platform) = platform else {
        let named = faults.iter().find(|fault| matches!(fault, Fault::Platform(_)));
        return match named {
            Some(fault) => Err(Failure::other(format!(
                "{fault} is a fault of a platform: say which with --as"
            ))),
            None => Ok(()),
        };
    };
    platform.check(faults)
}

fn announce(address: SocketAddr, platform: Option<&Platform>, is_json: bool) -> Result<(), Failure> {
    let root = format!("http://{address}");
    let url = platform.map_or_else(|| format!("{root}/"), |platform| platform.url(&root));
    if is_json {
        use std::io::Write;
        writeln!(std::io::stderr(), "{url}")?;
        return Ok(());
    }
    output::print(&format!(
        "listening: give webhooks the URL {url} (a server on this machine needs --dev to reach it)"
    ))
}

fn print(report: &Report, is_json: bool) -> Result<(), Failure> {
    if is_json {
        output::print_json(&report.to_json().to_string())
    } else {
        output::print(&report.in_words())
    }
}
