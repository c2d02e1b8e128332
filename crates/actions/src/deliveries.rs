//! Deliveries: replaying one, a selection, or everything of a webhook that is dead.

use std::time::Duration;

use crate::checks::Checks;
use crate::{ActionError, Actions};
use model::audit::Actor;
use model::exchange::FailureCode;
use model::id::{DeliveryId, WebhookId};
use model::time::Timestamp;
use store::StoreError;
use store::deliveries::{GivenUp, Replayed};

/// The most deliveries one selection may name.
pub const MAX_SELECTION: usize = 200;
/// The most batches one call of recover moves; the caller may call again.
pub const MAX_RECOVER_STEPS: u32 = 20;
/// How long one call of recover works at most.
pub const MAX_RECOVER_TIME: Duration = Duration::from_secs(10);

/// The period whose dead deliveries are recovered, by when the deliveries were made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Period {
    /// From this time on.
    pub since: Timestamp,
    /// Before this time.
    pub until: Timestamp,
}

/// What a recovery came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Recovered {
    /// How many deliveries start a fresh schedule (or, only counted, would).
    pub count: u64,
    /// Whether none is left; otherwise the caller asks again.
    pub is_done: bool,
}

/// What replaying a selection came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Selection {
    /// These start a fresh schedule.
    pub replayed: Vec<DeliveryId>,
    /// These are still open.
    pub still_open: Vec<DeliveryId>,
    /// These do not exist, or their webhook was deleted.
    pub not_found: Vec<DeliveryId>,
}

impl Actions {
    /// Starts a fresh schedule for a delivery that is delivered or dead.
    pub async fn replay(&self, actor: Actor, id: DeliveryId) -> Result<Replayed, ActionError> {
        let change = self.source.change(actor);
        Ok(self.store.deliveries.replay(id, change).await?)
    }

    /// Replays each delivery of a selection.
    pub async fn replay_selection(
        &self,
        actor: Actor,
        ids: Vec<DeliveryId>,
    ) -> Result<Selection, ActionError> {
        let mut checks = Checks::new();
        if ids.is_empty() || ids.len() > MAX_SELECTION {
            checks.fail(
                "ids",
                "out_of_range",
                format!("name 1 to {MAX_SELECTION} deliveries"),
            );
        }
        let mut selection = checks.finish(|| Selection {
            replayed: Vec::new(),
            still_open: Vec::new(),
            not_found: Vec::new(),
        })?;
        // The events of one incident go in the order in which they happened: the first to be opened again leads.
        let mut ordered = Vec::with_capacity(ids.len());
        for id in ids {
            match self.store.deliveries.get(id).await {
                Ok(detail) => ordered.push((detail.delivery.event_sequence, id)),
                Err(StoreError::NotFound { .. }) => selection.not_found.push(id),
                Err(error) => return Err(error.into()),
            }
        }
        ordered.sort_unstable();
        for (_, id) in ordered {
            let change = self.source.change(actor.clone());
            match self.store.deliveries.replay(id, change).await {
                Ok(Replayed::Scheduled(_)) => selection.replayed.push(id),
                Ok(Replayed::StillOpen(_)) => selection.still_open.push(id),
                Err(StoreError::NotFound { .. } | StoreError::Conflict(_)) => selection.not_found.push(id),
                Err(error) => return Err(error.into()),
            }
        }
        Ok(selection)
    }

    /// Lets a delivery that waits for its next attempt be attempted now; says whether it did wait.
    pub async fn retry_now(&self, actor: Actor, id: DeliveryId) -> Result<bool, ActionError> {
        let change = self.source.change(actor);
        Ok(self.store.deliveries.retry_now(id, change).await?)
    }

    /// Gives up a delivery that waits or is held: it is not sent any more, and what comes after it in its lane goes on.
    pub async fn give_up(&self, actor: Actor, id: DeliveryId) -> Result<GivenUp, ActionError> {
        let change = self.source.change(actor);
        Ok(self.store.deliveries.give_up(id, change).await?)
    }

    /// Counts what [`Actions::recover`] would replay.
    pub async fn count_recoverable(
        &self,
        webhook_id: WebhookId,
        period: Period,
    ) -> Result<Recovered, ActionError> {
        check_period(period)?;
        self.store.webhooks.get(webhook_id).await?;
        let deliveries = &self.store.deliveries;
        let count = deliveries
            .count_dead(webhook_id, period.since, period.until)
            .await?;
        Ok(Recovered { count, is_done: true })
    }

    /// Replays the dead deliveries of a webhook made in a period (of one cause, if named), in batches, until none is left or a limit is met.
    pub async fn recover(
        &self,
        actor: Actor,
        webhook_id: WebhookId,
        period: Period,
        cause: Option<FailureCode>,
    ) -> Result<Recovered, ActionError> {
        check_period(period)?;
        self.store.webhooks.get(webhook_id).await?;
        let started_ms = self.source.monotonic_millis();
        let limit_ms = i64::try_from(MAX_RECOVER_TIME.as_millis()).unwrap_or(i64::MAX);
        let mut recovered = Recovered {
            count: 0,
            is_done: false,
        };
        // One time for all steps: what dies again after it is left alone, or a failing receiver would never be done.
        let change = self.source.change(actor);
        for _ in 0..MAX_RECOVER_STEPS {
            let step = self
                .store
                .deliveries
                .recover(webhook_id, period.since, period.until, cause, change.clone())
                .await?;
            recovered.count += step.count;
            recovered.is_done = step.is_done;
            let took_ms = self.source.monotonic_millis() - started_ms;
            if step.is_done || took_ms > limit_ms {
                break;
            }
        }
        Ok(recovered)
    }
}

fn check_period(period: Period) -> Result<(), ActionError> {
    let mut checks = Checks::new();
    if period.since >= period.until {
        checks.fail("until", "out_of_range", "until must be later than since");
    }
    checks.finish(|| ())
}
