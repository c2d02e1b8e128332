//! Badges: for everybody, of the services that are named, with nothing else in them.

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::page_client::PageClient;
use crate::support::test_app::{Names, TestApp};

async fn app(directory: &std::path::Path) -> TestApp {
    let change = |config: &mut config::Config| config.badges = vec!["API Gateway".into(), "Gone".into()];
    let app = TestApp::start_with(directory, &change, Names::default()).await;
    app.create_service().await;
    let other = json!({"name": "Secret"});
    app.api.post("/api/v1/services", other).await.expect(201);
    app
}

#[tokio::test]
async fn a_badge_says_ok_or_how_many_are_open() {
    let directory = tempfile::tempdir().unwrap();
    let app = app(directory.path()).await;
    let nobody = PageClient::new(&app.base());
    let message = async || {
        let badge = nobody.get("/badges/API%20Gateway.json").await.expect(200);
        let badge: Value = serde_json::from_str(&badge.html).unwrap();
        assert_eq!(
            (&badge["schemaVersion"], &badge["label"]),
            (&json!(1), &json!("API Gateway"))
        );
        badge["message"].as_str().unwrap().to_owned()
    };
    assert_eq!(message().await, "ok");
    let incident = app.trigger("Something that nobody else shall read").await;
    assert_eq!(message().await, "ok", "it is not read again at once");
    app.advance(Duration::from_secs(5));
    assert_eq!(message().await, "1 open");
    let svg = nobody.get("/badges/API%20Gateway.svg").await.expect(200);
    assert_eq!(svg.header("content-type"), "image/svg+xml");
    assert_eq!(svg.header("cache-control"), "public, max-age=5");
    assert!(
        svg.html.starts_with("<svg ") && svg.html.contains(">1 open<"),
        "{}",
        svg.html
    );
    assert!(!svg.html.contains("nobody else"));
    app.act(&incident, "resolve").await;
    app.advance(Duration::from_secs(5));
    assert_eq!(message().await, "ok");
}

#[tokio::test]
async fn what_is_not_named_has_no_badge() {
    let directory = tempfile::tempdir().unwrap();
    let app = app(directory.path()).await;
    let nobody = PageClient::new(&app.base());
    for path in [
        "Secret.svg",
        "Secret.json",
        "Nothing.svg",
        "Gone.svg",
        "API%20Gateway",
        "API%20Gateway.png",
    ] {
        nobody.get(&format!("/badges/{path}")).await.expect(404);
    }
}
