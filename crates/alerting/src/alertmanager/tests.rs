//! Alertmanager's adapter against the simulated Alertmanager.

use super::*;
use crate::simulated::World;
use model::attempt::Disposition;
use model::event::EventName;
use model::incident::Severity;
use model::time::Timestamp;
use proptest::prelude::*;
use serde_json::json;

fn world(event: EventName) -> World {
    World::new(&Alertmanager, event)
}

#[test]
fn a_triggered_incident_is_an_alert_that_fires() {
    let world =
        world(EventName::Triggered).with(|sample| sample.with_option("labels", "team = platform\n\n"));
    let id = world.sample.event.incident_id.to_string();
    let expected = json!([{
        "labels": {
            "alertname": "OpsKnightIncident",
            "incident": id,
            "service": "API Gateway",
            "severity": "critical",
            "team": "platform",
        },
        "annotations": {
            "incident": id,
            "event": "Triggered",
            "status": "triggered",
            "severity": "critical",
            "service": "API Gateway",
            "assignee": "nobody",
            "since": "2024-01-15 10:30 UTC",
            "link": "https://ops.example/incidents/inc_1",
            "summary": "Database connection timeout",
        },
        "startsAt": "2024-01-15T10:30:00Z",
        "endsAt": "2025-01-14T10:30:00Z",
        "generatorURL": "https://ops.example/incidents/inc_1",
    }]);
    assert_eq!(world.body(), expected);
    assert_eq!(world.path(), "/api/v2/alerts");
}

#[test]
fn an_end_that_is_yet_to_come_for_alertmanager_is_told_again() {
    let judge = |event, date: &str| {
        let world = world(event);
        assert_eq!(world.sample.now.to_rfc3339_seconds(), "2024-01-15T10:30:00Z");
        world.judge(200, &[("date", date.to_owned())], "").outcome
    };
    let behind = "Mon, 15 Jan 2024 10:29:57 GMT";
    let again = judge(EventName::Resolved, behind);
    let failure = again.failure().unwrap();
    assert_eq!(failure.disposition, Disposition::RateLimited);
    assert_eq!(failure.retry_after.unwrap().as_secs(), 4);
    assert!(failure.detail.contains("3 s behind"), "{}", failure.detail);
    for date in [
        "Mon, 15 Jan 2024 10:30:00 GMT",
        "Mon, 15 Jan 2024 10:30:09 GMT",
        "Mon, 15 Jan 2024 09:00:00 GMT",
        "yesterday",
    ] {
        assert_eq!(judge(EventName::Resolved, date), Outcome::Delivered, "{date}");
    }
    assert_eq!(judge(EventName::Acknowledged, behind), Outcome::Delivered);
}

#[test]
fn an_incidents_life_is_one_alert() {
    let mut world = world(EventName::Triggered);
    let mut seen = Vec::new();
    for event in [
        EventName::Triggered,
        EventName::Acknowledged,
        EventName::Resolved,
        EventName::Reopened,
    ] {
        world.next(event);
        assert_eq!(world.send().outcome, Outcome::Delivered);
        let texts = world.texts();
        seen.push((
            texts.len(),
            texts.last().unwrap().lines().last().unwrap().to_owned(),
        ));
    }
    let seen: Vec<_> = seen
        .iter()
        .map(|(count, state)| (*count, state.as_str()))
        .collect();
    assert_eq!(
        seen,
        [(1, "firing"), (1, "firing"), (1, "resolved"), (1, "firing")]
    );
}

#[test]
fn an_alert_keeps_its_labels_whatever_is_changed_about_the_incident() {
    let mut world = world(EventName::Triggered);
    world.send();
    world.next(EventName::Resolved);
    let mut incident = world.sample.event.incident().unwrap();
    incident.severity = Severity::Warning;
    incident.service.name = "Gateway of the API".into();
    world = world.with(|sample| sample.about(|changed| *changed = incident));
    let alert = world.body()[0].clone();
    assert_eq!(
        (&alert["labels"]["severity"], &alert["annotations"]["severity"]),
        (&json!("critical"), &json!("warning"))
    );
    world.send();
    assert_eq!(world.texts().len(), 1);
}

/// Tells the service again of a world's incident, and gives what stands there then.
fn refresh(world: &mut World) -> Vec<String> {
    let refreshing = Alertmanager.refreshing().unwrap();
    let (sample, target) = (&world.sample, &world.sample.target);
    let rendered = refreshing
        .request(target, &[sample.task(), sample.task()])
        .unwrap();
    let answer = world.service.answer(&simulators::Request {
        method: &rendered.method,
        target: rendered.url.path(),
        headers: &rendered.headers,
        body: &rendered.body,
        now: world.sample.now,
    });
    assert_eq!(answer.status, 200, "{}", answer.body);
    world
        .texts()
        .iter()
        .filter_map(|text| text.lines().last().map(str::to_owned))
        .collect()
}

