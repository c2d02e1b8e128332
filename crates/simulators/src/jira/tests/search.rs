//! Searching.

use super::*;

fn keys(jira: &mut Jira, jql: &str) -> Vec<String> {
    let answer = post(
        jira,
        "/rest/api/3/search/jql",
        &json!({ "jql": jql, "fields": ["summary"] }),
    );
    let found = body(&answer);
    let issues = found["issues"].as_array().unwrap_or_else(|| panic!("{found}"));
    issues
        .iter()
        .map(|issue| issue["key"].as_str().unwrap().to_owned())
        .collect()
}

fn refusal(jira: &mut Jira, jql: &str) -> String {
    let answer = post(jira, "/rest/api/2/search", &json!({ "jql": jql }));
    assert_eq!(answer.status, 400, "{jql}");
    body(&answer)["errorMessages"][0].as_str().unwrap().to_owned()
}

fn three() -> Jira {
    let mut jira = Jira::default();
    make(&mut jira, "The shop is down");
    make(&mut jira, "The printer burns");
    make(&mut jira, "A lamp blinks");
    post(
        &mut jira,
        "/rest/api/2/issue/OPS-3/transitions",
        &json!({ "transition": { "id": "31" } }),
    );
    jira
}

#[test]
fn conditions_are_joined_and_nested() {
    let mut jira = three();
    assert_eq!(
        keys(
            &mut jira,
            "project = OPS AND labels = \"ours\" ORDER BY created ASC"
        ),
        ["OPS-1", "OPS-2", "OPS-3"]
    );
    assert_eq!(
        keys(
            &mut jira,
            "project=OPS and (key in (OPS-1,\"OPS-3\") or text ~ printer) and statusCategory != Done order by key desc"
        ),
        ["OPS-2", "OPS-1"]
    );
    assert_eq!(keys(&mut jira, "labels = other"), [""; 0]);
    assert_eq!(keys(&mut jira, "status = Erledigt"), ["OPS-3"]);
    assert_eq!(keys(&mut jira, "text ~ \"shop down\""), ["OPS-1"]);
    assert_eq!(keys(&mut jira, "text ~ \"\\\"shop down\\\"\""), [""; 0]);
    assert_eq!(
        keys(&mut jira, "created >= -5m AND NOT key = OPS-1 ORDER BY key"),
        ["OPS-2", "OPS-3"]
    );
}

#[test]
fn what_has_no_value_is_unlike_nothing() {
    let mut jira = three();
    assert_eq!(keys(&mut jira, "resolution != Duplicate"), ["OPS-3"]);
    assert_eq!(
        keys(&mut jira, "resolution is EMPTY ORDER BY key"),
        ["OPS-1", "OPS-2"]
    );
    assert_eq!(
        keys(&mut jira, "resolution = Unresolved ORDER BY key"),
        ["OPS-1", "OPS-2"]
    );
}

#[test]
fn what_cannot_be_understood_is_refused() {
    let mut jira = three();
    assert!(
        refusal(&mut jira, "project = OPS AND").contains("Expecting a field name at the end of the query")
    );
    assert!(refusal(&mut jira, "project = \"OPS").contains("has not been completed"));
    assert!(refusal(&mut jira, "project = OPS status").contains("but got 'status'. (line 1, character 15)"));
    assert!(refusal(&mut jira, "labels = a@b").contains("reserved JQL character"));
    assert!(refusal(&mut jira, "colour = red").starts_with("Field 'colour' does not exist"));
    assert!(
        refusal(&mut jira, "project = NOPE")
            .starts_with("The value 'NOPE' does not exist for the field 'project'")
    );
    assert!(refusal(&mut jira, "text = x").starts_with("The operator '=' is not supported"));
    assert!(refusal(&mut jira, "key = OPS-99").starts_with("An issue with key 'OPS-99' does not exist"));
}

#[test]
fn pages_follow_each_other_by_token_and_without_fields_there_are_ids_alone() {
    let mut jira = three();
    let mut wanted = json!({ "jql": "project = OPS ORDER BY key", "maxResults": 2 });
    let first = body(&post(&mut jira, "/rest/api/3/search/jql", &wanted));
    assert_eq!(
        (&first["isLast"], first["issues"][0].as_object().unwrap().len()),
        (&json!(false), 1)
    );
    wanted["nextPageToken"] = first["nextPageToken"].clone();
    let second = body(&post(&mut jira, "/rest/api/3/search/jql", &wanted));
    assert_eq!(
        (&second["isLast"], second["issues"].as_array().unwrap().len()),
        (&json!(true), 1)
    );
}

#[test]
fn the_new_search_wants_a_condition_and_the_old_one_is_gone_in_cloud() {
    let mut jira = three();
    assert_eq!(
        get(&mut jira, "/rest/api/3/search/jql?jql=ORDER+BY+key").status,
        400
    );
    assert_eq!(body(&get(&mut jira, "/rest/api/2/search?jql="))["total"], 3);
    assert_eq!(get(&mut jira, "/rest/api/3/search?jql=project%3DOPS").status, 410);
    assert!(jira.fail_next("cloud"));
    assert!(
        get(&mut jira, "/rest/api/2/search?jql=project%3DOPS")
            .body
            .contains("CHANGE-2046")
    );
}
