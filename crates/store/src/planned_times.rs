//! Times that a server plans by its own clock, beside those of deliveries and escalations: when the clock is set, they move with it.

/// A column of times.
#[derive(Debug, Clone, Copy)]
pub struct PlannedTime {
    pub table: &'static str,
    pub column: &'static str,
    /// Which rows' times are planned here; the others' are somebody else's word.
    pub only: &'static str,
}

const fn all(table: &'static str, column: &'static str) -> PlannedTime {
    PlannedTime {
        table,
        column,
        only: "true",
    }
}

/// All of them. What began at a time of a clock that was ahead has to move too, or it would not be over for as long.
pub const PLANNED_TIMES: [PlannedTime; 7] = [
    all("ticket_links", "next_poll_at"),
    all("webhooks", "canary_due_at"),
    all("operational_notices", "due_at"),
    all("sources", "window_at"),
    all("sources", "storm_until"),
    all("source_alerts", "changes_at"),
    PlannedTime {
        table: "source_alerts",
        column: "resolve_at",
        only: "is_quiet",
    },
];
