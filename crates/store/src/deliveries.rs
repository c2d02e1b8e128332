//! The people's side of deliveries: looking, replaying, recovering, counting.

use async_trait::async_trait;
use bytes::Bytes;

use crate::StoreResult;
use crate::{Listed, Page};
use model::attempt::Attempt;
use model::audit::Change;
use model::delivery::{Delivery, DeliveryState};
use model::event::EventType;
use model::exchange::FailureCode;
use model::id::{AttemptId, DeliveryId, IncidentId, WebhookId};
use model::restriction::Restriction;
use model::time::Timestamp;

/// The most attempts of one delivery that are shown: the latest.
pub const MAX_ATTEMPTS_SHOWN: u32 = 100;
/// How many deliveries one call of [`Deliveries::recover`] moves at most.
pub const RECOVER_BATCH: u32 = 500;

/// How far is counted where somebody waits for the number: so many means so many or more. Counting a million takes longer than
/// anybody reads.
pub const COUNTED_AT_MOST: u32 = 10_000;

/// Among how many of a webhook's latest deliveries that ended unsent the dead ones are counted then: the others were given up,
/// superseded or expired, and those may be millions.
pub const DEAD_SEARCHED: u32 = 20_000;

/// Which deliveries a list shows.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct DeliveryFilter {
    /// Only this webhook's.
    pub webhook_id: Option<WebhookId>,
    /// Only this incident's.
    pub incident_id: Option<IncidentId>,
    /// Only this event's.
    pub event: Option<EventType>,
    /// Only in this state.
    pub state: Option<DeliveryState>,
    /// Only those whose last attempt failed for this reason.
    pub cause: Option<FailureCode>,
    /// Only made at or after.
    pub since: Option<Timestamp>,
    /// Only made before.
    pub until: Option<Timestamp>,
    /// What its reader is restricted to.
    pub restriction: Restriction,
}

impl DeliveryFilter {
    /// Whether every row along the index that fits it best is one of those it asks for.
    pub fn is_answered_by_index(&self) -> bool {
        self.event.is_none() && self.cause.is_none() && self.state.is_none() && self.restriction.is_none()
    }

    /// The states of rows in which what it asks for waits; none if it does not ask for what is open.
    pub fn open_states(&self) -> &'static [&'static str] {
        match self.state {
            Some(DeliveryState::Scheduled) => &["scheduled"],
            Some(DeliveryState::Queued) => &["queued"],
            Some(DeliveryState::Claimed) => &["claimed"],
            Some(DeliveryState::Held) => &["scheduled", "queued"],
            None
            | Some(
                DeliveryState::Delivered
                | DeliveryState::Dead
                | DeliveryState::Superseded
                | DeliveryState::Expired,
            ) => &[],
        }
    }

    /// Whether it asks for deliveries that ended without being delivered. They have an index of their own.
    pub fn is_of_dead(&self) -> bool {
        match self.state {
            Some(DeliveryState::Dead | DeliveryState::Superseded | DeliveryState::Expired) => true,
            None
            | Some(
                DeliveryState::Scheduled
                | DeliveryState::Queued
                | DeliveryState::Claimed
                | DeliveryState::Held
                | DeliveryState::Delivered,
            ) => false,
        }
    }
}

/// A delivery with everything known about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeliveryDetail {
    pub delivery: Delivery,
    /// The event's body.
    pub body: Bytes,
    /// Its attempts, oldest first.
    pub attempts: Vec<Attempt>,
    /// What it took over, as far as that is kept.
    pub fallback_of: Option<Delivery>,
    /// What took over from it, likewise.
    pub taken_over_by: Option<Delivery>,
}

impl DeliveryDetail {
    /// Whether what took over has delivered the event.
    pub fn is_delivered_by_fallback(&self) -> bool {
        let taken_over_by = self.taken_over_by.as_ref();
        taken_over_by.is_some_and(|delivery| delivery.state == DeliveryState::Delivered)
    }
}

/// Which attempts are read: those of deliveries made in a period, the latest delivery first, and of each the latest attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AttemptPage {
    /// Only of deliveries made at or after.
    pub since: Option<Timestamp>,
    /// Only of deliveries made before.
    pub until: Option<Timestamp>,
    /// Only those behind this one: the last of the page before.
    pub before: Option<(DeliveryId, AttemptId)>,
    /// What its reader is restricted to.
    pub restriction: Restriction,
    /// How many at most.
    pub limit: u32,
}

