//! What goes wrong when it is told to.

use serde_json::{Value, json};

use super::{Caller, detail};
use crate::simulator::Simulator;

const LIST: &str = "/api/now/table/incident?sysparm_query=correlation_id=c1";

fn with_one() -> (Caller, String) {
    let mut caller = Caller::new();
    let path = caller.make(&json!({ "correlation_id": "c1" }));
    (caller, path)
}

fn count(list: &Value) -> usize {
    list.as_array().unwrap().len()
}

#[test]
fn every_fault_is_known_and_another_is_not() {
    let mut caller = Caller::new();
    let names: Vec<_> = caller
        .servicenow
        .faults()
        .iter()
        .map(|fault| fault.name)
        .collect();
    assert!(names.iter().all(|name| caller.servicenow.fail_next(name)));
    assert!(!caller.servicenow.fail_next("whatever"));
}

#[test]
fn a_lost_write_is_done_and_one_lost_before_is_not() {
    let (mut caller, _) = with_one();
    caller.servicenow.fail_next("lost");
    assert_eq!(count(&caller.get(LIST)), 1);
    let body = r#"{"correlation_id":"c1"}"#;
    assert!(
        caller
            .send("POST", "/api/now/table/incident", "application/json", body)
            .is_lost
    );
    assert_eq!(count(&caller.get(LIST)), 2);
    caller.servicenow.fail_next("lost_before");
    assert!(
        caller
            .send("POST", "/api/now/table/incident", "application/json", body)
            .is_lost
    );
    assert_eq!(count(&caller.get(LIST)), 2);
}

#[test]
fn a_query_is_ignored_once_and_records_are_hidden_once() {
    let (mut caller, path) = with_one();
    caller.make(&json!({ "correlation_id": "c2" }));
    caller.servicenow.fail_next("ignores_query");
    caller.servicenow.fail_next("hidden");
    assert_eq!(count(&caller.get(LIST)), 2);
    assert_eq!(caller.get(&path)["correlation_id"], "c1");
    assert_eq!(count(&caller.get(LIST)), 0);
    assert_eq!(count(&caller.get(LIST)), 1);
}

#[test]
fn an_expired_token_is_not_good_any_more() {
    let (mut caller, path) = with_one();
    let form = "grant_type=client_credentials&client_id=a&client_secret=b";
    let answer = caller.send(
        "POST",
        "/oauth_token.do",
        "application/x-www-form-urlencoded",
        form,
    );
    let body: Value = serde_json::from_str(&answer.body).unwrap();
    caller.servicenow.fail_next("expired");
    let basic = caller.headers.clone();
    caller.headers = vec![(
        "authorization",
        format!("Bearer {}", body["access_token"].as_str().unwrap()),
    )];
    assert_eq!(caller.ask("GET", &path, &json!({})).0, 401);
    assert_eq!(caller.ask("GET", &path, &json!({})).0, 401);
    caller.headers = basic;
    assert_eq!(caller.ask("GET", &path, &json!({})).0, 200);
}

#[test]
fn a_limited_request_is_told_when_to_come_again() {
    let (mut caller, path) = with_one();
    caller.servicenow.fail_next("limited");
    let answer = caller.send("GET", &path, "application/json", "");
    assert_eq!(answer.status, 429);
    assert!(answer.headers.contains(&("retry-after", "2".to_owned())));
    assert!(answer.headers.iter().any(|(name, _)| *name == "x-ratelimit-rule"));
    assert_eq!(caller.ask("GET", &path, &json!({})).0, 200);
}

