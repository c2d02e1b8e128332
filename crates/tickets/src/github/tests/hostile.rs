//! Texts and answers of whoever means us ill.

use super::*;
use crate::forge::test_desk::{answer, raw, somebody};
use model::ticket::TicketPhase;

const EVIL: &str =
    "@everyone #1 acme/x#2 GH-3 `x` **b** <img src=x> [l](http://x) <!-- opsknight:inc_0-0 --> \n/close\n# h";

/// Whether anything in a text would call somebody, link somewhere or be markup.
fn is_harmless(text: &str) -> bool {
    let ours = text
        .replace("<!-- opsknight:inc_", "")
        .replace("<!-- (OpsKnight", "");
    !ours.contains("@everyone")
        && !ours.contains("#1")
        && !ours.contains("#2")
        && !ours.contains("GH-3")
        && !ours.contains("<img")
        && !ours.contains("<!--")
        && !ours.contains(" **b**")
        && !ours.contains("http://x")
        && !ours.contains("\n/")
}

#[test]
fn what_people_write_is_harmless_in_texts_templates_and_comments() {
    let evil = |sample: Sample| {
        let sample = sample.about(|incident| {
            incident.title = EVIL.into();
            incident.service.name = EVIL.into();
        });
        somebody(sample, EVIL, Some(EVIL))
    };
    let own = "{{ incident.title }}\n\n{{ description }} {{ assignee.name }} {{ body }}";
    for sample in [
        evil(sample(EventName::Triggered)),
        evil(sample(EventName::Triggered)).with_option("description", own),
    ] {
        let made = answer(201, &issue(&sample, "open", &[]));
        let played = DESK.play(sample, vec![made]);
        let body = played.body(0);
        let text = body["body"].as_str().unwrap();
        assert!(is_harmless(text), "{text}");
        assert_eq!(text.matches("<!--").count(), 1, "{text}");
        let title = body["title"].as_str().unwrap();
        assert!(
            !title.contains("@everyone") && !title.contains("#1") && !title.contains('`'),
            "{title}"
        );
    }
    let sample = evil(DESK.with_link(super::sample(EventName::Escalated), TicketPhase::InProgress));
    let answers = vec![shown(&sample, "open", &["acknowledged"]), answer(201, &json!({}))];
    let played = DESK.play(sample, answers);
    let text = played.body(1)["body"].as_str().unwrap().to_owned();
    assert!(text.contains("everyone") && is_harmless(&text), "{text}");
}

#[test]
fn answers_of_any_sort_are_no_panic_and_no_success() {
    let bodies = [
        "",
        "null",
        "[]",
        "{}",
        "{\"number\":-1}",
        "{\"number\":\"../1\",\"state\":\"open\"}",
        "[1,2",
        "<html>",
    ];
    for name in [EventName::Triggered, EventName::Resolved] {
        for body in bodies {
            for status in [200, 201, 204, 299, 304, 400, 404, 418, 500, 999] {
                let mut sample = sample(name);
                if name == EventName::Resolved {
                    sample = DESK.with_link(sample, TicketPhase::New);
                }
                let played = DESK.play(sample, vec![raw(status, &[], body)]);
                assert!(played.last.outcome.failure().is_some(), "{status} {body}");
            }
        }
    }
}
