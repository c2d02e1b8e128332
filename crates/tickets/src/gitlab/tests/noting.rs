//! Notes, ours and those of people; what people type.

use std::time::Duration;

use super::*;
use crate::forge::test_desk::{at, silence};
use model::attempt::{Disposition, Outcome};
use model::exchange::Reach;
use model::ticket::TicketPhase;

fn escalated() -> Sample {
    DESK.with_link(sample(EventName::Escalated), TicketPhase::InProgress)
}

#[test]
fn a_note_is_internal_if_the_settings_say_so_and_is_found_by_its_hidden_key() {
    let sample = escalated().with_option("noteVisibility", "internal");
    let open = shown(&sample, "opened", &["acknowledged"]);
    let lost = DESK.play(sample.clone(), vec![open.clone(), silence(Reach::MaybeSent)]);
    assert_eq!(lost.told().1, Disposition::VerifyFirst);
    let body = lost.body(1);
    assert_eq!(body["internal"], true);
    let text = body["body"].as_str().unwrap();
    assert!(
        text.ends_with(&format!("\n\n<!-- (OpsKnight {}) -->", sample.event.id)),
        "{text}"
    );
    let mut later = lost.after;
    later.now = at().plus(Duration::from_secs(60));
    let there =
        json!([{ "body": text, "author": { "id": 7, "username": "project_3_bot" }, "system": false }]);
    let played = DESK.play(later, vec![open, answer(200, &there)]);
    let notes = format!("GET {PROJECT}/issues/12/notes?per_page=50&order_by=created_at&sort=desc ");
    assert_eq!(played.requests[1], notes);
    assert_eq!(played.last.outcome, Outcome::Delivered);
}

#[test]
fn notes_of_people_are_read_and_those_of_the_system_are_not() {
    let sample = escalated();
    let mut changed = issue(&sample, "opened", &[]);
    changed["updated_at"] = json!("2024-01-15T11:00:00.000Z");
    let note = |username: &str, id: u64, body: &str, system: bool| {
        json!({ "body": body, "system": system, "author": { "id": id, "username": username },
                "created_at": "2024-01-15T10:59:00.000Z" })
    };
    let listed = json!([
        note("ada", 3, "added ~5 label", true),
        note("project_3_bot", 7, "ours", false),
        note("ada", 3, "it was the disk", false),
    ]);
    let answers = [answer(200, &changed), answer(200, &listed)];
    let comments = DESK.reading(&sample, Some(at()), &answers).comments;
    let texts: Vec<_> = comments.iter().map(|comment| comment.text.as_str()).collect();
    assert_eq!(texts, ["it was the disk"]);
}

#[test]
fn an_issue_is_named_by_its_number_or_its_page() {
    let named = |sample: &Sample, text: &str| ADAPTER.ticketing().unwrap().reference(&sample.target, text);
    let sample = sample(EventName::Triggered);
    for text in [
        "12",
        "#12",
        "acme/sre/operations#12",
        "https://gitlab.example/acme/sre/operations/-/issues/12#note_3",
        "https://gitlab.example/acme/sre/operations/issues/12",
        "https://gitlab.example/acme/sre/operations/-/work_items/12",
    ] {
        assert_eq!(named(&sample, text).as_deref(), Ok("12"), "{text}");
    }
    for text in [
        "acme/operations#12",
        "!12",
        "https://gitlab.example/acme/sre/operations/-/merge_requests/12",
        "https://gitlab.example/acme/sre/other/-/issues/12",
        "https://gitlab.example/acme/sre/operations/-/issues",
        "https://gitlab.example/acme",
    ] {
        assert!(named(&sample, text).is_err(), "{text}");
    }
}
