//! What the scheduler holds of one webhook, and what it is told and tells about webhooks.

use std::collections::VecDeque;

use crate::breaker::Breaker;
use crate::pace::Pace;
use crate::scheduler::buckets::Buckets;
use crate::scheduler::members::OwnShare;
use crate::scheduler::{READY_PER_PACED_WEBHOOK, READY_PER_WEBHOOK};
use destination::joint::JointLimits;
use destination::task::Bucket;
use model::delivery::{Claim, ClaimedDelivery};
use model::id::{DeliveryId, WebhookId};
use model::time::Timestamp;
use model::webhook::{Degraded, Rate};
use store::queue::ClaimRequest;

/// Bounds of the whole node.
#[derive(Debug, Clone, Copy)]
pub struct SchedulerLimits {
    /// Deliveries in flight at once, over all webhooks.
    pub max_in_flight: usize,
    /// Deliveries that wait here, over all webhooks; only [`OWN_SHARE`](super::OWN_SHARE) of each webhook may come on top.
    pub max_ready: usize,
    /// Attempts that were made but are not yet on disk.
    pub max_unrecorded: usize,
}

impl Default for SchedulerLimits {
    fn default() -> Self {
        Self {
            max_in_flight: 512,
            max_ready: 4096,
            max_unrecorded: 4096,
        }
    }
}

/// What the scheduler must know of a webhook to start its deliveries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebhookLimits {
    /// Whether it gets deliveries at all.
    pub is_enabled: bool,
    /// Requests in flight at once.
    pub concurrency: usize,
    /// Requests per time.
    pub rate: Option<Rate>,
    /// The platform's rate limits that its requests count against, shared with other webhooks.
    pub buckets: Vec<Bucket>,
    /// How many of its deliveries leave in one request; nothing if each leaves alone.
    pub joint: Option<JointLimits>,
    /// Since when and why its breaker is open, as the store knows it: where an earlier run left off.
    pub degraded: Option<Degraded>,
}

/// What is to be done outside, collected since it was last asked for.
#[derive(Debug, Default)]
pub struct Effects {
    /// Start sending these; each was counted as in flight.
    pub start: Vec<ClaimedDelivery>,
    /// Start sending each of these groups in one request; a group was counted as one in flight.
    pub start_together: Vec<Vec<ClaimedDelivery>>,
    /// Claim these from the store, then call [`Scheduler::claimed`](super::Scheduler::claimed).
    pub claim: Vec<ClaimRequest>,
    /// Give these claims back. Whoever does it wakes the scheduler once they are due in the store.
    pub release: Vec<(DeliveryId, Claim)>,
    /// Load these webhooks, then call [`Scheduler::set_limits`](super::Scheduler::set_limits) (or [`Scheduler::forget`](super::Scheduler::forget)).
    pub load: Vec<WebhookId>,
    /// Note that these webhooks' breakers opened or closed.
    pub health: Vec<(WebhookId, Option<Degraded>)>,
    /// Look again at this time, even if nothing happens before.
    pub next_tick_at: Option<Timestamp>,
}

impl Effects {
    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        let starts = self.start.len() + self.start_together.len();
        let claims = starts + self.claim.len() + self.release.len();
        claims + self.load.len() + self.health.len() == 0
    }
}

/// What the scheduler knows of one webhook.
#[derive(Debug, Default)]
pub struct Entry {
    pub limits: Option<WebhookLimits>,
    pub is_loading: bool,
    /// It changed while it was being loaded, so that what is loaded may be out of date.
    pub must_reload: bool,
    /// It was disabled when it was last loaded.
    pub was_disabled: bool,
    /// It was loaded before in this run: its breaker knows more than the store.
    pub is_known: bool,
    pub ready: VecDeque<ClaimedDelivery>,
    pub reserved: usize,
    /// How many of those were reserved under a lease that has run out: what comes of them is not this node's for certain.
    pub outdated_reserved: usize,
    pub in_flight: usize,
    pub breaker: Breaker,
    pub pace: Pace,
    /// How long its deliveries leave one by one; see [`JointLimits::alone`].
    pub alone_pace: Pace,
    /// When it is looked at again, if its deliveries collect until then.
    pub alarm_at: Option<Timestamp>,
    /// When something in the store is due, as far as known.
    pub due_at: Option<Timestamp>,
    /// How many the store was asked for, if it was.
    pub asked: Option<usize>,
    /// That was under a lease that has run out.
    pub is_asked_outdated: bool,
    pub is_in_run_queue: bool,
    pub share: OwnShare,
    /// When it last started a delivery, counted in starts of the whole node.
    pub served: u64,
}

/// Why a webhook cannot start a delivery now.
pub enum Blocked {
    /// Something else must happen first, which will give it a turn again.
    Otherwise,
    /// A time must come.
    Until(Timestamp),
    /// The same, or more deliveries.
    Collecting(Timestamp),
}

impl Entry {
    /// How many of its deliveries may wait here.
    pub fn ready_limit(&self) -> usize {
        if let Some(joint) = self.joint() {
            // While one request is collected the next one's deliveries can be claimed.
            return READY_PER_WEBHOOK.max(2 * joint.max_count);
        }
        let buckets = self.limits.iter().flat_map(|limits| &limits.buckets);
        let is_paced = buckets.into_iter().any(|bucket| bucket.rate.is_some());
        if is_paced {
            READY_PER_PACED_WEBHOOK
        } else {
            READY_PER_WEBHOOK
        }
    }

    /// Why it cannot start a request now, if it cannot, on a node with room for so many more deliveries.
    pub fn blocked(&self, buckets: &Buckets, now: Timestamp, room: usize) -> Option<Blocked> {
        let Some(limits) = &self.limits else {
            return Some(Blocked::Otherwise);
        };
        if self.ready.is_empty() || !limits.is_enabled {
            return Some(Blocked::Otherwise);
        }
        let share = self.share.now.limit(limits.concurrency);
        let allowed = if self.breaker.probe_at().is_some() {
            share.min(1)
        } else {
            share
        };
        if self.in_flight >= allowed {
            return Some(Blocked::Otherwise);
        }
        let probe_at = self.breaker.probe_at().filter(|at| *at > now);
        probe_at
            .or_else(|| self.pace.blocked_until(now))
            .or_else(|| self.alone_pace.blocked_until(now))
            .or_else(|| buckets.blocked_until(&limits.buckets, now))
            .map(Blocked::Until)
            .or_else(|| self.collects_until(now, room).map(Blocked::Collecting))
    }
}
