//! A file of webhooks, read and planned: what would be made, and what would change. Nothing is done before somebody has seen the plan.
//!
//! The environment is not read here: a page of the server must not tell what stands in the server's own.

use std::collections::BTreeMap;

use serde::Deserialize;
use toml::{Table, Value};

use crate::webhooks::draft::{WebhookDraft, check_webhook};
use crate::webhooks::file::{FileNames, entries};
use crate::{ActionError, Actions, Patch};
use model::audit::Actor;
use model::id::WebhookId;
use model::secret::SecretText;
use model::webhook::Webhook;

/// The most webhooks of one import.
pub const MAX_IMPORTED: usize = 200;
/// What the ids of services and webhooks begin with.
const SERVICE_PREFIX: &str = "svc_";
const WEBHOOK_PREFIX: &str = "whk_";

/// A setting that would change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SettingChange {
    pub field: String,
    /// What it is; empty if nothing.
    pub from: String,
    /// What it would be; of secrets only that they are set.
    pub to: String,
}

/// What an import would do for one webhook of its file.
#[derive(Clone)]
pub struct ImportStep {
    pub name: String,
    /// The webhook that has the name already; a new one is made if there is none.
    pub id: Option<WebhookId>,
    /// What would change, or be set; empty if nothing.
    pub changes: Vec<SettingChange>,
    draft: WebhookDraft,
    /// The webhook by name that takes over, if it is further up in the file.
    fallback: Option<String>,
}

/// What an import did for one webhook.
pub struct Imported {
    pub webhook: Webhook,
    /// The secret of a webhook that was made; shown this once.
    pub secret: Option<SecretText>,
}

impl Actions {
    /// Says what an import of a file would do, in the order of the file; a sentence if the file cannot be read or would be refused.
    pub async fn plan_import(&self, text: &str) -> Result<Vec<ImportStep>, ActionError> {
        let (names, present) = self.names_for_file().await?;
        let tables = read(text).map_err(refused)?;
        let mut steps: Vec<ImportStep> = Vec::with_capacity(tables.len());
        for (index, table) in tables.into_iter().enumerate() {
            let place = place(&table, index);
            let before: Vec<_> = steps.iter().map(|step| step.name.as_str()).collect();
            let read = declared(table, &names, &before)
                .map_err(|reason| refused(format!("webhook {place}: {reason}")))?;
            let step = self.plan_one(read, &names, &present).await;
            steps.push(step.map_err(|error| within(&place, error))?);
        }
        Ok(steps)
    }

    async fn plan_one(
        &self,
        declared: Declared,
        names: &FileNames,
        present: &[Webhook],
    ) -> Result<ImportStep, ActionError> {
        let mut same_name = present
            .iter()
            .filter(|webhook| webhook.settings.name == declared.name);
        let found = same_name.next();
        if same_name.next().is_some() {
            return Err(refused(
                "there is more than one webhook of this name: rename one of them first".into(),
            ));
        }
        let mut draft = declared.draft;
        let endpoint = match found {
            Some(webhook) => self.store.endpoints.load(webhook.id).await?,
            None => None,
        };
        // The secret of one that exists changes by rotation only.
        if found.is_some() {
            draft.secret = Patch::Keep;
        }
        let mut changes = secret_changes(&draft);
        let checked = check_webhook(draft.clone(), endpoint.as_ref(), self.url_rules.as_ref())?;
        let secret_options: Vec<_> = checked.secret_options.keys().map(String::as_str).collect();
        if !secret_options.is_empty() {
            changes.push(change(
                "options",
                String::new(),
                format!("{} set anew", secret_options.join(", ")),
            ));
        }
        let before = endpoint
            .map(|endpoint| entries(&endpoint.webhook.settings, names))
            .unwrap_or_default();
        changes.splice(0..0, differences(&before, &entries(&checked.settings, names)));
        if let (Some(enabled), true) = (
            checked.enabled,
            found.is_none_or(|webhook| Some(webhook.is_enabled()) != checked.enabled),
        ) {
            changes.push(change(
                "enabled",
                found.map_or(String::new(), |_| (!enabled).to_string()),
                enabled.to_string(),
            ));
        }
        if let Some(fallback) = &declared.fallback {
            changes.push(change("fallback_webhook", String::new(), fallback.clone()));
        }
        Ok(ImportStep {
            name: declared.name,
            id: found.map(|webhook| webhook.id),
            changes,
            draft,
            fallback: declared.fallback,
        })
    }

