//! What the API shows, after the entities that GitLab's documentation shows.

use serde_json::{Value, json};

use crate::code_host::call::Call;
use crate::code_host::people::{Access, Person};
use crate::code_host::store::{Comment, Issue, Project};

/// Somebody.
pub fn user(call: &Call<'_>, person: Person) -> Value {
    json!({
        "id": person.id, "username": person.login, "name": person.name, "state": "active", "locked": false,
        "avatar_url": null, "web_url": format!("{}/{}", call.base, person.login),
    })
}

/// A member with its rights.
pub fn member(call: &Call<'_>, person: Person) -> Value {
    let mut member = user(call, person);
    member["access_level"] = json!(level(person.access));
    member["expires_at"] = Value::Null;
    member
}

/// Rights as a number: guest, reporter, developer, owner.
pub fn level(access: Access) -> u32 {
    match access {
        Access::None => 0,
        Access::Read => 10,
        Access::Write => 30,
        Access::Admin => 50,
    }
}

/// A project, as somebody sees it who has these rights there.
pub fn project(call: &Call<'_>, project: Project) -> Value {
    let web_url = format!("{}/{}", call.base, project.path());
    json!({
        "id": project.id, "name": project.name, "path": project.name, "path_with_namespace": project.path(),
        "name_with_namespace": format!("{} / {}", project.owner, project.name), "description": null,
        "default_branch": "main", "visibility": "private", "archived": false, "web_url": web_url,
        "http_url_to_repo": format!("{web_url}.git"), "ssh_url_to_repo": format!("git@gitlab.example:{}.git", project.path()),
        "namespace": { "id": 100, "name": project.owner, "path": project.owner, "kind": "group", "full_path": project.owner },
        "issues_enabled": project.has_issues,
        "issues_access_level": if project.has_issues { "enabled" } else { "disabled" },
        "created_at": "2024-01-15T10:30:00.000Z", "last_activity_at": "2024-01-15T10:30:00.000Z",
        "_links": { "self": format!("{}/api/v4/projects/{}", call.base, project.id),
                    "issues": format!("{}/api/v4/projects/{}/issues", call.base, project.id) },
        "permissions": {
            "project_access": { "access_level": level(call.caller.access), "notification_level": 3 },
            "group_access": null,
        },
    })
}

/// The page of an issue.
pub fn page_of(call: &Call<'_>, issue: &Issue) -> String {
    format!("{}/{}/-/issues/{}", call.base, issue.project.path(), issue.number)
}

/// An issue.
pub fn issue(call: &Call<'_>, issue: &Issue) -> Value {
    let assignees: Vec<Value> = issue.assignees.iter().map(|person| user(call, *person)).collect();
    let api = format!("{}/api/v4/projects/{}", call.base, issue.project.id);
    json!({
        "id": issue.id, "iid": issue.number, "project_id": issue.project.id, "title": issue.title,
        "description": issue.body, "state": if issue.closed.is_some() { "closed" } else { "opened" },
        "created_at": issue.created_at.to_string(), "updated_at": issue.updated_at.to_string(),
        "closed_at": issue.closed.map(|(at, _)| at.to_string()), "closed_by": issue.closed.map(|(_, by)| user(call, by)),
        "labels": issue.labels, "milestone": null, "assignee": assignees.first(), "assignees": assignees,
        "author": user(call, issue.author), "type": "ISSUE", "issue_type": "issue", "severity": "UNKNOWN",
        "user_notes_count": issue.comments.len(), "merge_requests_count": 0, "upvotes": 0, "downvotes": 0,
        "due_date": null, "confidential": issue.is_confidential, "discussion_locked": null, "has_tasks": false,
        "web_url": page_of(call, issue), "moved_to_id": issue.moved_to, "service_desk_reply_to": null,
        "time_stats": { "time_estimate": 0, "total_time_spent": 0, "human_time_estimate": null, "human_total_time_spent": null },
        "task_completion_status": { "count": 0, "completed_count": 0 }, "blocking_issues_count": 0, "imported": false,
        "references": { "short": format!("#{}", issue.number), "relative": format!("#{}", issue.number),
                        "full": format!("{}#{}", issue.project.path(), issue.number) },
        "_links": { "self": format!("{api}/issues/{}", issue.number), "notes": format!("{api}/issues/{}/notes", issue.number),
                    "award_emoji": format!("{api}/issues/{}/award_emoji", issue.number), "project": api,
                    "closed_as_duplicate_of": null },
    })
}

/// A note.
pub fn note(call: &Call<'_>, issue: &Issue, note: &Comment) -> Value {
    json!({
        "id": note.id, "type": null, "body": note.body, "author": user(call, note.author),
        "created_at": note.created_at.to_string(), "updated_at": note.updated_at.to_string(), "system": false,
        "noteable_id": issue.id, "noteable_type": "Issue", "noteable_iid": issue.number, "project_id": issue.project.id,
        "resolvable": false, "confidential": note.is_internal, "internal": note.is_internal, "imported": false,
        "commands_changes": {},
    })
}
