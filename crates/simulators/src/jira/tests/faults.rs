//! Faults.

use super::*;

fn header(answer: &Response, name: &str) -> String {
    answer
        .headers
        .iter()
        .find(|(key, _)| *key == name)
        .map(|(_, value)| value.clone())
        .unwrap_or_default()
}

#[test]
fn a_lost_answer_was_worked_on_and_one_lost_before_was_not() {
    let mut jira = Jira::default();
    jira.fail_next("lost");
    assert!(
        !get(&mut jira, "/rest/api/2/myself").is_lost,
        "it waits for a change"
    );
    assert!(post(&mut jira, "/rest/api/2/issue", &json!({ "fields": fields("x") })).is_lost);
    assert_eq!(jira.messages().len(), 1);
    jira.fail_next("lost_before");
    assert!(post(&mut jira, "/rest/api/2/issue", &json!({ "fields": fields("x") })).is_lost);
    assert_eq!(jira.messages().len(), 1);
}

#[test]
fn three_searches_do_not_find_what_was_made_in_a_lag() {
    let mut jira = Jira::default();
    jira.fail_next("lag");
    make(&mut jira, "x");
    let mut total = || body(&get(&mut jira, "/rest/api/2/search?jql=labels%3Dours"))["total"].clone();
    assert_eq!([total(), total(), total(), total()], [0, 0, 0, 1]);
}

#[test]
fn the_next_search_finds_everything_and_the_one_after_it_does_not() {
    let mut jira = Jira::default();
    make(&mut jira, "x");
    jira.fail_next("search_everything");
    let mut total = || body(&get(&mut jira, "/rest/api/2/search?jql=labels%3Dnone"))["total"].clone();
    assert_eq!([total(), total()], [1, 0]);
}

#[test]
fn limits_say_how_long_and_why() {
    let mut jira = Jira::default();
    make(&mut jira, "x");
    jira.fail_next("burst");
    let burst = get(&mut jira, "/rest/api/3/myself");
    assert_eq!(
        (burst.status, header(&burst, "retry-after")),
        (429, "2".to_owned())
    );
    assert_eq!(header(&burst, "ratelimit-reason"), "jira-burst-based");
    assert_eq!(header(&burst, "x-ratelimit-reset"), "2024-01-15T10:30:02Z");
    jira.fail_next("per_issue");
    assert_eq!(
        get(&mut jira, "/rest/api/3/issue/OPS-1").status,
        200,
        "it waits for a change"
    );
    let limited = post(
        &mut jira,
        "/rest/api/2/issue/OPS-1/comment",
        &json!({ "body": "x" }),
    );
    assert_eq!(header(&limited, "ratelimit-reason"), "jira-per-issue-on-write");
}

#[test]
fn refusals_of_every_kind_come_once() {
    let mut jira = Jira::default();
    let mut statuses = |fault: &str| {
        jira.fail_next(fault);
        [
            get(&mut jira, "/rest/api/2/myself").status,
            get(&mut jira, "/rest/api/2/myself").status,
        ]
    };
    assert_eq!(statuses("expired"), [401, 200]);
    assert_eq!(statuses("anonymous"), [401, 200]);
    assert_eq!(statuses("unavailable"), [503, 200]);
    assert_eq!(statuses("captcha"), [403, 200]);
    assert_eq!(statuses("forbidden"), [403, 200]);
    jira.fail_next("html");
    let page = get(&mut jira, "/rest/api/2/myself");
    assert_eq!(
        (page.status, header(&page, "content-type")),
        (200, "text/html;charset=UTF-8".to_owned())
    );
}

#[test]
fn a_deleted_issue_is_gone_for_good() {
    let mut jira = Jira::default();
    let id = make(&mut jira, "x");
    jira.fail_next("deleted");
    assert_eq!(get(&mut jira, &format!("/rest/api/2/issue/{id}")).status, 404);
    assert_eq!(get(&mut jira, &format!("/rest/api/2/issue/{id}")).status, 404);
    assert!(jira.messages().is_empty());
}

