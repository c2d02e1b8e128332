//! Which operation a request is for, by method and path.

use http::Method;

use crate::jira::answer::{Answer, Refusal};
use crate::jira::request::{Asked, Entrance};
use crate::jira::site::{ISSUE_TYPES, PRIORITIES};
use crate::jira::world::World;
use crate::jira::{
    access, comments, create, createmeta, edit, hooks, links, meta, properties, read, remote_links, search,
    workflow,
};

/// Works on a request of somebody who may come in.
pub fn serve(world: &mut World, asked: &Asked<'_>) -> Result<Answer, Refusal> {
    match asked.door {
        Entrance::Rest => rest(world, asked),
        Entrance::Hooks => hooks::answer(world, asked),
        Entrance::Token => access::issue_token(world, asked),
        Entrance::Tenant => Ok(meta::tenant()),
        Entrance::Nowhere => Err(Refusal::page(404, "Oops, you've found a dead link.")),
    }
}

fn rest(world: &mut World, asked: &Asked<'_>) -> Result<Answer, Refusal> {
    let path: Vec<&str> = asked.path.iter().map(String::as_str).collect();
    match path.as_slice() {
        ["issue", rest @ ..] => issue(world, asked, rest),
        ["issueLink"] => {
            only(asked, &[Method::POST])?;
            links::make(world, asked)
        }
        ["search"] => {
            only(asked, &[Method::GET, Method::POST])?;
            search::by_offset(world, asked)
        }
        ["search", "jql"] => {
            only(asked, &[Method::GET, Method::POST])?;
            search::by_token(world, asked)
        }
        _ => {
            let answer = about(world, asked, &path)?;
            only(asked, &[Method::GET])?;
            Ok(answer)
        }
    }
}

/// What is only read.
fn about(world: &World, asked: &Asked<'_>, path: &[&str]) -> Result<Answer, Refusal> {
    let view = &asked.view;
    match path {
        ["serverInfo"] => Ok(meta::server_info(world, asked)),
        ["myself"] => Ok(meta::myself(asked)),
        ["mypermissions"] => meta::my_permissions(asked),
        ["project"] => Ok(meta::projects(asked)),
        ["project", name] => meta::one_project(asked, name, None),
        ["project", name, part] => meta::one_project(asked, name, Some(part)),
        ["field"] => Ok(createmeta::all_fields()),
        ["issueLinkType"] => Ok(links::kinds(asked)),
        ["user", "search"] | ["user", "assignable", "search"] => meta::users(world, asked),
        ["priority"] => Ok(meta::listed(&PRIORITIES, |entry| entry.priority_json(view))),
        ["issuetype"] => Ok(meta::listed(&ISSUE_TYPES, |entry| entry.issue_type_json(view))),
        _ => Err(Refusal::nothing_there(asked)),
    }
}

fn issue(world: &mut World, asked: &Asked<'_>, path: &[&str]) -> Result<Answer, Refusal> {
    match (asked.method, path) {
        (&Method::POST, []) => create::create(world, asked),
        (&Method::GET, ["createmeta", project, "issuetypes"]) => createmeta::issue_types(asked, project),
        (&Method::GET, ["createmeta", project, "issuetypes", id]) => {
            createmeta::fields_of(world, asked, project, id)
        }
        (&Method::GET, [name]) => read::read(world, asked, name),
        (&Method::PUT, [name]) => edit::edit(world, asked, name),
        (&Method::DELETE, [name]) => edit::delete(world, asked, name),
        (&Method::PUT, [name, "assignee"]) => edit::assign(world, asked, name),
        (&Method::GET, [name, "transitions"]) => workflow::list(world, asked, name),
        (&Method::POST, [name, "transitions"]) => workflow::take(world, asked, name),
        (&Method::GET | &Method::POST, [name, "comment"]) => comments::all(world, asked, name),
        (&Method::GET | &Method::PUT, [name, "comment", id]) => comments::one(world, asked, name, id),
        (&Method::GET | &Method::POST | &Method::DELETE, [name, "remotelink"]) => {
            remote_links::all(world, asked, name)
        }
        (&Method::DELETE, [name, "remotelink", id]) => remote_links::one(world, asked, name, id),
        (&Method::GET, [name, "properties"]) => properties::list(world, asked, name),
        (&Method::GET | &Method::PUT | &Method::DELETE, [name, "properties", key]) => {
            properties::one(world, asked, name, key)
        }
        (
            method,
            []
            | [_]
            | [
                _,
                "assignee" | "transitions" | "comment" | "remotelink" | "properties",
            ],
        ) => Err(Refusal::no_such_method(method)),
        _ => Err(Refusal::nothing_there(asked)),
    }
}

fn only(asked: &Asked<'_>, methods: &[Method]) -> Result<(), Refusal> {
    if methods.contains(asked.method) {
        Ok(())
    } else {
        Err(Refusal::no_such_method(asked.method))
    }
}
