//! What holds on the scheduler for every sequence of happenings: room never leaks, runs are fair, nothing is forgotten.
//! A store of plain rows stands in for the real one.

use proptest::prelude::*;

use super::tests::{at, board_of, delivery, enabled, webhook};
use super::*;
use destination::joint::{AlonePace, JointLimits};
use model::exchange::FailureCode;
use model::id::DeliveryId;

/// Small enough that every bound is met often.
const LIMITS: SchedulerLimits = SchedulerLimits {
    max_in_flight: 5,
    max_ready: 12,
    max_unrecorded: 7,
};
const WEBHOOKS: u8 = 4;
const DELIVERIES: u32 = 60;
const MAX_STEPS: u32 = 60_000;

/// The third webhook's deliveries wait for each other, the fourth's leave alone while that is not too fast.
fn joint(webhook_id: WebhookId) -> Option<JointLimits> {
    let waiting = JointLimits {
        max_count: 4,
        max_bytes: 1_000,
        max_wait: Duration::from_millis(40),
        alone: None,
    };
    let pace = AlonePace {
        interval: Duration::from_secs(5),
        burst: 3,
    };
    let paced = JointLimits {
        max_count: 6,
        max_wait: Duration::ZERO,
        alone: Some(pace),
        ..waiting
    };
    [(webhook(3), waiting), (webhook(4), paced)]
        .into_iter()
        .find_map(|(id, limits)| (id == webhook_id).then_some(limits))
}

/// A generator of the simplest kind (splitmix64): proptest gives the seed.
struct Rng(u64);

