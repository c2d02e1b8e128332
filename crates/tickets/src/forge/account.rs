//! Who we are: what our own changes and comments are known by.

use serde::{Deserialize, Serialize};

use crate::forge::issue::Person;
use crate::forge::settings;
use crate::workflow::action::{Facts, Identity};
use destination::task::Target;

/// Our own account, for as long as the settings name the same.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Account {
    /// Under which settings it was learned.
    of: String,
    /// Its id; nothing if the token belongs to no user.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    id: Option<String>,
    /// Its user name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    login: Option<String>,
}

impl Account {
    /// The account that was learned, if it is still the settings' own.
    pub(crate) fn learned(target: &Target) -> Option<Self> {
        let text = target.discovered_settings.as_deref()?;
        let account: Self = serde_json::from_str(text).ok()?;
        Some(account).filter(|account| account.of == settings::identity(target))
    }

    /// Whether somebody is this account.
    pub(crate) fn is(&self, person: &Person) -> bool {
        match (&self.id, &self.login) {
            (Some(id), _) if !person.id.is_empty() => *id == person.id,
            (_, Some(login)) => login.eq_ignore_ascii_case(&person.login),
            (_, None) => false,
        }
    }

    /// Whether it is a user, whose own doings can be told from those of others.
    pub(crate) fn is_user(&self) -> bool {
        self.id.is_some()
    }
}

/// Whether somebody is our own account, as far as that is known.
pub(crate) fn is_us(target: &Target, person: Option<&Person>) -> bool {
    let account = Account::learned(target);
    person.is_some_and(|person| account.is_some_and(|account| account.is(person)))
}

/// Whether somebody is certainly another one: what they wrote is no mark of ours.
pub(crate) fn is_another(target: &Target, person: Option<&Person>) -> bool {
    let account = Account::learned(target).filter(Account::is_user);
    person.is_some_and(|person| account.is_some_and(|account| !account.is(person)))
}

/// What is kept of who we are: a token without a user is not asked again.
pub(crate) fn learned(target: &Target, person: Option<Person>) -> Facts {
    let name = match &person {
        Some(person) => person.login.clone(),
        None => "an app without a user of its own".to_owned(),
    };
    let (id, login) = person.map(|person| (person.id, person.login)).unzip();
    let account = Account {
        of: settings::identity(target),
        id,
        login,
    };
    Facts::Account(Some(Identity {
        learned: serde_json::to_string(&account).ok(),
        name,
    }))
}
