//! The dispatcher's side of deliveries.

use std::sync::Arc;

use async_trait::async_trait;

use model::delivery::{Claim, ClaimedDelivery};
use model::event::Event;
use model::id::{DeliveryId, WebhookId};
use model::time::Timestamp;
use store::StoreError;
use store::StoreResult;
use store::delivery_plan::{InitialState, claimed_delivery, delivery_id};
use store::queue::{AttemptRecord, ClaimRequest, Claimed, Membership, Queue, Recorded};

use super::claims::{self, Wakes, is_enabled, next_due_at};
use super::database::Database;
use super::fallbacks;
use super::nodes;
use super::outbox::{insert_delivery, insert_event};
use super::recording;
use super::statements::{execute, read_all};
use super::writer::WriteContext;

#[async_trait]
impl Queue for Database {
    async fn claim_due(&self, requests: Vec<ClaimRequest>, now: Timestamp) -> StoreResult<Vec<Claimed>> {
        self.write_checked(move |context| claims::claim_due(context, &requests, now))
            .await
    }

    async fn take_over_late(&self, now: Timestamp) -> StoreResult<bool> {
        fallbacks::take_over_late(self, now).await
    }

    async fn record(&self, records: Arc<[AttemptRecord]>, now: Timestamp) -> StoreResult<Vec<Recorded>> {
        self.write_checked(move |context| recording::record(context, &records, now))
            .await
    }

    async fn release(&self, claims: Vec<(DeliveryId, Claim)>) -> StoreResult<()> {
        self.write(move |context| claims::release(context, &claims)).await
    }

    async fn next_due(&self) -> StoreResult<Vec<(WebhookId, Timestamp)>> {
        self.read(|connection| {
            let enabled = read_all(
                connection,
                "SELECT id FROM webhooks WHERE disabled_since IS NULL AND deleted_at IS NULL",
                (),
                |row| row.get(0).map(WebhookId::from_bytes),
            )?;
            let next = |id| Ok(next_due_at(connection, id)?.map(|due_at| (id, due_at)));
            enabled
                .into_iter()
                .filter_map(|id| next(id).transpose())
                .collect()
        })
        .await
    }

    async fn heartbeat(&self, now: Timestamp) -> StoreResult<Membership> {
        self.write(move |context| nodes::heartbeat(context, now)).await
    }

    async fn leave(&self) -> StoreResult<()> {
        // There is nobody to leave.
        Ok(())
    }

    async fn rescue(&self, now: Timestamp) -> StoreResult<u64> {
        self.write(move |context| nodes::rescue(context, now)).await
    }

    async fn shift_schedule(&self, after: Timestamp, before: Timestamp, by_ms: i64) -> StoreResult<()> {
        self.write(move |context| shift_schedule(context, after, before, by_ms))
            .await
    }

    async fn begin_test(&self, webhook_id: WebhookId, sample: Event) -> StoreResult<ClaimedDelivery> {
        self.write(move |context| begin_test(context, webhook_id, sample))
            .await
    }
}

/// What else a server plans by its own clock.
const PLANNED: [&str; 5] = [
    "UPDATE ticket_links SET next_poll_at = max(0, next_poll_at + ?3) WHERE next_poll_at > ?1 AND next_poll_at < ?2",
    "UPDATE webhooks SET canary_due_at = max(0, canary_due_at + ?3) WHERE canary_due_at > ?1 AND canary_due_at < ?2",
    "UPDATE operational_notices SET due_at = max(0, due_at + ?3) WHERE due_at > ?1 AND due_at < ?2",
    "UPDATE sources SET storm_until = max(0, storm_until + ?3) WHERE storm_until > ?1 AND storm_until < ?2",
    // Unless it is quiet, its sender has said when it ends.
    "UPDATE source_alerts SET resolve_at = max(0, resolve_at + ?3)
     WHERE is_quiet AND resolve_at > ?1 AND resolve_at < ?2",
];

/// Since when something is measured: it stays as long ago as it was. What began after a jump forward has the new time already.
const BEGUN: [&str; 4] = [
    "UPDATE sources SET window_at = max(0, window_at + ?2) WHERE ?2 < 0 OR window_at <= ?1",
    "UPDATE sources SET last_request_at = max(0, last_request_at + ?2) WHERE ?2 < 0 OR last_request_at <= ?1",
    "UPDATE sources SET silence_told_at = max(0, silence_told_at + ?2) WHERE ?2 < 0 OR silence_told_at <= ?1",
    "UPDATE operational_notices SET at = max(0, at + ?2) WHERE ?2 < 0 OR at <= ?1",
];

/// Claimed ones move too: they may be given back.
fn shift_schedule(
    context: &mut WriteContext<'_>,
    after: Timestamp,
    before: Timestamp,
    by_ms: i64,
) -> StoreResult<()> {
    let mut wakes = Wakes::default();
    for webhook_id in claims::all_webhooks(context.connection)? {
        execute(
            context.connection,
            "UPDATE deliveries INDEXED BY deliveries_open SET due_at = max(0, due_at + ?4)
             WHERE webhook_id = ?1 AND state IN ('scheduled', 'claimed')
               AND finished_at IS NULL AND due_at > ?2 AND due_at < ?3",
            (
                webhook_id.as_bytes(),
                after.as_millis(),
                before.as_millis(),
                by_ms,
            ),
        )?;
        let next = next_due_at(context.connection, webhook_id)?;
        if let Some(due_at) = next
            && is_enabled(context, webhook_id)?
        {
            wakes.add(webhook_id, due_at);
        }
    }
    execute(
        context.connection,
        "UPDATE incidents SET escalate_at = max(0, escalate_at + ?3)
         WHERE escalate_at IS NOT NULL AND escalate_at > ?1 AND escalate_at < ?2",
        (after.as_millis(), before.as_millis(), by_ms),
    )?;
    for sql in PLANNED {
        execute(
            context.connection,
            sql,
            (after.as_millis(), before.as_millis(), by_ms),
        )?;
    }
    for sql in BEGUN {
        execute(context.connection, sql, (after.as_millis(), by_ms))?;
    }
    wakes.send_after_commit(context);
    Ok(())
}

/// A test goes to a disabled webhook too: that is how one finds out whether it can be enabled again.
fn begin_test(
    context: &mut WriteContext<'_>,
    webhook_id: WebhookId,
    sample: Event,
) -> StoreResult<ClaimedDelivery> {
    let subscriptions = context.subscriptions()?;
    if subscriptions
        .binary_search_by_key(&webhook_id, |webhook| webhook.id)
        .is_err()
    {
        return Err(StoreError::NotFound { what: "webhook" });
    }
    let mut event = Event {
        is_test: true,
        ..sample
    };
    event.sequence = insert_event(context, &event)?;
    let claim = Claim(context.new_claim());
    let id = delivery_id(event.at, event.id, webhook_id);
    insert_delivery(context, id, webhook_id, &event, InitialState::Claimed(claim))?;
    Ok(claimed_delivery(id, webhook_id, &Arc::new(event), claim))
}
