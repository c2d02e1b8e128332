//! Limits, breakdowns and answers that are not Jira's.

use std::time::Duration;

use super::*;

fn linked_sample() -> Sample {
    linked(sample(EventName::Triggered), TicketPhase::New)
}

fn limit(headers: &[(&'static str, &str)]) -> (Option<Duration>, Option<Duration>) {
    let played = play(linked_sample(), vec![raw(429, headers, "")]);
    assert_eq!(
        played.told(),
        (FailureCode::RateLimited, Disposition::RateLimited)
    );
    let wait = played.last.outcome.failure().unwrap().retry_after;
    (wait, played.last.pause.map(|pause| pause.wait))
}

#[test]
fn limits_are_waited_for_as_long_as_jira_says_and_by_whom_they_concern() {
    let seconds = |count| Some(Duration::from_secs(count));
    let burst = [("retry-after", "5"), ("ratelimit-reason", "jira-burst-based")];
    assert_eq!(limit(&burst), (seconds(5), seconds(5)));
    let issue = [
        ("retry-after", "2"),
        ("ratelimit-reason", "jira-per-issue-on-write"),
    ];
    assert_eq!(limit(&issue), (seconds(2), None));
    let reset = [
        ("x-ratelimit-reset", "2024-01-15T10:45:00Z"),
        ("ratelimit-reason", "jira-quota-tenant-based"),
    ];
    assert_eq!(limit(&reset), (seconds(900), seconds(900)));
    assert_eq!(
        limit(&[("x-ratelimit-interval-seconds", "60")]),
        (seconds(60), seconds(60))
    );
    assert_eq!(limit(&[]), (None, seconds(30)));
    assert_eq!(
        limit(&[("x-ratelimit-reset", "2020-01-01T00:00:00Z")]),
        (None, seconds(30))
    );
}

#[test]
fn a_pause_names_a_bucket_of_the_webhook_that_holds_no_secret() {
    let sample = linked_sample();
    let played = play(sample.clone(), vec![raw(429, &[], "")]);
    let buckets = JIRA.buckets(&sample.target);
    assert_eq!(played.last.pause.unwrap().bucket, buckets[0].key);
    assert!(buckets[0].key.starts_with("jira:example.atlassian.net"));
    assert!(!buckets[0].key.contains("ops@example.com") && buckets[0].rate.is_none());
    let other = sample.with_option("account", "other@example.com");
    assert_ne!(JIRA.buckets(&other.target)[0].key, buckets[0].key);
}

#[test]
fn a_breakdown_is_tried_again_and_waited_for_if_jira_says_how_long() {
    let failed = play(linked_sample(), vec![raw(500, &[], "<html>")]);
    assert_eq!(failed.told(), (FailureCode::ServerError, Disposition::Backoff));
    let away = play(linked_sample(), vec![raw(503, &[("retry-after", "20")], "")]);
    assert_eq!(away.told(), (FailureCode::ServerError, Disposition::RateLimited));
    let silent = play(linked_sample(), vec![silence(FailureCode::ResponseTimeout)]);
    assert_eq!(
        silent.told(),
        (FailureCode::ResponseTimeout, Disposition::Backoff)
    );
}

#[test]
fn a_captcha_is_named() {
    let headers = [("x-authentication-denied-reason", "CAPTCHA_CHALLENGE; login-url=x")];
    let played = play(linked_sample(), vec![raw(403, &headers, "")]);
    assert_eq!(
        played.told(),
        (FailureCode::SettingsRefused, Disposition::NeedsOperator)
    );
    assert!(played.detail().contains("sign in as it once in a browser"));
}

#[test]
fn answers_that_are_not_jiras_are_told_as_such() {
    let bodies = [
        "",
        "<html>Sign in</html>",
        "null",
        "[]",
        "{}",
        "{\"id\":5,\"key\":\"<x>-1\"}",
    ];
    let told = bodies.map(|body| play(linked_sample(), vec![raw(200, &[], body)]).told());
    assert_eq!(told, [(FailureCode::ResponseInvalid, Disposition::Backoff); 6]);
}

#[test]
fn a_body_that_never_ends_fails_after_two_looks() {
    let endless = || cut_short(200, &"[".repeat(300_000));
    let played = play(linked_sample(), vec![endless(), endless()]);
    assert_eq!(
        played.told(),
        (FailureCode::ResponseInvalid, Disposition::Backoff)
    );
}

#[test]
fn huge_words_are_cut() {
    let long = "x".repeat(100_000);
    let errors = json!({ "errorMessages": vec![long.clone(); 50], "errors": { long.clone(): long } });
    let played = play(sample(EventName::Triggered), vec![answer(400, &errors)]);
    assert!(played.detail().len() < 500);
    let mut read = issue("To Do", &[]);
    read["fields"]["status"]["name"] = json!(format!("\u{202e}{long}"));
    read["fields"]["status"]["id"] = json!("9".repeat(500));
    let played = play(linked_sample(), vec![answer(200, &read)]);
    assert_eq!(phase(&played).1.chars().count(), 80);
}

#[test]
fn a_crowd_of_hostile_fields_still_fits() {
    let named = |index: usize| {
        (
            format!("customfield_{index}_{}", "x".repeat(40)),
            json!({ "required": true }),
        )
    };
    let fields: serde_json::Map<String, Value> = (0..10).map(named).collect();
    let table = fields
        .keys()
        .map(|field| format!("{field} = y\n"))
        .collect::<String>();
    let mut done = to("31", "Done");
    done["fields"] = Value::Object(fields);
    let sample =
        linked(sample(EventName::Resolved), TicketPhase::New).with_option("transitionFields", &table);
    let answers = vec![
        answer(200, &issue("To Do", &[done])),
        nothing(),
        answer(200, &issue("Done", &[])),
    ];
    let played = play(sample, answers);
    assert_eq!(played.body(1)["fields"].as_object().unwrap().len(), 10);
}

#[test]
fn a_failure_on_the_way_has_the_ticket_read_again() {
    let sample = linked(with_page(sample(EventName::Triggered)), TicketPhase::New);
    let read = || answer(200, &issue("To Do", &[]));
    let failed = play(sample, vec![read(), raw(500, &[], "")]);
    assert_eq!(failed.told(), (FailureCode::ServerError, Disposition::Backoff));
    let again = play(failed.after, vec![read(), answer(200, &json!({}))]);
    assert_eq!(
        again.paths(),
        ["GET /issue/10012", "POST /issue/10012/remotelink"]
    );
}