impl Rng {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((mixed >> 33) % sides as u64).unwrap()
    }

    fn webhook(&mut self) -> WebhookId {
        webhook(u8::try_from(self.roll(WEBHOOKS.into())).unwrap() + 1)
    }

    fn signal(&mut self) -> HealthSignal {
        match self.roll(8) {
            0 => HealthSignal::Failed(FailureCode::ServerError),
            1 => HealthSignal::Failed(FailureCode::ConnectRefused),
            2 => HealthSignal::Neutral,
            3 if self.roll(4) == 0 => HealthSignal::Refused {
                code: FailureCode::SettingsRefused,
                detail: "no such channel".into(),
            },
            _ => HealthSignal::Succeeded,
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Row {
    Unborn,
    Due(Timestamp),
    Claimed,
    Done,
}

/// The scheduler, a store of rows, and everything that is under way between them.
struct World {
    scheduler: Scheduler,
    rng: Rng,
    now: Timestamp,
    rows: Vec<(WebhookId, Row)>,
    is_enabled: HashMap<WebhookId, bool>,
    reserved: Vec<u32>,
    in_flight: Vec<Vec<ClaimedDelivery>>,
    unrecorded: Vec<(ClaimedDelivery, HealthSignal)>,
    under_way: Vec<Errand>,
    next_look_at: Option<Timestamp>,
    has_faults: bool,
}

enum Errand {
    Claim(ClaimRequest),
    Release(DeliveryId),
    Load(WebhookId),
}

impl World {
    fn new(seed: u64) -> Self {
        let mut rng = Rng(seed);
        let rows = (0..DELIVERIES).map(|_| (rng.webhook(), Row::Unborn)).collect();
        Self {
            scheduler: Scheduler::new(LIMITS),
            rng,
            now: at(0),
            rows,
            is_enabled: (1..=WEBHOOKS).map(|number| (webhook(number), true)).collect(),
            reserved: Vec::new(),
            in_flight: Vec::new(),
            unrecorded: Vec::new(),
            under_way: Vec::new(),
            next_look_at: None,
            has_faults: true,
        }
    }

    fn step(&mut self) {
        match self.rng.roll(9) {
            0 => self.give_birth(),
            1 => self.commit_or_undo(),
            2 => self.end_attempt(),
            3 => self.record(),
            4..=6 => self.run_errand(),
            7 if self.has_faults => self.change_webhook(),
            _ => self.pass_time(),
        }
        self.look();
    }

    fn look(&mut self) {
        let effects = self.scheduler.tick(self.now);
        self.next_look_at = effects.next_tick_at;
        let alone = effects.start.into_iter().map(|delivery| vec![delivery]);
        for group in alone.chain(effects.start_together) {
            let webhook_id = group[0].webhook_id;
            let most = joint(webhook_id).map_or(1, |joint| joint.max_count);
            assert!(self.scheduler.webhooks[&webhook_id].in_flight <= 3);
            assert!(group.len() <= most && group.iter().all(|delivery| delivery.webhook_id == webhook_id));
            self.in_flight.push(group);
        }
        self.under_way
            .extend(effects.claim.into_iter().map(Errand::Claim));
        self.under_way.extend(effects.load.into_iter().map(Errand::Load));
        let releases = effects.release.into_iter().map(|(id, _)| Errand::Release(id));
        self.under_way.extend(releases);
        assert!(self.scheduler.in_flight <= LIMITS.max_in_flight);
        assert!(self.scheduler.unrecorded <= LIMITS.max_unrecorded);
        assert_eq!(self.scheduler.in_flight, self.in_flight.len());
        let entries = self.scheduler.webhooks.values();
        let ready: usize = entries.clone().map(|entry| entry.ready.len()).sum();
        let reserved: usize = entries.map(|entry| entry.reserved).sum();
        assert_eq!((self.scheduler.ready, self.scheduler.reserved), (ready, reserved));
        assert_eq!(reserved, self.reserved.len());
        let bound = LIMITS.max_ready + usize::from(WEBHOOKS) * OWN_SHARE;
        assert!(ready + reserved + self.scheduler.asked <= bound);
    }

    fn give_birth(&mut self) {
        let Some(index) = self.rows.iter().position(|(_, row)| *row == Row::Unborn) else {
            return;
        };
        let webhook_id = self.rows[index].0;
        if self.is_enabled[&webhook_id] && self.scheduler.reserve(webhook_id) {
            self.rows[index].1 = Row::Claimed;
            self.reserved.push(u32::try_from(index).unwrap());
        } else {
            self.rows[index].1 = Row::Due(self.now);
            self.scheduler.wake(webhook_id, self.now);
        }
    }

    fn commit_or_undo(&mut self) {
        if self.reserved.is_empty() {
            return;
        }
        let number = self.reserved.swap_remove(self.rng.roll(self.reserved.len()));
        let webhook_id = self.rows[number as usize].0;
        if self.rng.roll(4) == 0 {
            self.rows[number as usize].1 = Row::Unborn;
            self.scheduler.cancel(webhook_id);
        } else {
            self.scheduler.take(delivery(webhook_id, number));
        }
    }

    fn end_attempt(&mut self) {
        if self.in_flight.is_empty() {
            return;
        }
        let group = self.in_flight.swap_remove(self.rng.roll(self.in_flight.len()));
        let signal = self.rng.signal();
        self.scheduler
            .finished(group[0].webhook_id, signal.clone(), self.now);
        let ended = group.into_iter().map(|delivery| (delivery, signal.clone()));
        self.unrecorded.extend(ended);
    }

    fn record(&mut self) {
        let Some((delivery, signal)) = self.unrecorded.pop() else {
            return;
        };
        let row = &mut self.rows[usize::try_from(delivery.claim.0).unwrap()].1;
        assert_eq!(*row, Row::Claimed);
        *row = match signal {
            HealthSignal::Succeeded => Row::Done,
            HealthSignal::Failed(_) | HealthSignal::Refused { .. } | HealthSignal::Neutral => {
                Row::Due(self.now.plus(Duration::from_secs(60)))
            }
        };
        if let Row::Due(due_at) = *row {
            self.scheduler.wake(delivery.webhook_id, due_at);
        }
        self.scheduler.recorded(1);
    }

    fn run_errand(&mut self) {
        if self.under_way.is_empty() {
            return;
        }
        match self.under_way.swap_remove(self.rng.roll(self.under_way.len())) {
            Errand::Claim(request) => self.claim(request),
            Errand::Load(webhook_id) => {
                let limits = WebhookLimits {
                    is_enabled: self.is_enabled[&webhook_id],
                    joint: joint(webhook_id),
                    ..enabled(3)
                };
                self.scheduler.set_limits(webhook_id, limits, self.now);
            }
            Errand::Release(id) => {
                let number = (0..DELIVERIES).find(|number| self.delivery(*number).id == id);
                let row = &mut self.rows[number.unwrap() as usize];
                row.1 = Row::Due(self.now);
                self.scheduler.wake(row.0, self.now);
            }
        }
    }

    fn delivery(&self, number: u32) -> ClaimedDelivery {
        delivery(self.rows[number as usize].0, number)
    }

    fn claim(&mut self, request: ClaimRequest) {
        let webhook_id = request.webhook_id;
        if !self.is_enabled[&webhook_id] {
            return self.scheduler.claimed(webhook_id, Vec::new(), None);
        }
        let due = |row: &(WebhookId, Row)| match row {
            (id, Row::Due(due_at)) if *id == webhook_id => Some(*due_at),
            _ => None,
        };
        let mut claimed = Vec::new();
        for number in 0..DELIVERIES {
            let is_due = due(&self.rows[number as usize]).is_some_and(|due_at| due_at <= self.now);
            if is_due && claimed.len() < request.limit as usize {
                self.rows[number as usize].1 = Row::Claimed;
                claimed.push(self.delivery(number));
            }
        }
        let next_due_at = self.rows.iter().filter_map(due).min();
        self.scheduler.claimed(webhook_id, claimed, next_due_at);
    }

    fn change_webhook(&mut self) {
        let webhook_id = self.rng.webhook();
        let is_enabled = self.rng.roll(2) == 0;
        self.is_enabled.insert(webhook_id, is_enabled);
        self.scheduler.webhook_changed(webhook_id);
    }

    /// Only when everything else has come to rest does the scheduler's own word count: then time goes to its next look.
    fn pass_time(&mut self) {
        let is_at_rest = self.in_flight.is_empty()
            && self.unrecorded.is_empty()
            && self.under_way.is_empty()
            && self.reserved.is_empty();
        self.now = match self.next_look_at {
            Some(next) if is_at_rest => next.max(self.now),
            Some(_) | None => self.now.plus(Duration::from_millis(7)),
        };
    }

    fn is_done(&self) -> bool {
        self.rows.iter().all(|(_, row)| *row == Row::Done)
    }

    fn heal(&mut self) {
        self.has_faults = false;
        for number in 1..=WEBHOOKS {
            self.is_enabled.insert(webhook(number), true);
            self.scheduler.webhook_changed(webhook(number));
        }
    }
}

/// Every other webhook starts at most once between two starts of one that never ran out.
fn is_fair(starts: &[WebhookId]) -> bool {
    let between_own_starts = |webhook_id: &WebhookId| -> Vec<Vec<WebhookId>> {
        let mut parts: Vec<_> = starts.split(|id| id == webhook_id).map(<[_]>::to_vec).collect();
        // Before its first and after its last start it may not have been runnable.
        parts.pop();
        parts.into_iter().skip(1).collect()
    };
    let has_no_repeat = |part: &Vec<WebhookId>| {
        let distinct: std::collections::HashSet<_> = part.iter().collect();
        distinct.len() == part.len()
    };
    (1..=WEBHOOKS).all(|number| between_own_starts(&webhook(number)).iter().all(has_no_repeat))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn nothing_that_is_due_is_forgotten_and_all_room_comes_back(seed: u64) {
        let mut world = World::new(seed);
        (0..600).for_each(|_| world.step());
        world.heal();
        let last_step = (0..MAX_STEPS).find(|_| {
            world.step();
            world.is_done()
        });
        prop_assert!(last_step.is_some(), "still open: {:?}", world.rows);
        (0..500).for_each(|_| world.step());
        prop_assert_eq!((world.scheduler.ready, world.scheduler.reserved, world.scheduler.in_flight), (0, 0, 0));
        prop_assert!(world.scheduler.is_idle());
    }

    #[test]
    fn a_stop_at_any_moment_gives_back_everything(seed: u64, steps in 0usize..900) {
        let mut world = World::new(seed);
        (0..steps).for_each(|_| world.step());
        world.scheduler.stop();
        world.has_faults = false;
        (0..3000).for_each(|_| world.step());
        prop_assert_eq!((world.scheduler.ready, world.scheduler.reserved, world.scheduler.in_flight), (0, 0, 0));
        prop_assert!(world.scheduler.is_idle());
        prop_assert!(world.rows.iter().all(|(_, row)| *row != Row::Claimed));
    }

    #[test]
    fn turns_are_fair(seed: u64, backlogs in prop::collection::vec(1u32..200, WEBHOOKS as usize)) {
        let limits = SchedulerLimits { max_in_flight: 7, ..SchedulerLimits::default() };
        let mut scheduler = board_of(WEBHOOKS, 256, limits);
        let mut rng = Rng(seed);
        for (number, backlog) in (1..).zip(&backlogs) {
            let deliveries = (0..*backlog).map(|each| delivery(webhook(number), each)).collect();
            scheduler.claimed(webhook(number), deliveries, None);
        }
        let mut starts = Vec::new();
        let mut in_flight = Vec::new();
        for _ in 0..backlogs.iter().sum() {
            let started: Vec<_> = scheduler.tick(at(0)).start.iter().map(|delivery| delivery.webhook_id).collect();
            starts.extend(&started);
            in_flight.extend(started);
            let ended = in_flight.swap_remove(rng.roll(in_flight.len()));
            scheduler.finished(ended, HealthSignal::Succeeded, at(0));
            scheduler.recorded(1);
        }
        prop_assert_eq!(starts.len(), backlogs.iter().sum::<u32>() as usize);
        prop_assert!(is_fair(&starts));
    }
}
