//! One chromedriver for all tests of this process. It ends with the process, however that ends, and takes its browsers
//! along.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::OnceLock;

/// What to do if there is none.
pub const INSTALL: &str = "the pages are tested in a real browser; on Debian: \
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
/// The line in which the driver says where it listens.
const STARTED: &str = "was started successfully on port ";

static DRIVER: OnceLock<Chromedriver> = OnceLock::new();

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

/// Where browsers may keep their files; it goes with the driver.
pub fn scratch() -> &'static Path {
    &DRIVER.get_or_init(start).scratch
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
