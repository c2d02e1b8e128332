//! Webhooks as the file that `opsknight webhooks apply` takes: a list of `[[webhook]]`. What is secret is left out, and said to be.

use std::collections::HashMap;

use toml::Value;

use crate::{ActionError, Actions};
use model::event::EventType;
use model::id::{ServiceId, WebhookId};
use model::time::format_duration;
use model::webhook::{Webhook, WebhookSettings};
use store::Page;

/// What ends a URL of which only the beginning is told.
const SEALED: &str = "/***";
/// The most webhooks or services that a file is made of.
pub const MAX_IN_FILE: usize = 10_000;

const HEAD: &str = "\
# Webhooks of OpsKnight, as `opsknight webhooks apply -f` and Import on the page Integrations take them. Secrets are left out: a
# new webhook gets a secret of its own unless `secret` says otherwise, and one that exists keeps what it has.
";

/// What ids are called in a file.
#[derive(Debug, Default)]
pub struct FileNames {
    pub services: HashMap<ServiceId, String>,
    pub webhooks: HashMap<WebhookId, String>,
}

impl FileNames {
    fn service(&self, id: ServiceId) -> String {
        self.services.get(&id).cloned().unwrap_or_else(|| id.to_string())
    }

    fn webhook(&self, id: WebhookId) -> String {
        self.webhooks.get(&id).cloned().unwrap_or_else(|| id.to_string())
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
        let names = FileNames {
            services: services
                .into_iter()
                .map(|service| (service.id, service.name))
                .collect(),
            webhooks: webhooks
                .iter()
                .map(|webhook| (webhook.id, webhook.settings.name.clone()))
                .collect(),
        };
        Ok((names, webhooks))
    }

