//! What a person reads and a script gets when a command fails.

use std::io::{BufRead, BufReader};

use super::fake_api::FakeApi;
use super::{piped, program, run, run_alone};
use crate::fleet::postgres::free_port;

const PROBLEM: &str = r#"{"type":"about:blank","title":"fields cannot be accepted","status":422,"code":"invalid_fields",
"detail":"name, url of the request cannot be accepted","advice":"correct the fields that errors names",
"errors":[{"field":"url","code":"invalid_url","detail":"the URL must begin with https://"}]}"#;

#[test]
fn a_refusal_is_told_with_sentence_code_fields_and_advice() {
    let api = FakeApi::answering(&[(422, PROBLEM)]);
    let run = run(&api, &["webhooks", "add", "--name", "x", "--receiver", "ftp://x"]);
    assert_eq!(run.code, Some(1), "{run:?}");
    assert_eq!(run.out, "");
    let expected = "error: name, url of the request cannot be accepted (invalid_fields)\n  \
                    url: the URL must begin with https://\ncorrect the fields that errors names\n";
    assert_eq!(run.err, expected);
}

#[test]
fn with_json_a_refusal_is_the_servers_own_problem() {
    let api = FakeApi::answering(&[(422, PROBLEM)]);
    let run = run(&api, &["--json", "webhooks", "list"]);
    assert_eq!((run.code, run.out.as_str()), (Some(1), ""));
    assert_eq!(run.err.trim_end(), PROBLEM);
}

#[test]
fn a_missing_key_and_a_missing_right_have_their_own_exit_code() {
    let api = FakeApi::answering(&[
        (401, r#"{"code":"unauthorized","detail":"no usable key"}"#),
        (
            403,
            r#"{"code":"forbidden","detail":"the key lacks webhooks:read","advice":"use another key"}"#,
        ),
    ]);
    let no_key = run(&api, &["webhooks", "list"]);
    let no_right = run(&api, &["webhooks", "list"]);
    assert_eq!((no_key.code, no_right.code), (Some(4), Some(4)));
    assert!(no_key.err.contains("OPSKNIGHT_API_KEY"), "{}", no_key.err);
    assert!(no_right.err.contains("use another key"), "{}", no_right.err);
}

#[test]
fn a_server_that_is_not_there_has_its_own_exit_code() {
    let url = format!("http://127.0.0.1:{}", free_port());
    let run = run_alone(&["services", "list", "--url", &url]);
    assert_eq!(run.code, Some(3), "{run:?}");
    assert!(run.err.contains(&format!("cannot reach {url}")), "{}", run.err);
    assert!(run.err.contains("is `opsknight serve` running?"), "{}", run.err);
}

#[test]
fn wrong_usage_has_its_own_exit_code() {
    assert_eq!(run_alone(&["services", "lsit"]).code, Some(2));
    assert_eq!(
        run_alone(&["services", "list", "--url", "localhost:8080"]).code,
        Some(2)
    );
    assert_eq!(run_alone(&["listen", "--fail", "tmieout"]).code, Some(2));
    assert_eq!(run_alone(&["deliveries", "--since", "yesterday"]).code, Some(2));
    assert_eq!(run_alone(&["--help"]).code, Some(0));
}

#[test]
fn serve_refuses_wrong_settings_before_it_starts() {
    let other = run_alone(&["serve", "--database", "mysql://localhost/x"]);
    assert_eq!(other.code, Some(2), "{other:?}");
    assert!(other.err.contains("postgres://"), "{}", other.err);
    let set = run_alone(&["serve", "--set", "limits.max_in_flight=none"]);
    assert!(set.err.contains("--set limits.max_in_flight"), "{}", set.err);
}

#[test]
fn an_address_that_is_no_opsknight_is_noticed() {
    let api = FakeApi::answering(&[(200, "<html>"), (502, "<html>"), (301, "")]);
    let runs = [(); 3].map(|()| run(&api, &["users", "list"]));
    assert_eq!(runs.each_ref().map(|run| run.code), [Some(1); 3]);
    assert!(runs.iter().all(|run| run.err.contains("--url")), "{runs:?}");
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let line = "{\"event\":\"incident.triggered\"}\n";
    let feed = line.repeat(50_000);
    let api = FakeApi::answering(&[(200, &feed)]);
    let mut command = program();
    command.args(["events", "--json", "--url", api.url()]);
    let mut child = piped(&mut command).spawn().unwrap();
    let mut first = String::new();
    BufReader::new(child.stdout.take().unwrap())
        .read_line(&mut first)
        .unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(first, line);
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(String::from_utf8(output.stderr).unwrap(), "");
}
