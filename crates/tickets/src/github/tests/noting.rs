//! Comments, ours and those of people.

use std::time::Duration;

use super::*;
use crate::forge::test_desk::{answer, silence};
use destination::ticketing::{Comment, QueryResult, QueryStep, TicketQuery};
use model::attempt::{Disposition, Outcome};
use model::exchange::{FailureCode, Reach};
use model::ticket::TicketPhase;

fn escalated() -> Sample {
    DESK.with_link(sample(EventName::Escalated), TicketPhase::InProgress)
}

fn open(sample: &Sample) -> Exchange {
    shown(sample, "open", &["acknowledged"])
}

#[test]
fn a_comment_has_a_key_that_is_not_seen() {
    let sample = escalated();
    let played = DESK.play(
        sample.clone(),
        vec![open(&sample), answer(201, &json!({ "id": 1 }))],
    );
    assert_eq!(played.paths()[1], format!("POST {ISSUE}/comments"));
    let text = played.body(1)["body"].as_str().unwrap().to_owned();
    assert!(text.starts_with("Escalated"), "{text}");
    assert!(
        text.ends_with(&format!("\n\n<!-- (OpsKnight {}) -->", sample.event.id)),
        "{text}"
    );
}

#[test]
fn a_comment_whose_answer_is_lost_is_looked_for_and_not_repeated() {
    let sample = escalated();
    let lost = DESK.play(sample.clone(), vec![open(&sample), silence(Reach::MaybeSent)]);
    assert_eq!(lost.told().1, Disposition::VerifyFirst);
    let mut later = lost.after;
    later.now = at().plus(Duration::from_secs(60));
    let hidden = format!("Escalated.\n\n<!-- (OpsKnight {}) -->", sample.event.id);
    let comment = |login: &str, id: u64| json!({ "body": hidden, "user": { "login": login, "id": id } });
    let there = ok(&json!([comment("opsknight-bot", 7)]));
    let played = DESK.play(later.clone(), vec![open(&sample), there]);
    assert!(
        played.requests[1].contains("/comments?per_page=50&since=2024-01-15T09%3A30%3A00Z"),
        "{:?}",
        played.requests
    );
    assert_eq!(played.last.outcome, Outcome::Delivered);
    // What somebody else wrote is none of ours, whatever it says.
    let forged = ok(&json!([comment("stranger", 8)]));
    let answers = vec![open(&sample), forged, answer(201, &json!({ "id": 1 }))];
    let played = DESK.play(later, answers);
    assert_eq!(played.paths()[2], format!("POST {ISSUE}/comments"));
}

#[test]
fn a_locked_issue_refuses_a_comment_and_harms_nothing_else() {
    let sample = escalated();
    let locked = refused(403, "Unable to create comment because issue is locked.");
    let played = DESK.play(sample.clone(), vec![open(&sample), locked]);
    assert_eq!(
        played.told(),
        (FailureCode::MessageRefused, Disposition::Permanent)
    );
}

#[test]
fn comments_of_people_are_read_and_ours_are_not() {
    let sample = escalated();
    let mut changed = issue(&sample, "open", &[]);
    changed["updated_at"] = json!("2024-01-15T11:00:00Z");
    let at_eleven = |login: &str, id: u64, body: &str| json!({ "body": body, "user": { "login": login, "id": id }, "created_at": "2024-01-15T10:59:00Z" });
    let listed = json!([
        at_eleven("ada", 3, "we replaced\nthe disk"),
        at_eleven("opsknight-bot", 7, "typed by hand"),
        at_eleven("app[bot]", 9, "x\n\n<!-- (OpsKnight evt_1) -->"),
    ]);
    let reading = DESK.reading(&sample, Some(at()), &[ok(&changed), ok(&listed)]);
    let comment = Comment {
        at: "2024-01-15T10:59:00Z".parse().unwrap(),
        author: "ada".into(),
        text: "we replaced\nthe disk".into(),
    };
    assert_eq!(reading.comments, [comment]);
    assert_eq!(DESK.reading(&sample, Some(at()), &[open(&sample)]).comments, []);
}

#[test]
fn who_closed_it_is_told() {
    let sample = escalated();
    let mut closed = issue(&sample, "closed", &[]);
    closed["closed_by"] = json!({ "login": "ada", "id": 3 });
    let reading = DESK.reading(&sample, None, &[ok(&closed)]);
    assert_eq!((reading.by.as_deref(), reading.is_ours), (Some("ada"), false));
    closed["closed_by"] = json!({ "login": "opsknight-bot", "id": 7 });
    assert!(DESK.reading(&sample, None, &[ok(&closed)]).is_ours);
}

#[test]
fn an_issue_is_named_by_its_number_or_its_page() {
    let target = &sample(EventName::Triggered).target;
    let named = |text: &str| ADAPTER.ticketing().unwrap().reference(target, text);
    for text in [
        "12",
        " #12 ",
        "acme/operations#12",
        "Acme/Operations#12",
        "https://github.com/acme/operations/issues/12#issuecomment-1",
    ] {
        assert_eq!(named(text).as_deref(), Ok("12"), "{text}");
    }
    for text in [
        "",
        "#0",
        "twelve",
        "acme/website#12",
        "https://github.com/acme/operations/pull/12",
        "https://github.com/acme/website/issues/12",
        "https://elsewhere.example/acme/operations/issues/12",
    ] {
        assert!(named(text).is_err(), "{text}");
    }
    let query = TicketQuery::Find {
        reference: "12".into(),
    };
    let mut pull = issue(&escalated(), "open", &[]);
    pull["pull_request"] = json!({});
    let (requests, ended) = DESK.ask(&escalated(), &query, &[ok(&pull), ok(&json!({})), ok(&pull)]);
    assert_eq!(requests[0], format!("GET {ISSUE} "));
    assert!(
        matches!(ended, QueryStep::Done(QueryResult::Ticket(None))),
        "{ended:?}"
    );
}
