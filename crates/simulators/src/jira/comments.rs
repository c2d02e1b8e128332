//! Comments: `…/issue/{id}/comment`.

use http::Method;
use serde_json::{Map, Value, json};

use crate::jira::answer::{Answer, Refusal};
use crate::jira::hooks::News;
use crate::jira::issue::{Comment, Issue};
use crate::jira::read::time;
use crate::jira::request::{Asked, View};
use crate::jira::rich::{Rich, Unreadable};
use crate::jira::world::{World, page};

/// The most comments of a page.
const MAX_PAGE: usize = 5000;
/// The most comments of an issue; real ones take more.
const MAX_COMMENTS: usize = 1000;

/// A comment as Jira shows it.
pub fn comment_json(comment: &Comment, issue_id: u64, view: &View) -> Value {
    json!({
        "self": view.link(&format!("issue/{issue_id}/comment/{}", comment.id)),
        "id": comment.id.to_string(),
        "author": comment.author.json(view),
        "body": comment.body.json(view.api),
        "updateAuthor": comment.update_author.json(view),
        "created": time(comment.created_at),
        "updated": time(comment.updated_at),
        "jsdPublic": !comment.is_internal,
    })
}

/// `GET` and `POST …/comment`.
pub fn all(world: &mut World, asked: &Asked<'_>, id_or_key: &str) -> Result<Answer, Refusal> {
    let issue = world.find(asked, id_or_key)?;
    if asked.method == Method::POST {
        let (id, key) = (issue.id, issue.key());
        let members = asked.members()?;
        let body = body(&members, asked)?;
        let is_internal = is_internal(&members)?;
        let comment = write_for(world, asked, id, body, is_internal);
        let body = comment_json(&comment, id, &asked.view);
        return Ok(Answer::new(201, body, format!("commented {key}")).about(id));
    }
    let mut comments: Vec<&Comment> = issue.comments.iter().collect();
    match asked.query("orderBy").unwrap_or("created") {
        "created" | "+created" | " created" => {}
        "-created" => comments.reverse(),
        order => {
            return Err(Refusal::said(
                400,
                format!("'{order}' is not a valid order by field"),
            ));
        }
    }
    let shown = comments
        .into_iter()
        .map(|comment| comment_json(comment, issue.id, &asked.view))
        .collect();
    let mut body = page(asked, "comments", shown, MAX_PAGE)?;
    body.as_object_mut().and_then(|members| members.remove("isLast"));
    Ok(Answer::new(
        200,
        body,
        format!("read the comments of {}", issue.key()),
    ))
}

/// `GET` and `PUT …/comment/{id}`.
pub fn one(
    world: &mut World,
    asked: &Asked<'_>,
    id_or_key: &str,
    comment_id: &str,
) -> Result<Answer, Refusal> {
    let issue = world.find(asked, id_or_key)?;
    let (id, key) = (issue.id, issue.key());
    let place = issue
        .comments
        .iter()
        .position(|comment| comment.id.to_string() == comment_id);
    let missing = || Refusal::said(404, format!("Can not find a comment for the id: {comment_id}."));
    let place = place.ok_or_else(missing)?;
    let found = issue.comments.get(place).ok_or_else(missing)?.clone();
    if asked.method == Method::PUT {
        let body = body(&asked.members()?, asked)?;
        let changed = Comment {
            body,
            update_author: asked.caller.clone(),
            updated_at: asked.now,
            ..found
        };
        let kept = world.find_mut(asked, id_or_key)?.comments.get_mut(place);
        kept.into_iter().for_each(|kept| *kept = changed.clone());
        world.tell(asked, &News::comment("comment_updated", &changed, id));
        let body = comment_json(&changed, id, &asked.view);
        return Ok(Answer::new(200, body, format!("changed a comment of {key}")).about(id));
    }
    Ok(Answer::new(
        200,
        comment_json(&found, id, &asked.view),
        format!("read a comment of {key}"),
    ))
}

/// Writes a comment.
pub fn write(world: &mut World, asked: &Asked<'_>, issue_id: u64, body: Rich) -> Comment {
    write_for(world, asked, issue_id, body, false)
}

/// Writes a comment for agents alone, in a service project, or for everybody.
fn write_for(world: &mut World, asked: &Asked<'_>, issue_id: u64, body: Rich, is_internal: bool) -> Comment {
    let is_internal = is_internal && world.lasting.is_service_project;
    let comment = Comment {
        id: world.next_id(),
        author: asked.caller.clone(),
        update_author: asked.caller.clone(),
        body,
        is_internal,
        created_at: asked.now,
        updated_at: asked.now,
    };
    let issue = world.issues.iter_mut().find(|issue| issue.id == issue_id);
    issue.into_iter().for_each(|issue: &mut Issue| {
        issue.comments.push(comment.clone());
        issue.updated_at = asked.now;
        if issue.comments.len() > MAX_COMMENTS {
            issue.comments.remove(0);
        }
    });
    world.tell(asked, &News::comment("comment_created", &comment, issue_id));
    world.tell(
        asked,
        &News {
            kind: Some("issue_commented"),
            ..News::comment("jira:issue_updated", &comment, issue_id)
        },
    );
    comment
}

/// Whether a comment is kept from customers: by a property, as Jira Service Management has it.
fn is_internal(members: &Map<String, Value>) -> Result<bool, Refusal> {
    let properties = match members.get("properties") {
        None => return Ok(false),
        Some(Value::Array(properties)) => properties,
        Some(_) => return Err(Refusal::invalid_payload()),
    };
    let is_it = |property: &&Value| property.get("key").is_some_and(|key| key == "sd.public.comment");
    let value = properties
        .iter()
        .find(is_it)
        .and_then(|property| property.pointer("/value/internal"));
    Ok(value.and_then(Value::as_bool) == Some(true))
}

fn body(members: &Map<String, Value>, asked: &Asked<'_>) -> Result<Rich, Refusal> {
    let refused = |message: &str| Refusal::field(400, "comment", message);
    let body = members.get("body").filter(|body| !body.is_null());
    let body = body.ok_or_else(|| refused("Comment body can not be empty!"))?;
    let rich = Rich::read(body, asked.view.api).map_err(|unreadable| match unreadable {
        Unreadable::NotAString => Refusal::bare(
            400,
            "Can not deserialize instance of java.lang.String out of START_OBJECT token",
        ),
        Unreadable::NotADocument => refused("Comment body is not valid!"),
        Unreadable::Invalid => Refusal::said(400, "INVALID_INPUT"),
        Unreadable::TooLong => refused(unreadable.message().unwrap_or_default()),
    })?;
    if rich.plain().trim().is_empty() {
        Err(refused("Comment body can not be empty!"))
    } else {
        Ok(rich)
    }
}
