//! The wallboard: by urgency or by service, and what failed to be delivered for keys that may know.

use serde_json::json;

use crate::support::page_client::PageClient;
use crate::support::receiver::{Receiver, Reply};
use crate::support::test_app::{TestApp, text};

async fn trigger(app: &TestApp, service: &str, title: &str, severity: &str) {
    let incident = json!({"title": title, "severity": severity, "service": {"name": service}});
    app.api.post("/api/v1/incidents", incident).await.expect(201);
}

/// What a wallboard shows to a key with these scopes.
async fn wall(app: &TestApp, scopes: &[&str], rest: &str) -> String {
    let draft = json!({"name": "wall", "scopes": scopes});
    let key = text(&app.api.post("/api/v1/api-keys", draft).await.expect(201).json()["key"]);
    let nobody = PageClient::new(&app.base());
    nobody
        .get(&format!("/wall?key={key}{rest}"))
        .await
        .expect(200)
        .html
}

/// The places of texts in a page, which must all be there.
fn places(html: &str, texts: &[&str]) -> Vec<usize> {
    let place = |text: &&str| {
        html.find(*text)
            .unwrap_or_else(|| panic!("{text} is not in {html}"))
    };
    texts.iter().map(place).collect()
}

#[tokio::test]
async fn incidents_are_grouped_by_service_if_that_is_wanted() {
    let directory = tempfile::tempdir().unwrap();
    let app = TestApp::start(directory.path()).await;
    for name in ["Checkout", "Search"] {
        app.api
            .post("/api/v1/services", json!({"name": name}))
            .await
            .expect(201);
    }
    trigger(&app, "Checkout", "cards are slow", "warning").await;
    trigger(&app, "Search", "index is stale", "error").await;
    trigger(&app, "Checkout", "nobody can pay", "critical").await;
    let grouped = wall(&app, &["incidents:read"], "&by=service").await;
    let expected = [
        "Checkout: 2 open",
        "nobody can pay",
        "cards are slow",
        "Search: 1 open",
        "index is stale",
    ];
    assert!(places(&grouped, &expected).is_sorted(), "{grouped}");
    let plain = wall(&app, &["incidents:read"], "").await;
    assert!(places(&plain, &["nobody can pay", "index is stale", "cards are slow"]).is_sorted());
    assert!(!plain.contains("2 open"));
}

#[tokio::test]
async fn webhooks_that_fail_are_named_to_keys_that_may_see_webhooks_alone() {
    let directory = tempfile::tempdir().unwrap();
    let app = TestApp::start(directory.path()).await;
    app.create_service().await;
    let receiver = Receiver::start(&[Reply::Raw("HTTP/1.1 410 Gone\r\ncontent-length: 0\r\n\r\n")]).await;
    let gone = json!({"name": "Pager of the night"});
    app.create_webhook(&format!("http://{}/", receiver.address), gone)
        .await;
    app.trigger("Down").await;
    app.quiesce().await;
    let told = wall(&app, &["incidents:read", "webhooks:read"], "").await;
    assert!(
        told.contains("Not delivered to: <b>Pager of the night (1 dead)</b>"),
        "{told}"
    );
    let untold = wall(&app, &["incidents:read"], "").await;
    assert!(
        !untold.contains("Pager") && untold.contains("<b>1</b> dead"),
        "{untold}"
    );
}
