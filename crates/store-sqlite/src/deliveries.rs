//! The people's side of deliveries.

use async_trait::async_trait;
use model::audit::Change;
use model::delivery::Delivery;
use model::exchange::FailureCode;
use model::id::{DeliveryId, WebhookId};
use model::time::Timestamp;
use store::StoreResult;
use store::deliveries::{
    AttemptPage, Deliveries, DeliveryDetail, DeliveryFilter, GivenUp, ListedAttempts, MAX_ATTEMPTS_SHOWN,
    RecoverStep, Replayed, WebhookCounts, WebhookStats,
};
use store::{Listed, Page};

use super::database::Database;
use super::statements::snapshot;
use super::{delivery_lists, delivery_rows, delivery_stats, events, giving_up, replays};

#[async_trait]
impl Deliveries for Database {
    async fn list(&self, filter: DeliveryFilter, page: Page) -> StoreResult<Listed<Delivery>> {
        self.read(move |connection| {
            let snapshot = snapshot(connection)?;
            delivery_lists::list(&snapshot, &filter, page)
        })
        .await
    }

    async fn get(&self, id: DeliveryId) -> StoreResult<DeliveryDetail> {
        self.read(move |connection| {
            let snapshot = snapshot(connection)?;
            let delivery = delivery_rows::load(&snapshot, id)?;
            Ok(DeliveryDetail {
                body: events::load(&snapshot, delivery.event_sequence)?.body,
                attempts: delivery_rows::load_attempts(&snapshot, id, MAX_ATTEMPTS_SHOWN)?,
                fallback_of: delivery_rows::find(&snapshot, delivery.fallback_of)?,
                taken_over_by: delivery_rows::find(&snapshot, delivery.taken_over_by)?,
                delivery,
            })
        })
        .await
    }

    async fn list_attempts(&self, page: AttemptPage) -> StoreResult<ListedAttempts> {
        self.read(move |connection| {
            let snapshot = snapshot(connection)?;
            delivery_rows::list_attempts(&snapshot, &page)
        })
        .await
    }

    async fn replay(&self, id: DeliveryId, change: Change) -> StoreResult<Replayed> {
        self.write(move |context| replays::replay(context, id, &change))
            .await
    }

    async fn retry_now(&self, id: DeliveryId, change: Change) -> StoreResult<bool> {
        self.write(move |context| replays::retry_now(context, id, &change))
            .await
    }

    async fn give_up(&self, id: DeliveryId, change: Change) -> StoreResult<GivenUp> {
        self.write(move |context| giving_up::give_up(context, id, &change))
            .await
    }

    async fn count_dead(
        &self,
        webhook_id: WebhookId,
        since: Timestamp,
        until: Timestamp,
    ) -> StoreResult<u64> {
        self.read_long(move |connection| replays::count_dead(connection, webhook_id, since, until))
            .await
    }

    async fn recover(
        &self,
        webhook_id: WebhookId,
        since: Timestamp,
        until: Timestamp,
        cause: Option<FailureCode>,
        change: Change,
    ) -> StoreResult<RecoverStep> {
        self.write(move |context| replays::recover(context, webhook_id, (since, until), cause, &change))
            .await
    }

    async fn counts_by_webhook(&self, at_most: Option<u32>) -> StoreResult<Vec<WebhookCounts>> {
        self.read(move |connection| {
            let snapshot = snapshot(connection)?;
            delivery_stats::counts_by_webhook(&snapshot, at_most)
        })
        .await
    }

    async fn webhook_stats(&self, webhook_id: WebhookId, since: Timestamp) -> StoreResult<WebhookStats> {
        self.read_long(move |connection| delivery_stats::webhook_stats(connection, webhook_id, since))
            .await
    }
}
