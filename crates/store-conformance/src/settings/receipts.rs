//! Idempotency keys.

use std::time::Duration;

use model::time::Timestamp;
use store::StoreError;
use store::receipts::{Answer, RECEIPT_LIFETIME, ReceiptState};

use crate::{Opening, cases};

use super::fixture::Fixture;
use super::samples;

async fn begin(fixture: &Fixture, hash: u8, at: Timestamp) -> ReceiptState {
    let begun = fixture
        .receipts()
        .begin("owner".into(), "key".into(), [hash; 32], at);
    begun.await.unwrap()
}

async fn finish(fixture: &Fixture) -> Result<(), StoreError> {
    fixture
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

cases! {
    settings::receipts;

    async fn the_same_request_gets_the_first_answer_and_another_is_misuse(fixture: Fixture) {
        let bystanders = fixture.plant_bystanders().await;
        let now = samples::now();
        assert_eq!(begin(&fixture, 1, now).await, ReceiptState::New);
        assert_eq!(begin(&fixture, 1, now).await, ReceiptState::InProgress);
        assert_eq!(begin(&fixture, 2, now).await, ReceiptState::Misused);
        assert_eq!(finish(&fixture).await, Ok(()));
        assert_eq!(begin(&fixture, 1, now).await, ReceiptState::Answered(answer()));
        assert_eq!(begin(&fixture, 2, now).await, ReceiptState::Misused);
        assert!(finish(&fixture).await.is_err());
        assert_eq!(fixture.see(&bystanders).await, bystanders);
    }

    async fn a_forgotten_reservation_is_new_again_and_an_answer_stays(fixture: Fixture) {
        let bystanders = fixture.plant_bystanders().await;
        let forget = || fixture.receipts().forget("owner".into(), "key".into());
        let now = samples::now();
        assert_eq!(begin(&fixture, 1, now).await, ReceiptState::New);
        forget().await.unwrap();
        assert_eq!(begin(&fixture, 2, now).await, ReceiptState::New);
        finish(&fixture).await.unwrap();
        forget().await.unwrap();
        assert_eq!(begin(&fixture, 2, now).await, ReceiptState::Answered(answer()));
        assert_eq!(fixture.see(&bystanders).await, bystanders);
    }

    async fn a_reservation_of_an_earlier_run_does_not_count_but_its_answer_does(fixture: Fixture) {
        let now = samples::now();
        begin(&fixture, 1, now).await;
        let opening = |node| Opening {
            node,
            ..Opening::default()
        };
        let fixture = fixture.reopen(opening(2)).await;
        assert_eq!(begin(&fixture, 3, now).await, ReceiptState::New);
        finish(&fixture).await.unwrap();
        let fixture = fixture.reopen(opening(3)).await;
        assert_eq!(begin(&fixture, 3, now).await, ReceiptState::Answered(answer()));
    }

    async fn a_receipt_is_forgotten_after_its_lifetime(fixture: Fixture) {
        let now = samples::now();
        let end = now.plus(RECEIPT_LIFETIME);
        begin(&fixture, 1, now).await;
        finish(&fixture).await.unwrap();
        assert_eq!(begin(&fixture, 1, end).await, ReceiptState::Answered(answer()));
        assert_eq!(
            begin(&fixture, 2, end.plus(Duration::from_millis(1))).await,
            ReceiptState::New
        );
    }

    async fn a_key_is_used_up_once_for_its_owner_by_whatever_run(fixture: Fixture) {
        let bystanders = fixture.plant_bystanders().await;
        let now = samples::now();
        let mut uses = Vec::new();
        for (owner, key) in [("owner", "key"), ("owner", "key"), ("other", "key"), ("owner", "other")] {
            uses.push(fixture.receipts().use_up(owner.into(), key.into(), now).await.unwrap());
        }
        assert_eq!(uses, [true, false, true, true]);
        assert_eq!(fixture.see(&bystanders).await, bystanders);
        let opening = Opening {
            node: 2,
            ..Opening::default()
        };
        let fixture = fixture.reopen(opening).await;
        let late = now.plus(RECEIPT_LIFETIME);
        let used = fixture.receipts().use_up("owner".into(), "key".into(), late);
        assert!(!used.await.unwrap());
    }
}
