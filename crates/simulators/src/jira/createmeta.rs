//! What can be filled in: the screens for new and for changed issues, and how Jira describes them to programs
//! (`…/createmeta`, `…/field`).

use serde_json::{Value, json};

use crate::jira::answer::{Answer, Refusal};
use crate::jira::fields::{IMPACT, SERVICE};
use crate::jira::request::{Api, Asked, View};
use crate::jira::site::{Entry, IMPACTS, ISSUE_TYPES, PRIORITIES, Project, by_id, project};
use crate::jira::world::{World, page};

/// The most entries of a page.
const MAX_PAGE: usize = 200;

/// The fields of a new issue, in the order of the screen.
const CREATE_SCREEN: [&str; 11] = [
    "project",
    "issuetype",
    "summary",
    "description",
    "priority",
    "labels",
    "components",
    "assignee",
    "reporter",
    SERVICE,
    IMPACT,
];

/// The fields of an issue that is changed.
pub const EDIT_SCREEN: &[&str] = &[
    "issuetype",
    "summary",
    "description",
    "priority",
    "labels",
    "components",
    "assignee",
    "reporter",
    "comment",
    SERVICE,
    IMPACT,
];

/// Fields that no screen has: what they are called, and of what type they are.
const OTHER_FIELDS: [(&str, &str, &str); 9] = [
    ("issuekey", "Key", ""),
    ("status", "Status", "status"),
    ("statusCategory", "Status Category", "statusCategory"),
    ("resolution", "Resolution", "resolution"),
    ("resolutiondate", "Resolved", "datetime"),
    ("created", "Created", "datetime"),
    ("updated", "Updated", "datetime"),
    ("creator", "Creator", "user"),
    ("comment", "Comment", "comments-page"),
];

/// The fields of a new issue as things stand.
pub fn create_screen(world: &World) -> Vec<&'static str> {
    let is_there = |field: &&str| !(world.lasting.has_no_priority && *field == "priority");
    CREATE_SCREEN.into_iter().filter(is_there).collect()
}

/// `GET …/issue/createmeta/{project}/issuetypes`. Data Center calls the page `values`, Cloud `issueTypes`.
pub fn issue_types(asked: &Asked<'_>, id_or_key: &str) -> Result<Answer, Refusal> {
    project(id_or_key).ok_or_else(|| Refusal::no_project(id_or_key))?;
    let types = ISSUE_TYPES
        .iter()
        .map(|entry| entry.issue_type_json(&asked.view))
        .collect();
    let body = twice(
        page(asked, "values", types, MAX_PAGE)?,
        "issueTypes",
        asked.view.api,
    );
    Ok(Answer::new(
        200,
        body,
        format!("listed the issue types of {id_or_key}"),
    ))
}

/// `GET …/issue/createmeta/{project}/issuetypes/{id}`. Data Center calls the page `values`, Cloud `fields`.
pub fn fields_of(
    world: &World,
    asked: &Asked<'_>,
    id_or_key: &str,
    type_id: &str,
) -> Result<Answer, Refusal> {
    let project = project(id_or_key).ok_or_else(|| Refusal::no_project(id_or_key))?;
    by_id(&ISSUE_TYPES, type_id).ok_or_else(|| Refusal::said(404, "The issue type selected is invalid."))?;
    let fields = create_screen(world)
        .into_iter()
        .map(|field| describe(world, field, project, &asked.view));
    let body = twice(
        page(asked, "values", fields.collect(), MAX_PAGE)?,
        "fields",
        asked.view.api,
    );
    Ok(Answer::new(
        200,
        body,
        format!("listed the fields of {id_or_key}"),
    ))
}

/// `GET …/field`.
pub fn all_fields() -> Answer {
    let on_screen = CREATE_SCREEN.iter().map(|field| {
        let (name, schema, _) = form(field);
        field_json(field, name, &schema)
    });
    let others = OTHER_FIELDS
        .iter()
        .map(|(id, name, kind)| field_json(id, name, &json!({ "type": kind, "system": id })));
    Answer::new(200, on_screen.chain(others).collect(), "listed the fields")
}

