//! Webhooks of repositories, and the calls that follow from changes: headers and payloads after GitHub's page "Webhook
//! events and payloads", signatures after "Validating webhook deliveries". A secret goes in and never comes out.

use hmac::{Hmac, KeyInit, Mac};
use http::Method;
use serde_json::{Value, json};
use sha2::Sha256;
use uuid::Uuid;

use super::{Response, Served, Site, empty, invalid, not_found, refusal, view};
use crate::code_host::call::{Call, Refusal};
use crate::code_host::people::Access;
use crate::code_host::store::{Issue, Project};
use crate::simulator::Callback;

const MAX_HOOKS: usize = 20;

/// A webhook.
#[derive(Debug, Clone)]
pub struct Hook {
    id: u64,
    project: u64,
    url: String,
    is_form: bool,
    secret: Option<String>,
    events: Vec<String>,
    is_active: bool,
}

/// Something that happened to an issue.
#[derive(Debug)]
pub struct News {
    event: &'static str,
    action: &'static str,
    /// What the payload has beside issue, repository and sender.
    more: Vec<(&'static str, Value)>,
}

impl News {
    /// About the issue itself.
    pub fn issue(action: &'static str) -> Self {
        Self {
            event: "issues",
            action,
            more: Vec::new(),
        }
    }

    /// The same with more in its payload.
    pub fn with(self, more: Vec<(&'static str, Value)>) -> Self {
        Self { more, ..self }
    }

    /// About a comment.
    pub fn comment(action: &'static str, more: Vec<(&'static str, Value)>) -> Self {
        Self {
            event: "issue_comment",
            action,
            more,
        }
    }
}

impl Site {
    /// Calls every webhook that wants to know.
    pub fn tell(&mut self, call: &Call<'_>, issue: &Issue, news: &News) {
        let mut payload = json!({
            "action": news.action,
            "issue": view::issue(call, issue),
            "repository": view::repository(call, issue.project, self),
            "sender": view::user(call, call.caller),
        });
        for (name, value) in &news.more {
            payload[*name] = value.clone();
        }
        // The API says who closed an issue, webhooks do not.
        for issue in ["/issue", "/changes/new_issue", "/changes/old_issue"] {
            let members = payload.pointer_mut(issue).and_then(Value::as_object_mut);
            members
                .into_iter()
                .for_each(|members| drop(members.remove("closed_by")));
        }
        let wants = |hook: &&Hook| {
            let is_wanted = |event: &String| event == "*" || event == news.event;
            hook.is_active && hook.project == issue.project.id && hook.events.iter().any(is_wanted)
        };
        for hook in self.hooks.iter().filter(wants).cloned().collect::<Vec<_>>() {
            self.call(&hook, news.event, &payload);
        }
    }

    /// `GET`, `POST` and `DELETE` of `hooks`: for whoever has the repository.
    pub fn in_hooks(&mut self, call: &Call<'_>, project: Project, path: &[&str]) -> Served {
        if call.caller.access < Access::Admin {
            return Err(not_found());
        }
        match (call.method, path) {
            (&Method::GET, []) => {
                let hooks = self.hooks.iter().filter(|hook| hook.project == project.id);
                let hooks: Value = hooks.map(|hook| hook.json(call, project)).collect();
                Ok(Response::json(200, &hooks, "listed webhooks"))
            }
            (&Method::POST, []) => {
                let hook = read(call, project, self.store.next_id())?;
                if self.hooks.len() >= MAX_HOOKS {
                    return Err(refusal(422, "The \"push\" event cannot have more than 20 hooks"));
                }
                let answer = Response::json(
                    201,
                    &hook.json(call, project),
                    format!("made a webhook to {}", hook.url),
                );
                self.hooks.push(hook.clone());
                let ping = json!({
                    "zen": "Keep it logically awesome.", "hook_id": hook.id, "hook": hook.json(call, project),
                    "repository": view::repository(call, project, self), "sender": view::user(call, call.caller),
                });
                self.call(&hook, "ping", &ping);
                Ok(answer)
            }
            (&Method::DELETE, [id]) => {
                let count = self.hooks.len();
                self.hooks.retain(|hook| hook.id.to_string() != *id);
                if self.hooks.len() == count {
                    Err(not_found())
                } else {
                    Ok(empty(204, "deleted a webhook"))
                }
            }
            _ => Err(not_found()),
        }
    }

