//! Who we are in Jira: what our own changes and comments are known by.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::jira::answer::{self, Purpose};
use crate::jira::api::Api;
use crate::jira::issue::{name_of, short};
use crate::jira::settings::Settings;
use crate::workflow::action::{Facts, Identity, Observation};
use crate::workflow::system::Ask;
use destination::task::{Rendered, Target};
use model::attempt::Failure;
use model::exchange::Exchange;

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
pub(super) fn observe(ask: &Ask<'_>, exchange: &Exchange) -> Observation {
    let person = answer::of(ask, exchange, PURPOSE).and_then(answer::json)?;
    let account = read(Settings(ask.target), &person);
    Ok(Facts::Account(account.map(|account| Identity {
        learned: serde_json::to_string(&account).ok(),
        name: name_of(&person).unwrap_or_else(|| "somebody without a name".to_owned()),
    })))
}

/// Our own account, for as long as the settings name the same.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Account {
    /// Under which settings it was learned.
    pub(super) of: String,
    /// Its account id, on Cloud.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) account_id: Option<String>,
    /// Its user name, on Data Center.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) name: Option<String>,
    /// Its key, on Data Center.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) key: Option<String>,
}

impl Account {
    /// The account that was learned, if it is still the settings' own.
    pub(super) fn learned(target: &Target) -> Option<Self> {
        let account: Option<Self> = target
            .discovered_settings
            .as_deref()
            .and_then(|text| serde_json::from_str(text).ok());
        account.filter(|account| account.of == Settings(target).identity())
    }

    /// Whether a person in Jira's JSON is this account.
    pub(super) fn is(&self, person: &Value) -> bool {
        let same =
            |ours: &Option<String>, name: &str| ours.is_some() && ours.as_deref() == person[name].as_str();
        same(&self.account_id, "accountId") || same(&self.name, "name") || same(&self.key, "key")
    }
}
