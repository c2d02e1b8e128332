//! Keeps this node's lease, frees the claims of nodes that are gone, and follows jumps of the wall clock.
//!
//! Nodes that share a store go by the database's clock in all they do: schedules, leases and what is told of events are of one
//! time, whatever their own clocks show. There, a jump of the wall clock is none.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;

use clock::Env;
use model::time::Timestamp;
use store::Store;
use store::StoreResult;
use store::log_store_failure;
use store::queue::{Membership, NODE_LEASE};

use crate::dispatch_handle::DispatchHandle;

/// How often a node that is alone renews its lease.
const HEARTBEAT_INTERVAL: Duration = Duration::from_secs(15);
/// How often one of several nodes does: several times before it runs out.
const SHARED_HEARTBEAT_INTERVAL: Duration = Duration::from_secs(2);
/// How often the wall clock is compared with the monotonic one.
const TICK: Duration = Duration::from_secs(1);
/// A smaller difference is drift, which schedules bear.
const MIN_JUMP: Duration = Duration::from_secs(20);
/// A difference of clocks beyond this is told of.
const MAX_CLOCK_DIFFERENCE: Duration = Duration::from_secs(5);
/// How far the database's clock may be from where this node believes it to be.
const MAX_DRIFT: Duration = Duration::from_millis(100);

/// Runs until the task is dropped.
pub async fn run(store: Store, source: Env, handle: Arc<DispatchHandle>) {
    let mut watch = JumpWatch::new(source.now(), source.monotonic_millis());
    let mut rescuer = Rescuer {
        store,
        source,
        handle,
        last: None,
        rescues_from_ms: i64::MIN,
        has_told_of_clock: false,
        rescues: JoinSet::new(),
    };
    let mut next_heartbeat_ms = rescuer.source.monotonic_millis();
    loop {
        let now_ms = rescuer.source.monotonic_millis();
        if now_ms >= next_heartbeat_ms {
            rescuer.beat().await;
            next_heartbeat_ms = later(now_ms, rescuer.interval());
        }
        tokio::time::sleep(TICK).await;
        let (now, now_ms) = (rescuer.source.now(), rescuer.source.monotonic_millis());
        if let Some(jump) = watch.look(now, now_ms)
            && !rescuer.shares()
        {
            follow(&rescuer.store, jump).await;
        }
    }
}

/// Renews this node's lease, and goes by the database's clock if it is one of several.
pub async fn renew_lease(store: &Store, source: &Env, handle: &DispatchHandle) -> StoreResult<Membership> {
    let sent_ms = source.monotonic_millis();
    let membership = store.queue.heartbeat(source.wall_now()).await?;
    let answered_ms = source.monotonic_millis();
    if let Some(shared) = &membership.shared {
        let round_trip = Duration::from_millis(u64::try_from(answered_ms - sent_ms).unwrap_or(0));
        let shown = shared.database_time.plus(round_trip / 2);
        let drift = shown.since(source.now()).max(source.now().since(shown));
        if !source.follows() || drift > MAX_DRIFT.max(round_trip) {
            source.follow(shown);
        }
    }
    handle.renewed(&membership, sent_ms, answered_ms, source.now());
    Ok(membership)
}

async fn rescue(store: Store, now: Timestamp) {
    match store.queue.rescue(now).await {
        Ok(0) => {}
        Ok(freed) => tracing::info!(freed, "freed deliveries that an earlier run had in hand"),
        Err(error) => log_store_failure!(error, "claims of gone nodes could not be freed"),
    }
}

struct Rescuer {
    store: Store,
    source: Env,
    handle: Arc<DispatchHandle>,
    last: Option<Membership>,
    /// Before that, claims of others are left alone.
    rescues_from_ms: i64,
    has_told_of_clock: bool,
    /// At most one.
    rescues: JoinSet<()>,
}

impl Rescuer {
    async fn beat(&mut self) {
        match renew_lease(&self.store, &self.source, &self.handle).await {
            Ok(membership) => self.note(membership),
            Err(error) => {
                log_store_failure!(error, "this node's lease could not be renewed");
                if self.shares() {
                    // The others could not renew theirs either: they get the time to do so, and to record what they sent.
                    self.rescues_from_ms = later(self.source.monotonic_millis(), NODE_LEASE);
                }
                return;
            }
        }
        if self.source.monotonic_millis() < self.rescues_from_ms {
            return;
        }
        // Beside the heartbeats, which wait for nothing: however long the others' claims take, this node keeps its own.
        let _ended = self.rescues.try_join_next();
        if self.rescues.is_empty() {
            self.rescues.spawn(rescue(self.store.clone(), self.source.now()));
        }
    }

