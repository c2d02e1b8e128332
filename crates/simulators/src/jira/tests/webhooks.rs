//! Calls that follow from changes.

use super::*;
use crate::simulator::Callback;

fn register(jira: &mut Jira, filter: &str) -> Response {
    let hook = json!({
        "name": "OpsKnight",
        "url": "https://o.example/callback",
        "events": ["jira:issue_created", "jira:issue_updated", "comment_created"],
        "filters": { "issue-related-events-section": filter },
        "secret": "secret",
    });
    post(jira, "/rest/webhooks/1.0/webhook", &hook)
}

fn header<'a>(call: &'a Callback, name: &str) -> &'a str {
    &call.headers.iter().find(|(key, _)| key == name).unwrap().1
}

#[test]
fn a_change_is_told_and_signed() {
    let mut jira = Jira::default();
    let registered = register(&mut jira, "project = OPS");
    assert_eq!(registered.status, 201);
    assert!(!registered.body.contains("secret"));
    make(&mut jira, "x");
    let answer = post(
        &mut jira,
        "/rest/api/2/issue/OPS-1/transitions",
        &json!({ "transition": { "id": "21" } }),
    );
    let [call] = answer.callbacks.as_slice() else {
        panic!("one call")
    };
    let told: Value = serde_json::from_str(&call.body).unwrap();
    assert_eq!(
        (&told["webhookEvent"], &told["timestamp"]),
        (&json!("jira:issue_updated"), &json!(NOON))
    );
    assert_eq!(
        (&told["user"]["displayName"], &told["issue"]["key"]),
        (&json!("judge"), &json!("OPS-1"))
    );
    assert_eq!(told["changelog"]["items"][0]["toString"], "In Arbeit");
    assert_eq!(header(call, "X-Atlassian-Webhook-Flow"), "Primary");
    assert!(header(call, "X-Hub-Signature").starts_with("sha256="));
    assert_eq!(header(call, "X-Hub-Signature").len(), "sha256=".len() + 64);
}

#[test]
fn a_comment_is_told_twice_with_its_words() {
    let mut jira = Jira::default();
    register(&mut jira, "");
    make(&mut jira, "x");
    let answer = post(
        &mut jira,
        "/rest/api/2/issue/OPS-1/comment",
        &json!({ "body": "a word" }),
    );
    let told: Vec<Value> = answer
        .callbacks
        .iter()
        .map(|call| serde_json::from_str(&call.body).unwrap())
        .collect();
    assert_eq!(
        (&told[0]["webhookEvent"], &told[0]["comment"]["body"]),
        (&json!("comment_created"), &json!("a word"))
    );
    assert_eq!(told[1]["issue_event_type_name"], "issue_commented");
    assert_ne!(
        header(&answer.callbacks[0], "X-Atlassian-Webhook-Identifier"),
        header(&answer.callbacks[1], "X-Atlassian-Webhook-Identifier")
    );
}

#[test]
fn what_the_filter_leaves_out_is_not_told() {
    let mut jira = Jira::default();
    register(&mut jira, "project = WEB");
    let answer = post(&mut jira, "/rest/api/2/issue", &json!({ "fields": fields("x") }));
    assert_eq!((answer.status, answer.callbacks.len()), (201, 0));
}

#[test]
fn a_webhook_that_is_deleted_is_silent() {
    let mut jira = Jira::default();
    let address = body(&register(&mut jira, ""))["self"]
        .as_str()
        .unwrap()
        .replace("http://jira.example", "");
    assert_eq!(
        ask(&mut jira, &Method::DELETE, &address, &Value::Null).status,
        204
    );
    assert_eq!(body(&get(&mut jira, "/rest/webhooks/1.0/webhook")), json!([]));
    let silent = post(&mut jira, "/rest/api/2/issue", &json!({ "fields": fields("x") }));
    assert_eq!(silent.callbacks.len(), 0);
}
