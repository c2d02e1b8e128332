//! Webhooks of administrators, `/rest/webhooks/1.0/webhook`, and the calls that follow from changes: bodies and headers
//! after Atlassian's page about webhooks and the payloads that jira.js collected. Issues are shown in the second version
//! of the API, so texts are wiki text. A secret goes in and never comes out.

use hmac::{Hmac, KeyInit, Mac};
use http::Method;
use serde_json::{Map, Value, json};
use sha2::Sha256;

use crate::jira::answer::{Answer, Refusal};
use crate::jira::comments::comment_json;
use crate::jira::issue::Comment;
use crate::jira::jql::Query;
use crate::jira::people::Person;
use crate::jira::read::{Choice, issue_json};
use crate::jira::request::{Asked, View};
use crate::jira::world::World;
use crate::simulator::Callback;
use model::time::Timestamp;

/// The most webhooks of a site.
const MAX_HOOKS: usize = 100;
const FILTER: &str = "issue-related-events-section";

/// The events that the simulated Jira knows; it takes others, and never sends them.
const EVENTS: [&str; 5] = [
    "jira:issue_created",
    "jira:issue_updated",
    "jira:issue_deleted",
    "comment_created",
    "comment_updated",
];

/// A webhook.
#[derive(Debug, Clone)]
pub struct Hook {
    id: u64,
    name: String,
    url: String,
    events: Vec<String>,
    filter: String,
    excludes_body: bool,
    secret: Option<String>,
    is_enabled: bool,
    updated_at: Timestamp,
    updated_by: Person,
}

/// Something that happened to an issue.
#[derive(Debug, Clone)]
pub struct News<'a> {
    /// The event.
    pub event: &'static str,
    /// Jira's finer name for it.
    pub kind: Option<&'static str>,
    /// The issue.
    pub issue_id: u64,
    /// What changed.
    pub changelog: Option<Value>,
    /// The comment.
    pub comment: Option<&'a Comment>,
}

impl News<'_> {
    /// About the issue itself.
    pub fn issue(event: &'static str, kind: &'static str, issue_id: u64) -> Self {
        Self {
            event,
            kind: Some(kind),
            issue_id,
            changelog: None,
            comment: None,
        }
    }
}

impl<'a> News<'a> {
    /// About a comment.
    pub fn comment(event: &'static str, comment: &'a Comment, issue_id: u64) -> Self {
        Self {
            event,
            kind: None,
            issue_id,
            changelog: None,
            comment: Some(comment),
        }
    }
}

impl World {
    /// Calls every webhook that wants to know.
    pub fn tell(&mut self, asked: &Asked<'_>, news: &News<'_>) {
        let Some(issue) = self.issue(news.issue_id) else {
            return;
        };
        let wants = |hook: &&Hook| {
            let query = Query::read(&hook.filter).ok();
            hook.is_enabled
                && hook.events.iter().any(|event| event == news.event)
                && query.is_some_and(|query| query.matches(issue))
        };
        let hooks: Vec<Hook> = self.hooks.iter().filter(wants).cloned().collect();
        for hook in hooks {
            let call = call(self, asked, &hook, news);
            self.calls.push(call);
        }
    }
}

/// `GET`, `POST` and `DELETE` of webhooks.
pub fn answer(world: &mut World, asked: &Asked<'_>) -> Result<Answer, Refusal> {
    let path: Vec<&str> = asked.path.iter().map(String::as_str).collect();
    match (asked.method, path.as_slice()) {
        (&Method::GET, []) => {
            let hooks: Value = world.hooks.iter().map(|hook| hook.json(&asked.view)).collect();
            Ok(Answer::new(200, hooks, "listed the webhooks"))
        }
        (&Method::POST, []) if world.hooks.len() >= MAX_HOOKS => {
            Err(Refusal::said(409, "The limit of webhooks is reached."))
        }
        (&Method::POST, []) => {
            let hook = read(asked, &asked.members()?, world.next_id())?;
            let answer = Answer::new(
                201,
                hook.json(&asked.view),
                format!("registered webhook {}", hook.name),
            );
            world.hooks.push(hook);
            Ok(answer)
        }
        (&Method::DELETE, [id]) => {
            let place = world.hooks.iter().position(|hook| hook.id.to_string() == *id);
            let missing = || Refusal::said(404, format!("There is no webhook with id {id}."));
            let hook = world.hooks.remove(place.ok_or_else(missing)?);
            Ok(Answer::empty(204, format!("deleted webhook {}", hook.name)))
        }
        _ => Err(Refusal::nothing_there(asked)),
    }
}

