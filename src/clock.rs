//! The only reader of time and randomness. Everything else takes them as arguments, so that tests decide both.

use std::sync::Arc;

use crate::model::audit::{Actor, Change};
use crate::model::id::{
    AttemptId, AuditId, EventId, IncidentId, KeyId, PolicyId, ServiceId, UserId, WebhookId,
};
use crate::model::time::Timestamp;

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
pub struct SystemClock {
    started: std::time::Instant,
}

impl SystemClock {
    /// A clock that counts monotonic time from now.
    pub fn new() -> Self {
        Self {
            started: std::time::Instant::now(),
        }
    }
}

impl Default for SystemClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        #[expect(clippy::disallowed_methods, reason = "this is the one reader of time")]
        let now = std::time::SystemTime::now();
        let since_epoch = now.duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        Timestamp::EPOCH.plus(since_epoch)
    }

    fn monotonic_millis(&self) -> i64 {
        i64::try_from(self.started.elapsed().as_millis()).unwrap_or(i64::MAX)
    }
}

/// The operating system's random generator.
pub struct SystemEntropy;

impl Entropy for SystemEntropy {
    fn fill(&self, buffer: &mut [u8]) {
        // The operating system's generator cannot fail on a system that could start this program.
        #[expect(clippy::expect_used)]
        getrandom::fill(buffer).expect("the system has randomness");
    }
}

/// Time and randomness together: what makes ids, changes and secrets.
#[derive(Clone)]
pub struct Source {
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
}

macro_rules! define_new_id {
    ($($name:ident -> $id:ident),+ $(,)?) => {
        $(
            #[doc = concat!("A new [`", stringify!($id), "`].")]
            pub fn $name(&self) -> $id {
                $id::new(self.now(), self.random())
            }
        )+
    };
}

impl Source {
    /// A source of this clock and this randomness.
    pub fn new(clock: Arc<dyn Clock>, entropy: Arc<dyn Entropy>) -> Self {
        Self { clock, entropy }
    }

    /// The machine's own.
    pub fn system() -> Self {
        Self::new(Arc::new(SystemClock::new()), Arc::new(SystemEntropy))
    }

    /// The wall clock's time.
    pub fn now(&self) -> Timestamp {
        self.clock.now()
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
    }
}
