//! Setting fields: the objects `fields` and `update` of a request, read against a screen. Every field that cannot be set
//! so is named in the refusal, and then nothing is set.

use serde_json::{Map, Value};

use crate::jira::answer::Refusal;
use crate::jira::fields::{Fields, IMPACT, SERVICE};
use crate::jira::people::Person;
use crate::jira::request::{Api, Asked};
use crate::jira::rich::{Rich, Unreadable};
use crate::jira::site::{Project, RESOLUTIONS};
use crate::jira::values;
use crate::jira::world::World;

/// What a request wants of its fields.
#[derive(Debug)]
pub struct Change {
    operations: Vec<Operation>,
}

#[derive(Debug)]
struct Operation {
    field: String,
    verb: String,
    value: Value,
}

/// Why a field cannot be set.
pub enum Problem {
    /// Said of the field.
    Field(String),
    /// Said of the whole request.
    Whole(&'static str),
}

impl From<String> for Problem {
    fn from(message: String) -> Self {
        Self::Field(message)
    }
}

impl From<&str> for Problem {
    fn from(message: &str) -> Self {
        Self::Field(message.to_owned())
    }
}

impl From<Unreadable> for Problem {
    fn from(unreadable: Unreadable) -> Self {
        unreadable
            .message()
            .map_or(Self::Whole("INVALID_INPUT"), Self::from)
    }
}

impl Change {
    /// Reads `fields` and `update`.
    pub fn read(members: &Map<String, Value>) -> Result<Self, Refusal> {
        let object = |name: &str| match members.get(name) {
            None | Some(Value::Null) => Ok(Map::new()),
            Some(Value::Object(object)) => Ok(object.clone()),
            Some(_) => Err(Refusal::invalid_payload()),
        };
        let (fields, update) = (object("fields")?, object("update")?);
        let twice = update.keys().find(|field| fields.contains_key(*field));
        if let Some(field) = twice {
            let message = format!("Field '{field}' cannot appear in both 'fields' and 'update'");
            return Err(Refusal::field(400, field, message));
        }
        let set = |(field, value)| Operation {
            field,
            verb: "set".to_owned(),
            value,
        };
        let mut operations: Vec<Operation> = fields.into_iter().map(set).collect();
        for (field, steps) in update {
            let Value::Array(steps) = steps else {
                return Err(Refusal::invalid_payload());
            };
            for step in steps {
                let Value::Object(step) = step else {
                    return Err(Refusal::invalid_payload());
                };
                let step = step.into_iter().map(|(verb, value)| Operation {
                    field: field.clone(),
                    verb,
                    value,
                });
                operations.extend(step);
            }
        }
        Ok(Self { operations })
    }

    /// Whether it wants anything of a field.
    pub fn names(&self, field: &str) -> bool {
        self.operations.iter().any(|operation| operation.field == field)
    }

    /// The value that it sets a field to.
    pub fn value(&self, field: &str) -> Option<&Value> {
        self.operations
            .iter()
            .find(|operation| operation.field == field)
            .map(|operation| &operation.value)
    }

    /// Leaves out fields that were read otherwise.
    pub fn without(mut self, fields: &[&str]) -> Self {
        self.operations
            .retain(|operation| !fields.contains(&operation.field.as_str()));
        self
    }

    /// Sets the fields of a draft; gives the comments that are to be written.
    pub fn apply(
        &self,
        world: &World,
        asked: &Asked<'_>,
        project: &'static Project,
        screen: &[&str],
        draft: &mut Fields,
    ) -> Result<Vec<Rich>, Refusal> {
        let mut errors = Map::new();
        let mut comments = Vec::new();
        let setter = Setter {
            world,
            api: asked.view.api,
            project,
        };
        for operation in &self.operations {
            let field = operation.field.as_str();
            let problem = if !screen.contains(&field) {
                let message = "cannot be set. It is not on the appropriate screen, or unknown.";
                Err(Problem::Field(format!("Field '{field}' {message}")))
            } else if field == "comment" {
                setter.comment(operation).map(|comment| comments.push(comment))
            } else {
                setter.set(draft, operation)
            };
            match problem {
                Ok(()) => {}
                Err(Problem::Whole(message)) => return Err(Refusal::said(400, message)),
                Err(Problem::Field(message)) => {
                    errors.insert(field.to_owned(), Value::String(message));
                }
            }
        }
        if errors.is_empty() {
            Ok(comments)
        } else {
            Err(Refusal::fields(400, &errors))
        }
    }
}

/// What it takes to set a field.
struct Setter<'a> {
    world: &'a World,
    api: Api,
    project: &'static Project,
}

impl Setter<'_> {
    fn set(&self, draft: &mut Fields, operation: &Operation) -> Result<(), Problem> {
        let Operation { field, verb, value } = operation;
        let is_list = matches!(field.as_str(), "labels" | "components");
        if verb != "set" && !(is_list && (verb == "add" || verb == "remove")) {
            return Err(format!("The operation '{verb}' is not supported for the field '{field}'.").into());
        }
        match field.as_str() {
            "summary" => draft.summary = values::summary(value, self.api)?,
            "description" => draft.description = self.rich(value)?,
            "issuetype" => draft.issue_type = values::issue_type(value, self.api)?,
            "priority" => draft.priority = values::priority(value)?,
            "resolution" => draft.resolution = values::one_of(value, &RESOLUTIONS, "Resolution")?,
            "labels" => values::change_list(&mut draft.labels, verb, value, values::label)?,
            "components" => {
                let components = self.project.components;
                values::change_list(&mut draft.components, verb, value, |value| {
                    values::some_of(value, components, "Component")
                })?;
            }
            "assignee" => draft.assignee = self.person(value)?,
            "reporter" => draft.reporter = self.person(value)?.ok_or("Reporter is required.")?,
            SERVICE => draft.service = values::line(value)?,
            IMPACT => draft.impact = values::impact(value)?,
            _ => return Err(format!("Field '{field}' cannot be set.").into()),
        }
        Ok(())
    }

    fn rich(&self, value: &Value) -> Result<Option<Rich>, Problem> {
        let is_empty = value.is_null() || value.as_str().is_some_and(str::is_empty);
        if is_empty {
            Ok(None)
        } else {
            Ok(Some(Rich::read(value, self.api)?))
        }
    }

    fn comment(&self, operation: &Operation) -> Result<Rich, Problem> {
        let body = operation.value.get("body").filter(|_| operation.verb == "add");
        let body = body.ok_or("Comment body is not valid!")?;
        Rich::read(body, self.api).map_err(|_| "Comment body is not valid!".into())
    }

    /// An account: by its id, or in the second version by its name too. Nobody if it is null.
    fn person(&self, value: &Value) -> Result<Option<Person>, Problem> {
        let Some(name) = values::named_person(value, self.api)? else {
            return Ok(None);
        };
        self.world
            .assignable(&name)
            .cloned()
            .map(Some)
            .map_err(Problem::Field)
    }
}
