//! JQL as far as programs ask for tickets here: `field = value` and `field in (…)`, joined by AND, and ORDER BY. Anything
//! else is refused in Jira's words, as far as they were seen: a query that Jira would take and this does not is no query
//! of ours.

use std::cmp::Ordering;
use std::fmt;
use std::iter::Peekable;
use std::vec::IntoIter;

use crate::jira::issue::Issue;
use crate::jira::site::{Category, project, statuses};
use crate::jira::world::World;

/// Characters that a value may have only in quotation marks.
const RESERVED: &str = "+;?|*/%^$#@{}[]`";

/// A query.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Query {
    /// All of them must hold.
    clauses: Vec<Clause>,
    order: Option<(Order, Direction)>,
}

/// A field and the values of which it must have one.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Clause {
    field: Field,
    values: Vec<String>,
}

/// A field that queries know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Field {
    Key,
    Labels,
    Project,
    Status,
    StatusCategory,
}

/// What issues are ordered by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Order {
    Created,
    Key,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Direction {
    Rising,
    Falling,
}

impl Query {
    /// Reads a query, or says what is wrong.
    pub fn read(jql: &str) -> Result<Self, String> {
        let mut words = Words(split(jql)?.into_iter().peekable());
        let mut clauses = Vec::new();
        if words.0.peek().is_some_and(|word| !word.is("order")) {
            clauses.push(words.clause()?);
            while words.takes("and") {
                clauses.push(words.clause()?);
            }
        }
        let order = words.takes("order").then(|| words.order()).transpose()?;
        match words.0.next() {
            None => Ok(Self { clauses, order }),
            Some(word) => Err(got("Expecting either 'OR' or 'AND'", &word)),
        }
    }

    /// Whether it asks for everything.
    pub fn is_unbounded(&self) -> bool {
        self.clauses.is_empty()
    }

    /// What is wrong with its values on this site.
    pub fn check(&self, world: &World) -> Result<(), String> {
        self.clauses.iter().try_for_each(|clause| {
            let missing = clause
                .values
                .iter()
                .find(|value| !exists(clause.field, value, world));
            missing.map_or(Ok(()), |value| Err(clause.field.missing(value)))
        })
    }

    /// Whether an issue is meant.
    pub fn matches(&self, issue: &Issue) -> bool {
        let holds = |clause: &Clause| {
            clause
                .values
                .iter()
                .any(|value| is_value(issue, clause.field, value))
        };
        self.clauses.iter().all(holds)
    }

    /// Which of two issues comes first; the latest unless it is said.
    pub fn order(&self, left: &Issue, right: &Issue) -> Ordering {
        let (order, direction) = self.order.unwrap_or((Order::Created, Direction::Falling));
        let rising = match order {
            Order::Created => left.created_at.cmp(&right.created_at),
            Order::Key => (left.project.key, left.number).cmp(&(right.project.key, right.number)),
        };
        let rising = rising.then(left.id.cmp(&right.id));
        match direction {
            Direction::Rising => rising,
            Direction::Falling => rising.reverse(),
        }
    }
}

impl Field {
    fn named(name: &str) -> Result<Self, String> {
        match name.to_lowercase().as_str() {
            "key" | "issuekey" => Ok(Self::Key),
            "labels" => Ok(Self::Labels),
            "project" => Ok(Self::Project),
            "status" => Ok(Self::Status),
            "statuscategory" => Ok(Self::StatusCategory),
            _ => Err(format!(
                "Field '{name}' does not exist or you do not have permission to view it."
            )),
        }
    }

    fn missing(self, value: &str) -> String {
        let of = |name: &str| format!("The value '{value}' does not exist for the field '{name}'.");
        match self {
            Self::Key => format!("An issue with key '{value}' does not exist for field 'key'."),
            Self::Labels => of("labels"),
            Self::Project => of("project"),
            Self::Status => of("status"),
            Self::StatusCategory => of("statusCategory"),
        }
    }
}

/// Whether the site has a value.
fn exists(field: Field, value: &str, world: &World) -> bool {
    match field {
        Field::Key => world.issues.iter().any(|issue| is_value(issue, field, value)),
        Field::Labels => true,
        Field::Project => project(value).is_some(),
        Field::Status => statuses().any(|status| status.is_called(value)),
        Field::StatusCategory => Category::ALL
            .into_iter()
            .any(|category| category.is_called(value)),
    }
}

