//! Encoded queries: conditions joined by `^`, `^OR` and `^NQ`, and orders. What is not valid in one, such as a field
//! that does not exist or may not be read, is passed over, and the rest decides; if nothing is left, every row matches.

use std::cmp::Ordering;

use crate::servicenow::instance::{Cell, Instance, Record};
use crate::servicenow::schema::Kind;

/// The most parts that a query is read to.
const MAX_PARTS: usize = 200;

/// A query, read.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Query {
    /// A record matches if it fulfils one of these; without any, it does.
    any: Vec<Vec<Alternatives>>,
    orders: Vec<Order>,
}

/// Conditions of which one must be fulfilled.
type Alternatives = Vec<Condition>;

/// A field, what it is compared by, and with what.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Condition {
    field: String,
    operator: Operator,
    value: String,
}

#[derive(Debug, PartialEq, Eq)]
struct Order {
    field: String,
    direction: Direction,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Direction {
    Up,
    Down,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Operator {
    Is,
    /// The value, or what people see of it: for a field that is a parameter of its own.
    Shows,
    IsNot,
    Less,
    AtMost,
    More,
    AtLeast,
    Contains,
    StartsWith,
    IsOneOf,
    IsEmpty,
    IsNotEmpty,
}

/// The operators as they are written; the longer of two that begin alike comes first.
const OPERATORS: [(&str, Operator); 11] = [
    ("!=", Operator::IsNot),
    ("<=", Operator::AtMost),
    (">=", Operator::AtLeast),
    ("=", Operator::Is),
    ("<", Operator::Less),
    (">", Operator::More),
    ("STARTSWITH", Operator::StartsWith),
    ("LIKE", Operator::Contains),
    ("ISNOTEMPTY", Operator::IsNotEmpty),
    ("ISEMPTY", Operator::IsEmpty),
    ("IN", Operator::IsOneOf),
];

impl Query {
    /// Reads an encoded query.
    pub fn read(text: &str) -> Self {
        let mut query = Self {
            any: vec![Vec::new()],
            orders: Vec::new(),
        };
        for part in parts(text) {
            let (part, starts_anew) = match part.strip_prefix("NQ") {
                Some(rest) => (rest, true),
                None => (part.as_str(), false),
            };
            if starts_anew {
                query.any.push(Vec::new());
            }
            query.take(part);
        }
        query
    }

    /// Adds a condition that a field has a value, as a value or as people see it.
    pub fn require(&mut self, field: &str, value: &str) {
        let condition = Condition {
            field: field.to_owned(),
            operator: Operator::Shows,
            value: value.to_owned(),
        };
        for all in &mut self.any {
            all.push(vec![condition.clone()]);
        }
    }

    /// Forgets every condition; the orders stay.
    pub fn forget_conditions(&mut self) {
        self.any.clear();
    }

    /// The records of a table that match, in order.
    pub fn select<'a>(&self, instance: &'a Instance, table: &'a str) -> Vec<&'a Record> {
        let matches = |record: &&Record| self.matches(instance, record);
        let mut records: Vec<&Record> = instance.records(table).filter(matches).collect();
        for order in self.orders.iter().rev() {
            let key = |record: &Record| instance.cell(record, &order.field);
            records.sort_by(|left, right| match (key(left), key(right)) {
                (Some(left), Some(right)) => order.direction.of(compare_cells(&left, &right)),
                _ => Ordering::Equal,
            });
        }
        records
    }

    fn take(&mut self, part: &str) {
        let order = match (part.strip_prefix("ORDERBYDESC"), part.strip_prefix("ORDERBY")) {
            (Some(field), _) => Some((field, Direction::Down)),
            (None, Some(field)) => Some((field, Direction::Up)),
            (None, None) => None,
        };
        if let Some((field, direction)) = order {
            self.orders.push(Order {
                field: field.to_owned(),
                direction,
            });
            return;
        }
        let Some(all) = self.any.last_mut() else {
            return;
        };
        let (text, joins) = part.strip_prefix("OR").map_or((part, false), |rest| (rest, true));
        let Some(condition) = Condition::read(text) else {
            return;
        };
        match all.last_mut().filter(|_| joins) {
            Some(alternatives) => alternatives.push(condition),
            None => all.push(vec![condition]),
        }
    }

    fn matches(&self, instance: &Instance, record: &Record) -> bool {
        let fulfils = |condition: &Condition| condition.is_fulfilled(instance, record);
        let holds = |alternatives: &Alternatives| {
            let mut valid = alternatives.iter().filter_map(fulfils).peekable();
            valid.peek().is_none() || valid.any(|is_fulfilled| is_fulfilled)
        };
        self.any.is_empty() || self.any.iter().any(|all| all.iter().all(holds))
    }
}

impl Condition {
    /// Reads a condition; nothing if it is not valid.
    fn read(text: &str) -> Option<Self> {
        let is_name =
            |letter: char| letter.is_ascii_lowercase() || letter.is_ascii_digit() || "_.".contains(letter);
        let end = text.find(|letter| !is_name(letter))?;
        let (field, rest) = text.split_at_checked(end)?;
        let (written, operator) = OPERATORS.iter().find(|(written, _)| rest.starts_with(written))?;
        let value = rest.strip_prefix(written)?.to_owned();
        Some(Self {
            field: field.to_owned(),
            operator: *operator,
            value,
        })
    }

    /// Whether a record fulfils it; nothing if there is no such field.
    fn is_fulfilled(&self, instance: &Instance, record: &Record) -> Option<bool> {
        let cell = instance.cell(record, &self.field)?;
        let value = cell.value.as_str();
        let wanted = self.value.as_str();
        let seen = if matches!(cell.kind, Kind::Reference(_)) {
            cell.display.as_str()
        } else {
            value
        };
        let compared = |wanted: &str| (!value.is_empty()).then(|| compare(value, wanted));
        Some(match self.operator {
            Operator::Is => value == wanted,
            Operator::Shows => value == wanted || cell.display.eq_ignore_ascii_case(wanted),
            Operator::IsNot => value != wanted,
            Operator::Less => compared(wanted).is_some_and(Ordering::is_lt),
            Operator::AtMost => compared(wanted).is_some_and(Ordering::is_le),
            Operator::More => compared(wanted).is_some_and(Ordering::is_gt),
            Operator::AtLeast => compared(wanted).is_some_and(Ordering::is_ge),
            Operator::Contains => seen.contains(wanted),
            Operator::StartsWith => seen.starts_with(wanted),
            Operator::IsOneOf => wanted.split(',').any(|one| one == value),
            Operator::IsEmpty => value.is_empty(),
            Operator::IsNotEmpty => !value.is_empty(),
        })
    }
}

impl Direction {
    fn of(self, ordering: Ordering) -> Ordering {
        match self {
            Self::Up => ordering,
            Self::Down => ordering.reverse(),
        }
    }
}

/// A query's parts: `^` stands between them, `^^` for itself.
fn parts(text: &str) -> Vec<String> {
    let mut parts = vec![String::new()];
    let mut letters = text.chars().peekable();
    while let Some(letter) = letters.next() {
        let is_join = letter == '^' && letters.next_if_eq(&'^').is_none();
        match parts.last_mut() {
            Some(part) if !is_join => part.push(letter),
            _ => parts.push(String::new()),
        }
    }
    parts.retain(|part| !part.is_empty() && part != "EQ");
    parts.truncate(MAX_PARTS);
    parts
}

/// Numbers by their size, other values by their letters.
fn compare(left: &str, right: &str) -> Ordering {
    match (left.parse::<i64>(), right.parse::<i64>()) {
        (Ok(left), Ok(right)) => left.cmp(&right),
        _ => left.cmp(right),
    }
}

fn compare_cells(left: &Cell, right: &Cell) -> Ordering {
    match left.kind {
        Kind::Reference(_) => compare(&left.display, &right.display),
        Kind::Text
        | Kind::Integer
        | Kind::Boolean
        | Kind::DateTime
        | Kind::IntegerChoice(_)
        | Kind::TextChoice(_)
        | Kind::Journal => compare(&left.value, &right.value),
    }
}