/// Whether an alert fires after so many seconds.
fn fires_after(world: &mut World, seconds: i64) -> bool {
    let now = Timestamp::from_millis(world.sample.now.as_millis() + seconds * 1000);
    let answer = world.service.answer(&simulators::Request {
        method: &Method::GET,
        target: "/api/v2/alerts",
        headers: &http::HeaderMap::new(),
        body: b"",
        now,
    });
    answer.body.contains("active")
}

#[test]
fn what_is_told_again_is_the_same_alert_and_ends_no_earlier() {
    let mut world = world(EventName::Triggered);
    world.send();
    assert_eq!(refresh(&mut world), ["firing"]);
    assert!(fires_after(&mut world, 30 * 24 * 3600));
}

#[test]
fn an_alertmanager_that_has_forgotten_an_alert_has_it_for_as_long_as_it_is_told_again() {
    let mut world = world(EventName::Triggered);
    world.send();
    world.service = simulators::simulator("alertmanager").unwrap();
    assert_eq!(refresh(&mut world), ["firing"]);
    assert!(fires_after(&mut world, 359));
    assert!(!fires_after(&mut world, 360));
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
        ("bad_request", Disposition::Immediate),
        ("unauthorized", Disposition::NeedsOperator),
        ("not_found", Disposition::NeedsOperator),
        ("rate_limit", Disposition::RateLimited),
        ("internal", Disposition::Backoff),
        ("html", Disposition::Backoff),
        ("sign_in", Disposition::Backoff),
    ];
    assert_eq!(told, expected);
}

#[test]
fn a_refused_alert_is_sent_bare_and_then_given_up() {
    let mut world = world(EventName::Triggered);
    world.service.fail_next("bad_request");
    world.send();
    let alert = world.body()[0].clone();
    assert_eq!(
        alert["annotations"],
        json!({ "summary": "Database connection timeout" })
    );
    assert_eq!(alert.get("generatorURL"), None);
    world.service.fail_next("bad_request");
    let failure = world.send().outcome.failure().cloned().unwrap();
    assert_eq!(failure.disposition, Disposition::Permanent);
}

#[test]
fn the_probe_is_refused_where_alerts_are() {
    let world = world(EventName::Triggered);
    let probe = Alertmanager.probe(&world.sample.target).unwrap();
    assert_eq!(
        (probe.method.as_str(), probe.url.path()),
        ("GET", "/api/v2/status")
    );
    let refuses = |status: u16, body: &'static str| {
        Alertmanager.refuses(&Response {
            status,
            headers: http::HeaderMap::new(),
            body: Bytes::from_static(body.as_bytes()),
            body_is_truncated: false,
        })
    };
    assert!(!refuses(200, "{\"cluster\":{}}"));
    assert!(refuses(404, "404 page not found\n"));
    assert!(!refuses(403, "forbidden"));
}

#[test]
fn labels_that_are_none_are_refused_when_they_are_saved() {
    let is_refused = |labels: &str| {
        let world = world(EventName::Triggered).with(|sample| sample.with_option("labels", labels));
        !Alertmanager.check(&world.sample.target).is_empty()
    };
    let refused = ["team=a\n_b=c=d", "team", "9a=b", "a-b=c", "severity=x", "a="].map(is_refused);
    assert_eq!(refused, [false, true, true, true, true, true]);
}

#[test]
fn a_preview_shows_the_alert() {
    let body = world(EventName::Resolved).body().to_string();
    let shown = Alertmanager.preview(body.as_bytes()).unwrap().text();
    assert!(shown.starts_with("Database connection timeout\nincident: inc_"));
    assert!(shown.ends_with("ends at 2024-01-15T10:30:00Z"), "{shown}");
}

proptest! {
    #[test]
    fn alertmanager_takes_every_title(title in "\\PC{0,1500}|.{0,80}", name in "\\PC{1,400}") {
        let mut world = world(EventName::Triggered).with(|sample| sample.about(|incident| {
            incident.title.clone_from(&title);
            incident.service.name.clone_from(&name);
        }));
        prop_assert_eq!(world.send().outcome, Outcome::Delivered);
        prop_assert_eq!(world.sample.progress, None);
    }
}
