//! Changing an issue: `PUT` and `DELETE …/issue/{id}`, and `PUT …/assignee`.

use serde_json::Value;

use crate::jira::answer::{Answer, Refusal};
use crate::jira::comments;
use crate::jira::createmeta::EDIT_SCREEN;
use crate::jira::properties;
use crate::jira::request::Asked;
use crate::jira::setting::Change;
use crate::jira::values;
use crate::jira::world::World;

/// Changes fields, and writes comments among them.
pub fn edit(world: &mut World, asked: &Asked<'_>, id_or_key: &str) -> Result<Answer, Refusal> {
    let issue = world.find(asked, id_or_key)?;
    let (id, key, project, mut draft) = (issue.id, issue.key(), issue.project, issue.fields.clone());
    let members = asked.members()?;
    let change = Change::read(&members)?;
    let properties = properties::read_list(members.get("properties"))?;
    let comments = change.apply(world, asked, project, EDIT_SCREEN, &mut draft)?;
    let kind = if change.names("assignee") {
        "issue_assigned"
    } else {
        "issue_updated"
    };
    world.change(asked, id, draft, kind);
    world.find_mut(asked, id_or_key)?.properties.extend(properties);
    comments.into_iter().for_each(|body| {
        comments::write(world, asked, id, body);
    });
    Ok(Answer::empty(204, format!("changed {key}")).about(id))
}

/// Gives the issue to somebody or nobody.
pub fn assign(world: &mut World, asked: &Asked<'_>, id_or_key: &str) -> Result<Answer, Refusal> {
    let issue = world.find(asked, id_or_key)?;
    let (id, key, mut draft) = (issue.id, issue.key(), issue.fields.clone());
    let named = values::named_person(&Value::Object(asked.members()?), asked.view.api)
        .map_err(|message| Refusal::said(400, message))?;
    draft.assignee = match named {
        Some(name) => {
            let person = world.assignable(&name);
            Some(
                person
                    .map_err(|message| Refusal::field(400, "assignee", message))?
                    .clone(),
            )
        }
        None => None,
    };
    let whom = draft
        .assignee
        .as_ref()
        .map_or("nobody", |person| &person.display_name)
        .to_owned();
    world.change(asked, id, draft, "issue_assigned");
    Ok(Answer::empty(204, format!("assigned {key} to {whom}")).about(id))
}

/// Takes the issue away.
pub fn delete(world: &mut World, asked: &Asked<'_>, id_or_key: &str) -> Result<Answer, Refusal> {
    let issue = world.find(asked, id_or_key)?;
    let (id, key) = (issue.id, issue.key());
    world.delete(asked, id);
    Ok(Answer::empty(204, format!("deleted {key}")))
}
