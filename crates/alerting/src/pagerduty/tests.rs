//! PagerDuty's adapter against the simulated Events API.

use super::*;
use crate::simulated::World;
use model::attempt::{Disposition, Outcome};
use model::event::EventName;
use proptest::prelude::*;
use serde_json::json;

const KEY: &str = "0123456789abcdef0123456789ABCDEF";

fn world(event: EventName) -> World {
    World::new(&PagerDuty, event).with(|sample| sample.with_secret("routingKey", KEY))
}

#[test]
fn a_triggered_incident_is_an_alert_with_all_there_is_to_say() {
    let world = world(EventName::Triggered);
    let id = world.sample.event.incident_id.to_string();
    let expected = json!({
        "routing_key": KEY,
        "event_action": "trigger",
        "dedup_key": id,
        "payload": {
            "summary": "Database connection timeout",
            "source": "API Gateway",
            "severity": "critical",
            "timestamp": "2024-01-15T10:30:00Z",
            "component": "API Gateway",
            "class": "triggered",
            "custom_details": {
                "incident": id,
                "event": "Triggered",
                "status": "triggered",
                "severity": "critical",
                "service": "API Gateway",
                "assignee": "nobody",
                "since": "2024-01-15 10:30 UTC",
                "link": "https://ops.example/incidents/inc_1",
            },
        },
        "client": "OpsKnight",
        "client_url": "https://ops.example/incidents/inc_1",
        "links": [{ "href": "https://ops.example/incidents/inc_1", "text": "Open the incident in OpsKnight" }],
    });
    assert_eq!(world.body(), expected);
    assert_eq!(world.path(), "/v2/enqueue");
}

#[test]
fn an_incidents_life_is_one_alert_and_a_reopened_one_another() {
    let mut world = world(EventName::Triggered);
    let mut seen = Vec::new();
    for event in [
        EventName::Triggered,
        EventName::Escalated,
        EventName::Acknowledged,
        EventName::Resolved,
        EventName::Reopened,
    ] {
        world.next(event);
        assert_eq!(world.send().outcome, Outcome::Accepted);
        let texts = world.texts();
        seen.push((
            texts.len(),
            texts.last().unwrap().lines().last().unwrap().to_owned(),
        ));
    }
    let seen: Vec<_> = seen
        .iter()
        .map(|(count, status)| (*count, status.as_str()))
        .collect();
    let expected = [
        (1, "triggered"),
        (1, "triggered"),
        (1, "acknowledged"),
        (1, "resolved"),
        (2, "triggered"),
    ];
    assert_eq!(seen, expected);
}

#[test]
fn every_fault_is_understood() {
    let mut told = Vec::new();
    let mut world = world(EventName::Triggered);
    for fault in world.service.faults() {
        assert!(world.service.fail_next(fault.name));
        world.sample.progress = None;
        let classification = world.send();
        told.push((fault.name, classification.outcome.failure().unwrap().disposition));
    }
    let expected = [
        ("rate_limit", Disposition::RateLimited),
        ("bad_key", Disposition::NeedsOperator),
        ("invalid_event", Disposition::Immediate),
        ("internal", Disposition::Backoff),
        ("html", Disposition::Backoff),
        ("sign_in", Disposition::Backoff),
    ];
    assert_eq!(told, expected);
}

#[test]
fn a_refused_alert_is_sent_bare_and_then_given_up() {
    let mut world = world(EventName::Triggered);
    world.service.fail_next("invalid_event");
    world.send();
    let body = world.body();
    assert_eq!(
        (body.get("links"), body["payload"].get("custom_details")),
        (None, None)
    );
    world.service.fail_next("invalid_event");
    let failure = world.send().outcome.failure().cloned().unwrap();
    assert_eq!(failure.disposition, Disposition::Permanent);
    assert!(
        failure.detail.contains("Event object is invalid"),
        "{}",
        failure.detail
    );
}

#[test]
fn a_limit_pauses_the_key_and_names_it_by_no_secret() {
    let mut world = world(EventName::Triggered);
    world.service.fail_next("rate_limit");
    let pause = world.send().pause.unwrap();
    assert_eq!(pause.bucket, PagerDuty.buckets(&world.sample.target)[0].key);
    assert!(!pause.bucket.contains(&KEY[..8]));
}

#[test]
fn a_key_of_another_form_is_refused() {
    let fields = |key: &str| {
        let world = world(EventName::Triggered).with(|sample| sample.with_secret("routingKey", key));
        PagerDuty.check(&world.sample.target).len()
    };
    assert_eq!(
        [KEY, "", "e+23rschqsESqk9Q6_-g", &KEY[1..]].map(fields),
        [0, 0, 1, 1]
    );
}

#[test]
fn a_test_says_so_and_is_no_more_than_information() {
    let mut world = world(EventName::Triggered);
    world.sample.event.is_test = true;
    let payload = world.body()["payload"].clone();
    assert_eq!(payload["summary"], "[Test] Database connection timeout");
    assert_eq!(payload["severity"], "info");
}

#[test]
fn a_preview_shows_the_alert_and_what_becomes_of_it() {
    let shown = |event| {
        let body = world(event).body().to_string();
        PagerDuty.preview(body.as_bytes()).unwrap().text()
    };
    assert!(shown(EventName::Triggered).starts_with("Database connection timeout\nseverity: critical\n"));
    assert!(shown(EventName::Resolved).starts_with("The alert is resolved\n"));
}

proptest! {
    #[test]
    fn pagerduty_takes_every_title(title in "\\PC{0,2000}|.{0,80}", name in "\\PC{1,400}") {
        let mut world = world(EventName::Triggered).with(|sample| sample.about(|incident| {
            incident.title.clone_from(&title);
            incident.service.name.clone_from(&name);
        }));
        prop_assert_eq!(world.send().outcome, Outcome::Accepted);
    }
}
