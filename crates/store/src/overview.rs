//! Counts for pages that show everything at a glance. Reading these costs little, however much there is.

use std::collections::HashMap;

use async_trait::async_trait;

use crate::StoreResult;
use crate::page::WALKED_OF_EACH;
use model::activity::Activity;
use model::exchange::FailureCode;
use model::id::{DeliveryId, IncidentId, ServiceId, WebhookId};
use model::incident::{Incident, IncidentStatus, Severity};
use model::insight::InsightDay;
use model::time::Timestamp;
use model::webhook::{Degraded, WebhookState};

/// Open incidents of one severity and status.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OpenIncidents {
    /// Which severity.
    pub severity: Severity,
    /// Triggered or acknowledged.
    pub status: IncidentStatus,
    /// How many.
    pub count: u64,
}

/// Dead deliveries of one webhook that died of the same cause.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadGroup {
    pub webhook_id: WebhookId,
    /// Its present name.
    pub webhook_name: String,
    /// Why their last attempt failed.
    pub cause: Option<FailureCode>,
    /// How many, among the latest that are counted.
    pub count: u64,
    /// Whether there are more than were counted.
    pub is_cut: bool,
    /// When the first and the last of those that are counted were made.
    pub made_between: (Timestamp, Timestamp),
}

/// Among how many of a webhook's deliveries, in the order in which they are due, the oldest is looked for.
pub const OLDEST_SEARCHED: u32 = 100;

/// How many dead deliveries are grouped by their cause, of all webhooks that have any.
const GROUPED_AT_MOST: u32 = 20_000;

/// How many of each webhook's that is if so many have any: none is left out because another one has very many.
pub fn grouped_of_each(webhooks: usize) -> u32 {
    let webhooks = u32::try_from(webhooks).unwrap_or(u32::MAX).max(1);
    (GROUPED_AT_MOST / webhooks).max(WALKED_OF_EACH)
}

/// Counts for pages.
#[async_trait]
pub trait Overview: Send + Sync {
    /// Open incidents by severity and status, each counted up to a number, or to the end.
    async fn open_incidents(&self, at_most: Option<u32>) -> StoreResult<Vec<OpenIncidents>>;

    /// Open incidents by service; services without any are left out.
    async fn open_by_service(&self) -> StoreResult<HashMap<ServiceId, u64>>;

    /// The open incidents of one service, or of all, to look at first: those that nobody has taken, then the worst, then
    /// the latest.
    async fn most_urgent(&self, service_id: Option<ServiceId>, limit: u32) -> StoreResult<Vec<Incident>>;

    /// What every webhook's attempts came to, in the periods that begin at or after a time, oldest first.
    async fn activity(&self, since: Timestamp) -> StoreResult<Vec<Activity>> {
        self.activity_between(since, Timestamp::from_millis(i64::MAX))
            .await
    }

    /// The same up to a time.
    async fn activity_between(&self, since: Timestamp, until: Timestamp) -> StoreResult<Vec<Activity>>;

    /// What was counted of incidents on the days (UTC) that begin within a time, of one service or of all, by day and
    /// service. Every change counts at once, whether it is folded into its day or not.
    async fn insight_days(
        &self,
        since: Timestamp,
        until: Timestamp,
        service_id: Option<ServiceId>,
    ) -> StoreResult<Vec<InsightDay>>;

    /// How each webhook does that is not deleted; when it last delivered only as far as its latest 100 deliveries tell.
    /// Tests are left out.
    async fn webhook_health(&self) -> StoreResult<HashMap<WebhookId, WebhookHealth>>;

    /// Dead deliveries by webhook (deleted ones too) and cause, the most first; tests left out. Of each webhook the latest
    /// [`grouped_of_each`] are looked at.
    async fn dead_groups(&self) -> StoreResult<Vec<DeadGroup>>;

    /// The titles of incidents; those that do not exist are left out.
    async fn titles(&self, ids: Vec<IncidentId>) -> StoreResult<HashMap<IncidentId, String>>;
}

/// How a webhook does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebhookHealth {
    pub name: String,
    /// Whether it is enabled.
    pub state: WebhookState,
    /// Since when and why its breaker is open.
    pub degraded: Option<Degraded>,
    /// When it last delivered.
    pub last_delivered_at: Option<Timestamp>,
    /// Its dead deliveries, counted up to [`COUNTED_AT_MOST`](crate::deliveries::COUNTED_AT_MOST).
    pub dead: u64,
    /// Its deliveries that wait for their time, counted likewise; those of a disabled webhook are held.
    pub scheduled: u64,
    /// Those that wait behind an earlier one of their incident, likewise.
    pub queued: u64,
    /// The one that waits for longest, among the [`OLDEST_SEARCHED`] that are due first.
    pub oldest_waiting: Option<DeliveryId>,
}

#[cfg(test)]
mod tests {
    use super::grouped_of_each;

    #[test]
    fn each_webhook_with_dead_deliveries_has_its_share_of_the_grouping() {
        let shares = [0, 1, 2, 1000, usize::MAX].map(grouped_of_each);
        assert_eq!(shares, [20_000, 20_000, 10_000, 100, 100]);
    }
}
