//! Making an issue, and finding one whose making got no answer.

use std::time::Duration;

use super::*;
use crate::forge::test_desk::{answer, intended, raw, silence, somebody};
use model::attempt::{Disposition, Outcome};
use model::exchange::{FailureCode, Reach};
use model::ticket::TicketPhase;

fn created(sample: &Sample) -> Exchange {
    answer(201, &issue(sample, "open", &["opsknight"]))
}

#[test]
fn a_triggered_incident_makes_an_issue_with_its_facts_its_labels_and_our_mark() {
    let mut sample = DESK
        .stranger(EventName::Triggered)
        .with_option("severityLabels", "critical = severity: critical")
        .with_option("labels", "incident, ops, opsknight-duplicate")
        .with_option("assignees", "Ada = ada");
    sample.links.incident = Some("https://ops.example/incidents/1".into());
    let sample = somebody(sample, "Ada", Some("It *hurts*.\n/close"));
    let mut made = issue(&sample, "open", &["opsknight"]);
    made["assignees"] = json!([{ "login": "ada", "id": 3 }]);
    let me = raw(200, &[], DESK.me);
    let played = DESK.play(sample, vec![me, answer(201, &made)]);
    assert_eq!(
        played.paths(),
        ["GET /user", "POST /repos/acme/operations/issues"]
    );
    assert_eq!(played.last.outcome, Outcome::Delivered);
    assert_eq!(played.phase(), (TicketPhase::New, "open"));
    let body = played.body(1);
    let text = body["body"].as_str().unwrap();
    assert!(
        text.starts_with("**Severity:** Critical  \n**Service:** "),
        "{text}"
    );
    assert!(
        text.contains("\n\nIt \\*hurts\\*.  \n\\/close\n\n[Open the incident"),
        "{text}"
    );
    assert!(text.contains("(<https://ops.example/incidents/1>)"), "{text}");
    assert!(
        text.ends_with(&format!("<!-- opsknight:{} -->", marker(&played.after))),
        "{text}"
    );
    assert_eq!(
        body["labels"],
        json!(["opsknight", "incident", "ops", "severity: critical"])
    );
    assert_eq!(body["assignees"], json!(["ada"]));
    let ticket = played.after.ticket.as_ref().unwrap().ticket().unwrap();
    assert_eq!(
        (ticket.id.as_str(), ticket.key.as_str(), ticket.url.as_str()),
        (
            "12",
            "acme/operations#12",
            "https://github.com/acme/operations/issues/12"
        )
    );
}

#[test]
fn an_issue_is_made_without_what_is_refused() {
    let sample = somebody(sample(EventName::Triggered), "Ada", None).with_option("assignees", "Ada = ada");
    let refusal = answer(
        422,
        &json!({ "message": "Validation Failed",
                 "errors": [{ "resource": "Issue", "field": "assignees", "code": "invalid", "value": "ada" }] }),
    );
    let unassigned = shown(&sample, "open", &[]);
    let played = DESK.play(sample.clone(), vec![refusal, created(&sample), unassigned]);
    assert_eq!(played.last.outcome, Outcome::Delivered);
    assert_eq!(played.body(1).get("assignees"), None);
    assert!(
        played
            .notes
            .iter()
            .any(|note| note.contains("was not assigned to ada")),
        "{:?}",
        played.notes
    );
}

#[test]
fn a_refusal_is_told_in_a_sentence() {
    let refusal = answer(
        422,
        &json!({ "message": "Validation Failed",
                 "errors": [{ "resource": "Issue", "field": "title", "code": "custom", "message": "title is too long" }] }),
    );
    let played = DESK.play(sample(EventName::Triggered), vec![refusal]);
    assert_eq!(
        played.told(),
        (FailureCode::MessageRefused, Disposition::Permanent)
    );
    assert_eq!(
        played.detail(),
        "GitHub refuses to create issues (422): Validation Failed; title: title is too long"
    );
}

fn unmarked(sample: &Sample) -> Value {
    let mut other = issue(sample, "open", &["opsknight"]);
    other["body"] = json!("<!-- opsknight:inc_other-abc -->");
    other
}

#[test]
fn an_issue_whose_making_got_no_answer_is_found_on_a_later_page_and_not_made_again() {
    let lost = DESK.play(sample(EventName::Triggered), vec![silence(Reach::MaybeSent)]);
    assert_eq!(lost.told().1, Disposition::VerifyFirst);
    let sample = lost.after;
    // Until the request is certainly over, only the latest are looked through.
    let full_page = ok(&json!(vec![unmarked(&sample); 20]));
    let early = DESK.play(sample.clone(), vec![full_page]);
    assert_eq!(
        early.told(),
        (FailureCode::TicketUnknown, Disposition::RateLimited)
    );
    let mut sample = sample;
    sample.now = sample.now.plus(Duration::from_secs(600));
    let full: Vec<Value> = vec![unmarked(&sample); 20];
    let mut forged = issue(&sample, "open", &["opsknight"]);
    forged["user"] = json!({ "login": "stranger", "id": 8 });
    forged["number"] = json!(11);
    let found = json!([forged, issue(&sample, "closed", &["opsknight"])]);
    let played = DESK.play(sample, vec![ok(&json!(full)), ok(&found)]);
    let paths = ["GET /repos/acme/operations/issues"; 2];
    assert_eq!(played.paths(), paths);
    assert!(
        played.requests[1]
            .contains("labels=opsknight&state=all&sort=created&direction=desc&per_page=20&page=2")
    );
    assert_eq!(played.last.outcome, Outcome::Delivered);
    assert_eq!(played.phase(), (TicketPhase::Done, "closed"));
}

