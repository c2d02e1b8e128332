//! GitLab by itself; foreign clients judge it too, in `tests/judges`.

use http::{HeaderMap, HeaderName, HeaderValue, Method};
use serde_json::{Value, json};

use crate::gitlab::GitLab;
use crate::simulator::{Request, Response, Simulator};
use model::time::Timestamp;

const ISSUES: &str = "/git/api/v4/projects/acme%2Foperations/issues";

fn ask_as(gitlab: &mut GitLab, token: &str, method: &Method, target: &str, body: &Value) -> Response {
    let headers = [("private-token", token), ("host", "gitlab.example")];
    let headers = headers.map(|(name, value)| {
        (
            HeaderName::from_static(name),
            HeaderValue::from_str(value).unwrap(),
        )
    });
    let text = body.to_string();
    gitlab.answer(&Request {
        method,
        target,
        headers: &HeaderMap::from_iter(headers),
        body: if body.is_null() { b"" } else { text.as_bytes() },
        now: Timestamp::from_millis(1_705_314_600_000),
    })
}

fn get(gitlab: &mut GitLab, target: &str) -> Response {
    ask_as(gitlab, "good-token", &Method::GET, target, &Value::Null)
}

fn post(gitlab: &mut GitLab, target: &str, body: &Value) -> Response {
    ask_as(gitlab, "good-token", &Method::POST, target, body)
}

fn put(gitlab: &mut GitLab, target: &str, body: &Value) -> Response {
    ask_as(gitlab, "good-token", &Method::PUT, target, body)
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
    let mut gitlab = GitLab::default();
    let made = post(
        &mut gitlab,
        ISSUES,
        &json!({"title": "Down", "labels": "ours,b", "assignee_ids": [102]}),
    );
    let issue = read(&made);
    assert_eq!((made.status, &issue["iid"]), (201, &json!(1)), "{}", made.body);
    assert_eq!(
        issue["web_url"],
        "http://gitlab.example/git/acme/operations/-/issues/1"
    );
    assert_eq!(issue["assignee"]["username"], "ada-lovelace");
    let one = format!("{ISSUES}/1");
    assert_eq!(
        read(&put(&mut gitlab, &one, &json!({"state_event": "close"})))["state"],
        "closed"
    );
    let found = get(
        &mut gitlab,
        &format!("{ISSUES}?labels=ours&state=closed&per_page=1"),
    );
    assert_eq!(
        (read(&found)[0]["iid"].clone(), header(&found, "x-total")),
        (json!(1), "1")
    );
    assert_eq!(
        read(&put(&mut gitlab, &one, &json!({"state_event": "reopen"})))["closed_at"],
        Value::Null
    );
    let labels = put(
        &mut gitlab,
        &one,
        &json!({"add_labels": ["c"], "remove_labels": "b"}),
    );
    assert_eq!(read(&labels)["labels"], json!(["c", "ours"]));
}

#[test]
fn what_gitlab_refuses_is_refused_in_its_words() {
    let mut gitlab = GitLab::default();
    post(&mut gitlab, ISSUES, &json!({"title": "t"}));
    let one = format!("{ISSUES}/1");
    let notes = format!("{one}/notes");
    let cases = [
        (Method::POST, ISSUES, json!({}), 400, "title is missing"),
        (Method::POST, ISSUES, json!({"title": " "}), 400, "can't be blank"),
        (
            Method::POST,
            ISSUES,
            json!({"title": "x".repeat(256)}),
            400,
            "maximum is 255",
        ),
        (
            Method::POST,
            ISSUES,
            json!({"title": "t", "confidential": "maybe"}),
            400,
            "confidential is invalid",
        ),
        (Method::PUT, &one, json!({}), 400, "at least one parameter"),
        (
            Method::PUT,
            &one,
            json!({"state_event": "closed"}),
            400,
            "state_event does not have a valid value",
        ),
        (Method::POST, &notes, json!({"body": ""}), 400, "can't be blank"),
        (Method::POST, &notes, json!({}), 400, "body is missing"),
    ];
    for (method, target, body, status, words) in cases {
        let answer = ask_as(&mut gitlab, "good-token", &method, target, &body);
        assert_eq!(answer.status, status, "{}", answer.body);
        assert!(answer.body.contains(words), "{}", answer.body);
    }
    assert_eq!(get(&mut gitlab, "/api/v4/projects/acme%2Fnothing").status, 404);
    assert_eq!(get(&mut gitlab, "/api/v4/projects/503/issues/1").status, 404);
    assert_eq!(
        post(&mut gitlab, "/api/v4/projects/503/issues", &json!({"title": "t"})).status,
        403
    );
    assert_eq!(
        ask_as(&mut gitlab, "bad", &Method::GET, ISSUES, &Value::Null).status,
        401
    );
    assert_eq!(
        ask_as(&mut gitlab, "opsknight", &Method::DELETE, &one, &Value::Null).status,
        403
    );
    assert_eq!(get(&mut gitlab, &format!("{ISSUES}?page=x")).status, 400);
}

