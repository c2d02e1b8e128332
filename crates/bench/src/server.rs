//! A server under test: this same program as a child process, so that what it costs is told apart.

use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::time::{Duration, Instant};

use anyhow::Context;
use rustix::process::{Pid, Signal, kill_process};

use crate::usage::{self, Usage};

/// How long a server may take to be ready.
const READY_LIMIT: Duration = Duration::from_secs(10);
/// How long a server may take to stop when asked twice, before it is killed.
const STOP_LIMIT: Duration = Duration::from_secs(10);
/// How long after the first signal the second follows: nothing here needs what is still in flight.
const SOFT_STOP: Duration = Duration::from_secs(1);
const LOOK_INTERVAL: Duration = Duration::from_millis(5);
/// How much of the log an error shows.
const SHOWN_LOG_LINES: usize = 5;
const KEY_LINE: &str = "API key: ";
const LISTEN: &str = "127.0.0.1:0";
const ADDRESS_START: &str = "127.0.0.1:";

/// A server that is ready.
pub struct Server {
    /// Where it listens.
    pub address: SocketAddr,
    /// A key with all rights.
    pub key: String,
    /// From starting the process to its word that it is ready.
    pub ready_after: Duration,
    child: ChildGuard,
}

/// A child process that doesn't outlive its owner.
struct ChildGuard(Child);

impl Server {
    /// Starts one on this data directory, with these settings in its environment, and waits until it is ready.
    pub fn start(data: &Path, environment: &[(&str, &str)]) -> anyhow::Result<Self> {
        let program = std::env::current_exe().context("this program does not know where it lies")?;
        // Beside the data directory's own files, and gone with it.
        let log_path = data.join("bench.log");
        let log = std::fs::File::create(&log_path).context("cannot write the server's log")?;
        let mut command = Command::new(program);
        command
            .args(["serve", "--dev", "--listen", LISTEN, "--data"])
            .arg(Self::data_in(data))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(log);
        // Settings of another server in the environment are not meant for this one.
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("OPSKNIGHT_") {
                command.env_remove(name);
            }
        }
        command.envs(environment.iter().copied());
        let started_at = Instant::now();
        let mut child = ChildGuard(command.spawn().context("the server did not start")?);
        let output = child.0.stdout.take().context("the server has no output")?;
        let lines = read_lines(output);
        let (mut key, mut ready) = (None, None);
        while key.is_none() || ready.is_none() {
            let left = READY_LIMIT.saturating_sub(started_at.elapsed());
            let line = lines.recv_timeout(left).map_err(|_| not_ready(&log_path))?;
            if let Some(rest) = line.strip_prefix(KEY_LINE) {
                key = Some(rest.trim().to_owned());
            } else if let Some(address) = address_in(&line) {
                ready = Some((address, started_at.elapsed()));
            }
        }
        let ((address, ready_after), key) = ready.zip(key).with_context(|| not_ready(&log_path))?;
        Ok(Self {
            address,
            key,
            ready_after,
            child,
        })
    }

    /// The data directory of a server that was started on this folder.
    pub fn data_in(folder: &Path) -> PathBuf {
        folder.join("data")
    }

    /// What it has used so far.
    pub fn usage(&self) -> anyhow::Result<Usage> {
        usage::of_process(self.child.0.id())
    }

    /// Asks it to stop, soon asks again, and waits until it has.
    pub fn stop(mut self) -> anyhow::Result<()> {
        for wait in [SOFT_STOP, STOP_LIMIT] {
            self.child.signal(Signal::TERM)?;
            if self.child.has_ended_within(wait)? {
                return Ok(());
            }
        }
        anyhow::bail!("the server did not stop within {} s", STOP_LIMIT.as_secs())
    }
}

impl ChildGuard {
    fn signal(&self, signal: Signal) -> anyhow::Result<()> {
        let id = i32::try_from(self.0.id()).ok().and_then(Pid::from_raw);
        kill_process(id.context("the server has no process id")?, signal)
            .context("the server is gone already")
    }

    fn has_ended_within(&mut self, limit: Duration) -> anyhow::Result<bool> {
        let started_at = Instant::now();
        while started_at.elapsed() < limit {
            if self.0.try_wait()?.is_some() {
                return Ok(true);
            }
            std::thread::park_timeout(LOOK_INTERVAL);
        }
        Ok(false)
    }
}

impl Drop for ChildGuard {
    fn drop(&mut self) {
        // It may have ended already, which is all that is wanted.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Hands over the lines of a child's output as they come, and goes on reading so that the child never waits for us.
fn read_lines(output: impl Read + Send + 'static) -> Receiver<String> {
    let (sender, lines) = mpsc::channel();
    std::thread::spawn(move || {
        for line in BufReader::new(output).lines().map_while(Result::ok) {
            let _ = sender.send(line);
        }
    });
    lines
}

/// The address that a line of the server's output names.
fn address_in(line: &str) -> Option<SocketAddr> {
    let rest = &line[line.find(ADDRESS_START)?..];
    let end = rest[ADDRESS_START.len()..]
        .find(|c: char| !c.is_ascii_digit())
        .map_or(rest.len(), |digits| ADDRESS_START.len() + digits);
    rest[..end].parse().ok()
}

fn not_ready(log_path: &PathBuf) -> anyhow::Error {
    let log = std::fs::read_to_string(log_path).unwrap_or_default();
    let lines: Vec<&str> = log.lines().collect();
    let shown = &lines[lines.len().saturating_sub(SHOWN_LOG_LINES)..];
    anyhow::anyhow!(
        "the server was not ready within {} s; the end of its log:\n{}",
        READY_LIMIT.as_secs(),
        shown.join("\n")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_is_found_in_a_sentence() {
        let address = "127.0.0.1:4711".parse().ok();
        assert_eq!(
            address_in("ready: listening on http://127.0.0.1:4711/ with data"),
            address
        );
        assert_eq!(address_in("ready on 127.0.0.1:4711"), address);
        assert_eq!(address_in("listening on every address"), None);
    }
}
