//! *Check connection*, settings, and where requests go.

use super::*;
use crate::forge::Vendor;
use crate::forge::test_desk::raw;
use crate::github::GitHub;
use destination::ticketing::FindingState;
use url::Url;

fn repository(permissions: &Value) -> Exchange {
    ok(
        &json!({ "full_name": "acme/operations", "has_issues": true, "archived": false, "permissions": permissions }),
    )
}

fn me() -> Exchange {
    raw(200, &[], DESK.me)
}

#[test]
fn a_good_connection_is_told_part_by_part() {
    let sample = sample(EventName::Triggered).with_option("assignees", "Ada = ada\nBob = bob");
    let may = repository(&json!({ "push": false, "triage": true }));
    let people = ok(&json!([{ "login": "Ada", "id": 3 }]));
    let (requests, findings) = DESK.findings(&sample, &[me(), may, ok(&json!([])), people]);
    assert_eq!(requests.len(), 4);
    use FindingState::{Bad, Good, Unsure};
    let states: Vec<_> = findings.iter().map(|finding| finding.state).collect();
    assert_eq!(
        states,
        [Good, Good, Good, Good, Good, Bad, Unsure],
        "{findings:#?}"
    );
    assert!(findings[0].sentence.contains("opsknight-bot") && findings[5].sentence.contains("bob"));
}

#[test]
fn what_is_missing_is_named() {
    let sample = sample(EventName::Triggered);
    let bad = |answers: &[Exchange]| {
        let (_, findings) = DESK.findings(&sample, answers);
        let bad = findings
            .into_iter()
            .filter(|finding| finding.state == FindingState::Bad);
        bad.map(|finding| finding.sentence).collect::<Vec<_>>().join("\n")
    };
    assert!(bad(&[refused(401, "Bad credentials")]).contains("refuses the token"));
    assert!(bad(&[me(), refused(404, "Not Found")]).contains("hidden from this token"));
    let may_not = repository(&json!({ "triage": false, "pull": true }));
    assert!(bad(&[me(), may_not, ok(&json!([]))]).contains("Triage or Write"));
    let off =
        ok(&json!({ "full_name": "acme/ops2", "has_issues": false, "archived": true, "permissions": {} }));
    let said = bad(&[me(), off, refused(410, "Issues are disabled for this repo")]);
    assert!(
        said.contains("acme/ops2 now") && said.contains("archived") && said.contains("switched off"),
        "{said}"
    );
    let scopes = raw(200, &[("x-oauth-scopes", "gist, read:user")], DESK.me);
    assert!(bad(&[scopes, repository(&json!({ "push": true })), ok(&json!([]))]).contains("scope repo"));
}

#[test]
fn the_token_of_an_app_works_without_a_user() {
    let answer = refused(403, "Resource not accessible by integration");
    let mut sample = DESK.stranger(EventName::Triggered);
    let made = crate::forge::test_desk::answer(201, &issue(&sample, "open", &[]));
    let played = DESK.play(sample.clone(), vec![answer, made.clone()]);
    assert_eq!(played.paths()[1], "POST /repos/acme/operations/issues");
    sample.target = played.after.target;
    assert_eq!(
        DESK.play(sample.clone(), vec![made]).requests.len(),
        1,
        "it is asked once"
    );
    let other = sample.with_secret("token", "another");
    let answers = vec![
        me(),
        crate::forge::test_desk::answer(201, &issue(&other, "open", &[])),
    ];
    assert_eq!(DESK.play(other, answers).paths()[0], "GET /user");
}

#[test]
fn requests_go_to_the_api_of_the_page() {
    let cases = [
        ("https://github.com/acme/operations", "https://api.github.com/"),
        (
            "https://ghe.example/acme/operations/",
            "https://ghe.example/api/v3",
        ),
        (
            "https://acme.ghe.com/acme/operations",
            "https://api.acme.ghe.com/",
        ),
        (
            "http://127.0.0.1:4711/acme/operations",
            "http://127.0.0.1:4711/api/v3",
        ),
    ];
    for (page, api) in cases {
        let mut sample = sample(EventName::Triggered);
        sample.target.url = Url::parse(page).unwrap();
        assert_eq!(DESK.problems(&sample), []);
        let built = GitHub
            .place(&sample.target)
            .signed(GitHub.forge(), &sample.target)
            .unwrap();
        assert_eq!(built.root.as_str(), api);
        assert!(built.headers["authorization"].is_sensitive());
    }
    let wrong = [
        "https://github.com/",
        "https://github.com/acme",
        "https://github.com/acme/operations.git",
        "https://github.com/acme/operations/issues",
        "https://api.github.com/acme/operations",
        "https://github.com/acme/operations?tab=readme",
        "https://github.com/acme/oper%20ations",
    ];
    for page in wrong {
        let mut sample = sample(EventName::Triggered);
        sample.target.url = Url::parse(page).unwrap();
        assert_eq!(
            DESK.problems(&sample).first().map(|problem| problem.0),
            Some("url"),
            "{page}"
        );
    }
}

#[test]
fn settings_that_cannot_work_are_told() {
    let sample = sample(EventName::Triggered)
        .with_secret("token", " ")
        .with_option("acknowledgedLabel", "opsknight")
        .with_option("severityLabels", "grave = x\ncritical = a,b")
        .with_option("assignees", "Ada");
    let fields: Vec<_> = DESK
        .problems(&sample)
        .into_iter()
        .map(|(field, _)| field)
        .collect();
    assert_eq!(
        fields,
        [
            "token",
            "severityLabels",
            "assignees",
            "severityLabels",
            "acknowledgedLabel"
        ]
    );
    let broken = super::sample(EventName::Triggered).with_option("description", "{{ incident.");
    let problems = broken.settle(|task| ADAPTER.try_templates(&broken.target, task.templates));
    assert_eq!(problems.first().map(|problem| problem.field), Some("description"));
}