fn field_json(id: &str, name: &str, schema: &Value) -> Value {
    let number = id.strip_prefix("customfield_");
    let clause = number.map_or_else(|| id.to_owned(), |number| format!("cf[{number}]"));
    json!({
        "id": id,
        "key": id,
        "name": name,
        "custom": number.is_some(),
        "orderable": true,
        "navigable": id != "comment",
        "searchable": true,
        "clauseNames": [clause, name],
        "schema": schema,
    })
}

/// A field on a screen, as programs are told of it.
fn describe(world: &World, field: &str, project: &'static Project, view: &View) -> Value {
    let (name, schema, operations) = form(field);
    let is_required = matches!(field, "project" | "issuetype" | "summary")
        || (field == SERVICE && world.lasting.needs_service);
    let mut json = json!({
        "required": is_required,
        "schema": schema,
        "name": name,
        "key": field,
        "fieldId": field,
        "hasDefaultValue": matches!(field, "priority" | "reporter"),
        "operations": operations,
    });
    let entries =
        |entries: &[Entry], kind: &str| entries.iter().map(|entry| entry.json(view, kind)).collect();
    let allowed: Option<Value> = match field {
        "project" => Some(json!([project.json(view)])),
        "issuetype" => Some(
            ISSUE_TYPES
                .iter()
                .map(|entry| entry.issue_type_json(view))
                .collect(),
        ),
        "priority" => Some(PRIORITIES.iter().map(|entry| entry.priority_json(view)).collect()),
        "components" => Some(entries(project.components, "component")),
        IMPACT => Some(IMPACTS.iter().map(|entry| entry.option_json(view)).collect()),
        _ => None,
    };
    if let (Some(allowed), Value::Object(members)) = (allowed, &mut json) {
        members.insert("allowedValues".to_owned(), allowed);
    }
    json
}

/// A field's name, its schema, and what can be done to it.
fn form(field: &str) -> (&'static str, Value, &'static [&'static str]) {
    const SET: &[&str] = &["set"];
    const LIST: &[&str] = &["add", "set", "remove"];
    let system = |kind: &str| json!({ "type": kind, "system": field });
    let list = |items: &str| json!({ "type": "array", "items": items, "system": field });
    let custom = |kind: &str, name: &str| {
        let number: u64 = field
            .trim_start_matches("customfield_")
            .parse()
            .unwrap_or_default();
        let name = format!("com.atlassian.jira.plugin.system.customfieldtypes:{name}");
        json!({ "type": kind, "custom": name, "customId": number })
    };
    match field {
        "project" => ("Project", system("project"), SET),
        "issuetype" => ("Issue Type", system("issuetype"), &[]),
        "summary" => ("Summary", system("string"), SET),
        "description" => ("Description", system("string"), SET),
        "priority" => ("Priority", system("priority"), SET),
        "labels" => ("Labels", list("string"), LIST),
        "components" => ("Components", list("component"), LIST),
        "assignee" => ("Assignee", system("user"), SET),
        "reporter" => ("Reporter", system("user"), SET),
        "comment" => ("Comment", system("comments-page"), &["add", "edit", "remove"]),
        SERVICE => ("Service", custom("string", "textfield"), SET),
        _ => ("Impact", custom("option", "select"), SET),
    }
}

/// A page under Cloud's name for it, and in the second version under Data Center's too.
fn twice(mut page: Value, name: &str, api: Api) -> Value {
    let members = page.as_object_mut();
    members.into_iter().for_each(|members| {
        let values = members.get("values").cloned().unwrap_or_default();
        members.insert(name.to_owned(), values);
        if api == Api::Three {
            members.retain(|name, _| name != "values" && name != "isLast");
        }
    });
    page
}