    fn note(&mut self, membership: Membership) {
        if let Some(shared) = &membership.shared {
            let last = self.last.as_ref();
            let led = last.is_some_and(|last| last.is_leader);
            let term = shared.term;
            match (led, membership.is_leader) {
                (false, true) => {
                    tracing::info!(term, "this node leads: it does what is done once for all nodes")
                }
                (true, false) => tracing::info!(term, "another node leads"),
                (true, true) | (false, false) => {}
            }
            if last.is_none_or(|last| last.nodes != membership.nodes) {
                tracing::info!(nodes = membership.nodes.len(), "nodes came or went");
            }
        }
        self.last = Some(membership);
        self.compare_clocks();
    }

    /// Says once that this machine's clock is not the one that counts.
    fn compare_clocks(&mut self) {
        let (own, counting) = (self.source.wall_now(), self.source.now());
        let difference = own.since(counting).max(counting.since(own));
        let differs = self.shares() && difference > MAX_CLOCK_DIFFERENCE;
        if differs && !self.has_told_of_clock {
            let by_ms = own.as_millis() - counting.as_millis();
            tracing::warn!(
                by_ms,
                "this machine's clock differs from the database's, which counts"
            );
        }
        self.has_told_of_clock = differs;
    }

    fn shares(&self) -> bool {
        self.last.as_ref().is_some_and(|last| last.shared.is_some())
    }

    fn interval(&self) -> Duration {
        match self.shares() {
            true => SHARED_HEARTBEAT_INTERVAL,
            false => HEARTBEAT_INTERVAL,
        }
    }
}

fn later(now_ms: i64, wait: Duration) -> i64 {
    now_ms.saturating_add(i64::try_from(wait.as_millis()).unwrap_or(i64::MAX))
}

async fn follow(store: &Store, jump: Jump) {
    tracing::warn!(
        by_ms = jump.by_ms,
        "the wall clock jumped; schedules move with it"
    );
    if let Err(error) = store
        .queue
        .shift_schedule(jump.after, jump.before, jump.by_ms)
        .await
    {
        log_store_failure!(
            error,
            "schedules could not follow the clock; retries come at the wrong time"
        );
    }
}

/// A jump of the wall clock, and which times were planned before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Jump {
    /// Move what is planned after this…
    pub after: Timestamp,
    /// …and before this.
    pub before: Timestamp,
    /// By so many milliseconds.
    pub by_ms: i64,
}

/// Compares the wall clock with the monotonic one.
#[derive(Debug, Clone, Copy)]
pub struct JumpWatch {
    wall: Timestamp,
    monotonic_millis: i64,
}

impl JumpWatch {
    /// Both clocks agree now.
    pub fn new(wall: Timestamp, monotonic_millis: i64) -> Self {
        Self {
            wall,
            monotonic_millis,
        }
    }

    /// Whether the wall clock jumped since the last look. Everything that was planned for later moves with it: forward,
    /// it would come early; backward, late.
    pub fn look(&mut self, wall: Timestamp, monotonic_millis: i64) -> Option<Jump> {
        let passed =
            Duration::from_millis(u64::try_from(monotonic_millis - self.monotonic_millis).unwrap_or(0));
        let expected = self.wall.plus(passed);
        *self = Self {
            wall,
            monotonic_millis,
        };
        let by_ms = wall.as_millis() - expected.as_millis();
        if by_ms.unsigned_abs() < MIN_JUMP.as_millis() as u64 {
            return None;
        }
        Some(Jump {
            after: expected.min(wall),
            before: Timestamp::from_millis(i64::MAX),
            by_ms,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_millis(seconds * 1000)
    }

    #[test]
    fn a_steady_clock_does_not_jump() {
        let mut watch = JumpWatch::new(at(1000), 0);
        assert_eq!(watch.look(at(1001), 1000), None);
        assert_eq!(watch.look(at(1010), 9_000), None);
    }

    #[test]
    fn a_jump_forward_moves_all_that_is_planned() {
        let mut watch = JumpWatch::new(at(1000), 0);
        let jump = watch.look(at(4601), 1000);
        assert_eq!(
            jump,
            Some(Jump {
                after: at(1001),
                before: Timestamp::from_millis(i64::MAX),
                by_ms: 3_600_000
            })
        );
        assert_eq!(watch.look(at(4602), 2000), None);
    }

    #[test]
    fn a_jump_backward_moves_what_would_come_late() {
        let mut watch = JumpWatch::new(at(10_000), 0);
        let jump = watch.look(at(6_401), 1000).unwrap();
        assert_eq!((jump.after, jump.by_ms), (at(6_401), -3_600_000));
    }
}