impl AttemptPage {
    /// As bounds of a query: deliveries from the first on, and only what comes before the second.
    pub fn bounds(&self) -> (DeliveryId, (DeliveryId, AttemptId)) {
        let first_of = |delivery| (delivery, AttemptId::from_bytes([0; 16]));
        let last = (
            DeliveryId::from_bytes([0xff; 16]),
            AttemptId::from_bytes([0xff; 16]),
        );
        let until = self
            .until
            .map_or(last, |until| first_of(DeliveryId::lower_bound(until)));
        let before = self.before.map_or(until, |before| before.min(until));
        let since = self
            .since
            .map_or(DeliveryId::from_bytes([0; 16]), DeliveryId::lower_bound);
        (since, before)
    }
}

/// A page of attempts with the deliveries that they belong to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedAttempts {
    /// The latest first. There may be fewer than were asked for, or none, and still more to come.
    pub rows: Vec<(DeliveryId, Attempt)>,
    /// Behind which the next page begins ([`AttemptPage::before`]); nothing if this is the last one.
    pub next: Option<(DeliveryId, AttemptId)>,
}

impl ListedAttempts {
    /// What was found for a page, if no deliveries below one were looked at.
    pub fn new(rows: Vec<(DeliveryId, Attempt)>, page: &AttemptPage, walked_to: Option<DeliveryId>) -> Self {
        let is_full = rows.len() >= page.limit as usize;
        let last = rows
            .last()
            .filter(|_| is_full)
            .map(|(id, attempt)| (*id, attempt.id));
        // All attempts of that delivery were looked at.
        let behind = |delivery| (delivery, AttemptId::from_bytes([0; 16]));
        Self {
            next: last.or(walked_to.map(behind)),
            rows,
        }
    }
}

/// What replaying a delivery came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Replayed {
    /// It starts a fresh schedule.
    Scheduled(Delivery),
    /// It is still open: there is nothing to replay.
    StillOpen(Delivery),
}

/// What giving up a delivery came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GivenUp {
    /// It is given up, now or before.
    Done(Delivery),
    /// It does not wait: it is being sent, or has ended by itself.
    NotWaiting(Delivery),
}

/// One step of a recovery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RecoverStep {
    /// How many dead deliveries were moved in this step (or, in a dry run, would be in all).
    pub count: u64,
    /// Whether none is left.
    pub is_done: bool,
}

/// Deliveries counted by state, over all webhooks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct StateCounts {
    /// Waiting for their time.
    pub scheduled: u64,
    /// Behind an earlier event of the same incident.
    pub queued: u64,
    /// In a node's hand.
    pub claimed: u64,
    /// Open, of disabled webhooks.
    pub held: u64,
    /// Out of attempts; those that were given up are left out.
    pub dead: u64,
    /// The time since which the oldest scheduled delivery of an enabled webhook is due.
    pub oldest_due_at: Option<Timestamp>,
}

impl StateCounts {
    /// The same with others added.
    pub fn plus(self, other: &Self) -> Self {
        Self {
            scheduled: self.scheduled + other.scheduled,
            queued: self.queued + other.queued,
            claimed: self.claimed + other.claimed,
            held: self.held + other.held,
            dead: self.dead + other.dead,
            oldest_due_at: [self.oldest_due_at, other.oldest_due_at]
                .into_iter()
                .flatten()
                .min(),
        }
    }

    /// The same with no number above one.
    pub fn at_most(self, most: u64) -> Self {
        Self {
            scheduled: self.scheduled.min(most),
            queued: self.queued.min(most),
            claimed: self.claimed.min(most),
            held: self.held.min(most),
            dead: self.dead.min(most),
            oldest_due_at: self.oldest_due_at,
        }
    }
}

/// The open and dead deliveries of one webhook.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebhookCounts {
    /// The webhook.
    pub id: WebhookId,
    pub name: String,
    /// `enabled`, `degraded`, `disabled` or `deleted`.
    pub state: &'static str,
    /// Whether its last canary failed; nothing if it gets none.
    pub canary_failed: Option<bool>,
    /// Its deliveries.
    pub counts: StateCounts,
}