#[test]
fn a_screen_can_lose_a_field_and_want_another() {
    let mut jira = Jira::default();
    jira.fail_next("no_priority");
    jira.fail_next("needs_field");
    let mut given = fields("x");
    given["priority"] = json!({ "name": "High" });
    given["customfield_10010"] = json!("checkout");
    let refused = post(&mut jira, "/rest/api/2/issue", &json!({ "fields": given }));
    assert!(
        body(&refused)["errors"]["priority"]
            .as_str()
            .unwrap()
            .contains("cannot be set")
    );
    let refused = post(&mut jira, "/rest/api/2/issue", &json!({ "fields": fields("x") }));
    assert_eq!(
        body(&refused)["errors"],
        json!({ "customfield_10010": "Service is required." })
    );
}

#[test]
fn a_missing_project_and_a_transition_under_way_are_told() {
    let mut jira = Jira::default();
    make(&mut jira, "x");
    jira.fail_next("bad_project");
    assert_eq!(get(&mut jira, "/rest/api/2/project/OPS").status, 404);
    jira.fail_next("bad_project");
    let refused = post(&mut jira, "/rest/api/2/issue", &json!({ "fields": fields("x") }));
    assert_eq!(
        body(&refused)["errors"],
        json!({ "project": "project is required" })
    );
    jira.fail_next("conflict");
    let step = json!({ "transition": { "id": "21" } });
    assert_eq!(
        post(&mut jira, "/rest/api/2/issue/OPS-1/transitions", &step).status,
        409
    );
}

#[test]
fn a_token_of_the_gateway_expires_after_an_hour() {
    let mut jira = Jira::default();
    let grant = json!({ "grant_type": "client_credentials", "client_id": "c", "client_secret": "s" });
    let token = body(&post(&mut jira, "/oauth/token", &grant))["access_token"]
        .as_str()
        .unwrap()
        .to_owned();
    let bearer = format!("Bearer {token}");
    let target = "/ex/jira/1/rest/api/3/myself";
    let mut who = |authorization: &str| ask_as(&mut jira, authorization, &Method::GET, target, &Value::Null);
    assert_eq!(body(&who(&bearer))["accountType"], "app");
    assert_eq!(who("Bearer jira-access-unknown").status, 401);
    let headers = HeaderMap::from_iter([(
        http::header::AUTHORIZATION,
        HeaderValue::from_str(&bearer).unwrap(),
    )]);
    let later = jira.answer(&Request {
        method: &Method::GET,
        target,
        headers: &headers,
        body: b"",
        now: Timestamp::from_millis(NOON + 3_600_000),
    });
    assert_eq!(later.status, 401);
}

#[test]
fn a_token_that_ends_is_served_as_nobodys_from_then_on() {
    let mut jira = Jira::default();
    make(&mut jira, "x");
    jira.fail_next("token_ends");
    for _ in 0..2 {
        let issue = get(&mut jira, "/rest/api/2/issue/OPS-1");
        assert_eq!(
            (issue.status, header(&issue, "x-seraph-loginreason")),
            (404, "AUTHENTICATED_FAILED".to_owned())
        );
    }
    assert_eq!(
        body(&get(&mut jira, "/rest/api/2/search?jql=labels%3Dours"))["total"],
        0
    );
    let refused = post(&mut jira, "/rest/api/2/issue", &json!({ "fields": fields("y") }));
    assert_eq!(refused.status, 400);
    assert_eq!(body(&refused)["errors"]["project"], "valid project is required");
    assert_eq!(jira.messages().len(), 1);
}

#[test]
fn an_issue_that_is_closed_to_all_refuses_and_others_do_not() {
    let mut jira = Jira::default();
    make(&mut jira, "x");
    make(&mut jira, "y");
    jira.fail_next("closed_issue");
    get(&mut jira, "/rest/api/2/issue/OPS-1");
    assert_eq!(get(&mut jira, "/rest/api/2/issue/OPS-1").status, 403);
    assert_eq!(get(&mut jira, "/rest/api/2/issue/OPS-2").status, 200);
}
