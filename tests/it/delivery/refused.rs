//! Addresses that the server may not connect to, seen through the whole server.

use serde_json::json;

use crate::support::test_app::{Names, TestApp, text};

#[tokio::test]
async fn internal_addresses_are_refused_when_a_webhook_is_saved() {
    let directory = tempfile::tempdir().unwrap();
    let app = TestApp::start_with(directory.path(), &|config| config.dev = false, Names::default()).await;
    let urls = [
        "http://127.0.0.1/",
        "http://2130706433/",
        "http://0x7f.1/",
        "http://017700000001/",
        "http://[::1]/",
        "http://[::ffff:127.0.0.1]/",
        "http://10.0.0.1/",
        "http://169.254.169.254/",
        "http://[64:ff9b::7f00:1]/",
        "ftp://receiver.example/",
        "http://user:password@receiver.example/",
        "http://receiver.example:22/",
    ];
    for url in urls {
        let webhook = json!({"name": "inside", "url": url, "events": ["incident.triggered"]});
        let answer = app.api.post("/api/v1/webhooks", webhook).await;
        assert_eq!(answer.status, 422, "{url}: {}", answer.text);
    }
}

#[tokio::test]
async fn names_that_resolve_inside_are_never_connected() {
    let directory = tempfile::tempdir().unwrap();
    let names = Names(
        [
            ("private.example", vec!["10.0.0.7"]),
            ("many.example", vec!["192.168.0.1", "127.0.0.1"]),
            ("metadata.example", vec!["169.254.169.254"]),
        ]
        .map(|(name, addresses)| {
            (
                name.to_owned(),
                addresses.iter().map(|a| a.parse().unwrap()).collect(),
            )
        })
        .into(),
    );
    let app = TestApp::start_with(directory.path(), &|config| config.dev = false, names).await;
    app.create_service().await;
    for host in ["private.example", "many.example", "metadata.example"] {
        app.create_webhook(&format!("http://{host}/"), json!({})).await;
    }
    app.trigger("look inside").await;
    for delivery in app.wait_for("status=scheduled", 3).await {
        let detail = app.wait_for_attempts(&text(&delivery["id"]), 1).await;
        assert_eq!(detail["attempts"][0]["failure"]["code"], "address_not_allowed");
        assert_eq!(detail["attempts"][0]["remoteAddress"], json!(null));
    }
}
