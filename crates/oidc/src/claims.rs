//! What a provider says of somebody, and whether it is said to us, now, and for this sign-in.

use serde_json::Value;
use subtle::ConstantTimeEq;

use crate::OidcError;
use model::identity::{Identity, MAX_IDENTITY_BYTES, ProvenPerson};
use model::time::Timestamp;

/// How much the provider's clock may differ from ours, in seconds.
const MAX_CLOCK_DIFFERENCE_SECONDS: i64 = 60;
/// The most groups of a person that are looked at.
const MAX_GROUPS: usize = 1000;
/// The longest name that is taken over, in characters, and the longest address, in bytes.
const MAX_NAME_LENGTH: usize = 200;
const MAX_EMAIL_BYTES: usize = 254;

/// What an ID token must say to be believed.
pub struct Expected<'a> {
    pub issuer: &'a str,
    pub client_id: &'a str,
    pub nonce: &'a str,
    pub now: Timestamp,
}

impl Expected<'_> {
    /// Checks the claims of an ID token whose signature is right (OpenID Connect Core 1.0, section 3.1.3.7).
    pub fn check(&self, token: &Value) -> Result<(), OidcError> {
        let refuse = |why| Err(OidcError::NotBelieved(why));
        if token["iss"].as_str() != Some(self.issuer) {
            return refuse("the token is another provider's");
        }
        let audience = texts(&token["aud"]);
        if !audience.iter().any(|name| name == self.client_id) {
            return refuse("the token is for another client");
        }
        let is_party = token["azp"].as_str().map(|party| party == self.client_id);
        if is_party == Some(false) || (audience.len() > 1 && is_party.is_none()) {
            return refuse("the token is for another client");
        }
        let now = self.now.as_seconds();
        let seconds = |name: &str| token[name].as_f64().map(|seconds| seconds as i64);
        if seconds("exp").is_none_or(|at| at.saturating_add(MAX_CLOCK_DIFFERENCE_SECONDS) <= now) {
            return refuse("the token has expired; compare the clocks of both servers");
        }
        let latest = now.saturating_add(MAX_CLOCK_DIFFERENCE_SECONDS);
        if seconds("iat").is_none_or(|at| at > latest) || seconds("nbf").is_some_and(|at| at > latest) {
            return refuse("the token is from the future; compare the clocks of both servers");
        }
        let nonce = token["nonce"].as_str().unwrap_or_default();
        if !bool::from(nonce.as_bytes().ct_eq(self.nonce.as_bytes())) {
            return refuse("the token is of another sign-in");
        }
        match token["sub"].as_str() {
            Some(subject) if is_subject(subject) => Ok(()),
            _ => refuse("the token names nobody"),
        }
    }
}

fn is_subject(text: &str) -> bool {
    (1..=MAX_IDENTITY_BYTES).contains(&text.len()) && !text.chars().any(char::is_control)
}

/// What is known of somebody: of the ID token and, where that is silent, of the provider's user information.
pub struct Claims {
    token: Value,
    user: Value,
}

impl Claims {
    /// Claims of a token that was checked, and of the user information of the same person.
    pub(super) fn new(token: Value, user: Value) -> Self {
        Self { token, user }
    }

    fn get(&self, name: &str) -> &Value {
        static NOTHING: Value = Value::Null;
        let found = |claims: &'_ Value| !claims[name].is_null();
        match (found(&self.token), found(&self.user)) {
            (true, _) => &self.token[name],
            (false, true) => &self.user[name],
            (false, false) => &NOTHING,
        }
    }

    fn text(&self, name: &str) -> Option<&str> {
        self.get(name)
            .as_str()
            .map(str::trim)
            .filter(|text| !text.is_empty())
    }

    /// Who it is.
    pub fn person(&self) -> ProvenPerson {
        let names = ["name", "preferred_username", "email", "sub"];
        let name = names
            .into_iter()
            .find_map(|name| self.text(name))
            .unwrap_or_default();
        let name = name.chars().filter(|character| !character.is_control());
        let is_refuted = self.get("email_verified") == &Value::Bool(false);
        let email = self
            .text("email")
            .filter(|email| !is_refuted && email.len() <= MAX_EMAIL_BYTES && is_address(email));
        ProvenPerson {
            identity: Identity {
                issuer: self.token["iss"].as_str().unwrap_or_default().to_owned(),
                subject: self.token["sub"].as_str().unwrap_or_default().to_owned(),
            },
            name: name.take(MAX_NAME_LENGTH).collect(),
            email: email.map(str::to_owned),
        }
    }