    /// Carries a plan out, step by step; what was done before a step that fails stays done.
    pub async fn import(&self, actor: Actor, steps: Vec<ImportStep>) -> Result<Vec<Imported>, ActionError> {
        let mut done: Vec<Imported> = Vec::new();
        for step in steps.into_iter().filter(|step| !step.changes.is_empty()) {
            let mut draft = step.draft;
            let made = |name: &String| {
                let same = done
                    .iter()
                    .find(|imported| imported.webhook.settings.name == *name);
                same.map(|imported| imported.webhook.id.to_string())
            };
            if let Some(fallback) = step.fallback.as_ref().and_then(made) {
                draft.fallback_webhook = Patch::Set(fallback);
            }
            let imported = match step.id {
                Some(id) => Imported {
                    webhook: self.change_webhook(actor.clone(), id, draft).await?,
                    secret: None,
                },
                None => {
                    let (webhook, secret) = self.create_webhook(actor.clone(), draft).await?;
                    Imported {
                        webhook,
                        secret: Some(secret),
                    }
                }
            };
            done.push(imported);
        }
        Ok(done)
    }
}

/// A webhook as a file wants it.
struct Declared {
    name: String,
    draft: WebhookDraft,
    fallback: Option<String>,
}

fn refused(detail: String) -> ActionError {
    ActionError::Invalid(vec![crate::FieldError {
        field: "file".into(),
        code: "invalid_value",
        detail,
    }])
}

/// The mistakes of one webhook, as mistakes of the file.
fn within(place: &str, error: ActionError) -> ActionError {
    match error {
        ActionError::Invalid(errors) => {
            let sentences: Vec<_> = errors
                .into_iter()
                .map(|error| match error.field.as_str() {
                    "file" => error.detail,
                    field => format!("{field}: {}", error.detail),
                })
                .collect();
            refused(format!("webhook {place}: {}", sentences.join("; ")))
        }
        other => other,
    }
}

fn read(text: &str) -> Result<Vec<Table>, String> {
    let mut file: Table = text.parse().map_err(|error: toml::de::Error| error.to_string())?;
    let list = file.remove("webhook");
    if let Some(name) = file.keys().next() {
        return Err(format!("unknown {name:?}: the file is a list of [[webhook]]"));
    }
    let list = match list {
        Some(Value::Array(list)) => list,
        Some(_) => return Err("write [[webhook]], with two brackets: it is a list".into()),
        None => return Err("the file has no [[webhook]]".into()),
    };
    if list.len() > MAX_IMPORTED {
        return Err(format!(
            "the file has more than {MAX_IMPORTED} webhooks: import it in parts"
        ));
    }
    let table = |item: Value| match item {
        Value::Table(table) => Ok(table),
        _ => Err("each [[webhook]] is a table".to_owned()),
    };
    list.into_iter().map(table).collect()
}

fn place(table: &Table, index: usize) -> String {
    let name = table.get("name").and_then(Value::as_str);
    name.map_or_else(|| (index + 1).to_string(), |name| format!("{name:?}"))
}