/// Reads a webhook.
fn read(asked: &Asked<'_>, members: &Map<String, Value>, id: u64) -> Result<Hook, Refusal> {
    let text = |name: &str| members.get(name).and_then(Value::as_str).map(str::to_owned);
    let is_set = |name: &str| members.get(name).and_then(Value::as_bool);
    let needed = |name: &str| {
        let given = text(name).filter(|text| !text.is_empty());
        given.ok_or_else(|| Refusal::field(400, name, format!("'{name}' is required.")))
    };
    let url = needed("url")?;
    if !url::Url::parse(&url).is_ok_and(|url| matches!(url.scheme(), "http" | "https")) {
        return Err(Refusal::field(400, "url", "The URL is not valid."));
    }
    let filter = members.get("filters").and_then(|filters| filters.get(FILTER));
    let filter = filter.and_then(Value::as_str).unwrap_or_default().to_owned();
    Query::read(&filter).map_err(|message| Refusal::field(400, "filters", message))?;
    let events = members.get("events").and_then(Value::as_array);
    let events = events.into_iter().flatten().filter_map(Value::as_str);
    Ok(Hook {
        id,
        name: needed("name")?,
        url,
        events: events.map(str::to_owned).collect(),
        filter,
        excludes_body: is_set("excludeBody").unwrap_or_default(),
        secret: text("secret"),
        is_enabled: is_set("enabled").or_else(|| is_set("active")).unwrap_or(true),
        updated_at: asked.now,
        updated_by: asked.caller.clone(),
    })
}

impl Hook {
    fn json(&self, view: &View) -> Value {
        json!({
            "name": self.name,
            "url": self.url,
            "excludeBody": self.excludes_body,
            "filters": { FILTER: self.filter },
            "events": self.events,
            "enabled": self.is_enabled,
            "self": format!("{}/rest/webhooks/1.0/webhook/{}", view.base, self.id),
            "lastUpdatedUser": self.updated_by.account_id,
            "lastUpdatedDisplayName": self.updated_by.display_name,
            "lastUpdated": self.updated_at.as_millis(),
        })
    }
}

fn call(world: &mut World, asked: &Asked<'_>, hook: &Hook, news: &News<'_>) -> Callback {
    debug_assert!(EVENTS.contains(&news.event), "only known events are sent");
    let identifier = format!("{}-{}", asked.now.as_millis(), world.next_id());
    let body = if hook.excludes_body {
        String::new()
    } else {
        body(world, asked, news).to_string()
    };
    let mut headers = vec![
        (
            "Content-Type".to_owned(),
            "application/json; charset=UTF-8".to_owned(),
        ),
        ("X-Atlassian-Webhook-Identifier".to_owned(), identifier),
        ("X-Atlassian-Webhook-Flow".to_owned(), "Primary".to_owned()),
    ];
    let signature = hook.secret.as_deref().map(|secret| signature(secret, &body));
    headers.extend(signature.map(|signature| ("X-Hub-Signature".to_owned(), signature)));
    Callback {
        url: hook.url.clone(),
        headers,
        body,
    }
}

fn body(world: &World, asked: &Asked<'_>, news: &News<'_>) -> Value {
    let view = asked.view.in_second_version();
    let is_about_comment = news.kind.is_none();
    let mut members = Map::new();
    let mut put = |name: &str, value: Value| members.insert(name.to_owned(), value);
    put("timestamp", json!(asked.now.as_millis()));
    put("webhookEvent", json!(news.event));
    if let Some(kind) = news.kind {
        put("issue_event_type_name", json!(kind));
        put("user", asked.caller.json(&view));
    }
    if let Some(comment) = news.comment {
        put("comment", comment_json(comment, news.issue_id, &view));
    }
    if let Some(issue) = world.issue(news.issue_id) {
        // A comment's own event shows little of the issue.
        let little = [
            "summary",
            "issuetype",
            "project",
            "assignee",
            "priority",
            "status",
        ];
        let choice = is_about_comment.then(|| little.map(str::to_owned).to_vec());
        let mut issue = issue_json(world, issue, &view, &Choice::of(choice, "*all"));
        issue.remove("expand");
        put("issue", Value::Object(issue));
    }
    if let Some(changelog) = &news.changelog {
        put("changelog", changelog.clone());
    }
    Value::Object(members)
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
