//! How far this node may rely on its lease: whether what it has claimed is still its own, and whether it leads. Judged by the
//! monotonic clock alone, from when the last heartbeat that was answered was sent, so that a node that was stopped or cut off
//! knows it before anybody tells it.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use store::queue::Membership;

/// A lease counts as run out by this much earlier than the database says, since no two clocks run alike.
const MARGIN: Duration = Duration::from_secs(1);

/// See the module. A node that has not yet heard of others relies on it without end.
#[derive(Default)]
pub struct Lease(Mutex<State>);

#[derive(Default)]
struct State {
    /// Until when it holds; nothing if nobody else can take anything from this node.
    until_ms: Option<i64>,
    /// Under another number, nothing holds that was claimed before.
    number: u64,
    beat: i64,
    is_follower: bool,
    is_leaving: bool,
}

impl Lease {
    /// A heartbeat was answered that was sent at a time of the monotonic clock.
    pub fn renewed(&self, membership: &Membership, sent_ms: i64, now_ms: i64) {
        let mut state = self.state();
        state.is_follower = !membership.is_leader;
        let Some(shared) = membership.shared else { return };
        let has_run_out = state.until_ms.is_none_or(|until_ms| until_ms <= now_ms);
        if has_run_out || shared.beat <= state.beat {
            state.number += 1;
        }
        state.beat = shared.beat;
        let holds_for = shared.holds_for.saturating_sub(MARGIN).as_millis();
        state.until_ms = Some(sent_ms.saturating_add(i64::try_from(holds_for).unwrap_or(i64::MAX)));
    }

    /// The number of the lease that holds; nothing if none does for certain. Claims belong to the number under which they
    /// were made.
    pub fn number(&self, now_ms: i64) -> Option<u64> {
        let state = self.state();
        state.holds(now_ms).then_some(state.number)
    }

    /// Whether this node does what is done once for all of them.
    pub fn leads(&self, now_ms: i64) -> bool {
        let state = self.state();
        !state.is_follower && !state.is_leaving && state.holds(now_ms)
    }

    /// This node is about to stop: it leads no more.
    pub fn leave(&self) {
        self.state().is_leaving = true;
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn holds(&self, now_ms: i64) -> bool {
        self.until_ms.is_none_or(|until_ms| now_ms < until_ms)
    }
}

#[cfg(test)]
mod tests {
    use model::time::Timestamp;
    use store::queue::{NODE_LEASE, SharedLease};

    use super::*;

    fn membership(beat: i64) -> Membership {
        Membership {
            own: 1,
            nodes: vec![1, 2],
            is_leader: true,
            shared: Some(SharedLease {
                holds_for: NODE_LEASE,
                beat,
                database_time: Timestamp::EPOCH,
                term: 1,
            }),
        }
    }

    #[test]
    fn a_lease_is_counted_from_when_the_heartbeat_was_sent() {
        let lease = Lease::default();
        lease.renewed(&membership(1), 1000, 4000);
        assert_eq!(lease.number(6_999), Some(1));
        assert!(lease.leads(6_999));
        assert_eq!(lease.number(7_000), None);
        assert!(!lease.leads(7_000));
    }

    #[test]
    fn what_was_claimed_before_a_lease_ran_out_does_not_hold_under_the_next_one() {
        let lease = Lease::default();
        lease.renewed(&membership(1), 0, 1);
        lease.renewed(&membership(2), 2000, 2001);
        assert_eq!(lease.number(2001), Some(1));
        lease.renewed(&membership(3), 60_000, 60_001);
        assert_eq!(lease.number(60_001), Some(2), "run out by our own clock");
        lease.renewed(&membership(1), 61_000, 61_001);
        assert_eq!(lease.number(61_001), Some(3), "run out by the database's");
    }

    #[test]
    fn the_only_node_there_can_be_has_its_lease_without_end_and_leads_until_it_stops() {
        let lease = Lease::default();
        let alone = Membership {
            shared: None,
            ..membership(1)
        };
        lease.renewed(&alone, 0, 1);
        assert_eq!(lease.number(i64::MAX), Some(0));
        assert!(lease.leads(i64::MAX));
        lease.leave();
        assert!(!lease.leads(2));
        assert_eq!(lease.number(2), Some(0));
    }

    #[test]
    fn a_node_that_does_not_lead_says_so() {
        let lease = Lease::default();
        let follower = Membership {
            is_leader: false,
            ..membership(1)
        };
        lease.renewed(&follower, 0, 1);
        assert!(!lease.leads(1));
    }
}
