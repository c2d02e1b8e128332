//! What is remembered over all deliveries: of an incident's ticket, and of our own account.

use serde::{Deserialize, Serialize};

use crate::jira::settings::Settings;
use destination::task::Target;

/// What the ticket was told.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Memory {
    /// The ticket's id: what was told another counts for nothing.
    pub(super) ticket: String,
    /// Who it was told has the incident; empty if nobody.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) assignee: Option<String>,
    /// The latest event that was told to its end: should it be told again, it is not noted again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) event: Option<String>,
    /// Whether its link back says that the incident is resolved; nothing if it has no link back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) link_is_resolved: Option<bool>,
}

impl Memory {
    /// What is remembered of a ticket.
    pub(super) fn of(text: Option<&str>, ticket_id: &str) -> Self {
        let memory: Option<Self> = text.and_then(|text| serde_json::from_str(text).ok());
        memory
            .filter(|memory| memory.ticket == ticket_id)
            .unwrap_or_else(|| Self {
                ticket: ticket_id.to_owned(),
                ..Self::default()
            })
    }

    /// The text to be remembered.
    pub(super) fn text(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }
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
    pub(super) fn is(&self, person: &serde_json::Value) -> bool {
        let same =
            |ours: &Option<String>, name: &str| ours.is_some() && ours.as_deref() == person[name].as_str();
        same(&self.account_id, "accountId") || same(&self.name, "name") || same(&self.key, "key")
    }
}