#[test]
fn pages_end_where_issues_are_older_than_the_request() {
    let sample = intended(sample(EventName::Triggered), Duration::from_secs(600));
    let mut old = issue(&sample, "open", &["opsknight"]);
    old["body"] = json!("");
    old["created_at"] = json!("2024-01-10T10:30:00Z");
    let played = DESK.play(
        sample.clone(),
        vec![
            ok(&json!(vec![old.clone(); 20])),
            ok(&json!({})),
            ok(&json!(vec![old; 20])),
            created(&sample),
        ],
    );
    let paths = [
        "GET /repos/acme/operations/issues",
        "GET /repos/acme/operations",
        "GET /repos/acme/operations/issues",
        "POST /repos/acme/operations/issues",
    ];
    assert_eq!(played.paths(), paths);
}

#[test]
fn an_empty_list_is_believed_once_the_request_is_certainly_over() {
    let sample = intended(sample(EventName::Triggered), Duration::ZERO);
    let played = DESK.play(sample, vec![ok(&json!([]))]);
    assert_eq!(
        played.told(),
        (FailureCode::TicketUnknown, Disposition::RateLimited)
    );
}

#[test]
fn whom_a_refused_create_concerns_depends_on_what_was_refused() {
    use Disposition::{Backoff, NeedsOperator, RateLimited, VerifyFirst};
    use FailureCode::{ClientError, RateLimited as Limited, Redirect, ServerError, SettingsRefused};
    let hour = at().as_seconds() + 600;
    let reset = [
        ("x-ratelimit-remaining", "0"),
        ("x-ratelimit-reset", &hour.to_string()),
    ];
    let limit = r#"{"message":"API rate limit exceeded"}"#;
    let cases = [
        (refused(401, "Bad credentials"), SettingsRefused, NeedsOperator),
        (
            refused(403, "Resource not accessible by personal access token"),
            SettingsRefused,
            NeedsOperator,
        ),
        (refused(404, "Not Found"), SettingsRefused, NeedsOperator),
        (
            refused(410, "Issues are disabled for this repo"),
            SettingsRefused,
            NeedsOperator,
        ),
        (refused(307, "Moved Permanently"), Redirect, NeedsOperator),
        (raw(403, &reset, limit), Limited, RateLimited),
        (
            raw(403, &[("retry-after", "30")], r#"{"message":"secondary"}"#),
            Limited,
            RateLimited,
        ),
        (raw(429, &[], ""), Limited, RateLimited),
        (
            raw(
                422,
                &[],
                r#"{"message":"Validation Failed","errors":[{"resource":"Issue","code":"custom","message":"was submitted too quickly"}]}"#,
            ),
            Limited,
            RateLimited,
        ),
        (raw(403, &[], "<html>Blocked</html>"), ClientError, VerifyFirst),
        (refused(502, "Server Error"), ServerError, VerifyFirst),
        (silence(Reach::NotSent), FailureCode::ResponseTimeout, Backoff),
    ];
    for (exchange, code, disposition) in cases {
        let played = DESK.play(sample(EventName::Triggered), vec![exchange.clone()]);
        assert_eq!(played.told(), (code, disposition), "{exchange:?}");
    }
    let limited = |exchange| {
        DESK.play(sample(EventName::Triggered), vec![exchange])
            .last
            .pause
            .unwrap()
    };
    let pause = limited(raw(403, &reset, limit));
    assert_eq!(pause.wait, Duration::from_secs(600));
    assert_eq!(
        vec![pause.bucket],
        [ADAPTER.buckets(&sample(EventName::Triggered).target)[0]
            .key
            .clone()]
    );
    assert_eq!(limited(raw(403, &[], limit)).wait, Duration::from_secs(60));
}

#[test]
fn a_test_is_marked_as_one() {
    let mut sample = sample(EventName::Triggered);
    sample.event.is_test = true;
    let played = DESK.play(sample.clone(), vec![created(&sample)]);
    assert!(played.body(0)["title"].as_str().unwrap().starts_with("[Test] "));
    assert!(played.notes[0].contains("close it by hand"));
}

#[test]
fn texts_fit_whatever_comes_in() {
    let long = "x@#".repeat(100_000);
    let sample = somebody(
        sample(EventName::Triggered).about(|incident| incident.title = long.clone()),
        "Ada",
        Some(&long),
    );
    let played = DESK.play(sample.clone(), vec![created(&sample)]);
    let body = played.body(0);
    assert_eq!(body["title"].as_str().unwrap().chars().count(), 256);
    let text = body["body"].as_str().unwrap();
    assert!(text.len() < 65_536 && text.ends_with(&format!("{} -->", marker(&sample))));
}

#[test]
fn what_may_be_the_issue_is_never_made_again() {
    let told = |sample: &Sample, answers| DESK.play(sample.clone(), answers).told();
    let intended = intended(sample(EventName::Triggered), Duration::from_secs(600));
    let unknown = (FailureCode::TicketUnknown, Disposition::Permanent);
    // More issues since then than are looked through.
    let pages = vec![ok(&json!(vec![unmarked(&intended); 20])); 50];
    assert_eq!(told(&intended, pages), unknown);
    // Made by the account that this one was until lately.
    let mut before = issue(&intended, "open", &["opsknight"]);
    before["user"] = json!({ "login": "former", "id": 8 });
    assert_eq!(told(&intended, vec![ok(&json!([before]))]), unknown);
    // Made without the label that it is looked for by.
    let place = json!({ "permissions": { "pull": true, "push": false } });
    let answers = vec![ok(&json!([])), ok(&place)];
    assert_eq!(told(&intended, answers).1, Disposition::NeedsOperator);
}
