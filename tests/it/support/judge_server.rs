//! Servers that a script of `tests/judges` runs, and reads by a foreign client: Amazon's services by moto, for one.

use std::process::Stdio;

use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

use crate::support::test_app::PATIENCE;
use crate::tickets::judges::{python, script};

/// The server that a judge runs, and its line to it.
pub struct JudgeServer {
    _child: Child,
    input: ChildStdin,
    lines: Lines<BufReader<ChildStdout>>,
    /// What it says of itself: an access key that may write, and where to.
    pub set_up: Value,
}

impl JudgeServer {
    /// Of a script of `tests/judges`; nothing if this machine has no judges.
    pub async fn start(judge: &str) -> Option<Self> {
        let mut command = Command::new(python()?);
        command.arg(script(judge));
        Some(Self::run(command).await)
    }

    /// Of a command that says a line of JSON when it is ready.
    pub async fn run(mut command: Command) -> Self {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let input = child.stdin.take().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let set_up = next_json(&mut lines).await;
        Self {
            _child: child,
            input,
            lines,
            set_up,
        }
    }

    /// What was sent since it was last asked.
    pub async fn received(&mut self) -> Value {
        self.input.write_all(b"\n").await.unwrap();
        next_json(&mut self.lines).await
    }
}

async fn next_json(lines: &mut Lines<BufReader<ChildStdout>>) -> Value {
    let line = tokio::time::timeout(PATIENCE, lines.next_line()).await;
    let line = line
        .expect("the judge answers")
        .unwrap()
        .expect("the judge lives");
    serde_json::from_str(&line).unwrap()
}
