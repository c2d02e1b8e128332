//! Many durations in three numbers.

use serde::Serialize;

/// Percentiles, in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Latency {
    /// Half take no longer.
    pub p50_ms: f64,
    /// 99 in 100 take no longer.
    pub p99_ms: f64,
    /// None takes longer.
    pub max_ms: f64,
}

impl Latency {
    /// The percentiles of these, given in nanoseconds; zero if there is none.
    pub fn new(mut nanos: Vec<u64>) -> Self {
        nanos.sort_unstable();
        Self {
            p50_ms: percentile_ms(&nanos, 50),
            p99_ms: percentile_ms(&nanos, 99),
            max_ms: percentile_ms(&nanos, 100),
        }
    }
}

/// The nearest-rank percentile.
fn percentile_ms(sorted_nanos: &[u64], percent: usize) -> f64 {
    let rank = (sorted_nanos.len() * percent).div_ceil(100);
    let nanos = sorted_nanos.get(rank.saturating_sub(1)).copied().unwrap_or(0);
    nanos as f64 / 1e6
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_those_of_the_nearest_rank() {
        let latency = Latency::new((1..=200).rev().map(|ms| ms * 1_000_000).collect());
        let expected = Latency {
            p50_ms: 100.0,
            p99_ms: 198.0,
            max_ms: 200.0,
        };
        assert_eq!(latency, expected);
    }

    #[test]
    fn nothing_measured_is_zero() {
        assert_eq!(Latency::new(Vec::new()).max_ms, 0.0);
    }
}
