//! Who is called by name: the `mention` option, read.

use uuid::Uuid;

/// The most people that one card calls.
const MAX_MENTIONS: usize = 5;
/// The longest name, in characters.
const MAX_NAME_LENGTH: usize = 64;
/// The longest address, in bytes: what Microsoft permits for a user principal name is shorter.
const MAX_ID_BYTES: usize = 256;

/// Somebody who is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Mention<'a> {
    /// The name that the card shows.
    pub name: &'a str,
    /// The user principal name or Entra object id.
    pub id: &'a str,
}

/// The people in an option; nobody if it is empty, nothing if it cannot be read.
pub(super) fn read(option: &str) -> Option<Vec<Mention<'_>>> {
    if option.trim().is_empty() {
        return Some(Vec::new());
    }
    let people: Vec<_> = option.split(',').map(read_one).collect::<Option<_>>()?;
    (people.len() <= MAX_MENTIONS).then_some(people)
}

fn read_one(text: &str) -> Option<Mention<'_>> {
    let (name, id) = text.trim().strip_suffix('>')?.split_once('<')?;
    let mention = Mention {
        name: name.trim(),
        id: id.trim(),
    };
    (is_name(mention.name) && (is_object_id(mention.id) || is_address(mention.id))).then_some(mention)
}

/// Names that mean nothing in Markdown: they stand in the card as they are, because Teams looks them up there.
fn is_name(name: &str) -> bool {
    let is_plain = |character: char| character.is_alphanumeric() || " .-'()".contains(character);
    name.starts_with(char::is_alphabetic)
        && name.chars().all(is_plain)
        && name.chars().count() <= MAX_NAME_LENGTH
}

fn is_object_id(id: &str) -> bool {
    id.len() == 36 && Uuid::try_parse(id).is_ok()
}

fn is_address(id: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b".-_+'#!^~".contains(&byte);
    let is_part = |part: &str| !part.is_empty() && part.bytes().all(is_plain);
    id.len() <= MAX_ID_BYTES
        && id
            .split_once('@')
            .is_some_and(|(local, domain)| is_part(local) && is_part(domain) && domain.contains('.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_is_called_unless_somebody_is_named() {
        assert_eq!(read(""), Some(Vec::new()));
        assert_eq!(read("  "), Some(Vec::new()));
    }

    #[test]
    fn a_name_goes_with_an_address_or_an_object_id() {
        let people =
            read("Ada Lovelace <ada@example.com>, Zoë O'Hara (Ops) <87d349ed-44d7-43e1-9a83-5f2406dee5bd>");
        let ada = Mention {
            name: "Ada Lovelace",
            id: "ada@example.com",
        };
        let zoe = Mention {
            name: "Zoë O'Hara (Ops)",
            id: "87d349ed-44d7-43e1-9a83-5f2406dee5bd",
        };
        assert_eq!(people, Some(vec![ada, zoe]));
    }

    #[test]
    fn what_is_no_name_with_an_address_is_refused() {
        let refused = [
            "ada@example.com",
            "<ada@example.com>",
            "Ada <ada>",
            "Ada <ada@example>",
            "**Ada** <ada@example.com>",
            "<at>Ada</at> <ada@example.com>",
            "Ada\u{202e} <ada@example.com>",
            "Ada <ada@example.com>,",
            "1. Ada <ada@example.com>",
        ];
        assert_eq!(refused.map(read), [const { None }; 9]);
    }

    #[test]
    fn five_people_are_enough() {
        let five = ["Ada <ada@example.com>"; 5].join(",");
        assert_eq!(read(&five).map(|people| people.len()), Some(5));
        assert_eq!(read(&format!("{five},Ada <ada@example.com>")), None);
    }
}