    /// Their groups: the claim of this name, or, if there is none, the one at this path of members.
    pub fn groups(&self, claim: &str) -> Vec<String> {
        let mut parts = claim.split('.');
        let first = parts.next().unwrap_or_default();
        let value = match self.get(claim) {
            Value::Null => parts.fold(self.get(first), |value, part| &value[part]),
            value => value,
        };
        texts(value)
    }
}

/// A text, or the texts of a list.
fn texts(value: &Value) -> Vec<String> {
    match value {
        Value::String(text) => vec![text.clone()],
        Value::Array(values) => {
            let texts = values.iter().take(MAX_GROUPS).filter_map(Value::as_str);
            texts.map(str::to_owned).collect()
        }
        _ => Vec::new(),
    }
}

fn is_address(text: &str) -> bool {
    let has_parts = text
        .rsplit_once('@')
        .is_some_and(|(name, host)| !name.is_empty() && !host.is_empty());
    has_parts
        && !text
            .chars()
            .any(|character| character.is_whitespace() || character.is_control())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn check(token: &Value) -> Result<(), OidcError> {
        let expected = Expected {
            issuer: "https://id.example",
            client_id: "opsknight",
            nonce: "n1",
            now: Timestamp::from_millis(1_000_000_000),
        };
        expected.check(token)
    }

    fn good() -> Value {
        json!({"iss": "https://id.example", "aud": "opsknight", "nonce": "n1", "sub": "u1",
            "iat": 999_990, "exp": 1_000_300})
    }

    #[test]
    fn a_token_for_us_now_and_for_this_sign_in_is_believed() {
        assert_eq!(check(&good()), Ok(()));
        let mut token = good();
        token["aud"] = json!(["opsknight", "other"]);
        token["azp"] = json!("opsknight");
        assert_eq!(check(&token), Ok(()));
    }

    #[test]
    fn every_other_token_is_refused() {
        let changes = [
            ("iss", json!("https://id.example/")),
            ("iss", json!(null)),
            ("aud", json!("other")),
            ("aud", json!([])),
            ("aud", json!(["opsknight", "other"])),
            ("azp", json!("other")),
            ("exp", json!(999_940)),
            ("exp", json!(null)),
            ("exp", json!("1000300")),
            ("iat", json!(1_000_061)),
            ("iat", json!(null)),
            ("nbf", json!(1_000_061)),
            ("nonce", json!("n2")),
            ("nonce", json!(null)),
            ("sub", json!("")),
            ("sub", json!("a\0b")),
            ("sub", json!("x".repeat(256))),
        ];
        for (name, value) in changes {
            let mut token = good();
            token[name] = value.clone();
            assert!(check(&token).is_err(), "{name}: {value}");
        }
    }

    #[test]
    fn the_token_counts_before_the_user_information() {
        let mut token = good();
        token["name"] = json!("Ada\n Lovelace");
        let user = json!({"name": "Mallory", "email": "ada@example.com", "sub": "other",
            "realm": {"roles": ["ops", 5, "staff"]}, "groups": "one"});
        let claims = Claims::new(token, user);
        let person = claims.person();
        assert_eq!(
            (person.name.as_str(), person.identity.subject.as_str()),
            ("Ada Lovelace", "u1")
        );
        assert_eq!(person.email.as_deref(), Some("ada@example.com"));
        assert_eq!(claims.groups("realm.roles"), ["ops", "staff"]);
        assert_eq!(claims.groups("groups"), ["one"]);
        assert_eq!(claims.groups("none.at.all"), Vec::<String>::new());
    }

    #[test]
    fn an_address_that_is_not_verified_or_none_is_left_out() {
        let email = |email: Value, verified: Value| {
            let user = json!({"email": email, "email_verified": verified});
            Claims::new(good(), user).person().email
        };
        assert_eq!(email(json!("a@b"), json!(null)).as_deref(), Some("a@b"));
        assert_eq!(email(json!("a@b"), json!(false)), None);
        assert_eq!(email(json!("a b@c"), json!(true)), None);
        assert_eq!(email(json!("@"), json!(true)), None);
    }
}
