//! The dispatcher's side of deliveries.

use std::sync::Arc;
use std::time::Instant;

use async_trait::async_trait;

use model::delivery::{Claim, ClaimedDelivery};
use model::event::Event;
use model::id::{DeliveryId, WebhookId};
use model::time::Timestamp;
use store::StoreError;
use store::StoreResult;
use store::delivery_plan::{InitialState, NewDelivery, claimed_delivery, delivery_id};
use store::queue::{AttemptRecord, ClaimRequest, Claimed, Membership, Queue, Recorded};

use super::claims::{self, Wakes};
use super::database::Database;
use super::fallbacks;
use super::nodes;
use super::outbox;
use super::recording;
use super::writer::WriteContext;

#[async_trait]
impl Queue for Database {
    async fn claim_due(&self, requests: Vec<ClaimRequest>, now: Timestamp) -> StoreResult<Vec<Claimed>> {
        self.write((requests, now), |context, (requests, now)| {
            Box::pin(claims::claim_due(context, requests, *now))
        })
        .await
    }

    async fn take_over_late(&self, now: Timestamp) -> StoreResult<bool> {
        fallbacks::take_over_late(self, now).await
    }

    async fn record(&self, records: Arc<[AttemptRecord]>, now: Timestamp) -> StoreResult<Vec<Recorded>> {
        self.write((records, now), |context, (records, now)| {
            Box::pin(recording::record(context, records, *now))
        })
        .await
    }

    async fn release(&self, claims: Vec<(DeliveryId, Claim)>) -> StoreResult<()> {
        self.write(claims, |context, claims| {
            Box::pin(claims::release(context, claims))
        })
        .await
    }

    async fn next_due(&self) -> StoreResult<Vec<(WebhookId, Timestamp)>> {
        let connection = self.connection().await?;
        let delivery_sink = self.shared().delivery_sink.as_ref();
        self.webhook_watch().look(&connection, delivery_sink).await
    }

    async fn heartbeat(&self, now: Timestamp) -> StoreResult<Membership> {
        let mut connection = self.lease_connection().await?;
        let sent = Instant::now();
        let membership = nodes::heartbeat(&connection, self.node()).await?;
        connection.commit().await?;
        if let Some(shared) = membership.shared {
            self.note_clock(shared.database_time, now.plus(sent.elapsed() / 2));
        }
        Ok(membership)
    }

    async fn leave(&self) -> StoreResult<()> {
        let mut connection = self.lease_connection().await?;
        nodes::leave(&connection, self.node()).await?;
        connection.commit().await
    }

    async fn rescue(&self, _: Timestamp) -> StoreResult<u64> {
        self.write((), |context, ()| Box::pin(nodes::rescue(context)))
            .await
    }

    async fn shift_schedule(&self, after: Timestamp, before: Timestamp, by_ms: i64) -> StoreResult<()> {
        self.write((after, before, by_ms), |context, (after, before, by_ms)| {
            Box::pin(shift_schedule(context, *after, *before, *by_ms))
        })
        .await
    }

    async fn begin_test(&self, webhook_id: WebhookId, sample: Event) -> StoreResult<ClaimedDelivery> {
        self.write((webhook_id, sample), |context, (webhook_id, sample)| {
            Box::pin(begin_test(context, *webhook_id, sample))
        })
        .await
    }
}

/// What else a server plans by its own clock.
const PLANNED: [&str; 5] = [
    "UPDATE ticket_links SET next_poll_at = greatest(0, next_poll_at + $3) WHERE next_poll_at > $1 AND next_poll_at < $2",
    "UPDATE webhooks SET canary_due_at = greatest(0, canary_due_at + $3) WHERE canary_due_at > $1 AND canary_due_at < $2",
    "UPDATE operational_notices SET due_at = greatest(0, due_at + $3) WHERE due_at > $1 AND due_at < $2",
    "UPDATE sources SET storm_until = greatest(0, storm_until + $3) WHERE storm_until > $1 AND storm_until < $2",
    // Unless it is quiet, its sender has said when it ends.
    "UPDATE source_alerts SET resolve_at = greatest(0, resolve_at + $3)
     WHERE is_quiet AND resolve_at > $1 AND resolve_at < $2",
];

/// Since when something is measured: it stays as long ago as it was. What began after a jump forward has the new time already.
const BEGUN: [&str; 4] = [
    "UPDATE sources SET window_at = greatest(0, window_at + $2) WHERE $2::bigint < 0 OR window_at <= $1",
    "UPDATE sources SET last_request_at = greatest(0, last_request_at + $2) WHERE $2::bigint < 0 OR last_request_at <= $1",
    "UPDATE sources SET silence_told_at = greatest(0, silence_told_at + $2) WHERE $2::bigint < 0 OR silence_told_at <= $1",
    "UPDATE operational_notices SET at = greatest(0, at + $2) WHERE $2::bigint < 0 OR at <= $1",
];

/// Claimed ones move too: they may be given back.
async fn shift_schedule(
    context: &mut WriteContext,
    after: Timestamp,
    before: Timestamp,
    by_ms: i64,
) -> StoreResult<()> {
    let (after, before) = (after.as_millis(), before.as_millis());
    // Incidents before deliveries, each in the order of their ids: as everybody locks them.
    let sql = "WITH moved AS (
                   SELECT id FROM incidents WHERE escalate_at IS NOT NULL AND escalate_at > $1 AND escalate_at < $2
                   ORDER BY id FOR NO KEY UPDATE)
               UPDATE incidents i SET escalate_at = greatest(0, i.escalate_at + $3) FROM moved WHERE i.id = moved.id";
    let connection = &context.connection;
    connection.execute(sql, &[&after, &before, &by_ms]).await?;
    let sql = "WITH moved AS (
                   SELECT id FROM deliveries
                   WHERE state IN ('scheduled', 'claimed') AND finished_at IS NULL AND due_at > $1 AND due_at < $2
                   ORDER BY id FOR NO KEY UPDATE)
               UPDATE deliveries d SET due_at = greatest(0, d.due_at + $3) FROM moved WHERE d.id = moved.id";
    connection.execute(sql, &[&after, &before, &by_ms]).await?;
    for sql in PLANNED {
        connection.execute(sql, &[&after, &before, &by_ms]).await?;
    }
    for sql in BEGUN {
        connection.execute(sql, &[&after, &by_ms]).await?;
    }
    let mut wakes = Wakes::default();
    for (webhook_id, due_at) in claims::next_due(connection).await? {
        wakes.add(webhook_id, due_at);
    }
    wakes.send_after_commit(context);
    Ok(())
}

/// A test goes to a disabled webhook too: that is how one finds out whether it can be enabled again.
async fn begin_test(
    context: &mut WriteContext,
    webhook_id: WebhookId,
    sample: &Event,
) -> StoreResult<ClaimedDelivery> {
    let sql = "SELECT 1 FROM webhooks WHERE id = $1 AND deleted_at IS NULL";
    if !context
        .connection
        .finds(sql, &[&&webhook_id.as_bytes()[..]])
        .await?
    {
        return Err(StoreError::NotFound { what: "webhook" });
    }
    let mut event = Event {
        is_test: true,
        ..sample.clone()
    };
    let claim = Claim(context.new_answered_claim());
    let delivery = NewDelivery {
        id: delivery_id(event.at, event.id, webhook_id),
        webhook_id,
        initial_state: InitialState::Claimed(claim),
        is_due: false,
    };
    outbox::insert(context, std::slice::from_mut(&mut event), &[(0, delivery)]).await?;
    Ok(claimed_delivery(delivery.id, webhook_id, &Arc::new(event), claim))
}
