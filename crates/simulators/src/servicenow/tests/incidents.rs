//! Incidents and what becomes of them.

use serde_json::json;

use super::{Caller, detail};
use crate::simulator::{MAX_MESSAGES, Simulator};

#[test]
fn an_incident_begins_with_the_values_of_the_base_system() {
    let mut caller = Caller::new();
    let path =
        caller.make(&json!({ "short_description": "down", "impact": 1, "urgency": "2", "u_none": "x" }));
    let record = caller.get(&path);
    assert_eq!(record["number"], "INC0010001");
    assert_eq!(record["state"], "1");
    assert_eq!(record["priority"], "2");
    assert_eq!(record["active"], "true");
    assert_eq!(record["sys_created_by"], "opsknight.integration");
    assert_eq!(record["sys_created_on"], "2025-11-25 02:16:11");
    assert_eq!(record["sys_mod_count"], "0");
    assert_eq!(record.get("u_none"), None);
}

#[test]
fn texts_that_are_too_long_are_cut_without_a_word() {
    let mut caller = Caller::new();
    let long = "é".repeat(200);
    let path = caller.make(&json!({ "short_description": long, "correlation_id": "c".repeat(101) }));
    let record = caller.get(&path);
    assert_eq!(record["short_description"], "é".repeat(160));
    assert_eq!(record["correlation_id"], "c".repeat(100));
}

#[test]
fn resolving_without_a_code_is_refused_by_the_labels_of_the_fields() {
    let mut caller = Caller::new();
    let path = caller.make(&json!({}));
    let (status, body) = caller.patch(&path, &json!({ "state": "6" }));
    assert_eq!(status, 403);
    let words =
        "Data Policy Exception: The following fields are mandatory: Resolution code, Resolution notes";
    assert_eq!(detail(&body), words);
    assert_eq!(caller.get(&path)["state"], "1");
}

#[test]
fn an_unknown_close_code_is_dropped_and_then_missed() {
    let mut caller = Caller::new();
    let path = caller.make(&json!({}));
    let fields = json!({ "state": "6", "close_code": "Solved (Permanently)", "close_notes": "ok" });
    let (status, body) = caller.patch(&path, &fields);
    assert_eq!(status, 403);
    assert_eq!(
        detail(&body),
        "Data Policy Exception: The following fields are mandatory: Resolution code"
    );
}

#[test]
fn a_resolved_incident_is_stamped_and_a_reopened_one_is_not() {
    let mut caller = Caller::new();
    let path = caller.make(&json!({}));
    let done = json!({ "state": "6", "close_code": "Solution provided", "close_notes": "ok" });
    assert_eq!(caller.patch(&path, &done).0, 200);
    let resolved = caller.get(&path);
    assert_eq!(resolved["resolved_at"], "2025-11-25 02:16:11");
    assert_eq!(resolved["active"], "true");
    caller.patch(&path, &json!({ "state": "2" }));
    let reopened = caller.get(&path);
    assert_eq!(reopened["resolved_at"], "");
    assert_eq!(reopened["reopen_count"], "1");
    caller.patch(&path, &json!({ "state": "7" }));
    assert_eq!(caller.get(&path)["active"], "false");
}

#[test]
fn a_change_that_changes_nothing_leaves_no_trace() {
    let mut caller = Caller::new();
    let path = caller.make(&json!({ "urgency": "2" }));
    assert_eq!(caller.patch(&path, &json!({ "urgency": "2" })).0, 200);
    assert_eq!(caller.get(&path)["sys_mod_count"], "0");
    caller.patch(&path, &json!({ "urgency": "1" }));
    assert_eq!(caller.get(&path)["sys_mod_count"], "1");
}

#[test]
fn notes_are_appended_and_shown_as_history() {
    let mut caller = Caller::new();
    let path = caller.make(&json!({ "work_notes": "made" }));
    caller.be("ada.lovelace", "x");
    caller.patch(&path, &json!({ "comments": "hello" }));
    caller.patch(&path, &json!({ "work_notes": "made" }));
    let id = path.rsplit('/').next().unwrap();
    let entries = caller.get(&format!(
        "/api/now/table/sys_journal_field?sysparm_query=element_id={id}"
    ));
    let elements: Vec<_> = entries
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| &entry["element"])
        .collect();
    assert_eq!(elements, ["work_notes", "comments", "work_notes"]);
    assert_eq!(caller.get(&path)["work_notes"], "");
    let shown = caller.get(&format!("{path}?sysparm_display_value=true"));
    let history = "2025-11-25 02:16:11 - Ada Lovelace (Work notes)\nmade\n\n\
                   2025-11-25 02:16:11 - OpsKnight Integration (Work notes)\nmade\n\n";
    assert_eq!(shown["work_notes"], history);
}

