//! Tickets that were made twice.

use super::asking::{ask, done};
use super::*;
use destination::ticketing::{QueryResult, QueryStep, TicketQuery};

fn question() -> TicketQuery {
    let keep = Ticket {
        id: "10001".into(),
        key: "OPS-1".into(),
        ..ticket(TicketPhase::New)
    };
    TicketQuery::Merge {
        keep,
        close: ticket(TicketPhase::New),
    }
}

fn comments(text: &str) -> Exchange {
    answer(200, &json!({ "comments": [{ "body": text }] }))
}

fn ok() -> Exchange {
    raw(201, &[], "{}")
}

fn paths(requests: &[String]) -> Vec<String> {
    let path = |line: &String| {
        let mut words = line.splitn(3, ' ');
        let (method, path) = (words.next().unwrap(), words.next().unwrap());
        format!("{method} {}", path.split('?').next().unwrap())
    };
    requests.iter().map(path).collect()
}

#[test]
fn the_one_that_goes_points_to_the_one_that_stays_and_is_closed() {
    let answers = [
        answer(200, &issue("To Do", &[to("31", "Done")])),
        comments("hello"),
        ok(),
        ok(),
        nothing(),
        nothing(),
        answer(200, &labelled(issue("Done", &[]), &["opsknight-duplicate"])),
    ];
    let (requests, asked) = ask(&sample(EventName::Triggered), &question(), &answers);
    let expected = [
        "GET /issue/10012",
        "GET /issue/10012/comment",
        "POST /issue/10012/comment",
        "POST /issueLink",
        "PUT /issue/10012",
        "POST /issue/10012/transitions",
        "GET /issue/10012",
    ];
    assert_eq!(paths(&requests), expected);
    assert!(requests[2].contains("(OpsKnight duplicate of OPS-1)"));
    assert!(requests[3].contains(r#""inwardIssue":{"key":"OPS-12"},"outwardIssue":{"key":"OPS-1"}"#));
    assert!(requests[4].contains("opsknight-duplicate"));
    assert_eq!(done(asked), QueryResult::Merged);
}

#[test]
fn what_is_there_already_is_left_out() {
    let closed = answer(200, &labelled(issue("Done", &[]), &["opsknight-duplicate"]));
    let (requests, asked) = ask(&sample(EventName::Triggered), &question(), &[closed]);
    assert_eq!((requests.len(), done(asked)), (1, QueryResult::Merged));
    let answers = [
        answer(200, &issue("Done", &[])),
        comments("x (OpsKnight duplicate of OPS-1)"),
        answer(404, &json!({ "errorMessages": ["no link type"] })),
        nothing(),
    ];
    let (requests, asked) = ask(&sample(EventName::Triggered), &question(), &answers);
    let expected = [
        "GET /issue/10012",
        "GET /issue/10012/comment",
        "POST /issueLink",
        "PUT /issue/10012",
    ];
    assert_eq!(paths(&requests), expected);
    assert_eq!(done(asked), QueryResult::Merged);
}

#[test]
fn a_ticket_without_a_way_to_its_end_is_for_a_person() {
    let answers = [
        answer(200, &issue("To Do", &[])),
        comments("x (OpsKnight duplicate of OPS-1)"),
        ok(),
        nothing(),
    ];
    let (_, asked) = ask(&sample(EventName::Triggered), &question(), &answers);
    let Some(QueryStep::Failed(failure, None)) = asked else {
        panic!("it did not fail");
    };
    assert_eq!(failure.code, FailureCode::TransitionMissing);
    assert!(failure.detail.contains("close it by hand"));
}

#[test]
fn a_deleted_one_needs_nothing_more() {
    let (_, asked) = ask(
        &sample(EventName::Triggered),
        &question(),
        &[answer(404, &json!({ "errorMessages": ["no"] }))],
    );
    assert_eq!(done(asked), QueryResult::Merged);
}
