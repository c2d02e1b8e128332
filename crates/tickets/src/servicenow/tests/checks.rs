//! Check connection.

use super::*;
use destination::ticketing::{
    FindingState, MAX_QUERY_REQUESTS, QueryContext, QueryResult, QueryStep, TicketQuery, Ticketing,
};

/// Asks the check with an instance that answers each table so; the findings with the tables that were asked.
fn check(sample: &Sample, instance: impl Fn(&str) -> Exchange) -> (Vec<String>, Vec<(FindingState, String)>) {
    let (mut asked, mut answers) = (Vec::new(), Vec::new());
    loop {
        let next = SERVICENOW.query(&QueryContext {
            webhook: &sample.webhook,
            target: &sample.target,
            token: None,
            query: &TicketQuery::Check,
            answers: &answers,
            now: sample.now,
        });
        match next {
            QueryStep::Send(rendered) => {
                let table = rendered.url.path().rsplit('/').next().unwrap().to_owned();
                answers.push(instance(&table));
                asked.push(table);
            }
            QueryStep::Done(QueryResult::Findings(findings)) => {
                let told = findings
                    .into_iter()
                    .map(|finding| (finding.state, finding.sentence));
                return (asked, told.collect());
            }
            other => panic!("{other:?}"),
        }
    }
}

fn full() -> Sample {
    sample(EventName::Triggered)
        .with_option("assignees", "Ada = ada.l\nBob = bob")
        .with_option("fields", "category = network\nu_site = x")
        .with_option("assignmentGroup", "Service Desk")
}

fn good(sample: &Sample, table: &str) -> Exchange {
    let mut incident = record(sample, "1");
    for field in ["correlation_display", "short_description", "description"] {
        incident[field] = json!("");
    }
    incident["sys_created_by"] = json!("opsknight");
    let choice =
        |element: &str, value: &str| json!({ "name": "incident", "element": element, "value": value });
    let field = |element: &str, mandatory: &str| json!({ "element": element, "mandatory": mandatory });
    ok(&match table {
        "incident" => json!([incident]),
        "sys_user" => json!([
            { "user_name": "opsknight", "name": "OpsKnight", "active": "true" },
            { "user_name": "ada.l", "sys_id": USER, "active": "true" },
            { "user_name": "bob", "sys_id": "b", "active": "false" },
        ]),
        "sys_choice" => json!([
            choice("state", "1"),
            choice("state", "2"),
            choice("state", "6"),
            choice("close_code", "Solved"),
        ]),
        "sys_dictionary" => json!([
            field("category", "false"),
            field("caller_id", "true"),
            field("number", "true")
        ]),
        "sys_user_group" => json!([{ "name": "Service Desk", "sys_id": "g" }]),
        _ => json!([{ "sys_id": "j", "value": "a note" }]),
    })
}

#[test]
fn everything_that_can_be_read_is_looked_at() {
    let sample = full();
    let (asked, findings) = check(&sample, |table| good(&sample, table));
    let tables = [
        "incident",
        "incident",
        "sys_user",
        "sys_choice",
        "sys_dictionary",
        "sys_user",
        "sys_user_group",
        "sys_journal_field",
    ];
    assert_eq!(asked, tables);
    assert!(asked.len() <= MAX_QUERY_REQUESTS);
    let bad: Vec<_> = findings
        .iter()
        .filter(|(state, _)| *state == FindingState::Bad)
        .map(|(_, text)| text)
        .collect();
    assert_eq!(
        bad,
        [
            "\"Solution provided\" is no close code of this table; set Close code to one of: Solved.",
            "The table incident has no such fields: u_site.",
            "These users under Assignees do not exist or are not active: bob.",
        ]
    );
    let unsure: Vec<_> = findings
        .iter()
        .filter(|(state, _)| *state == FindingState::Unsure)
        .collect();
    assert_eq!(unsure.len(), 2);
    assert!(
        unsure[0].1.contains("caller_id")
            && !unsure[0].1.contains("number")
            && unsure[1].1.contains("Send Test")
    );
}

