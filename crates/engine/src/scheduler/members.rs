//! Sharing webhooks with other nodes: what this one serves of each, and when that changes.
//!
//! A share that shrinks does so at once. One that grows waits until every other node must have heard of the change too, so
//! that no two serve the same. Only what a node leaves behind that is gone is taken over at once: it has stopped before.

use std::time::Duration;

use crate::breaker::Breaker;
use crate::scheduler::Scheduler;
use crate::scheduler::entry::WebhookLimits;
use crate::scheduler::shares::Share;
use model::id::WebhookId;
use model::time::Timestamp;

/// How long the other nodes may take to hear who is there: a heartbeat every two seconds, and a second's grace.
const MEMBERS_WAIT: Duration = Duration::from_secs(3);
/// How long they may take to hear of a change to a webhook.
const CHANGE_WAIT: Duration = Duration::from_secs(1);

/// Who is there.
#[derive(Debug, Default)]
pub struct Members {
    own: i64,
    nodes: Vec<i64>,
    /// Until then others may go by who was there before.
    settled_at: Timestamp,
}

impl Members {
    /// Whether there are others.
    pub fn are_several(&self) -> bool {
        !self.nodes.is_empty() && self.nodes != [self.own]
    }

    /// The clock was set back: who is there is settled by its new time. Gives the latest time that anything still waits for.
    pub(super) fn follow_clock_back(&mut self, now: Timestamp) -> Timestamp {
        let latest = now.plus(MEMBERS_WAIT);
        self.settled_at = self.settled_at.min(latest);
        latest
    }
}

/// What this node serves of a webhook.
#[derive(Debug, Default)]
pub struct OwnShare {
    pub now: Share,
    /// It was worked out for this webhook.
    pub is_known: bool,
    /// What it will be, and when.
    grows: Option<(Timestamp, Share)>,
    /// Whether the webhook was degraded when it was last loaded: others may note that too.
    was_degraded: bool,
}

impl OwnShare {
    /// The clock was set back: what grows does so by then. Gives the time, if anything grows.
    pub(super) fn follow_clock_back(&mut self, latest: Timestamp) -> Option<Timestamp> {
        let (at, _) = self.grows.as_mut()?;
        *at = latest.min(*at);
        Some(*at)
    }
}

impl Scheduler {
    /// Goes by these nodes, and this one's own number.
    pub fn follow_members(&mut self, nodes: &[i64], own: i64, now: Timestamp) {
        if self.members.nodes == nodes && self.members.own == own && !self.is_new_member {
            return;
        }
        let before = std::mem::replace(&mut self.members.nodes, nodes.to_vec());
        self.members.own = own;
        let is_new = std::mem::take(&mut self.is_new_member);
        self.members.settled_at = now.plus(MEMBERS_WAIT);
        for webhook_id in self.webhook_ids() {
            let inherits = !is_new && self.inherits(webhook_id, &before);
            if is_new && self.members.are_several() {
                self.set_share(webhook_id, Share::Nothing);
            }
            let grows_at = if inherits { now } else { self.members.settled_at };
            self.share_anew(webhook_id, now, grows_at);
        }
    }

    /// Whether there are other nodes: what they accept is heard of by asking the store.
    pub fn has_company(&self) -> bool {
        self.members.are_several()
    }

    /// Whether the home of a webhook is gone, so that nobody serves it.
    fn inherits(&self, webhook_id: WebhookId, before: &[i64]) -> bool {
        let Some((limits, is_degraded)) = self.known(webhook_id) else {
            return false;
        };
        let serves = |node: i64| Share::of(webhook_id, limits, is_degraded, before, node);
        let home = before.iter().find(|node| serves(**node) == Share::Whole);
        home.is_some_and(|home| !self.members.nodes.contains(home)) || !self.members.are_several()
    }

    fn known(&self, webhook_id: WebhookId) -> Option<(&WebhookLimits, bool)> {
        let entry = self.webhooks.get(&webhook_id)?;
        Some((entry.limits.as_ref()?, entry.breaker.degraded().is_some()))
    }

    /// A webhook was loaded: what other nodes noted of its breaker counts here too. Its home knows more than that, until it
    /// hears otherwise.
    pub(super) fn follow_health(&mut self, webhook_id: WebhookId, now: Timestamp) {
        let has_company = self.has_company();
        let Some(entry) = self.webhooks.get_mut(&webhook_id) else {
            return;
        };
        let noted = entry.limits.as_ref().and_then(|limits| limits.degraded.clone());
        let was_degraded = std::mem::replace(&mut entry.share.was_degraded, noted.is_some());
        let differs = noted.is_some() != entry.breaker.degraded().is_some();
        if has_company && noted.is_some() != was_degraded && differs {
            entry.breaker = Breaker::resume(noted, now);
        }
    }

    /// Works out what this node serves of a webhook whose limits or breaker have changed.
    pub(super) fn share_after_change(&mut self, webhook_id: WebhookId, now: Timestamp) {
        let is_known = self
            .webhooks
            .get(&webhook_id)
            .is_some_and(|entry| entry.share.is_known);
        // Of a webhook that is new nobody serves anything yet.
        let grows_at = match is_known {
            true => now.plus(CHANGE_WAIT).max(self.members.settled_at),
            false => self.members.settled_at,
        };
        if !is_known && grows_at > now && self.has_company() {
            self.set_share(webhook_id, Share::Nothing);
        }
        self.share_anew(webhook_id, now, grows_at);
    }

    fn share_anew(&mut self, webhook_id: WebhookId, now: Timestamp, grows_at: Timestamp) {
        let Some((limits, is_degraded)) = self.known(webhook_id) else {
            return;
        };
        let (nodes, own) = (&self.members.nodes, self.members.own);
        let share = Share::of(webhook_id, limits, is_degraded, nodes, own);
        let is_alone = !self.members.are_several();
        let Some(entry) = self.webhooks.get_mut(&webhook_id) else {
            return;
        };
        entry.share.is_known = true;
        let waits = grows_at > now && !is_alone && share.exceeds(entry.share.now);
        if waits {
            entry.share.grows = Some((grows_at, share));
            return self.look_again(webhook_id, grows_at);
        }
        entry.share.grows = None;
        self.set_share(webhook_id, share);
    }

    /// A time came: a share may grow.
    pub(super) fn grow_share(&mut self, webhook_id: WebhookId, now: Timestamp) {
        let Some(entry) = self.webhooks.get_mut(&webhook_id) else {
            return;
        };
        if let Some((_, share)) = entry.share.grows.take_if(|(at, _)| *at <= now) {
            self.set_share(webhook_id, share);
        }
    }

    fn set_share(&mut self, webhook_id: WebhookId, share: Share) {
        let now = self.last_look_at;
        let Some(entry) = self.webhooks.get_mut(&webhook_id) else {
            return;
        };
        let before = std::mem::replace(&mut entry.share.now, share);
        match (before, share) {
            (Share::Nothing, Share::Part(_) | Share::Whole) => {
                // What the one before has sent is not known here: its pace is taken to be spent.
                entry.pace.spend(now);
                if let Some(limits) = &entry.limits {
                    self.buckets.spend(&limits.buckets, now);
                }
                self.survey(webhook_id);
            }
            (_, Share::Nothing) => self.release_ready(webhook_id),
            (_, Share::Part(_) | Share::Whole) => self.enqueue_run(webhook_id),
        }
    }
}
