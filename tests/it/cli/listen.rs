//! `opsknight listen` under real requests: what it prints, what it verifies, how it misbehaves.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::Child;

use model::secret::SecretText;
use outbound::signature::{SigningSecrets, sign};
use serde_json::Value;

use super::{piped, program};

const BODY: &str = r#"{"event":"incident.triggered","incident":{"title":"Down"}}"#;

/// A running `listen --json`, on a port of its own.
struct Listen {
    child: Child,
    address: String,
}

impl Listen {
    fn start(arguments: &[&str]) -> Self {
        let mut command = program();
        command.args(["listen", "--json", "--port", "0"]).args(arguments);
        let mut child = piped(&mut command).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stderr.as_mut().unwrap())
            .read_line(&mut line)
            .unwrap();
        let address = line
            .trim()
            .trim_start_matches("http://")
            .trim_end_matches('/')
            .to_owned();
        Self { child, address }
    }

    fn connect(&self) -> TcpStream {
        TcpStream::connect(&self.address).unwrap()
    }

    /// Sends a request and reads whatever comes back until the connection ends.
    fn exchange(&self, headers: &str) -> std::io::Result<String> {
        let mut stream = self.connect();
        write_request(&mut stream, headers);
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer)?;
        Ok(String::from_utf8_lossy(&answer).into_owned())
    }

    /// What it printed, once it has ended by itself.
    fn reports(self) -> Vec<Value> {
        let output = self.child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(0));
        let text = String::from_utf8(output.stdout).unwrap();
        text.lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }
}

fn write_request(stream: &mut TcpStream, headers: &str) {
    let length = BODY.len();
    let request = format!(
        "POST /in HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: {length}\r\n{headers}\r\n{BODY}"
    );
    stream.write_all(request.as_bytes()).unwrap();
}

fn signed(current: &str, previous: Option<&str>, seconds: i64) -> String {
    let secrets = SigningSecrets {
        current: SecretText::new(current),
        previous: previous.map(SecretText::new),
    };
    let headers = sign(&secrets, "dlv_1", seconds, BODY.as_bytes());
    let lines = headers
        .iter()
        .map(|(name, value)| format!("{name}: {}\r\n", value.to_str().unwrap()));
    lines.collect()
}

fn now_seconds() -> i64 {
    use clock::{Clock, SystemClock};
    SystemClock.now().as_seconds()
}

#[test]
fn each_request_is_printed_with_what_matters() {
    let listen = Listen::start(&["--count", "1"]);
    let headers =
        "x-opsknight-event: incident.triggered\r\nx-opsknight-delivery: dlv_1\r\nx-opsknight-attempt: 2\r\n";
    let answer = listen.exchange(headers).unwrap();
    let report = &listen.reports()[0];
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    let shown = ["event", "delivery", "target", "signature"].map(|name| report[name].as_str());
    assert_eq!(
        shown,
        [Some("incident.triggered"), Some("dlv_1"), Some("/in"), None]
    );
    assert_eq!(report["attempt"], 2);
    assert_eq!(report["body"]["incident"]["title"], "Down");
}

#[test]
fn people_read_words_and_a_stranger_cannot_steer_their_terminal() {
    let mut command = program();
    command.args(["listen", "--port", "0", "--count", "1"]);
    let mut child = piped(&mut command).spawn().unwrap();
    let mut out = BufReader::new(child.stdout.take().unwrap());
    let mut first = String::new();
    out.read_line(&mut first).unwrap();
    let address = first.split("http://").nth(1).unwrap().split('/').next().unwrap();
    let mut stream = TcpStream::connect(address).unwrap();
    let request = "POST / HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: 6\r\n\r\n\u{1b}[2Jhi";
    stream.write_all(request.as_bytes()).unwrap();
    let mut rest = String::new();
    out.read_to_string(&mut rest).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(0));
    assert!(
        rest.contains("POST /") && rest.contains("[2Jhi") && !rest.contains('\u{1b}'),
        "{rest:?}"
    );
}

