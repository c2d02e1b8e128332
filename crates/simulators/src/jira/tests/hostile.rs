//! Requests that mean no good, and too many of them.

use proptest::prelude::*;

use super::*;
use crate::jira::jql::Query;
use crate::simulator::MAX_MESSAGES;

#[test]
fn the_oldest_issues_are_forgotten_first() {
    let mut jira = Jira::default();
    (0..=MAX_MESSAGES).for_each(|number| drop(make(&mut jira, &format!("number {number}"))));
    assert_eq!(jira.messages().len(), MAX_MESSAGES);
    assert!(jira.messages()[0].text().starts_with("OPS-2 number 1"));
}

#[test]
fn a_deep_document_and_a_deep_query_are_refused() {
    let mut jira = Jira::default();
    let mut fields = fields("x");
    let deep = (0..100).fold(
        json!({ "type": "paragraph" }),
        |inner, _| json!({ "type": "bulletList", "content": [inner] }),
    );
    fields["description"] = json!({ "type": "doc", "version": 1, "content": [deep] });
    assert_eq!(
        post(&mut jira, "/rest/api/3/issue", &json!({ "fields": fields })).status,
        400
    );
    assert!(Query::read(&"(".repeat(5000)).is_err());
}

#[test]
fn a_body_that_is_no_json_is_refused_as_jira_does() {
    let mut jira = Jira::default();
    let answer = post(&mut jira, "/rest/api/2/issue", &json!([]));
    let message = "Invalid request payload. Refer to the REST API documentation and try again.";
    assert_eq!(body(&answer), json!({ "errorMessages": [message] }));
    assert_eq!(get(&mut jira, "/rest/api/2/nothing").status, 404);
    assert_eq!(post(&mut jira, "/rest/api/2/myself", &json!({})).status, 405);
}

proptest! {
    #[test]
    fn no_query_makes_the_reader_panic(jql in "[a-z =!~<>()\"',\\\\ÄA-Z0-9]{0,60}") {
        let _ = Query::read(&jql);
    }

    #[test]
    fn no_request_makes_it_panic(target in "/(rest/api/[23]/)?[a-zA-Z/?=&%0-9-]{0,60}", text in ".{0,40}") {
        let mut jira = Jira::default();
        let body = serde_json::from_str(&text).unwrap_or(json!({ "fields": { "summary": text } }));
        let _ = post(&mut jira, &target, &body);
        let _ = get(&mut jira, &target);
    }
}
