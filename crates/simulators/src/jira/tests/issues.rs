//! Issues and what hangs on them.

use super::*;

#[test]
fn a_new_issue_is_shown_with_its_summary_status_and_labels() {
    let mut jira = Jira::default();
    make(&mut jira, "The shop is down");
    let text = jira.messages()[0].text();
    assert!(
        text.starts_with("OPS-1 The shop is down\nStatus: Offen\nLabels: ours\nPriority: Medium"),
        "{text}"
    );
}

#[test]
fn what_an_issue_lacks_is_named_by_field() {
    let mut jira = Jira::default();
    let refused = |jira: &mut Jira, fields: Value| {
        let answer = post(jira, "/rest/api/2/issue", &json!({ "fields": fields }));
        assert_eq!(answer.status, 400);
        body(&answer)["errors"].clone()
    };
    let typed = json!({ "project": { "key": "OPS" }, "issuetype": { "name": "Task" } });
    assert_eq!(
        refused(&mut jira, json!({})),
        json!({ "project": "project is required" })
    );
    assert_eq!(
        refused(&mut jira, json!({ "project": { "key": "NO" } })),
        json!({ "project": "valid project is required" })
    );
    assert_eq!(
        refused(&mut jira, json!({ "project": { "id": "10000" } })),
        json!({ "issuetype": "issue type is required" })
    );
    assert_eq!(
        refused(&mut jira, typed),
        json!({ "summary": "You must specify a summary of the issue." })
    );
}

#[test]
fn every_field_that_cannot_be_set_is_named_and_nothing_is_made() {
    let mut jira = Jira::default();
    let mut fields = fields("x");
    fields["priority"] = json!({ "name": "Urgent" });
    fields["components"] = json!([{ "name": "Cellar" }]);
    fields["labels"] = json!(["two words"]);
    fields["customfield_1"] = json!("x");
    let answer = post(&mut jira, "/rest/api/2/issue", &json!({ "fields": fields }));
    let errors = body(&answer)["errors"].clone();
    assert_eq!(errors["priority"], "Priority name 'Urgent' is not valid");
    assert_eq!(errors["components"], "Component name 'Cellar' is not valid");
    assert_eq!(
        errors["labels"],
        "The label 'two words' contains spaces which is invalid."
    );
    let unknown = "Field 'customfield_1' cannot be set. It is not on the appropriate screen, or unknown.";
    assert_eq!(errors["customfield_1"], unknown);
    assert!(jira.messages().is_empty());
}

#[test]
fn a_summary_is_one_line_of_255_characters() {
    let mut jira = Jira::default();
    let status = |jira: &mut Jira, summary: &str| {
        post(jira, "/rest/api/3/issue", &json!({ "fields": fields(summary) })).status
    };
    assert_eq!(status(&mut jira, &"ä".repeat(255)), 201);
    assert_eq!(status(&mut jira, &"ä".repeat(256)), 400);
    assert_eq!(status(&mut jira, "two\nlines"), 400);
}

#[test]
fn the_second_version_has_wiki_text_and_the_third_documents() {
    let mut jira = Jira::default();
    let id = make(&mut jira, "x");
    let document = json!({ "type": "doc", "version": 1, "content": [
        { "type": "paragraph", "content": [{ "type": "text", "text": "words" }] },
    ] });
    let set = |jira: &mut Jira, version: u8, text: &Value| {
        let target = format!("/rest/api/{version}/issue/{id}");
        ask(
            jira,
            &Method::PUT,
            &target,
            &json!({ "fields": { "description": text } }),
        )
        .status
    };
    assert_eq!(set(&mut jira, 3, &json!("plain")), 400);
    assert_eq!(set(&mut jira, 2, &document), 400);
    assert_eq!(set(&mut jira, 3, &document), 204);
    let in_second = body(&get(
        &mut jira,
        &format!("/rest/api/2/issue/{id}?fields=description"),
    ));
    assert_eq!(in_second["fields"], json!({ "description": "words" }));
    let in_third = body(&get(
        &mut jira,
        &format!("/rest/api/3/issue/{id}?fields=description"),
    ));
    assert_eq!(in_third["fields"]["description"], document);
}

#[test]
fn a_document_with_an_empty_text_is_refused() {
    let mut jira = Jira::default();
    let mut fields = fields("x");
    fields["description"] = json!({ "type": "doc", "version": 1, "content": [
        { "type": "paragraph", "content": [{ "type": "text", "text": "" }] },
    ] });
    let answer = post(&mut jira, "/rest/api/3/issue", &json!({ "fields": fields }));
    assert_eq!(
        (answer.status, body(&answer)["errorMessages"][0].clone()),
        (400, json!("INVALID_INPUT"))
    );
}

#[test]
fn labels_are_added_and_removed_one_by_one_and_history_tells() {
    let mut jira = Jira::default();
    let id = make(&mut jira, "x");
    let update = json!({ "update": { "labels": [{ "add": "new" }, { "remove": "ours" }] } });
    assert_eq!(
        ask(
            &mut jira,
            &Method::PUT,
            &format!("/rest/api/2/issue/{id}"),
            &update
        )
        .status,
        204
    );
    let read = body(&get(
        &mut jira,
        "/rest/api/2/issue/OPS-1?fields=labels&expand=changelog",
    ));
    assert_eq!(read["fields"]["labels"], json!(["new"]));
    let item = &read["changelog"]["histories"][0]["items"][0];
    assert_eq!(
        (&item["field"], &item["fromString"], &item["toString"]),
        (&json!("labels"), &json!("ours"), &json!("new"))
    );
}

