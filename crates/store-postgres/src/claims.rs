//! Claims: taking due deliveries for this node, giving them back.
//!
//! Statements on open deliveries repeat the condition of the index `deliveries_open`, so that their cost does not grow with
//! those that are finished. What another node has locked is passed over: it is being claimed, recorded or queued behind.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use tokio_postgres::Row;

use model::delivery::{Claim, ClaimedDelivery, Spending};
use model::event::Event;
use model::id::{DeliveryId, IncidentId, WebhookId};
use model::outage::MIN_EXPIRY;
use model::time::Timestamp;
use store::StoreResult;
use store::outage_plan::Waiting;
use store::queue::{ClaimRequest, Claimed};

use super::columns::{bytes, number, time, value};
use super::connection::Connection;
use super::events;
use super::outages::{self, JustClaimed};
use super::writer::WriteContext;

/// How long a node leaves alone what others have locked. Asked again at once, all of them would do nothing but ask.
const CONTENDED_WAIT: Duration = Duration::from_millis(20);

/// Claims what is due, for all requests at once.
pub async fn claim_due(
    context: &mut WriteContext,
    requests: &[ClaimRequest],
    now: Timestamp,
) -> StoreResult<Vec<Claimed>> {
    let mut rows = claim(context, requests, now).await?;
    end_after_outage(context, &mut rows, now).await?;
    // As the requests want them: the longest due first.
    rows.sort_by_key(|row| (row.due_at, row.id));
    let mut sequences: Vec<i64> = rows.iter().map(|row| row.event_sequence).collect();
    sequences.sort_unstable();
    sequences.dedup();
    let (loaded, mut next) = tokio::try_join!(
        load_events(&context.connection, &sequences),
        next_due_of_enabled(&context.connection, requests),
    )?;
    let mut claimed: HashMap<WebhookId, Vec<ClaimedDelivery>> = HashMap::new();
    for row in rows {
        let event = loaded.get(&row.event_sequence);
        let event = Arc::clone(event.ok_or_else(|| events::gone(row.event_sequence))?);
        let delivery = row.claimed(event);
        claimed.entry(delivery.webhook_id).or_default().push(delivery);
    }
    let answer = |request: &ClaimRequest| {
        let deliveries = claimed.remove(&request.webhook_id).unwrap_or_default();
        let has_room = usize::try_from(request.limit).is_ok_and(|limit| deliveries.len() < limit);
        let next_due_at = next.remove(&request.webhook_id).map(|due_at| {
            // Due and passed over: it is in the hands of others, and about to be gone.
            match has_room && due_at <= now {
                true => now.plus(CONTENDED_WAIT),
                false => due_at,
            }
        });
        Claimed {
            webhook_id: request.webhook_id,
            deliveries,
            next_due_at,
        }
    };
    Ok(requests.iter().map(answer).collect())
}

/// Leaves out what ends because it waited through an outage.
async fn end_after_outage(
    context: &WriteContext,
    rows: &mut Vec<DueDelivery>,
    now: Timestamp,
) -> StoreResult<()> {
    // Which webhooks want what is only read if something has waited for as long as any of them can mean.
    if !rows.iter().any(|row| now.since(row.since) >= MIN_EXPIRY) {
        return Ok(());
    }
    let webhooks = context.subscriptions().await?;
    let claimed: Vec<_> = rows
        .iter()
        .filter(|row| !row.is_test)
        .map(DueDelivery::just_claimed)
        .collect();
    let ended = outages::end_among(&context.connection, &webhooks, &claimed, now).await?;
    rows.retain(|row| !ended.contains(&row.id));
    Ok(())
}

struct DueDelivery {
    id: DeliveryId,
    incident_id: IncidentId,
    /// Since when it waits.
    since: Timestamp,
    is_test: bool,
    webhook_id: WebhookId,
    event_sequence: i64,
    attempts_made: u32,
    spent: Spending,
    progress: Option<String>,
    created_at: Timestamp,
    due_at: Timestamp,
    claim: Claim,
}

