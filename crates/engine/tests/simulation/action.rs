//! What happens to the simulated server from outside: a script of actions, made from a seed. Each holds all that was left to
//! chance, so that a script means the same without those before it.

use serde::{Deserialize, Serialize};

use super::behaviour::Behaviour;
use super::chance::Random;
use super::disk::Fault;

/// The kinds of webhooks, the plain one most often. All of them but the plain one have a simulator. Left out are mail and
/// brokers, which do not speak HTTP, and the kind whose templates are rendered by another process.
pub const KINDS: [&str; 22] = [
    "generic",
    "generic",
    "generic",
    "generic",
    "generic",
    "generic",
    "generic",
    "slack",
    "teams",
    "google_chat",
    "discord",
    "telegram",
    "jira",
    "servicenow",
    "github",
    "gitlab",
    "pagerduty",
    "opsgenie",
    "alertmanager",
    "ntfy",
    "batch",
    "sqs",
];

/// One thing that happens. Numbers choose among what there is then.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Action {
    Trigger {
        service: usize,
        severity: usize,
        /// Which dedup key, if it has one.
        key: Option<usize>,
    },
    /// A transition of one of the latest incidents.
    Transition {
        incident: usize,
        to: usize,
    },
    Create(Choices),
    Switch {
        webhook: usize,
    },
    Edit {
        webhook: usize,
        choices: Choices,
    },
    Delete {
        webhook: usize,
    },
    Behave {
        webhook: usize,
        behaviour: Behaviour,
    },
    Replay {
        delivery: usize,
    },
    Recover {
        webhook: usize,
    },
    /// Send Test.
    Test {
        webhook: usize,
    },
    GiveUp {
        delivery: usize,
    },
    /// One of a source's alerts fires, and for so long if its sender says so; or it is over.
    Alert {
        key: usize,
        fires: bool,
        ends_in_ms: Option<u64>,
    },
    /// Somebody gives one of the latest incidents another assignee, severity or title, or writes on it: its tickets are told, without
    /// an event.
    EditIncident {
        incident: usize,
        what: usize,
    },
    /// Somebody closes or opens a ticket where it is.
    MoveTicket {
        webhook: usize,
        ticket: usize,
        closes: bool,
    },
    /// Time passes, with all that goes on in it.
    Pass {
        ms: u64,
    },
    /// The machine is suspended, and goes on.
    Suspend {
        ms: u64,
    },
    /// Somebody sets the wall clock.
    Jump {
        ms: i64,
    },
    /// Something happens, and goes on for a while, on a disk on which some writes and syncs fail.
    FailDisk {
        fault: Fault,
        after: u32,
        calls: u32,
        ms: u64,
    },
    /// The same, and after so many writes and syncs the power goes out.
    CutPower {
        after: u32,
        ms: u64,
        pause_ms: u64,
    },
    Restart,
    /// The process is killed, and started again after a while.
    Kill {
        pause_ms: u64,
    },
}

/// What is chosen for a webhook.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Choices {
    pub kind: usize,
    pub schedule: usize,
    pub timeout: usize,
    pub concurrency: usize,
    pub has_rate: bool,
    pub is_ordered: bool,
    pub drops: bool,
    pub takes_all: bool,
    pub is_filtered: bool,
    pub seed: u64,
    /// Which of the webhooks that there are takes over what this one cannot deliver, if one does…
    #[serde(default)]
    pub fallback: Option<usize>,
    /// …and what is late.
    #[serde(default)]
    pub takes_over_late: bool,
    /// What it still wants after an outage.
    #[serde(default)]
    pub after_outage: usize,
}

/// A script of so many actions.
pub fn script(seed: u64, length: usize) -> Vec<Action> {
    let mut random = Random::new(seed);
    let mut actions: Vec<_> = (0..3).map(|_| Action::Create(choices(&mut random))).collect();
    while actions.len() < length {
        actions.push(action(&mut random));
    }
    actions
}

fn action(random: &mut Random) -> Action {
    let any = |random: &mut Random| random.below(1000);
    match random.below(100) {
        0..=3 => Action::Alert {
            key: any(random),
            fires: !random.one_in(3),
            ends_in_ms: random.one_in(3).then(|| random.below(7_200_000) as u64),
        },
        4..=17 => Action::Trigger {
            service: any(random),
            severity: any(random),
            key: random.one_in(3).then(|| any(random)),
        },
        18..=37 => Action::Transition {
            incident: any(random),
            to: any(random),
        },
        38..=39 => Action::EditIncident {
            incident: any(random),
            what: any(random),
        },
        40..=47 => Action::Behave {
            webhook: any(random),
            behaviour: match random.one_in(3) {
                true => Behaviour::Healthy,
                false => random.pick(&Behaviour::ALL),
            },
        },
        48..=50 => Action::Create(choices(random)),
        51..=53 => Action::Switch { webhook: any(random) },
        54 => Action::Edit {
            webhook: any(random),
            choices: choices(random),
        },
        55 => Action::Delete { webhook: any(random) },
        56..=57 => Action::MoveTicket {
            webhook: any(random),
            ticket: any(random),
            closes: !random.one_in(3),
        },
        58..=59 => Action::Replay {
            delivery: any(random),
        },
        60 => match random.one_in(2) {
            true => Action::Recover { webhook: any(random) },
            false => Action::Test { webhook: any(random) },
        },
        61 => Action::GiveUp {
            delivery: any(random),
        },
        62..=79 => {
            let longest = random.pick(&[20, 1_000, 5_000, 40_000]);
            Action::Pass {
                ms: random.below(longest) as u64,
            }
        }
        80..=93 => {
            let longest = random.pick(&[60_000, 600_000, 24 * 3_600_000, 72 * 3_600_000]);
            Action::Suspend {
                ms: random.below(longest) as u64,
            }
        }
        94 => Action::Jump {
            ms: random.pick(&[-3_600_000, 3_600_000, -120_000, 600_000]),
        },
        95 => Action::Restart,
        96 => Action::FailDisk {
            fault: random.pick(&[Fault::Full, Fault::Broken]),
            after: random.below(12) as u32,
            calls: 1 + random.below(30) as u32,
            ms: random.below(3_000) as u64,
        },
        97..=98 => Action::CutPower {
            after: random.below(40) as u32,
            ms: random.below(3_000) as u64,
            pause_ms: random.pick(&[0, 1_000, 59_000, 1_000_000]),
        },
        _ => Action::Kill {
            pause_ms: random.pick(&[0, 1_000, 59_000, 1_000_000]),
        },
    }
}

fn choices(random: &mut Random) -> Choices {
    Choices {
        kind: random.below(KINDS.len()),
        schedule: random.below(5),
        timeout: random.below(3),
        concurrency: random.below(3),
        has_rate: random.one_in(5),
        is_ordered: !random.one_in(4),
        drops: random.one_in(3),
        takes_all: !random.one_in(4),
        is_filtered: random.one_in(4),
        seed: random.next_u64(),
        fallback: random.one_in(3).then(|| random.below(1000)),
        takes_over_late: random.one_in(2),
        after_outage: random.below(6),
    }
}