#[test]
fn refused_credentials_end_the_check_at_once() {
    let sample = full();
    let (asked, findings) = check(&sample, |_| refusal(401, "User Not Authenticated", "Required"));
    assert_eq!(
        (asked.len(), findings.len(), findings[0].0),
        (1, 1, FindingState::Bad)
    );
    assert!(findings[0].1.contains("does not accept the credentials"));
}

#[test]
fn a_table_that_does_not_exist_ends_it_too() {
    let sample = full();
    let (asked, findings) = check(&sample, |_| refusal(400, "Invalid table incident", ""));
    assert_eq!((asked.len(), findings[0].0), (1, FindingState::Bad));
    assert!(findings[0].1.contains("put Table right"));
}

#[test]
fn what_may_not_be_read_is_unsure() {
    let sample = full();
    let (_, findings) = check(&sample, |table| match table {
        "incident" => good(&sample, table),
        "sys_user" | "sys_journal_field" => ok(&json!([])),
        _ => refusal(403, "Operation Failed", "ACL"),
    });
    let states: Vec<_> = findings.iter().map(|(state, _)| *state).collect();
    assert_eq!(states[..3], [FindingState::Good; 3]);
    assert_eq!(states[3..], [FindingState::Unsure; 8]);
    // Perhaps they are only misspelt.
    let named = "None of these users under Assignees was found: ada.l, bob;";
    assert!(
        findings.iter().any(|(_, text)| text.starts_with(named)),
        "{findings:?}"
    );
}

#[test]
fn fields_that_are_hidden_are_named() {
    let sample = sample(EventName::Triggered);
    let (_, findings) = check(&sample, |table| match table {
        "incident" => ok(&json!([{ "sys_id": ID, "number": "INC1", "state": "" }])),
        _ => good(&sample, table),
    });
    assert_eq!(findings[1].0, FindingState::Bad);
    assert!(
        findings[1]
            .1
            .contains("do not exist: state, correlation_id, correlation_display")
    );
}

#[test]
fn a_mark_that_is_dropped_is_told_and_one_that_was_never_tried_is_unsure() {
    let sample = full();
    let told = |latest: Value| {
        let calls = std::cell::Cell::new(0);
        let (_, findings) = check(&sample, |table| {
            calls.set(calls.get() + usize::from(table == "incident"));
            match (table, calls.get()) {
                ("incident", 2) => ok(&latest),
                _ => good(&sample, table),
            }
        });
        findings[2].clone()
    };
    let by = |correlation: &str| json!([{ "number": "INC7", "correlation_id": correlation, "sys_created_by": "opsknight" }]);
    assert_eq!(told(by("x")).0, FindingState::Good);
    let dropped = told(by(""));
    assert_eq!(dropped.0, FindingState::Bad);
    assert!(
        dropped.1.starts_with("INC7 was made without the mark"),
        "{dropped:?}"
    );
    assert_eq!(told(json!([])).0, FindingState::Unsure);
}

#[test]
fn what_is_no_close_code_in_a_problem_is_told_by_its_own_field() {
    let sample = sample(EventName::Triggered).with_option("table", "problem");
    let choice =
        |element: &str, value: &str| json!({ "name": "problem", "element": element, "value": value });
    let (_, findings) = check(&sample, |table| match table {
        "problem" => good(&sample, "incident"),
        "sys_choice" => ok(&json!([
            choice("state", "102"),
            choice("state", "103"),
            choice("state", "106"),
            choice("resolution_code", "fix_applied"),
            choice("close_code", "nobody looks at it"),
        ])),
        _ => good(&sample, table),
    });
    let told = |sentence: &str| {
        findings
            .iter()
            .any(|(state, text)| *state == FindingState::Good && text.contains(sentence))
    };
    assert!(
        told("\"fix_applied\" is a close code of this table"),
        "{findings:?}"
    );
    assert!(told("The states that tickets are moved to exist"), "{findings:?}");
}