fn declared(table: Table, names: &FileNames, further_up: &[&str]) -> Result<Declared, String> {
    let name = table
        .get("name")
        .and_then(Value::as_str)
        .ok_or("it has no name")?
        .to_owned();
    if further_up.contains(&name.as_str()) {
        return Err("two webhooks of the file have this name; names tell them apart".into());
    }
    let mut fallback = None;
    let mut fields = Table::new();
    for (written, value) in table {
        refuse_environment(&value)?;
        let field = camel_case(&written);
        let value = match field.as_str() {
            "services" => service_ids(value, names)?,
            "fallbackWebhook" => match fallback_id(&value, names, further_up)? {
                Some(id) => Value::from(id),
                None => {
                    fallback = value.as_str().map(str::to_owned);
                    continue;
                }
            },
            _ => value,
        };
        fields.insert(field, value);
    }
    let draft =
        WebhookDraft::deserialize(Value::Table(fields)).map_err(|error| error.message().to_owned())?;
    Ok(Declared {
        name,
        draft,
        fallback,
    })
}

/// `retry_schedule` as the API writes it.
fn camel_case(snake: &str) -> String {
    let mut is_next_upper = false;
    let mut camel = String::with_capacity(snake.len());
    for letter in snake.chars() {
        match (letter, is_next_upper) {
            ('_', _) => is_next_upper = true,
            (letter, true) => {
                camel.extend(letter.to_uppercase());
                is_next_upper = false;
            }
            (letter, false) => camel.push(letter),
        }
    }
    camel
}

fn refuse_environment(value: &Value) -> Result<(), String> {
    let Value::Table(table) = value else {
        return Ok(());
    };
    let is_reference = table.len() == 1 && table.contains_key("env");
    if is_reference {
        return Err(
            "{ env = … } is read by `opsknight webhooks apply` only: write the value itself here".into(),
        );
    }
    table.values().try_for_each(refuse_environment)
}

fn service_ids(value: Value, names: &FileNames) -> Result<Value, String> {
    let Value::Array(list) = value else {
        return Err("services is a list of names or ids".into());
    };
    let id = |item: Value| {
        let text = item.as_str().ok_or("services is a list of names or ids")?;
        if text.starts_with(SERVICE_PREFIX) {
            return Ok(item);
        }
        let found = names.services.iter().find(|(_, name)| *name == text);
        found
            .map(|(id, _)| Value::from(id.to_string()))
            .ok_or_else(|| format!("there is no service called {text:?}"))
    };
    list.into_iter()
        .map(id)
        .collect::<Result<Vec<_>, String>>()
        .map(Value::Array)
}

/// The id of the webhook that takes over; nothing if it is further up in the file, and not made yet.
fn fallback_id(value: &Value, names: &FileNames, further_up: &[&str]) -> Result<Option<String>, String> {
    let text = value.as_str().ok_or("fallback_webhook is a name or an id")?;
    if text.starts_with(WEBHOOK_PREFIX) {
        return Ok(Some(text.to_owned()));
    }
    let found = names.webhooks.iter().find(|(_, name)| *name == text);
    match found {
        Some((id, _)) => Ok(Some(id.to_string())),
        None if further_up.contains(&text) => Ok(None),
        None => Err(format!(
            "there is no webhook called {text:?} to fall back to; one that is to be made stands further up"
        )),
    }
}

fn change(field: &str, from: String, to: String) -> SettingChange {
    SettingChange {
        field: field.to_owned(),
        from,
        to,
    }
}

fn differences(before: &[(&'static str, Value)], after: &[(&'static str, Value)]) -> Vec<SettingChange> {
    let before: BTreeMap<_, _> = before.iter().map(|(field, value)| (*field, value)).collect();
    let known: BTreeMap<_, _> = after.iter().map(|(field, value)| (*field, value)).collect();
    let shown = |value: Option<&&Value>| value.map_or(String::new(), |value| value.to_string());
    let mut fields: Vec<_> = after.iter().map(|(field, _)| *field).collect();
    fields.extend(before.keys().filter(|field| !known.contains_key(*field)));
    fields
        .into_iter()
        .filter(|field| before.get(field) != known.get(field))
        .map(|field| change(field, shown(before.get(field)), shown(known.get(field))))
        .collect()
}

