//! Webhooks as the file that `opsknight webhooks apply` takes too. What is secret is left out, and said to be.

use std::collections::HashMap;

use serde_json::{Value, json};

use crate::{ActionError, Actions};
use model::event::EventType;
use model::id::WebhookId;
use model::time::format_duration;
use model::webhook::{Webhook, WebhookSettings};
use model::webhook_file::{self, Secrets};
use store::Page;

/// The most webhooks or services that a file is made of.
pub const MAX_IN_FILE: usize = 10_000;

const HEAD: &str = "\
# Webhooks of OpsKnight, as `opsknight webhooks apply -f` and Import on the page Integrations take them. Secrets are left out: a
# new webhook gets a secret of its own unless `secret` says otherwise, and one that exists keeps what it has.
";

/// What the ids of services and webhooks are called in a file.
#[derive(Debug, Default)]
pub struct FileNames(HashMap<String, String>);

impl FileNames {
    /// The name of an id, or the id itself.
    pub fn name_of(&self, id: &str) -> String {
        self.0.get(id).cloned().unwrap_or_else(|| id.to_owned())
    }

    /// The id of a kind that has a name.
    pub fn id_of(&self, prefix: &str, name: &str) -> Option<String> {
        let mut named = self.0.iter().filter(|(id, _)| id.starts_with(prefix));
        named.find(|(_, known)| *known == name).map(|(id, _)| id.clone())
    }
}

impl Actions {
    /// The names that a file of webhooks uses, and all webhooks, the newest first.
    pub async fn names_for_file(&self) -> Result<(FileNames, Vec<Webhook>), ActionError> {
        let (mut webhooks, mut page) = (Vec::new(), first_page());
        while add(
            &mut webhooks,
            self.store.webhooks.list(page).await?,
            &mut page,
            |row| *row.id.as_bytes(),
        ) {}
        let (mut services, mut page) = (Vec::new(), first_page());
        while add(
            &mut services,
            self.store.services.list(page).await?,
            &mut page,
            |row| *row.id.as_bytes(),
        ) {}
        let services = services.into_iter();
        let services = services.map(|service| (service.id.to_string(), service.name));
        let named = webhooks.iter();
        let named = named.map(|webhook| (webhook.id.to_string(), webhook.settings.name.clone()));
        Ok((FileNames(services.chain(named).collect()), webhooks))
    }

    /// One webhook, or all, as a file.
    pub async fn export_webhooks(&self, only: Option<WebhookId>) -> Result<String, ActionError> {
        let (names, webhooks) = self.names_for_file().await?;
        let wanted = webhooks
            .iter()
            .rev()
            .filter(|webhook| only.is_none_or(|id| id == webhook.id));
        let wanted: Vec<_> = wanted.map(told).collect();
        if wanted.is_empty() && only.is_some() {
            return Err(ActionError::NotFound { what: "webhook" });
        }
        let wanted: Vec<_> = wanted.iter().collect();
        let file = webhook_file::write(&wanted, |id| names.name_of(id), Secrets::LeftOut);
        Ok(format!("{HEAD}\n{}", file.text))
    }
}

fn first_page() -> Page {
    Page {
        limit: Page::MAX_LIMIT,
        before: None,
    }
}

/// Adds the rows of a page to those before; says whether there may be more.
fn add<T>(all: &mut Vec<T>, rows: Vec<T>, page: &mut Page, id_of: fn(&T) -> [u8; 16]) -> bool {
    page.before = rows.last().map(id_of);
    let is_full = rows.len() >= page.limit as usize;
    all.extend(rows);
    is_full && all.len() < MAX_IN_FILE
}

/// A webhook as the API tells it, for as much of it as a file has.
fn told(webhook: &Webhook) -> Value {
    let mut told = told_settings(&webhook.settings);
    told["id"] = json!(webhook.id);
    told["enabled"] = json!(webhook.is_enabled());
    told["headers"] = json!(webhook.header_names);
    told["secretOptions"] = json!(webhook.secret_option_names);
    told["tls"] = json!({ "hasCa": webhook.has_extra_ca, "hasIdentity": webhook.has_tls_identity });
    told
}

/// The same of settings alone.
pub fn told_settings(settings: &WebhookSettings) -> Value {
    let events = settings.events.types().map(EventType::as_str);
    let severities = settings.severities.iter().map(|severity| severity.as_str());
    let delays = settings.retry_schedule.delays().iter();
    let fallback = settings.fallback;
    json!({
        "name": settings.name,
        "url": settings.url.as_str(),
        "kind": settings.kind.as_str(),
        "events": events.collect::<Vec<_>>(),
        "filter": settings.filter.as_ref().map(|filter| filter.source()),
        "services": settings.services,
        "severities": severities.collect::<Vec<_>>(),
        "options": settings.options,
        "retrySchedule": delays.map(|delay| format_duration(*delay)).collect::<Vec<_>>(),
        "timeout": format_duration(settings.timeout),
        "concurrency": settings.concurrency,
        "rate": settings.rate.map(|rate| rate.to_string()),
        "ordering": settings.ordering.as_str(),
        "whenDisabled": settings.when_disabled.as_str(),
        "afterOutage": settings.after_outage.as_str(),
        "expireAfter": settings.after_outage.expire_after().map(format_duration),
        "fallbackWebhook": fallback.map(|fallback| fallback.webhook_id),
        "fallbackAfter": fallback.and_then(|fallback| fallback.late_after).map(format_duration),
        "canary": settings.canary_hours.map(|hours| format!("{hours}h")),
    })
}
