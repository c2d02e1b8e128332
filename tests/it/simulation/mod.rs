//! A seeded simulation: the real store, the real board and the real decisions, with a clock moved by hand, receivers
//! that misbehave, and crashes between any two steps. Every rule of the contract about deliveries is checked throughout.
//!
//! A failing seed is printed with the command that replays it. `CHECK_LONG=1` tries many more.

mod actions;
mod chance;
mod checks;
mod expectation;
mod node;
mod receiver;
mod world;

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::time::Duration;

use model::audit::Actor;
use model::escalation::{EscalationPolicy, EscalationStep};
use model::service::Service;
use model::webhook::WebhookState;

use expectation::State;
use receiver::Behaviour;
use world::World;

const SEEDS: u64 = 3;
const LONG_SEEDS: u64 = 200;
const STEPS: u32 = 8_000;
const STEPS_BETWEEN_CHECKS: u32 = 1_000;
/// After all faults end, everything open is delivered or dead within this time.
const HEALING: Duration = Duration::from_secs(12 * 3600);

impl World {
    fn step(&mut self) {
        if self.node.effects.is_empty() {
            self.idle();
        } else {
            match self.rng.below(16) {
                0 => self.act(),
                1..=2 => self.pass_time(Duration::from_millis(5)),
                _ => self.run_errand(),
            }
        }
        self.look();
    }

    /// Nothing is under way but requests: they end, and something happens now and then, mostly after a while.
    fn idle(&mut self) {
        let is_quiet = self.node.flights.is_empty();
        if self.rng.one_in(if is_quiet { 4 } else { 6 }) {
            self.act();
        } else {
            let longest = self.rng.pick(&[1, 600, 24 * 3600, 72 * 3600]);
            let pause = self.rng.millis_up_to(longest);
            self.pass_time(pause);
        }
    }

    /// Makes the catalog that incidents refer to.
    fn furnish(&mut self) {
        let step = |wait_minutes| EscalationStep {
            wait_minutes,
            assignee: None,
        };
        let policy = EscalationPolicy {
            id: self.source.new_policy_id(),
            name: "night".into(),
            steps: vec![step(5), step(90)],
            created_at: self.source.now(),
        };
        let service = |name: &str, policy_id| Service {
            id: self.source.new_service_id(),
            name: name.into(),
            description: None,
            policy_id,
            created_at: self.source.now(),
        };
        let services = [service("api", Some(policy.id)), service("shop", None)];
        let change = || self.source.change(Actor::System);
        self.run(async |store| {
            store.policies.create(policy, change()).await.unwrap();
            for service in services {
                store.services.create(service, change()).await.unwrap();
            }
        });
        (0..3).for_each(|_| self.create_webhook());
    }

    /// All faults end; then nothing may stay open.
    fn heal(&mut self) {
        self.behaviours
            .values_mut()
            .for_each(|behaviour| *behaviour = Behaviour::Healthy);
        let living = |id: &_| !self.expectation.subscribers[id].is_deleted;
        let ids: Vec<_> = self.behaviours.keys().copied().filter(living).collect();
        for id in ids {
            self.set_state(id, WebhookState::Enabled);
        }
        let healed_at = self.monotonic();
        let until = healed_at + i64::try_from(HEALING.as_millis()).unwrap();
        loop {
            let open = self.open_deliveries();
            if open.is_empty() {
                return;
            }
            assert!(self.monotonic() < until, "still open: {open:?}");
            self.look();
            if self.node.effects.is_empty() {
                self.pass_time(Duration::from_secs(60));
            } else {
                self.run_errand();
            }
        }
    }

    /// What is open although nothing holds it: a last 410 may still have disabled a webhook.
    fn open_deliveries(&self) -> Vec<String> {
        let subscribers = &self.expectation.subscribers;
        let is_held = |id| !subscribers[id].is_deleted && !subscribers[id].webhook.is_enabled();
        let all = self.expectation.deliveries.iter();
        all.filter(|((id, _), expected)| expected.state == State::Open && !is_held(id))
            .take(5)
            .map(|(key, expected)| format!("{key:?} {expected:?}"))
            .collect()
    }
}

#[expect(
    clippy::print_stdout,
    reason = "shown when a seed fails, and with --nocapture"
)]
fn simulate(seed: u64) {
    let mut world = World::new(seed);
    world.furnish();
    for step in 1..=STEPS {
        world.step();
        if step % STEPS_BETWEEN_CHECKS == 0 {
            world.check();
        }
    }
    world.heal();
    world.check();
    println!(
        "seed {seed}: {} simulated hours, {} events, {} attempts, {} repeats, {} crashes",
        world.monotonic() / 3_600_000,
        world.expectation.events.len(),
        world.expectation.attempts,
        world.expectation.repeats,
        world.crashes,
    );
}

#[test]
fn nothing_is_lost_reordered_or_repeated_whatever_happens() {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse().ok());
    let seeds = match (number("CHECK_SEED"), number("CHECK_LONG")) {
        (Some(seed), _) => seed..=seed,
        (None, Some(1)) => 1..=LONG_SEEDS,
        (None, _) => 1..=SEEDS,
    };
    for seed in seeds {
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| simulate(seed))) {
            println!("replay this failure: CHECK_SEED={seed} cargo test --test it simulation");
            resume_unwind(panic);
        }
    }
}
