//! Tickets that may have been made.

use std::time::Duration;

use model::event::Event;
use model::id::EventId;
use model::ticket::HEADLINE_OPTION;

use super::*;
use crate::workflow::stored::text_of;

fn found(issues: &[Value]) -> Exchange {
    answer(200, &json!({ "issues": issues, "isLast": true }))
}

fn ours(sample: &Sample, id: &str, name: &str) -> Value {
    let mut issue = labelled(issue(name, &[]), &["x", &marker(sample)]);
    issue["id"] = json!(id);
    issue["key"] = json!(format!("OPS-{id}"));
    issue
}

#[test]
fn the_oldest_with_our_marker_is_the_one() {
    let sample = intended(sample(EventName::Triggered), None);
    let other = labelled(issue("To Do", &[]), &["opsknight-inc_other"]);
    let issues = vec![other, ours(&sample, "30", "To Do"), ours(&sample, "20", "To Do")];
    let mut read = issue("To Do", &[]);
    read["id"] = json!("20");
    read["key"] = json!("OPS-20");
    let played = play(sample, vec![found(&issues), answer(200, &read)]);
    assert_eq!(played.paths(), ["GET /search/jql", "GET /issue/20"]);
    assert_eq!(played.notes[0], "OPS-20 was made after all");
    assert!(played.requests[0].contains(&format!(
        "jql=labels+%3D+%22{}%22+ORDER+BY+created+ASC",
        marker(&played.after)
    )));
}

#[test]
fn data_center_is_searched_in_its_own_way() {
    let mut sample = intended(sample(EventName::Triggered), None).with_option("edition", "data_center");
    sample.workflow = text_of("", r#"{"given_up":["account"]}"#);
    sample.now = at().plus(Duration::from_secs(299));
    let played = play(sample, vec![found(&[])]);
    assert_eq!(played.paths(), ["GET /search"]);
}

#[test]
fn a_search_that_shows_nothing_is_repeated_until_it_can_be_believed() {
    let mut sample = intended(sample(EventName::Triggered), None);
    let wait = |sample: &Sample| {
        let played = play(sample.clone(), vec![found(&[])]);
        assert_eq!(
            played.told(),
            (FailureCode::TicketUnknown, Disposition::RateLimited)
        );
        played.last.outcome.failure().unwrap().retry_after
    };
    assert_eq!(wait(&sample), Some(Duration::from_secs(30)));
    sample.now = at().plus(Duration::from_secs(290));
    assert_eq!(wait(&sample), Some(Duration::from_secs(10)));
    sample.now = at().plus(Duration::from_secs(300));
    let made = play(
        sample,
        vec![
            found(&[]),
            may_all(),
            found(&[]),
            created(),
            answer(200, &issue("To Do", &[])),
        ],
    );
    assert_eq!(
        made.paths(),
        [
            "GET /search/jql",
            "GET /mypermissions",
            "GET /search/jql",
            "POST /issue",
            "GET /issue/10012"
        ]
    );
}

#[test]
fn what_does_not_carry_our_marker_is_never_taken_for_ours() {
    let sample = intended(sample(EventName::Triggered), None);
    let others = vec![
        issue("To Do", &[]),
        labelled(issue("To Do", &[]), &["opsknight-"]),
    ];
    let played = play(sample, vec![found(&others)]);
    assert_eq!(
        played.told(),
        (FailureCode::ResponseInvalid, Disposition::Backoff)
    );
}

#[test]
fn a_closed_duplicate_is_not_found_again() {
    let sample = intended(sample(EventName::Triggered), None);
    let mut closed = ours(&sample, "20", "Done");
    closed["fields"]["labels"] = json!([marker(&sample), "opsknight-duplicate"]);
    let kept = ours(&sample, "10012", "To Do");
    let read = answer(200, &issue("To Do", &[]));
    let played = play(sample, vec![found(&[closed, kept]), read]);
    assert_eq!(played.paths(), ["GET /search/jql", "GET /issue/10012"]);
}

#[test]
fn a_hint_is_followed_and_must_carry_the_marker() {
    let sample = intended(sample(EventName::Triggered), Some("10012"));
    let ours = labelled(issue("To Do", &[]), &[&marker(&sample)]);
    let read = || answer(200, &issue("To Do", &[]));
    let played = play(sample.clone(), vec![answer(200, &ours), read()]);
    assert_eq!(played.paths(), ["GET /issue/10012", "GET /issue/10012"]);
    let strange = play(sample.clone(), vec![read(), found(&[])]);
    assert_eq!(strange.paths(), ["GET /issue/10012", "GET /search/jql"]);
    let gone = play(
        sample,
        vec![answer(404, &json!({ "errorMessages": ["no"] })), found(&[])],
    );
    assert_eq!(gone.paths(), ["GET /issue/10012", "GET /search/jql"]);
}

#[test]
fn a_lost_answer_leads_to_one_ticket_only() {
    let first = play(
        sample(EventName::Triggered),
        vec![silence(FailureCode::ResponseTimeout)],
    );
    assert_eq!(first.told().1, Disposition::VerifyFirst);
    let shown = found(&[ours(&first.after, "10012", "To Do")]);
    let second = play(first.after, vec![shown, answer(200, &issue("To Do", &[]))]);
    assert_eq!(second.paths(), ["GET /search/jql", "GET /issue/10012"]);
    assert_eq!(second.last.outcome, Outcome::Delivered);
}

#[test]
fn whatever_event_finds_a_ticket_it_is_told_what_its_incident_is_called_since_it_was_made() {
    let wanting = sample(EventName::Triggered).with_option(HEADLINE_OPTION, "on");
    // The server may have died before it noted anything.
    let noted = play(wanting.clone(), vec![silence(FailureCode::ResponseTimeout)]).after;
    for mut sample in [noted, intended(wanting, None)] {
        let mut incident = sample.event.incident().unwrap();
        incident.title = "Another one".into();
        let before = &sample.event;
        let id = EventId::new(at(), [9; 10]);
        let escalated = Event::new(
            id,
            EventName::Escalated,
            &incident,
            before.actor.clone(),
            before.at,
        );
        sample.event = Event {
            sequence: before.sequence + 1,
            ..escalated
        };
        let answers = vec![
            found(&[ours(&sample, "10012", "To Do")]),
            answer(200, &issue("To Do", &[])),
            nothing(),
            answer(201, &json!({ "id": "1" })),
        ];
        let played = play(sample, answers);
        let paths = [
            "GET /search/jql",
            "GET /issue/10012",
            "PUT /issue/10012",
            "POST /issue/10012/comment",
        ];
        assert_eq!(played.paths(), paths);
        assert_eq!(played.body(2)["fields"]["summary"], "Another one");
    }
}

#[test]
fn a_resolved_incident_whose_ticket_may_be_there_is_looked_for_and_closed() {
    let sample = intended(sample(EventName::Resolved), None);
    let shown = found(&[ours(&sample, "10012", "To Do")]);
    let answers = vec![
        shown,
        answer(200, &issue("To Do", &[to("31", "Done")])),
        nothing(),
        answer(200, &issue("Done", &[])),
    ];
    assert_eq!(phase(&play(sample, answers)).0, TicketPhase::Done);
}
