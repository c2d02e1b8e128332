//! A server as the program runs it: says where it is, and ends it by signals.

use std::io::Write;
use std::time::Duration;

use config::{Config, Database};
use supervisor::VitalEnd;
use telemetry::log;

use super::{App, FirstKey, Surroundings, file_limit};

/// How long a soft stop may take after a vital task has ended: with what is left, deliveries may never finish.
const FAILED_STOP_GRACE: Duration = Duration::from_secs(5);
/// How long threads may take to end after that. One that hangs must not keep the process from ending.
const THREADS_GRACE: Duration = Duration::from_secs(2);

/// Why a server ended that was not told to.
#[derive(Debug)]
pub enum ServeError {
    /// It could not start.
    Start(anyhow::Error),
    /// A task without which it is no server.
    VitalTask(VitalEnd),
    /// Newer servers of the same database have changed its schema.
    Outdated(String),
}

/// Runs a server until it is told to stop, softly by the first signal, at once by the second, or until a vital task ends: that
/// needs no waiting for load balancers.
pub fn serve(config: &Config) -> Result<(), ServeError> {
    log::start_log(&config.log);
    file_limit::raise();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.map_err(|error| ServeError::Start(error.into()))?;
    let result = runtime.block_on(async {
        let mut signals = Signals::new().map_err(ServeError::Start)?;
        let app = start(config).await.map_err(ServeError::Start)?;
        let (supervisor, outdated) = (app.supervisor().clone(), app.outdated());
        tokio::select! {
            () = signals.next() => {
                stop(app, &mut signals).await;
                Ok(())
            }
            sentence = outdated => {
                tracing::error!("{sentence}");
                stop(app, &mut signals).await;
                Err(ServeError::Outdated(sentence))
            }
            end = supervisor.ended() => {
                stop_failed(app, &end, &mut signals).await;
                Err(ServeError::VitalTask(end))
            }
        }
    });
    runtime.shutdown_timeout(THREADS_GRACE);
    result
}

/// Ready comes last: whoever is answered by the server may rely on what it has said.
async fn start(config: &Config) -> anyhow::Result<App> {
    let prepared = App::prepare(config, Surroundings::system()?).await?;
    announce(config, prepared.app());
    Ok(prepared.open())
}

async fn stop(app: App, signals: &mut Signals) {
    let softly = async {
        tracing::info!("told to stop: not ready any more; a second signal stops at once");
        tokio::select! {
            () = app.drain() => {}
            _ = app.supervisor().ended() => {}
        }
        tracing::info!("stopping: what is in flight may finish");
        app.stop().await
    };
    tokio::select! {
        all_ended = softly => {
            if !all_ended {
                tracing::warn!("some deliveries were still in flight; they are sent again after the next start");
            }
        }
        () = signals.next() => tracing::warn!("stopped at once; what was in flight is sent again after the next start"),
    }
}

async fn stop_failed(app: App, end: &VitalEnd, signals: &mut Signals) {
    tracing::error!(%end, "a vital task has ended, a bug: stopping, to be started anew");
    tokio::select! {
        _ = tokio::time::timeout(FAILED_STOP_GRACE, app.stop()) => {}
        () = signals.next() => {}
    }
}

/// Says on standard output what a person or a script reads at the start. Nobody may be reading (any more): a server is
/// not stopped by that.
fn announce(config: &Config, app: &App) {
    let mut output = std::io::stdout().lock();
    let _ = output.write_all(announcement(config, app).as_bytes());
    let _ = output.flush();
}

fn announcement(config: &Config, app: &App) -> String {
    let folder = config.data.display();
    let mut lines = vec![match config.database {
        Database::Sqlite => format!("Data: {folder}"),
        Database::Postgres(_) => format!("Data: PostgreSQL; this server's own files: {folder}"),
    }];
    match &app.first_key {
        FirstKey::Dev(key) => {
            let warning =
                "Development mode: receivers on this machine are allowed. Do not use it in production.";
            lines.push(warning.to_owned());
            lines.push(format!("API key: {}", key.reveal()));
        }
        FirstKey::SetUp(token) => {
            let (address, token) = (app.address, token.reveal());
            lines.push("There is no API key yet. Make the first one in the pages, or with:".to_owned());
            lines.push(format!(
                "  opsknight keys setup --url http://{address} --token {token}"
            ));
        }
        FirstKey::Exists => {}
    }
    let version = env!("CARGO_PKG_VERSION");
    lines.push(format!("OpsKnight {version} is ready on http://{}", app.address));
    // Behind the line above, in which scripts look for the address.
    if let Some(token) = &app.set_up_token {
        let pages = base_url(config, app);
        lines.push("Nobody can sign in yet. Open this link once to make the first administrator:".to_owned());
        lines.push(format!("  {pages}setup?token={}", token.reveal()));
    }
    lines.push(String::new());
    lines.join("\n")
}

/// Where people find the pages, with a slash at the end.
fn base_url(config: &Config, app: &App) -> String {
    match &config.public_url {
        Some(url) => url.to_string(),
        // An address that stands for all of the machine's is none that a browser can open.
        None if app.address.ip().is_unspecified() => format!("http://localhost:{}/", app.address.port()),
        None => format!("http://{}/", app.address),
    }
}

/// SIGTERM and SIGINT.
struct Signals {
    terminate: tokio::signal::unix::Signal,
    interrupt: tokio::signal::unix::Signal,
}

impl Signals {
    fn new() -> anyhow::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}
