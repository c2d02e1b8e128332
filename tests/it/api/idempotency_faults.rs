//! Idempotency keys while clients go away and the store has trouble.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use api::ApiSettings;
use async_trait::async_trait;
use axum::body::Body;
use axum::http::Method;
use model::time::Timestamp;
use serde_json::json;
use store::Store;
use store::StoreError;
use store::StoreResult;
use store::receipts::{Answer, ReceiptState, Receipts};
use tokio::sync::Notify;
use tower::ServiceExt;

use super::server::Server;

/// Receipts that can be slow to say that a key is reserved, and fail to keep answers.
struct Troubled {
    receipts: Arc<dyn Receipts>,
    reserved: Notify,
    may_go_on: Notify,
    refusals_left: AtomicU32,
}

#[async_trait]
impl Receipts for Troubled {
    async fn begin(
        &self,
        owner: String,
        key: String,
        request_hash: [u8; 32],
        now: Timestamp,
    ) -> StoreResult<ReceiptState> {
        let is_slow = key == "slow";
        let known = self.receipts.begin(owner, key, request_hash, now).await;
        if is_slow && known == Ok(ReceiptState::New) {
            self.reserved.notify_one();
            self.may_go_on.notified().await;
        }
        known
    }

    async fn finish(&self, owner: String, key: String, answer: Answer) -> StoreResult<()> {
        let one_less = |left: u32| left.checked_sub(1);
        let refused = self
            .refusals_left
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, one_less);
        if refused.is_ok() {
            return Err(StoreError::Unavailable("the disk is full".into()));
        }
        self.receipts.finish(owner, key, answer).await?;
        self.reserved.notify_one();
        Ok(())
    }

    async fn use_up(&self, owner: String, key: String, now: Timestamp) -> StoreResult<bool> {
        self.receipts.use_up(owner, key, now).await
    }

    async fn forget(&self, owner: String, key: String) -> StoreResult<()> {
        self.receipts.forget(owner, key).await
    }
}

async fn troubled_server(refusals: u32) -> (Server, Arc<Troubled>) {
    let mut troubled = None;
    let dress = |store: Store| {
        let receipts = Arc::new(Troubled {
            receipts: store.receipts,
            reserved: Notify::new(),
            may_go_on: Notify::new(),
            refusals_left: AtomicU32::new(refusals),
        });
        troubled = Some(Arc::clone(&receipts));
        Store { receipts, ..store }
    };
    let server = Server::start_on(ApiSettings::default(), dress).await;
    (server, troubled.unwrap())
}

#[tokio::test]
async fn a_client_that_goes_away_while_its_key_is_reserved_finds_its_answer_later() {
    let (server, troubled) = troubled_server(0).await;
    let body = json!({ "name": "API" });
    let request = server
        .request(Method::POST, "/api/v1/services")
        .header("content-type", "application/json")
        .header("idempotency-key", "slow")
        .body(Body::from(body.to_string()))
        .unwrap();
    let client = tokio::spawn(server.router.clone().oneshot(request));
    troubled.reserved.notified().await;
    client.abort();
    assert!(client.await.unwrap_err().is_cancelled());
    troubled.may_go_on.notify_one();
    let kept = troubled.reserved.notified();
    tokio::time::timeout(std::time::Duration::from_secs(10), kept)
        .await
        .expect("the request goes on without its client");
    let again = server.post_keyed("/api/v1/services", "slow", body).await;
    assert_eq!(
        (again.status.as_u16(), again.header("idempotency-replayed")),
        (201, "true")
    );
}

#[tokio::test]
async fn an_answer_that_cannot_be_kept_at_first_is_kept_later() {
    let (server, _) = troubled_server(2).await;
    let body = json!({ "name": "API" });
    let first = server.post_keyed("/api/v1/services", "one", body.clone()).await;
    let second = server.post_keyed("/api/v1/services", "one", body).await;
    assert_eq!((first.status.as_u16(), second.status.as_u16()), (201, 201));
    assert_eq!(second.header("idempotency-replayed"), "true");
    assert_eq!(first.body, second.body);
}
