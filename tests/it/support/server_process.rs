//! The real program as a child process, to be stopped softly or killed.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, ChildStderr, Command};

/// How long a soft stop must be seen to wait.
const SOFT_STOP_SHOWN: Duration = Duration::from_millis(700);

/// A running `opsknight serve --dev`.
pub struct ServerProcess {
    child: Child,
    pub url: String,
    pub key: String,
}

impl ServerProcess {
    /// Starts the program on a data directory and waits until it says that it is ready.
    pub async fn start(data: &Path) -> Self {
        Self::start_under(&[], data, |_| ()).await
    }

    /// The same by way of a program that runs it, with changes to its surroundings.
    pub async fn start_under(runner: &[&str], data: &Path, change: impl FnOnce(&mut Command)) -> Self {
        let words = [runner, &[env!("CARGO_BIN_EXE_opsknight")]].concat();
        let mut command = Command::new(words[0]);
        command.args(&words[1..]);
        Self::start_by(command, data, change).await
    }

    /// The same with another file of the program.
    pub async fn start_binary(binary: &Path, data: &Path, change: impl FnOnce(&mut Command)) -> Self {
        Self::start_by(Command::new(binary), data, change).await
    }

    async fn start_by(mut command: Command, data: &Path, change: impl FnOnce(&mut Command)) -> Self {
        command
            .args(["serve", "--dev", "--listen", "127.0.0.1:0", "--data"])
            .arg(data)
            .env("OPSKNIGHT_LOG", "warn")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .kill_on_drop(true);
        change(&mut command);
        let mut child = command.spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let (mut key, mut url) = (None, None);
        while url.is_none() {
            let line = lines
                .next_line()
                .await
                .unwrap()
                .expect("the server ended before it was ready");
            key = line.strip_prefix("API key: ").map(str::to_owned).or(key);
            url = line
                .split_whitespace()
                .find(|word| word.starts_with("http://"))
                .map(str::to_owned);
        }
        Self {
            child,
            url: url.unwrap(),
            key: key.expect("--dev prints a key"),
        }
    }

    /// What reads its log, if standard error is a pipe.
    pub fn take_log(&mut self) -> Option<ChildStderr> {
        self.child.stderr.take()
    }

    /// Its process.
    pub fn pid(&self) -> u32 {
        self.child.id().unwrap()
    }

    /// `kill -9`.
    pub async fn kill(mut self) {
        self.child.kill().await.unwrap();
    }

    /// SIGTERM; waits for the end and says whether it was a clean one.
    pub async fn terminate(self) -> bool {
        self.signal();
        self.ended().await
    }

    /// Waits for its end and says whether it was a clean one.
    pub async fn ended(mut self) -> bool {
        self.child.wait().await.unwrap().success()
    }

    /// SIGTERM, and once more when the program has said that it is stopping softly.
    pub async fn terminate_twice(mut self) -> bool {
        self.signal();
        let still_runs = tokio::time::timeout(SOFT_STOP_SHOWN, self.child.wait())
            .await
            .is_err();
        assert!(still_runs, "something is in flight, so a soft stop waits");
        self.signal();
        self.child.wait().await.unwrap().success()
    }

    /// SIGTERM.
    pub fn signal(&self) {
        let pid = i32::try_from(self.child.id().unwrap()).unwrap();
        let pid = rustix::process::Pid::from_raw(pid).unwrap();
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    }
}
