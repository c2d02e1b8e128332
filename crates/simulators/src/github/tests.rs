//! GitHub by itself; foreign clients judge it too, in `tests/judges`.

use http::{HeaderMap, HeaderName, HeaderValue, Method};
use serde_json::{Value, json};

use crate::github::GitHub;
use crate::simulator::{Request, Response, Simulator};
use model::time::Timestamp;

const ISSUES: &str = "/api/v3/repos/acme/operations/issues";

fn ask_as(github: &mut GitHub, token: &str, method: &Method, target: &str, body: &Value) -> Response {
    let authorization = format!("Bearer {token}");
    let headers = [
        ("authorization", authorization.as_str()),
        ("user-agent", "test"),
        ("host", "github.example"),
    ];
    let headers = headers.map(|(name, value)| {
        (
            HeaderName::from_static(name),
            HeaderValue::from_str(value).unwrap(),
        )
    });
    let text = body.to_string();
    github.answer(&Request {
        method,
        target,
        headers: &HeaderMap::from_iter(headers),
        body: if body.is_null() { b"" } else { text.as_bytes() },
        now: Timestamp::from_millis(1_705_314_600_000),
    })
}

fn get(github: &mut GitHub, target: &str) -> Response {
    ask_as(github, "good-token", &Method::GET, target, &Value::Null)
}

fn post(github: &mut GitHub, target: &str, body: &Value) -> Response {
    ask_as(github, "good-token", &Method::POST, target, body)
}

fn read(answer: &Response) -> Value {
    serde_json::from_str(&answer.body).unwrap()
}

fn header<'a>(answer: &'a Response, name: &str) -> &'a str {
    let found = answer.headers.iter().find(|(known, _)| *known == name);
    found.map_or("", |(_, value)| value.as_str())
}

#[test]
fn an_issue_is_made_listed_by_its_label_closed_and_reopened() {
    let mut github = GitHub::default();
    let made = post(
        &mut github,
        ISSUES,
        &json!({"title": "Down", "body": "b", "labels": ["Ours"], "assignees": ["ada-lovelace"]}),
    );
    assert_eq!(
        (made.status, &read(&made)["number"]),
        (201, &json!(1)),
        "{}",
        made.body
    );
    let found = read(&get(&mut github, &format!("{ISSUES}?labels=ours&state=all")));
    assert_eq!(found[0]["assignee"]["login"], "ada-lovelace");
    let one = format!("{ISSUES}/1");
    let closed = ask_as(
        &mut github,
        "good-token",
        &Method::PATCH,
        &one,
        &json!({"state": "closed", "state_reason": "not_planned"}),
    );
    assert_eq!(read(&closed)["state_reason"], "not_planned");
    assert_eq!(
        read(&get(&mut github, &format!("{ISSUES}?labels=ours"))),
        json!([])
    );
    let open = ask_as(
        &mut github,
        "good-token",
        &Method::PATCH,
        &one,
        &json!({"state": "open"}),
    );
    assert_eq!(
        (&read(&open)["state"], &read(&open)["closed_at"]),
        (&json!("open"), &Value::Null)
    );
}

#[test]
fn what_github_refuses_is_refused_in_its_words() {
    let mut github = GitHub::default();
    let long = "x".repeat(257);
    let cases = [
        (json!({}), 422, "wasn't supplied"),
        (json!({"title": ""}), 422, "missing_field"),
        (json!({"title": long}), 422, "maximum is 256"),
        (json!({"title": "t", "labels": "ours"}), 422, "is not an array"),
        (
            json!({"title": "t", "labels": ["y".repeat(51)]}),
            422,
            "maximum is 50",
        ),
        (json!({"title": "t", "assignees": ["zoe-gone"]}), 422, "assignees"),
        (
            json!({"title": "t", "body": "z".repeat(65_537)}),
            422,
            "maximum is 65536",
        ),
        (json!([1]), 400, "JSON object"),
    ];
    for (body, status, words) in cases {
        let answer = post(&mut github, ISSUES, &body);
        assert_eq!(answer.status, status, "{}", answer.body);
        assert!(answer.body.contains(words), "{}", answer.body);
    }
    assert_eq!(get(&mut github, "/api/v3/repos/acme/nothing").status, 404);
    let without = "/api/v3/repos/acme/without-issues/issues";
    assert_eq!(post(&mut github, without, &json!({"title": "t"})).status, 410);
    assert_eq!(read(&get(&mut github, without)), json!([]));
    let elsewhere = get(&mut github, "/api/v3/repos/acme/ops/issues/1");
    assert_eq!(elsewhere.status, 301);
    assert!(header(&elsewhere, "location").ends_with("/api/v3/repositories/501/issues/1"));
    assert_eq!(
        ask_as(&mut github, "bad", &Method::GET, "/api/v3/user", &Value::Null).status,
        401
    );
    assert_eq!(
        ask_as(&mut github, "zoe-gone", &Method::GET, ISSUES, &Value::Null).status,
        404
    );
    let nameless = github.answer(&Request {
        method: &Method::GET,
        target: "/api/v3/user",
        headers: &HeaderMap::new(),
        body: b"",
        now: Timestamp::EPOCH,
    });
    assert_eq!(nameless.status, 403);
}

