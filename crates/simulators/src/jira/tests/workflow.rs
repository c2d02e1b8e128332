//! The ways of an issue.

use super::*;

fn offered(jira: &mut Jira) -> Vec<(String, String)> {
    let answer = body(&get(jira, "/rest/api/2/issue/OPS-1/transitions"));
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let offered = answer["transitions"].as_array().unwrap().iter();
    offered
        .map(|step| (text(&step["id"]), text(&step["to"]["statusCategory"]["key"])))
        .collect()
}

fn take(jira: &mut Jira, body: &Value) -> Response {
    post(jira, "/rest/api/2/issue/OPS-1/transitions", body)
}

#[test]
fn done_sets_a_resolution_and_leaving_it_clears_it() {
    let mut jira = Jira::default();
    make(&mut jira, "x");
    assert_eq!(
        take(&mut jira, &json!({ "transition": { "id": "31" } })).status,
        204
    );
    assert!(jira.messages()[0].text().contains("Status: Erledigt"));
    assert!(jira.messages()[0].text().contains("Resolution: Done"));
    assert_eq!(
        take(&mut jira, &json!({ "transition": { "id": "21" } })).status,
        204
    );
    assert!(!jira.messages()[0].text().contains("Resolution"));
}

#[test]
fn an_unknown_step_is_refused() {
    let mut jira = Jira::default();
    make(&mut jira, "x");
    let answer = take(&mut jira, &json!({ "transition": { "id": "999" } }));
    assert_eq!(answer.status, 400);
    assert_eq!(
        body(&answer)["errorMessages"][0],
        "Transition id '999' is not valid for this issue."
    );
}

#[test]
fn the_long_way_goes_through_two_statuses() {
    let mut jira = Jira::default();
    jira.fail_next("long_way");
    make(&mut jira, "x");
    assert_eq!(
        take(&mut jira, &json!({ "transition": { "id": "31" } })).status,
        400
    );
    assert_eq!(
        offered(&mut jira),
        [("21".to_owned(), "indeterminate".to_owned())]
    );
    assert_eq!(
        take(&mut jira, &json!({ "transition": { "id": "21" } })).status,
        204
    );
    assert_eq!(
        take(&mut jira, &json!({ "transition": { "id": "41" } })).status,
        204
    );
    assert_eq!(
        take(&mut jira, &json!({ "transition": { "id": "31" } })).status,
        204
    );
    assert_eq!(offered(&mut jira), [("11".to_owned(), "new".to_owned())]);
}

#[test]
fn a_screen_that_wants_a_resolution_says_so_and_insists() {
    let mut jira = Jira::default();
    make(&mut jira, "x");
    let given = json!({ "transition": { "id": "31" }, "fields": { "resolution": { "name": "Won't Do" } } });
    assert_eq!(
        take(&mut jira, &given).status,
        400,
        "without the screen it cannot be set"
    );
    jira.fail_next("needs_resolution");
    let described = body(&get(
        &mut jira,
        "/rest/api/2/issue/OPS-1/transitions?expand=transitions.fields",
    ));
    assert_eq!(
        described["transitions"][3]["fields"]["resolution"]["required"],
        true
    );
    let bare = take(&mut jira, &json!({ "transition": { "id": "31" } }));
    assert_eq!(
        body(&bare)["errors"],
        json!({ "resolution": "Resolution is required." })
    );
    assert_eq!(take(&mut jira, &given).status, 204);
    assert!(jira.messages()[0].text().contains("Resolution: Won't Do"));
}

#[test]
fn an_issue_may_end_in_several_ways_and_the_first_is_not_the_one_that_is_meant() {
    let mut jira = Jira::default();
    jira.fail_next("many_ends");
    make(&mut jira, "x");
    let ends: Vec<_> = offered(&mut jira)
        .into_iter()
        .filter(|(_, category)| category == "done")
        .collect();
    assert_eq!(ends[0].0, "5");
    assert_eq!(ends.len(), 2);
    take(&mut jira, &json!({ "transition": { "id": "5" } }));
    assert!(jira.messages()[0].text().contains("Status: Abgebrochen"));
}

#[test]
fn a_project_tells_its_statuses_by_type() {
    let mut jira = Jira::default();
    let told = body(&get(&mut jira, "/rest/api/2/project/OPS/statuses"));
    assert_eq!(told[0]["name"], "Task");
    assert_eq!(told[0]["statuses"][3]["statusCategory"]["key"], "done");
}
