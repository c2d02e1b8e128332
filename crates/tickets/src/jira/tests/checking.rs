//! Whether settings work.

use super::asking::{ask, done};
use super::*;
use destination::ticketing::{Finding, FindingState, QueryResult, QueryStep, TicketQuery};

fn me() -> Exchange {
    answer(200, &json!({ "accountId": "me-1", "displayName": "OpsKnight" }))
}

fn project() -> Exchange {
    answer(200, &json!({ "key": "OPS", "name": "Operations" }))
}

fn rights(missing: &str) -> Exchange {
    let keys = [
        "BROWSE_PROJECTS",
        "CREATE_ISSUES",
        "EDIT_ISSUES",
        "TRANSITION_ISSUES",
        "ADD_COMMENTS",
        "LINK_ISSUES",
        "ASSIGN_ISSUES",
    ];
    let has = |key: &&str| ((*key).to_owned(), json!({ "havePermission": *key != missing }));
    let permissions: serde_json::Map<String, Value> = keys.iter().map(has).collect();
    answer(200, &json!({ "permissions": permissions }))
}

fn types(name: &str) -> Exchange {
    let types = json!([{ "id": "10001", "name": "Task" }, { "id": "10002", "name": "Bug" }]);
    answer(200, &json!({ name: types, "total": 2 }))
}

fn screen(more: &[Value]) -> Exchange {
    let field = |id: &str, required: bool| json!({ "fieldId": id, "name": id, "required": required });
    let mut fields = vec![
        field("summary", true),
        field("project", true),
        field("labels", false),
        field("reporter", true),
    ];
    fields.extend(more.iter().cloned());
    answer(200, &json!({ "fields": fields, "total": fields.len() }))
}

fn statuses(names: &[&str]) -> Exchange {
    let statuses: Vec<Value> = names.iter().map(|name| status(name)).collect();
    answer(
        200,
        &json!([{ "id": "10001", "name": "Task", "statuses": statuses }]),
    )
}

fn usual() -> Exchange {
    statuses(&["To Do", "In Progress", "Done"])
}

fn findings(sample: &Sample, answers: &[Exchange]) -> Vec<Finding> {
    let mut answers = answers.to_vec();
    if ask(sample, &TicketQuery::Check, &answers).1.is_none() {
        answers.push(usual());
    }
    match done(ask(sample, &TicketQuery::Check, &answers).1) {
        QueryResult::Findings(findings) => findings,
        other => panic!("no findings: {other:?}"),
    }
}

fn bad(findings: &[Finding]) -> Vec<&str> {
    let bad = findings
        .iter()
        .filter(|finding| finding.state == FindingState::Bad);
    bad.map(|finding| finding.sentence.as_str()).collect()
}

#[test]
fn settings_that_work_are_told_one_by_one() {
    let sample = sample(EventName::Triggered);
    let answers = [
        me(),
        project(),
        rights(""),
        types("issueTypes"),
        screen(&[]),
        usual(),
    ];
    let (requests, _) = ask(&sample, &TicketQuery::Check, &answers);
    assert!(
        requests[2]
            .starts_with("GET /mypermissions?projectKey=OPS&permissions=BROWSE_PROJECTS%2CCREATE_ISSUES")
    );
    assert!(requests[3].starts_with("GET /issue/createmeta/OPS/issuetypes?maxResults=200"));
    assert!(requests[4].starts_with("GET /issue/createmeta/OPS/issuetypes/10001?maxResults=200"));
    let findings = findings(&sample, &answers);
    let sentences: Vec<_> = findings.iter().map(|finding| finding.sentence.as_str()).collect();
    let expected = [
        "Signed in as OpsKnight.",
        "Project OPS is Operations.",
        "This account has every permission that tickets need.",
        "Issue type Task is there.",
        "The create screen takes everything that the settings fill in.",
    ];
    assert_eq!(sentences[..5], expected);
    assert_eq!((bad(&findings).len(), findings.len()), (0, 9));
    assert_eq!(sentences[5], "The ticket of a resolved incident goes to Done.");
    let center = [me(), project(), rights(""), types("values"), screen(&[]), usual()];
    assert_eq!(bad(&self::findings(&sample, &center)).len(), 0);
}

#[test]
fn refused_credentials_and_a_hidden_project_end_the_check() {
    let sample = sample(EventName::Triggered);
    let refused = findings(&sample, &[raw(401, &[], "")]);
    assert_eq!(
        bad(&refused),
        ["Jira refuses the credentials (401): put account and token right."]
    );
    let hidden = findings(&sample, &[me(), answer(404, &json!({ "errorMessages": ["no"] }))]);
    assert!(bad(&hidden)[0].starts_with("This account sees no such project"));
    let (_, away) = ask(&sample, &TicketQuery::Check, &[raw(503, &[], "")]);
    assert!(matches!(away, Some(QueryStep::Failed(..))));
}

