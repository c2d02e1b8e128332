//! Who we are in Jira: what our own changes and comments are known by.

use serde_json::Value;

use crate::jira::answer::{self, Purpose};
use crate::jira::api::Api;
use crate::jira::issue::{name_of, short};
use crate::jira::memory::Account;
use crate::jira::plan::Facts;
use crate::jira::progress::Chore;
use crate::jira::settings::Settings;
use destination::task::{Classification, Rendered};
use model::attempt::Failure;
use model::exchange::Exchange;
use model::time::Timestamp;

/// What the request is for.
pub(super) const PURPOSE: Purpose<'static> = Purpose {
    act: "see who it is",
    missing: "there is no Jira at this address: put it right",
};
/// The longest id of an account, in characters.
const MAX_ID: usize = 128;

/// The request.
pub(super) fn request(api: Api<'_>) -> Result<Rendered, Failure> {
    api.get(&["myself"], &[])
}

/// The account that an answer tells of.
pub(super) fn read(settings: Settings<'_>, person: &Value) -> Option<Account> {
    let text = |name: &str| {
        person[name]
            .as_str()
            .map(|text| short(text, MAX_ID))
            .filter(|text| !text.is_empty())
    };
    let account = Account {
        of: settings.identity(),
        account_id: text("accountId"),
        name: text("name"),
        key: text("key"),
    };
    let is_told = account.account_id.is_some() || account.name.is_some() || account.key.is_some();
    is_told.then_some(account)
}

/// What the answer means.
pub(super) fn judge(mut facts: Facts<'_>, exchange: &Exchange, now: Timestamp) -> Classification {
    let answer = answer::good(facts.task.target, exchange, PURPOSE, now).and_then(answer::json);
    let person = match answer {
        Ok(person) => person,
        Err(trouble) => return facts.give_up(trouble),
    };
    facts.account = read(facts.settings(), &person);
    let Some(account) = &facts.account else {
        facts.progress.give_up(Chore::Account);
        return facts.go_on("Jira does not say who this account is");
    };
    let learned = serde_json::to_string(account).ok();
    let name = name_of(&person).unwrap_or_else(|| "somebody without a name".to_owned());
    Classification {
        discovered_settings: learned,
        ..facts.go_on(format!("this account is {name} in Jira"))
    }
}
