//! An issue as Jira shows it: `GET …/issue/{id}`, the issues of a search, and those that webhooks carry.

use serde_json::{Map, Value, json};

use crate::jira::answer::{Answer, Refusal};
use crate::jira::comments::comment_json;
use crate::jira::fields::{IMPACT, SERVICE};
use crate::jira::issue::{History, Issue};
use crate::jira::links;
use crate::jira::request::{Api, Asked, View};
use crate::jira::rich::Rich;
use crate::jira::site::Entry;
use crate::jira::workflow::{self, Screens};
use crate::jira::world::World;
use model::time::Timestamp;

/// Every field that an issue shows, in Jira's order or none.
const FIELDS: [&str; 21] = [
    "summary",
    "status",
    "statusCategory",
    "issuetype",
    "project",
    "priority",
    "resolution",
    "resolutiondate",
    "labels",
    "components",
    "assignee",
    "reporter",
    "creator",
    "created",
    "updated",
    "description",
    "issuelinks",
    "subtasks",
    "comment",
    SERVICE,
    IMPACT,
];
/// Fields that are no columns of a list.
const NOT_NAVIGABLE: [&str; 1] = ["comment"];

/// Which fields are wanted.
#[derive(Debug, Clone)]
pub struct Choice {
    words: Vec<String>,
}

impl Choice {
    /// What a request names; otherwise all of them, or all that lists show.
    pub fn of(words: Option<Vec<String>>, otherwise: &str) -> Self {
        Self {
            words: words.unwrap_or_else(|| vec![otherwise.to_owned()]),
        }
    }

    fn has(&self, field: &str) -> bool {
        let is_left_out = |word: &String| word.strip_prefix('-') == Some(field);
        let names = |word: &String| match word.as_str() {
            "*all" => true,
            "*navigable" => !NOT_NAVIGABLE.contains(&field),
            word => word.eq_ignore_ascii_case(field),
        };
        let leaves_out_only = self.words.iter().all(|word| word.starts_with('-'));
        !self.words.iter().any(is_left_out) && (leaves_out_only || self.words.iter().any(names))
    }
}

/// A time as Jira writes it: `2024-01-15T10:30:00.000+0000`.
pub fn time(at: Timestamp) -> String {
    format!("{}+0000", at.to_string().trim_end_matches('Z'))
}

/// `GET …/issue/{id}`.
pub fn read(world: &World, asked: &Asked<'_>, id_or_key: &str) -> Result<Answer, Refusal> {
    let issue = world.find(asked, id_or_key)?;
    let choice = Choice::of(asked.words("fields"), "*all");
    let json = expanded(world, issue, asked, &choice);
    Ok(Answer::new(200, json, format!("showed {}", issue.key())))
}

/// An issue with what `expand` and `properties` ask for.
pub fn expanded(world: &World, issue: &Issue, asked: &Asked<'_>, choice: &Choice) -> Value {
    let view = &asked.view;
    let mut members = issue_json(world, issue, view, choice);
    if asked.expands("transitions") || asked.expands("transitions.fields") {
        let transitions = workflow::transitions_json(world, issue, view, Screens::of(asked));
        members.insert("transitions".to_owned(), transitions);
    }
    if asked.expands("changelog") {
        let histories: Vec<Value> = issue
            .history
            .iter()
            .map(|history| history_json(history, view))
            .collect();
        let count = histories.len();
        let changelog = json!({ "startAt": 0, "maxResults": count, "total": count, "histories": histories });
        members.insert("changelog".to_owned(), changelog);
    }
    if asked.expands("renderedFields") {
        members.insert("renderedFields".to_owned(), rendered(issue));
    }
    if let Some(wanted) = asked.words("properties") {
        let is_wanted = |key: &String| wanted.iter().any(|word| word == "*all" || word == key);
        let properties = issue.properties.iter().filter(|(key, _)| is_wanted(key));
        let properties: Map<String, Value> = properties
            .map(|(key, value)| (key.clone(), value.clone()))
            .collect();
        members.insert("properties".to_owned(), Value::Object(properties));
    }
    Value::Object(members)
}

