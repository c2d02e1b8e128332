//! Comments, each written once.

use std::time::Duration;

use super::*;
use crate::workflow::stored::text_of;
use destination::task::IncidentContext;
use model::id::AuditId;
use model::ticket::WrittenNote;

fn escalated() -> Sample {
    linked(sample(EventName::Escalated), TicketPhase::New)
}

fn read() -> Exchange {
    answer(200, &issue("To Do", &[]))
}

fn written() -> Exchange {
    answer(201, &json!({ "id": "1" }))
}

/// The same when a note that was sent must have arrived.
fn later(mut sample: Sample) -> Sample {
    sample.now = sample.now.plus(Duration::from_secs(30));
    sample
}

#[test]
fn a_note_without_a_clear_answer_is_looked_for_before_it_is_written_again() {
    let lost = play(escalated(), vec![read(), silence(FailureCode::ResponseTimeout)]);
    assert_eq!(
        lost.told(),
        (FailureCode::ResponseTimeout, Disposition::VerifyFirst)
    );
    let key = format!("(OpsKnight {})", lost.after.event.id);
    let there = answer(
        200,
        &json!({ "comments": [{ "body": format!("Escalated.\n\n{key}") }] }),
    );
    let found = play(lost.after.clone(), vec![read(), there]);
    assert_eq!(found.paths(), ["GET /issue/10012", "GET /issue/10012/comment"]);
    assert!(found.requests[1].contains("orderBy=-created&maxResults=20"));
    assert_eq!(found.last.outcome, Outcome::Delivered);
    let other = answer(200, &json!({ "comments": [{ "body": "hello" }] }));
    let early = play(lost.after.clone(), vec![read(), other.clone()]);
    assert_eq!(
        early.told(),
        (FailureCode::TicketUnknown, Disposition::RateLimited)
    );
    let missing = play(later(lost.after), vec![read(), other, written()]);
    let paths = [
        "GET /issue/10012",
        "GET /issue/10012/comment",
        "POST /issue/10012/comment",
    ];
    assert_eq!(missing.paths(), paths);
}

#[test]
fn what_is_written_down_before_a_note_leaves_has_it_looked_for_after_a_crash() {
    let mut sample = escalated();
    let read = sample.settle(|task| JIRA.step(task).classify(task, &read(), at()));
    keep(&mut sample, &read);
    let request = sample.settle(|task| JIRA.step(task)).into_request().unwrap();
    intend(&mut sample, request.intent);
    let after = play(
        later(sample),
        vec![self::read(), answer(200, &json!({ "comments": [] })), written()],
    );
    let paths = [
        "GET /issue/10012",
        "GET /issue/10012/comment",
        "POST /issue/10012/comment",
    ];
    assert_eq!(after.paths(), paths);
}

#[test]
fn a_note_that_was_refused_is_not_looked_for() {
    let limited = raw(429, &[("retry-after", "3")], "");
    let refused = play(escalated(), vec![read(), limited]);
    assert_eq!(
        refused.told(),
        (FailureCode::RateLimited, Disposition::RateLimited)
    );
    assert_eq!(
        play(refused.after, vec![read(), written()]).last.outcome,
        Outcome::Delivered
    );
    let forbidden = play(
        escalated(),
        vec![
            read(),
            answer(403, &json!({ "errorMessages": ["no"] })),
            may(&["ADD_COMMENTS"]),
        ],
    );
    assert_eq!(
        forbidden.told(),
        (FailureCode::SettingsRefused, Disposition::NeedsOperator)
    );
    assert!(
        forbidden
            .detail()
            .starts_with("this account lacks Add Comments in the project")
    );
}