#[test]
fn lists_have_pages_and_searches_are_behind() {
    let mut github = GitHub::default();
    for number in 0..3 {
        post(
            &mut github,
            ISSUES,
            &json!({"title": format!("number {number}"), "labels": ["ours"]}),
        );
    }
    let first = get(&mut github, &format!("{ISSUES}?per_page=2&labels=ours"));
    assert_eq!(read(&first)[0]["title"], "number 2");
    let next = format!("<http://github.example{ISSUES}?per_page=2&labels=ours&page=2>; rel=\"next\"");
    assert!(
        header(&first, "link").starts_with(&next),
        "{}",
        header(&first, "link")
    );
    let search = "/api/v3/search/issues?q=repo:acme/operations+label:ours+number";
    let counts: Vec<Value> = (0..3)
        .map(|_| read(&get(&mut github, search))["total_count"].clone())
        .collect();
    assert_eq!(counts, [0, 0, 3]);
}

#[test]
fn faults_befall_the_requests_that_they_are_for() {
    let mut github = GitHub::default();
    let draft = json!({"title": "t", "labels": ["ours"]});
    for fault in ["lost", "lag", "limited"] {
        assert!(github.fail_next(fault));
    }
    let limited = get(&mut github, "/api/v3/user");
    assert_eq!(
        (limited.status, header(&limited, "x-ratelimit-remaining")),
        (403, "0")
    );
    assert_eq!(header(&limited, "x-ratelimit-reset"), "1705314602");
    assert!(post(&mut github, ISSUES, &draft).is_lost);
    let list = format!("{ISSUES}?labels=ours&state=all");
    let counts: Vec<_> = (0..4)
        .map(|_| read(&get(&mut github, &list)).as_array().unwrap().len())
        .collect();
    assert_eq!(counts, [0, 0, 0, 1]);
    github.fail_next("ignores_query");
    assert_eq!(
        read(&get(&mut github, &format!("{ISSUES}?labels=other")))
            .as_array()
            .unwrap()
            .len(),
        1
    );
    github.fail_next("moved");
    let moved = get(&mut github, &format!("{ISSUES}/1"));
    assert_eq!(
        (moved.status, header(&moved, "location")),
        (301, "http://github.example/api/v3/repositories/502/issues/1")
    );
    assert_eq!(
        read(&get(&mut github, "/api/v3/repositories/502/issues/1"))["title"],
        "t"
    );
    github.fail_next("no_labels");
    assert_eq!(read(&post(&mut github, ISSUES, &draft))["labels"], json!([]));
    github.fail_next("deleted");
    assert_eq!(get(&mut github, &format!("{ISSUES}/2")).status, 410);
    assert_eq!(github.messages().len(), 1);
}

#[test]
fn webhooks_are_signed_and_say_who_did_it() {
    let mut github = GitHub::default();
    let hook = json!({"name": "web", "config": {"url": "http://ours.example/in", "content_type": "json", "secret": "s"},
                      "events": ["issues", "issue_comment"]});
    let made = ask_as(
        &mut github,
        "ada-lovelace",
        &Method::POST,
        "/api/v3/repos/acme/operations/hooks",
        &hook,
    );
    assert_eq!((made.status, made.callbacks.len()), (201, 1), "{}", made.body);
    post(&mut github, ISSUES, &json!({"title": "t"}));
    let one = format!("{ISSUES}/1");
    let closed = ask_as(
        &mut github,
        "ada-lovelace",
        &Method::PATCH,
        &one,
        &json!({"state": "closed"}),
    );
    let [call] = closed.callbacks.as_slice() else {
        panic!("{:#?}", closed.callbacks)
    };
    let header = |name: &str| {
        call.headers
            .iter()
            .find(|(known, _)| known == name)
            .unwrap()
            .1
            .clone()
    };
    assert_eq!(header("X-GitHub-Event"), "issues");
    assert!(header("X-Hub-Signature-256").starts_with("sha256="));
    let body: Value = serde_json::from_str(&call.body).unwrap();
    assert_eq!(
        (&body["action"], &body["sender"]["login"]),
        (&json!("closed"), &json!("ada-lovelace"))
    );
    let delete = json!({"query": "mutation($input: DeleteIssueInput!) { deleteIssue(input: $input) { clientMutationId } }",
                        "variables": {"input": {"issueId": body["issue"]["node_id"]}}});
    let deleted = ask_as(
        &mut github,
        "ada-lovelace",
        &Method::POST,
        "/api/graphql",
        &delete,
    );
    assert!(
        deleted.callbacks[0].body.contains("\"deleted\""),
        "{}",
        deleted.body
    );
    assert_eq!(get(&mut github, &one).status, 410);
}

#[test]
fn whoever_is_called_is_seen() {
    let mut github = GitHub::default();
    post(
        &mut github,
        ISSUES,
        &json!({"title": "@zoe", "body": "`@ada-lovelace` but @grace-hopper"}),
    );
    post(
        &mut github,
        &format!("{ISSUES}/1/comments"),
        &json!({"body": "see #1"}),
    );
    assert_eq!(github.messages()[0].mentions, ["@grace-hopper", "#1"]);
}