    /// One webhook, or all, as a file.
    pub async fn export_webhooks(&self, only: Option<WebhookId>) -> Result<String, ActionError> {
        let (names, webhooks) = self.names_for_file().await?;
        let wanted: Vec<_> = webhooks
            .iter()
            .filter(|webhook| only.is_none_or(|id| id == webhook.id))
            .collect();
        if wanted.is_empty() && only.is_some() {
            return Err(ActionError::NotFound { what: "webhook" });
        }
        let mut file = HEAD.to_owned();
        for webhook in fallbacks_first(wanted) {
            file.push('\n');
            file.push_str(&written(webhook, &names));
        }
        Ok(file)
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

/// The oldest first, but whoever takes over from another stands before it: its name is known when it is needed.
fn fallbacks_first(webhooks: Vec<&Webhook>) -> Vec<&Webhook> {
    let mut waiting: Vec<_> = webhooks.into_iter().rev().collect();
    let mut ordered: Vec<&Webhook> = Vec::with_capacity(waiting.len());
    while !waiting.is_empty() {
        let waits = |webhook: &Webhook| {
            let fallback = webhook.settings.fallback.map(|fallback| fallback.webhook_id);
            waiting.iter().any(|other| Some(other.id) == fallback)
        };
        let (rest, ready): (Vec<_>, Vec<_>) = waiting.iter().copied().partition(|webhook| waits(webhook));
        match ready.is_empty() {
            // A circle, which the store admits none of.
            true => {
                ordered.extend(rest);
                break;
            }
            false => ordered.extend(ready),
        }
        waiting = rest;
    }
    ordered
}

fn written(webhook: &Webhook, names: &FileNames) -> String {
    let mut text = "[[webhook]]\n".to_owned();
    for (field, value) in entries(&webhook.settings, names) {
        text.push_str(&format!("{field} = {value}\n"));
    }
    if !webhook.is_enabled() {
        text.push_str("enabled = false\n");
    }
    if is_sealed(&webhook.settings) {
        text.push_str(
            "# url is a secret: write url = { env = \"NAME\" } where the file makes the webhook anew\n",
        );
    }
    let mut left_out = |what: &str, names: &[String]| {
        if !names.is_empty() {
            text.push_str(&format!("# {what}, secret and left out: {}\n", names.join(", ")));
        }
    };
    left_out("headers", &webhook.header_names);
    left_out("options", &webhook.secret_option_names);
    let certificates = [
        ("ca_pem", webhook.has_extra_ca),
        ("identity_pem", webhook.has_tls_identity),
    ];
    let certificates: Vec<_> = certificates.into_iter().filter(|(_, is_set)| *is_set).collect();
    let certificates: Vec<_> = certificates
        .into_iter()
        .map(|(name, _)| name.to_owned())
        .collect();
    left_out("tls", &certificates);
    text
}

fn is_sealed(settings: &WebhookSettings) -> bool {
    settings.url.as_str().ends_with(SEALED)
}

/// The settings of a webhook as lines of a file, in order; what is empty or unbounded is absent.
pub fn entries(settings: &WebhookSettings, names: &FileNames) -> Vec<(&'static str, Value)> {
    let chosen = choice_entries(settings, names).into_iter();
    let entries = chosen.chain(sending_entries(settings, names));
    entries
        .filter_map(|(field, value)| Some((field, value?)))
        .collect()
}

type Entry = (&'static str, Option<Value>);

fn text(text: &str) -> Option<Value> {
    Some(Value::from(text))
}

fn list<T: ToString>(items: impl Iterator<Item = T>) -> Option<Value> {
    let texts: Vec<_> = items.map(|item| item.to_string()).collect();
    (!texts.is_empty()).then(|| Value::from(texts))
}

/// What it is, where it leads, and what it gets.
fn choice_entries(settings: &WebhookSettings, names: &FileNames) -> [Entry; 8] {
    let options = settings.options.iter();
    let options: toml::Table = options
        .map(|(name, value)| (name.clone(), Value::from(value.as_str())))
        .collect();
    let services = settings.services.iter().map(|id| names.service(*id));
    let severities = settings.severities.iter().map(|severity| severity.as_str());
    let filter = settings.filter.as_ref();
    [
        ("name", text(&settings.name)),
        ("kind", text(settings.kind.as_str())),
        (
            "url",
            text(settings.url.as_str()).filter(|_| !is_sealed(settings)),
        ),
        ("events", list(settings.events.types().map(EventType::as_str))),
        ("filter", filter.and_then(|filter| text(filter.source()))),
        ("services", list(services)),
        ("severities", list(severities)),
        ("options", (!options.is_empty()).then_some(Value::Table(options))),
    ]
}

/// How it is sent, and what happens when its receiver fails.
fn sending_entries(settings: &WebhookSettings, names: &FileNames) -> [Entry; 11] {
    let duration = |duration| Value::from(format_duration(duration));
    let delays = settings.retry_schedule.delays().iter();
    let delays: Vec<_> = delays.map(|delay| format_duration(*delay)).collect();
    let fallback = settings.fallback;
    let late_after = fallback.and_then(|fallback| fallback.late_after);
    let takes_over = fallback.map(|fallback| Value::from(names.webhook(fallback.webhook_id)));
    let canary = settings
        .canary_hours
        .map(|hours| Value::from(format!("{hours}h")));
    [
        ("retry_schedule", Some(Value::from(delays))),
        ("timeout", Some(duration(settings.timeout))),
        ("concurrency", Some(Value::from(i64::from(settings.concurrency)))),
        ("rate", settings.rate.map(|rate| Value::from(rate.to_string()))),
        ("ordering", text(settings.ordering.as_str())),
        ("when_disabled", text(settings.when_disabled.as_str())),
        ("after_outage", text(settings.after_outage.as_str())),
        ("expire_after", settings.after_outage.expire_after().map(duration)),
        ("fallback_webhook", takes_over),
        ("fallback_after", late_after.map(duration)),
        ("canary", canary),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use destination::sample::Sample;
    use model::event::EventName;
    use model::outage::Fallback;
    use model::time::Timestamp;
    use model::webhook::WebhookKind;

    fn webhook(name: &str, number: u8, fallback: Option<u8>) -> Webhook {
        let url = "https://a.example/hook".parse().unwrap();
        let at = Timestamp::from_millis(i64::from(number));
        let mut webhook = Sample::new(WebhookKind::GENERIC, url, EventName::Triggered, at).webhook;
        webhook.id = WebhookId::from_bytes([number; 16]);
        webhook.settings.name = name.to_owned();
        webhook.settings.fallback = fallback.map(|of| Fallback {
            webhook_id: WebhookId::from_bytes([of; 16]),
            late_after: None,
        });
        webhook
    }

    #[test]
    fn whoever_takes_over_stands_further_up() {
        let (pager, chat, other) = (
            webhook("pager", 1, Some(2)),
            webhook("chat", 2, None),
            webhook("other", 3, None),
        );
        let ordered = fallbacks_first(vec![&other, &chat, &pager]);
        let names: Vec<_> = ordered
            .iter()
            .map(|webhook| webhook.settings.name.as_str())
            .collect();
        assert_eq!(names, ["chat", "other", "pager"]);
    }

    #[test]
    fn a_written_webhook_is_toml_whatever_its_name_and_tells_what_is_left_out() {
        let mut webhook = webhook("Jira \"OPS\"\n# [[webhook]]", 1, None);
        webhook.header_names = vec!["Authorization".into()];
        webhook.settings.options.insert("project".into(), "O'P\"S".into());
        let text = written(&webhook, &FileNames::default());
        let table: toml::Table = text.parse().unwrap();
        let read = &table["webhook"][0];
        assert_eq!(read["name"].as_str(), Some("Jira \"OPS\"\n# [[webhook]]"));
        assert_eq!(read["options"]["project"].as_str(), Some("O'P\"S"));
        assert!(
            text.contains("# headers, secret and left out: Authorization\n"),
            "{text}"
        );
    }
}
