//! Ten thousand alerts are one incident that says how many there are; one that flaps stays open.

use std::time::Duration;

use serde_json::{Value, json};

use super::{create_source, event, incidents, requests, send};
use crate::support::test_app::{PATIENCE, TestApp, text};

/// A request of an Alertmanager.
fn notification(status: &str, hosts: std::ops::Range<u32>) -> Value {
    let alert = |host: u32| {
        json!({
            "status": status,
            "fingerprint": format!("{host:016x}"),
            "labels": { "alertname": "HostDown", "instance": format!("host-{host}") },
            "annotations": { "summary": format!("host-{host} is down") },
            "startsAt": "2026-01-05T11:59:00Z",
            "endsAt": if status == "resolved" { "2026-01-05T12:00:00Z" } else { "0001-01-01T00:00:00Z" },
        })
    };
    json!({
        "version": "4",
        "groupKey": "{}:{}",
        "truncatedAlerts": 0,
        "status": status,
        "receiver": "opsknight",
        "groupLabels": {},
        "commonLabels": {},
        "commonAnnotations": {},
        "externalURL": "http://alertmanager.example",
        "alerts": hosts.map(alert).collect::<Vec<_>>(),
    })
}

#[tokio::test]
async fn ten_thousand_alerts_are_one_incident_with_a_count_and_a_list_besides_the_first_few() {
    let directory = tempfile::tempdir().unwrap();
    let app = TestApp::start(directory.path()).await;
    app.create_service().await;
    let source = create_source(&app, "alertmanager", json!({ "stormAlerts": 3 })).await;
    let path = format!("/sources/{}", source.key);
    for part in 0..10 {
        let alerts = notification("firing", part * 1000..(part + 1) * 1000);
        send(&app, &path, alerts).await.expect(200);
    }
    let all = incidents(&app).await;
    assert_eq!(all.len(), 4);
    let storm = text(&all[0]["id"]);
    assert_eq!(all[0]["title"], "Alert storm from Prod");
    let description = text(&all[0]["description"]);
    assert!(description.starts_with("9997 alerts."), "{description}");
    assert!(
        description.contains("- host-3 is down") && description.ends_with("more"),
        "{description}"
    );
    assert_eq!(requests(&app, &source).await[0]["counts"]["counted"], 1000);
    let listed = app
        .api
        .get(&format!(
            "/api/v1/sources/{}/alerts?incidentId={storm}",
            source.id
        ))
        .await;
    assert_eq!(listed.expect(200).json()["items"].as_array().unwrap().len(), 1000);
    for part in 0..10 {
        let alerts = notification("resolved", part * 1000..(part + 1) * 1000);
        send(&app, &path, alerts).await.expect(200);
    }
    // The storm is over once nothing new has come for a while.
    app.advance(Duration::from_secs(600));
    let resolved = async {
        while !incidents(&app)
            .await
            .iter()
            .all(|incident| incident["status"] == "resolved")
        {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(PATIENCE, resolved)
        .await
        .expect("all of it ends");
}

#[tokio::test]
async fn a_flapping_alert_keeps_its_incident_open_and_says_so() {
    let directory = tempfile::tempdir().unwrap();
    let app = TestApp::start(directory.path()).await;
    app.create_service().await;
    let settings = json!({ "flapChanges": 2, "flapWindowSeconds": 600 });
    let source = create_source(&app, "pagerduty", settings).await;
    for action in ["trigger", "resolve", "trigger", "resolve"] {
        send(&app, "/v2/enqueue", event(&source.key, action, "db"))
            .await
            .expect(202);
    }
    assert_eq!(requests(&app, &source).await[0]["alerts"][0]["outcome"], "damped");
    let open = &incidents(&app).await[0];
    assert_eq!(open["status"], "triggered");
    let alerts = app
        .api
        .get(&format!("/api/v1/sources/{}/alerts", source.id))
        .await
        .expect(200)
        .json();
    assert_eq!(alerts["items"][0]["flapping"], true);
}
