//! What would otherwise differ from run to run: random numbers, random bytes, time.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::time::Instant;

use clock::{Clock, Entropy};
use model::time::Timestamp;

/// 2026-01-05T12:00:00Z.
const START_MS: i64 = 1_767_614_400_000;

/// A seeded generator (splitmix64).
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x2545_f491_4f6c_dd1d))
    }

    pub fn next_u64(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number from 0 to `bound` - 1.
    pub fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next_u64() % bound as u64).unwrap()
    }

    pub fn one_in(&mut self, count: usize) -> bool {
        self.below(count) == 0
    }

    pub fn pick<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len())]
    }
}

/// Random bytes that nobody needs to be surprised by.
pub struct SeededEntropy(Mutex<Random>);

impl SeededEntropy {
    pub fn new(seed: u64) -> Self {
        Self(Mutex::new(Random::new(!seed)))
    }
}

impl Entropy for SeededEntropy {
    fn fill(&self, buffer: &mut [u8]) {
        let mut random = lock(&self.0);
        for byte in buffer {
            *byte = u8::try_from(random.below(256)).unwrap();
        }
    }
}

/// The clock of the simulated machine. It goes on with the paused time of the runtime, and beyond it while the machine is
/// suspended: then no task runs, and all that became due is late.
pub struct SimulatedClock(Mutex<Times>);

struct Times {
    /// When the present run began, in the runtime's time.
    began: Option<Instant>,
    before_ms: i64,
    last_ms: i64,
    /// What the wall clock shows more than the monotonic one.
    wall_ahead_ms: i64,
}

impl SimulatedClock {
    pub fn new() -> Self {
        Self(Mutex::new(Times {
            began: None,
            before_ms: 0,
            last_ms: 0,
            wall_ahead_ms: START_MS,
        }))
    }

    /// A run begins, in the runtime that this is called in.
    pub fn begin(&self) {
        lock(&self.0).began = Some(Instant::now());
    }

    /// The run is over.
    pub fn end(&self) {
        let mut times = lock(&self.0);
        times.began = None;
        times.before_ms = times.last_ms;
    }

    /// The machine is suspended for a while.
    pub fn suspend(&self, time: Duration) {
        let mut times = lock(&self.0);
        let ms = i64::try_from(time.as_millis()).unwrap();
        times.before_ms += ms;
        times.last_ms += ms;
    }

    /// Somebody sets the wall clock.
    pub fn jump(&self, by_ms: i64) {
        lock(&self.0).wall_ahead_ms += by_ms;
    }
}

impl Clock for SimulatedClock {
    fn now(&self) -> Timestamp {
        let monotonic_ms = self.monotonic_millis();
        Timestamp::from_millis(monotonic_ms + lock(&self.0).wall_ahead_ms)
    }

    fn monotonic_millis(&self) -> i64 {
        let mut times = lock(&self.0);
        // Outside of the runtime its time stands still.
        if let (Some(began), Ok(_)) = (times.began, Handle::try_current()) {
            let passed = i64::try_from(Instant::now().duration_since(began).as_millis()).unwrap();
            times.last_ms = times.before_ms + passed;
        }
        times.last_ms
    }
}

/// What a thread that panicked left behind is looked at all the same.
pub fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
