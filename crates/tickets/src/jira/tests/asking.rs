//! Questions beside deliveries.

use std::time::Duration;

use super::*;
use destination::ticketing::{Comment, QueryContext, QueryResult, QueryStep, Reading, TicketQuery};

/// Asks a question until it ends, or until there is no answer left: then the last request is told.
pub(super) fn ask(
    sample: &Sample,
    question: &TicketQuery,
    answers: &[Exchange],
) -> (Vec<String>, Option<QueryStep>) {
    let mut requests = Vec::new();
    for count in 0..=answers.len() {
        let asked = JIRA.ticketing().unwrap().query(&QueryContext {
            webhook: &sample.webhook,
            target: &sample.target,
            token: None,
            query: question,
            answers: &answers[..count],
            now: at(),
        });
        match asked {
            QueryStep::Send(request) => requests.push(line(&request)),
            ended => return (requests, Some(ended)),
        }
    }
    (requests, None)
}

pub(super) fn done(asked: Option<QueryStep>) -> QueryResult {
    match asked {
        Some(QueryStep::Done(answer)) => answer,
        other => panic!("it did not end well: {other:?}"),
    }
}

fn reading(asked: Option<QueryStep>) -> Reading {
    match done(asked) {
        QueryResult::Ticket(Some(reading)) => reading,
        other => panic!("no ticket: {other:?}"),
    }
}

fn change(created: &str, who: &str, field: &str) -> Value {
    json!({
        "created": created,
        "author": { "accountId": who, "displayName": format!("Person {who}") },
        "items": [{ "field": field }],
    })
}

fn read_question(since: Option<Timestamp>) -> TicketQuery {
    TicketQuery::Read {
        ticket_id: "10012".into(),
        comments_since: since,
    }
}

#[test]
fn whoever_moved_a_ticket_is_told_and_whether_it_was_us() {
    let mut read = issue("Done", &[]);
    read["changelog"] = json!({ "histories": [
        change("2024-01-15T10:00:00.000+0000", "you-2", "status"),
        change("2024-01-15T12:00:00.000+0200", "you-3", "assignee"),
        change("2024-01-15T11:00:00.000+0000", "me-1", "status"),
        change("2024-01-15T12:00:00.000+0000", "you-4", "summary"),
    ]});
    let sample = sample(EventName::Triggered);
    let (requests, asked) = ask(&sample, &read_question(None), &[answer(200, &read)]);
    assert_eq!(requests.len(), 1);
    assert!(requests[0].contains("expand=changelog"));
    let reading = reading(asked);
    assert_eq!(
        (reading.by.as_deref(), reading.is_ours),
        (Some("Person me-1"), true)
    );
    assert_eq!(reading.ticket.phase, TicketPhase::Done);
    assert_eq!(reading.ticket.url, "https://example.atlassian.net/browse/OPS-12");
}

#[test]
fn a_history_that_is_too_large_is_done_without() {
    let sample = sample(EventName::Triggered);
    let answers = [cut_short(200, "{"), answer(200, &issue("To Do", &[]))];
    let (requests, asked) = ask(&sample, &read_question(None), &answers);
    assert!(!requests[1].contains("changelog"));
    assert_eq!(reading(asked).by, None);
}

#[test]
fn comments_of_people_come_oldest_first_and_ours_are_left_out() {
    let comment = |created: &str, who: &str, body: &str| json!({ "created": created, "author": { "accountId": who, "displayName": "Bob" }, "body": body });
    let comments = json!({ "comments": [
        comment("2024-01-15T10:50:00.000+0000", "you-2", "later\n\u{202e}line"),
        comment("2024-01-15T10:45:00.000+0000", "me-1", "ours"),
        comment("2024-01-15T10:44:00.000+0000", "you-3", "copied (OpsKnight evt_1)"),
        comment("2024-01-15T10:40:00.000+0000", "you-2", &"x".repeat(5000)),
        comment("2024-01-15T10:30:00.000+0000", "you-2", "known already"),
    ]});
    let mut read = issue("To Do", &[]);
    read["fields"]["updated"] = json!("2024-01-15T10:50:00.000+0000");
    let sample = sample(EventName::Triggered);
    let answers = [answer(200, &read), answer(200, &comments)];
    let (requests, asked) = ask(&sample, &read_question(Some(at())), &answers);
    assert!(requests[1].contains("/comment?orderBy=-created&maxResults=50"));
    let found = reading(asked).comments;
    assert_eq!(found.len(), 2);
    assert_eq!(found[0].text.chars().count(), 2000);
    let later = Comment {
        at: at().plus(Duration::from_secs(1200)),
        author: "Bob".into(),
        text: "later\nline".into(),
    };
    assert_eq!(found[1], later);
}

