//! What the site says of itself, of its projects and people, and of what somebody may do.

use http::Method;
use serde_json::{Map, Value, json};

use crate::jira::answer::{Answer, Refusal};
use crate::jira::people::Person;
use crate::jira::read::time;
use crate::jira::request::{Api, Asked, View};
use crate::jira::site::{Entry, ISSUE_TYPES, PROJECTS, Project, project};
use crate::jira::world::World;

/// The id of the site behind the gateway.
pub const CLOUD_ID: &str = "11111111-2222-3333-4444-555555555555";
/// The most entries of a page.
const MAX_PAGE: usize = 1000;

/// The permissions, and whether they belong to a project.
const PERMISSIONS: [(&str, &str, &str); 12] = [
    ("BROWSE_PROJECTS", "Browse Projects", "PROJECT"),
    ("CREATE_ISSUES", "Create Issues", "PROJECT"),
    ("EDIT_ISSUES", "Edit Issues", "PROJECT"),
    ("TRANSITION_ISSUES", "Transition Issues", "PROJECT"),
    ("RESOLVE_ISSUES", "Resolve Issues", "PROJECT"),
    ("CLOSE_ISSUES", "Close Issues", "PROJECT"),
    ("ASSIGN_ISSUES", "Assign Issues", "PROJECT"),
    ("ASSIGNABLE_USER", "Assignable User", "PROJECT"),
    ("LINK_ISSUES", "Link Issues", "PROJECT"),
    ("ADD_COMMENTS", "Add Comments", "PROJECT"),
    ("DELETE_ISSUES", "Delete Issues", "PROJECT"),
    ("ADMINISTER", "Administer Jira", "GLOBAL"),
];

/// `GET …/serverInfo`.
pub fn server_info(world: &World, asked: &Asked<'_>) -> Answer {
    let is_cloud = asked.view.api == Api::Three || asked.is_below_gateway || world.lasting.is_cloud;
    let (version, numbers, kind) = if is_cloud {
        ("1001.0.0-SNAPSHOT", [1001, 0, 0], "Cloud")
    } else {
        ("10.3.12", [10, 3, 12], "Server")
    };
    let body = json!({
        "baseUrl": asked.view.base,
        "version": version,
        "versionNumbers": numbers,
        "deploymentType": kind,
        "buildNumber": 100_290,
        "buildDate": "2026-10-01T00:00:00.000+0000",
        "serverTime": time(asked.now),
        "scmInfo": "0000000000000000000000000000000000000000",
        "serverTitle": "Played Jira",
    });
    Answer::new(200, body, "told its version")
}

/// `GET /_edge/tenant_info`.
pub fn tenant() -> Answer {
    Answer::new(200, json!({ "cloudId": CLOUD_ID }), "told its cloud id")
}

/// `GET …/myself`.
pub fn myself(asked: &Asked<'_>) -> Answer {
    Answer::new(
        200,
        asked.caller.json(&asked.view),
        format!("said who asks: {}", asked.caller.display_name),
    )
}

/// `GET …/mypermissions`. In Cloud the permissions must be named.
pub fn my_permissions(asked: &Asked<'_>) -> Result<Answer, Refusal> {
    for name in ["projectKey", "projectId"] {
        let wanted = asked.query(name);
        if let Some(missing) = wanted.filter(|wanted| project(wanted).is_none()) {
            return Err(Refusal::no_project(missing));
        }
    }
    let wanted = asked.words("permissions");
    if wanted.is_none() && asked.view.api == Api::Three {
        return Err(Refusal::said(
            400,
            "The 'permissions' query parameter is required.",
        ));
    }
    let is_known = |word: &&String| PERMISSIONS.iter().any(|(key, ..)| key == word);
    if let Some(unknown) = wanted.iter().flatten().find(|word| !is_known(word)) {
        return Err(Refusal::said(400, format!("Unrecognized permission: {unknown}")));
    }
    let is_wanted = |key: &str| {
        wanted
            .as_ref()
            .is_none_or(|wanted| wanted.iter().any(|word| word == key))
    };
    let permissions = PERMISSIONS
        .iter()
        .enumerate()
        .filter(|(_, (key, ..))| is_wanted(key));
    let permissions = permissions.map(|(place, (key, name, kind))| {
        let permission = json!({
            "id": (10 + place).to_string(),
            "key": key,
            "name": name,
            "type": kind,
            "description": "",
            "havePermission": true,
        });
        ((*key).to_owned(), permission)
    });
    let permissions: Map<String, Value> = permissions.collect();
    Ok(Answer::new(
        200,
        json!({ "permissions": permissions }),
        "told what the account may do",
    ))
}

