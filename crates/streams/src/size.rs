//! How large what collects events lets its requests become: the fields for it, and the numbers in them.

use std::ops::RangeInclusive;
use std::time::Duration;

use destination::about::{Field, Problem};
use destination::joint::JointLimits;
use destination::task::Target;

/// The heading of the three fields.
pub(crate) const GROUP: &str = "Size of a batch";

/// The most events of a batch.
pub(crate) const MAX_EVENTS: Field = Field {
    name: "maxEvents",
    label: "Most events",
    hint: "1 to 1000.",
    default: "100",
    collapsed_group: GROUP,
    ..Field::LINE
};

/// The most of their bodies.
pub(crate) const MAX_KILOBYTES: Field = Field {
    name: "maxKilobytes",
    label: "Most kilobytes of events",
    hint: "1 to 4096, before they take the receiver's form and are packed.",
    default: "512",
    collapsed_group: GROUP,
    ..Field::LINE
};

/// How long the first event of a batch waits for others.
pub(crate) const MAX_SECONDS: Field = Field {
    name: "maxSeconds",
    label: "Longest wait in seconds",
    hint: "0 to 300: how long an event waits for others.",
    default: "5",
    collapsed_group: GROUP,
    ..Field::LINE
};

/// The fields of a kind, with its own defaults.
pub(crate) struct Size {
    pub(crate) events: Field,
    pub(crate) kilobytes: Field,
    pub(crate) seconds: Field,
}

impl Size {
    /// What a target's fields say.
    pub(crate) fn limits(&self, target: &Target) -> JointLimits {
        let count = |field| usize::try_from(number(target, field)).unwrap_or(usize::MAX);
        JointLimits {
            max_count: count(&self.events),
            max_bytes: count(&self.kilobytes).saturating_mul(1024),
            max_wait: Duration::from_secs(number(target, &self.seconds)),
            alone: None,
        }
    }

    /// What is wrong with them.
    pub(crate) fn problems(&self, target: &Target) -> Vec<Problem> {
        let fields = [&self.events, &self.kilobytes, &self.seconds];
        fields
            .into_iter()
            .filter_map(|field| problem(target, field))
            .collect()
    }
}

/// What a field with a number may hold.
fn range(field: &Field) -> RangeInclusive<u64> {
    match field.name {
        "maxEvents" => 1..=1000,
        "maxKilobytes" => 1..=4096,
        _ => 0..=300,
    }
}

/// The number in a field; its default if there is none that may be.
fn number(target: &Target, field: &Field) -> u64 {
    let read = |text: &str| text.parse().ok().filter(|number| range(field).contains(number));
    let given = read(target.option(field.name));
    given.or_else(|| read(field.default)).unwrap_or_default()
}

fn problem(target: &Target, field: &Field) -> Option<Problem> {
    let (text, range) = (target.option(field.name), range(field));
    let is_good = text.is_empty() || text.parse().is_ok_and(|number| range.contains(&number));
    (!is_good).then(|| Problem {
        field: field.name,
        code: "invalid_value",
        detail: format!("a number from {} to {}", range.start(), range.end()),
    })
}