#[test]
fn the_same_global_id_replaces_a_remote_link_and_forgets_what_is_left_out() {
    let mut jira = Jira::default();
    let id = make(&mut jira, "x");
    let target = format!("/rest/api/2/issue/{id}/remotelink");
    let object = json!({ "url": "https://o.example/1", "title": "One" });
    let first = json!({ "globalId": "g", "relationship": "tracks", "object": object });
    let second = json!({ "globalId": "g", "object": object });
    assert_eq!(post(&mut jira, &target, &first).status, 201);
    assert_eq!(post(&mut jira, &target, &second).status, 200);
    let links = body(&get(&mut jira, &target));
    assert_eq!(
        (links.as_array().unwrap().len(), links[0].get("relationship")),
        (1, None)
    );
}

#[test]
fn a_property_is_made_then_replaced() {
    let mut jira = Jira::default();
    let id = make(&mut jira, "x");
    let target = format!("/rest/api/3/issue/{id}/properties/opsknight");
    assert_eq!(get(&mut jira, &target).status, 404);
    assert_eq!(
        ask(&mut jira, &Method::PUT, &target, &json!({ "a": 1 })).status,
        201
    );
    assert_eq!(
        ask(&mut jira, &Method::PUT, &target, &json!({ "b": 2 })).status,
        200
    );
    assert_eq!(body(&get(&mut jira, &target))["value"], json!({ "b": 2 }));
}

#[test]
fn who_is_gone_cannot_be_assigned_and_names_are_of_the_second_version_alone() {
    let mut jira = Jira::default();
    make(&mut jira, "x");
    let mut assign = |version: u8, whom: &Value| {
        ask(
            &mut jira,
            &Method::PUT,
            &format!("/rest/api/{version}/issue/OPS-1/assignee"),
            whom,
        )
        .status
    };
    assert_eq!(assign(2, &json!({ "name": "zoe" })), 400);
    assert_eq!(assign(2, &json!({ "name": "ada" })), 204);
    assert_eq!(assign(3, &json!({ "name": "ada" })), 400);
    assert_eq!(
        assign(3, &json!({ "accountId": "5b10a2844c20165700ede22b" })),
        204
    );
    assert!(jira.messages()[0].text().contains("Assignee: Grace Hopper"));
}

#[test]
fn comments_are_read_in_both_directions_and_shown_with_their_authors() {
    let mut jira = Jira::default();
    let id = make(&mut jira, "x");
    let target = format!("/rest/api/2/issue/{id}/comment");
    post(&mut jira, &target, &json!({ "body": "one" }));
    post(&mut jira, &target, &json!({ "body": "two" }));
    let latest = body(&get(
        &mut jira,
        &format!("{target}?orderBy=-created&maxResults=1"),
    ));
    assert_eq!(
        (&latest["comments"][0]["body"], &latest["total"]),
        (&json!("two"), &json!(2))
    );
    assert!(jira.messages()[0].text().ends_with("judge: one\njudge: two"));
    assert_eq!(post(&mut jira, &target, &json!({ "body": " " })).status, 400);
}

#[test]
fn times_are_those_of_the_request_in_the_form_of_jira() {
    let mut jira = Jira::default();
    make(&mut jira, "x");
    let created = body(&get(&mut jira, "/rest/api/2/issue/OPS-1"))["fields"]["created"].clone();
    assert_eq!(created, "2024-01-15T10:30:00.000+0000");
}

#[test]
fn no_credentials_and_bad_ones_are_refused_in_the_form_of_each_product() {
    let mut jira = Jira::default();
    let mut refused = |authorization: &str, target: &str| {
        ask_as(&mut jira, authorization, &Method::GET, target, &Value::Null)
    };
    assert_eq!(refused("Bearer good-token", "/rest/api/2/myself").status, 200);
    assert_eq!(
        refused("Bearer bad", "/rest/api/2/myself").headers[0].1,
        "text/html;charset=UTF-8"
    );
    let in_cloud = refused("Bearer bad", "/rest/api/3/myself");
    assert_eq!(
        (in_cloud.status, in_cloud.headers[0].1.as_str()),
        (401, "text/plain;charset=UTF-8")
    );
    assert_eq!(
        body(&refused("Bearer x", "/ex/jira/1/rest/api/3/myself"))["code"],
        401
    );
}

#[test]
fn a_comment_of_a_service_project_is_public_unless_it_is_said_to_be_internal() {
    let mut jira = Jira::default();
    make(&mut jira, "x");
    let public = |jira: &mut Jira, properties: Value| {
        let comment = json!({ "body": "note", "properties": properties });
        body(&post(jira, "/rest/api/2/issue/OPS-1/comment", &comment))["jsdPublic"].clone()
    };
    let internal = json!([{ "key": "sd.public.comment", "value": { "internal": true } }]);
    assert_eq!(
        public(&mut jira, internal.clone()),
        true,
        "other projects do not look at it"
    );
    jira.fail_next("service_project");
    assert_eq!(public(&mut jira, json!([])), true);
    assert_eq!(public(&mut jira, internal), false);
}
