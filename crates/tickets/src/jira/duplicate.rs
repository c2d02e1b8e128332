//! Marking a ticket that was made twice: a link to the one that stays, and a label.

use http::Method;
use serde_json::json;

use crate::jira::answer::Purpose;
use crate::jira::api::Api;
use crate::jira::issue::DUPLICATE_LABEL;
use crate::workflow::state::Name;
use destination::task::Rendered;
use model::attempt::Failure;

/// How many requests it takes.
pub(super) const PARTS: usize = 2;
/// What the requests are for.
pub(super) const PURPOSE: Purpose<'static> = Purpose {
    act: "close a ticket that was made twice",
    missing: "the ticket was deleted, or this account may not see it",
};
/// The type of link between a duplicate and what it duplicates; every Jira has it unless somebody took it away.
const LINK_TYPE: &str = "Duplicate";

/// The request of a part.
pub(super) fn request(api: Api<'_>, name: &Name, keep: &Name, part: usize) -> Result<Rendered, Failure> {
    if part == 0 {
        // From the one that goes to the one that stays: "duplicates".
        let body = json!({
            "type": { "name": LINK_TYPE },
            "inwardIssue": { "key": name.key },
            "outwardIssue": { "key": keep.key },
        });
        return api.send(Method::POST, &["issueLink"], &body);
    }
    let body = json!({ "update": { "labels": [{ "add": DUPLICATE_LABEL }] } });
    api.send(Method::PUT, &["issue", &name.id], &body)
}
