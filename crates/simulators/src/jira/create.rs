//! `POST …/issue`: what an issue must have, and what a project lets it have.

use serde_json::{Map, Value, json};

use crate::jira::answer::{Answer, Refusal};
use crate::jira::createmeta;
use crate::jira::fields::{Fields, SERVICE};
use crate::jira::hooks::News;
use crate::jira::issue::Issue;
use crate::jira::properties;
use crate::jira::request::{Api, Asked};
use crate::jira::setting::Change;
use crate::jira::site::{self, Project};
use crate::jira::values;
use crate::jira::workflow::Workflow;
use crate::jira::world::World;

/// Makes an issue.
pub fn create(world: &mut World, asked: &Asked<'_>) -> Result<Answer, Refusal> {
    let members = asked.members()?;
    let change = Change::read(&members)?;
    let project = project(change.value("project"), asked.view.api)?;
    let issue_type = change.value("issuetype").filter(|value| !value.is_null());
    let issue_type = issue_type.ok_or_else(|| {
        let message = match asked.view.api {
            Api::Two => "issue type is required",
            Api::Three => "Specify an issue type",
        };
        Refusal::field(400, "issuetype", message)
    })?;
    let issue_type = values::issue_type(issue_type, asked.view.api)
        .map_err(|message| Refusal::field(400, "issuetype", message))?;
    let properties = properties::read_list(members.get("properties"))?;
    let mut fields = Fields::new(issue_type, &project.statuses.open, asked.caller.clone());
    let screen = createmeta::create_screen(world);
    check_required(world, &change)?;
    change
        .without(&["project", "issuetype"])
        .apply(world, asked, project, &screen, &mut fields)?;
    let id = world.next_id();
    let issue = Issue {
        id,
        project,
        number: world.next_number(project.key),
        workflow: if world.lasting.has_long_way {
            Workflow::LongWay
        } else {
            Workflow::Open
        },
        fields,
        creator: asked.caller.clone(),
        created_at: asked.now,
        updated_at: asked.now,
        resolved_at: None,
        comments: Vec::new(),
        remote_links: Vec::new(),
        properties,
        history: Vec::new(),
        is_unindexed: world.lasting.lagging_searches > 0,
    };
    let key = issue.key();
    world.keep(issue);
    world.tell(asked, &News::issue("jira:issue_created", "issue_created", id));
    let body = json!({ "id": id.to_string(), "key": key, "self": asked.view.link(&format!("issue/{id}")) });
    Ok(Answer::new(201, body, format!("made {key}")).about(id))
}

/// The project that a value names. Both are said of it: that it is missing, and that there is none such.
fn project(value: Option<&Value>, api: Api) -> Result<&'static Project, Refusal> {
    let named = value.and_then(|value| value.get("id").or_else(|| value.get("key")));
    let named = named.map(|name| name.as_str().map_or_else(|| name.to_string(), str::to_owned));
    let message = match (&named, api) {
        (_, Api::Three) => "Specify a valid project ID or key",
        (None, Api::Two) => "project is required",
        (Some(_), Api::Two) => "valid project is required",
    };
    named
        .and_then(|name| site::project(&name))
        .ok_or_else(|| Refusal::field(400, "project", message))
}

fn check_required(world: &World, change: &Change) -> Result<(), Refusal> {
    let mut errors = Map::new();
    if !change.names("summary") {
        errors.insert(
            "summary".to_owned(),
            json!("You must specify a summary of the issue."),
        );
    }
    if world.lasting.needs_service && change.value(SERVICE).is_none_or(Value::is_null) {
        errors.insert(SERVICE.to_owned(), json!("Service is required."));
    }
    if errors.is_empty() {
        Ok(())
    } else {
        Err(Refusal::fields(400, &errors))
    }
}