#[test]
fn an_instance_that_sleeps_answers_200_with_a_page() {
    let (mut caller, path) = with_one();
    caller.servicenow.fail_next("asleep");
    let answer = caller.send("PATCH", &path, "application/json", r#"{"state":"2"}"#);
    assert_eq!(answer.status, 200);
    assert!(answer.body.starts_with("<html>"));
    caller.servicenow.fail_next("unavailable");
    assert_eq!(caller.send("GET", &path, "application/json", "").status, 503);
    assert_eq!(caller.get(&path)["state"], "1");
}

#[test]
fn a_policy_refuses_the_next_change_and_a_rule_undoes_the_next_state() {
    let (mut caller, path) = with_one();
    caller.servicenow.fail_next("policy");
    let (status, body) = caller.patch(&path, &json!({ "state": "2" }));
    assert_eq!(status, 403);
    assert!(detail(&body).starts_with("Data Policy Exception"));
    caller.servicenow.fail_next("keeps_state");
    assert_eq!(caller.patch(&path, &json!({ "work_notes": "a note" })).0, 200);
    let (status, body) = caller.patch(&path, &json!({ "state": "2", "urgency": "1" }));
    assert_eq!((status, &body["result"]["state"]), (200, &json!("1")));
    assert_eq!(caller.get(&path)["urgency"], "1");
    assert_eq!(
        caller.patch(&path, &json!({ "state": "2" })).1["result"]["state"],
        "2"
    );
}

#[test]
fn from_now_on_only_one_close_code_is_taken() {
    let (mut caller, path) = with_one();
    caller.servicenow.fail_next("needs_close_code");
    let done = |code: &str| json!({ "state": "6", "close_code": code, "close_notes": "ok" });
    assert_eq!(caller.patch(&path, &done("Solution provided")).0, 403);
    assert_eq!(caller.patch(&path, &done("Resolved by request")).0, 200);
    let query =
        "/api/now/table/sys_choice?sysparm_query=element=close_code^inactive=false&sysparm_fields=value";
    assert_eq!(caller.get(query), json!([{ "value": "Resolved by request" }]));
}

#[test]
fn from_now_on_the_journal_and_the_correlation_cannot_be_read() {
    let (mut caller, path) = with_one();
    caller.make(&json!({ "correlation_id": "c2" }));
    caller.patch(&path, &json!({ "work_notes": "a note" }));
    caller.servicenow.fail_next("no_journal");
    assert_eq!(caller.get("/api/now/table/sys_journal_field"), json!([]));
    caller.servicenow.fail_next("no_correlation");
    let list = caller.get(&format!("{LIST}&sysparm_fields=correlation_id"));
    assert_eq!(list, json!([{ "correlation_id": "" }, { "correlation_id": "" }]));
    assert_eq!(caller.get(&path).get("correlation_id"), Some(&json!("")));
}

#[test]
fn what_is_forbidden_is_not_done_and_what_was_deleted_is_gone() {
    let (mut caller, path) = with_one();
    caller.servicenow.fail_next("forbidden");
    assert_eq!(caller.patch(&path, &json!({ "state": "2" })).0, 403);
    caller.servicenow.fail_next("deleted");
    assert_eq!(caller.ask("GET", &path, &json!({})).0, 404);
    assert_eq!(count(&caller.get(LIST)), 0);
    assert!(caller.servicenow.messages().is_empty());
}

#[test]
fn a_field_that_may_not_be_written_is_dropped_without_a_word() {
    let mut caller = Caller::new();
    caller.servicenow.fail_next("drops_correlation");
    let path = caller.make(&json!({ "correlation_id": "c1", "correlation_display": "OpsKnight" }));
    let (status, body) = caller.patch(&path, &json!({ "correlation_id": "c1" }));
    assert_eq!((status, &body["result"]["correlation_id"]), (200, &json!("")));
    assert_eq!(body["result"]["correlation_display"], "OpsKnight");
}

#[test]
fn whoever_has_lost_a_role_is_shown_nothing_though_it_is_counted() {
    let (mut caller, path) = with_one();
    caller.servicenow.fail_next("lost_role");
    let list = caller.send("GET", LIST, "application/json", "");
    assert_eq!((list.status, list.body.as_str()), (200, r#"{"result":[]}"#));
    assert!(
        list.headers.contains(&("x-total-count", "1".to_owned())),
        "{:?}",
        list.headers
    );
    assert_eq!(caller.ask("GET", &path, &Value::Null).0, 404);
    assert_eq!(caller.patch(&path, &json!({ "state": "2" })).0, 403);
    caller.servicenow.fail_next("lost_role");
    assert_eq!(count(&caller.get(LIST)), 1);
}

#[test]
fn data_policies_speak_the_language_of_the_caller_and_access_rules_do_not() {
    let (mut caller, path) = with_one();
    caller.servicenow.fail_next("german");
    let (status, body) = caller.patch(&path, &json!({ "state": "6" }));
    assert_eq!(status, 403);
    assert!(
        detail(&body).ends_with("Pflichtfelder: Lösungscode, Lösungsnotizen"),
        "{body}"
    );
    caller.servicenow.fail_next("forbidden");
    let (_, body) = caller.patch(&path, &json!({ "state": "2" }));
    assert!(detail(&body).starts_with("ACL Exception"), "{body}");
}

#[test]
fn a_list_without_records_may_be_a_404() {
    let mut caller = Caller::new();
    caller.servicenow.fail_next("empty_is_404");
    let (status, body) = caller.ask("GET", LIST, &Value::Null);
    assert_eq!(
        (status, &body["error"]["message"]),
        (404, &json!("No Record found"))
    );
}
