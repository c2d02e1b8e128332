//! `opsknight incidents`: lists, one or many moved on, and how they are named.

use serde_json::json;

use super::fake_api::FakeApi;
use super::run;

const INCIDENT: &str = r#"{"id":"inc_1","number":1042,"status":"acknowledged","severity":"critical","title":"Down",
    "service":{"name":"API"},"createdAt":"2024-01-15T10:30:00Z","assignee":{"id":"usr_1","name":"Ada"}}"#;
const USERS: &str = r#"{"items":[{"id":"usr_1","name":"Ada"}],"nextCursor":null}"#;

fn page(items: &[&str]) -> String {
    format!(r#"{{"items":[{}],"nextCursor":null}}"#, items.join(","))
}

#[test]
fn incidents_are_listed_and_filtered_and_open_ones_go_without_saying() {
    let found = page(&[INCIDENT]);
    let services = r#"{"items":[{"id":"svc_1","name":"API"}],"nextCursor":null}"#;
    let api = FakeApi::answering(&[(200, &found), (200, services), (200, USERS), (200, &found)]);
    let listed = run(&api, &["incidents", "list"]);
    let narrowed = [
        "incidents",
        "list",
        "--status",
        "any",
        "--service",
        "API",
        "--assignee",
        "Ada",
        "--since",
        "2024-01-15T10:00:00Z",
        "--q",
        "Down",
        "--sort",
        "severity",
        "--json",
    ];
    let as_json = run(&api, &narrowed);
    let lines: Vec<Vec<&str>> = listed
        .out
        .lines()
        .map(|line| line.split_whitespace().collect())
        .collect();
    assert_eq!(
        lines[0],
        ["NUMBER", "STATUS", "SEVERITY", "TRIGGERED", "SERVICE", "TITLE"]
    );
    let row = [
        "#1042",
        "acknowledged",
        "critical",
        "2024-01-15T10:30:00Z",
        "API",
        "Down",
    ];
    assert_eq!(lines[1], row);
    assert_eq!(as_json.out, format!("{found}\n"));
    let asked = api.lines();
    assert_eq!(asked[0], "GET /api/v1/incidents?status=triggered%2Cacknowledged");
    assert_eq!(
        asked[3],
        "GET /api/v1/incidents?service=svc_1&assignee=usr_1&since=2024-01-15T10%3A00%3A00.000Z&q=Down&sort=severity"
    );
}

#[test]
fn one_incident_is_changed_by_itself_and_several_go_together() {
    let results = r##"{"results":[
        {"incident":"1042","outcome":"changed","id":"inc_1","number":1042,"status":"resolved"},
        {"incident":"#7","outcome":"unchanged","id":"inc_2","number":7,"status":"resolved"}]}"##;
    let api = FakeApi::answering(&[(200, INCIDENT), (200, results)]);
    let one = run(&api, &["incidents", "acknowledge", "#1042"]);
    assert_eq!(one.out, "#1042 (inc_1) is acknowledged: Down (critical)\n");
    let two = run(&api, &["incidents", "resolve", "1042", "#7"]);
    assert_eq!(
        two.out,
        "#1042 (inc_1) is resolved: done\n#7 (inc_2) is resolved, and was so already\n"
    );
    assert_eq!(two.code, Some(0));
    let lines = [
        "POST /api/v1/incidents/%231042/acknowledge",
        "POST /api/v1/incidents/bulk",
    ];
    assert_eq!(api.lines(), lines);
    assert_eq!(
        api.body(1),
        json!({ "action": "resolve", "incidents": ["1042", "#7"] })
    );
}

#[test]
fn what_could_not_be_done_is_said_and_fails() {
    let results = r#"{"results":[
        {"incident":"1","outcome":"refused","id":"inc_1","number":1,"status":"resolved"},
        {"incident":"9","outcome":"not_found","id":null,"number":null,"status":null}]}"#;
    let api = FakeApi::answering(&[(200, results)]);
    let ran = run(&api, &["incidents", "acknowledge", "1", "9"]);
    assert_eq!(
        ran.out,
        "#1 (inc_1) is resolved: not changed\nthere is no incident 9\n"
    );
    assert_eq!(ran.code, Some(1));
}

#[test]
fn more_than_one_call_changes_go_in_several_and_say_how_far_they_are() {
    let none = r#"{"results":[]}"#;
    let api = FakeApi::answering(&[(200, none), (200, none)]);
    let names: Vec<String> = (1..=250).map(|number| number.to_string()).collect();
    let mut arguments = vec!["incidents", "acknowledge"];
    arguments.extend(names.iter().map(String::as_str));
    let ran = run(&api, &arguments);
    assert_eq!(ran.err, "200 of 250\n250 of 250\n");
    assert_eq!(api.body(0)["incidents"].as_array().unwrap().len(), 200);
    assert_eq!(api.body(1)["incidents"].as_array().unwrap().len(), 50);
}

#[test]
fn incidents_are_assigned_by_name_or_to_nobody() {
    let results =
        r#"{"results":[{"incident":"1","outcome":"changed","id":"inc_1","number":1,"status":"triggered"}]}"#;
    let api = FakeApi::answering(&[(200, USERS), (200, INCIDENT), (200, results)]);
    let one = run(&api, &["incidents", "assign", "1042", "--to", "Ada"]);
    assert_eq!(one.out, "#1042 (inc_1) is assigned: Ada\n");
    run(&api, &["incidents", "assign", "1", "2", "--nobody"]);
    assert_eq!(api.lines()[1], "PATCH /api/v1/incidents/1042");
    assert_eq!(api.body(1), json!({ "assignee": { "id": "usr_1" } }));
    let nobody = json!({ "action": "assign", "assignee": null, "incidents": ["1", "2"] });
    assert_eq!(api.body(2), nobody);
    assert_eq!(run(&api, &["incidents", "assign", "1"]).code, Some(2));
}

#[test]
fn an_incident_is_named_by_the_beginning_of_its_id_if_no_other_begins_so() {
    let two = page(&[INCIDENT, INCIDENT]);
    let (one, none) = (page(&[INCIDENT]), page(&[]));
    let api = FakeApi::answering(&[(200, &one), (200, INCIDENT), (200, &two), (200, &none)]);
    let shown = run(&api, &["incidents", "show", "inc_0190b6"]);
    assert_eq!(shown.code, Some(0));
    let several = run(&api, &["incidents", "resolve", "inc_0190"]);
    assert_eq!(several.code, Some(1));
    assert!(
        several
            .err
            .contains("more than one incident's id begins with inc_0190"),
        "{}",
        several.err
    );
    let unknown = run(&api, &["incidents", "resolve", "inc_ffff"]);
    assert!(
        unknown
            .err
            .contains("there is no incident whose id begins with inc_ffff"),
        "{}",
        unknown.err
    );
    let lines = [
        "GET /api/v1/incidents?q=inc_0190b6&limit=2",
        "GET /api/v1/incidents/inc_1",
        "GET /api/v1/incidents?q=inc_0190&limit=2",
        "GET /api/v1/incidents?q=inc_ffff&limit=2",
    ];
    assert_eq!(api.lines(), lines);
}
