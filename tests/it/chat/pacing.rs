//! Rate limits: waited for without spending attempts, and without holding anybody else up.

use std::time::Duration;

use serde_json::json;

use super::{Chat, create};
use crate::support::platform::Platform;
use crate::support::test_app::TestApp;

#[tokio::test]
async fn waiting_for_a_rate_limit_spends_no_attempt() {
    let chat = Chat::start("discord", json!({})).await;
    chat.change(json!({"retrySchedule": []})).await;
    chat.platform.fail_next("rate_limit");
    chat.app.trigger("once too often").await;
    let waiting = chat.delivery(1).await;
    assert_eq!(waiting["status"], "scheduled", "{waiting:#}");
    assert_eq!(waiting["attempts"][0]["failure"]["code"], "rate_limited");
    chat.app.advance(Duration::from_secs(120));
    let delivered = chat.delivery(2).await;
    assert_eq!(delivered["status"], "delivered", "{delivered:#}");
}

#[tokio::test]
async fn webhooks_that_share_a_channel_wait_for_each_other_and_others_do_not() {
    let directory = tempfile::tempdir().unwrap();
    let app = TestApp::start(directory.path()).await;
    app.create_service().await;
    let shared = Platform::start("google_chat").await;
    let other = Platform::start("discord").await;
    create(&app, &shared, "google_chat", json!({})).await;
    create(&app, &shared, "google_chat", json!({"messages": "separate"})).await;
    create(&app, &other, "discord", json!({})).await;
    app.trigger("to all of them").await;
    // One write a second to the space, whoever writes; the clock stands still.
    app.wait_for("status=delivered", 2).await;
    assert_eq!((shared.texts().len(), other.texts().len()), (1, 1));
    app.advance(Duration::from_secs(1));
    app.wait_for("status=delivered", 3).await;
    assert_eq!(shared.texts().len(), 2);
}
