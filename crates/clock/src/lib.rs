//! The only reader of time and randomness. Everything else takes them as arguments, so that tests decide both.

use std::cell::RefCell;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use model::audit::{Actor, Change};
use model::id::{
    AttemptId, AuditId, EventId, InboxId, InboxRequestId, IncidentId, KeyId, PasskeyId, PolicyId,
    ReceiverLinkId, ServiceId, SessionId, SourceId, SourceRequestId, UserId, WebhookId,
};
use model::time::Timestamp;

/// Tells the time.
pub trait Clock: Send + Sync {
    /// The wall clock's time.
    fn now(&self) -> Timestamp;

    /// Milliseconds that have passed since some fixed point, untouched by changes of the wall clock.
    fn monotonic_millis(&self) -> i64;
}

/// Gives random bytes.
pub trait Entropy: Send + Sync {
    /// Fills a buffer with bytes that nobody can guess.
    fn fill(&self, buffer: &mut [u8]);
}

/// The machine's clock.
pub struct SystemClock;

/// Of the clocks that nobody sets, the one that goes on while the machine is suspended: a lease runs out meanwhile.
#[cfg(target_os = "linux")]
const STEADY: rustix::time::ClockId = rustix::time::ClockId::Boottime;
#[cfg(not(target_os = "linux"))]
const STEADY: rustix::time::ClockId = rustix::time::ClockId::Monotonic;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        #[expect(clippy::disallowed_methods, reason = "this is the one reader of time")]
        let now = std::time::SystemTime::now();
        let since_epoch = now.duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        Timestamp::EPOCH.plus(since_epoch)
    }

    fn monotonic_millis(&self) -> i64 {
        let now = rustix::time::clock_gettime(STEADY);
        now.tv_sec
            .saturating_mul(1000)
            .saturating_add(now.tv_nsec / 1_000_000)
    }
}

/// The operating system's random generator.
pub struct SystemEntropy;

/// How many random bytes a thread takes from the system at once: a delivery needs about fifty, in five portions.
const POOL_BYTES: usize = 1024;

thread_local! {
    static POOL: RefCell<EntropyPool> = const { RefCell::new(EntropyPool { bytes: [0; POOL_BYTES], left: 0 }) };
}

/// Random bytes of one thread, each given out once.
struct EntropyPool {
    bytes: [u8; POOL_BYTES],
    left: usize,
}

impl EntropyPool {
    fn fill(&mut self, buffer: &mut [u8]) {
        if buffer.len() > self.left {
            fill_from_system(&mut self.bytes);
            self.left = POOL_BYTES;
        }
        let rest = self.left - buffer.len();
        let given = &mut self.bytes[rest..self.left];
        buffer.copy_from_slice(given);
        // What was given out may be a secret by now.
        given.fill(0);
        self.left = rest;
    }
}

impl Entropy for SystemEntropy {
    fn fill(&self, buffer: &mut [u8]) {
        match buffer.len() <= POOL_BYTES {
            true => POOL.with_borrow_mut(|pool| pool.fill(buffer)),
            false => fill_from_system(buffer),
        }
    }
}

fn fill_from_system(buffer: &mut [u8]) {
    // The operating system's generator cannot fail on a system that could start this program.
    #[expect(clippy::expect_used)]
    getrandom::fill(buffer).expect("the system has randomness");
}

/// Time and randomness together: what makes ids, changes and secrets.
#[derive(Clone)]
pub struct Env {
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
    last_tick: Arc<AtomicI64>,
    /// What the followed clock shows more than the monotonic one, in milliseconds.
    followed: Arc<AtomicI64>,
}

/// Ids made in one millisecond are told apart by a counter of so many values, so that ids sort in the order in which
/// they were made.
const TICKS_PER_MILLISECOND: i64 = 4096;
/// The counter may run ahead of the clock by this much; beyond it, the clock was set back and counts again.
const MAX_AHEAD_MILLIS: i64 = 1000;

/// No clock is followed.
const FOLLOWS_NOBODY: i64 = i64::MIN;

macro_rules! define_new_id {
    ($($name:ident -> $id:ident),+ $(,)?) => {
        $(
            #[doc = concat!("A new [`", stringify!($id), "`].")]
            pub fn $name(&self) -> $id {
                let (at, random) = self.id_parts();
                $id::new(at, random)
            }
        )+
    };
}

impl Env {
    /// A source of this clock and this randomness.
    pub fn new(clock: Arc<dyn Clock>, entropy: Arc<dyn Entropy>) -> Self {
        Self {
            clock,
            entropy,
            last_tick: Arc::default(),
            followed: Arc::new(AtomicI64::new(FOLLOWS_NOBODY)),
        }
    }

    /// The machine's own.
    pub fn system() -> Self {
        Self::new(Arc::new(SystemClock), Arc::new(SystemEntropy))
    }

    /// The time: the wall clock's, or that of the clock that is followed.
    pub fn now(&self) -> Timestamp {
        match self.followed.load(Ordering::Acquire) {
            FOLLOWS_NOBODY => self.clock.now(),
            ahead => Timestamp::from_millis(self.monotonic_millis().saturating_add(ahead)),
        }
    }

