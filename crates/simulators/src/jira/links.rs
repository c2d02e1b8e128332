//! Links between issues: `…/issueLink` and `…/issueLinkType`. Making one answers with nothing at all.
//!
//! Which end says what is as the live tests of jira.js saw it: the issue that was given as the outward one shows the
//! other as `inwardIssue`, and the other way round.

use serde_json::{Value, json};

use crate::jira::answer::{Answer, Refusal};
use crate::jira::comments;
use crate::jira::issue::{Issue, Link, LinkKind};
use crate::jira::request::{Asked, View};
use crate::jira::rich::Rich;
use crate::jira::world::World;

/// The most links between issues.
const MAX_LINKS: usize = 2000;

static KINDS: [LinkKind; 4] = [
    kind("10000", "Blocks", "is blocked by", "blocks"),
    kind("10001", "Cloners", "is cloned by", "clones"),
    kind("10002", "Duplicate", "is duplicated by", "duplicates"),
    kind("10003", "Relates", "relates to", "relates to"),
];

const fn kind(id: &'static str, name: &'static str, inward: &'static str, outward: &'static str) -> LinkKind {
    LinkKind {
        id,
        name,
        inward,
        outward,
    }
}

/// `GET …/issueLinkType`.
pub fn kinds(asked: &Asked<'_>) -> Answer {
    let kinds: Vec<Value> = KINDS.iter().map(|kind| kind_json(kind, &asked.view)).collect();
    Answer::new(
        200,
        json!({ "issueLinkTypes": kinds }),
        "listed the types of links",
    )
}

/// `POST …/issueLink`.
pub fn make(world: &mut World, asked: &Asked<'_>) -> Result<Answer, Refusal> {
    let members = asked.members()?;
    let named = |name: &str| {
        let issue = members
            .get(name)
            .and_then(|issue| issue.get("id").or_else(|| issue.get("key")));
        issue.map(|name| name.as_str().map_or_else(|| name.to_string(), str::to_owned))
    };
    let (Some(inward), Some(outward), Some(wanted)) =
        (named("inwardIssue"), named("outwardIssue"), members.get("type"))
    else {
        return Err(Refusal::said(
            400,
            "Both issues and the type of the link must be given.",
        ));
    };
    let text = |key: &str| wanted.get(key).and_then(Value::as_str);
    let is_it = |kind: &&LinkKind| match text("id") {
        Some(id) => kind.id == id,
        None => text("name").is_some_and(|name| kind.name.eq_ignore_ascii_case(name)),
    };
    let kind = KINDS.iter().find(is_it).ok_or_else(|| {
        Refusal::said(
            404,
            format!(
                "No issue link type with name '{}' found.",
                text("name").unwrap_or_default()
            ),
        )
    })?;
    let comment = members.get("comment").and_then(|comment| comment.get("body"));
    let comment = comment.map(|body| Rich::read(body, asked.view.api)).transpose();
    let comment = comment.map_err(|_| Refusal::field(400, "comment", "Comment body is not valid!"))?;
    let inward = world.find(asked, &inward)?;
    let outward = world.find(asked, &outward)?;
    let (inward_id, outward_id) = (inward.id, outward.id);
    let sentence = format!("linked {} and {}: {}", inward.key(), outward.key(), kind.outward);
    let is_same =
        |link: &Link| link.kind == kind && link.inward_id == inward_id && link.outward_id == outward_id;
    if !world.links.iter().any(is_same) && world.links.len() < MAX_LINKS {
        let id = world.next_id();
        world.links.push(Link {
            id,
            kind,
            inward_id,
            outward_id,
        });
    }
    comment.into_iter().for_each(|body| {
        comments::write(world, asked, outward_id, body);
    });
    Ok(Answer::empty(201, sentence).about(inward_id))
}

/// An issue's own view of its links.
pub fn of_issue(world: &World, issue: &Issue, view: &View) -> Value {
    let links = world.links.iter().filter_map(|link| {
        let (name, other) = match issue.id {
            id if id == link.outward_id => ("inwardIssue", link.inward_id),
            id if id == link.inward_id => ("outwardIssue", link.outward_id),
            _ => return None,
        };
        let mut json = json!({
            "id": link.id.to_string(),
            "self": view.link(&format!("issueLink/{}", link.id)),
            "type": kind_json(link.kind, view),
        });
        let other = world.issue(other).map(|other| end_json(other, view))?;
        json.as_object_mut()?.insert(name.to_owned(), other);
        Some(json)
    });
    links.collect()
}

fn end_json(issue: &Issue, view: &View) -> Value {
    json!({
        "id": issue.id.to_string(),
        "key": issue.key(),
        "self": view.link(&format!("issue/{}", issue.id)),
        "fields": {
            "summary": issue.fields.summary,
            "status": issue.fields.status.json(view),
            "priority": issue.fields.priority.priority_json(view),
            "issuetype": issue.fields.issue_type.issue_type_json(view),
        },
    })
}

fn kind_json(kind: &LinkKind, view: &View) -> Value {
    json!({
        "id": kind.id,
        "name": kind.name,
        "inward": kind.inward,
        "outward": kind.outward,
        "self": view.link(&format!("issueLinkType/{}", kind.id)),
    })
}
