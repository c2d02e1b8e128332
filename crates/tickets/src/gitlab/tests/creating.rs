//! Making an issue, and finding one whose making got no answer.

use super::*;
use crate::forge::test_desk::{raw, silence, somebody};
use model::attempt::{Disposition, Outcome};
use model::exchange::{FailureCode, Reach};
use model::ticket::TicketPhase;

#[test]
fn a_triggered_incident_makes_an_issue() {
    let sample = DESK
        .stranger(EventName::Triggered)
        .with_option("labels", "incident,ops")
        .with_option("severityLabels", "critical = severity::1")
        .with_option("confidential", "on");
    let made = answer(201, &issue(&sample, "opened", &["opsknight"]));
    let played = DESK.play(sample, vec![raw(200, &[], DESK.me), made]);
    assert_eq!(
        played.paths(),
        ["GET /user".to_owned(), format!("POST {PROJECT}/issues")]
    );
    let body = played.body(1);
    assert_eq!(body["labels"], "opsknight,incident,ops,severity::1");
    assert_eq!(body["confidential"], true);
    let text = body["description"].as_str().unwrap();
    assert!(
        text.ends_with(&format!("<!-- opsknight:{} -->", marker(&played.after))),
        "{text}"
    );
    let ticket = played.after.ticket.as_ref().unwrap().ticket().unwrap();
    assert_eq!(
        (ticket.id.as_str(), ticket.key.as_str()),
        ("12", "acme/sre/operations#12")
    );
    assert_eq!(
        ticket.url,
        "https://gitlab.example/acme/sre/operations/-/issues/12"
    );
}

#[test]
fn a_user_is_looked_up_by_name_and_an_id_is_sent_at_once() {
    let sample = |account: &str| {
        let table = format!("Ada = {account}");
        somebody(super::sample(EventName::Triggered), "Ada", None).with_option("assignees", &table)
    };
    let mut given = issue(&sample("ada"), "opened", &[]);
    given["assignees"] = json!([{ "id": 31, "username": "ada" }]);
    let answers = vec![
        shown(&sample("ada"), "opened", &[]),
        answer(200, &json!([{ "id": 31, "username": "Ada" }])),
        answer(200, &given),
    ];
    let played = DESK.play(sample("ada"), answers);
    assert_eq!(played.requests[1], "GET /users?username=ada ");
    assert_eq!(played.body(2), json!({ "assignee_ids": [31] }));
    assert_eq!(played.last.outcome, Outcome::Delivered);
    let played = DESK.play(sample("31"), vec![answer(201, &given)]);
    assert_eq!(played.body(0)["assignee_ids"], json!([31]));
    let answers = vec![shown(&sample("eve"), "opened", &[]), answer(200, &json!([]))];
    let played = DESK.play(sample("eve"), answers);
    assert!(
        played.notes[1].contains("does not tell who eve is"),
        "{:?}",
        played.notes
    );
}

#[test]
fn an_issue_whose_making_got_no_answer_is_found_and_not_made_again() {
    let lost = DESK.play(sample(EventName::Triggered), vec![silence(Reach::MaybeSent)]);
    let mut moved = issue(&lost.after, "closed", &["opsknight"]);
    moved["moved_to_id"] = json!(99);
    moved["iid"] = json!(11);
    let listed = json!([moved, issue(&lost.after, "opened", &["opsknight"])]);
    let played = DESK.play(lost.after, vec![answer(200, &listed)]);
    let query = "labels=opsknight&state=all&order_by=created_at&sort=desc&per_page=20&page=1";
    assert_eq!(played.requests, [format!("GET {PROJECT}/issues?{query} ")]);
    assert_eq!(played.phase(), (TicketPhase::New, "open"));
}

#[test]
fn refusals_are_told_in_sentences() {
    use Disposition::{NeedsOperator, Permanent, RateLimited, VerifyFirst};
    let cases = [
        (
            refused(401, "401 Unauthorized"),
            FailureCode::SettingsRefused,
            NeedsOperator,
            "refuses the token",
        ),
        (
            refused(403, "403 Forbidden"),
            FailureCode::SettingsRefused,
            NeedsOperator,
            "may not create issues",
        ),
        (
            refused(404, "404 Project Not Found"),
            FailureCode::SettingsRefused,
            NeedsOperator,
            "hidden from this token",
        ),
        (
            refused(301, ""),
            FailureCode::Redirect,
            NeedsOperator,
            "renamed or moved",
        ),
        (
            answer(
                403,
                &json!({ "error": "insufficient_scope", "error_description": "more privileges" }),
            ),
            FailureCode::SettingsRefused,
            NeedsOperator,
            "too small a scope",
        ),
        (
            answer(
                400,
                &json!({ "message": { "title": ["is too long (maximum is 255 characters)"] } }),
            ),
            FailureCode::MessageRefused,
            Permanent,
            "GitLab refuses to create issues (400): title is too long (maximum is 255 characters)",
        ),
        (
            answer(400, &json!({ "error": "title is missing" })),
            FailureCode::MessageRefused,
            Permanent,
            "title is missing",
        ),
        (
            raw(
                429,
                &[("ratelimit-remaining", "0"), ("retry-after", "40")],
                "Retry later",
            ),
            FailureCode::RateLimited,
            RateLimited,
            "used up",
        ),
        (
            refused(409, "409 Conflict"),
            FailureCode::ClientError,
            VerifyFirst,
            "whether the ticket was made",
        ),
        (
            answer(404, &json!({ "error": "blocked" })),
            FailureCode::ClientError,
            VerifyFirst,
            "not as GitLab does",
        ),
    ];
    for (exchange, code, disposition, said) in cases {
        let played = DESK.play(sample(EventName::Triggered), vec![exchange]);
        assert_eq!(played.told(), (code, disposition), "{said}");
        assert!(played.detail().contains(said), "{}", played.detail());
    }
}

#[test]
fn an_issue_is_made_without_the_assignee_that_is_refused() {
    let sample = somebody(sample(EventName::Triggered), "Ada", None).with_option("assignees", "Ada = 31");
    let refusal = answer(400, &json!({ "message": { "assignee_ids": ["are invalid"] } }));
    let made = answer(201, &issue(&sample, "opened", &[]));
    let played = DESK.play(sample.clone(), vec![refusal, made, shown(&sample, "opened", &[])]);
    assert_eq!(played.body(1).get("assignee_ids"), None);
    assert_eq!(played.last.outcome, Outcome::Delivered);
}
