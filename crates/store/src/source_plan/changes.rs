//! How often an alert changes between firing and resolved: what flaps is told by it.

use std::time::Duration;

use model::source::Alert;
use model::time::Timestamp;

/// How often an alert changed within the present window.
pub fn changes_now(alert: &Alert, now: Timestamp, window: Duration) -> u32 {
    match alert.changes_at.plus(window) <= now {
        true => 0,
        false => alert.changes,
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