#[test]
fn comments_are_only_asked_for_if_there_may_be_any_and_fewer_if_they_are_too_large() {
    let mut read = issue("To Do", &[]);
    read["fields"]["updated"] = json!("2024-01-15T10:30:00.000+0000");
    let sample = sample(EventName::Triggered);
    let (requests, _) = ask(&sample, &read_question(Some(at())), &[answer(200, &read)]);
    assert_eq!(requests.len(), 1);
    let earlier = at().minus(Duration::from_secs(1));
    let large = || cut_short(200, "{");
    let answers = [answer(200, &read), large(), large()];
    let (requests, asked) = ask(&sample, &read_question(Some(earlier)), &answers);
    assert!(requests[2].contains("maxResults=10"));
    assert_eq!(reading(asked).comments, []);
}

#[test]
fn a_ticket_that_is_not_there_is_none_and_refused_credentials_are_a_failure() {
    let sample = sample(EventName::Triggered);
    let (_, gone) = ask(&sample, &read_question(None), &[missing(), may_all(), missing()]);
    assert_eq!(done(gone), QueryResult::Ticket(None));
    let (_, refused) = ask(&sample, &read_question(None), &[raw(401, &[], "")]);
    let Some(QueryStep::Failed(failure, None)) = refused else {
        panic!("it did not fail");
    };
    assert_eq!(
        (failure.code, failure.disposition),
        (FailureCode::SettingsRefused, Disposition::NeedsOperator)
    );
    let (_, limited) = ask(&sample, &read_question(None), &[raw(429, &[], "")]);
    assert!(matches!(limited, Some(QueryStep::Failed(_, Some(_)))));
}

#[test]
fn a_ticket_is_named_by_its_key_or_its_page_on_this_site() {
    let sample = sample(EventName::Triggered);
    let reference = |text: &str| JIRA.ticketing().unwrap().reference(&sample.target, text);
    let key = || Ok("OPS-12".to_owned());
    assert_eq!(reference(" ops-12 "), key());
    assert_eq!(
        reference("https://example.atlassian.net/browse/OPS-12?focus=1"),
        key()
    );
    assert_eq!(
        reference("https://example.atlassian.net/jira/software/projects/OPS/boards/1?selectedIssue=OPS-12"),
        key()
    );
    assert_eq!(
        reference("https://example.atlassian.net/projects/OPS/issues/OPS-12"),
        key()
    );
    assert!(
        reference("https://elsewhere.example/browse/OPS-12")
            .unwrap_err()
            .contains("leads elsewhere")
    );
    assert!(
        reference("https://example.atlassian.net/jira")
            .unwrap_err()
            .contains("names no ticket")
    );
    assert!(reference("12").is_err() && reference("").is_err() && reference("OPS").is_err());
    let find = TicketQuery::Find {
        reference: "OPS-12".into(),
    };
    let (requests, asked) = ask(&sample, &find, &[answer(200, &issue("To Do", &[]))]);
    assert!(requests[0].starts_with("GET /issue/OPS-12?"));
    assert_eq!(reading(asked).ticket.id, "10012");
}

#[test]
fn marked_tickets_come_oldest_first_without_closed_duplicates() {
    let sample = sample(EventName::Triggered);
    let marked = |id: &str, name: &str, more: &str| {
        let mut issue = labelled(issue(name, &[]), &[&marker(&sample), more]);
        issue["id"] = json!(id);
        issue
    };
    let issues = vec![
        marked("40", "To Do", "x"),
        marked("9", "Done", "opsknight-duplicate"),
        marked("30", "Done", "x"),
        marked("20", "To Do", "opsknight-duplicate"),
        issue("To Do", &[]),
    ];
    let question = TicketQuery::Marked {
        marker: marker(&sample).replace("opsknight-", ""),
    };
    let (_, asked) = ask(&sample, &question, &[answer(200, &json!({ "issues": issues }))]);
    let QueryResult::Tickets(tickets) = done(asked) else {
        panic!("no tickets");
    };
    assert_eq!(
        tickets
            .iter()
            .map(|ticket| ticket.id.as_str())
            .collect::<Vec<_>>(),
        ["20", "30", "40"]
    );
    let empty = TicketQuery::Marked {
        marker: String::new(),
    };
    let (requests, asked) = ask(&sample, &empty, &[]);
    assert_eq!(requests.len(), 0);
    assert!(matches!(asked, Some(QueryStep::Failed(..))));
}
