//! Random numbers that a seed repeats.

/// A splitmix64 generator.
pub struct Seeded(u64);

impl Seeded {
    /// Repeats the numbers of this seed.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// Seeded by `CHECK_SEED`, or by the time; prints how to repeat the test.
    #[allow(
        clippy::print_stdout,
        reason = "a failing test is repeated with what is printed here"
    )]
    pub fn from_environment(test: &str) -> Self {
        let given = std::env::var("CHECK_SEED")
            .ok()
            .and_then(|text| text.parse().ok());
        let seed = given.unwrap_or_else(|| u64::from(std::process::id()) << 32 | u64::from(nanoseconds()));
        println!("to repeat: CHECK_SEED={seed} cargo test --test it {test}");
        Self(seed)
    }

    /// The next number.
    pub fn next_u64(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// A number below a bound.
    pub fn below(&mut self, bound: u64) -> u64 {
        self.next_u64() % bound
    }
}

#[allow(clippy::disallowed_methods)]
fn nanoseconds() -> u32 {
    std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap_or_default()
        .subsec_nanos()
}