#[test]
fn an_incident_is_shown_with_its_notes() {
    let mut caller = Caller::new();
    let path = caller
        .make(&json!({ "short_description": "down", "description": "all of it", "correlation_id": "c1" }));
    caller.be("ada.lovelace", "x");
    caller.patch(&path, &json!({ "work_notes": "looking", "state": "2" }));
    let texts: Vec<String> = caller
        .servicenow
        .messages()
        .iter()
        .map(|message| message.text())
        .collect();
    let facts = "State: In Progress\nImpact: 3 - Low\nUrgency: 3 - Low\nCorrelation: c1";
    assert_eq!(
        texts,
        [format!(
            "INC0010001 down\n{facts}\nall of it\nada.lovelace: looking"
        )]
    );
}

#[test]
fn the_oldest_incident_goes_when_there_are_too_many() {
    let mut caller = Caller::new();
    let first = caller.make(&json!({}));
    (0..MAX_MESSAGES).for_each(|_| drop(caller.make(&json!({}))));
    assert_eq!(caller.servicenow.messages().len(), MAX_MESSAGES);
    assert_eq!(caller.ask("GET", &first, &json!({})).0, 404);
}

#[test]
fn an_incident_of_opsknight_that_somebody_else_changes_is_told_to_the_rule() {
    let mut caller = Caller::new();
    let rule = json!({ "url": "http://us.test/in", "secret": "s3", "skipUser": "opsknight.integration" });
    assert_eq!(caller.ask("POST", "/opsknight-fake/rules", &rule).0, 201);
    let path = caller.make(&json!({ "correlation_id": "c1", "correlation_display": "OpsKnight" }));
    let other = caller.make(&json!({ "correlation_id": "c2" }));
    caller.be("ada.lovelace", "x");
    let body = r#"{"state":"2"}"#;
    assert!(
        caller
            .send("PATCH", &other, "application/json", body)
            .callbacks
            .is_empty()
    );
    let calls = caller.send("PATCH", &path, "application/json", body).callbacks;
    assert_eq!(calls.len(), 1);
    assert_eq!(calls[0].url, "http://us.test/in");
    assert!(
        calls[0]
            .headers
            .contains(&("X-OpsKnight-Secret".to_owned(), "s3".to_owned()))
    );
    let told: serde_json::Value = serde_json::from_str(&calls[0].body).unwrap();
    assert_eq!(told["updated_by"], "ada.lovelace");
    assert_eq!(told["sys_mod_count"], "1");
    assert!(
        caller
            .send("PATCH", &path, "application/json", body)
            .callbacks
            .is_empty()
    );
}

#[test]
fn a_batch_tells_each_answer_and_makes_each_call() {
    let mut caller = Caller::new();
    let rule = json!({ "url": "http://us.test/in", "secret": "s3", "skipUser": "" });
    caller.ask("POST", "/opsknight-fake/rules", &rule);
    let path = caller.make(&json!({ "correlation_display": "OpsKnight" }));
    let headers = json!([{ "name": "Content-Type", "value": "application/json" }]);
    let change = json!({ "id": "a", "method": "PATCH", "url": path, "headers": headers, "body": "eyJ1cmdlbmN5IjoiMSJ9" });
    let look = json!({ "id": "b", "method": "GET", "url": "/api/now/table/none" });
    let batch = json!({ "batch_request_id": 7, "rest_requests": [change, look] });
    let answer = caller.send(
        "POST",
        "/api/now/v1/batch",
        "application/json",
        &batch.to_string(),
    );
    let body: serde_json::Value = serde_json::from_str(&answer.body).unwrap();
    assert_eq!(body["batch_request_id"], "7");
    assert_eq!(body["serviced_requests"][0]["status_code"], 200);
    assert_eq!(body["serviced_requests"][1]["status_code"], 400);
    assert_eq!(answer.callbacks.len(), 1);
}
