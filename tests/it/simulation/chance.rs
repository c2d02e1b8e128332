//! Everything in a simulation that would otherwise differ from run to run: random numbers, random bytes, the clock.

use std::sync::Mutex;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use clock::{Clock, Entropy};
use model::time::Timestamp;

/// A seeded generator (splitmix64).
pub struct Rng(u64);

impl Rng {
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x2545_f491_4f6c_dd1d))
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number from 0 to `bound` - 1.
    pub fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() % bound as u64).unwrap()
    }

    pub fn one_in(&mut self, count: usize) -> bool {
        self.below(count) == 0
    }

    /// Milliseconds up to a number of seconds.
    pub fn millis_up_to(&mut self, seconds: usize) -> Duration {
        Duration::from_millis(self.below(seconds * 1000 + 1) as u64)
    }

    pub fn pick<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len())]
    }
}

/// Random bytes that nobody needs to be surprised by.
pub struct SeededEntropy(Mutex<Rng>);

impl SeededEntropy {
    pub fn new(seed: u64) -> Self {
        Self(Mutex::new(Rng::new(!seed)))
    }
}

impl Entropy for SeededEntropy {
    fn fill(&self, buffer: &mut [u8]) {
        let mut rng = self.0.lock().unwrap();
        for byte in buffer {
            *byte = u8::try_from(rng.below(256)).unwrap();
        }
    }
}

/// A clock that stands still until it is moved.
pub struct HandClock {
    wall_millis: AtomicI64,
    monotonic_millis: AtomicI64,
}

impl HandClock {
    pub fn new() -> Self {
        Self {
            wall_millis: AtomicI64::new(1_705_314_600_000),
            monotonic_millis: AtomicI64::new(0),
        }
    }

    /// Time passes.
    pub fn advance(&self, by: Duration) {
        let millis = i64::try_from(by.as_millis()).unwrap();
        self.wall_millis.fetch_add(millis, Ordering::SeqCst);
        self.monotonic_millis.fetch_add(millis, Ordering::SeqCst);
    }

    /// Somebody sets the wall clock.
    pub fn jump(&self, by_millis: i64) {
        self.wall_millis.fetch_add(by_millis, Ordering::SeqCst);
    }
}

impl Clock for HandClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.wall_millis.load(Ordering::SeqCst))
    }

    fn monotonic_millis(&self) -> i64 {
        self.monotonic_millis.load(Ordering::SeqCst)
    }
}
