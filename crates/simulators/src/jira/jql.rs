//! A small reader of JQL: fields that tickets have, the usual operators, AND, OR, NOT, parentheses, ORDER BY. What it
//! does not understand it refuses in Jira's words, as far as they were seen.

mod judge;
mod parse;
mod words;

use std::cmp::Ordering;

use crate::jira::issue::Issue;
use crate::jira::people::Person;
use crate::jira::world::World;
use model::time::Timestamp;

/// A query.
#[derive(Debug, Clone, PartialEq)]
pub struct Query {
    condition: Option<Condition>,
    orders: Vec<(Field, Direction)>,
}

/// A condition.
#[derive(Debug, Clone, PartialEq)]
enum Condition {
    All(Vec<Condition>),
    Any(Vec<Condition>),
    Not(Box<Condition>),
    Clause(Clause),
}

/// A field with what is said of it.
#[derive(Debug, Clone, PartialEq)]
struct Clause {
    field: Field,
    operator: Operator,
    values: Vec<Operand>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Direction {
    Rising,
    Falling,
}

/// How a field is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Operator {
    /// `=` and `in`.
    In,
    /// `!=` and `not in`.
    NotIn,
    /// `~`.
    Contains,
    /// `!~`.
    ContainsNot,
    /// `is EMPTY`.
    IsEmpty,
    /// `is not EMPTY`.
    IsNotEmpty,
    /// `<`, `<=`, `>` and `>=`.
    Compares(&'static str),
}

/// What a field is compared with.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Operand {
    /// A text or a number.
    Text(String),
    /// `EMPTY`, which can stand in a list too.
    Empty,
    /// `currentUser()`.
    CurrentUser,
}

/// A field that queries know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Field {
    Assignee,
    Comment,
    Component,
    Created,
    Creator,
    Description,
    Id,
    IssueType,
    Key,
    Labels,
    Priority,
    Project,
    Reporter,
    Resolution,
    Status,
    StatusCategory,
    Summary,
    Text,
    Updated,
}

impl Query {
    /// Reads a query, or says what is wrong.
    pub fn read(jql: &str) -> Result<Self, String> {
        parse::parse(jql)
    }

    /// Whether it asks for everything.
    pub fn is_unbounded(&self) -> bool {
        self.condition.is_none()
    }

    /// What is wrong with its values on this site.
    pub fn check(&self, world: &World) -> Result<(), String> {
        self.condition
            .as_ref()
            .map_or(Ok(()), |condition| judge::check(condition, world))
    }

    /// Whether an issue is meant.
    pub fn matches(&self, issue: &Issue, caller: &Person, now: Timestamp) -> bool {
        let judge = judge::Judge { issue, caller, now };
        self.condition
            .as_ref()
            .is_none_or(|condition| judge.holds(condition))
    }

    /// Which of two issues comes first; the latest unless it is said.
    pub fn order(&self, left: &Issue, right: &Issue) -> Ordering {
        let direction = self
            .orders
            .first()
            .map_or(Direction::Falling, |(_, direction)| *direction);
        let usual = [(Field::Id, direction)];
        let orders = self.orders.iter().chain(&usual);
        let compared = orders.map(|(field, direction)| match direction {
            Direction::Rising => judge::compare(*field, left, right),
            Direction::Falling => judge::compare(*field, right, left),
        });
        compared
            .into_iter()
            .find(|ordering| ordering.is_ne())
            .unwrap_or(Ordering::Equal)
    }
}

impl Field {
    fn named(name: &str) -> Option<Self> {
        let field = match name.to_lowercase().as_str() {
            "assignee" => Self::Assignee,
            "comment" => Self::Comment,
            "component" => Self::Component,
            "created" | "createddate" => Self::Created,
            "creator" => Self::Creator,
            "description" => Self::Description,
            "id" => Self::Id,
            "issuetype" | "type" => Self::IssueType,
            "key" | "issue" | "issuekey" => Self::Key,
            "labels" => Self::Labels,
            "priority" => Self::Priority,
            "project" => Self::Project,
            "reporter" => Self::Reporter,
            "resolution" => Self::Resolution,
            "status" => Self::Status,
            "statuscategory" => Self::StatusCategory,
            "summary" => Self::Summary,
            "text" => Self::Text,
            "updated" | "updateddate" => Self::Updated,
            _ => return None,
        };
        Some(field)
    }

    fn is_text(self) -> bool {
        matches!(
            self,
            Self::Comment | Self::Description | Self::Summary | Self::Text
        )
    }

    fn is_date(self) -> bool {
        matches!(self, Self::Created | Self::Updated)
    }
}