/// An issue with some of its fields.
pub fn issue_json(world: &World, issue: &Issue, view: &View, choice: &Choice) -> Map<String, Value> {
    let wanted = FIELDS
        .iter()
        .filter(|field| choice.has(field) && is_there(field, view.api));
    let fields: Map<String, Value> = wanted
        .map(|field| ((*field).to_owned(), field_json(world, issue, view, field)))
        .collect();
    let members = [
        (
            "expand",
            json!("renderedFields,names,schema,operations,editmeta,changelog,versionedRepresentations"),
        ),
        ("id", json!(issue.id.to_string())),
        ("self", json!(view.link(&format!("issue/{}", issue.id)))),
        ("key", json!(issue.key())),
        ("fields", Value::Object(fields)),
    ];
    members
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value))
        .collect()
}

/// Data Center shows the category of a status in the status alone.
fn is_there(field: &str, api: Api) -> bool {
    api == Api::Three || field != "statusCategory"
}

fn field_json(world: &World, issue: &Issue, view: &View, field: &str) -> Value {
    let fields = &issue.fields;
    let rich = |rich: &Option<Rich>| rich.as_ref().map(|rich| rich.json(view.api)).unwrap_or_default();
    let entries = |entries: &[&'static Entry], kind: &str| -> Value {
        entries.iter().map(|entry| entry.json(view, kind)).collect()
    };
    match field {
        "summary" => json!(fields.summary),
        "status" => fields.status.json(view),
        "statusCategory" => fields.status.category.json(view),
        "issuetype" => fields.issue_type.issue_type_json(view),
        "project" => issue.project.json(view),
        "priority" => fields.priority.priority_json(view),
        "resolution" => fields
            .resolution
            .map(|entry| entry.json(view, "resolution"))
            .unwrap_or_default(),
        "resolutiondate" => json!(issue.resolved_at.map(time)),
        "labels" => json!(fields.labels),
        "components" => entries(&fields.components, "component"),
        "assignee" => fields
            .assignee
            .as_ref()
            .map(|person| person.json(view))
            .unwrap_or_default(),
        "reporter" => fields.reporter.json(view),
        "creator" => issue.creator.json(view),
        "created" => json!(time(issue.created_at)),
        "updated" => json!(time(issue.updated_at)),
        "description" => rich(&fields.description),
        "issuelinks" => links::of_issue(world, issue, view),
        "subtasks" => json!([]),
        "comment" => comments_json(issue, view),
        SERVICE => json!(fields.service),
        IMPACT => fields
            .impact
            .map(|entry| entry.option_json(view))
            .unwrap_or_default(),
        _ => Value::Null,
    }
}

fn comments_json(issue: &Issue, view: &View) -> Value {
    let comments: Vec<Value> = issue
        .comments
        .iter()
        .map(|comment| comment_json(comment, issue.id, view))
        .collect();
    let count = comments.len();
    json!({ "comments": comments, "maxResults": count, "total": count, "startAt": 0 })
}

fn history_json(history: &History, view: &View) -> Value {
    json!({
        "id": history.id.to_string(),
        "author": history.author.json(view),
        "created": time(history.created_at),
        "items": items_json(&history.items, view.api),
    })
}

/// The items of a change. Data Center has no `fieldId` there, so nobody may count on it in the second version.
pub fn items_json(items: &[Value], api: Api) -> Value {
    let mut items = items.to_vec();
    if api == Api::Two {
        items
            .iter_mut()
            .filter_map(Value::as_object_mut)
            .for_each(|item| {
                item.remove("fieldId");
            });
    }
    Value::Array(items)
}

fn rendered(issue: &Issue) -> Value {
    let html = |rich: &Option<Rich>| rich.as_ref().map(Rich::html);
    let comments: Vec<Value> = issue
        .comments
        .iter()
        .map(|comment| json!({ "id": comment.id.to_string(), "body": comment.body.html() }))
        .collect();
    json!({
        "description": html(&issue.fields.description),
        "comment": { "comments": comments },
    })
}
