//! The command line: the real program against a scripted API, and `listen` under real requests.

mod commands;
mod exports;
mod failures;
mod fake_api;
mod incidents;
mod listen;
mod people;
mod tables;
mod webhooks;

use std::io::Write;
use std::process::{Command, Output, Stdio};

/// The program without anything from this machine's environment that it would read.
fn program() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_opsknight"));
    let ours = std::env::vars_os().map(|(name, _)| name).filter(|name| {
        let name = name.to_string_lossy().to_ascii_lowercase();
        name.starts_with("opsknight_") || name.ends_with("_proxy")
    });
    ours.for_each(|name| {
        command.env_remove(name);
    });
    command
}

/// What a run of the program came to.
#[derive(Debug)]
struct Run {
    code: Option<i32>,
    out: String,
    err: String,
}

impl From<Output> for Run {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code(),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

/// Runs the program against an API.
fn run(api: &fake_api::FakeApi, arguments: &[&str]) -> Run {
    let mut command = program();
    command
        .env("OPSKNIGHT_URL", api.url())
        .env("OPSKNIGHT_API_KEY", "ok_test");
    command.args(arguments).output().unwrap().into()
}

/// Runs the program without an API.
fn run_alone(arguments: &[&str]) -> Run {
    program().args(arguments).output().unwrap().into()
}

/// Writes a file into a folder and tells its path.
fn file(folder: &tempfile::TempDir, name: &str, text: &str) -> String {
    let path = folder.path().join(name);
    let mut file = std::fs::File::create(&path).unwrap();
    file.write_all(text.as_bytes()).unwrap();
    path.to_str().unwrap().to_owned()
}

/// A way to start the program with its output held.
fn piped(command: &mut Command) -> &mut Command {
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
}
