//! A want of the server's own is no attempt: from the API to the receiver.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use outbound::Resolve;
use outbound::resolver::ResolveError;
use serde_json::json;

use super::{header, receiver};
use crate::support::receiver::OK;
use crate::support::test_app::{TestApp, text};

/// Lacks descriptors for the first look-ups.
struct ShortAtFirst(AtomicU64);

#[async_trait]
impl Resolve for ShortAtFirst {
    async fn resolve(&self, _host: &str) -> Result<Vec<IpAddr>, ResolveError> {
        match self.0.fetch_add(1, Ordering::SeqCst) {
            0..3 => Err(ResolveError::Shortage("file descriptors".into())),
            _ => Ok(vec![[127, 0, 0, 1].into()]),
        }
    }
}

#[tokio::test]
async fn a_delivery_that_the_server_could_not_send_at_first_is_delivered_by_its_first_attempt() {
    let directory = tempfile::tempdir().unwrap();
    let resolver = Arc::new(ShortAtFirst(AtomicU64::new(0)));
    let app = TestApp::start_resolving(directory.path(), resolver).await;
    let (mut receiver, _) = receiver(&[OK]).await;
    app.create_service().await;
    let url = format!("http://receiver.example:{}/", receiver.address.port());
    app.create_webhook(&url, json!({})).await;
    app.trigger("slow database").await;
    assert_eq!(
        header(&receiver.next_request().await, "x-opsknight-attempt"),
        Some("1")
    );
    let delivery = text(&app.wait_for("status=delivered", 1).await[0]["id"]);
    let detail = app.wait_for_attempts(&delivery, 1).await;
    assert_eq!(detail["attemptsMade"], 1);
    app.advance(Duration::from_secs(6));
    let system = async {
        loop {
            let system = app.api.get("/api/v1/system").await.expect(200).json();
            if system["lacked"] == "file descriptors" {
                return system;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let system = tokio::time::timeout(Duration::from_secs(20), system)
        .await
        .unwrap();
    assert_eq!(system["sendsWaiting"], 0);
    let metrics = app.api.get("/metrics").await.expect(200);
    assert!(metrics.text.contains("opsknight_send_shortages_total 1"));
}