fn is_value(issue: &Issue, field: Field, value: &str) -> bool {
    match field {
        Field::Key => issue.is_named(value),
        Field::Labels => issue
            .fields
            .labels
            .iter()
            .any(|label| label.eq_ignore_ascii_case(value)),
        Field::Project => project(value) == Some(issue.project),
        Field::Status => issue.fields.status.is_called(value),
        Field::StatusCategory => issue.fields.status.category.is_called(value),
    }
}

/// One piece of a query.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Word {
    Bare(String),
    Quoted(String),
    Sign(char),
}

impl Word {
    fn is(&self, word: &str) -> bool {
        matches!(self, Self::Bare(text) if text.eq_ignore_ascii_case(word))
    }
}

impl fmt::Display for Word {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bare(text) | Self::Quoted(text) => f.write_str(text),
            Self::Sign(sign) => write!(f, "{sign}"),
        }
    }
}

/// Takes a query apart.
fn split(jql: &str) -> Result<Vec<Word>, String> {
    let mut words = Vec::new();
    let mut rest = jql.chars().peekable();
    while let Some(first) = rest.next() {
        let word = match first {
            _ if first.is_whitespace() => continue,
            '=' | '(' | ')' | ',' => Word::Sign(first),
            '"' | '\'' => Word::Quoted(quoted(&mut rest, first)?),
            _ => {
                let mut bare = String::from(first);
                let goes_on = |next: &char| !next.is_whitespace() && !"=(),\"'".contains(*next);
                while let Some(next) = rest.next_if(goes_on) {
                    bare.push(next);
                }
                if let Some(reserved) = bare.chars().find(|character| RESERVED.contains(*character)) {
                    return Err(format!(
                        "Error in the JQL Query: The character '{reserved}' is a reserved JQL character. You must \
                         enclose it in a string."
                    ));
                }
                Word::Bare(bare)
            }
        };
        words.push(word);
    }
    Ok(words)
}

/// What stands up to the closing mark.
fn quoted(rest: &mut impl Iterator<Item = char>, mark: char) -> Result<String, String> {
    let mut text = String::new();
    while let Some(character) = rest.next() {
        match character {
            '\\' => text.extend(rest.next()),
            _ if character == mark => return Ok(text),
            _ => text.push(character),
        }
    }
    Err(format!(
        "Error in the JQL Query: The quoted string '{text}' has not been completed."
    ))
}

/// What is left of a query.
struct Words(Peekable<IntoIter<Word>>);

impl Words {
    fn takes(&mut self, word: &str) -> bool {
        self.0.next_if(|next| next.is(word)).is_some()
    }

    fn takes_sign(&mut self, sign: char) -> bool {
        self.0.next_if_eq(&Word::Sign(sign)).is_some()
    }

    fn clause(&mut self) -> Result<Clause, String> {
        let field = Field::named(&self.text("a field name")?)?;
        if self.takes_sign('=') {
            let values = vec![self.text("a value")?];
            return Ok(Clause { field, values });
        }
        if !self.takes("in") {
            return Err(self.expecting("operator"));
        }
        if !self.takes_sign('(') {
            return Err(self.expecting("'('"));
        }
        let mut values = vec![self.text("a value")?];
        while self.takes_sign(',') {
            values.push(self.text("a value")?);
        }
        if !self.takes_sign(')') {
            return Err(self.expecting("')'"));
        }
        Ok(Clause { field, values })
    }

    fn order(&mut self) -> Result<(Order, Direction), String> {
        if !self.takes("by") {
            return Err(self.expecting("'by'"));
        }
        let order = match self.text("a field name")?.to_lowercase().as_str() {
            "created" => Order::Created,
            "key" => Order::Key,
            name => return Err(format!("Not able to sort using field '{name}'.")),
        };
        if self.takes("desc") {
            return Ok((order, Direction::Falling));
        }
        let _is_said = self.takes("asc");
        Ok((order, Direction::Rising))
    }

    /// The next word, which is no sign.
    fn text(&mut self, what: &str) -> Result<String, String> {
        match self.0.next_if(|word| !matches!(word, Word::Sign(_))) {
            Some(Word::Bare(text) | Word::Quoted(text)) => Ok(text),
            Some(Word::Sign(_)) | None => Err(self.expecting(what)),
        }
    }

    fn expecting(&mut self, what: &str) -> String {
        match self.0.next() {
            Some(word) => got(&format!("Expecting {what}"), &word),
            None => format!("Error in the JQL Query: Expecting {what} at the end of the query."),
        }
    }
}

fn got(expecting: &str, word: &Word) -> String {
    format!("Error in the JQL Query: {expecting} but got '{word}'.")
}
