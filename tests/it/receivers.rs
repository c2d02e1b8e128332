//! The receivers' snippets in docs/receivers, run in their own languages against signatures made here.
//!
//! A language that this machine lacks is reported and left out; in CI it fails the test, unless `check` has said
//! in `CHECK_MISSING_LANGUAGES` that it could not be installed.

mod servers;

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

#[path = "../../docs/receivers/rust/verify.rs"]
#[allow(
    dead_code,
    clippy::print_stdout,
    reason = "its command form is for people who copy the file"
)]
mod verify;

const BODY: &str = r#"{"event":"incident.triggered","incident":{"id":"inc_abc123","assignee":null}}"#;
const UNICODE_BODY: &str =
    r#"{"event":"incident.resolved","incident":{"title":"Größe überschritten – 数据库 🔥"}}"#;
const SECRET: &str = "whsec_dGhlIHRleHQgaXRzZWxmIGlzIHRoZSBrZXk=";
const UNICODE_SECRET: &str = "pässwörd-秘密-🔑 with spaces";
const OLD_SECRET: &str = "the secret before the rotation";

/// What a snippet is given, and its verdict if it is right.
struct Case {
    body: &'static str,
    signature: String,
    secret: &'static str,
    previous_signature: Option<String>,
    expected: &'static str,
}

impl Case {
    fn new(body: &'static str, signature: String, secret: &'static str, expected: &'static str) -> Self {
        Self {
            body,
            signature,
            secret,
            previous_signature: None,
            expected,
        }
    }

    fn with_previous(self, signature: String) -> Self {
        Self {
            previous_signature: Some(signature),
            ..self
        }
    }
}

fn sign(body: &str, secret: &str) -> String {
    let mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
    let tag = mac.chain_update(body.as_bytes()).finalize().into_bytes();
    format!("sha256={}", hex::encode(tag))
}

/// What every snippet must judge rightly, the short one of the document included.
fn plain_cases() -> Vec<Case> {
    vec![
        Case::new(BODY, sign(BODY, SECRET), SECRET, "valid"),
        Case::new(
            UNICODE_BODY,
            sign(UNICODE_BODY, UNICODE_SECRET),
            UNICODE_SECRET,
            "valid",
        ),
        Case::new(
            UNICODE_BODY,
            sign(BODY, UNICODE_SECRET),
            UNICODE_SECRET,
            "invalid",
        ),
        Case::new(BODY, sign(BODY, "another secret"), SECRET, "invalid"),
        Case::new(BODY, "sha256=größer".to_owned(), SECRET, "invalid"),
        Case::new(BODY, String::new(), SECRET, "invalid"),
    ]
}

/// What a request carries while the secret is being rotated.
fn rotation_cases() -> Vec<Case> {
    let rotating = |secret, expected| {
        Case::new(BODY, sign(BODY, SECRET), secret, expected).with_previous(sign(BODY, OLD_SECRET))
    };
    vec![
        rotating(SECRET, "valid"),
        rotating(OLD_SECRET, "valid"),
        rotating("neither", "invalid"),
    ]
}

fn all_cases() -> Vec<Case> {
    plain_cases().into_iter().chain(rotation_cases()).collect()
}

/// Runs a snippet for each case; every verdict must be the expected one, in words and as the exit code.
fn expect_verdicts(command_line: &[&str], cases: &[Case]) {
    if !is_available(command_line[0]) {
        return;
    }
    let expected: Vec<_> = cases
        .iter()
        .map(|case| (case.expected.to_owned(), i32::from(case.expected == "invalid")))
        .collect();
    let verdicts: Vec<_> = cases.iter().map(|case| verdict(command_line, case)).collect();
    assert_eq!(verdicts, expected, "verdicts of {command_line:?}");
}

/// What the snippet prints (its complaint if it gives no verdict), and its exit code.
fn verdict(command_line: &[&str], case: &Case) -> (String, i32) {
    let mut child = Command::new(command_line[0])
        .args(&command_line[1..])
        .args([case.signature.as_str(), case.secret])
        .args(&case.previous_signature)
        .current_dir(Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../..")).join("docs/receivers"))
        // Java reads its arguments in the locale's encoding.
        .env("LC_ALL", "C.UTF-8")
        .env("GOFLAGS", "-mod=mod -buildvcs=false")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // A snippet may decide before it has read everything; its verdict is what counts.
    let _ = child.stdin.take().unwrap().write_all(case.body.as_bytes());
    let output = child.wait_with_output().unwrap();
    // A snippet that breaks says why; `go run` also repeats the exit code there.
    let printed = if output.stdout.is_empty() {
        output.stderr
    } else {
        output.stdout
    };
    let printed = String::from_utf8(printed).unwrap();
    (printed.trim().to_owned(), output.status.code().unwrap())
}

fn is_available(program: &str) -> bool {
    let argument = if program == "go" { "version" } else { "--version" };
    let is_found = Command::new(program)
        .arg(argument)
        .output()
        .is_ok_and(|output| output.status.success());
    let is_excused = std::env::var("CHECK_MISSING_LANGUAGES")
        .is_ok_and(|programs| programs.split_whitespace().any(|missing| missing == program));
    let is_ci = std::env::var("CI").is_ok_and(|value| value == "true");
    assert!(
        is_found || is_excused || !is_ci,
        "{program} is missing: ./check installs it where it can"
    );
    if !is_found {
        // Past the test harness, which would swallow it.
        let _ = writeln!(
            std::io::stderr(),
            "MISSING: {program}: its receiver snippet was not checked"
        );
    }
    is_found
}

#[test]
fn the_javascript_of_the_document_judges_our_signatures() {
    expect_verdicts(&["node", "javascript/verify.js"], &plain_cases());
}

#[test]
fn the_constant_time_javascript_judges_our_signatures() {
    expect_verdicts(&["node", "javascript/verify-constant-time.js"], &all_cases());
}

#[test]
fn the_python_snippet_judges_our_signatures() {
    expect_verdicts(&["python3", "python/verify.py"], &all_cases());
}

#[test]
fn the_go_snippet_judges_our_signatures() {
    expect_verdicts(&["go", "run", "go/verify.go"], &all_cases());
}

#[test]
fn the_ruby_snippet_judges_our_signatures() {
    expect_verdicts(&["ruby", "ruby/verify.rb"], &all_cases());
}

#[test]
fn the_php_snippet_judges_our_signatures() {
    expect_verdicts(&["php", "php/verify.php"], &all_cases());
}

#[test]
fn the_java_snippet_judges_our_signatures() {
    expect_verdicts(&["java", "java/Verify.java"], &all_cases());
}

#[test]
fn the_rust_snippet_judges_our_signatures() {
    let cases = all_cases();
    let verdict = |case: &Case| {
        let previous = case.previous_signature.as_deref().unwrap_or("");
        verify::verify_request(case.body.as_bytes(), &case.signature, previous, case.secret)
    };
    let verdicts: Vec<_> = cases.iter().map(verdict).collect();
    let expected: Vec<_> = cases.iter().map(|case| case.expected == "valid").collect();
    assert_eq!(verdicts, expected);
}

#[test]
fn a_broken_snippet_would_be_noticed() {
    let case = Case::new(BODY, sign(BODY, "another secret"), SECRET, "invalid");
    assert_eq!(verdict(&["true"], &case), (String::new(), 0));
    assert_eq!(verdict(&["false"], &case), (String::new(), 1));
}
