//! Whose refusal it is: the account's, or that of one ticket.

use super::asking::{ask, done};
use super::*;
use destination::ticketing::{QueryResult, QueryStep, TicketQuery};

fn held() -> (FailureCode, Disposition) {
    (FailureCode::SettingsRefused, Disposition::NeedsOperator)
}

#[test]
fn a_token_that_has_ended_is_none_whatever_the_status_says() {
    let read = linked(sample(EventName::Acknowledged), TicketPhase::New);
    let gone = json!({ "errorMessages": ["Issue does not exist or you do not have permission to see it."] });
    let played = play(read, vec![as_nobody(404, &gone)]);
    assert_eq!(played.told(), held());
    assert!(
        played.detail().contains("the token has ended"),
        "{}",
        played.detail()
    );

    let refused = json!({ "errorMessages": [], "errors": { "project": "valid project is required" } });
    let played = play(sample(EventName::Triggered), vec![as_nobody(400, &refused)]);
    assert_eq!(played.told(), held());
    assert_eq!(played.last.ticket, Some(TicketNews::NotMade));

    let mut looking = intended(sample(EventName::Triggered), None);
    looking.now = at().plus(std::time::Duration::from_secs(400));
    let played = play(looking, vec![as_nobody(200, &json!({ "issues": [] }))]);
    assert_eq!(played.told(), held(), "an empty search of nobody's was believed");
    assert_eq!(played.last.ticket, None);
}

#[test]
fn what_was_done_is_done_whoever_did_it() {
    let made = as_nobody(201, &json!({ "id": "10012", "key": "OPS-12" }));
    let played = play(
        sample(EventName::Triggered),
        vec![made, as_nobody(404, &json!({}))],
    );
    assert_eq!(played.told(), held());
    assert!(
        played.notes.iter().any(|note| note == "made OPS-12"),
        "{:?}",
        played.notes
    );
}

#[test]
fn a_poll_with_a_token_that_has_ended_says_nothing_of_the_ticket() {
    let sample = sample(EventName::Triggered);
    let read = TicketQuery::Read {
        ticket_id: "10012".into(),
        comments_since: None,
    };
    let (_, ended) = ask(&sample, &read, &[as_nobody(404, &json!({}))]);
    let Some(QueryStep::Failed(failure, None)) = ended else {
        panic!("{ended:?}")
    };
    assert_eq!((failure.code, failure.disposition), held());
    let (_, unseen) = ask(
        &sample,
        &read,
        &[
            answer(404, &json!({ "errorMessages": ["no"] })),
            may(&["BROWSE_PROJECTS"]),
        ],
    );
    assert!(matches!(unseen, Some(QueryStep::Failed(_, None))), "{unseen:?}");
    let (_, gone) = ask(&sample, &read, &[missing(), may(&["ADD_COMMENTS"]), missing()]);
    assert_eq!(done(gone), QueryResult::Ticket(None));
    let back = answer(200, &issue("To Do", &[]));
    let (_, back) = ask(&sample, &read, &[missing(), may_all(), back]);
    assert!(matches!(done(back), QueryResult::Ticket(Some(_))));
}

#[test]
fn a_ticket_that_is_refused_alone_stops_nothing_else() {
    let forbidden = || {
        answer(
            403,
            &json!({ "errorMessages": ["You do not have the permission"] }),
        )
    };
    let linked = || linked(sample(EventName::Acknowledged), TicketPhase::New);
    let alone = play(linked(), vec![forbidden(), may_all(), forbidden()]);
    assert_eq!(alone.told(), (FailureCode::SettingsRefused, Disposition::Backoff));
    assert!(alone.detail().contains("this ticket alone"), "{}", alone.detail());
    let all = play(linked(), vec![forbidden(), may(&["TRANSITION_ISSUES"])]);
    assert_eq!(all.told(), held());
    assert!(
        all.detail().contains("lacks Transition Issues"),
        "{}",
        all.detail()
    );
}

#[test]
fn no_ticket_is_made_anew_for_an_account_that_sees_none() {
    let mut looking = intended(sample(EventName::Triggered), None);
    looking.now = at().plus(std::time::Duration::from_secs(400));
    let played = play(
        looking,
        vec![answer(200, &json!({ "issues": [] })), may(&["BROWSE_PROJECTS"])],
    );
    assert_eq!(played.told(), held());
    assert_eq!(played.last.ticket, None);
}