impl DueDelivery {
    fn from_row(row: &Row) -> StoreResult<Self> {
        Ok(Self {
            id: DeliveryId::from_bytes(bytes(row, "id")?),
            webhook_id: WebhookId::from_bytes(bytes(row, "webhook_id")?),
            event_sequence: number(row, "event_sequence")?,
            attempts_made: number(row, "attempts_made")?,
            spent: Spending {
                attempts: number(row, "schedule_attempts")?,
                follow_ups: number(row, "follow_ups")?,
                waited: Duration::from_millis(number(row, "waited_ms")?),
                refusals: number(row, "refusals")?,
                steps: number(row, "steps")?,
            },
            progress: value(row, "progress")?,
            created_at: time(row, "created_at")?,
            due_at: time(row, "due_at")?,
            claim: Claim(number(row, "claim")?),
            incident_id: IncidentId::from_bytes(bytes(row, "incident_id")?),
            since: time(row, "since")?,
            is_test: value(row, "is_test")?,
        })
    }

    fn just_claimed(&self) -> JustClaimed {
        JustClaimed {
            waiting: Waiting {
                id: self.id,
                event_sequence: self.event_sequence,
                since: self.since,
            },
            lane: (self.incident_id, self.webhook_id),
        }
    }

    fn claimed(self, event: Arc<Event>) -> ClaimedDelivery {
        ClaimedDelivery {
            id: self.id,
            webhook_id: self.webhook_id,
            event,
            attempts_made: self.attempts_made,
            spent: self.spent,
            continuation: self.progress,
            created_at: self.created_at,
            due_at: self.due_at,
            claim: self.claim,
        }
    }
}

/// The ids as an array: joined to them, the planner would rather read the whole table, of which it expects many.
async fn claim(
    context: &mut WriteContext,
    requests: &[ClaimRequest],
    now: Timestamp,
) -> StoreResult<Vec<DueDelivery>> {
    let sql = "WITH due AS (
                   SELECT picked.id FROM unnest($1::bytea[], $2::bigint[]) AS asked (webhook_id, wanted)
                       JOIN webhooks w ON w.id = asked.webhook_id AND w.disabled_since IS NULL AND w.deleted_at IS NULL
                       CROSS JOIN LATERAL (
                           SELECT d.id FROM deliveries d
                           WHERE d.webhook_id = asked.webhook_id AND d.state = 'scheduled' AND d.finished_at IS NULL
                               AND d.due_at <= $3
                           ORDER BY d.due_at, d.id LIMIT asked.wanted FOR UPDATE SKIP LOCKED
                       ) AS picked)
               UPDATE deliveries d SET state = 'claimed', node = $4, claim = $5
               WHERE d.id = ANY(ARRAY(SELECT id FROM due)) AND d.state = 'scheduled'
               RETURNING d.id, d.webhook_id, d.event_sequence, d.attempts_made, d.schedule_attempts, d.follow_ups,
                   d.waited_ms, d.refusals, d.steps, d.progress, d.created_at, d.due_at, d.claim, d.incident_id,
                   coalesce(d.replayed_at, d.created_at) AS since, d.is_test";
    let webhook_ids = ids_of(requests);
    let claim = context.new_answered_claim();
    let wanted: Vec<i64> = requests.iter().map(|request| i64::from(request.limit)).collect();
    context
        .connection
        .read_all(
            sql,
            &[&webhook_ids, &wanted, &now.as_millis(), &context.node(), &claim],
            DueDelivery::from_row,
        )
        .await
}

/// Each event once, however many webhooks get it.
async fn load_events(connection: &Connection, sequences: &[i64]) -> StoreResult<HashMap<i64, Arc<Event>>> {
    if sequences.is_empty() {
        return Ok(HashMap::new());
    }
    let loaded = events::load_all(connection, sequences).await?;
    Ok(loaded
        .into_iter()
        .map(|event| (event.sequence, Arc::new(event)))
        .collect())
}

/// When the next delivery of each of these webhooks is due, as far as they are enabled and one is scheduled.
async fn next_due_of_enabled(
    connection: &Connection,
    requests: &[ClaimRequest],
) -> StoreResult<HashMap<WebhookId, Timestamp>> {
    let sql = "SELECT w.id, next.due_at FROM webhooks w
                   CROSS JOIN LATERAL (
                       SELECT d.due_at FROM deliveries d
                       WHERE d.webhook_id = w.id AND d.state = 'scheduled' AND d.finished_at IS NULL
                       ORDER BY d.due_at LIMIT 1
                   ) AS next
               WHERE w.id = ANY($1::bytea[]) AND w.disabled_since IS NULL AND w.deleted_at IS NULL";
    let next = connection
        .read_all(sql, &[&ids_of(requests)], webhook_and_due_at)
        .await?;
    Ok(next.into_iter().collect())
}

