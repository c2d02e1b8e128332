//! Whether a condition holds of an issue, whether its values exist at all, and which of two issues comes first.

use std::cmp::Ordering;
use std::time::Duration;

use crate::jira::issue::Issue;
use crate::jira::jql::{Clause, Condition, Field, Operand, Operator};
use crate::jira::people::Person;
use crate::jira::site::{Category, Entry, ISSUE_TYPES, PRIORITIES, PROJECTS, RESOLUTIONS, project, statuses};
use crate::jira::world::World;
use model::time::Timestamp;

/// The resolution of what has none, in queries.
const UNRESOLVED: &str = "unresolved";

/// What it takes to judge an issue.
pub struct Judge<'a> {
    /// The issue.
    pub issue: &'a Issue,
    /// Who asks.
    pub caller: &'a Person,
    /// Now.
    pub now: Timestamp,
}

impl Judge<'_> {
    /// Whether a condition holds.
    pub fn holds(&self, condition: &Condition) -> bool {
        match condition {
            Condition::All(conditions) => conditions.iter().all(|condition| self.holds(condition)),
            Condition::Any(conditions) => conditions.iter().any(|condition| self.holds(condition)),
            Condition::Not(condition) => !self.holds(condition),
            Condition::Clause(clause) => self.holds_clause(clause),
        }
    }

    fn holds_clause(&self, clause: &Clause) -> bool {
        let is_empty = self.names(clause.field).is_empty();
        let is_among = || {
            clause
                .values
                .iter()
                .any(|value| self.is_value(clause.field, value))
        };
        match clause.operator {
            Operator::IsEmpty => is_empty,
            Operator::IsNotEmpty => !is_empty,
            Operator::In => is_among(),
            // What has no value is unlike nothing: the trap of `!=`.
            Operator::NotIn => !is_empty && !is_among(),
            Operator::Contains => self.contains(clause),
            Operator::ContainsNot => !self.contains(clause),
            Operator::Compares(sign) => self.compares(clause, sign),
        }
    }

    fn is_value(&self, field: Field, value: &Operand) -> bool {
        let names = self.names(field);
        let has = |text: &str| {
            names
                .iter()
                .any(|name| name.to_lowercase() == text.to_lowercase())
        };
        match value {
            Operand::Empty => names.is_empty(),
            Operand::CurrentUser => has(&self.caller.account_id),
            Operand::Text(text) if field == Field::Resolution && text.eq_ignore_ascii_case(UNRESOLVED) => {
                names.is_empty()
            }
            Operand::Text(text) if field == Field::Status => self.issue.fields.status.is_called(text),
            Operand::Text(text) => has(text),
        }
    }

    /// Every name under which a field's value can be meant.
    fn names(&self, field: Field) -> Vec<String> {
        let fields = &self.issue.fields;
        let entry = |entry: &Entry| vec![entry.id.to_owned(), entry.name.to_owned()];
        let person = |person: &Person| {
            vec![
                person.account_id.clone(),
                person.name.clone(),
                person.email.clone(),
            ]
        };
        match field {
            Field::Project => {
                let project = self.issue.project;
                vec![
                    project.id.to_owned(),
                    project.key.to_owned(),
                    project.name.to_owned(),
                ]
            }
            Field::Key | Field::Id => vec![self.issue.key(), self.issue.id.to_string()],
            Field::Labels => fields.labels.clone(),
            Field::Component => fields
                .components
                .iter()
                .flat_map(|component| entry(component))
                .collect(),
            Field::Status => vec![fields.status.name.to_owned()],
            Field::StatusCategory => {
                let category = fields.status.category;
                vec![
                    category.key().to_owned(),
                    category.english().to_owned(),
                    category.id().to_string(),
                ]
            }
            Field::Resolution => fields.resolution.map(entry).unwrap_or_default(),
            Field::Priority => entry(fields.priority),
            Field::IssueType => entry(fields.issue_type),
            Field::Assignee => fields.assignee.as_ref().map(person).unwrap_or_default(),
            Field::Reporter => person(&fields.reporter),
            Field::Creator => person(&self.issue.creator),
            Field::Description | Field::Summary | Field::Comment | Field::Text => self
                .texts(field)
                .into_iter()
                .filter(|text| !text.is_empty())
                .collect(),
            Field::Created => vec![self.issue.created_at.to_string()],
            Field::Updated => vec![self.issue.updated_at.to_string()],
        }
    }

    fn texts(&self, field: Field) -> Vec<String> {
        let fields = &self.issue.fields;
        let summary = || fields.summary.clone();
        let description = || {
            fields
                .description
                .as_ref()
                .map(|description| description.plain())
                .unwrap_or_default()
        };
        let comments = || self.issue.comments.iter().map(|comment| comment.body.plain());
        match field {
            Field::Summary => vec![summary()],
            Field::Description => vec![description()],
            Field::Comment => comments().collect(),
            _ => [summary(), description()].into_iter().chain(comments()).collect(),
        }
    }

    /// Whether some text has all words, and every phrase in quotation marks. `*` at a word's end leaves it open.
    fn contains(&self, clause: &Clause) -> bool {
        let texts = self.texts(clause.field);
        let wanted = clause.values.iter().find_map(|value| match value {
            Operand::Text(text) => Some(text.as_str()),
            Operand::Empty | Operand::CurrentUser => None,
        });
        let wanted = wanted.unwrap_or_default();
        let phrases: Vec<Vec<String>> = match wanted.strip_prefix('"').and_then(|text| text.strip_suffix('"'))
        {
            Some(phrase) => vec![words(phrase)],
            None => words(wanted).into_iter().map(|word| vec![word]).collect(),
        };
        let has = |phrase: &Vec<String>| texts.iter().any(|text| has_phrase(&words(text), phrase));
        !phrases.is_empty() && phrases.iter().all(has)
    }

    fn compares(&self, clause: &Clause, sign: &str) -> bool {
        let at = if clause.field == Field::Updated {
            self.issue.updated_at
        } else {
            self.issue.created_at
        };
        let wanted = clause.values.iter().find_map(|value| match value {
            Operand::Text(text) => date(text, self.now),
            Operand::Empty | Operand::CurrentUser => None,
        });
        wanted.is_some_and(|wanted| match sign {
            "<" => at < wanted,
            "<=" => at <= wanted,
            ">" => at > wanted,
            _ => at >= wanted,
        })
    }
}

