//! A simulation of the engine: the real dispatcher, recorder, poller, timers and SQLite store, all of them tasks in one runtime
//! whose time is simulated; receivers and platforms that answer without sockets; and a script of what users, receivers and
//! the machine do, made from a seed. The rules of the contract are checked after each action.
//!
//! A fresh seed each run. One that fails is printed with the command that replays it, and with a script made short, to be kept
//! in `regressions/`. `SIMULATION_SECONDS` or `SIMULATION_HOURS` (simulated ones, on all cores) say how long it is looked.

// Clippy's exception for tests covers test functions only, not what they call.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout)]

mod action;
mod alerts;
mod behaviour;
mod chance;
mod checks;
mod disk;
mod expectation;
mod lockstep;
mod node;
mod outages;
mod performing;
mod receivers;
mod search;
mod webhook;
mod world;

use std::path::Path;
use std::time::{Duration, Instant};

use search::{Budget, Scenario, number, search};

/// How long it is looked, unless one says otherwise.
const SECONDS: u64 = 20;

#[test]
fn a_seed_repeats_a_run_step_by_step() {
    let trace = |seed| Scenario::of_seed(seed).play().trace();
    let first = trace(1);
    assert_eq!(first, trace(1));
    assert_ne!(first, trace(2));
}

#[test]
fn what_was_found_before_is_not_found_again() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/simulation/regressions");
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "json") {
            continue;
        }
        let text = std::fs::read_to_string(&path).unwrap();
        let scenario: Scenario = serde_json::from_str(&text).unwrap();
        let failure = scenario.failure();
        assert_eq!(failure, None, "{}", path.display());
    }
}

#[test]
fn nothing_is_lost_reordered_or_repeated_whatever_happens() {
    if let Some(seed) = number("SIMULATION_SEED") {
        return replay(seed);
    }
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let began = Instant::now();
    let tried = match number("SIMULATION_HOURS") {
        Some(hours) => search(Budget::SimulatedHours(hours), threads),
        None => {
            let seconds = number("SIMULATION_SECONDS").unwrap_or(SECONDS);
            search(Budget::Time(Duration::from_secs(seconds)), threads)
        }
    };
    println!("in {:.1} s: {tried:?}", began.elapsed().as_secs_f64());
    if let Some(seed) = tried.failed.first() {
        replay(*seed);
    }
}

/// Says what a seed breaks and how to repeat it, with a script that is as short as it gets.
fn replay(seed: u64) {
    println!(
        "to repeat: SIMULATION_SEED={seed} cargo test -p opsknight-engine --test simulation nothing_is_lost"
    );
    let scenario = Scenario::of_seed(seed);
    let Some(failure) = scenario.failure() else {
        return println!("seed {seed} breaks no rule");
    };
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| ()));
    let shrunk = scenario.shrunk(&failure);
    std::panic::set_hook(hook);
    let script = serde_json::to_string_pretty(&shrunk).unwrap();
    println!("to keep in regressions/:\n{script}");
    panic!("seed {seed}: {failure}");
}
