//! Budgets that hold wherever in a fleet somebody spends them: how often a person, an address or a key may do something. A
//! row says when a budget is full again; one that is full needs no row. What rows become is decided here.

use std::collections::BTreeMap;
use std::time::Duration;

use async_trait::async_trait;
use limit::pace::{Pace, Spent};

use crate::StoreResult;
use model::digest::sha256;
use model::time::Timestamp;

/// How many bursts what was taken without asking may exceed a budget by, and how far ahead another node's clock counts.
const MAX_BURSTS: u32 = 10;

/// How many rows of full budgets are removed with each change: more than it adds, so that they cannot pile up.
pub const REMOVED_AT_ONCE: u32 = 20;

/// One budget of one subject.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Budget {
    /// A hash, since rows need not say who it is.
    pub subject: [u8; 32],
    /// How fast it fills, and how much it holds.
    pub pace: Pace,
}

impl Budget {
    /// The budget of this name that somebody has.
    pub fn new(name: &str, of: &str, pace: impl Into<Pace>) -> Self {
        Self {
            subject: sha256([name.as_bytes(), b"\n", of.as_bytes()]),
            pace: pace.into(),
        }
    }
}

/// What was taken out of a budget without asking.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Taken {
    pub budget: Budget,
    pub count: u32,
}

/// Budgets, each of another subject wherever several are named.
#[async_trait]
pub trait Budgets: Send + Sync {
    /// Takes one out of each budget. If one of them is spent, takes nothing and says how long to wait.
    async fn spend(&self, budgets: Vec<Budget>, now: Timestamp) -> StoreResult<Option<Duration>>;

    /// Puts back what was taken for nothing.
    async fn give_back(&self, budgets: Vec<Budget>, now: Timestamp) -> StoreResult<()>;

    /// Counts what was taken since a time; says for each budget, in their order, how long it takes to be full again.
    async fn add(&self, taken: Vec<Taken>, since: Timestamp, now: Timestamp) -> StoreResult<Vec<Duration>>;
}

/// When budgets are full again, in microseconds since the epoch, as rows say it. In the order in which rows are locked.
pub type FullAt = BTreeMap<[u8; 32], i64>;

/// The rows after one was taken out of each budget; or how long to wait.
pub fn spend(rows: &FullAt, budgets: &[Budget], now: Timestamp) -> Result<FullAt, Duration> {
    let now_us = micros(now);
    let wait_us = budgets.iter().filter_map(|budget| {
        let until_us = budget
            .pace
            .blocked_until_us(spent_of(rows, budget, 1, now_us), now_us);
        until_us.map(|until_us| until_us - now_us)
    });
    if let Some(wait_us) = wait_us.max() {
        return Err(duration(wait_us));
    }
    let spend = |budget: &Budget| {
        let spent = spent_of(rows, budget, 1, now_us);
        (budget.subject, budget.pace.spend(spent, now_us).full_at_us())
    };
    Ok(budgets.iter().map(spend).collect())
}

/// The rows after one was put back into each budget.
pub fn give_back(rows: &FullAt, budgets: &[Budget], now: Timestamp) -> FullAt {
    let give_back = |budget: &Budget| {
        let spent = spent_of(rows, budget, 1, micros(now));
        (budget.subject, budget.pace.give_back(spent).full_at_us())
    };
    budgets.iter().map(give_back).collect()
}

/// The rows after this was taken, and how long each budget takes to be full again.
pub fn add(rows: &FullAt, taken: &[Taken], since: Timestamp, now: Timestamp) -> (FullAt, Vec<Duration>) {
    let (since_us, now_us) = (micros(since), micros(now));
    let full_at = |taken: &Taken| {
        let pace = taken.budget.pace;
        let spent = spent_of(rows, &taken.budget, MAX_BURSTS, now_us);
        let spent = pace.add(spent, taken.count, since_us.min(now_us));
        pace.within(spent, MAX_BURSTS, now_us).full_at_us()
    };
    let full_at: Vec<i64> = taken.iter().map(full_at).collect();
    let waits = full_at
        .iter()
        .map(|full_at_us| duration(full_at_us - now_us))
        .collect();
    let subjects = taken.iter().map(|taken| taken.budget.subject);
    (subjects.zip(full_at).collect(), waits)
}

/// Before when a budget must be full for its row to be removed: a clock that is late must still find it.
pub fn removable_before_us(now: Timestamp) -> i64 {
    micros(now.minus(Duration::from_secs(3600)))
}

fn spent_of(rows: &FullAt, budget: &Budget, bursts: u32, now_us: i64) -> Spent {
    let full_at_us = rows.get(&budget.subject).copied().unwrap_or_default();
    let spent = Spent::from_full_at_us(full_at_us);
    budget.pace.within(spent, bursts, now_us)
}

fn micros(at: Timestamp) -> i64 {
    at.as_millis().saturating_mul(1000)
}

fn duration(micros: i64) -> Duration {
    Duration::from_micros(u64::try_from(micros).unwrap_or(0))
}
