//! Answers that mean no good.

use super::*;
use crate::workflow::stored::text_of;
use model::attempt::Disposition;
use model::ticket::{MAX_STATUS_LENGTH, MAX_TICKET_ID_BYTES, MAX_TICKET_URL_BYTES};

/// What is left once the ticket was read, with who was looked up and what more is known of it.
fn read(user: &str, more: &str) -> String {
    let ticket = format!(r#""id":"{ID}","key":"INC0010001","phase":"new","status":"New","status_id":"1""#);
    format!(r#"{{"version":1,"seen":"new","user":{user},"sight":{{{ticket}{more}}}}}"#)
}

/// Every request of a delivery that can be the next.
fn stages() -> Vec<Sample> {
    let mut looking = sample(EventName::Triggered);
    intended(&mut looking, None);
    let at = |name, progress: &str| {
        let sample = somebody(linked(name, TicketPhase::New), "Ada");
        let mut sample = sample.with_option("assignees", "Ada = ada");
        sample.workflow = text_of("", progress);
        sample
    };
    vec![
        sample(EventName::Triggered),
        looking,
        sample(EventName::Triggered).with_option("assignmentGroup", "Desk"),
        linked(EventName::Acknowledged, TicketPhase::New),
        at(
            EventName::Resolved,
            &read("null", r#","route":{"through":{"to":""}}"#),
        ),
        at(EventName::Acknowledged, &read("null", "")),
        at(EventName::Acknowledged, &read(r#"{"name":"ada","id":"a1"}"#, "")),
        at(EventName::Escalated, &read("null", "")),
        at(EventName::Escalated, "nonsense"),
    ]
}

fn bodies() -> Vec<String> {
    let deep = format!("{}{}", "[".repeat(5000), "]".repeat(5000));
    let huge = "x".repeat(200_000);
    vec![
        String::new(),
        "null".into(),
        "[]".into(),
        deep,
        r#"{"result":null}"#.into(),
        r#"{"result":[[],{},null,7]}"#.into(),
        r#"{"result":{"sys_id":7,"state":[],"number":{}}}"#.into(),
        r#"{"error":{"message":null,"detail":{}}}"#.into(),
        format!(r#"{{"error":{{"message":"{huge}","detail":"{huge}"}}}}"#),
        format!(r#"{{"result":{{"sys_id":"../../{huge}","state":"1","number":"{huge}"}}}}"#),
        "\u{0}<html>\u{202e}".into(),
    ]
}

const STATUSES: [u16; 15] = [
    100, 200, 201, 204, 302, 400, 401, 403, 404, 405, 409, 429, 500, 503, 600,
];

/// Every answer to every request.
fn judgements() -> impl Iterator<Item = Classification> {
    stages().into_iter().flat_map(|sample| {
        let answers = STATUSES
            .into_iter()
            .flat_map(|status| bodies().into_iter().map(move |body| answer(status, &body)));
        answers.map(move |answer| judge(&sample, &answer))
    })
}

#[test]
fn no_answer_breaks_anything_and_every_text_is_bounded() {
    let is_short = |judgement: &Classification| {
        let failure = judgement.outcome.failure();
        let note = judgement.note.as_ref();
        let is_told = failure.is_none_or(|failure| failure.detail.len() < 2000);
        is_told
            && note.is_none_or(|note| note.len() < 1000)
            && judgement.ticket.as_ref().is_none_or(is_bounded)
    };
    let too_long: Vec<_> = judgements().filter(|judgement| !is_short(judgement)).collect();
    assert_eq!(too_long, []);
}

fn is_bounded(news: &TicketNews) -> bool {
    match news {
        TicketNews::Seen(ticket) => {
            ticket.id.len() <= MAX_TICKET_ID_BYTES
                && ticket.key.len() <= MAX_TICKET_ID_BYTES
                && ticket.url.len() <= MAX_TICKET_URL_BYTES
                && ticket.status.chars().count() <= MAX_STATUS_LENGTH
        }
        TicketNews::NotMade => true,
    }
}

#[test]
fn a_long_key_and_status_are_cut() {
    let sample = linked(EventName::Triggered, TicketPhase::New);
    let mut long = record(&sample, "1");
    long["number"] = json!("INC ".repeat(100));
    long["state"] = json!({ "value": "1", "display_value": "Neu\u{202e}\n".repeat(100) });
    let judgement = judge(&sample, &ok(&long));
    assert!(is_bounded(judgement.ticket.as_ref().unwrap()));
}

#[test]
fn plain_values_are_read_as_well_as_those_with_both() {
    let sample = linked(EventName::Triggered, TicketPhase::New);
    let plain = json!({ "sys_id": ID, "number": "INC0010001", "state": "2", "correlation_id": "" });
    let judgement = judge(&sample, &ok(&plain));
    let expected = Ticket {
        status: "2".into(),
        ..ticket(TicketPhase::InProgress)
    };
    assert_eq!(judgement.ticket, Some(TicketNews::Seen(expected)));
}

#[test]
fn whoever_answers_in_the_instances_place_is_not_taken_for_it() {
    let sample = sample(EventName::Triggered);
    let judgement = judge(&sample, &answer(404, "<html>not here"));
    assert_eq!(failure(&judgement).code, FailureCode::ClientError);
    assert_eq!(failure(&judgement).disposition, Disposition::VerifyFirst);
    assert_eq!(judgement.ticket, None);
}

#[test]
fn the_password_stands_only_in_a_masked_header() {
    let rendered = request(&sample(EventName::Triggered));
    let header = rendered.headers.get("authorization").unwrap();
    assert!(header.is_sensitive());
    assert_eq!(header, "Basic b3Bza25pZ2h0OnA6c3Mgd8O2cmQ=");
    assert!(!rendered.url.as_str().contains("p:ss"));
}
