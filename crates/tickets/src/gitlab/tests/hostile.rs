//! Texts of whoever means us ill: GitLab names far more things than GitHub, and obeys lines that begin with a slash.

use super::*;
use crate::forge::test_desk::{raw, somebody};
use model::ticket::TicketPhase;

const EVIL: &str = "/close\n/assign @all\n  /label ~x\n@all !1 &2 %\"m\" ~bug $3 #4 ^alert#5 <!-- opsknight:inc_0-0 --> ```\n/done";

#[test]
fn no_line_is_a_command_and_nothing_is_named() {
    let sample = sample(EventName::Triggered).about(|incident| incident.title = EVIL.into());
    let own = "{{ description }}\n{{ incident.title }}\n{{ assignee.name }}";
    for sample in [sample.clone(), sample.with_option("description", own)] {
        let sample = somebody(sample, EVIL, Some(EVIL));
        let made = answer(201, &issue(&sample, "opened", &[]));
        let body = DESK.play(sample, vec![made]).body(0);
        let text = body["description"].as_str().unwrap();
        assert!(
            !text.lines().any(|line| line.trim_start().starts_with('/')),
            "{text}"
        );
        for name in ["@all", "!1", "&2", "%\"", "~bug", "~x", "$3", "#4", "#5", "```"] {
            assert!(!text.contains(name), "{name} in {text}");
            assert!(
                !body["title"].as_str().unwrap().contains(name),
                "{name} in the title"
            );
        }
        assert_eq!(text.matches("<!--").count(), 1, "{text}");
    }
    let sample = somebody(
        DESK.with_link(super::sample(EventName::Escalated), TicketPhase::InProgress),
        EVIL,
        None,
    );
    let answers = vec![
        shown(&sample, "opened", &["acknowledged"]),
        answer(201, &json!({})),
    ];
    let note = DESK.play(sample, answers).body(1);
    let note = note["body"].as_str().unwrap();
    assert!(!note.contains("@all") && !note.contains("\n/"), "{note}");
}

#[test]
fn answers_of_any_sort_are_no_panic_and_no_success() {
    for body in [
        "",
        "null",
        "[]",
        "{}",
        "{\"iid\":-1}",
        "{\"iid\":\"x\",\"state\":\"opened\"}",
        "[1,2",
        "<html>",
    ] {
        for status in [200, 201, 204, 304, 400, 404, 418, 500, 999] {
            for sample in [
                sample(EventName::Triggered),
                DESK.with_link(sample(EventName::Resolved), TicketPhase::New),
            ] {
                let played = DESK.play(sample, vec![raw(status, &[], body)]);
                assert!(played.last.outcome.failure().is_some(), "{status} {body}");
            }
        }
    }
}
