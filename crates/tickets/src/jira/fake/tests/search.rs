//! Searching.

use super::*;

fn keys(fake: &mut FakeJira, jql: &str) -> Vec<String> {
    let answer = post(
        fake,
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

fn refusal(fake: &mut FakeJira, jql: &str) -> String {
    let answer = post(fake, "/rest/api/2/search", &json!({ "jql": jql }));
    assert_eq!(answer.status, 400, "{jql}");
    body(&answer)["errorMessages"][0].as_str().unwrap().to_owned()
}

fn three() -> FakeJira {
    let mut fake = FakeJira::default();
    make(&mut fake, "The shop is down");
    make(&mut fake, "The printer burns");
    make(&mut fake, "A lamp blinks");
    post(
        &mut fake,
        "/rest/api/2/issue/OPS-3/transitions",
        &json!({ "transition": { "id": "31" } }),
    );
    fake
}

#[test]
fn conditions_are_joined_and_nested() {
    let mut fake = three();
    assert_eq!(
        keys(
            &mut fake,
            "project = OPS AND labels = \"ours\" ORDER BY created ASC"
        ),
        ["OPS-1", "OPS-2", "OPS-3"]
    );
    assert_eq!(
        keys(
            &mut fake,
            "project=OPS and (key in (OPS-1,\"OPS-3\") or text ~ printer) and statusCategory != Done order by key desc"
        ),
        ["OPS-2", "OPS-1"]
    );
    assert_eq!(keys(&mut fake, "labels = other"), [""; 0]);
    assert_eq!(keys(&mut fake, "status = Erledigt"), ["OPS-3"]);
    assert_eq!(keys(&mut fake, "text ~ \"shop down\""), ["OPS-1"]);
    assert_eq!(keys(&mut fake, "text ~ \"\\\"shop down\\\"\""), [""; 0]);
    assert_eq!(
        keys(&mut fake, "created >= -5m AND NOT key = OPS-1 ORDER BY key"),
        ["OPS-2", "OPS-3"]
    );
}

#[test]
fn what_has_no_value_is_unlike_nothing() {
    let mut fake = three();
    assert_eq!(keys(&mut fake, "resolution != Duplicate"), ["OPS-3"]);
    assert_eq!(
        keys(&mut fake, "resolution is EMPTY ORDER BY key"),
        ["OPS-1", "OPS-2"]
    );
    assert_eq!(
        keys(&mut fake, "resolution = Unresolved ORDER BY key"),
        ["OPS-1", "OPS-2"]
    );
}

#[test]
fn what_cannot_be_understood_is_refused() {
    let mut fake = three();
    assert!(
        refusal(&mut fake, "project = OPS AND").contains("Expecting a field name at the end of the query")
    );
    assert!(refusal(&mut fake, "project = \"OPS").contains("has not been completed"));
    assert!(refusal(&mut fake, "project = OPS status").contains("but got 'status'. (line 1, character 15)"));
    assert!(refusal(&mut fake, "labels = a@b").contains("reserved JQL character"));
    assert!(refusal(&mut fake, "colour = red").starts_with("Field 'colour' does not exist"));
    assert!(
        refusal(&mut fake, "project = NOPE")
            .starts_with("The value 'NOPE' does not exist for the field 'project'")
    );
    assert!(refusal(&mut fake, "text = x").starts_with("The operator '=' is not supported"));
    assert!(refusal(&mut fake, "key = OPS-99").starts_with("An issue with key 'OPS-99' does not exist"));
}

#[test]
fn pages_follow_each_other_by_token_and_without_fields_there_are_ids_alone() {
    let mut fake = three();
    let mut wanted = json!({ "jql": "project = OPS ORDER BY key", "maxResults": 2 });
    let first = body(&post(&mut fake, "/rest/api/3/search/jql", &wanted));
    assert_eq!(
        (&first["isLast"], first["issues"][0].as_object().unwrap().len()),
        (&json!(false), 1)
    );
    wanted["nextPageToken"] = first["nextPageToken"].clone();
    let second = body(&post(&mut fake, "/rest/api/3/search/jql", &wanted));
    assert_eq!(
        (&second["isLast"], second["issues"].as_array().unwrap().len()),
        (&json!(true), 1)
    );
}

#[test]
fn the_new_search_wants_a_condition_and_the_old_one_is_gone_in_cloud() {
    let mut fake = three();
    assert_eq!(
        get(&mut fake, "/rest/api/3/search/jql?jql=ORDER+BY+key").status,
        400
    );
    assert_eq!(body(&get(&mut fake, "/rest/api/2/search?jql="))["total"], 3);
    assert_eq!(get(&mut fake, "/rest/api/3/search?jql=project%3DOPS").status, 410);
    assert!(fake.fail_next("cloud"));
    assert!(
        get(&mut fake, "/rest/api/2/search?jql=project%3DOPS")
            .body
            .contains("CHANGE-2046")
    );
}