/// When the next delivery of each enabled webhook is due.
pub async fn next_due(connection: &Connection) -> StoreResult<Vec<(WebhookId, Timestamp)>> {
    let sql = "SELECT w.id, next.due_at FROM webhooks w
                   CROSS JOIN LATERAL (
                       SELECT d.due_at FROM deliveries d
                       WHERE d.webhook_id = w.id AND d.state = 'scheduled' AND d.finished_at IS NULL
                       ORDER BY d.due_at LIMIT 1
                   ) AS next
               WHERE w.disabled_since IS NULL AND w.deleted_at IS NULL ORDER BY w.id";
    connection.read_all(sql, &[], webhook_and_due_at).await
}

/// Gives claims back without an attempt. One that no longer holds is passed over.
pub async fn release(context: &mut WriteContext, claims: &[(DeliveryId, Claim)]) -> StoreResult<()> {
    let sql = "WITH held AS (
                   SELECT d.id FROM deliveries d
                       JOIN unnest($1::bytea[], $2::bigint[]) AS given (id, claim) ON given.id = d.id
                   WHERE d.state = 'claimed' AND d.claim = given.claim AND d.node = $3
                   ORDER BY d.id FOR NO KEY UPDATE OF d)
               UPDATE deliveries d SET state = 'scheduled', node = NULL, claim = NULL
               FROM held WHERE d.id = held.id AND d.state = 'claimed' RETURNING d.webhook_id AS id, d.due_at";
    let (ids, numbers): (Vec<&[u8]>, Vec<i64>) = claims
        .iter()
        .map(|(id, claim)| (&id.as_bytes()[..], claim.0))
        .unzip();
    let released = context
        .connection
        .read_all(sql, &[&ids, &numbers, &context.node()], webhook_and_due_at)
        .await?;
    let mut wakes = Wakes::default();
    wakes.add_enabled(&context.connection, released).await?;
    wakes.send_after_commit(context);
    Ok(())
}

/// Whether a webhook is there and enabled.
pub async fn is_enabled(context: &mut WriteContext, webhook_id: WebhookId) -> StoreResult<bool> {
    let subscriptions = context.subscriptions().await?;
    let found = subscriptions.binary_search_by_key(&webhook_id, |webhook| webhook.id);
    Ok(found.is_ok_and(|index| subscriptions[index].is_enabled()))
}

fn ids_of(requests: &[ClaimRequest]) -> Vec<&[u8]> {
    requests
        .iter()
        .map(|request| &request.webhook_id.as_bytes()[..])
        .collect()
}

/// What a delivery that is free again says of itself.
pub fn webhook_and_due_at(row: &Row) -> StoreResult<(WebhookId, Timestamp)> {
    Ok((WebhookId::from_bytes(bytes(row, "id")?), time(row, "due_at")?))
}

/// Webhooks to wake once the command is on disk, each at its earliest time.
#[derive(Default)]
pub struct Wakes(HashMap<WebhookId, Timestamp>);

impl Wakes {
    /// Adds a delivery that is due at a time.
    pub fn add(&mut self, webhook_id: WebhookId, due_at: Timestamp) {
        self.0
            .entry(webhook_id)
            .and_modify(|earliest| *earliest = due_at.min(*earliest))
            .or_insert(due_at);
    }

    /// Adds deliveries of webhooks that are enabled.
    pub async fn add_enabled(
        &mut self,
        connection: &Connection,
        due: Vec<(WebhookId, Timestamp)>,
    ) -> StoreResult<()> {
        if due.is_empty() {
            return Ok(());
        }
        let sql = "SELECT id FROM webhooks WHERE id = ANY($1::bytea[]) AND disabled_since IS NULL AND deleted_at IS NULL";
        let ids: HashSet<&[u8]> = due.iter().map(|(id, _)| &id.as_bytes()[..]).collect();
        let ids: Vec<&[u8]> = ids.into_iter().collect();
        let enabled: HashSet<WebhookId> = connection
            .read_all(sql, &[&ids], |row| bytes(row, "id").map(WebhookId::from_bytes))
            .await?
            .into_iter()
            .collect();
        for (webhook_id, due_at) in due {
            if enabled.contains(&webhook_id) {
                self.add(webhook_id, due_at);
            }
        }
        Ok(())
    }

    /// Wakes them after the commit.
    pub fn send_after_commit(self, context: &mut WriteContext) {
        if self.0.is_empty() {
            return;
        }
        context.after_commit(move |delivery_sink| {
            for (webhook_id, due_at) in self.0 {
                delivery_sink.wake(webhook_id, due_at);
            }
        });
    }
}
