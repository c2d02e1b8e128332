//! The ways of an issue.

use super::*;

fn offered(fake: &mut FakeJira) -> Vec<(String, String)> {
    let answer = body(&get(fake, "/rest/api/2/issue/OPS-1/transitions"));
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let offered = answer["transitions"].as_array().unwrap().iter();
    offered
        .map(|step| (text(&step["id"]), text(&step["to"]["statusCategory"]["key"])))
        .collect()
}

fn take(fake: &mut FakeJira, body: &Value) -> FakeAnswer {
    post(fake, "/rest/api/2/issue/OPS-1/transitions", body)
}

#[test]
fn done_sets_a_resolution_and_leaving_it_clears_it() {
    let mut fake = FakeJira::default();
    make(&mut fake, "x");
    assert_eq!(
        take(&mut fake, &json!({ "transition": { "id": "31" } })).status,
        204
    );
    assert!(fake.messages()[0].text().contains("Status: Erledigt"));
    assert!(fake.messages()[0].text().contains("Resolution: Done"));
    assert_eq!(
        take(&mut fake, &json!({ "transition": { "id": "21" } })).status,
        204
    );
    assert!(!fake.messages()[0].text().contains("Resolution"));
}

#[test]
fn an_unknown_step_is_refused() {
    let mut fake = FakeJira::default();
    make(&mut fake, "x");
    let answer = take(&mut fake, &json!({ "transition": { "id": "999" } }));
    assert_eq!(answer.status, 400);
    assert_eq!(
        body(&answer)["errorMessages"][0],
        "Transition id '999' is not valid for this issue."
    );
}

#[test]
fn the_long_way_goes_through_two_statuses() {
    let mut fake = FakeJira::default();
    fake.fail_next("long_way");
    make(&mut fake, "x");
    assert_eq!(
        take(&mut fake, &json!({ "transition": { "id": "31" } })).status,
        400
    );
    assert_eq!(
        offered(&mut fake),
        [("21".to_owned(), "indeterminate".to_owned())]
    );
    assert_eq!(
        take(&mut fake, &json!({ "transition": { "id": "21" } })).status,
        204
    );
    assert_eq!(
        take(&mut fake, &json!({ "transition": { "id": "41" } })).status,
        204
    );
    assert_eq!(
        take(&mut fake, &json!({ "transition": { "id": "31" } })).status,
        204
    );
    assert_eq!(offered(&mut fake), [("11".to_owned(), "new".to_owned())]);
}

#[test]
fn a_screen_that_wants_a_resolution_says_so_and_insists() {
    let mut fake = FakeJira::default();
    make(&mut fake, "x");
    let given = json!({ "transition": { "id": "31" }, "fields": { "resolution": { "name": "Won't Do" } } });
    assert_eq!(
        take(&mut fake, &given).status,
        400,
        "without the screen it cannot be set"
    );
    fake.fail_next("needs_resolution");
    let described = body(&get(
        &mut fake,
        "/rest/api/2/issue/OPS-1/transitions?expand=transitions.fields",
    ));
    assert_eq!(
        described["transitions"][3]["fields"]["resolution"]["required"],
        true
    );
    let bare = take(&mut fake, &json!({ "transition": { "id": "31" } }));
    assert_eq!(
        body(&bare)["errors"],
        json!({ "resolution": "Resolution is required." })
    );
    assert_eq!(take(&mut fake, &given).status, 204);
    assert!(fake.messages()[0].text().contains("Resolution: Won't Do"));
}
