//! How a batch of attempts counts as activity of their webhooks: pure, from the rows that are there to the rows to write.

use std::collections::BTreeMap;

use model::activity::{Activity, period_of};
use model::attempt::Outcome;
use model::id::WebhookId;
use model::time::Timestamp;

use crate::queue::AttemptRecord;

/// The rows that a batch counts into: one for each webhook, however many attempts there are.
pub struct Tally {
    period_at: Timestamp,
    rows: BTreeMap<WebhookId, Counted>,
}

struct Counted {
    activity: Activity,
    has_changed: bool,
}

impl Tally {
    /// A tally of a batch that is recorded now: every webhook of it that can count, with nothing counted yet.
    pub fn new<'a>(records: impl IntoIterator<Item = &'a AttemptRecord>, now: Timestamp) -> Self {
        let period_at = period_of(now);
        let counting = records.into_iter().filter(|record| counts(record));
        let rows = counting.map(|record| {
            let activity = Activity::none(record.webhook_id, period_at);
            let counted = Counted {
                activity,
                has_changed: false,
            };
            (record.webhook_id, counted)
        });
        Self {
            period_at,
            rows: rows.collect(),
        }
    }

    /// The period that it counts into.
    pub fn period_at(&self) -> Timestamp {
        self.period_at
    }

    /// The webhooks whose rows are to be read, sorted.
    pub fn webhooks(&self) -> impl Iterator<Item = WebhookId> {
        self.rows.keys().copied()
    }

    /// Takes in a row that is there already, before anything is counted.
    pub fn take_in(&mut self, kept: Activity) {
        if let Some(row) = self.rows.get_mut(&kept.webhook_id) {
            row.activity = kept;
        }
    }

    /// Counts an attempt that was applied. Tests do not count, and neither do requests that have others follow.
    pub fn count(&mut self, record: &AttemptRecord) {
        let Some(row) = self.rows.get_mut(&record.webhook_id).filter(|_| counts(record)) else {
            return;
        };
        let attempt = &record.attempt;
        let attempt_us = attempt.timings.total_us;
        let waited = attempt.started_at.since(record.delivery_created_at);
        let waited_us = u64::try_from(waited.as_micros()).unwrap_or(u64::MAX);
        row.activity
            .count(record.next_step, attempt_us, waited_us.saturating_add(attempt_us));
        row.has_changed = true;
    }

    /// The rows that something was counted into, by webhook.
    pub fn changed(&self) -> impl Iterator<Item = &Activity> {
        let changed = self.rows.values().filter(|row| row.has_changed);
        changed.map(|row| &row.activity)
    }
}

fn counts(record: &AttemptRecord) -> bool {
    !record.is_test && record.attempt.outcome != Outcome::Step
}
