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

use super::connection::Connection;
use super::database::Database;
use super::{delivery_lists, delivery_rows, delivery_stats, events, giving_up, replays};

#[async_trait]
impl Deliveries for Database {
    async fn list(&self, filter: DeliveryFilter, page: Page) -> StoreResult<Listed<Delivery>> {
        delivery_lists::list(&self.connection().await?, &filter, page).await
    }

    async fn get(&self, id: DeliveryId) -> StoreResult<DeliveryDetail> {
        let mut connection = self.snapshot().await?;
        let detail = detail(&connection, id).await?;
        connection.commit().await?;
        Ok(detail)
    }

    async fn list_attempts(&self, page: AttemptPage) -> StoreResult<ListedAttempts> {
        delivery_rows::list_attempts(&self.connection().await?, &page).await
    }

    async fn replay(&self, id: DeliveryId, change: Change) -> StoreResult<Replayed> {
        self.write((id, change), |context, (id, change)| {
            Box::pin(replays::replay(context, *id, change))
        })
        .await
    }

    async fn retry_now(&self, id: DeliveryId, change: Change) -> StoreResult<bool> {
        self.write((id, change), |context, (id, change)| {
            Box::pin(replays::retry_now(context, *id, change))
        })
        .await
    }

    async fn give_up(&self, id: DeliveryId, change: Change) -> StoreResult<GivenUp> {
        self.write((id, change), |context, (id, change)| {
            Box::pin(giving_up::give_up(context, *id, change))
        })
        .await
    }

    async fn count_dead(
        &self,
        webhook_id: WebhookId,
        since: Timestamp,
        until: Timestamp,
    ) -> StoreResult<u64> {
        replays::count_dead(&self.connection().await?, webhook_id, since, until).await
    }

    async fn recover(
        &self,
        webhook_id: WebhookId,
        since: Timestamp,
        until: Timestamp,
        cause: Option<FailureCode>,
        change: Change,
    ) -> StoreResult<RecoverStep> {
        self.write(
            (webhook_id, (since, until), cause, change),
            |context, (webhook_id, period, cause, change)| {
                Box::pin(replays::recover(context, *webhook_id, *period, *cause, change))
            },
        )
        .await
    }

    async fn counts_by_webhook(&self, at_most: Option<u32>) -> StoreResult<Vec<WebhookCounts>> {
        let mut connection = self.snapshot().await?;
        let counts = delivery_stats::counts_by_webhook(&connection, at_most).await?;
        connection.commit().await?;
        Ok(counts)
    }

    async fn webhook_stats(&self, webhook_id: WebhookId, since: Timestamp) -> StoreResult<WebhookStats> {
        let mut connection = self.snapshot().await?;
        let stats = delivery_stats::webhook_stats(&connection, webhook_id, since).await?;
        connection.commit().await?;
        Ok(stats)
    }
}

async fn detail(connection: &Connection, id: DeliveryId) -> StoreResult<DeliveryDetail> {
    let delivery = delivery_rows::load(connection, id).await?;
    Ok(DeliveryDetail {
        body: events::load(connection, delivery.event_sequence).await?.body,
        attempts: delivery_rows::load_attempts(connection, id, MAX_ATTEMPTS_SHOWN).await?,
        fallback_of: delivery_rows::find(connection, delivery.fallback_of).await?,
        taken_over_by: delivery_rows::find(connection, delivery.taken_over_by).await?,
        delivery,
    })
}