#[test]
fn what_is_missing_is_named() {
    let sample = sample(EventName::Triggered)
        .with_option("priority", "critical = Highest\nerror = Top")
        .with_option("components", "Network, Disk")
        .with_option("fields", "customfield_1 = x");
    let more = [
        json!({ "fieldId": "priority", "name": "Priority", "required": false, "allowedValues": [{ "name": "Highest" }] }),
        json!({ "fieldId": "components", "name": "Components", "required": false, "allowedValues": [{ "name": "Disk" }] }),
        json!({ "fieldId": "customfield_9", "name": "Team", "required": true }),
        json!({ "fieldId": "customfield_8", "name": "Area", "required": true, "hasDefaultValue": true }),
    ];
    let answers = [
        me(),
        project(),
        rights("ASSIGN_ISSUES"),
        types("issueTypes"),
        screen(&more),
    ];
    let findings = findings(&sample, &answers);
    let expected = [
        "The permission Assign Issues is missing: give it to this account in the project's permission scheme.",
        "The field customfield_1 is not on the create screen: tickets are made without it.",
        "The field Team must be filled in: give it a value under Other fields, as customfield_9 = ….",
        "There is no priority Top; tickets are made without it.",
        "There is no component Network; tickets are made without it.",
    ];
    assert_eq!(bad(&findings), expected);
}

#[test]
fn a_type_that_is_not_there_is_bad_and_one_behind_a_page_unsure() {
    let sample = sample(EventName::Triggered).with_option("issueType", "Incident");
    let missing = findings(&sample, &[me(), project(), rights(""), types("issueTypes")]);
    assert_eq!(
        bad(&missing),
        ["Issue type Incident is not there for this account; there are Task, Bug."]
    );
    let paged = answer(
        200,
        &json!({ "issueTypes": [{ "id": "1", "name": "Task" }], "total": 300 }),
    );
    let unsure = findings(&sample, &[me(), project(), rights(""), paged]);
    assert_eq!(bad(&unsure).len(), 0);
    assert!(unsure[3].sentence.contains("whether it is there is not known"));
}

#[test]
fn a_jira_that_tells_nothing_about_its_screens_leaves_it_unsure() {
    let sample = sample(EventName::Triggered);
    let old = findings(&sample, &[me(), project(), raw(404, &[], ""), raw(404, &[], "")]);
    assert_eq!(bad(&old).len(), 0);
    assert_eq!(old[2].state, FindingState::Unsure);
    let large = findings(
        &sample,
        &[
            me(),
            project(),
            rights(""),
            types("issueTypes"),
            cut_short(200, "{"),
        ],
    );
    assert_eq!((bad(&large).len(), large[4].state), (0, FindingState::Unsure));
    let strange = findings(&sample, &[raw(200, &[], "<html>")]);
    assert_eq!(bad(&strange).len(), 1);
}

#[test]
fn where_tickets_end_is_told_and_why() {
    let told = |sample: &Sample, answers: Vec<Exchange>| {
        let before = vec![me(), project(), rights(""), types("issueTypes"), screen(&[])];
        let answers: Vec<_> = before.into_iter().chain(answers).collect();
        findings(sample, &answers)[5].clone()
    };
    let plain = sample(EventName::Triggered);
    let by_name = told(&plain, vec![statuses(&["To Do", "Canceled", "Done"])]);
    let expected = "The ticket of a resolved incident goes to Done, of Canceled, Done, by its name.";
    assert!(by_name.sentence.starts_with(expected), "{by_name:?}");
    let two = || statuses(&["To Do", "Resolved", "Done"]);
    let ended = json!({ "issues": [{ "fields": { "status": status("Resolved") } }] });
    let by_habit = told(&plain, vec![two(), answer(200, &ended)]);
    let expected =
        "The ticket of a resolved incident goes to Resolved, of Resolved, Done: most tickets ended there.";
    assert!(by_habit.sentence.starts_with(expected), "{by_habit:?}");
    let open = told(&plain, vec![two(), answer(200, &json!({ "issues": [] }))]);
    assert_eq!(open.state, FindingState::Unsure);
    let named = |name: &str| {
        told(
            &sample(EventName::Triggered).with_option("statusResolved", name),
            vec![two()],
        )
    };
    assert_eq!(
        named("done").sentence,
        "The ticket of a resolved incident goes to Done."
    );
    assert_eq!(named("To Do").state, FindingState::Bad);
    assert_eq!(named("Finish it").state, FindingState::Unsure);
}
