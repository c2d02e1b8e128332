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
fn an_issue_is_found_by_all_that_is_said_of_it() {
    let mut jira = three();
    let ours = "project = OPS AND labels = \"ours\" ORDER BY created ASC";
    assert_eq!(keys(&mut jira, ours), ["OPS-1", "OPS-2", "OPS-3"]);
    let two = "project=ops and key in (OPS-1,\"OPS-3\") order by key desc";
    assert_eq!(keys(&mut jira, two), ["OPS-3", "OPS-1"]);
    assert_eq!(keys(&mut jira, "labels = other"), [""; 0]);
    assert_eq!(keys(&mut jira, "status = Erledigt"), ["OPS-3"]);
    assert_eq!(keys(&mut jira, "statusCategory = 'To Do'"), ["OPS-2", "OPS-1"]);
}

#[test]
fn what_cannot_be_understood_is_refused() {
    let mut jira = three();
    let mut says = |jql: &str, words: &str| {
        let refusal = refusal(&mut jira, jql);
        assert!(refusal.contains(words), "{jql}: {refusal}");
    };
    says(
        "project = OPS AND",
        "Expecting a field name at the end of the query",
    );
    says("project = \"OPS", "has not been completed");
    says(
        "project = OPS status",
        "Expecting either 'OR' or 'AND' but got 'status'",
    );
    says("project ~ OPS", "Expecting operator but got '~'");
    says("key in (OPS-1", "Expecting ')' at the end of the query");
    says("labels = a@b", "reserved JQL character");
    says("colour = red", "Field 'colour' does not exist");
    says(
        "project = NOPE",
        "The value 'NOPE' does not exist for the field 'project'",
    );
    says("key = OPS-99", "An issue with key 'OPS-99' does not exist");
    says(
        "project = OPS ORDER BY rank",
        "Not able to sort using field 'rank'",
    );
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