    /// The machine's own wall clock's time, whatever is followed.
    pub fn wall_now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Whether another clock is followed.
    pub fn follows(&self) -> bool {
        self.followed.load(Ordering::Acquire) != FOLLOWS_NOBODY
    }

    /// From here on the time is that of another clock, which shows this now: the one that all nodes go by. In between it goes
    /// on with the monotonic clock, so that nothing that is done to the wall clock matters.
    pub fn follow(&self, shown: Timestamp) {
        let ahead = shown.as_millis().saturating_sub(self.monotonic_millis());
        self.followed.store(ahead, Ordering::Release);
    }

    /// Milliseconds since some fixed point, untouched by changes of the wall clock.
    pub fn monotonic_millis(&self) -> i64 {
        self.clock.monotonic_millis()
    }

    /// So many random bytes.
    pub fn random<const LENGTH: usize>(&self) -> [u8; LENGTH] {
        let mut bytes = [0; LENGTH];
        self.entropy.fill(&mut bytes);
        bytes
    }

    /// A time and bits for an id that sorts behind every id made before.
    fn id_parts(&self) -> (Timestamp, [u8; 10]) {
        let now = self.now().as_millis() * TICKS_PER_MILLISECOND;
        let next = |last: i64| {
            let is_set_back = last - now > MAX_AHEAD_MILLIS * TICKS_PER_MILLISECOND;
            if is_set_back { now } else { now.max(last + 1) }
        };
        let last = self
            .last_tick
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, |last| Some(next(last)));
        let tick = next(last.unwrap_or(now));
        let mut random: [u8; 10] = self.random();
        let [.., high, low] = (tick % TICKS_PER_MILLISECOND).to_be_bytes();
        (random[0], random[1]) = (high, low);
        (Timestamp::from_millis(tick / TICKS_PER_MILLISECOND), random)
    }

    /// A random share, at least 0 and below 1.
    pub fn random_share(&self) -> f64 {
        f64::from(u32::from_le_bytes(self.random())) / (f64::from(u32::MAX) + 1.0)
    }

    /// A change that somebody makes now.
    pub fn change(&self, actor: Actor) -> Change {
        Change {
            actor,
            at: self.now(),
            audit_id: self.new_audit_id(),
        }
    }

    define_new_id! {
        new_incident_id -> IncidentId,
        new_event_id -> EventId,
        new_webhook_id -> WebhookId,
        new_attempt_id -> AttemptId,
        new_service_id -> ServiceId,
        new_user_id -> UserId,
        new_policy_id -> PolicyId,
        new_key_id -> KeyId,
        new_audit_id -> AuditId,
        new_session_id -> SessionId,
        new_passkey_id -> PasskeyId,
        new_inbox_id -> InboxId,
        new_inbox_request_id -> InboxRequestId,
        new_receiver_link_id -> ReceiverLinkId,
        new_source_id -> SourceId,
        new_source_request_id -> SourceRequestId,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_random_byte_is_given_twice_and_large_portions_are_filled_too() {
        let portions = [1, 16, POOL_BYTES - 17, 16, POOL_BYTES, 3 * POOL_BYTES].map(|length| {
            let mut portion = vec![0; length];
            SystemEntropy.fill(&mut portion);
            portion
        });
        let all = portions.concat();
        let mut blocks: Vec<_> = all.windows(16).collect();
        let count = blocks.len();
        blocks.sort_unstable();
        blocks.dedup();
        assert_eq!(blocks.len(), count);
    }

    struct StandingClock(AtomicI64);

    impl Clock for StandingClock {
        fn now(&self) -> Timestamp {
            Timestamp::from_millis(self.0.load(Ordering::SeqCst))
        }

        fn monotonic_millis(&self) -> i64 {
            0
        }
    }

    #[test]
    fn ids_sort_in_the_order_in_which_they_were_made_even_within_a_millisecond() {
        let clock = Arc::new(StandingClock(AtomicI64::new(1_767_614_400_000)));
        let source = Env::new(clock, Arc::new(SystemEntropy));
        let ids: Vec<_> = (0..10_000).map(|_| source.new_incident_id()).collect();
        assert!(ids.is_sorted());
    }

    #[test]
    fn after_the_clock_is_set_back_ids_carry_its_time_again() {
        let clock = Arc::new(StandingClock(AtomicI64::new(1_767_614_400_000)));
        let source = Env::new(Arc::clone(&clock) as Arc<dyn Clock>, Arc::new(SystemEntropy));
        let before = source.new_incident_id();
        clock.0.fetch_sub(3_600_000, Ordering::SeqCst);
        assert!(source.new_incident_id() < before);
    }

    #[test]
    fn whoever_follows_a_clock_does_not_see_what_is_done_to_the_wall_clock() {
        let clock = Arc::new(StandingClock(AtomicI64::new(1_767_614_400_000)));
        let source = Env::new(Arc::clone(&clock) as Arc<dyn Clock>, Arc::new(SystemEntropy));
        let shown = Timestamp::from_millis(1_767_614_400_000 - 600_000);
        let other = source.clone();
        other.follow(shown);
        assert_eq!(other.now(), shown);
        assert_eq!(source.now(), shown);
        clock.0.fetch_add(3_600_000, Ordering::SeqCst);
        assert_eq!(source.now(), shown);
        assert_eq!(source.wall_now(), Timestamp::from_millis(1_767_618_000_000));
    }
}
