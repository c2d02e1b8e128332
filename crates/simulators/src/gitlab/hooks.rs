//! Webhooks of projects, and the calls that follow from changes: headers and payloads after GitLab's pages "Webhooks" and
//! "Webhook events". The token goes in and never comes out of the API; every call carries it.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use http::Method;
use serde_json::{Value, json};
use sha2::Sha256;
use uuid::Uuid;

use super::fields::boolean;
use super::{Served, Site, forbidden, invalid, refused, view};
use crate::code_host::call::{Call, Refusal};
use crate::code_host::people::{Access, Person};
use crate::code_host::store::{Comment, Issue, Project};
use crate::simulator::{Callback, Response};
use model::time::Timestamp;

const MAX_HOOKS: usize = 100;
/// What a webhook can be told of, and whether it is unless somebody says otherwise.
const EVENTS: [(&str, bool); 5] = [
    ("push_events", true),
    ("issues_events", false),
    ("confidential_issues_events", false),
    ("note_events", false),
    ("confidential_note_events", false),
];

/// A webhook.
#[derive(Debug, Clone)]
pub struct Hook {
    id: u64,
    project: u64,
    url: String,
    token: Option<String>,
    signing_token: Option<String>,
    events: Vec<&'static str>,
    created_at: Timestamp,
}

impl Site {
    /// Calls every webhook that wants to know of an issue.
    pub fn tell(&mut self, call: &Call<'_>, issue: &Issue, action: &str, changes: &Value) {
        let (kind, event, header) = if issue.is_confidential {
            (
                "confidential_issue",
                "confidential_issues_events",
                "Confidential Issue Hook",
            )
        } else {
            ("issue", "issues_events", "Issue Hook")
        };
        let mut attributes = issue_attributes(call, issue);
        attributes["action"] = json!(action);
        let mut payload = payload(call, issue.project, "issue", kind, &attributes);
        payload["changes"] = changes.clone();
        payload["labels"] = labels(issue);
        if !issue.assignees.is_empty() {
            payload["assignees"] = issue.assignees.iter().map(|person| user(*person)).collect();
        }
        self.call_hooks(call, issue.project, event, header, &payload);
    }

    /// The same of a note.
    pub fn tell_of_note(&mut self, call: &Call<'_>, issue: &Issue, note: &Comment, action: &str) {
        let (kind, event, header) = if note.is_internal || issue.is_confidential {
            (
                "confidential_note",
                "confidential_note_events",
                "Confidential Note Hook",
            )
        } else {
            ("note", "note_events", "Note Hook")
        };
        let attributes = json!({
            "id": note.id, "note": note.body, "description": note.body, "author_id": note.author.id, "noteable_type": "Issue",
            "noteable_id": issue.id, "project_id": issue.project.id, "created_at": note.created_at.to_string(),
            "updated_at": note.updated_at.to_string(), "internal": note.is_internal, "system": false, "type": null,
            "action": action, "url": format!("{}#note_{}", view::page_of(call, issue), note.id),
        });
        let mut payload = payload(call, issue.project, "note", kind, &attributes);
        payload["project_id"] = json!(issue.project.id);
        payload["issue"] = issue_attributes(call, issue);
        self.call_hooks(call, issue.project, event, header, &payload);
    }

    /// `GET`, `POST` and `DELETE` of `hooks`: for maintainers.
    pub fn in_hooks(&mut self, call: &Call<'_>, project: Project, path: &[&str]) -> Served {
        if call.caller.access < Access::Admin {
            return Err(forbidden());
        }
        match (call.method, path) {
            (&Method::GET, []) => {
                let hooks = self
                    .hooks
                    .iter()
                    .filter(|hook| hook.project == project.id)
                    .map(Hook::json);
                super::paged(call, hooks.collect(), "listed webhooks")
            }
            (&Method::POST, []) if self.hooks.len() >= MAX_HOOKS => {
                Err(refused(400, "Maximum number of project hooks (100) exceeded"))
            }
            (&Method::POST, []) => {
                let hook = read(call, project, self.store.next_id())?;
                let answer = Response::json(201, &hook.json(), format!("made a webhook to {}", hook.url));
                self.hooks.push(hook);
                Ok(answer)
            }
            (&Method::DELETE, [id]) => {
                let place = self.hooks.iter().position(|hook| hook.id.to_string() == *id);
                self.hooks
                    .remove(place.ok_or_else(|| refused(404, "404 Not found"))?);
                Ok(Response {
                    status: 204,
                    sentence: "deleted a webhook".to_owned(),
                    ..Response::default()
                })
            }
            _ => Err(refused(404, "404 Not found")),
        }
    }

