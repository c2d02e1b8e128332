//! Who there is, and who is behind a token: whoever's name it begins with, and otherwise OpsKnight. A token that begins with
//! `bad` is nobody's.

/// What somebody may do in every project.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Access {
    /// Nothing: there is no project for them.
    None,
    /// Read, write issues and comments of their own.
    Read,
    /// Change and label every issue.
    Write,
    /// Delete issues, make webhooks.
    Admin,
}

/// An account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Person {
    /// Its id.
    pub id: u64,
    /// Its name in URLs and after an `@`.
    pub login: &'static str,
    /// What people read.
    pub name: &'static str,
    /// Its rights.
    pub access: Access,
}

const PEOPLE: [Person; 5] = [
    person(101, "opsknight", "OpsKnight", Access::Write),
    person(102, "ada-lovelace", "Ada Lovelace", Access::Admin),
    person(103, "grace-hopper", "Grace Hopper", Access::Write),
    person(104, "reader", "Rea Der", Access::Read),
    person(105, "zoe-gone", "Zoe Gone", Access::None),
];

const fn person(id: u64, login: &'static str, name: &'static str, access: Access) -> Person {
    Person {
        id,
        login,
        name,
        access,
    }
}

impl Person {
    /// The same with what is left of its rights, if OpsKnight has lost its own.
    pub fn unless_lost(self, is_role_lost: bool) -> Self {
        match is_role_lost && self.login == "opsknight" {
            true => Self {
                access: Access::None,
                ..self
            },
            false => self,
        }
    }
}

/// The people who may see the projects.
pub fn members() -> impl Iterator<Item = Person> {
    PEOPLE.into_iter().filter(|person| person.access > Access::None)
}

/// The account of a name; a dot in it is as good as a hyphen.
pub fn named(login: &str) -> Option<Person> {
    let login = login.to_ascii_lowercase().replace('.', "-");
    PEOPLE.into_iter().find(|person| person.login == login)
}

/// The account behind a token.
pub fn behind(token: &str) -> Option<Person> {
    if token.is_empty() || token.starts_with("bad") {
        return None;
    }
    let is_theirs = |person: &Person| token.starts_with(person.login);
    PEOPLE
        .into_iter()
        .find(is_theirs)
        .or_else(|| PEOPLE.first().copied())
}