    fn call(&mut self, hook: &Hook, event: &str, payload: &Value) {
        let (content_type, body) = if hook.is_form {
            let mut form = url::form_urlencoded::Serializer::new(String::new());
            let form = form.append_pair("payload", &payload.to_string()).finish();
            ("application/x-www-form-urlencoded", form)
        } else {
            ("application/json", payload.to_string())
        };
        let delivery =
            Uuid::from_u128(0x72d3_162e_cc78_11e3_81ab_4c93_0000_0000 + u128::from(self.store.next_id()));
        let mut headers = vec![
            ("Accept", "*/*".to_owned()),
            ("Content-Type", content_type.to_owned()),
            ("User-Agent", "GitHub-Hookshot/044aadd".to_owned()),
            ("X-GitHub-Delivery", delivery.to_string()),
            ("X-GitHub-Enterprise-Version", "3.19.0".to_owned()),
            ("X-GitHub-Event", event.to_owned()),
            ("X-GitHub-Hook-ID", hook.id.to_string()),
            ("X-GitHub-Hook-Installation-Target-ID", hook.project.to_string()),
            ("X-GitHub-Hook-Installation-Target-Type", "repository".to_owned()),
        ];
        let signature = hook.secret.as_deref().map(|secret| signature(secret, &body));
        headers.extend(signature.map(|signature| ("X-Hub-Signature-256", signature)));
        self.calls.push(Callback {
            url: hook.url.clone(),
            headers: headers
                .into_iter()
                .map(|(name, value)| (name.to_owned(), value))
                .collect(),
            body,
        });
    }
}

fn read(call: &Call<'_>, project: Project, id: u64) -> Result<Hook, Refusal> {
    let refused =
        |field: &str, code: &str| invalid(&json!({ "resource": "Hook", "field": field, "code": code }));
    if call.body.get("name").is_some_and(|name| name != "web") {
        return Err(refused("name", "invalid"));
    }
    let config = call.body.get("config");
    let setting = |name: &str| config.and_then(|config| config.get(name)).and_then(Value::as_str);
    let url = setting("url").ok_or_else(|| refused("url", "missing_field"))?;
    if !url::Url::parse(url).is_ok_and(|url| matches!(url.scheme(), "http" | "https")) {
        return Err(refused("url", "custom"));
    }
    let events = call.body.get("events").and_then(Value::as_array);
    let events = events.map(|events| {
        events
            .iter()
            .filter_map(Value::as_str)
            .map(str::to_owned)
            .collect()
    });
    Ok(Hook {
        id,
        project: project.id,
        url: url.to_owned(),
        is_form: setting("content_type") != Some("json"),
        secret: setting("secret")
            .filter(|secret| !secret.is_empty())
            .map(str::to_owned),
        events: events.unwrap_or_else(|| vec!["push".to_owned()]),
        is_active: call.body.get("active").and_then(Value::as_bool).unwrap_or(true),
    })
}

impl Hook {
    fn json(&self, call: &Call<'_>, project: Project) -> Value {
        let url = format!("{}/hooks/{}", view::repository_url(call, project), self.id);
        let mut config = json!({
            "url": self.url, "content_type": if self.is_form { "form" } else { "json" }, "insecure_ssl": "0",
        });
        if self.secret.is_some() {
            config["secret"] = json!("********");
        }
        json!({
            "type": "Repository", "id": self.id, "name": "web", "active": self.is_active, "events": self.events,
            "config": config, "updated_at": call.now.to_rfc3339_seconds(), "created_at": call.now.to_rfc3339_seconds(),
            "url": url, "test_url": format!("{url}/test"), "ping_url": format!("{url}/pings"),
            "deliveries_url": format!("{url}/deliveries"),
            "last_response": { "code": null, "status": "unused", "message": null },
        })
    }
}

/// The signature of a body, `sha256=<hex>`.
fn signature(secret: &str, body: &str) -> String {
    let mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes());
    let digest = mac.map(|mut mac| {
        mac.update(body.as_bytes());
        hex::encode(mac.finalize().into_bytes())
    });
    format!("sha256={}", digest.unwrap_or_default())
}