/// What the issues of each type can be.
fn statuses(project: &Project, view: &View) -> Value {
    let of_type = |entry: &Entry| {
        let statuses: Vec<Value> = project
            .statuses
            .all()
            .iter()
            .map(|status| status.json(view))
            .collect();
        json!({
            "self": view.link(&format!("issuetype/{}", entry.id)),
            "id": entry.id,
            "name": entry.name,
            "subtask": false,
            "statuses": statuses,
        })
    };
    ISSUE_TYPES.iter().map(of_type).collect()
}

/// `GET …/project`.
pub fn projects(asked: &Asked<'_>) -> Answer {
    let projects = PROJECTS.iter().map(|project| project.json(&asked.view));
    Answer::new(200, projects.collect(), "listed the projects")
}

/// `GET …/project/{id}` and its components.
pub fn one_project(asked: &Asked<'_>, id_or_key: &str, part: Option<&str>) -> Result<Answer, Refusal> {
    let project = project(id_or_key).ok_or_else(|| Refusal::no_project(id_or_key))?;
    let body = match part {
        None => project_json(project, &asked.view),
        Some("components") => components(project, &asked.view),
        Some("statuses") => statuses(project, &asked.view),
        Some(_) => return Err(Refusal::nothing_there(asked)),
    };
    Ok(Answer::new(200, body, format!("showed project {}", project.key)))
}

fn components(project: &Project, view: &View) -> Value {
    let components = project.components.iter();
    components.map(|entry| entry.json(view, "component")).collect()
}

fn project_json(project: &Project, view: &View) -> Value {
    let mut json = project.json(view);
    if let Value::Object(members) = &mut json {
        let types: Value = ISSUE_TYPES
            .iter()
            .map(|entry| entry.issue_type_json(view))
            .collect();
        members.insert("description".to_owned(), json!(""));
        members.insert("issueTypes".to_owned(), types);
        members.insert("components".to_owned(), components(project, view));
        members.insert("assigneeType".to_owned(), json!("UNASSIGNED"));
    }
    json
}

/// A list of the site's.
pub fn listed(entries: &[Entry], json: impl Fn(&Entry) -> Value) -> Answer {
    Answer::new(200, entries.iter().map(json).collect(), "told what there is")
}

/// `GET …/user/search` and `…/user/assignable/search`. The third version takes no user names.
pub fn users(world: &World, asked: &Asked<'_>) -> Result<Answer, Refusal> {
    debug_assert_eq!(asked.method, Method::GET, "people are only read");
    let named = ["username", "key"]
        .into_iter()
        .find(|name| asked.query(name).is_some());
    if let (Api::Three, Some(name)) = (asked.view.api, named) {
        let message = format!("The query parameter '{name}' is not supported in GDPR strict mode.");
        return Err(Refusal::said(400, message));
    }
    let account = asked.query("accountId");
    let name = named.and_then(|name| asked.query(name));
    let is_assignable_only = asked.path.get(1).is_some_and(|part| part == "assignable");
    let wanted = asked.query("query").or(name);
    if is_assignable_only {
        check_place(world, asked)?;
    } else if wanted.or(account).is_none() {
        return Err(Refusal::said(
            400,
            "At least one of 'query', 'accountId', 'property' must be provided.",
        ));
    }
    let is_found = |person: &&Person| {
        // Data Center's `.` finds everybody.
        let by_words = wanted
            .is_none_or(|wanted| wanted == "." || person.is_found_by(wanted) || person.is_called(wanted));
        let by_account = account.is_none_or(|account| person.account_id == account);
        person.is_active && by_words && by_account
    };
    let start = asked.number("startAt", 0)?;
    let size = asked.number("maxResults", 50)?.min(MAX_PAGE);
    let found = world.people.iter().filter(is_found).skip(start).take(size);
    Ok(Answer::new(
        200,
        found.map(|person| person.json(&asked.view)).collect(),
        "searched people",
    ))
}

/// Where somebody should be assignable: a project or an issue must be said, and be there.
fn check_place(world: &World, asked: &Asked<'_>) -> Result<(), Refusal> {
    let issue = asked.query("issueKey").or_else(|| asked.query("issueId"));
    match (asked.query("project"), issue) {
        (Some(wanted), _) if project(wanted).is_none() => Err(Refusal::no_project(wanted)),
        (Some(_), _) => Ok(()),
        (None, Some(issue)) => world.find(asked, issue).map(|_| ()),
        (None, None) => Err(Refusal::said(
            400,
            "Either 'project' or 'issueKey' must be provided.",
        )),
    }
}
