//! What pages say of everything is true of everything: counted and ranked over all rows, tests left out.

use model::access::Role;
use model::exchange::FailureCode;
use model::webhook::Degraded;
use serde_json::json;

use super::people::person;
use crate::support::test_app::{TestApp, text};

/// Where nobody listens.
const CLOSED: &str = "http://127.0.0.1:9300/";

async fn trigger(app: &TestApp, title: &str, severity: &str, service: &str) {
    let incident = json!({"title": title, "severity": severity, "service": {"name": service}});
    app.api.post("/api/v1/incidents", incident).await.expect(201);
}

#[tokio::test]
async fn among_a_thousand_open_incidents_pages_count_all_and_show_the_worst() {
    let directory = tempfile::tempdir().unwrap();
    let app = TestApp::start(directory.path()).await;
    app.create_service().await;
    app.api
        .post("/api/v1/services", json!({"name": "Payments"}))
        .await
        .expect(201);
    for number in 0..6 {
        trigger(&app, &format!("worst {number}"), "critical", "Payments").await;
    }
    for number in 0..1000 {
        trigger(&app, &format!("mild {number}"), "info", "API Gateway").await;
    }
    let viewer = person(&app, Role::Viewer).await;
    let services = viewer.get("/services").await.expect(200).html;
    assert!(services.contains(">6 open<") && services.contains(">1\u{202f}000 open<"));
    let wall = format!("/wall?key={}", app.api.key());
    for page in ["/", &wall] {
        let page = viewer.get(page).await.expect(200).html;
        let shown = (0..6).filter(|number| page.contains(&format!("worst {number}")));
        assert_eq!(shown.count(), 6, "{page}");
    }
}

#[tokio::test]
async fn a_send_test_that_failed_is_no_dead_delivery_and_is_not_replayed() {
    let directory = tempfile::tempdir().unwrap();
    let app = TestApp::start(directory.path()).await;
    let id = app.create_webhook(CLOSED, json!({})).await;
    let tested = app
        .api
        .post(&format!("/api/v1/webhooks/{id}/test"), json!({}))
        .await
        .json();
    let delivery = text(&tested["id"]);
    let listed = |filter: &str| format!("/api/v1/deliveries?{filter}");
    let all = app.api.get(&listed("limit=5")).await.expect(200).json();
    assert_eq!(all["items"][0]["id"], delivery.as_str());
    for filter in ["status=dead".to_owned(), format!("status=dead&webhook={id}")] {
        let dead = app.api.get(&listed(&filter)).await.expect(200).json();
        assert_eq!(dead["items"], json!([]));
    }
    let replayed = app
        .api
        .post(&format!("/api/v1/deliveries/{delivery}/replay"), json!({}))
        .await
        .expect(409);
    assert!(replayed.text.contains("a test is not sent again"));
    let viewer = person(&app, Role::Viewer).await;
    let page = viewer.get("/dead").await.expect(200).html;
    assert!(!page.contains(&delivery));
}

#[tokio::test]
async fn a_degraded_webhook_says_what_waits_and_offers_a_test_as_the_probe() {
    let directory = tempfile::tempdir().unwrap();
    let app = TestApp::start(directory.path()).await;
    let id = app.create_webhook(CLOSED, json!({})).await;
    let degraded = Degraded {
        since: app.source().now(),
        code: FailureCode::ConnectFailed,
        detail: None,
    };
    let endpoints = &app.store().endpoints;
    let noted = endpoints.set_degraded(id.parse().unwrap(), Some(degraded), model::time::Timestamp::EPOCH);
    noted.await.unwrap();
    let responder = person(&app, Role::Responder).await;
    let page = responder
        .get(&format!("/settings/integrations/{id}"))
        .await
        .expect(200)
        .html;
    assert!(page.contains("Nothing waits") && !page.contains("the others wait"));
    assert!(page.contains("<b>Send Test</b> probes it now"));
}