#[test]
fn signatures_are_verified_by_the_secret_and_during_a_rotation_by_the_previous_one() {
    let listen = Listen::start(&["--count", "5", "--secret", "old"]);
    let now = now_seconds();
    let requests = [
        signed("old", None, now),
        signed("new", Some("old"), now),
        signed("new", None, now),
        signed("old", None, now - 3600),
        String::new(),
    ];
    requests.iter().for_each(|headers| {
        listen.exchange(headers).unwrap();
    });
    let reports = listen.reports();
    let verdicts = |name: &str| -> Vec<String> {
        reports
            .iter()
            .map(|report| report[name].as_str().unwrap().to_owned())
            .collect()
    };
    let previous = "verified by the previous secret";
    assert_eq!(
        verdicts("signature"),
        ["verified", previous, "WRONG", "verified", "missing"]
    );
    let stale = "fits, but its time is more than 5 minutes off";
    assert_eq!(
        verdicts("standardSignature"),
        ["verified", "verified", "WRONG", stale, "missing"]
    );
}

#[test]
fn the_list_of_faults_is_worked_off_and_then_all_is_well() {
    let listen = Listen::start(&["--count", "5", "--fail", "503,410,204,redirect"]);
    let answers = [(); 5].map(|()| listen.exchange("").unwrap());
    let statuses = answers.each_ref().map(|answer| answer[9..12].to_owned());
    assert_eq!(statuses, ["503", "410", "204", "302", "200"]);
    assert!(answers[3].contains("location: /redirected"), "{}", answers[3]);
    assert_eq!(listen.reports().len(), 5);
}

#[test]
fn close_ends_the_connection_and_reset_breaks_it() {
    let listen = Listen::start(&["--count", "2", "--fail", "close,reset"]);
    let closed = listen.exchange("");
    let reset = listen.exchange("");
    assert_eq!(closed.unwrap(), "");
    assert_eq!(reset.unwrap_err().kind(), std::io::ErrorKind::ConnectionReset);
    assert_eq!(listen.reports()[1]["answer"], "reset");
}

#[test]
fn garbage_is_no_http() {
    let listen = Listen::start(&["--count", "1", "--fail", "garbage"]);
    let answer = listen.exchange("").unwrap();
    assert!(
        answer.contains("this is not HTTP") && !answer.contains("HTTP/1.1"),
        "{answer:?}"
    );
    assert_eq!(listen.reports()[0]["answer"], "garbage");
}

#[test]
fn timeout_keeps_the_connection_open_until_the_sender_hangs_up() {
    let listen = Listen::start(&["--count", "1", "--fail", "timeout"]);
    let mut stream = listen.connect();
    write_request(&mut stream, "");
    stream.shutdown(std::net::Shutdown::Write).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    assert_eq!(answer, b"");
    assert_eq!(listen.reports()[0]["answer"], "timeout");
}

#[test]
fn drip_sends_byte_by_byte_and_slow_answers_in_the_end() {
    let listen = Listen::start(&["--count", "2", "--fail", "drip,slow"]);
    let mut dripping = listen.connect();
    write_request(&mut dripping, "");
    let mut first = [0; 8];
    let bytes = dripping.read(&mut first).unwrap();
    drop(dripping);
    let slow = listen.exchange("").unwrap();
    assert_eq!(&first[..bytes], b"H");
    assert!(slow.starts_with("HTTP/1.1 200"), "{slow}");
    assert_eq!(listen.reports().len(), 2);
}

#[test]
fn a_platform_is_simulated_with_its_rules_its_faults_and_its_messages() {
    let listen = Listen::start(&["--as", "discord", "--count", "3", "--fail", "unknown_webhook"]);
    let (host, path) = listen.address.split_once('/').unwrap();
    let ask = |body: &str| {
        let mut stream = TcpStream::connect(host).unwrap();
        let request = format!(
            "POST /{path}?wait=true HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-type: application/json\r\n\
             user-agent: DiscordBot (https://example.com, 1)\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    };
    assert!(ask(r#"{"content":"one"}"#).contains("10015"));
    assert!(ask(r#"{"content":"two"}"#).starts_with("HTTP/1.1 200"));
    assert!(ask(r#"{"content":""}"#).starts_with("HTTP/1.1 400"));
    let reports = listen.reports();
    assert_eq!(reports[1]["shown"], "two");
    assert_eq!(reports[2]["answer"], "400");
}

#[test]
fn a_fault_that_the_platform_does_not_know_is_refused_with_those_that_it_knows() {
    let output = piped(program().args(["listen", "--as", "discord", "--fail", "bad_key"]))
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        !output.status.success() && said.contains("message_deleted"),
        "{said}"
    );
}