fn words(text: &str) -> Vec<String> {
    let is_end = |character: char| !character.is_alphanumeric() && character != '_' && character != '*';
    let words = text.split(is_end).filter(|word| !word.is_empty());
    words.map(str::to_lowercase).collect()
}

fn has_phrase(words: &[String], phrase: &[String]) -> bool {
    let is_word = |(word, wanted): (&String, &String)| match wanted.strip_suffix('*') {
        Some(beginning) => word.starts_with(beginning),
        None => word == wanted,
    };
    !phrase.is_empty()
        && words
            .windows(phrase.len())
            .any(|part| part.iter().zip(phrase).all(is_word))
}

/// A point in time: a date, perhaps with hour and minute, or a period such as `-5m`, `-1h`, `-2d`, `-1w`.
fn date(text: &str, now: Timestamp) -> Option<Timestamp> {
    let period = text.strip_prefix('-').and_then(|period| {
        let unit = period.chars().last()?;
        let count: u64 = period.strip_suffix(unit)?.parse().ok()?;
        let seconds = match unit {
            'm' => 60,
            'h' => 3600,
            'd' => 86_400,
            'w' => 604_800,
            _ => return None,
        };
        Some(now.minus(Duration::from_secs(count.saturating_mul(seconds))))
    });
    period.or_else(|| {
        let text = text.replace('/', "-");
        let (day, minute) = text.split_once(' ').unwrap_or((&text, "00:00"));
        format!("{day}T{minute}:00Z").parse().ok()
    })
}

/// Says of the first value that this site does not have that it does not.
pub fn check(condition: &Condition, world: &World) -> Result<(), String> {
    match condition {
        Condition::All(conditions) | Condition::Any(conditions) => conditions
            .iter()
            .try_for_each(|condition| check(condition, world)),
        Condition::Not(condition) => check(condition, world),
        Condition::Clause(clause) => clause.values.iter().try_for_each(|value| match value {
            Operand::Text(text) => check_value(clause.field, text, world),
            Operand::Empty | Operand::CurrentUser => Ok(()),
        }),
    }
}

fn check_value(field: Field, text: &str, world: &World) -> Result<(), String> {
    let is_entry = |entries: &[Entry]| {
        entries
            .iter()
            .any(|entry| entry.id == text || entry.name.eq_ignore_ascii_case(text))
    };
    let is_person = || world.people.iter().any(|person| person.is_called(text));
    let is_category = |category: Category| {
        category.key() == text
            || category.english().eq_ignore_ascii_case(text)
            || category.id().to_string() == text
    };
    let is_issue = |issue: &Issue| issue.id.to_string() == text || issue.key().eq_ignore_ascii_case(text);
    let missing = |name: &str| {
        Err(format!(
            "The value '{text}' does not exist for the field '{name}'."
        ))
    };
    match field {
        Field::Project if project(text).is_none() && !is_project_named(text) => missing("project"),
        Field::Status if !statuses().any(|status| status.is_called(text)) => missing("status"),
        Field::StatusCategory if !Category::ALL.into_iter().any(is_category) => missing("statusCategory"),
        Field::Priority if !is_entry(&PRIORITIES) => missing("priority"),
        Field::Resolution if !is_entry(&RESOLUTIONS) && !text.eq_ignore_ascii_case(UNRESOLVED) => {
            missing("resolution")
        }
        Field::IssueType if !is_entry(&ISSUE_TYPES) => missing("issuetype"),
        Field::Assignee if !is_person() => missing("assignee"),
        Field::Reporter if !is_person() => missing("reporter"),
        Field::Key if !world.issues.iter().any(is_issue) => Err(format!(
            "An issue with key '{text}' does not exist for field 'key'."
        )),
        Field::Id if !world.issues.iter().any(is_issue) => Err(format!(
            "A value with ID '{text}' does not exist for the field 'id'."
        )),
        Field::Created | Field::Updated if date(text, Timestamp::EPOCH).is_none() => Err(format!(
            "Date value '{text}' is invalid. Valid formats include: 'yyyy/MM/dd HH:mm', 'yyyy-MM-dd HH:mm', \
             'yyyy/MM/dd', 'yyyy-MM-dd', or a period format e.g. '-5d', '4w 2d'."
        )),
        _ => Ok(()),
    }
}

fn is_project_named(name: &str) -> bool {
    PROJECTS
        .iter()
        .any(|project| project.name.eq_ignore_ascii_case(name))
}

/// How two issues stand to each other.
pub fn compare(field: Field, left: &Issue, right: &Issue) -> Ordering {
    match field {
        Field::Created => left.created_at.cmp(&right.created_at),
        Field::Updated => left.updated_at.cmp(&right.updated_at),
        Field::Key => (left.project.key, left.number).cmp(&(right.project.key, right.number)),
        // The highest priority has the smallest id, and counts as the greatest.
        Field::Priority => right.fields.priority.id.cmp(left.fields.priority.id),
        Field::Summary => left.fields.summary.cmp(&right.fields.summary),
        Field::Id => left.id.cmp(&right.id),
        _ => Ordering::Equal,
    }
}
