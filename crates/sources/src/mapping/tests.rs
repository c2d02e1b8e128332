//! What expressions and lists of words make of requests.

use super::*;
use crate::presets::GENERIC;
use crate::{Format, testing::Given};

fn read(mapping: &[(&str, &str)], body: &str) -> Result<Vec<Signal>, Refused> {
    let given = given(mapping, body);
    Mapping::parse(GENERIC.description(), &given.options)
        .unwrap()
        .read(&given.request())
}

fn given(mapping: &[(&str, &str)], body: &str) -> Given {
    let mut given = Given::post("", body);
    let mapping = mapping
        .iter()
        .map(|(name, text)| ((*name).to_owned(), (*text).to_owned()));
    given.options.mapping = mapping.collect();
    given
}

#[test]
fn whole_statuses_are_compared_and_what_is_in_no_list_triggers() {
    let action = |status: &str| {
        let body = serde_json::json!({ "key": "k", "title": "t", "status": status }).to_string();
        read(&[("ignore_words", "test run")], &body)
            .unwrap()
            .remove(0)
            .action
    };
    assert_eq!(action("Resolved"), SignalAction::Resolve);
    assert_eq!(action("acknowledged"), SignalAction::Acknowledge);
    assert!(matches!(action("TEST RUN"), SignalAction::Ignore(_)));
    for other in [
        "unresolved",
        "not resolved",
        "resolved?",
        "",
        "firing",
        "unacknowledged",
    ] {
        assert_eq!(action(other), SignalAction::Trigger, "{other}");
    }
}

#[test]
fn fields_are_read_by_expressions_for_each_alert_of_a_list() {
    let mapping = [
        ("alerts", "body.items"),
        ("key", "alert.host + '/' + string(alert.id)"),
        ("title", "body.team + ': ' + alert.text"),
        ("severity", "alert.prio"),
        ("link", "'https://x.example/' + query.room"),
        ("status", ""),
    ];
    let body = r#"{"team":"db","items":[{"host":"a","id":1,"text":"full","prio":"P1"},{"host":"b","id":2,"text":"slow"}]}"#;
    let mut given = given(&mapping, body);
    given.query = "room=7".into();
    let signals = Mapping::parse(GENERIC.description(), &given.options)
        .unwrap()
        .read(&given.request())
        .unwrap();
    assert_eq!((signals[0].key.as_str(), signals[1].key.as_str()), ("a/1", "b/2"));
    assert_eq!(signals[0].title, "db: full");
    assert_eq!(signals[0].severity, Some(model::incident::Severity::Critical));
    assert_eq!(
        (signals[1].severity, signals[1].links[0].url.as_str()),
        (None, "https://x.example/7")
    );
}

#[test]
fn what_gives_no_key_is_refused_and_says_which_field_it_was() {
    let refused = read(&[("key", "body.id")], r#"{"title":"t"}"#).unwrap_err();
    assert!(refused.sentence.starts_with("key: "), "{}", refused.sentence);
    assert_eq!(
        read(&[("alerts", "body.x")], r#"{"x":1}"#).unwrap_err().sentence,
        "alerts gives int, not a list"
    );
    let many = format!(r#"{{"x":[{}]}}"#, vec!["{}"; MAX_MAPPED_ALERTS + 1].join(","));
    assert_eq!(
        read(&[("alerts", "body.x"), ("key", "'k'")], &many)
            .unwrap_err()
            .refusal,
        Refusal::RequestTooLarge
    );
}

#[test]
fn a_mapping_that_cannot_be_used_says_so_field_by_field() {
    let options = given(
        &[
            ("key", ""),
            ("title", "boddy.x"),
            ("color", "1"),
            ("status", "body."),
        ],
        "",
    )
    .options;
    let problems = Mapping::parse(GENERIC.description(), &options).unwrap_err();
    let fields: Vec<_> = problems.iter().map(|problem| problem.field.as_str()).collect();
    assert_eq!(fields, ["color", "status", "key", "title"]);
}

#[test]
fn a_preview_shows_what_each_field_gives_or_why_nothing() {
    let given = given(&[("title", "body.nothing")], r#"{"key":"k"}"#);
    let mapping = Mapping::parse(GENERIC.description(), &given.options).unwrap();
    let preview = preview(GENERIC.description(), &mapping, &given.request());
    let of = |name: &str| {
        preview
            .fields
            .iter()
            .find(|field| field.field.name == name)
            .unwrap()
    };
    assert_eq!(of("key").result.as_deref(), Ok("k"));
    assert!(of("title").result.is_err());
    assert_eq!(preview.signals.unwrap()[0].title, "k");
}
