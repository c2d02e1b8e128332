//! What the API and webhooks show, after the description's schemas `issue`, `issue-comment`, `repository` and `simple-user`.

use serde_json::{Value, json};

use super::{API, Site};
use crate::code_host::call::Call;
use crate::code_host::people::{Access, Person};
use crate::code_host::store::{Comment, Issue, Project};

/// Somebody.
pub fn user(call: &Call<'_>, person: Person) -> Value {
    let url = format!("{}{API}/users/{}", call.base, person.login);
    json!({
        "login": person.login, "id": person.id, "node_id": format!("U_{}", person.id),
        "avatar_url": format!("{}/avatars/u/{}", call.base, person.id), "gravatar_id": "",
        "url": url, "html_url": format!("{}/{}", call.base, person.login),
        "followers_url": format!("{url}/followers"), "following_url": format!("{url}/following{{/other_user}}"),
        "gists_url": format!("{url}/gists{{/gist_id}}"), "starred_url": format!("{url}/starred{{/owner}}{{/repo}}"),
        "subscriptions_url": format!("{url}/subscriptions"), "organizations_url": format!("{url}/orgs"),
        "repos_url": format!("{url}/repos"), "events_url": format!("{url}/events{{/privacy}}"),
        "received_events_url": format!("{url}/received_events"),
        "type": "User", "site_admin": false, "name": person.name,
    })
}

/// Somebody, as they see themselves.
pub fn myself(call: &Call<'_>, person: Person) -> Value {
    let mut user = user(call, person);
    let more = json!({
        "company": null, "blog": "", "location": null, "email": format!("{}@example.com", person.login), "hireable": null,
        "bio": null, "public_repos": 0, "public_gists": 0, "followers": 0, "following": 0,
        "created_at": "2024-01-15T10:30:00Z", "updated_at": "2024-01-15T10:30:00Z",
    });
    if let (Value::Object(members), Value::Object(more)) = (&mut user, more) {
        members.extend(more);
    }
    user
}

/// A repository without most of its URLs, as somebody sees it who has these rights there.
pub fn repository(call: &Call<'_>, project: Project, site: &Site) -> Value {
    let url = repository_url(call, project);
    json!({
        "id": project.id, "node_id": format!("R_{}", project.id), "name": project.name, "full_name": project.path(),
        "private": true, "visibility": "private", "fork": false, "archived": false, "disabled": false, "description": null,
        "owner": { "login": project.owner, "id": 100, "node_id": "O_100", "type": "Organization", "site_admin": false,
                   "url": format!("{}{API}/users/{}", call.base, project.owner) },
        "html_url": format!("{}/{}", call.base, project.path()), "url": url,
        "issues_url": format!("{url}/issues{{/number}}"), "labels_url": format!("{url}/labels{{/name}}"),
        "hooks_url": format!("{url}/hooks"), "default_branch": "main",
        "has_issues": project.has_issues, "has_projects": true, "has_wiki": true, "has_discussions": false,
        "open_issues_count": site.store.all().filter(|issue| issue.project.id == project.id && issue.closed.is_none()).count(),
        "created_at": "2024-01-15T10:30:00Z", "updated_at": "2024-01-15T10:30:00Z", "pushed_at": "2024-01-15T10:30:00Z",
        "permissions": {
            "admin": call.caller.access >= Access::Admin, "maintain": call.caller.access >= Access::Admin,
            "push": site.may_push(call), "triage": site.may_push(call), "pull": true,
        },
    })
}

/// The URL of a repository in the API.
pub fn repository_url(call: &Call<'_>, project: Project) -> String {
    format!("{}{API}/repos/{}", call.base, project.path())
}

/// A label.
pub fn label(call: &Call<'_>, project: Project, name: &str) -> Value {
    let id = name
        .bytes()
        .fold(7_u64, |id, byte| (id * 31 + u64::from(byte)) % 1_000_000_007);
    let mut url = url::form_urlencoded::Serializer::new(String::new());
    let path = url.append_key_only(name).finish().replace('+', "%20");
    json!({
        "id": id, "node_id": format!("LA_{id}"), "name": name, "color": "ededed", "default": false, "description": null,
        "url": format!("{}/labels/{path}", repository_url(call, project)),
    })
}

/// An issue.
pub fn issue(call: &Call<'_>, issue: &Issue) -> Value {
    let repository = repository_url(call, issue.project);
    let url = format!("{repository}/issues/{}", issue.number);
    let assignees: Vec<Value> = issue.assignees.iter().map(|person| user(call, *person)).collect();
    let labels: Vec<Value> = issue
        .labels
        .iter()
        .map(|name| label(call, issue.project, name))
        .collect();
    json!({
        "id": issue.id, "node_id": format!("I_{}", issue.id), "number": issue.number, "title": issue.title,
        "body": issue.body, "url": url, "repository_url": repository,
        "labels_url": format!("{url}/labels{{/name}}"), "comments_url": format!("{url}/comments"),
        "events_url": format!("{url}/events"), "timeline_url": format!("{url}/timeline"),
        "html_url": format!("{}/{}/issues/{}", call.base, issue.project.path(), issue.number),
        "user": user(call, issue.author), "labels": labels,
        "state": if issue.closed.is_some() { "closed" } else { "open" }, "state_reason": issue.reason,
        "locked": false, "active_lock_reason": null, "milestone": null, "comments": issue.comments.len(),
        "assignee": assignees.first(), "assignees": assignees, "author_association": association(issue.author),
        "created_at": issue.created_at.to_rfc3339_seconds(), "updated_at": issue.updated_at.to_rfc3339_seconds(),
        "closed_at": issue.closed.map(|(at, _)| at.to_rfc3339_seconds()),
        "closed_by": issue.closed.map(|(_, by)| user(call, by)),
        "reactions": reactions(&url), "performed_via_github_app": null,
    })
}

/// A comment.
pub fn comment(call: &Call<'_>, issue: &Issue, comment: &Comment) -> Value {
    let repository = repository_url(call, issue.project);
    let url = format!("{repository}/issues/comments/{}", comment.id);
    let page = format!("{}/{}/issues/{}", call.base, issue.project.path(), issue.number);
    json!({
        "id": comment.id, "node_id": format!("IC_{}", comment.id), "body": comment.body, "url": url,
        "html_url": format!("{page}#issuecomment-{}", comment.id),
        "issue_url": format!("{repository}/issues/{}", issue.number), "user": user(call, comment.author),
        "created_at": comment.created_at.to_rfc3339_seconds(), "updated_at": comment.updated_at.to_rfc3339_seconds(),
        "author_association": association(comment.author), "reactions": reactions(&url),
        "performed_via_github_app": null,
    })
}

fn association(person: Person) -> &'static str {
    match person.access {
        Access::None => "NONE",
        Access::Read | Access::Write => "COLLABORATOR",
        Access::Admin => "OWNER",
    }
}

fn reactions(url: &str) -> Value {
    json!({
        "url": format!("{url}/reactions"), "total_count": 0, "+1": 0, "-1": 0, "laugh": 0, "hooray": 0, "confused": 0,
        "heart": 0, "rocket": 0, "eyes": 0,
    })
}
