//! Closing, opening again, labels, assignees, duplicates.

use super::*;
use crate::forge::test_desk::{answer, raw, somebody};
use destination::ticketing::{QueryResult, QueryStep, TicketQuery};
use model::attempt::{Disposition, Outcome};
use model::exchange::FailureCode;
use model::ticket::{Ticket, TicketPhase};

fn linked(name: EventName, phase: TicketPhase) -> Sample {
    DESK.with_link(sample(name), phase).with_option("notes", "off")
}

#[test]
fn a_resolved_incident_closes_its_issue_as_completed() {
    let sample = linked(EventName::Resolved, TicketPhase::New);
    let played = DESK.play(
        sample.clone(),
        vec![
            shown(&sample, "open", &["bug"]),
            shown(&sample, "closed", &["bug"]),
        ],
    );
    assert_eq!(played.paths(), [format!("GET {ISSUE}"), format!("PATCH {ISSUE}")]);
    assert_eq!(
        played.body(1),
        json!({ "state": "closed", "state_reason": "completed" })
    );
    assert_eq!(played.phase(), (TicketPhase::Done, "closed"));
    assert_eq!(played.last.outcome, Outcome::Delivered);
}

#[test]
fn an_acknowledged_incident_labels_its_issue_if_the_settings_say_so() {
    let sample = linked(EventName::Acknowledged, TicketPhase::New);
    let answers = vec![
        shown(&sample, "open", &[]),
        ok(&json!([{ "name": "acknowledged" }])),
        shown(&sample, "open", &["Acknowledged"]),
    ];
    let played = DESK.play(sample.clone(), answers);
    assert_eq!(
        played.requests[1],
        format!("POST {ISSUE}/labels {}", json!({ "labels": ["acknowledged"] }))
    );
    assert_eq!(played.phase(), (TicketPhase::InProgress, "acknowledged"));
    let without = sample.with_option("acknowledgedLabel", "");
    let played = DESK.play(without.clone(), vec![shown(&without, "open", &[])]);
    assert_eq!(played.phase(), (TicketPhase::New, "open"));
    assert_eq!(played.last.outcome, Outcome::Delivered);
}

#[test]
fn a_reopened_incident_takes_the_label_off_and_opens_its_issue_again() {
    let sample = linked(EventName::Reopened, TicketPhase::Done);
    let answers = vec![
        shown(&sample, "closed", &["acknowledged"]),
        refused(404, "Label does not exist"),
        shown(&sample, "closed", &[]),
        shown(&sample, "open", &[]),
    ];
    let played = DESK.play(sample, answers);
    let paths = [
        format!("GET {ISSUE}"),
        format!("DELETE {ISSUE}/labels/acknowledged"),
        format!("GET {ISSUE}"),
        format!("PATCH {ISSUE}"),
    ];
    assert_eq!(played.paths(), paths);
    assert_eq!(
        played.body(3),
        json!({ "state": "open", "state_reason": "reopened" })
    );
    assert_eq!(played.phase(), (TicketPhase::New, "open"));
}

#[test]
fn an_issue_that_stays_where_it_is_is_left_to_people() {
    let sample = linked(EventName::Resolved, TicketPhase::New);
    let played = DESK.play(sample.clone(), vec![shown(&sample, "open", &[]); 3]);
    assert_eq!(
        played.told(),
        (FailureCode::TransitionMissing, Disposition::Permanent)
    );
}

#[test]
fn the_issue_is_given_to_whoever_has_the_incident() {
    let sample = somebody(linked(EventName::Escalated, TicketPhase::New), "Ada", None)
        .with_option("assignees", "ada = ada-at-github");
    let mut given = issue(&sample, "open", &[]);
    given["assignees"] = json!([{ "login": "Ada-at-GitHub", "id": 3 }]);
    let played = DESK.play(sample.clone(), vec![shown(&sample, "open", &[]), ok(&given)]);
    assert_eq!(played.body(1), json!({ "assignees": ["ada-at-github"] }));
    assert_eq!(played.last.outcome, Outcome::Delivered);
}

#[test]
fn a_refusal_of_one_issue_ends_its_delivery_alone() {
    use Disposition::Permanent;
    let sample = linked(EventName::Resolved, TicketPhase::New);
    let moved = raw(
        301,
        &[("location", "https://api.github.com/repositories/5/issues/3")],
        r#"{"message":"Moved Permanently"}"#,
    );
    let cases = [
        (refused(404, "Not Found"), FailureCode::TicketLost),
        (refused(410, "This issue was deleted"), FailureCode::TicketLost),
        (
            refused(403, "Must have admin rights to Repository."),
            FailureCode::MessageRefused,
        ),
        (moved, FailureCode::TicketLost),
    ];
    for (is_hidden, (exchange, code)) in [true, true, false, false].into_iter().zip(cases) {
        // What is not shown is believed to be gone once the account was seen to work.
        let answers = match is_hidden {
            true => vec![exchange.clone(), ok(&json!({})), exchange],
            false => vec![exchange],
        };
        let played = DESK.play(sample.clone(), answers);
        assert_eq!(played.told(), (code, Permanent));
    }
    let blind = vec![refused(404, "Not Found"), refused(404, "Not Found")];
    assert_eq!(
        DESK.play(sample.clone(), blind).told().1,
        Disposition::NeedsOperator
    );
    let played = DESK.play(sample, vec![refused(401, "Bad credentials")]);
    assert_eq!(played.told().1, Disposition::NeedsOperator);
}

#[test]
fn a_duplicate_is_told_labelled_and_closed_as_not_planned_and_then_not_found_any_more() {
    let sample = sample(EventName::Triggered);
    let ticket = |number: &str| Ticket {
        id: number.into(),
        key: format!("acme/operations#{number}"),
        url: String::new(),
        phase: TicketPhase::New,
        status: "open".into(),
    };
    let merge = TicketQuery::Merge {
        keep: ticket("9"),
        close: ticket("12"),
    };
    let answers = [
        shown(&sample, "open", &["opsknight"]),
        ok(&json!([])),
        answer(201, &json!({ "id": 1 })),
        ok(&json!([])),
        shown(&sample, "closed", &["opsknight", "opsknight-duplicate"]),
    ];
    let (requests, ended) = DESK.ask(&sample, &merge, &answers);
    assert!(matches!(ended, QueryStep::Done(QueryResult::Merged)), "{ended:?}");
    assert!(
        requests[2].contains("acme/operations#\\u{2060}9 stays") || requests[2].contains("#\u{2060}9 stays"),
        "{requests:#?}"
    );
    assert_eq!(
        requests[3],
        format!(
            "POST {ISSUE}/labels {}",
            json!({ "labels": ["opsknight-duplicate"] })
        )
    );
    assert_eq!(
        requests[4],
        format!(
            "PATCH {ISSUE} {}",
            json!({ "state": "closed", "state_reason": "not_planned" })
        )
    );
    let marked = TicketQuery::Marked {
        marker: marker(&sample),
    };
    let duplicate = issue(&sample, "closed", &["opsknight", "opsknight-duplicate"]);
    let mut kept = issue(&sample, "open", &["opsknight"]);
    kept["number"] = json!(9);
    match DESK.ask(&sample, &marked, &[ok(&json!([duplicate, kept]))]).1 {
        QueryStep::Done(QueryResult::Tickets(tickets)) => {
            assert_eq!(
                tickets
                    .iter()
                    .map(|ticket| ticket.id.as_str())
                    .collect::<Vec<_>>(),
                ["9"]
            );
        }
        other => panic!("{other:?}"),
    }
}
