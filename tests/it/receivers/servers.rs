//! The whole receivers in docs/receivers, run as their first lines say: each verifies, answers before it works, and works on no delivery
//! twice, not even after it was killed.

use std::io::{BufRead, BufReader, Lines};
use std::net::{Ipv4Addr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use clock::{Clock, SystemClock};
use model::secret::SecretText;
use outbound::signature::{SigningSecrets, sign};

use super::is_available;
use crate::fleet::postgres::free_port;
use crate::support::programs::{judges, root};

#[path = "../../../docs/receivers/axum/receiver.rs"]
#[allow(
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "it is a program for people who copy the file"
)]
mod axum_receiver;

const SECRET: &str = "whsec_dGhlIHRleHQgaXRzZWxmIGlzIHRoZSBrZXk=";
/// Longer than any of them takes to start.
const PATIENCE: Duration = Duration::from_secs(60);
/// How often it is tried whether a receiver listens.
const TRY_INTERVAL: Duration = Duration::from_millis(25);
/// More than a signature may be old.
const LONG_AGO_SECONDS: i64 = 600;

/// How a receiver is run, and what it does later if that is a command of its own.
struct Program {
    serve: Box<dyn Fn(u16) -> Command>,
    work: Option<Box<dyn Fn() -> Command>>,
}

/// A receiver that runs.
struct Running {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
    port: u16,
}

impl Running {
    fn start(program: &Program, folder: &Path) -> Self {
        let port = free_port();
        let mut command = (program.serve)(port);
        let mut child = surrounded(&mut command, folder)
            .env("PORT", port.to_string())
            .env("SERVER_PORT", port.to_string())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let running = Self { child, lines, port };
        let began = Instant::now();
        let (_sender, never) = mpsc::channel::<()>();
        while TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err() {
            assert!(began.elapsed() < PATIENCE, "the receiver does not listen");
            let _ = never.recv_timeout(TRY_INTERVAL);
        }
        running
    }

    /// Sends a delivery that was signed so long ago; the status.
    fn send(&self, id: &str, body: &str, seconds_ago: i64, secret: &str) -> u16 {
        let secrets = SigningSecrets {
            current: SecretText::new(secret),
            previous: None,
        };
        let at = SystemClock.now().as_seconds() - seconds_ago;
        let url = format!("http://127.0.0.1:{}/", self.port);
        let agent: ureq::Agent = ureq::Agent::config_builder()
            .proxy(None)
            .http_status_as_error(false)
            .build()
            .into();
        let mut request = agent.post(url).header("content-type", "application/json");
        for (name, value) in sign(&secrets, id, at, body.as_bytes()) {
            request = request.header(name, value);
        }
        request.send(body).unwrap().status().as_u16()
    }

    fn deliver(&self, id: &str) {
        let status = self.send(id, &body(id), 0, SECRET);
        assert!((200..300).contains(&status), "{id}: {status}");
    }

