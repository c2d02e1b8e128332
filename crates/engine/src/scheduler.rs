//! The scheduler: which deliveries this node holds, which may start now, and what to fetch from the store. Pure: times come
//! in, decisions go out.
//!
//! Webhooks take runs. Each has at most `concurrency` deliveries in flight; its breaker and its pace hold back only
//! itself. Where deliveries leave together (`groups`), a group is one of those. A lane (webhook and incident) never has two
//! deliveries here: the store gives out a lane's next one only when the one before is finished. Memory is bounded: what finds no
//! room stays in the store.

mod buckets;
mod entry;
mod groups;
mod leases;
mod members;
mod shares;
mod standing;
mod starting;

use std::cmp::Reverse;
use std::collections::{BTreeSet, BinaryHeap, HashMap, VecDeque};
use std::time::Duration;

use crate::breaker::{Breaker, HealthSignal};
use crate::scheduler::buckets::Buckets;
use crate::scheduler::entry::Entry;
use crate::scheduler::members::Members;
use crate::scheduler::shares::Share;
use destination::task::Bucket;
use model::delivery::ClaimedDelivery;
use model::id::WebhookId;
use model::time::Timestamp;
use store::queue::ClaimRequest;

pub use crate::scheduler::buckets::{Pausing, Reason};
pub use crate::scheduler::entry::{Effects, SchedulerLimits, WebhookLimits};

/// Deliveries of one webhook that wait here, at most.
pub const READY_PER_WEBHOOK: usize = 256;
/// The same for one whose platform sets the pace, so that a storm of slow chats leaves room for the others.
pub const READY_PER_PACED_WEBHOOK: usize = 16;

/// What a webhook that holds nothing may always claim: the backlog of others takes the room, but not all of it.
pub const OWN_SHARE: usize = 8;

/// A clock that goes back by more than this was set, which is no longer drift.
const MAX_DRIFT_BACK: Duration = Duration::from_secs(1);

/// See the module.
#[derive(Debug, Default)]
pub struct Scheduler {
    limits: SchedulerLimits,
    webhooks: HashMap<WebhookId, Entry>,
    turns: VecDeque<WebhookId>,
    /// Who is looked at when; of several at the same time, whoever was served longest ago comes first.
    alarms: BinaryHeap<Reverse<(Timestamp, u64, WebhookId)>>,
    buckets: Buckets,
    /// Whose deliveries wait for more to leave together with.
    collecting: BTreeSet<WebhookId>,
    effects: Effects,
    ready: usize,
    reserved: usize,
    asked: usize,
    in_flight: usize,
    served: u64,
    unrecorded: usize,
    last_look_at: Timestamp,
    is_stopping: bool,
    /// The lease has run out: nothing here is known to be this node's.
    is_fenced: bool,
    lease_number: u64,
    members: Members,
    /// Others may have served meanwhile what was this node's.
    is_new_member: bool,
}

impl Scheduler {
    /// An idle scheduler.
    pub fn new(limits: SchedulerLimits) -> Self {
        Self {
            limits,
            ..Self::default()
        }
    }

    /// Keeps room for one delivery that is about to be committed, if there is room and nothing older waits in the store.
    pub fn reserve(&mut self, webhook_id: WebhookId) -> bool {
        let room = self.capacity();
        if self.is_stopping || self.is_fenced || room == 0 {
            return false;
        }
        let entry = self.webhooks.entry(webhook_id).or_default();
        let is_open = entry.limits.as_ref().is_none_or(|limits| limits.is_enabled);
        let has_backlog =
            entry.asked.is_some() || entry.due_at.is_some_and(|due_at| due_at <= self.last_look_at);
        let has_room = entry.ready.len() + entry.reserved < entry.hold_limit(room);
        if !is_open
            || has_backlog
            || !has_room
            || entry.outdated_reserved > 0
            || entry.share.now == Share::Nothing
            || (self.members.are_several() && !entry.share.is_known)
            || entry.breaker.probe_at().is_some()
        {
            return false;
        }
        entry.reserved += 1;
        self.reserved += 1;
        true
    }

    /// Gives back room that was not used. What waited in the store for that room is considered again.
    pub fn cancel(&mut self, webhook_id: WebhookId) {
        self.return_capacity(webhook_id);
        let entry = self.webhooks.get(&webhook_id);
        if let Some(due_at) = entry.and_then(|entry| entry.due_at) {
            self.look_again(webhook_id, due_at);
        }
    }