    fn call_hooks(&mut self, call: &Call<'_>, project: Project, event: &str, header: &str, payload: &Value) {
        let body = payload.to_string();
        let wants = |hook: &&Hook| hook.project == project.id && hook.events.contains(&event);
        // One event has one id; each call of it has a key of its own, which a repeated call would have again.
        let event_id = self.next_uuid();
        for hook in self.hooks.iter().filter(wants).cloned().collect::<Vec<_>>() {
            let key = self.next_uuid();
            let mut headers = vec![
                ("Content-Type", "application/json".to_owned()),
                ("User-Agent", "GitLab/19.5.0-ee".to_owned()),
                ("Idempotency-Key", key.clone()),
                ("X-Gitlab-Event", header.to_owned()),
                (
                    "X-Gitlab-Webhook-UUID",
                    Uuid::from_u128(u128::from(hook.id)).to_string(),
                ),
                ("X-Gitlab-Instance", call.base.clone()),
                ("X-Gitlab-Event-UUID", event_id.clone()),
            ];
            headers.extend(hook.token.clone().map(|token| ("X-Gitlab-Token", token)));
            if let Some(token) = &hook.signing_token {
                let at = call.now.as_seconds().to_string();
                headers.push((
                    "webhook-signature",
                    signature(token, &format!("{key}.{at}.{body}")),
                ));
                headers.extend([("webhook-id", key), ("webhook-timestamp", at)]);
            }
            self.calls.push(Callback {
                url: hook.url.clone(),
                headers: headers
                    .into_iter()
                    .map(|(name, value)| (name.to_owned(), value))
                    .collect(),
                body: body.clone(),
            });
        }
    }

    fn next_uuid(&mut self) -> String {
        let number = u128::from(self.store.next_id());
        Uuid::from_u128(0x13b1_1c0e_4a75_4a1c_8d3e_7f00_0000_0000 + number).to_string()
    }
}

fn payload(call: &Call<'_>, project: Project, kind: &str, event_type: &str, attributes: &Value) -> Value {
    let seen = view::project(call, project);
    let url = format!("git@gitlab.example:{}.git", project.path());
    json!({
        "object_kind": kind, "event_type": event_type, "user": user(call.caller), "object_attributes": attributes,
        "project": {
            "id": project.id, "name": project.name, "description": null, "web_url": seen["web_url"], "avatar_url": null,
            "git_ssh_url": url, "git_http_url": seen["http_url_to_repo"], "namespace": project.owner, "visibility_level": 0,
            "path_with_namespace": project.path(), "default_branch": "main", "ci_config_path": null,
            "homepage": seen["web_url"], "url": url, "ssh_url": url, "http_url": seen["http_url_to_repo"],
        },
        "repository": { "name": project.name, "url": url, "description": null, "homepage": seen["web_url"] },
    })
}

/// An issue as webhooks show it, which is not as the API does.
fn issue_attributes(call: &Call<'_>, issue: &Issue) -> Value {
    json!({
        "id": issue.id, "iid": issue.number, "title": issue.title, "description": issue.body, "project_id": issue.project.id,
        "author_id": issue.author.id, "assignee_id": issue.assignees.first().map(|person| person.id),
        "assignee_ids": issue.assignees.iter().map(|person| person.id).collect::<Vec<_>>(),
        "state": if issue.closed.is_some() { "closed" } else { "opened" },
        "state_id": if issue.closed.is_some() { 2 } else { 1 },
        "created_at": issue.created_at.to_string(), "updated_at": issue.updated_at.to_string(),
        "closed_at": issue.closed.map(|(at, _)| at.to_string()), "confidential": issue.is_confidential,
        "moved_to_id": issue.moved_to, "duplicated_to_id": null, "updated_by_id": call.caller.id, "labels": labels(issue),
        "url": view::page_of(call, issue), "type": "Issue", "severity": "unknown", "weight": null, "due_date": null,
    })
}

fn labels(issue: &Issue) -> Value {
    let label = |name: &String| json!({ "title": name, "color": "#6699cc", "project_id": issue.project.id, "type": "ProjectLabel" });
    issue.labels.iter().map(label).collect()
}

fn user(person: Person) -> Value {
    json!({
        "id": person.id, "name": person.name, "username": person.login, "avatar_url": null, "email": "[REDACTED]",
    })
}

fn read(call: &Call<'_>, project: Project, id: u64) -> Result<Hook, Refusal> {
    let url = call.text("url").ok_or_else(|| invalid("url is missing"))?;
    if !url::Url::parse(url).is_ok_and(|url| matches!(url.scheme(), "http" | "https")) {
        return Err(refused(422, "Invalid url given"));
    }
    let is_on = |(name, otherwise): &(&'static str, bool)| {
        call.body.get(*name).and_then(boolean).unwrap_or(*otherwise)
    };
    let secret = |name: &str| {
        call.text(name)
            .filter(|token| !token.is_empty())
            .map(str::to_owned)
    };
    Ok(Hook {
        id,
        project: project.id,
        url: url.to_owned(),
        token: secret("token"),
        signing_token: secret("signing_token"),
        events: EVENTS
            .iter()
            .filter(|event| is_on(event))
            .map(|(name, _)| *name)
            .collect(),
        created_at: call.now,
    })
}

impl Hook {
    fn json(&self) -> Value {
        let mut json = json!({
            "id": self.id, "url": self.url, "project_id": self.project, "enable_ssl_verification": true,
            "created_at": self.created_at.to_string(), "alert_status": "executable", "disabled_until": null,
        });
        for (name, _) in EVENTS {
            json[name] = self.events.contains(&name).into();
        }
        json
    }
}

/// The signature of the Standard Webhooks, with the key behind `whsec_`.
fn signature(token: &str, text: &str) -> String {
    let key = STANDARD
        .decode(token.trim_start_matches("whsec_"))
        .unwrap_or_else(|_| token.as_bytes().to_vec());
    let digest = Hmac::<Sha256>::new_from_slice(&key).map(|mut mac| {
        mac.update(text.as_bytes());
        STANDARD.encode(mac.finalize().into_bytes())
    });
    format!("v1,{}", digest.unwrap_or_default())
}
