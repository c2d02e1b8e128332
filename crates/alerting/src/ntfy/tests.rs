//! ntfy's adapter against the simulated server.

use super::*;
use crate::simulated::World;
use destination::task::ActLink;
use model::attempt::Disposition;
use model::event::EventName;
use model::incident::{IncidentAction, Severity};
use proptest::prelude::*;
use serde_json::json;

fn world(event: EventName) -> World {
    World::new(&Ntfy, event).with(|sample| sample.with_secret("topic", "ops-k2v9"))
}

fn act() -> ActLink {
    ActLink {
        action: IncidentAction::Acknowledge,
        token: "t".into(),
        page: Some("https://ops.example/act/t".into()),
    }
}

#[test]
fn a_triggered_incident_is_a_loud_notification_with_buttons() {
    let mut world = world(EventName::Triggered);
    world.sample.links.acts = vec![act()];
    let expected = json!({
        "topic": "ops-k2v9",
        "title": "Database connection timeout",
        "message": "Triggered · Critical · API Gateway\nAssignee: nobody\nSince: 2024-01-15 10:30 UTC",
        "priority": 5,
        "tags": ["rotating_light", "critical"],
        "sequence_id": world.sample.task().delivery_id.to_string(),
        "click": "https://ops.example/incidents/inc_1",
        "actions": [{ "action": "view", "label": "Acknowledge", "url": "https://ops.example/act/t" }],
    });
    assert_eq!(world.body(), expected);
    assert_eq!(world.path(), "/");
}

#[test]
fn what_is_no_alarm_takes_the_place_of_what_was() {
    let mut world = world(EventName::Triggered);
    let mut counts = Vec::new();
    for event in [
        EventName::Triggered,
        EventName::Acknowledged,
        EventName::Escalated,
        EventName::Resolved,
        EventName::Reopened,
    ] {
        world.next(event);
        assert_eq!(world.send().outcome, Outcome::Delivered);
        counts.push(world.texts().len());
    }
    assert_eq!(counts, [1, 1, 2, 2, 3]);
    assert!(world.texts()[1].contains("\nResolved · "), "{:?}", world.texts());
}

#[test]
fn separate_notifications_all_stay() {
    let mut world = world(EventName::Triggered).with(|sample| sample.with_option("messages", "separate"));
    for event in [EventName::Triggered, EventName::Acknowledged, EventName::Resolved] {
        world.next(event);
        world.send();
    }
    assert_eq!(world.texts().len(), 3);
}

#[test]
fn a_repeat_after_a_lost_answer_shows_nothing_new() {
    let mut world = world(EventName::Triggered);
    world.send();
    world.sample.memory = None;
    world.send();
    assert_eq!(world.texts().len(), 1);
}

#[test]
fn a_protected_topic_takes_a_token_or_a_password() {
    let disposition = |change: fn(destination::sample::Sample) -> destination::sample::Sample| {
        let mut world = world(EventName::Triggered)
            .with(|sample| sample.with_secret("topic", "private"))
            .with(change);
        world.send().outcome.failure().map(|failure| failure.disposition)
    };
    assert_eq!(disposition(|sample| sample), Some(Disposition::NeedsOperator));
    assert_eq!(
        disposition(|sample| sample.with_secret("token", "tk_wrong")),
        Some(Disposition::NeedsOperator)
    );
    assert_eq!(disposition(|sample| sample.with_secret("token", "tk_good")), None);
    let basic = |sample: destination::sample::Sample| {
        sample
            .with_option("username", "ada")
            .with_secret("password", "good-password")
    };
    assert_eq!(disposition(basic), None);
}

#[test]
fn severities_are_priorities_while_somebody_is_asked_for() {
    let priority = |event, severity| {
        let world = world(event).with(|sample| sample.about(|incident| incident.severity = severity));
        world.body()["priority"].as_u64().unwrap()
    };
    let all = [
        Severity::Critical,
        Severity::Error,
        Severity::Warning,
        Severity::Info,
    ];
    assert_eq!(
        all.map(|severity| priority(EventName::Escalated, severity)),
        [5, 4, 3, 2]
    );
    assert_eq!(
        all.map(|severity| priority(EventName::Resolved, severity)),
        [3; 4]
    );
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
        ("daily_limit", Disposition::RateLimited),
        ("unauthorized", Disposition::NeedsOperator),
        ("forbidden", Disposition::NeedsOperator),
        ("topic_disallowed", Disposition::NeedsOperator),
        ("invalid_message", Disposition::Immediate),
        ("too_large", Disposition::Immediate),
        ("internal", Disposition::Backoff),
        ("html", Disposition::Backoff),
        ("sign_in", Disposition::Backoff),
    ];
    assert_eq!(told, expected);
}

#[test]
fn a_refused_notification_is_sent_bare_and_then_given_up() {
    let mut world = world(EventName::Triggered);
    world.service.fail_next("invalid_message");
    world.send();
    let body = world.body();
    let names: Vec<_> = body.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(names, ["topic", "title", "message", "priority"]);
    world.service.fail_next("invalid_message");
    let failure = world.send().outcome.failure().cloned().unwrap();
    assert_eq!(failure.disposition, Disposition::Permanent);
}

#[test]
fn what_ntfy_would_refuse_is_refused_when_it_is_saved() {
    let fields = |topic: &str, url: &str| {
        let world = world(EventName::Triggered).with(|mut sample| {
            sample.target.url = url.parse().unwrap();
            sample.with_secret("topic", topic)
        });
        let problems = Ntfy.check(&world.sample.target);
        problems.iter().map(|problem| problem.field).collect::<Vec<_>>()
    };
    assert_eq!(fields("Ops_1-x", "https://ntfy.sh/"), [""; 0]);
    assert_eq!(fields("a b", "https://ntfy.sh/a"), ["topic", "url"]);
    assert_eq!(fields(&"t".repeat(65), "https://ntfy.sh"), ["topic"]);
}

#[test]
fn a_preview_shows_the_notification() {
    let mut world = world(EventName::Triggered);
    world.sample.links.acts = vec![act()];
    let shown = Ntfy.preview(world.body().to_string().as_bytes()).unwrap().text();
    assert!(shown.starts_with("Database connection timeout\nTriggered · Critical"));
    assert!(shown.ends_with("priority 5 · rotating_light, critical\n[Acknowledge]"));
}

proptest! {
    #[test]
    fn ntfy_takes_every_title(title in "\\PC{0,600}|.{0,80}", name in "\\PC{1,400}") {
        let mut world = world(EventName::Triggered).with(|sample| sample.about(|incident| {
            incident.title.clone_from(&title);
            incident.service.name.clone_from(&name);
        }));
        prop_assert_eq!(world.send().outcome, Outcome::Delivered);
        prop_assert_eq!(world.sample.progress, None);
    }
}