#[test]
fn which_events_are_noted_is_the_users_choice() {
    let count = |name, notes: &str, answers| {
        let sample = linked(sample(name), TicketPhase::InProgress).with_option("notes", notes);
        play(sample, answers).requests.len()
    };
    let there = || answer(200, &issue("In Progress", &[]));
    assert_eq!(count(EventName::Acknowledged, "escalations", vec![there()]), 1);
    assert_eq!(count(EventName::Acknowledged, "all", vec![there(), written()]), 2);
    assert_eq!(count(EventName::Escalated, "off", vec![there()]), 1);
    assert_eq!(
        count(EventName::Escalated, "escalations", vec![there(), written()]),
        2
    );
}

#[test]
fn a_ticket_that_was_just_made_is_told_nothing_twice() {
    let played = play(sample(EventName::Escalated), vec![created(), read()]);
    assert_eq!(played.paths(), ["POST /issue", "GET /issue/10012"]);
}

#[test]
fn what_another_ticket_was_told_counts_for_nothing() {
    let mut sample = linked(sample(EventName::Acknowledged), TicketPhase::InProgress);
    sample.workflow = text_of(r#"{"ticket":"9","assignee":"usr_x","link_is_resolved":true}"#, "");
    let there = answer(200, &issue("In Progress", &[]));
    assert_eq!(play(sample, vec![there]).requests.len(), 1);
}

#[test]
fn a_note_that_customers_may_see_says_nothing_of_that() {
    let played = play(
        escalated().with_option("noteVisibility", "public"),
        vec![read(), written()],
    );
    assert!(
        played.body(1).get("properties").is_none(),
        "{:?}",
        played.requests
    );
    let played = play(escalated(), vec![read(), written()]);
    assert_eq!(played.body(1)["properties"][0]["value"]["internal"], true);
}

/// An incident on which people wrote this.
fn with_notes(sample: Sample, texts: &[&str], option: &str) -> Sample {
    let mut sample = sample.with_option("incidentNotes", option);
    let numbers = 1..;
    let note = |(number, text): (u8, &&str)| WrittenNote {
        id: AuditId::new(at(), [number; 10]),
        author: "Ada Lovelace".to_owned(),
        text: (*text).to_owned(),
    };
    sample.beyond = Some(IncidentContext {
        notes: numbers.zip(texts).map(note).collect(),
        ..IncidentContext::default()
    });
    sample
}

#[test]
fn what_people_write_on_the_incident_is_told_once_where_that_is_chosen() {
    let there = || answer(200, &issue("In Progress", &[]));
    let taken = || linked(sample(EventName::Acknowledged), TicketPhase::InProgress);
    let texts = ["Restarted *it*,\nsee below", "All well"];
    let off = play(with_notes(taken(), &texts, "off"), vec![there()]);
    assert_eq!(off.paths(), ["GET /issue/10012"]);
    let on = play(
        with_notes(taken(), &texts, "on"),
        vec![there(), written(), written()],
    );
    let comment = "POST /issue/10012/comment";
    assert_eq!(on.paths(), ["GET /issue/10012", comment, comment]);
    let key = format!("(OpsKnight note/{})", AuditId::new(at(), [1; 10]));
    let text = format!("Ada Lovelace wrote:\nRestarted \\*it\\*,\nsee below\n\n{key}");
    assert_eq!(on.body(1)["body"], text);
    assert!(on.body(2)["body"].as_str().unwrap().contains("All well"));
    let again = play(on.after, vec![there()]);
    assert_eq!(again.paths(), ["GET /issue/10012"]);
}

#[test]
fn a_ticket_that_is_over_and_takes_no_more_notes_is_asked_for_each_once() {
    let over = || answer(200, &issue("Done", &[]));
    let closed = linked(sample(EventName::Resolved), TicketPhase::Done);
    let sample = with_notes(closed, &["late"], "on");
    let refused = answer(403, &json!({ "errorMessages": ["no"] }));
    let first = play(sample, vec![over(), refused]);
    assert_eq!(first.last.outcome, Outcome::Delivered);
    let again = play(first.after, vec![over()]);
    assert_eq!(again.paths(), ["GET /issue/10012"]);
}
