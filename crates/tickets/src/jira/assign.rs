//! Giving the ticket to whoever has the incident.

use http::Method;
use serde_json::json;

use crate::jira::answer::{self, Purpose};
use crate::jira::plan::Facts;
use crate::jira::progress::{Chore, Sight};
use crate::jira::settings::Edition;
use destination::task::{Classification, Rendered};
use model::attempt::Failure;
use model::exchange::Exchange;
use model::time::Timestamp;

/// What the request is for.
const PURPOSE: Purpose<'static> = Purpose {
    act: "assign the ticket",
    missing: "there is no such account in Jira, or it cannot be given tickets",
};

/// The account that is to have the ticket, if the settings name one and another has it.
pub(super) fn due(facts: &Facts<'_>, sight: &Sight) -> Option<String> {
    let account = facts.settings().assignee(&facts.assignee()?)?;
    let has_it = sight.assignee.as_deref() == Some(account);
    (!has_it && !facts.progress.has_given_up(Chore::Assignee)).then(|| account.to_owned())
}

/// The request.
pub(super) fn request(facts: &Facts<'_>, account: &str) -> Result<Rendered, Failure> {
    let id = facts.ticket_id().unwrap_or_default();
    let body = match facts.settings().edition() {
        Edition::Cloud => json!({ "accountId": account }),
        Edition::DataCenter => json!({ "name": account }),
    };
    facts.api().send(Method::PUT, &["issue", &id, "assignee"], &body)
}

/// What the answer means. An account that Jira will not have is no reason to fail.
pub(super) fn judge(
    mut facts: Facts<'_>,
    account: &str,
    exchange: &Exchange,
    now: Timestamp,
) -> Classification {
    let Err(trouble) = answer::good(facts.task.target, exchange, PURPOSE, now) else {
        if let Some(sight) = &mut facts.progress.sight {
            sight.assignee = Some(account.to_owned());
        }
        let name = facts
            .assignee()
            .map_or_else(|| "somebody".to_owned(), |user| user.name);
        let note = format!("gave {} to {}", facts.key(), destination::text::one_line(&name));
        return facts.go_on(note);
    };
    match exchange.result.as_ref().map(|response| response.status) {
        Ok(401 | 429 | 500..=599) | Err(_) => facts.give_up(trouble),
        Ok(_) => {
            facts.progress.give_up(Chore::Assignee);
            facts.go_on(format!("left the assignee as it is: {}", trouble.failure.detail))
        }
    }
}