    /// Takes a delivery for which room was kept.
    pub fn take(&mut self, delivery: ClaimedDelivery) {
        if self.return_capacity(delivery.webhook_id) {
            self.add(delivery);
        } else {
            self.effects.release.push((delivery.id, delivery.claim));
        }
    }

    /// Something of a webhook is due in the store at a time.
    pub fn wake(&mut self, webhook_id: WebhookId, due_at: Timestamp) {
        let entry = self.webhooks.entry(webhook_id).or_default();
        if entry.due_at.is_none_or(|known| due_at < known) {
            entry.due_at = Some(due_at);
            self.alarms.push(Reverse((due_at, entry.served, webhook_id)));
        }
    }

    /// A webhook was changed: its limits must be loaded anew before it goes on.
    pub fn webhook_changed(&mut self, webhook_id: WebhookId) {
        let entry = self.webhooks.entry(webhook_id).or_default();
        entry.limits = None;
        entry.must_reload = entry.is_loading;
        self.load(webhook_id);
    }

    /// A webhook was loaded. One that is disabled gives back what it holds.
    pub fn set_limits(&mut self, webhook_id: WebhookId, limits: WebhookLimits, now: Timestamp) {
        let entry = self.webhooks.entry(webhook_id).or_default();
        entry.is_loading = false;
        if std::mem::take(&mut entry.must_reload) {
            return self.load(webhook_id);
        }
        if !std::mem::replace(&mut entry.is_known, true) {
            entry.breaker = Breaker::resume(limits.degraded.clone(), now);
        }
        entry.pace.set_rate(limits.rate);
        entry
            .alone_pace
            .set_burst(limits.joint.and_then(|joint| joint.alone));
        let is_enabled = limits.is_enabled;
        if is_enabled && std::mem::take(&mut entry.was_disabled) {
            entry.breaker.probe_now(now);
        }
        entry.was_disabled = !is_enabled;
        entry.limits = Some(limits);
        self.follow_health(webhook_id, now);
        self.share_after_change(webhook_id, now);
        let entry = self.webhooks.entry(webhook_id).or_default();
        if is_enabled {
            entry.due_at = None;
            self.wake(webhook_id, now);
            self.enqueue_run(webhook_id);
        } else {
            self.release_ready(webhook_id);
        }
    }

    /// A webhook no longer exists.
    pub fn forget(&mut self, webhook_id: WebhookId) {
        self.release_ready(webhook_id);
        if let Some(entry) = self.webhooks.get_mut(&webhook_id) {
            entry.is_loading = false;
            entry.must_reload = false;
            entry.breaker = Breaker::default();
            entry.limits = Some(WebhookLimits {
                is_enabled: false,
                concurrency: 0,
                rate: None,
                buckets: Vec::new(),
                joint: None,
                degraded: None,
            });
        }
    }

    /// A claim came back: its deliveries, and when the next one is due.
    pub fn claimed(
        &mut self,
        webhook_id: WebhookId,
        deliveries: Vec<ClaimedDelivery>,
        next_due_at: Option<Timestamp>,
    ) {
        let entry = self.webhooks.entry(webhook_id).or_default();
        self.asked -= entry.asked.take().unwrap_or(0);
        let is_outdated = std::mem::take(&mut entry.is_asked_outdated);
        let woken_at = entry.due_at.take();
        if let Some(due_at) = woken_at.into_iter().chain(next_due_at).min() {
            self.wake(webhook_id, due_at);
        }
        if is_outdated {
            let claims = deliveries
                .into_iter()
                .map(|delivery| (delivery.id, delivery.claim));
            return self.effects.release.extend(claims);
        }
        for delivery in deliveries {
            self.add(delivery);
        }
    }

    /// A claim failed: it is tried again a little later.
    pub fn claim_failed(&mut self, webhook_id: WebhookId, retry_at: Timestamp) {
        self.claimed(webhook_id, Vec::new(), Some(retry_at));
    }

