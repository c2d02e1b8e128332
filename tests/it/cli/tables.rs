//! How answers look: tables in 80 columns, exchanges in the manner of `listen`, colours on a terminal only.

use std::process::Command;

use serde_json::json;

use super::fake_api::FakeApi;
use super::{Run, run};

const DELIVERY: &str = "dlv_0190b6c88f3e7d2a8e4c5f6a7b8c9d04";
const WEBHOOK: &str = "whk_0190b6c88f3e7d2a8e4c5f6a7b8c9d05";

fn deliveries() -> String {
    let delivery = json!({
        "id": DELIVERY, "status": "delivered", "event": "incident.acknowledged", "attemptsMade": 1,
        "webhook": { "id": WEBHOOK, "name": "The pager of the people who are on call" },
        "incident": { "id": "inc_0190b6c88f3e7d2a8e4c5f6a7b8c9d06" }, "createdAt": "2026-01-05T12:00:00.000Z",
    });
    json!({ "items": [delivery], "nextCursor": null }).to_string()
}

fn shown() -> String {
    json!({
        "id": DELIVERY, "status": "dead", "body": r#"{"event":"incident.triggered"}"#,
        "attempts": [{
            "number": 1, "startedAt": "2026-01-05T12:00:00.000Z", "outcome": "failed", "status": 500, "note": null,
            "failure": { "code": "server_error", "detail": "it answered 500", "advice": "look into its log" },
            "timings": { "dnsMs": null, "connectMs": 0.4, "tlsMs": null, "firstByteMs": 3.5, "totalMs": 4.2 },
            "remoteAddress": "127.0.0.1:9000",
            "request": { "line": "POST /in HTTP/1.1", "body": null, "headers": [{ "name": "host", "value": "x" }] },
            "response": { "headers": [{ "name": "server", "value": "x" }], "body": "no\u{1b}[2J", "bodyIsBase64": false,
                "bodyIsTruncated": true },
        }],
    })
    .to_string()
}

/// Runs the program on a terminal of its own, with these variables.
fn run_on_terminal(api: &FakeApi, arguments: &str, variables: &[(&str, &str)]) -> Run {
    let program = env!("CARGO_BIN_EXE_opsknight");
    let mut command = Command::new("script");
    let line = format!("stty columns 200; exec {program} {arguments}");
    command.args(["--quiet", "--return", "--command", &line, "/dev/null"]);
    command
        .env("OPSKNIGHT_URL", api.url())
        .env("OPSKNIGHT_API_KEY", "ok_test")
        .env("TERM", "xterm")
        .env_remove("NO_COLOR");
    command.envs(variables.iter().copied());
    command.output().unwrap().into()
}

#[test]
fn tables_fit_80_columns_and_no_id_is_broken() {
    let page = deliveries();
    let api = FakeApi::answering(&[(200, &page), (200, &page)]);
    let piped = run(&api, &["deliveries"]);
    let widest = piped.out.lines().map(|line| line.chars().count()).max();
    assert!(widest <= Some(80), "{}", piped.out);
    for whole in [DELIVERY, "delivered", "acknowledged", "AGE"] {
        assert!(piped.out.contains(whole), "{whole}: {}", piped.out);
    }
    let wide = run_on_terminal(&api, "deliveries", &[]);
    assert!(
        wide.out.contains("inc_0190b6c88f3e7d2a8e4c5f6a7b8c9d06"),
        "{}",
        wide.out
    );
}

#[test]
fn a_delivery_shows_what_was_sent_and_what_came_back() {
    let answer = shown();
    let api = FakeApi::answering(&[(200, &answer)]);
    let run = run(&api, &["deliveries", DELIVERY]);
    let expected = "attempt 1  2026-01-05T12:00:00.000Z  failed: server_error  4.2 ms (connect 0.4, first byte 3.5, to 127.0.0.1:9000)
  it answered 500
  look into its log
  > POST /in HTTP/1.1
  > host: x
  >
  > {
  >   \"event\": \"incident.triggered\"
  > }
  < 500
  < server: x
  <
  < no\u{fffd}[2J
  < (cut off here)\n";
    assert!(run.out.ends_with(expected), "{}", run.out);
}

#[test]
fn colours_are_for_terminals_that_want_them() {
    let answer = shown();
    let api = FakeApi::answering(&[(200, &answer), (200, &answer), (200, &answer)]);
    let line = format!("deliveries {DELIVERY}");
    let coloured = run_on_terminal(&api, &line, &[]);
    assert!(
        coloured.out.contains("\u{1b}[31mfailed: server_error\u{1b}[0m"),
        "{coloured:?}"
    );
    for variable in [("NO_COLOR", "1"), ("TERM", "dumb")] {
        let plain = run_on_terminal(&api, &line, &[variable]);
        assert!(plain.out.contains("failed: server_error"), "{plain:?}");
        assert!(!plain.out.contains('\u{1b}'), "{plain:?}");
    }
}

#[test]
fn the_beginning_of_an_id_is_enough() {
    let page = deliveries();
    let webhooks = json!({ "items": [{ "id": WEBHOOK, "name": "Pager" }], "nextCursor": null }).to_string();
    let answers = [
        (200, page.as_str()),
        (200, "{}"),
        (200, webhooks.as_str()),
        (200, "{}"),
    ];
    let api = FakeApi::answering(&answers);
    run(&api, &["deliveries", "dlv_0190b6c88f3"]);
    run(&api, &["webhooks", "show", "whk_0190b6"]);
    let lines = [
        "GET /api/v1/deliveries?since=2024-07-15T14%3A25%3A15.568Z&until=2024-07-15T14%3A25%3A15.584Z&limit=200",
        &format!("GET /api/v1/deliveries/{DELIVERY}"),
        "GET /api/v1/webhooks?limit=200",
        &format!("GET /api/v1/webhooks/{WEBHOOK}"),
    ];
    assert_eq!(api.lines(), lines);
}

#[test]
fn a_beginning_that_several_ids_share_is_refused() {
    let page = json!({ "items": [{ "id": "dlv_0190b6c88f3e71" }, { "id": "dlv_0190b6c88f3e72" }], "nextCursor": null });
    let page = page.to_string();
    let api = FakeApi::answering(&[(200, &page)]);
    let several = run(&api, &["deliveries", "dlv_0190b6c88f3e7"]);
    let short = run(&api, &["deliveries", "dlv_0190"]);
    for refused in [&several, &short] {
        assert_eq!(refused.code, Some(1), "{refused:?}");
        assert!(refused.err.contains("write more of its id"), "{}", refused.err);
    }
    assert_eq!(api.lines().len(), 1);
}