    /// The deliveries that it has worked on, up to this one.
    fn worked(&mut self, last: &str) -> Vec<String> {
        let mut worked = Vec::new();
        while worked.last().is_none_or(|id| id != last) {
            let line = self.lines.next().expect("it goes on").unwrap();
            worked.extend(work_in(&line));
        }
        worked
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn body(id: &str) -> String {
    format!(r#"{{"event":"incident.triggered","incident":{{"title":"Größe von {id}"}}}}"#)
}

/// Which delivery a line says was worked on. Others are what frameworks say.
fn work_in(line: &str) -> Option<String> {
    let words: Vec<&str> = line.split_once("worked ")?.1.split(' ').collect();
    assert_eq!(words.get(1), Some(&"incident.triggered"), "{line}");
    Some(words[0].to_owned())
}

/// What all of them are told.
fn surrounded<'a>(command: &'a mut Command, folder: &Path) -> &'a mut Command {
    command
        .env("SECRET", SECRET)
        .env("FOLDER", folder)
        .env("LC_ALL", "C.UTF-8")
        .current_dir(folder)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
}

/// Deliveries that are right, wrong, and repeated, before and after the receiver is killed.
fn expect_good_receiver(program: &Program) {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let worked = |running: &mut Running, last: &str| match &program.work {
        None => running.worked(last),
        Some(work) => {
            let output = surrounded(&mut work(), folder).output().unwrap();
            let text = String::from_utf8(output.stdout).unwrap();
            text.lines().filter_map(work_in).collect()
        }
    };
    let mut first = Running::start(program, folder);
    first.deliver("dlv_1");
    first.deliver("dlv_1");
    let wrong = [
        first.send("dlv_2", &body("dlv_2"), 0, "another secret"),
        first.send("dlv_2", &body("dlv_2"), LONG_AGO_SECONDS, SECRET),
        first.send("../dlv_2", &body("dlv_2"), 0, SECRET),
    ];
    assert_eq!(wrong, [401; 3]);
    first.deliver("dlv_3");
    let mut done = worked(&mut first, "dlv_3");
    done.sort();
    assert_eq!(done, ["dlv_1", "dlv_3"]);
    drop(first);
    let mut second = Running::start(program, folder);
    second.deliver("dlv_1");
    second.deliver("dlv_4");
    let again = worked(&mut second, "dlv_4");
    // What was killed between its work and the note of it is worked on once more.
    let new: Vec<&String> = again.iter().filter(|id| *id != "dlv_3").collect();
    assert_eq!(new, ["dlv_4"]);
}

/// A file of a receiver.
fn source(path: &str) -> PathBuf {
    root().join("docs/receivers").join(path)
}

/// Where `./check` has put what a receiver takes; nothing if it has said that it could not.
fn installed(name: &str, file: &str) -> Option<PathBuf> {
    let folder = judges().join("receivers").join(name);
    if folder.join(file).exists() {
        return Some(folder);
    }
    let said = std::env::var("CHECK_MISSING_RECEIVERS").unwrap_or_default();
    let is_said = said.split_whitespace().any(|missing| missing == name);
    assert!(
        is_said || std::env::var_os("CI").is_none(),
        "{name} is missing: run ./check, which installs it"
    );
    eprintln!("MISSING: {name}: its receiver was not run");
    None
}

fn program(serve: impl Fn(u16) -> Command + 'static) -> Program {
    Program {
        serve: Box::new(serve),
        work: None,
    }
}

#[test]
fn the_receiver_with_express_is_a_good_one() {
    let Some(folder) = installed("express", "node_modules/express").filter(|_| is_available("node")) else {
        return;
    };
    expect_good_receiver(&program(move |_| {
        let mut command = Command::new("node");
        command.arg(source("express/receiver.js"));
        command.env("NODE_PATH", folder.join("node_modules"));
        command
    }));
}

#[test]
fn the_receiver_with_fastapi_is_a_good_one() {
    let Some(folder) = installed("fastapi", "uvicorn").filter(|_| is_available("python3")) else {
        return;
    };
    expect_good_receiver(&program(move |port| {
        let mut command = Command::new("python3");
        command.args([
            "-B",
            "-m",
            "uvicorn",
            "receiver:app",
            "--log-level",
            "warning",
            "--port",
        ]);
        command
            .arg(port.to_string())
            .arg("--app-dir")
            .arg(source("fastapi"));
        command.env("PYTHONPATH", &folder);
        command
    }));
}

#[test]
fn the_receiver_with_net_http_is_a_good_one() {
    if !is_available("go") {
        return;
    }
    // `go run` would be killed without what it runs.
    let folder = tempfile::tempdir().unwrap();
    let binary = folder.path().join("receiver");
    let mut build = Command::new("go");
    build
        .env("GOFLAGS", "-mod=mod -buildvcs=false")
        .arg("build")
        .arg("-o")
        .arg(&binary);
    assert!(
        build
            .arg(source("net-http/receiver.go"))
            .status()
            .unwrap()
            .success()
    );
    expect_good_receiver(&program(move |_| Command::new(&binary)));
}

#[test]
fn the_receiver_with_sinatra_is_a_good_one() {
    let has_sinatra = Command::new("ruby")
        .args(["-e", "require 'sinatra/base'; require 'webrick'"])
        .output();
    let is_installed = is_available("ruby") && has_sinatra.is_ok_and(|output| output.status.success());
    if !is_installed && installed("sinatra", "sinatra").is_none() {
        return;
    }
    expect_good_receiver(&program(|_| {
        let mut command = Command::new("ruby");
        command.arg(source("sinatra/receiver.rb")).stderr(Stdio::null());
        command
    }));
}

#[test]
fn the_receiver_in_plain_php_is_a_good_one() {
    if !is_available("php") {
        return;
    }
    let php = |arguments: &[&str]| {
        let mut command = Command::new("php");
        command
            .args(arguments)
            .arg(source("plain-php/receiver.php"))
            .stderr(Stdio::null());
        command
    };
    expect_good_receiver(&Program {
        serve: Box::new(move |port| php(&["-S", &format!("127.0.0.1:{port}")])),
        work: Some(Box::new(move || php(&[]))),
    });
}

#[test]
fn the_receiver_with_spring_is_a_good_one() {
    let Some(folder) = installed("spring", "libs").filter(|_| is_available("java")) else {
        return;
    };
    let libraries = folder.join("libs/*");
    let classes = tempfile::tempdir().unwrap();
    let mut compile = Command::new("javac");
    compile.arg("-cp").arg(&libraries).arg("-d").arg(classes.path());
    assert!(
        compile
            .arg(source("spring/Receiver.java"))
            .status()
            .unwrap()
            .success()
    );
    let path = format!("{}:{}", libraries.display(), classes.path().display());
    expect_good_receiver(&program(move |_| {
        let mut command = Command::new("java");
        // Starting it is most of the test.
        command.args([
            "-XX:TieredStopAtLevel=1",
            "-Xshare:auto",
            "-cp",
            &path,
            "receiver.Receiver",
        ]);
        command
    }));
}

#[test]
fn the_receiver_with_axum_is_a_good_one() {
    expect_good_receiver(&program(|_| {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args([
            "--exact",
            "receivers::servers::the_axum_receiver",
            "--ignored",
            "--nocapture",
        ]);
        command
    }));
}

#[test]
#[ignore = "a server, for the test before"]
fn the_axum_receiver() {
    axum_receiver::main().unwrap();
}