/// What cannot be compared, since it is never read back: it is set if the file has it.
fn secret_changes(draft: &WebhookDraft) -> Vec<SettingChange> {
    let set = |field: &str, is_set: bool| is_set.then(|| change(field, String::new(), "set anew".into()));
    let headers = match &draft.headers {
        Patch::Set(headers) => !headers.is_empty(),
        Patch::Keep | Patch::Clear => false,
    };
    let secrets = [
        set("secret", matches!(draft.secret, Patch::Set(_))),
        set("headers", headers),
        set("tls", matches!(draft.tls, Patch::Set(_))),
    ];
    secrets.into_iter().flatten().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::id::ServiceId;

    fn names() -> FileNames {
        let mut names = FileNames::default();
        names
            .services
            .insert(ServiceId::from_bytes([1; 16]), "API".into());
        names
            .webhooks
            .insert(WebhookId::from_bytes([2; 16]), "chat".into());
        names
    }

    fn drafts(text: &str) -> Result<Vec<Declared>, String> {
        let mut read_so_far: Vec<Declared> = Vec::new();
        for table in read(text)? {
            let before: Vec<_> = read_so_far.iter().map(|one| one.name.as_str()).collect();
            let one = declared(table, &names(), &before)?;
            read_so_far.push(one);
        }
        Ok(read_so_far)
    }

    fn reason(text: &str) -> String {
        drafts(text).map(|_| ()).unwrap_err()
    }

    #[test]
    fn names_become_ids_and_fields_those_of_the_api() {
        let text = "[[webhook]]\nname = \"pager\"\nretry_schedule = [\"1m\"]\nservices = [\"API\"]\nfallback_webhook = \"chat\"\n\
                    [[webhook]]\nname = \"late\"\nfallback_webhook = \"pager\"";
        let drafts = drafts(text).unwrap();
        let pager = &drafts[0].draft;
        assert!(pager.retry_schedule == Patch::Set(vec!["1m".into()]));
        assert!(pager.services == Patch::Set(vec![ServiceId::from_bytes([1; 16]).to_string()]));
        assert!(pager.fallback_webhook == Patch::Set(WebhookId::from_bytes([2; 16]).to_string()));
        assert_eq!(
            (drafts[1].fallback.as_deref(), drafts[0].fallback.as_deref()),
            (Some("pager"), None)
        );
    }

    #[test]
    fn mistakes_of_a_file_are_told() {
        assert!(reason("webhook = 1").contains("two brackets"));
        assert!(reason("").contains("no [[webhook]]"));
        assert!(reason("[other]\na = 1").contains("other"));
        assert!(reason("[[webhook]]\nurl = \"x\"").contains("no name"));
        assert!(reason("[[webhook]]\nname = \"a\"\nnmae = \"b\"").contains("nmae"));
        assert!(reason("[[webhook]]\nname = \"a\"\n[[webhook]]\nname = \"a\"").contains("two webhooks"));
        assert!(reason("[[webhook]]\nname = \"a\"\nservices = [\"nobody\"]").contains("nobody"));
        assert!(reason("[[webhook]]\nname = \"a\"\nfallback_webhook = \"nobody\"").contains("nobody"));
        let many = "[[webhook]]\nname = \"a\"\n".repeat(MAX_IMPORTED + 1);
        assert!(reason(&many).contains("in parts"));
    }

    #[test]
    fn the_servers_environment_is_never_read() {
        for text in [
            "[[webhook]]\nname = \"a\"\nurl = { env = \"PATH\" }",
            "[[webhook]]\nname = \"a\"\nheaders = { X = { env = \"PATH\" } }",
        ] {
            assert!(reason(text).contains("webhooks apply"), "{}", reason(text));
        }
    }

    #[test]
    fn only_what_differs_is_told() {
        let before = [("timeout", Value::from("10s")), ("rate", Value::from("5/s"))];
        let after = [("timeout", Value::from("10s")), ("filter", Value::from("true"))];
        let told = differences(&before, &after);
        assert_eq!(
            told,
            [
                change("filter", String::new(), "\"true\"".into()),
                change("rate", "\"5/s\"".into(), String::new())
            ]
        );
    }
}
