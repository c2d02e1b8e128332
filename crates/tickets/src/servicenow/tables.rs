//! The states and closing fields that the tables of the base system come with: what holds where the settings say nothing.

/// How the tickets of a table live and end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Life {
    /// The state of an acknowledged incident's ticket.
    pub(super) acknowledged: &'static str,
    /// The state of a resolved incident's ticket.
    pub(super) resolved: &'static str,
    /// The state of a reopened incident's ticket.
    pub(super) reopened: &'static str,
    /// The states in which nobody has taken a ticket, with commas between them.
    pub(super) new: &'static str,
    /// The states in which a ticket is over, with commas between them.
    pub(super) done: &'static str,
    /// The state of a ticket that should not be there.
    pub(super) canceled: &'static str,
    /// The field that says how a ticket ended; empty if there is none.
    pub(super) code_field: &'static str,
    /// What it says of a resolved incident's ticket.
    pub(super) code: &'static str,
    /// The fields that say it in words.
    pub(super) notes_fields: &'static [&'static str],
}

/// Incidents, and whatever is made after them.
const INCIDENT: Life = Life {
    acknowledged: "2",
    resolved: "6",
    reopened: "2",
    new: "1",
    done: "6,7,8",
    canceled: "8",
    code_field: "close_code",
    code: "Solution provided",
    notes_fields: &["close_notes"],
};
/// Problems, as they are since the release Madrid: Assess, Resolved, Root Cause Analysis.
const PROBLEM: Life = Life {
    acknowledged: "102",
    resolved: "106",
    reopened: "103",
    new: "101",
    done: "106,107",
    canceled: "107",
    code_field: "resolution_code",
    code: "fix_applied",
    notes_fields: &["fix_notes", "cause_notes", "close_notes"],
};
/// Changes, with the state model of the base system: Assess, Closed, Implement.
const CHANGE: Life = Life {
    acknowledged: "-4",
    resolved: "3",
    reopened: "-1",
    new: "-5",
    done: "3,4",
    canceled: "4",
    code_field: "close_code",
    code: "successful",
    notes_fields: &["close_notes"],
};
/// Requests, their items and tasks, which have the states of every task: Work in Progress, Closed Complete.
const REQUEST: Life = Life {
    acknowledged: "2",
    resolved: "3",
    reopened: "2",
    new: "-5,1",
    done: "3,4,7",
    canceled: "4",
    code_field: "",
    code: "",
    notes_fields: &["close_notes"],
};

/// The life of a table's tickets; that of incidents where the table is not known.
pub(super) fn life(table: &str) -> Life {
    match table {
        "problem" => PROBLEM,
        "change_request" => CHANGE,
        "sc_request" | "sc_req_item" | "sc_task" | "task" | "change_task" | "problem_task"
        | "incident_task" => REQUEST,
        _ => INCIDENT,
    }
}
