//! One chromedriver for all tests of this process. It ends with the process, however that ends, and takes its browsers
//! along. Tests that end well leave their browser to the next one.

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::{Mutex, OnceLock, PoisonError};

use fantoccini::wd::Capabilities;
use fantoccini::{Client, ClientBuilder};
use hyper_util::client::legacy::connect::HttpConnector;
use serde_json::json;
use tempfile::TempDir;

use crate::support::test_app::PATIENCE;

/// What to do if there is none.
const INSTALL: &str = "the pages are tested in a real browser; on Debian: \
                           apt-get install chromium chromium-driver fonts-dejavu-core";
/// A shell holds the driver: when our end of the pipe closes, which it does even if we are killed, it ends its process
/// group (the driver and every browser) and removes what they left behind. It is a group of its own, so that signals from
/// a terminal do not end the shell before it has done so. Only the driver holds the other pipe, so that it closes if there
/// is no driver.
const HELD_DRIVER: [&str; 3] = [
    "sh",
    "-c",
    "chromedriver --port=0 & exec >/dev/null; trap '' TERM; cat; kill 0; wait; rm -rf \"$TMPDIR\"",
];
/// How browsers are started.
const ARGUMENTS: [&str; 9] = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
];
/// The line in which the driver says where it listens.
const STARTED: &str = "was started successfully on port ";

static DRIVER: OnceLock<Chromedriver> = OnceLock::new();
/// Browsers that no test uses at the moment. They end with the driver.
static IDLE: Mutex<Vec<Running>> = Mutex::new(Vec::new());

/// Whether pages may run scripts.
#[derive(Debug, Clone, Copy)]
pub enum Scripts {
    On,
    Off,
}

/// A browser with a profile of its own.
pub struct Running {
    /// The driver's session.
    pub session: String,
    scripts: Scripts,
    _profile: TempDir,
}

impl Running {
    /// Whether its pages run scripts.
    pub fn runs_scripts(&self) -> bool {
        matches!(self.scripts, Scripts::On)
    }
}

/// A running driver.
struct Chromedriver {
    address: String,
    /// Where browsers keep their files.
    scratch: PathBuf,
    /// Open as long as the driver shall live.
    _lifeline: ChildStdin,
    _output: BufReader<ChildStdout>,
    _shell: Child,
}

/// Where the driver listens; it is started at the first need.
pub fn address() -> &'static str {
    &DRIVER.get_or_init(start).address
}

/// A browser that remembers nothing: one that was left behind, or a new one.
pub async fn browser(scripts: Scripts) -> (Client, Running) {
    let left = match scripts {
        Scripts::On => IDLE.lock().unwrap_or_else(PoisonError::into_inner).pop(),
        Scripts::Off => None,
    };
    match left {
        Some(running) => (join(&running).await, running),
        None => launch(scripts).await,
    }
}

/// Leaves a browser that runs scripts, and has forgotten everything, to the next test.
pub fn leave(running: Running) {
    IDLE.lock().unwrap_or_else(PoisonError::into_inner).push(running);
}

/// Starts a browser.
async fn launch(scripts: Scripts) -> (Client, Running) {
    let profile = tempfile::tempdir_in(&DRIVER.get_or_init(start).scratch).unwrap();
    let client = ClientBuilder::new(HttpConnector::new())
        .capabilities(capabilities(&profile, scripts))
        .connect(&driver())
        .await
        .unwrap_or_else(|error| panic!("chromium does not start ({error}): {INSTALL}"));
    let session = client.session_id().await.unwrap().unwrap();
    let running = Running {
        session,
        scripts,
        _profile: profile,
    };
    (client, running)
}

/// Goes on with a browser that another test has left.
async fn join(running: &Running) -> Client {
    Client::with_existing_session(&driver(), &running.session, HttpConnector::new())
        .await
        .unwrap()
}

fn driver() -> String {
    format!("http://{}", address())
}

fn capabilities(profile: &TempDir, scripts: Scripts) -> Capabilities {
    let profile = format!("--user-data-dir={}", profile.path().display());
    let arguments: Vec<_> = ARGUMENTS.into_iter().chain([profile.as_str()]).collect();
    let blocked = 2;
    let preferences = match scripts {
        Scripts::On => json!({}),
        Scripts::Off => json!({"profile.managed_default_content_settings.javascript": blocked}),
    };
    let patience_ms = PATIENCE.as_secs() * 1000;
    let wanted = json!({
        "browserName": "chrome",
        "timeouts": {"pageLoad": patience_ms, "script": patience_ms},
        "goog:loggingPrefs": {"browser": "ALL"},
        "goog:chromeOptions": {"args": arguments, "prefs": preferences},
    });
    wanted.as_object().unwrap().clone()
}

fn start() -> Chromedriver {
    let scratch = tempfile::tempdir().unwrap().keep();
    let mut shell = Command::new("setsid")
        .args(HELD_DRIVER)
        .env("TMPDIR", &scratch)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("there is setsid, of util-linux");
    let lifeline = shell.stdin.take().unwrap();
    let mut output = BufReader::new(shell.stdout.take().unwrap());
    let port = port_in(&mut output).unwrap_or_else(|| panic!("chromedriver does not start: {INSTALL}"));
    Chromedriver {
        address: format!("127.0.0.1:{port}"),
        scratch,
        _lifeline: lifeline,
        _output: output,
        _shell: shell,
    }
}

fn port_in(output: &mut impl BufRead) -> Option<u16> {
    let mut lines = output.lines().map_while(Result::ok);
    let port = lines.find_map(|line| Some(line.split_once(STARTED)?.1.to_owned()))?;
    port.trim_end_matches('.').parse().ok()
}
