//! Claims: taking due deliveries for this node, giving them back.
//!
//! Statements on open deliveries repeat the condition of the index `deliveries_open`: without it SQLite would search
//! all deliveries of a webhook.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use rusqlite::{Connection, Row};

use model::delivery::{Claim, ClaimedDelivery, Spending};
use model::event::Event;
use model::id::{DeliveryId, IncidentId, WebhookId};
use model::time::Timestamp;
use store::StoreError;
use store::StoreResult;
use store::outage_plan::{Waiting, policy_of};
use store::queue::{ClaimRequest, Claimed};

use super::events;
use super::outages;
use super::statements::{execute, read_all, read_one};
use super::writer::WriteContext;

/// Claims what is due.
pub fn claim_due(
    context: &mut WriteContext<'_>,
    requests: &[ClaimRequest],
    now: Timestamp,
) -> StoreResult<Vec<Claimed>> {
    let mut shared_events = HashMap::new();
    let mut answers = Vec::with_capacity(requests.len());
    for request in requests {
        answers.push(claim_of_webhook(context, *request, now, &mut shared_events)?);
    }
    Ok(answers)
}

fn claim_of_webhook(
    context: &mut WriteContext<'_>,
    request: ClaimRequest,
    now: Timestamp,
    shared_events: &mut HashMap<i64, Arc<Event>>,
) -> StoreResult<Claimed> {
    let webhook_id = request.webhook_id;
    if !is_enabled(context, webhook_id)? {
        return Ok(Claimed {
            webhook_id,
            deliveries: Vec::new(),
            next_due_at: None,
        });
    }
    let policy = policy_of(&context.subscriptions()?, webhook_id);
    let due = due_deliveries(context.connection, request, now)?;
    let mut deliveries = Vec::with_capacity(due.len());
    for row in due {
        let lane = (row.incident_id, webhook_id);
        let may_end = !row.is_test;
        if may_end && outages::end_before(context.connection, policy, &row.waiting(), lane, now)? {
            continue;
        }
        let claim = Claim(context.new_claim());
        set_claimed(context, row.id, claim)?;
        let event = shared_event(context.connection, row.event_sequence, shared_events)?;
        deliveries.push(row.claimed(webhook_id, event, claim));
    }
    Ok(Claimed {
        webhook_id,
        deliveries,
        next_due_at: next_due_at(context.connection, webhook_id)?,
    })
}

struct DueDelivery {
    id: DeliveryId,
    incident_id: IncidentId,
    /// Since when it waits.
    since: Timestamp,
    event_sequence: i64,
    attempts_made: u32,
    spent: Spending,
    progress: Option<String>,
    created_at: Timestamp,
    due_at: Timestamp,
    is_test: bool,
}

impl DueDelivery {
    fn from_row(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            id: DeliveryId::from_bytes(row.get(0)?),
            event_sequence: row.get(1)?,
            attempts_made: row.get(2)?,
            spent: Spending {
                attempts: row.get(3)?,
                follow_ups: row.get(6)?,
                waited: Duration::from_millis(u64::from(row.get::<_, u32>(7)?)),
                refusals: row.get(9)?,
                steps: row.get(10)?,
            },
            progress: row.get(8)?,
            created_at: Timestamp::from_millis(row.get(4)?),
            due_at: Timestamp::from_millis(row.get(5)?),
            incident_id: IncidentId::from_bytes(row.get(11)?),
            since: Timestamp::from_millis(row.get(12)?),
            is_test: row.get(13)?,
        })
    }

    fn waiting(&self) -> Waiting {
        Waiting {
            id: self.id,
            event_sequence: self.event_sequence,
            since: self.since,
        }
    }

    fn claimed(self, webhook_id: WebhookId, event: Arc<Event>, claim: Claim) -> ClaimedDelivery {
        ClaimedDelivery {
            id: self.id,
            webhook_id,
            event,
            attempts_made: self.attempts_made,
            spent: self.spent,
            continuation: self.progress,
            created_at: self.created_at,
            due_at: self.due_at,
            claim,
        }
    }
}

