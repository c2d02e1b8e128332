//! Keeps this node's lease, frees the claims of nodes that are gone, and follows jumps of the wall clock.

use std::time::Duration;

use clock::Env;
use model::time::Timestamp;
use store::Store;
use store::log_store_failure;

/// How often the lease is renewed: several times before it runs out.
const HEARTBEAT_INTERVAL: Duration = Duration::from_secs(15);
/// How often the wall clock is compared with the monotonic one.
const TICK: Duration = Duration::from_secs(1);
/// A smaller difference is drift, which schedules bear.
const MIN_JUMP: Duration = Duration::from_secs(20);

/// Runs until the task is dropped.
pub async fn run(store: Store, source: Env) {
    let mut watch = JumpWatch::new(source.now(), source.monotonic_millis());
    let mut next_heartbeat_ms = source.monotonic_millis();
    loop {
        if source.monotonic_millis() >= next_heartbeat_ms {
            beat(&store, source.now()).await;
            next_heartbeat_ms += i64::try_from(HEARTBEAT_INTERVAL.as_millis()).unwrap_or(i64::MAX);
        }
        tokio::time::sleep(TICK).await;
        if let Some(jump) = watch.look(source.now(), source.monotonic_millis()) {
            follow(&store, jump).await;
        }
    }
}

async fn beat(store: &Store, now: Timestamp) {
    if let Err(error) = store.queue.heartbeat(now).await {
        log_store_failure!(error, "this node's lease could not be renewed");
        return;
    }
    match store.queue.rescue(now).await {
        Ok(0) => {}
        Ok(freed) => tracing::info!(freed, "freed deliveries that an earlier run had in hand"),
        Err(error) => log_store_failure!(error, "claims of gone nodes could not be freed"),
    }
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
