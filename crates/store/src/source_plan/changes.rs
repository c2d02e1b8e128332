//! How often an alert changes between firing and resolved: what flaps is told by it.

use std::time::Duration;

use model::source::Alert;
use model::time::Timestamp;

/// How often an alert changed within the present window. One that a clock which was ahead began has ended: alerts are too many
/// to be moved when a clock is set.
pub fn changes_now(alert: &Alert, now: Timestamp, window: Duration) -> u32 {
    match alert.changes_at <= now && now < alert.changes_at.plus(window) {
        true => alert.changes,
        false => 0,
    }
}

/// Counts one more change.
pub fn count_change(alert: &mut Alert, now: Timestamp, window: Duration) {
    let before = changes_now(alert, now, window);
    if before == 0 {
        alert.changes_at = now;
    }
    alert.changes = before.saturating_add(1);
}
