//! Opsgenie's adapter against the simulated Alert API.

use super::*;
use crate::simulated::World;
use model::attempt::{Disposition, Outcome};
use model::audit::Actor;
use model::event::EventName;
use model::id::UserId;
use model::incident::Severity;
use model::time::Timestamp;
use proptest::prelude::*;
use serde_json::json;

const KEY: &str = "eb243592-faa2-4ba2-a551-1afdf565c889";

fn world(event: EventName) -> World {
    World::new(&Opsgenie, event).with(|sample| sample.with_secret("apiKey", KEY))
}

#[test]
fn a_triggered_incident_is_an_alert_with_all_there_is_to_say() {
    let world = world(EventName::Triggered).with(|sample| sample.with_option("tags", "opsknight, prod,"));
    let id = world.sample.event.incident_id.to_string();
    let expected = json!({
        "message": "Database connection timeout",
        "alias": id,
        "priority": "P1",
        "source": "OpsKnight",
        "description": "Database connection timeout\nTriggered · Critical · API Gateway\nAssignee: nobody\n\
                        Since: 2024-01-15 10:30 UTC\nhttps://ops.example/incidents/inc_1",
        "entity": "API Gateway",
        "user": "OpsKnight",
        "details": {
            "incident": id,
            "event": "Triggered",
            "status": "triggered",
            "severity": "critical",
            "service": "API Gateway",
            "assignee": "nobody",
            "since": "2024-01-15 10:30 UTC",
            "link": "https://ops.example/incidents/inc_1",
        },
        "tags": ["opsknight", "prod"],
    });
    assert_eq!(world.body(), expected);
    assert_eq!(world.path(), "/v2/alerts");
}

#[test]
fn what_happens_later_is_done_to_the_alert_of_the_alias() {
    let mut world = world(EventName::Acknowledged);
    world.sample.event.actor = Actor::User {
        id: UserId::new(Timestamp::EPOCH, [3; 10]),
        name: "Ada".into(),
    };
    let id = world.sample.event.incident_id;
    let expected = json!({ "user": "Ada", "source": "OpsKnight", "note": "Acknowledged by Ada" });
    assert_eq!(world.body(), expected);
    assert_eq!(
        world.path(),
        format!("/v2/alerts/{id}/acknowledge?identifierType=alias")
    );
    world.next(EventName::Escalated);
    assert_eq!(
        world.path(),
        format!("/v2/alerts/{id}/notes?identifierType=alias")
    );
    assert_eq!(world.body()["note"], "Escalated, now with Ada Lovelace");
}

#[test]
fn the_operations_of_jira_service_management_are_asked_below_their_own_address() {
    let world = world(EventName::Resolved).with(|mut sample| {
        sample.target.url = "https://api.atlassian.com/jsm/ops/integration/".parse().unwrap();
        sample
    });
    let id = world.sample.event.incident_id;
    assert_eq!(
        world.path(),
        format!("/jsm/ops/integration/v2/alerts/{id}/close?identifierType=alias")
    );
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
        (1, "open"),
        (1, "open"),
        (1, "acknowledged"),
        (1, "closed"),
        (2, "open"),
    ];
    assert_eq!(seen, expected);
}

#[test]
fn severities_are_priorities_and_a_test_is_the_lowest() {
    let priority = |severity: Severity, is_test: bool| {
        let mut world =
            world(EventName::Triggered).with(|sample| sample.about(|incident| incident.severity = severity));
        world.sample.event.is_test = is_test;
        world.body()["priority"].as_str().unwrap().to_owned()
    };
    let all = [
        Severity::Critical,
        Severity::Error,
        Severity::Warning,
        Severity::Info,
    ];
    assert_eq!(
        all.map(|severity| priority(severity, false)),
        ["P1", "P2", "P3", "P5"]
    );
    assert_eq!(priority(Severity::Critical, true), "P5");
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
        ("key_format", Disposition::NeedsOperator),
        ("forbidden", Disposition::NeedsOperator),
        ("unprocessable", Disposition::Immediate),
        ("internal", Disposition::Backoff),
        ("unavailable", Disposition::Backoff),
        ("html", Disposition::Backoff),
        ("sign_in", Disposition::Backoff),
    ];
    assert_eq!(told, expected);
}

#[test]
fn a_refused_alert_is_sent_bare_and_a_refused_note_is_given_up() {
    let mut world = world(EventName::Triggered);
    world.service.fail_next("unprocessable");
    world.send();
    let body = world.body();
    let names: Vec<_> = body.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(names, ["message", "alias", "priority", "source"]);
    world.next(EventName::Acknowledged);
    world.service.fail_next("unprocessable");
    let failure = world.send().outcome.failure().cloned().unwrap();
    assert_eq!(failure.disposition, Disposition::Permanent);
}

#[test]
fn what_an_alert_cannot_hold_is_refused_when_it_is_saved() {
    let fields = |key: &str, tags: &str| {
        let world = world(EventName::Triggered)
            .with(|sample| sample.with_secret("apiKey", key).with_option("tags", tags));
        let problems = Opsgenie.check(&world.sample.target);
        problems.iter().map(|problem| problem.field).collect::<Vec<_>>()
    };
    assert_eq!(fields(KEY, "a,b"), [""; 0]);
    assert_eq!(
        fields("GenieKey x", &"t,".repeat(MAX_TAGS_AND_ONE)),
        ["apiKey", "tags"]
    );
    assert_eq!(fields(KEY, &"t".repeat(51)), ["tags"]);
}

const MAX_TAGS_AND_ONE: usize = 21;

#[test]
fn html_in_a_title_is_none_in_the_description() {
    let world = world(EventName::Triggered)
        .with(|sample| sample.about(|incident| incident.title = "<img src=x>".into()));
    let body = world.body();
    assert_eq!(body["message"], "<img src=x>");
    assert!(body["description"].as_str().unwrap().starts_with("‹img src=x›\n"));
}

#[test]
fn a_preview_shows_the_alert_and_what_becomes_of_it() {
    let shown = |event| {
        let body = world(event).body().to_string();
        Opsgenie.preview(body.as_bytes()).unwrap().text()
    };
    assert!(shown(EventName::Triggered).starts_with("Database connection timeout\npriority: P1\n"));
    assert_eq!(shown(EventName::Resolved), "Resolved\nOpsKnight");
}

proptest! {
    #[test]
    fn opsgenie_takes_every_title(title in "\\PC{0,400}|.{0,80}", name in "\\PC{1,600}") {
        let mut world = world(EventName::Triggered).with(|sample| sample.about(|incident| {
            incident.title.clone_from(&title);
            incident.service.name.clone_from(&name);
        }));
        prop_assert_eq!(world.send().outcome, Outcome::Accepted);
    }
}