    /// An attempt ended. It counts as unrecorded until [`Scheduler::recorded`].
    pub fn finished(&mut self, webhook_id: WebhookId, signal: HealthSignal, now: Timestamp) {
        self.in_flight = self.in_flight.saturating_sub(1);
        let Some(entry) = self.webhooks.get_mut(&webhook_id) else {
            return;
        };
        entry.in_flight = entry.in_flight.saturating_sub(1);
        if let (HealthSignal::Succeeded, Some(limits)) = (&signal, &entry.limits) {
            self.buckets.taken(&limits.buckets);
        }
        let after = match entry.share.now {
            // Its home judges it.
            Share::Nothing => entry.breaker.clone(),
            Share::Part(_) | Share::Whole => entry.breaker.after(signal, now),
        };
        let before = std::mem::replace(&mut entry.breaker, after.clone());
        if before.degraded() != after.degraded() {
            self.effects.health.push((webhook_id, after.degraded().cloned()));
            if after.degraded().is_some() {
                self.release_ready(webhook_id);
            }
            self.share_after_change(webhook_id, now);
        }
        self.enqueue_run(webhook_id);
        self.consider_claim(webhook_id, now);
    }

    /// A platform asks to leave a bucket alone for a while.
    pub fn pause(&mut self, pause: &Pausing<'_>, now: Timestamp) {
        self.buckets.pause(pause, now);
    }

    /// Until when some buckets take nothing; nothing if they do.
    pub fn paused_until(&self, buckets: &[Bucket], now: Timestamp) -> Option<Timestamp> {
        self.buckets.blocked_until(buckets, now)
    }

    /// A receiver was reached outside of the queue, by a test: whatever its breaker believed is over.
    pub fn reached(&mut self, webhook_id: WebhookId, now: Timestamp) {
        let Some(entry) = self.webhooks.get_mut(&webhook_id) else {
            return;
        };
        if entry.breaker.degraded().is_some() {
            entry.breaker = Breaker::default();
            self.effects.health.push((webhook_id, None));
            self.share_after_change(webhook_id, now);
            self.enqueue_run(webhook_id);
            self.consider_claim(webhook_id, now);
        }
    }

    /// So many attempts are on disk.
    pub fn recorded(&mut self, count: usize) {
        self.unrecorded = self.unrecorded.saturating_sub(count);
    }

    /// Decides what happens now. Call it after anything happened, and at [`Effects::next_tick_at`].
    pub fn tick(&mut self, now: Timestamp) -> Effects {
        if self.last_look_at.since(now) > MAX_DRIFT_BACK {
            self.follow_clock_back(now);
        }
        self.last_look_at = now;
        self.expire_timers(now);
        self.start_ready(now);
        let mut effects = std::mem::take(&mut self.effects);
        effects.next_tick_at = self.alarms.peek().map(|Reverse((at, ..))| *at);
        effects
    }

    fn add(&mut self, delivery: ClaimedDelivery) {
        let webhook_id = delivery.webhook_id;
        let entry = self.webhooks.entry(webhook_id).or_default();
        let is_closed = entry.limits.as_ref().is_some_and(|limits| !limits.is_enabled)
            || self.is_stopping
            || self.is_fenced
            || entry.share.now == Share::Nothing;
        let has_probe = entry.breaker.probe_at().is_some() && entry.ready.len() + entry.in_flight > 0;
        if is_closed || has_probe {
            self.effects.release.push((delivery.id, delivery.claim));
            return;
        }
        let is_unknown = entry.limits.is_none();
        entry.ready.push_back(delivery);
        self.ready += 1;
        if is_unknown {
            self.load(webhook_id);
        }
        self.enqueue_run(webhook_id);
    }

    /// Has a webhook loaded, unless that is under way.
    fn load(&mut self, webhook_id: WebhookId) {
        let entry = self.webhooks.entry(webhook_id).or_default();
        if !std::mem::replace(&mut entry.is_loading, true) {
            self.effects.load.push(webhook_id);
        }
    }

    /// Has a webhook looked at again at a time.
    fn look_again(&mut self, webhook_id: WebhookId, at: Timestamp) {
        let served = self.webhooks.get(&webhook_id).map_or(0, |entry| entry.served);
        self.alarms.push(Reverse((at, served, webhook_id)));
    }

    /// For how many more deliveries there is room. What the store was asked for may come any moment.
    fn capacity(&self) -> usize {
        let held = self.ready + self.reserved + self.asked;
        self.limits.max_ready.saturating_sub(held)
    }