#[test]
fn quick_actions_are_carried_out_and_seen() {
    let mut gitlab = GitLab::default();
    post(
        &mut gitlab,
        ISSUES,
        &json!({"title": "t", "description": "text\n/label ~evil\n/assign @ada-lovelace"}),
    );
    let issue = read(&get(&mut gitlab, &format!("{ISSUES}/1")));
    assert_eq!(
        (&issue["description"], &issue["labels"]),
        (&json!("text"), &json!(["evil"]))
    );
    let notes = format!("{ISSUES}/1/notes");
    let done = post(&mut gitlab, &notes, &json!({"body": "/close"}));
    assert_eq!((done.status, read(&get(&mut gitlab, &notes))), (202, json!([])));
    assert_eq!(read(&get(&mut gitlab, &format!("{ISSUES}/1")))["state"], "closed");
    assert!(gitlab.messages()[0].text().contains("Command: /close"));
    post(
        &mut gitlab,
        &notes,
        &json!({"body": "@grace-hopper see \\#1 and `@ada-lovelace`"}),
    );
    assert_eq!(gitlab.messages()[0].mentions, ["@grace-hopper"]);
}

#[test]
fn issues_are_linked_moved_and_deleted() {
    let mut gitlab = GitLab::default();
    for title in ["one", "two"] {
        post(&mut gitlab, ISSUES, &json!({"title": title}));
    }
    let links = format!("{ISSUES}/1/links");
    let link = json!({"target_project_id": "501", "target_issue_iid": 2});
    assert_eq!(post(&mut gitlab, &links, &link).status, 201);
    assert_eq!(post(&mut gitlab, &links, &link).status, 409);
    let moved = post(
        &mut gitlab,
        &format!("{ISSUES}/1/move"),
        &json!({"to_project_id": 502}),
    );
    let old = read(&get(&mut gitlab, &format!("{ISSUES}/1")));
    assert_eq!(
        (&old["state"], &old["moved_to_id"]),
        (&json!("closed"), &read(&moved)["id"])
    );
    let two = format!("{ISSUES}/2");
    assert_eq!(
        ask_as(&mut gitlab, "ada-lovelace", &Method::DELETE, &two, &Value::Null).status,
        204
    );
    assert_eq!(get(&mut gitlab, &two).status, 404);
}

#[test]
fn faults_befall_the_requests_that_they_are_for() {
    let mut gitlab = GitLab::default();
    for fault in ["lost", "lag", "limited"] {
        assert!(gitlab.fail_next(fault));
    }
    let limited = get(&mut gitlab, "/api/v4/user");
    assert_eq!((limited.status, header(&limited, "retry-after")), (429, "2"));
    assert!(post(&mut gitlab, ISSUES, &json!({"title": "t", "labels": "ours"})).is_lost);
    let list = format!("{ISSUES}?labels=ours");
    let counts: Vec<_> = (0..4)
        .map(|_| read(&get(&mut gitlab, &list)).as_array().unwrap().len())
        .collect();
    assert_eq!(counts, [0, 0, 0, 1]);
    gitlab.fail_next("ignores_query");
    assert_eq!(
        header(&get(&mut gitlab, &format!("{ISSUES}?labels=other")), "x-total"),
        "1"
    );
    gitlab.fail_next("no_labels");
    assert_eq!(
        read(&post(
            &mut gitlab,
            ISSUES,
            &json!({"title": "t", "labels": "ours"})
        ))["labels"],
        json!([])
    );
    gitlab.fail_next("deleted");
    assert_eq!(get(&mut gitlab, &format!("{ISSUES}/1")).status, 404);
    gitlab.fail_next("moved");
    assert_ne!(
        read(&get(&mut gitlab, &format!("{ISSUES}/2")))["moved_to_id"],
        Value::Null
    );
}

#[test]
fn webhooks_carry_their_token_and_say_who_did_it() {
    let mut gitlab = GitLab::default();
    let hook = json!({"url": "http://ours.example/in", "token": "s", "issues_events": true, "note_events": true,
                      "push_events": false});
    let hooks = "/api/v4/projects/501/hooks";
    assert_eq!(post(&mut gitlab, hooks, &hook).status, 403);
    let made = ask_as(&mut gitlab, "ada-lovelace", &Method::POST, hooks, &hook);
    assert_eq!(made.status, 201, "{}", made.body);
    assert!(!made.body.contains("\"s\""));
    post(&mut gitlab, ISSUES, &json!({"title": "t"}));
    let one = format!("{ISSUES}/1");
    let closed = ask_as(
        &mut gitlab,
        "ada-lovelace",
        &Method::PUT,
        &one,
        &json!({"state_event": "close"}),
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
    assert_eq!(
        (header("X-Gitlab-Token"), header("X-Gitlab-Event")),
        ("s".to_owned(), "Issue Hook".to_owned())
    );
    assert_ne!(header("X-Gitlab-Event-UUID"), header("Idempotency-Key"));
    let body: Value = serde_json::from_str(&call.body).unwrap();
    assert_eq!(
        (&body["object_attributes"]["action"], &body["user"]["username"]),
        (&json!("close"), &json!("ada-lovelace"))
    );
    let internal = post(
        &mut gitlab,
        &format!("{one}/notes"),
        &json!({"body": "psst", "internal": true}),
    );
    assert!(
        internal.callbacks.is_empty(),
        "internal notes are not for this webhook"
    );
    let note = post(&mut gitlab, &format!("{one}/notes"), &json!({"body": "hello"}));
    assert!(note.callbacks[0].body.contains("\"object_kind\":\"note\""));
}
