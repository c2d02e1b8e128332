//! A server on loopback delivers to its own inboxes without any settings, and still connects to nothing else there.

use model::audit::Actor;
use model::id::InboxId;
use model::inbox::{Inbox, InboxAnswer, InboxRequest};
use model::secret::SecretText;
use outbound::signature::verify_opsknight;
use serde_json::json;

use super::{header, receiver};
use crate::support::receiver::OK;
use crate::support::test_app::{Names, TestApp};

/// A server for production, as far as it matters here.
async fn strict_app(directory: &std::path::Path) -> TestApp {
    TestApp::start_with(directory, &|config| config.dev = false, Names::default()).await
}

async fn inbox(app: &TestApp) -> InboxId {
    let source = app.source();
    let inbox = Inbox {
        id: source.new_inbox_id(),
        name: "own".into(),
        answer: InboxAnswer::default(),
        secret: None,
        created_at: source.now(),
    };
    let created = app.store().inboxes.create(inbox, source.change(Actor::System));
    created.await.unwrap().id
}

async fn arrived(app: &TestApp, inbox: InboxId) -> Vec<InboxRequest> {
    app.store().inboxes.requests(inbox).await.unwrap()
}

#[tokio::test]
async fn events_arrive_in_an_own_inbox_with_their_signatures() {
    let directory = tempfile::tempdir().unwrap();
    let app = strict_app(directory.path()).await;
    app.create_service().await;
    let inbox = inbox(&app).await;
    app.create_webhook(&format!("{}/in/{inbox}", app.base()), json!({}))
        .await;
    app.trigger("Database connection timeout").await;
    app.wait_for("status=delivered", 1).await;
    let requests = arrived(&app, inbox).await;
    let request = &requests[0];
    let signature = header(&request.head, "x-opsknight-signature").unwrap();
    assert!(verify_opsknight(
        &SecretText::new("my secret ✓"),
        &request.body,
        signature
    ));
    assert_eq!((requests.len(), request.method.as_str()), (1, "POST"));
    assert_eq!(
        header(&request.head, "x-opsknight-event"),
        Some("incident.triggered")
    );
}

#[tokio::test]
async fn localhost_leads_to_the_own_inbox_too() {
    let directory = tempfile::tempdir().unwrap();
    let app = strict_app(directory.path()).await;
    app.create_service().await;
    let inbox = inbox(&app).await;
    let base = app.base().replace("127.0.0.1", "localhost");
    app.create_webhook(&format!("{base}/in/{inbox}"), json!({})).await;
    app.trigger("Database connection timeout").await;
    app.wait_for("status=delivered", 1).await;
    assert_eq!(arrived(&app, inbox).await.len(), 1);
}

#[tokio::test]
async fn nothing_else_on_loopback_may_be_reached() {
    let directory = tempfile::tempdir().unwrap();
    let app = strict_app(directory.path()).await;
    let (other, other_url) = receiver(&[OK]).await;
    let inbox = inbox(&app).await;
    let base = app.base();
    let urls = [
        other_url,
        format!("http://{}/in/{inbox}", other.address),
        format!("{base}/api/v1/incidents"),
        format!("{base}/in/{inbox}/../../metrics"),
        format!("{base}/in/"),
        format!("{}/in/{inbox}", base.replace("http://", "https://")),
        format!("{}/in/{inbox}", base.replace("127.0.0.1", "127.0.0.2")),
        format!("{}/in/{inbox}", base.replace("127.0.0.1", "[::1]")),
    ];
    for url in urls {
        let webhook = json!({"name": "inside", "url": url, "events": ["incident.triggered"]});
        let answer = app.api.post("/api/v1/webhooks", webhook).await;
        assert_eq!(answer.status, 422, "{url}: {}", answer.text);
    }
    assert_eq!(other.connection_count(), 0);
}

#[tokio::test]
async fn without_inboxes_there_is_no_exemption() {
    let directory = tempfile::tempdir().unwrap();
    let app = TestApp::start_with(
        directory.path(),
        &|config| (config.dev, config.inbox.enabled) = (false, false),
        Names::default(),
    )
    .await;
    let inbox = inbox(&app).await;
    let url = format!("{}/in/{inbox}", app.base());
    let webhook = json!({"name": "inside", "url": url, "events": ["incident.triggered"]});
    let answer = app.api.post("/api/v1/webhooks", webhook).await;
    assert_eq!(answer.status, 422, "{}", answer.text);
}
