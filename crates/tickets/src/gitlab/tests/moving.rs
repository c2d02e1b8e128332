//! Closing, opening again, labels, what was moved to another project.

use super::*;
use model::attempt::Disposition;
use model::exchange::FailureCode;
use model::ticket::TicketPhase;

fn linked(name: EventName, phase: TicketPhase) -> Sample {
    DESK.with_link(sample(name), phase).with_option("notes", "off")
}

#[test]
fn each_step_is_one_change_whose_answer_is_the_issue() {
    use TicketPhase::{Done, InProgress, New};
    type Case = (
        EventName,
        TicketPhase,
        &'static [(&'static str, &'static [&'static str])],
        &'static [&'static str],
    );
    let cases: [Case; 3] = [
        (
            EventName::Resolved,
            New,
            &[("opened", &[]), ("closed", &[])],
            &[r#"{"state_event":"close"}"#],
        ),
        (
            EventName::Acknowledged,
            New,
            &[("opened", &[]), ("opened", &["acknowledged"])],
            &[r#"{"add_labels":"acknowledged"}"#],
        ),
        (
            EventName::Reopened,
            Done,
            &[("closed", &["acknowledged"]), ("closed", &[]), ("opened", &[])],
            &[
                r#"{"remove_labels":"acknowledged"}"#,
                r#"{"state_event":"reopen"}"#,
            ],
        ),
    ];
    let ends = [Done, InProgress, New];
    for ((name, phase, answers, bodies), end) in cases.into_iter().zip(ends) {
        let sample = linked(name, phase);
        let answers = answers
            .iter()
            .map(|(state, labels)| shown(&sample, state, labels));
        let played = DESK.play(sample.clone(), answers.collect());
        let expected = bodies
            .iter()
            .map(|body| format!("PUT {PROJECT}/issues/12 {body}"));
        assert_eq!(played.requests[1..], expected.collect::<Vec<_>>());
        assert_eq!(played.phase().0, end);
    }
}

#[test]
fn an_issue_that_was_moved_to_another_project_is_lost_and_resolves_nothing() {
    let sample = linked(EventName::Escalated, TicketPhase::New);
    let mut moved = issue(&sample, "closed", &[]);
    moved["moved_to_id"] = json!(77);
    let played = DESK.play(
        sample,
        vec![answer(200, &moved), answer(200, &json!({})), answer(200, &moved)],
    );
    assert_eq!(played.told(), (FailureCode::TicketLost, Disposition::Permanent));
}

#[test]
fn a_refusal_of_one_issue_ends_its_delivery_alone() {
    let sample = linked(EventName::Resolved, TicketPhase::New);
    let played = DESK.play(
        sample.clone(),
        vec![
            refused(404, "404 Not found"),
            answer(200, &json!({})),
            refused(404, "404 Not found"),
        ],
    );
    assert_eq!(played.told(), (FailureCode::TicketLost, Disposition::Permanent));
    let answers = vec![shown(&sample, "opened", &[]), refused(403, "403 Forbidden")];
    assert_eq!(
        DESK.play(sample, answers).told(),
        (FailureCode::MessageRefused, Disposition::Permanent)
    );
}
