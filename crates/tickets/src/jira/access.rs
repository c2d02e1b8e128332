//! What this account may do in the project: told by Jira whatever becomes of single tickets.

use serde_json::Value;

use crate::jira::answer::{self, Purpose, refused_settings};
use crate::jira::api::{Api, with_large_answer};
use crate::jira::settings::{Settings, is_number};
use crate::workflow::action::{Facts, Observation, Trouble, TroubleKind};
use crate::workflow::state::Doubt;
use crate::workflow::system::Ask;
use destination::task::Rendered;
use model::attempt::Failure;
use model::exchange::Exchange;

/// The permissions that tickets need, with the names that people know them by. Without the first, tickets are not even seen.
pub(super) const PERMISSIONS: [(&str, &str); 7] = [
    ("BROWSE_PROJECTS", "Browse Projects"),
    ("CREATE_ISSUES", "Create Issues"),
    ("EDIT_ISSUES", "Edit Issues"),
    ("TRANSITION_ISSUES", "Transition Issues"),
    ("ADD_COMMENTS", "Add Comments"),
    ("LINK_ISSUES", "Link Issues"),
    ("ASSIGN_ISSUES", "Assign Issues"),
];
/// What the request is for.
pub(super) const PURPOSE: Purpose<'static> = Purpose {
    act: "see its permissions",
    missing: "this account sees no such project: put its key right, or give the account Browse Projects",
};

/// The request.
pub(super) fn request(api: Api<'_>) -> Result<Rendered, Failure> {
    let project = Settings(api.target).project();
    let names = PERMISSIONS.map(|(key, _)| key).join(",");
    let by = if is_number(project) {
        "projectId"
    } else {
        "projectKey"
    };
    let query = [(by, project), ("permissions", names.as_str())];
    // Data Center tells of all permissions, whatever it is asked for.
    Ok(with_large_answer(api.get(&["mypermissions"], &query)?))
}

/// Whether the account has a permission; nothing if that is not told.
pub(super) fn has(told: &Value, key: &str) -> Option<bool> {
    told["permissions"][key]["havePermission"].as_bool()
}

/// Whether a doubt about a ticket is one about this account.
pub(super) fn observe(ask: &Ask<'_>, doubt: &Doubt, exchange: &Exchange) -> Observation {
    let told = answer::of(ask, exchange, PURPOSE).and_then(answer::json);
    let told = told.map_err(|trouble| match trouble.kind {
        TroubleKind::Missing => Trouble {
            kind: TroubleKind::Forbidden,
            ..trouble
        },
        _ => trouble,
    })?;
    let needed = match doubt {
        Doubt::Gone | Doubt::NotMade(_) => &PERMISSIONS[..1],
        Doubt::Refused(_) => &PERMISSIONS[..],
    };
    let missing: Vec<_> = needed
        .iter()
        .filter(|(key, _)| has(&told, key) == Some(false))
        .map(|(_, name)| *name)
        .collect();
    if missing.is_empty() {
        return Ok(Facts::Nothing);
    }
    let detail = format!(
        "this account lacks {} in the project: give it that in the project's permission scheme",
        missing.join(", ")
    );
    Err(Trouble::new(TroubleKind::Forbidden, refused_settings(detail)))
}
