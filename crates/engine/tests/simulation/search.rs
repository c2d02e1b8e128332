//! Looks for scripts that break a rule: from fresh seeds, for as long as it is told, and makes those that it finds short.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::{Duration, Instant};

use clock::{Entropy as _, SystemEntropy};
use serde::{Deserialize, Serialize};

use super::action::{Action, script};
use super::chance::lock;
use super::world::World;

/// How many actions a seed's script has.
pub const ACTIONS: usize = 400;
/// How long a found script is made shorter, unless one says otherwise.
const SHRINK_SECONDS: u64 = 120;
/// A seed that takes longer never ends: others take some ten seconds on a busy machine.
const LONGEST_SEED: Duration = Duration::from_secs(300);
/// How often that is looked at.
const LOOK_INTERVAL: Duration = Duration::from_millis(100);

/// A script with the seed of all that is left to chance beside it: what a file in `regressions/` holds.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Scenario {
    pub seed: u64,
    pub actions: Vec<Action>,
}

impl Scenario {
    pub fn of_seed(seed: u64) -> Self {
        Self {
            seed,
            actions: script(seed, ACTIONS),
        }
    }

    /// Plays it to its end, and has everything heal.
    pub fn play(&self) -> World {
        let is_told = std::env::var_os("SIMULATION_TRACE").is_some();
        let mut world = World::new(self.seed);
        for (number, action) in self.actions.iter().enumerate() {
            if is_told {
                let (now_ms, trace) = (world.monotonic_ms(), world.trace());
                println!("{now_ms} ms, trace {trace:016x}, action {number}: {action:?}");
            }
            world.perform(*action);
        }
        world.heal();
        world
    }

    /// The sentence of the rule that it breaks, if it breaks one.
    pub fn failure(&self) -> Option<String> {
        let played = catch_unwind(AssertUnwindSafe(|| drop(self.play())));
        let panic = played.err()?;
        let text = panic.downcast_ref::<String>().map(String::as_str);
        let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
        Some(text.unwrap_or("a panic without words").to_owned())
    }

    /// The same without what it does not take to break the same rule.
    pub fn shrunk(mut self, failure: &str) -> Self {
        let seconds = number("SIMULATION_SHRINK_SECONDS").unwrap_or(SHRINK_SECONDS);
        let until = Instant::now() + Duration::from_secs(seconds);
        let mut chunk = self.actions.len() / 2;
        while chunk > 0 {
            let mut start = 0;
            let mut was_cut = false;
            while start < self.actions.len() && Instant::now() < until {
                let mut shorter = self.clone();
                let end = (start + chunk).min(self.actions.len());
                shorter.actions.drain(start..end);
                if shorter
                    .failure()
                    .is_some_and(|other| rule(&other) == rule(failure))
                {
                    self = shorter;
                    was_cut = true;
                } else {
                    start = end;
                }
            }
            chunk = match was_cut && chunk == 1 {
                true => 1,
                false => chunk / 2,
            };
            if Instant::now() >= until {
                break;
            }
        }
        self
    }
}

/// A sentence without its names and numbers.
fn rule(sentence: &str) -> String {
    let words = sentence.lines().next().unwrap_or_default().split(' ');
    let words = words.filter(|word| !word.contains(|letter: char| letter.is_ascii_digit() || letter == '_'));
    words.collect::<Vec<_>>().join(" ")
}

/// Until when it is looked for.
#[derive(Debug, Clone, Copy)]
pub enum Budget {
    /// For so long.
    Time(Duration),
    /// Until so much time has passed in the simulation.
    SimulatedHours(u64),
}

/// What was looked at.
#[derive(Debug, Default)]
pub struct Tried {
    pub seeds: u64,
    pub hours: u64,
    pub events: usize,
    pub requests: u64,
    pub repeats: u64,
    pub runs: i64,
    pub failed: Vec<u64>,
}

/// Plays fresh seeds on so many threads until the budget is spent or one fails.
pub fn search(budget: Budget, threads: usize) -> Tried {
    let began = Instant::now();
    let tried = Mutex::new(Tried::default());
    let goes_on = || {
        let tried = lock(&tried);
        let is_left = match budget {
            Budget::Time(time) => began.elapsed() < time,
            Budget::SimulatedHours(hours) => tried.hours < hours,
        };
        is_left && tried.failed.is_empty()
    };
    // What each thread plays, and since when; nothing once it has ended.
    let playing: Vec<_> = (0..threads)
        .map(|_| Mutex::new(Some((0, Instant::now()))))
        .collect();
    // Closed as soon as all have ended.
    let (working, all_ended) = mpsc::channel::<()>();
    let (goes_on, all_tried) = (&goes_on, &tried);
    std::thread::scope(|scope| {
        for mine in &playing {
            let working = working.clone();
            scope.spawn(move || {
                while goes_on() {
                    let seed = fresh_seed();
                    *lock(mine) = Some((seed, Instant::now()));
                    let played = catch_unwind(|| Scenario::of_seed(seed).play());
                    let mut tried = lock(all_tried);
                    tried.seeds += 1;
                    match played {
                        Ok(world) => tried.add(&world),
                        Err(_) => tried.failed.push(seed),
                    }
                }
                *lock(mine) = None;
                drop(working);
            });
        }
        drop(working);
        while all_ended.recv_timeout(LOOK_INTERVAL) == Err(RecvTimeoutError::Timeout) {
            let now = playing.iter().filter_map(|one| *lock(one));
            now.reduce(earlier).into_iter().for_each(end_if_endless);
        }
    });
    tried.into_inner().unwrap()
}

/// Which of two seeds began earlier.
fn earlier(one: (u64, Instant), other: (u64, Instant)) -> (u64, Instant) {
    if one.1 <= other.1 { one } else { other }
}

/// A thread that never ends cannot be ended: the whole program is.
fn end_if_endless((seed, since): (u64, Instant)) {
    if since.elapsed() > LONGEST_SEED {
        println!("seed {seed} never ends: SIMULATION_TRACE=1 SIMULATION_SEED={seed} shows how far it comes");
        std::process::exit(1);
    }
}

impl Tried {
    fn add(&mut self, world: &World) {
        self.hours += u64::try_from(world.monotonic_ms()).unwrap() / 3_600_000;
        self.events += world.events.len();
        self.requests += world.receivers.trace().0;
        self.repeats += world.expectation.repeats;
        self.runs += world.runs;
    }
}

/// What one says of how it is searched.
pub fn number(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().expect("a number"))
}

fn fresh_seed() -> u64 {
    let mut bytes = [0; 4];
    SystemEntropy.fill(&mut bytes);
    u32::from_le_bytes(bytes).into()
}
