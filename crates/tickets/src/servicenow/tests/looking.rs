//! Looking for a ticket that may have been made.

use super::*;
use model::attempt::Disposition;

fn late(mut sample: Sample, after: u64) -> Sample {
    sample.now = at().plus(seconds(after));
    sample
}

#[test]
fn a_ticket_that_may_have_been_made_is_looked_for_by_its_marker() {
    let mut sample = sample(EventName::Triggered);
    intended(&mut sample, None);
    let marker = mark(&sample);
    let line = line(&request(&sample));
    let query = format!("sysparm_query=correlation_id={marker}^ORDERBYsys_created_on&sysparm_limit=10");
    assert_eq!(line, format!("GET /api/now/table/incident?{query}"));
    let found = json!([record(&sample, "1")]);
    let (_, judgement) = exchange(&mut sample, &ok(&found));
    assert!(is_delivered(&judgement));
    assert_eq!(judgement.ticket, Some(TicketNews::Seen(ticket(TicketPhase::New))));
}

#[test]
fn an_answer_to_another_question_is_not_taken_for_nothing_found() {
    let mut sample = sample(EventName::Triggered);
    intended(&mut sample, None);
    let mut other = record(&sample, "1");
    other["correlation_id"] = json!("");
    let judgement = judge(&sample, &ok(&json!([other, 1, null])));
    let failure = failure(&judgement);
    assert_eq!(
        (failure.code, failure.disposition),
        (FailureCode::SettingsRefused, Disposition::NeedsOperator)
    );
    assert_eq!(judgement.ticket, None);
}

#[test]
fn what_is_not_found_is_looked_for_until_it_would_be_there() {
    let mut sample = late(sample(EventName::Triggered), 10);
    intended(&mut sample, None);
    let waited = judge(&sample, &ok(&json!([])));
    let wait = failure(&waited);
    assert_eq!(
        (wait.code, wait.disposition, wait.retry_after),
        (
            FailureCode::TicketUnknown,
            Disposition::RateLimited,
            Some(seconds(30))
        )
    );
    let sample = late(sample, 110);
    assert_eq!(
        failure(&judge(&sample, &ok(&json!([])))).retry_after,
        Some(seconds(10))
    );
    let mut sample = late(sample, 120);
    let (_, judgement) = exchange(&mut sample, &ok(&json!([])));
    assert_eq!((judgement.outcome, judgement.ticket), (Outcome::Step, None));
    let (line_, judgement) = exchange(&mut sample, &listed(&[], 0));
    let query = "sysparm_query=sys_created_by=opsknight^ORDERBYDESCsys_created_on&sysparm_limit=20";
    assert_eq!(line_, format!("GET /api/now/table/incident?{query}"));
    assert_eq!((judgement.outcome, judgement.ticket), (Outcome::Step, None));
    let (_, judgement) = exchange(&mut sample, &ok(&json!([])));
    assert_eq!(
        (judgement.outcome, judgement.ticket),
        (Outcome::Step, Some(TicketNews::NotMade))
    );
    assert_eq!(line(&request(&sample)), "POST /api/now/table/incident");
}

#[test]
fn a_hinted_ticket_counts_only_with_our_marker() {
    let mut sample = sample(EventName::Triggered);
    intended(&mut sample, Some(ID));
    assert_eq!(
        line(&request(&sample)),
        format!("GET /api/now/table/incident/{ID}")
    );
    let ours = judge(&sample, &ok(&record(&sample, "1")));
    assert!(is_delivered(&ours));
    let mut other = record(&sample, "1");
    other["correlation_id"] = json!("inc_other");
    let (_, judgement) = exchange(&mut sample, &ok(&other));
    assert_eq!((judgement.outcome, judgement.ticket), (Outcome::Step, None));
    assert!(line(&request(&sample)).contains("correlation_id="));
}

#[test]
fn a_hinted_ticket_that_is_not_there_is_looked_for_by_its_marker() {
    let mut sample = sample(EventName::Triggered);
    intended(&mut sample, Some("x"));
    let (_, judgement) = exchange(&mut sample, &missing());
    assert_eq!(judgement.outcome, Outcome::Step);
    assert!(line(&request(&sample)).contains("correlation_id="));
}

#[test]
fn a_found_ticket_that_was_closed_over_there_is_not_opened_by_an_acknowledgement() {
    let mut sample = sample(EventName::Acknowledged);
    intended(&mut sample, None);
    let found = json!([record(&sample, "7")]);
    let (_, judgement) = exchange(&mut sample, &ok(&found));
    assert!(is_delivered(&judgement) && phase(&judgement) == Some(TicketPhase::Done));
}

#[test]
fn a_search_that_fails_makes_nothing() {
    let mut sample = sample(EventName::Triggered);
    intended(&mut sample, None);
    let judgement = judge(&sample, &answer(500, "{}"));
    assert_eq!(
        (failure(&judgement).code, failure(&judgement).disposition),
        (FailureCode::ServerError, Disposition::Backoff)
    );
    let page = judge(&sample, &answer(200, "<html>"));
    assert_eq!(
        (failure(&page).code, failure(&page).disposition),
        (FailureCode::ResponseInvalid, Disposition::Backoff)
    );
    assert_eq!((judgement.ticket, page.ticket), (None, None));
}

#[test]
fn a_linked_ticket_that_is_gone_is_said_and_left() {
    let mut sample = linked(EventName::Acknowledged, TicketPhase::New);
    let (_, judgement) = exchange(&mut sample, &missing());
    assert_eq!(judgement.outcome, Outcome::Step);
    exchange(&mut sample, &ok(&json!([{ "sys_id": "x" }])));
    let judgement = judge(&sample, &missing());
    let failure = failure(&judgement);
    assert_eq!(
        (failure.code, failure.disposition),
        (FailureCode::TicketLost, Disposition::Permanent)
    );
    assert!(
        failure
            .detail
            .starts_with("INC0010001 was deleted, or this account may not see it")
    );
}

#[test]
fn a_record_that_hides_its_state_is_for_a_person() {
    let sample = linked(EventName::Acknowledged, TicketPhase::New);
    let judgement = judge(&sample, &ok(&json!({ "sys_id": ID, "state": "" })));
    assert_eq!(
        (failure(&judgement).code, failure(&judgement).disposition),
        (FailureCode::SettingsRefused, Disposition::NeedsOperator)
    );
}
