//! Who there is: three people, the service account behind access tokens, and whoever asked with a name of their own.

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::jira::request::{Api, View};

/// Whether an account is a person's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A person's.
    Person,
    /// An app's or a service account.
    App,
}

/// An account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Person {
    /// The id by which Cloud knows it.
    pub account_id: String,
    /// The name by which Data Center knows it, which is its key too.
    pub name: String,
    /// What people read.
    pub display_name: String,
    /// The address.
    pub email: String,
    /// Whether it is a person's.
    pub kind: Kind,
    /// Whether it can still log in, and be given issues.
    pub is_active: bool,
}

/// The people from the beginning.
pub fn directory() -> Vec<Person> {
    let mut zoe = person("5b10a2844c20165700ede23c", "zoe", "Zoe Gone");
    zoe.is_active = false;
    vec![
        person("5b10a2844c20165700ede21a", "ada", "Ada Lovelace"),
        person("5b10a2844c20165700ede22b", "grace", "Grace Hopper"),
        zoe,
        service(),
    ]
}

/// The account behind access tokens.
pub fn service() -> Person {
    let mut service = person(
        "712020:6f70736b-6e69-6768-7400-000000000001",
        "opsknight",
        "OpsKnight",
    );
    service.kind = Kind::App;
    service
}

/// Whoever did not log in.
pub fn nobody() -> Person {
    person("", "anonymous", "Anonymous")
}

/// The account that logs in with a name: somebody known, or somebody made up for it.
pub fn caller(known: &[Person], account: &str) -> Person {
    let is_it = |person: &&Person| person.is_called(account);
    known.iter().find(is_it).cloned().unwrap_or_else(|| {
        let digest = hex::encode(Sha256::digest(account));
        let name = account.split('@').next().unwrap_or(account);
        let mut person = person(
            &format!("712020:{}", digest.get(..24).unwrap_or_default()),
            account,
            name,
        );
        person.email = if account.contains('@') {
            account.to_owned()
        } else {
            person.email
        };
        person
    })
}

fn person(account_id: &str, name: &str, display_name: &str) -> Person {
    Person {
        account_id: account_id.to_owned(),
        name: name.to_owned(),
        display_name: display_name.to_owned(),
        email: format!("{name}@example.com"),
        kind: Kind::Person,
        is_active: true,
    }
}

impl Person {
    /// Whether a text names exactly this account.
    pub fn is_called(&self, text: &str) -> bool {
        self.account_id == text
            || self.name.eq_ignore_ascii_case(text)
            || self.email.eq_ignore_ascii_case(text)
    }

    /// Whether a search for people finds it: by the beginning of a name, or the address.
    pub fn is_found_by(&self, query: &str) -> bool {
        let query = query.to_lowercase();
        let mut names = vec![self.name.to_lowercase(), self.email.to_lowercase()];
        names.extend(self.display_name.to_lowercase().split(' ').map(str::to_owned));
        names.push(self.display_name.to_lowercase());
        names.iter().any(|name| name.starts_with(&query))
    }

    /// As Jira shows it. The second version is served by both products, so it has the names of both.
    pub fn json(&self, view: &View) -> Value {
        let mut json = json!({
            "self": view.link(&format!("user?accountId={}", self.account_id)),
            "accountId": self.account_id,
            "accountType": match self.kind {
                Kind::Person => "atlassian",
                Kind::App => "app",
            },
            "emailAddress": self.email,
            "avatarUrls": { "48x48": format!("{}/secure/useravatar?ownerId={}", view.base, self.account_id) },
            "displayName": self.display_name,
            "active": self.is_active,
            "timeZone": "Etc/UTC",
            "locale": "en_US",
        });
        if let (Api::Two, Value::Object(members)) = (view.api, &mut json) {
            members.insert("name".to_owned(), self.name.clone().into());
            members.insert("key".to_owned(), self.name.clone().into());
        }
        json
    }
}
