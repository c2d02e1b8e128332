//! The server's end of a worker: started, asked, and ended with this value.

use std::io;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::Signal;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

use crate::frame::{Answer, frame, length};
use crate::process::COMMAND;
use destination::template::{Made, Order};

/// How long the system may take to tell how a worker ended.
const END_WAIT: Duration = Duration::from_secs(5);

/// Has the allocator take memory as it is used, and not in blocks of which a few would be all that a worker may have.
const SMALL_HEAP: [(&str, &str); 2] = [
    ("MIMALLOC_ARENA_EAGER_COMMIT", "0"),
    ("MIMALLOC_EAGER_COMMIT", "0"),
];

/// One worker.
pub(super) struct Worker {
    child: Child,
    input: ChildStdin,
    output: ChildStdout,
}

/// How a worker ended while it was asked.
pub(super) enum Ended {
    /// The template took too much of something.
    ByTemplate(String),
    /// For another reason.
    Otherwise(String),
}

impl Worker {
    /// Starts one. It knows nothing of the server: no environment, no files, no signals of the terminal.
    pub(super) fn start(program: &Path) -> io::Result<Self> {
        let mut command = std::process::Command::new(program);
        command
            .arg0("opsknight")
            .arg(COMMAND)
            .env_clear()
            .envs(SMALL_HEAP)
            .current_dir("/")
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null());
        let mut child = Command::from(command).kill_on_drop(true).spawn()?;
        let pipes = child.stdin.take().zip(child.stdout.take());
        let (input, output) = pipes.ok_or(io::ErrorKind::BrokenPipe)?;
        Ok(Self { child, input, output })
    }

    /// Has a text made. After an error, or if the wait for it is given up, the worker is of no use any more.
    pub(super) async fn make(&mut self, order: &Order) -> Result<Made, Ended> {
        match self.ask(order).await {
            Ok(answer) => Ok(answer.into()),
            Err(error) => Err(match tokio::time::timeout(END_WAIT, self.child.wait()).await {
                Ok(Ok(status)) => ended(status),
                Ok(Err(_)) | Err(_) => Ended::Otherwise(format!("a worker cannot be asked: {error}")),
            }),
        }
    }

    async fn ask(&mut self, order: &Order) -> io::Result<Answer> {
        let frame = frame(order).ok_or(io::ErrorKind::InvalidData)?;
        self.input.write_all(&frame).await?;
        let mut head = [0; 4];
        self.output.read_exact(&mut head).await?;
        let length = length(head).ok_or(io::ErrorKind::InvalidData)?;
        let mut text = vec![0; length];
        self.output.read_exact(&mut text).await?;
        Ok(serde_json::from_slice(&text)?)
    }
}

/// Who is at fault. The system ends a worker that has used its time, and one that gets no memory or no stack ends itself;
/// whatever else ends it has nothing to do with the template.
fn ended(status: ExitStatus) -> Ended {
    let is = |signal: Signal| status.signal() == Some(signal.as_raw());
    if is(Signal::XCPU) {
        return Ended::ByTemplate("it takes too long".into());
    }
    if is(Signal::ABORT) || is(Signal::SEGV) || is(Signal::BUS) {
        return Ended::ByTemplate("it takes too much memory".into());
    }
    Ended::Otherwise(format!("a worker ended: {status}"))
}
