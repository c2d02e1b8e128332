//! The catalog of events, as whoever writes a receiver finds it: without an account.

use model::access::Role;
use model::event::EventType;

use super::people::person;
use crate::support::page_client::{Page, PageClient};
use crate::support::receiver::{OK, Receiver};
use crate::support::test_app::TestApp;

const SECRET: &str = "a secret of a test";

/// Head and body of a request as a receiver got it.
async fn sent(app: &TestApp) -> (String, String) {
    app.create_service().await;
    let mut receiver = Receiver::start(&[OK]).await;
    let webhook = serde_json::json!({"name": "Display", "url": format!("http://{}/", receiver.address),
        "events": ["incident.triggered"], "secret": SECRET});
    app.api.post("/api/v1/webhooks", webhook).await.expect(201);
    app.trigger("Disk full on db-1").await;
    let request = receiver.next_request().await;
    let (head, body) = request.split_once("\r\n\r\n").unwrap();
    (head.to_owned(), body.to_owned())
}

async fn check(visitor: &PageClient, head: &str, body: &str, secret: &str) -> Page {
    let fields = [("headers", head), ("body", body), ("secret", secret)];
    visitor.submit("/docs/events", &fields).await.expect(200)
}

#[tokio::test]
async fn every_event_is_in_the_catalog_and_its_schema_can_be_had_without_an_account() {
    let directory = tempfile::tempdir().unwrap();
    let app = TestApp::start(directory.path()).await;
    let nobody = PageClient::new(&app.base());
    let page = nobody.get("/docs/events").await.expect(200);
    for name in EventType::NAMES {
        assert!(page.html.contains(&format!("id=\"{name}\"")), "{name}");
        let file = nobody.get(&format!("/docs/events/{name}.json")).await.expect(200);
        assert_eq!(file.header("content-type"), "application/schema+json");
        let schema: serde_json::Value = serde_json::from_str(&file.html).unwrap();
        assert_eq!(schema["title"], *name);
    }
    nobody.get("/docs/events/incident.gone.json").await.expect(404);
}

#[tokio::test]
async fn a_real_request_is_valid_and_what_is_wrong_with_a_changed_one_is_told() {
    let directory = tempfile::tempdir().unwrap();
    let app = TestApp::start(directory.path()).await;
    let (head, body) = sent(&app).await;
    let nobody = PageClient::new(&app.base());
    nobody.get("/docs/events").await.expect(200);
    let valid = check(&nobody, &head, &body, SECRET).await;
    assert_eq!(
        valid
            .html
            .matches("<span class=\"badge success\">valid</span>")
            .count(),
        2
    );
    let spaced = body.replace(",", ", ");
    let rewritten = check(&nobody, &head, &spaced, SECRET).await;
    assert_eq!(rewritten.html.matches("before anything parses it").count(), 2);
    let other = check(&nobody, &head, &body, "another secret").await;
    assert_eq!(other.html.matches("made with another secret").count(), 2);
}

#[tokio::test]
async fn a_pasted_secret_is_neither_shown_again_nor_kept() {
    let directory = tempfile::tempdir().unwrap();
    let app = TestApp::start(directory.path()).await;
    let admin = person(&app, Role::Admin).await;
    let page = check(&admin, "webhook-id: dlv_1", "{}", "pasted-secret-of-mine").await;
    assert!(!page.html.contains("pasted-secret-of-mine"));
    let audit = app.api.get("/api/v1/audit?limit=200").await.expect(200);
    assert!(!audit.text.contains("pasted-secret-of-mine"));
}

#[tokio::test]
async fn strangers_may_paste_less_than_people_who_are_signed_in() {
    let directory = tempfile::tempdir().unwrap();
    let app = TestApp::start(directory.path()).await;
    let long = "x".repeat(20_000);
    let nobody = PageClient::new(&app.base());
    let fields = [("headers", "a: b"), ("body", long.as_str()), ("secret", "s")];
    nobody.submit("/docs/events", &fields).await.expect(400);
    let admin = person(&app, Role::Admin).await;
    check(&admin, "a: b", &long, "s").await;
}
