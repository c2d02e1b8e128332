//! Whom a message calls by name: read from the option `mention`, told to Discord twice, in the text and in
//! `allowed_mentions`. Nobody is called unless the option says so.

use serde_json::{Value, json};

use destination::task::Task;

/// The most that may be called at once; Discord itself allows a hundred.
pub const MAX_MENTIONS: usize = 10;

/// Those whom a message calls.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Mentions {
    everyone: Vec<&'static str>,
    roles: Vec<String>,
    users: Vec<String>,
}

impl Mentions {
    /// Reads `@here`, `@everyone`, `<@&role>` and `<@user>`, separated by spaces or commas; an error names what it is
    /// not.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut mentions = Self::default();
        let words = text.split([' ', ',']).filter(|word| !word.is_empty());
        for (index, word) in words.enumerate() {
            if index >= MAX_MENTIONS {
                return Err(format!("names more than {MAX_MENTIONS}"));
            }
            mentions.add(word)?;
        }
        Ok(mentions)
    }

    /// Those whom a task's message calls: only what asks for attention calls anybody.
    pub fn new(task: &Task<'_>) -> Self {
        match task.event.name.asks_for_attention() {
            true => Self::parse(task.target.option("mention")).unwrap_or_default(),
            false => Self::default(),
        }
    }

    /// Whether nobody is called.
    pub fn is_empty(&self) -> bool {
        self.everyone.is_empty() && self.roles.is_empty() && self.users.is_empty()
    }

    /// The mentions as they stand in the text.
    pub fn text(&self) -> String {
        let everyone = self.everyone.iter().map(|name| (*name).to_owned());
        let roles = self.roles.iter().map(|id| format!("<@&{id}>"));
        let users = self.users.iter().map(|id| format!("<@{id}>"));
        everyone.chain(roles).chain(users).collect::<Vec<_>>().join(" ")
    }

    /// The same as Discord's `allowed_mentions`.
    pub fn allowed(&self) -> Value {
        let parse: &[&str] = if self.everyone.is_empty() {
            &[]
        } else {
            &["everyone"]
        };
        let mut allowed = json!({ "parse": parse });
        if !self.roles.is_empty() {
            allowed["roles"] = json!(self.roles);
        }
        if !self.users.is_empty() {
            allowed["users"] = json!(self.users);
        }
        allowed
    }

    fn add(&mut self, word: &str) -> Result<(), String> {
        let inner = word.strip_prefix("<@").and_then(|rest| rest.strip_suffix('>'));
        match (word, inner) {
            ("@here", _) => self.everyone.push("@here"),
            ("@everyone", _) => self.everyone.push("@everyone"),
            (_, Some(inner)) => {
                let role = inner.strip_prefix('&').filter(|id| is_id(id));
                let user = inner.strip_prefix('!').unwrap_or(inner);
                match (role, is_id(user)) {
                    (Some(role), _) => self.roles.push(role.to_owned()),
                    (None, true) => self.users.push(user.to_owned()),
                    (None, false) => return Err(not_a_mention(word)),
                }
            }
            (_, None) => return Err(not_a_mention(word)),
        }
        Ok(())
    }
}

fn not_a_mention(word: &str) -> String {
    let word = destination::text::cut(word, 40, destination::text::Unit::Characters);
    format!("{word:?} is none of @here, @everyone, <@&role id> and <@user id>")
}

/// Whether a text can be one of Discord's ids: digits of a 64-bit number.
pub fn is_id(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) && text.parse::<u64>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_is_called_unless_named() {
        let nobody = Mentions::parse("").unwrap();
        assert!(nobody.is_empty());
        assert_eq!(nobody.allowed(), json!({ "parse": [] }));
        assert_eq!(nobody.text(), "");
    }

    #[test]
    fn roles_users_and_everyone_are_named_in_the_text_and_allowed_by_id() {
        let mentions = Mentions::parse("@here, <@&12> <@34> <@!56>").unwrap();
        assert_eq!(mentions.text(), "@here <@&12> <@34> <@56>");
        let expected = json!({ "parse": ["everyone"], "roles": ["12"], "users": ["34", "56"] });
        assert_eq!(mentions.allowed(), expected);
    }

    #[test]
    fn what_is_no_mention_is_refused() {
        let refused = [
            "here",
            "<@>",
            "<@&>",
            "<@a>",
            "@someone",
            "<#12>",
            "<@99999999999999999999999>",
        ];
        assert!(refused.into_iter().all(|text| Mentions::parse(text).is_err()));
        assert!(Mentions::parse(&"<@1> ".repeat(MAX_MENTIONS)).is_ok());
        assert!(Mentions::parse(&"<@1> ".repeat(MAX_MENTIONS + 1)).is_err());
    }
}
