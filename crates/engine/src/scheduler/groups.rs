//! Deliveries of one webhook that leave in one request: which, and when (decision 0030). Pure, like the scheduler.
//!
//! A group is made of what waits here, the longest waiting first. It counts as one request for concurrency, pace and buckets.
//! What was tried equally often and left the same for its next attempt goes together, and of that only what is due at the same
//! moment: so a batch that failed is the same batch again.

use std::collections::VecDeque;

use crate::scheduler::OWN_SHARE;
use crate::scheduler::entry::Entry;
use destination::joint::{JointLimits, most_together};
use model::delivery::ClaimedDelivery;
use model::time::Timestamp;

/// What a webhook whose deliveries leave together may always hold, if its requests carry so many: in a node without room its
/// requests are smaller, but never so small that it falls behind for that.
pub const JOINT_SHARE: usize = 64;

/// What goes together.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Likeness {
    /// What failed together, or was not tried yet.
    Exact,
    /// Whatever failed equally often, too: too much is waiting for each to go as it went before.
    Rough,
}

/// The deliveries of the next request, by their places in the queue.
struct Group {
    places: Vec<usize>,
    /// Nothing can be added to it.
    is_full: bool,
}

impl Entry {
    /// What leaves together, if its deliveries do.
    pub fn joint(&self) -> Option<&JointLimits> {
        self.limits.as_ref()?.joint.as_ref()
    }

    /// How many deliveries it may hold whatever the node's room.
    pub fn own_share(&self) -> usize {
        let joint = self.joint().map_or(0, |joint| joint.max_count.min(JOINT_SHARE));
        joint.max(OWN_SHARE)
    }

    /// How many deliveries it may hold while the node has this much room. One that collects leaves as much as it may take, so
    /// that neither others of its sort nor all the rest are left without.
    pub fn hold_limit(&self, room: usize) -> usize {
        match self.joint() {
            Some(_) => self.ready_limit().min(self.own_share().max(room / 2)),
            None => self.ready_limit(),
        }
    }

    /// Until when its next request waits for more deliveries; nothing if it waits no longer.
    pub fn collects_until(&self, now: Timestamp, room: usize) -> Option<Timestamp> {
        let joint = self.joint()?;
        let first = self.ready.front()?;
        let until = first.due_at.plus(joint.max_wait);
        // One that was tried has waited. One that is due later than now has seen the clock go back.
        let has_waited = first.attempts_made > 0 || first.due_at > now || until <= now;
        let holds = self.ready.len() + self.reserved;
        let is_over = has_waited
            || self.breaker.probe_at().is_some()
            || self.ready.len() >= joint.max_count
            || holds >= self.hold_limit(room);
        let is_over = is_over || next_group(&self.ready, joint, joint.max_count, Likeness::Rough).is_full;
        (!is_over).then_some(until)
    }

    /// Takes the deliveries of the next request, in the order of their events: as many as go together, but no more than `most`.
    pub fn take_next(&mut self, most: usize, now: Timestamp) -> Vec<ClaimedDelivery> {
        let joint = self.joint().copied();
        let is_calm = self.alone_pace.has_another(now);
        let is_fresh = self.ready.front().is_some_and(|first| first.attempts_made == 0);
        let goes_alone = self.breaker.probe_at().is_some() || (is_calm && is_fresh);
        match joint {
            Some(joint) if !goes_alone => {
                let likeness = match joint.alone {
                    Some(_) if !is_calm => Likeness::Rough,
                    Some(_) | None => Likeness::Exact,
                };
                let group = next_group(&self.ready, &joint, most, likeness);
                take(&mut self.ready, &group.places)
            }
            Some(_) | None => self.ready.pop_front().into_iter().collect(),
        }
    }
}

fn next_group(
    ready: &VecDeque<ClaimedDelivery>,
    joint: &JointLimits,
    most: usize,
    likeness: Likeness,
) -> Group {
    let mut group = Group {
        places: Vec::new(),
        is_full: false,
    };
    let Some(first) = ready.front() else {
        return group;
    };
    let most = most_together(first.continuation.as_deref())
        .min(joint.max_count)
        .min(most);
    let mut bytes = 0;
    for (place, delivery) in ready.iter().enumerate() {
        let is_like_it =
            (delivery.attempts_made, &delivery.continuation) == (first.attempts_made, &first.continuation);
        let failed_with_it = first.attempts_made == 0 || delivery.due_at == first.due_at;
        if !is_like_it || (likeness == Likeness::Exact && !failed_with_it) {
            continue;
        }
        bytes += delivery.event.body.len();
        if place > 0 && bytes > joint.max_bytes {
            group.is_full = true;
            return group;
        }
        group.places.push(place);
        if group.places.len() >= most {
            group.is_full = true;
            return group;
        }
    }
    group
}

fn take(ready: &mut VecDeque<ClaimedDelivery>, places: &[usize]) -> Vec<ClaimedDelivery> {
    let mut taken = Vec::with_capacity(places.len());
    let mut places = places.iter().copied().peekable();
    let mut rest = VecDeque::with_capacity(ready.len());
    for (place, delivery) in ready.drain(..).enumerate() {
        match places.next_if_eq(&place) {
            Some(_) => taken.push(delivery),
            None => rest.push_back(delivery),
        }
    }
    *ready = rest;
    taken.sort_by_key(|delivery| delivery.event.sequence);
    taken
}