    /// Says whether what it was kept for is this node's for certain.
    fn return_capacity(&mut self, webhook_id: WebhookId) -> bool {
        let Some(entry) = self.webhooks.get_mut(&webhook_id) else {
            return true;
        };
        entry.reserved = entry.reserved.saturating_sub(1);
        self.reserved = self.reserved.saturating_sub(1);
        let is_certain = entry.outdated_reserved == 0;
        entry.outdated_reserved = entry.outdated_reserved.saturating_sub(1);
        is_certain
    }

    fn enqueue_run(&mut self, webhook_id: WebhookId) {
        if let Some(entry) = self.webhooks.get_mut(&webhook_id)
            && !entry.is_in_run_queue
            && !entry.ready.is_empty()
        {
            entry.is_in_run_queue = true;
            self.turns.push_back(webhook_id);
        }
    }

    fn release_ready(&mut self, webhook_id: WebhookId) {
        let Some(entry) = self.webhooks.get_mut(&webhook_id) else {
            return;
        };
        self.ready -= entry.ready.len();
        let claims = entry
            .ready
            .drain(..)
            .map(|delivery| (delivery.id, delivery.claim));
        self.effects.release.extend(claims);
    }

    /// The wall clock was set back: nothing here waits for the old time to come again.
    fn follow_clock_back(&mut self, now: Timestamp) {
        self.alarms.clear();
        self.buckets.forget_spent();
        let latest = self.members.follow_clock_back(now);
        for (webhook_id, entry) in &mut self.webhooks {
            if let Some(at) = entry.share.follow_clock_back(latest) {
                self.alarms.push(Reverse((at, entry.served, *webhook_id)));
            }
            entry.breaker.follow_clock_back(now);
            entry.pace.forget_spent();
            entry.alone_pace.forget_spent();
            entry.alarm_at = None;
            entry.due_at = entry.due_at.map(|_| now);
            self.alarms.push(Reverse((now, entry.served, *webhook_id)));
        }
    }

    fn expire_timers(&mut self, now: Timestamp) {
        while let Some(Reverse((at, _, webhook_id))) = self.alarms.peek().copied() {
            if at > now {
                return;
            }
            self.alarms.pop();
            if let Some(entry) = self.webhooks.get_mut(&webhook_id) {
                entry.alarm_at.take_if(|alarm_at| *alarm_at <= now);
            }
            self.grow_share(webhook_id, now);
            self.enqueue_run(webhook_id);
            self.consider_claim(webhook_id, now);
        }
    }

    /// Asks the store for more of a webhook if something is due there and there is room here.
    fn consider_claim(&mut self, webhook_id: WebhookId, now: Timestamp) {
        let room = self.capacity();
        let Some(entry) = self.webhooks.get_mut(&webhook_id) else {
            return;
        };
        if self.is_stopping
            || self.is_fenced
            || entry.asked.is_some()
            || entry.due_at.is_none_or(|due_at| due_at > now)
        {
            return;
        }
        let Some(limits) = &entry.limits else {
            return self.load(webhook_id);
        };
        let held = entry.ready.len() + entry.reserved;
        let hold_limit = entry.hold_limit(room);
        let limit = match entry.breaker.probe_at() {
            _ if !limits.is_enabled || entry.share.now == Share::Nothing => 0,
            Some(probe_at) if probe_at > now => {
                self.alarms.push(Reverse((probe_at, entry.served, webhook_id)));
                0
            }
            Some(_) => 1_usize.saturating_sub(held + entry.in_flight),
            None if held >= entry.ready_limit() / 2 => 0,
            None if held == 0 => hold_limit.min(room.max(entry.own_share())),
            None if entry.joint().is_some() => hold_limit.saturating_sub(held),
            None => (hold_limit - held).min(room),
        };
        if limit > 0 {
            entry.asked = Some(limit);
            self.asked += limit;
            entry.due_at = None;
            let limit = u32::try_from(limit).unwrap_or(u32::MAX);
            self.effects.claim.push(ClaimRequest { webhook_id, limit });
        }
    }
}

#[cfg(test)]
mod group_tests;
#[cfg(test)]
mod lease_tests;
#[cfg(test)]
mod member_tests;
#[cfg(test)]
mod properties;
#[cfg(test)]
mod tests;
