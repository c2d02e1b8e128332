//! Giving the ticket to whoever has the incident.

use http::Method;
use serde_json::json;

use crate::jira::answer::{self, Purpose};
use crate::jira::api::Api;
use crate::jira::settings::{Edition, Settings};
use crate::workflow::action::Observation;
use crate::workflow::system::Ask;
use destination::task::Rendered;
use model::attempt::Failure;
use model::exchange::Exchange;

/// What the request is for.
const PURPOSE: Purpose<'static> = Purpose {
    act: "assign the ticket",
    missing: "there is no such account in Jira, or it cannot be given tickets",
};

/// The request.
pub(super) fn request(api: Api<'_>, id: &str, account: &str) -> Result<Rendered, Failure> {
    let body = match Settings(api.target).edition() {
        Edition::Cloud => json!({ "accountId": account }),
        Edition::DataCenter => json!({ "name": account }),
    };
    api.send(Method::PUT, &["issue", id, "assignee"], &body)
}

/// What the answer means. What is missing is the account.
pub(super) fn observe(ask: &Ask<'_>, exchange: &Exchange) -> Observation {
    answer::done(ask, exchange, PURPOSE).map_err(answer::about_this)
}
