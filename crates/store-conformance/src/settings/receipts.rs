//! Idempotency keys.

use std::time::Duration;

use model::time::Timestamp;
use store::StoreError;
use store::receipts::{Answer, RECEIPT_LIFETIME, ReceiptState};

use super::backend::{Backend, Opening};
use super::samples;

async fn begin(backend: &Backend, hash: u8, at: Timestamp) -> ReceiptState {
    let begun = backend
        .receipts()
        .begin("owner".into(), "key".into(), [hash; 32], at);
    begun.await.unwrap()
}

async fn finish(backend: &Backend) -> Result<(), StoreError> {
    backend
        .receipts()
        .finish("owner".into(), "key".into(), answer())
        .await
}

fn answer() -> Answer {
    Answer {
        status: 201,
        body: b"{\"secret\":\"shown once\"}".to_vec(),
    }
}

#[tokio::test]
async fn the_same_request_gets_the_first_answer_and_another_is_misuse() {
    let backend = Backend::open();
    let bystanders = backend.plant_bystanders().await;
    let now = samples::now();
    assert_eq!(begin(&backend, 1, now).await, ReceiptState::New);
    assert_eq!(begin(&backend, 1, now).await, ReceiptState::InProgress);
    assert_eq!(begin(&backend, 2, now).await, ReceiptState::Misused);
    assert_eq!(finish(&backend).await, Ok(()));
    assert_eq!(begin(&backend, 1, now).await, ReceiptState::Answered(answer()));
    assert_eq!(begin(&backend, 2, now).await, ReceiptState::Misused);
    assert!(finish(&backend).await.is_err());
    assert_eq!(backend.see(&bystanders).await, bystanders);
}

#[tokio::test]
async fn a_forgotten_reservation_is_new_again_and_an_answer_stays() {
    let backend = Backend::open();
    let bystanders = backend.plant_bystanders().await;
    let forget = || backend.receipts().forget("owner".into(), "key".into());
    let now = samples::now();
    assert_eq!(begin(&backend, 1, now).await, ReceiptState::New);
    forget().await.unwrap();
    assert_eq!(begin(&backend, 2, now).await, ReceiptState::New);
    finish(&backend).await.unwrap();
    forget().await.unwrap();
    assert_eq!(begin(&backend, 2, now).await, ReceiptState::Answered(answer()));
    assert_eq!(backend.see(&bystanders).await, bystanders);
}

#[tokio::test]
async fn a_reservation_of_an_earlier_run_does_not_count_but_its_answer_does() {
    let backend = Backend::open();
    let now = samples::now();
    begin(&backend, 1, now).await;
    let opening = |node| Opening {
        node,
        ..Opening::default()
    };
    let backend = backend.reopen(&opening(2));
    assert_eq!(begin(&backend, 3, now).await, ReceiptState::New);
    finish(&backend).await.unwrap();
    let backend = backend.reopen(&opening(3));
    assert_eq!(begin(&backend, 3, now).await, ReceiptState::Answered(answer()));
}

#[tokio::test]
async fn a_receipt_is_forgotten_after_its_lifetime() {
    let backend = Backend::open();
    let now = samples::now();
    let end = now.plus(RECEIPT_LIFETIME);
    begin(&backend, 1, now).await;
    finish(&backend).await.unwrap();
    assert_eq!(begin(&backend, 1, end).await, ReceiptState::Answered(answer()));
    assert_eq!(
        begin(&backend, 2, end.plus(Duration::from_millis(1))).await,
        ReceiptState::New
    );
}
