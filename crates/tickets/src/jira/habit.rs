//! Where other tickets of the project ended: asked where a ticket could end in several ways that are all called well.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::jira::answer::{self, Purpose};
use crate::jira::api::Api;
use crate::jira::settings::{Settings, is_number};
use crate::workflow::action::{Facts, Observation};
use crate::workflow::system::Ask;
use destination::task::Rendered;
use model::attempt::Failure;
use model::exchange::Exchange;

/// How many of the latest are looked at.
const LOOKED_AT: &str = "50";
/// What the request is for.
pub(super) const PURPOSE: Purpose<'static> = Purpose {
    act: "search for tickets",
    missing: "this account sees no such project",
};

/// The request.
pub(super) fn request(api: Api<'_>) -> Result<Rendered, Failure> {
    let settings = Settings(api.target);
    let project = settings.project();
    let project = match is_number(project) {
        true => project.to_owned(),
        false => format!("\"{project}\""),
    };
    let issue_type = settings.issue_type().replace(['"', '\\'], "");
    let jql = format!(
        "project = {project} AND issuetype = \"{issue_type}\" AND statusCategory = Done ORDER BY updated DESC"
    );
    api.search(&jql, "status", LOOKED_AT)
}

/// What the answer means; a search that is refused tells nothing.
pub(super) fn observe(ask: &Ask<'_>, exchange: &Exchange) -> Observation {
    match answer::of(ask, exchange, PURPOSE).and_then(answer::json) {
        Ok(body) => Ok(Facts::Id(most(&body))),
        Err(trouble) if trouble.is_about_this() => Ok(Facts::Id(None)),
        Err(trouble) => Err(trouble),
    }
}

/// The id of the status that most of them have; of several, the one of the latest.
pub(super) fn most(body: &Value) -> Option<String> {
    let listed = body["issues"].as_array()?;
    let statuses: Vec<&str> = listed
        .iter()
        .filter_map(|issue| issue["fields"]["status"]["id"].as_str())
        .collect();
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    statuses
        .iter()
        .for_each(|status| *counts.entry(status).or_default() += 1);
    let most = counts.values().max()?;
    let found = statuses.iter().find(|status| counts.get(**status) == Some(most));
    found.map(|status| (*status).to_owned())
}
