//! Canaries: a test that a webhook gets every so many hours, so that a dead receiver is known before an incident. When the next one
//! is due is kept, so that no restart begins anew.

use std::time::Duration;

use async_trait::async_trait;

use crate::StoreResult;
use model::id::WebhookId;
use model::time::Timestamp;
use model::webhook::CanaryResult;

/// How soon one is sent again that failed, or whose result was lost with its server.
pub const CANARY_RETRY: Duration = Duration::from_secs(600);

/// When canaries are due, and what they came to.
#[async_trait]
pub trait Canaries: Send + Sync {
    /// Enabled webhooks whose canary is due, the longest due first. They are due again soon, unless a result is recorded.
    async fn take_due(&self, now: Timestamp, limit: u32) -> StoreResult<Vec<WebhookId>>;

    /// Records what a canary came to, and with it when the next one is due.
    async fn record(&self, id: WebhookId, result: CanaryResult) -> StoreResult<()>;
}

/// When the next canary is due after this result.
pub fn next_at(result: &CanaryResult, hours: u16) -> Timestamp {
    let interval = Duration::from_secs(u64::from(hours) * 3600);
    let wait = match result.failure {
        Some(_) => interval.min(CANARY_RETRY),
        None => interval,
    };
    result.at.plus(wait)
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::exchange::FailureCode;
    use model::id::DeliveryId;

    #[test]
    fn one_that_failed_is_sent_again_soon() {
        let result = |failure| CanaryResult {
            at: Timestamp::EPOCH,
            delivery_id: DeliveryId::new(Timestamp::EPOCH, [1; 10]),
            failure,
        };
        let hours = |count: u64| Timestamp::EPOCH.plus(Duration::from_secs(count * 3600));
        assert_eq!(next_at(&result(None), 6), hours(6));
        let failed = result(Some(FailureCode::ConnectRefused));
        assert_eq!(next_at(&failed, 6), Timestamp::EPOCH.plus(CANARY_RETRY));
    }
}