/// How many of those that were counted are no tests. If that is as far as is counted there are so many or more: some of what
/// was not looked at takes the place of the tests.
pub fn without_tests(counted: u64, tests: u64, at_most: Option<u32>) -> u64 {
    match at_most {
        Some(at_most) if counted >= u64::from(at_most) => at_most.into(),
        _ => counted.saturating_sub(tests),
    }
}

/// What a webhook did since a time.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct WebhookStats {
    /// Deliveries made since then that were delivered.
    pub delivered: u64,
    /// Deliveries made since then that are dead.
    pub dead: u64,
    /// Open deliveries, whenever made; counted up to [`COUNTED_AT_MOST`].
    pub open: u64,
    /// Attempts since then that delivered.
    pub attempts_delivered: u64,
    /// Attempts since then that failed, by code, most frequent first.
    pub failures: Vec<(FailureCode, u64)>,
    /// The median time of an attempt, in microseconds.
    pub p50_us: Option<u64>,
    /// The 95th percentile of the time of an attempt, in microseconds.
    pub p95_us: Option<u64>,
    /// When it last delivered.
    pub last_delivered_at: Option<Timestamp>,
    /// When the next of its scheduled deliveries is due.
    pub next_due_at: Option<Timestamp>,
}

/// The people's side of deliveries.
#[async_trait]
pub trait Deliveries: Send + Sync {
    /// Deliveries, newest first; at most [`WALKED_ROWS`](crate::page::WALKED_ROWS) are looked at.
    async fn list(&self, filter: DeliveryFilter, page: Page) -> StoreResult<Listed<Delivery>>;

    /// One delivery with its attempts.
    async fn get(&self, id: DeliveryId) -> StoreResult<DeliveryDetail>;

    /// Attempts with the deliveries that they belong to, for an export. For a restricted reader no more than
    /// [`WALKED_ROWS`](crate::page::WALKED_ROWS) deliveries are looked at.
    async fn list_attempts(&self, page: AttemptPage) -> StoreResult<ListedAttempts>;

    /// Starts a fresh schedule for a delivery that is delivered or dead; its history stays.
    async fn replay(&self, id: DeliveryId, change: Change) -> StoreResult<Replayed>;

    /// Makes a scheduled delivery due now; says whether it was scheduled for later.
    async fn retry_now(&self, id: DeliveryId, change: Change) -> StoreResult<bool>;

    /// Gives up a delivery that waits for its time, for its turn or for its webhook; the next one of its lane becomes due.
    async fn give_up(&self, id: DeliveryId, change: Change) -> StoreResult<GivenUp>;

    /// Counts the dead deliveries of a webhook made in a period, without those that were given up.
    async fn count_dead(&self, webhook_id: WebhookId, since: Timestamp, until: Timestamp)
    -> StoreResult<u64>;

    /// Replays at most [`RECOVER_BATCH`] dead deliveries of a webhook made in a period, oldest first; only those that
    /// died of a cause, if one is named, and otherwise all that were not given up.
    async fn recover(
        &self,
        webhook_id: WebhookId,
        since: Timestamp,
        until: Timestamp,
        cause: Option<FailureCode>,
        change: Change,
    ) -> StoreResult<RecoverStep>;

    /// Open and dead deliveries by state, each up to [`COUNTED_AT_MOST`]; dead ones among each webhook's [`DEAD_SEARCHED`].
    async fn counts(&self) -> StoreResult<StateCounts> {
        let by_webhook = self.counts_by_webhook(Some(COUNTED_AT_MOST)).await?;
        let sum = |sum: StateCounts, webhook: &WebhookCounts| sum.plus(&webhook.counts);
        let sum = by_webhook.iter().fold(StateCounts::default(), sum);
        Ok(sum.at_most(COUNTED_AT_MOST.into()))
    }

    /// The same for each webhook, deleted ones too; counted in each state up to a number, or to the end.
    async fn counts_by_webhook(&self, at_most: Option<u32>) -> StoreResult<Vec<WebhookCounts>>;

    /// What a webhook did since a time.
    async fn webhook_stats(&self, webhook_id: WebhookId, since: Timestamp) -> StoreResult<WebhookStats>;
}

#[cfg(test)]
mod tests {
    use super::without_tests;

    #[test]
    fn what_was_counted_as_far_as_it_goes_stays_so_many_or_more() {
        let counts = [(9, Some(10)), (10, Some(10)), (10, None)]
            .map(|(counted, at_most)| without_tests(counted, 2, at_most));
        assert_eq!(counts, [7, 10, 8]);
    }
}
