//! Links from an issue to a page elsewhere: `…/issue/{id}/remotelink`. The same `globalId` replaces the link (200),
//! another makes one (201). What a replacement leaves out is gone. Deleting needs a `Content-Type`, as the live tests of
//! jira.js found.

use http::Method;
use serde_json::{Map, Value, json};

use crate::jira::answer::{Answer, Refusal};
use crate::jira::issue::{Issue, RemoteLink};
use crate::jira::request::{Asked, View};
use crate::jira::world::World;

/// The most characters of a global id and of a title.
const MAX_CHARACTERS: usize = 255;
/// The most links of an issue.
const MAX_LINKS: usize = 100;

/// `GET`, `POST` and `DELETE …/remotelink`.
pub fn all(world: &mut World, asked: &Asked<'_>, id_or_key: &str) -> Result<Answer, Refusal> {
    let wanted = asked.query("globalId");
    if asked.method == Method::POST {
        return set(world, asked, id_or_key);
    }
    if asked.method == Method::DELETE {
        asked.check_content_type()?;
        let wanted = wanted.ok_or_else(|| Refusal::said(400, "'globalId' is required."))?;
        return delete(world, asked, id_or_key, |link| {
            link.global_id.as_deref() == Some(wanted)
        });
    }
    let issue = world.find(asked, id_or_key)?;
    let sentence = format!("read the remote links of {}", issue.key());
    let Some(wanted) = wanted else {
        let links: Value = issue
            .remote_links
            .iter()
            .map(|link| link_json(issue, link, &asked.view))
            .collect();
        return Ok(Answer::new(200, links, sentence));
    };
    let found = issue
        .remote_links
        .iter()
        .find(|link| link.global_id.as_deref() == Some(wanted));
    let found = found.ok_or_else(|| missing(wanted))?;
    Ok(Answer::new(200, link_json(issue, found, &asked.view), sentence))
}

/// `DELETE …/remotelink/{id}`.
pub fn one(world: &mut World, asked: &Asked<'_>, id_or_key: &str, link_id: &str) -> Result<Answer, Refusal> {
    asked.check_content_type()?;
    delete(world, asked, id_or_key, |link| link.id.to_string() == link_id)
}

fn set(world: &mut World, asked: &Asked<'_>, id_or_key: &str) -> Result<Answer, Refusal> {
    let (global_id, members) = read(asked)?;
    let new_id = world.next_id();
    let issue = world.find_mut(asked, id_or_key)?;
    let is_it = |link: &&RemoteLink| global_id.is_some() && link.global_id == global_id;
    let kept_id = issue.remote_links.iter().find(is_it).map(|link| link.id);
    if kept_id.is_none() && issue.remote_links.len() >= MAX_LINKS {
        return Err(Refusal::said(400, "This issue has too many remote links."));
    }
    let (status, id) = kept_id.map_or((201, new_id), |id| (200, id));
    let link = RemoteLink {
        id,
        global_id,
        members,
    };
    match issue.remote_links.iter_mut().find(|kept| kept.id == id) {
        Some(kept) => *kept = link,
        None => issue.remote_links.push(link),
    }
    let done = if status == 201 {
        "linked"
    } else {
        "changed the remote link of"
    };
    let body =
        json!({ "id": id, "self": asked.view.link(&format!("issue/{}/remotelink/{id}", issue.key())) });
    Ok(Answer::new(status, body, format!("{done} {}", issue.key())).about(issue.id))
}

fn delete(
    world: &mut World,
    asked: &Asked<'_>,
    id_or_key: &str,
    is_it: impl Fn(&RemoteLink) -> bool,
) -> Result<Answer, Refusal> {
    let issue = world.find_mut(asked, id_or_key)?;
    let before = issue.remote_links.len();
    issue.remote_links.retain(|link| !is_it(link));
    if issue.remote_links.len() == before {
        return Err(missing("this"));
    }
    Ok(Answer::empty(204, format!("unlinked {}", issue.key())).about(issue.id))
}

/// The global id and the rest of a link.
fn read(asked: &Asked<'_>) -> Result<(Option<String>, Map<String, Value>), Refusal> {
    let mut members = asked.members()?;
    let mut errors = Map::new();
    let text = |value: Option<&Value>| value.and_then(Value::as_str).unwrap_or_default().to_owned();
    let object = members.get("object").cloned().unwrap_or_default();
    for name in ["url", "title"] {
        if text(object.get(name)).is_empty() {
            errors.insert(name.to_owned(), json!(format!("'{name}' is required.")));
        }
    }
    let url = text(object.get("url"));
    if !url.is_empty() && url::Url::parse(&url).is_err() {
        errors.insert("url".to_owned(), json!("The URL is not valid."));
    }
    let global_id = members
        .remove("globalId")
        .and_then(|id| id.as_str().map(str::to_owned));
    let is_too_long = |text: &str| text.chars().nth(MAX_CHARACTERS).is_some();
    if global_id.as_deref().is_some_and(is_too_long) {
        errors.insert(
            "globalId".to_owned(),
            json!("'globalId' must not exceed 255 characters."),
        );
    }
    if is_too_long(&text(object.get("title"))) {
        errors.insert(
            "title".to_owned(),
            json!("'title' must not exceed 255 characters."),
        );
    }
    members.retain(|name, value| {
        matches!(name.as_str(), "application" | "relationship" | "object") && !value.is_null()
    });
    if errors.is_empty() {
        Ok((global_id, members))
    } else {
        Err(Refusal::fields(400, &errors))
    }
}

fn link_json(issue: &Issue, link: &RemoteLink, view: &View) -> Value {
    let mut json = json!({
        "id": link.id,
        "self": view.link(&format!("issue/{}/remotelink/{}", issue.key(), link.id)),
        "application": {},
    });
    if let Value::Object(members) = &mut json {
        members.extend(link.global_id.iter().map(|id| ("globalId".to_owned(), json!(id))));
        members.extend(link.members.clone());
    }
    json
}

fn missing(name: &str) -> Refusal {
    Refusal::said(
        404,
        format!("There is no remote link with id '{name}' on the issue."),
    )
}