fn due_deliveries(
    connection: &Connection,
    request: ClaimRequest,
    now: Timestamp,
) -> StoreResult<Vec<DueDelivery>> {
    read_all(
        connection,
        "SELECT id, event_sequence, attempts_made, schedule_attempts, created_at, due_at, follow_ups, waited_ms, progress, refusals,
             steps, incident_id, coalesce(replayed_at, created_at), is_test
         FROM deliveries INDEXED BY deliveries_open
         WHERE webhook_id = ?1 AND state = 'scheduled' AND finished_at IS NULL AND due_at <= ?2
         ORDER BY due_at, id LIMIT ?3",
        (request.webhook_id.as_bytes(), now.as_millis(), request.limit),
        DueDelivery::from_row,
    )
}

fn set_claimed(context: &WriteContext<'_>, id: DeliveryId, claim: Claim) -> StoreResult<()> {
    let claimed = execute(
        context.connection,
        "UPDATE deliveries SET state = 'claimed', node = ?2, claim = ?3 WHERE id = ?1 AND state = 'scheduled'",
        (id.as_bytes(), context.node, claim.0),
    )?;
    match claimed {
        1 => Ok(()),
        _ => Err(StoreError::Corrupt(
            "a delivery changed within a transaction".into(),
        )),
    }
}

fn shared_event(
    connection: &Connection,
    sequence: i64,
    shared: &mut HashMap<i64, Arc<Event>>,
) -> StoreResult<Arc<Event>> {
    if let Some(event) = shared.get(&sequence) {
        return Ok(Arc::clone(event));
    }
    let event = Arc::new(events::load(connection, sequence)?);
    shared.insert(sequence, Arc::clone(&event));
    Ok(event)
}

/// When the next scheduled delivery of a webhook is due.
pub fn next_due_at(connection: &Connection, webhook_id: WebhookId) -> StoreResult<Option<Timestamp>> {
    read_one(
        connection,
        "SELECT due_at FROM deliveries INDEXED BY deliveries_open
         WHERE webhook_id = ?1 AND state = 'scheduled' AND finished_at IS NULL
         ORDER BY due_at LIMIT 1",
        [webhook_id.as_bytes()],
        |row| row.get(0).map(Timestamp::from_millis),
    )
}

/// Gives claims back without an attempt. One that no longer holds is passed over.
pub fn release(context: &mut WriteContext<'_>, claims: &[(DeliveryId, Claim)]) -> StoreResult<()> {
    let mut wakes = Wakes::default();
    for (id, claim) in claims {
        let released = read_one(
            context.connection,
            "UPDATE deliveries SET state = 'scheduled', node = NULL, claim = NULL
             WHERE id = ?1 AND state = 'claimed' AND claim = ?2 AND node = ?3
             RETURNING webhook_id, due_at",
            (id.as_bytes(), claim.0, context.node),
            webhook_and_due_at,
        )?;
        if let Some((webhook_id, due_at)) = released
            && is_enabled(context, webhook_id)?
        {
            wakes.add(webhook_id, due_at);
        }
    }
    wakes.send_after_commit(context);
    Ok(())
}

/// Every webhook, deleted ones too: their deliveries may still be open.
pub fn all_webhooks(connection: &Connection) -> StoreResult<Vec<WebhookId>> {
    read_all(connection, "SELECT id FROM webhooks", (), |row| {
        row.get(0).map(WebhookId::from_bytes)
    })
}

/// Whether a webhook is there and enabled. The subscriptions are sorted by id.
pub fn is_enabled(context: &mut WriteContext<'_>, webhook_id: WebhookId) -> StoreResult<bool> {
    let subscriptions = context.subscriptions()?;
    let found = subscriptions.binary_search_by_key(&webhook_id, |webhook| webhook.id);
    Ok(found.is_ok_and(|index| subscriptions[index].is_enabled()))
}

/// What a delivery that is free again says of itself.
pub fn webhook_and_due_at(row: &Row<'_>) -> rusqlite::Result<(WebhookId, Timestamp)> {
    Ok((
        WebhookId::from_bytes(row.get(0)?),
        Timestamp::from_millis(row.get(1)?),
    ))
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

    /// Wakes them after the commit.
    pub fn send_after_commit(self, context: &mut WriteContext<'_>) {
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
