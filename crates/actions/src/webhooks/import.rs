//! A file of webhooks, read and planned: what would be made, and what would change. Nothing is done before somebody has seen the plan.
//!
//! The environment is not read here: a page of the server must not tell what stands in the server's own.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use crate::webhooks::draft::{WebhookDraft, check_webhook};
use crate::webhooks::file::{FileNames, told_settings};
use crate::{ActionError, Actions, Patch};
use model::audit::Actor;
use model::id::{ServiceId, WebhookId};
use model::secret::SecretText;
use model::webhook::{Webhook, WebhookSettings};
use model::webhook_file::{self, Declared, FALLBACK};

/// The most webhooks of one import.
pub const MAX_IMPORTED: usize = 200;

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
        let declared = read(text, &names).map_err(refused)?;
        let mut steps: Vec<ImportStep> = Vec::with_capacity(declared.len());
        for webhook in declared {
            let name = webhook.name.clone();
            let step = self.plan_one(webhook, &names, &present).await;
            steps.push(step.map_err(|error| within(&name, error))?);
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
        let (mut draft, fallback) = draft_of(&declared).map_err(refused)?;
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
        let in_file = |settings: &WebhookSettings| {
            webhook_file::fields(&told_settings(settings), |id| names.name_of(id))
        };
        let before = endpoint.map(|endpoint| in_file(&endpoint.webhook.settings));
        let differences = differences(&before.unwrap_or_default(), &in_file(&checked.settings));
        changes.splice(0..0, differences);
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
        if let Some(fallback) = &fallback {
            changes.push(change("fallback_webhook", String::new(), fallback.clone()));
        }
        Ok(ImportStep {
            name: declared.name,
            id: found.map(|webhook| webhook.id),
            changes,
            draft,
            fallback,
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

fn refused(detail: String) -> ActionError {
    ActionError::Invalid(vec![crate::FieldError {
        field: "file".into(),
        code: "invalid_value",
        detail,
    }])
}

/// The mistakes of one webhook, as mistakes of the file.
fn within(name: &str, error: ActionError) -> ActionError {
    match error {
        ActionError::Invalid(errors) => {
            let sentences: Vec<_> = errors
                .into_iter()
                .map(|error| match error.field.as_str() {
                    "file" => error.detail,
                    field => format!("{field}: {}", error.detail),
                })
                .collect();
            refused(format!("webhook {name:?}: {}", sentences.join("; ")))
        }
        other => other,
    }
}

/// What a file says, with ids of what is there.
fn read(text: &str, names: &FileNames) -> Result<Vec<Declared>, String> {
    let no_environment = |_: &str| {
        let sentence = "{ env = … } is read by `opsknight webhooks apply` only: write the value itself here";
        Err(sentence.to_owned())
    };
    let service_id = |name: &str| {
        let id = names.id_of(ServiceId::PREFIX, name);
        id.ok_or_else(|| format!("there is no service called {name:?}"))
    };
    let mut declared = webhook_file::read(text, no_environment, service_id)?;
    match declared.len() {
        0 => return Err("the file has no [[webhook]]".into()),
        1..=MAX_IMPORTED => {}
        _ => {
            return Err(format!(
                "the file has more than {MAX_IMPORTED} webhooks: import it in parts"
            ));
        }
    }
    webhook_file::resolve_fallbacks(&mut declared, |name| names.id_of(WebhookId::PREFIX, name))?;
    Ok(declared)
}

/// What is wanted, and the webhook by name that takes over if it is not made yet.
fn draft_of(declared: &Declared) -> Result<(WebhookDraft, Option<String>), String> {
    let fallback = declared.unmade_fallback().map(str::to_owned);
    let mut fields = declared.fields.clone();
    if fallback.is_some() {
        fields.remove(FALLBACK);
    }
    let draft = WebhookDraft::deserialize(Value::Object(fields)).map_err(|error| error.to_string())?;
    Ok((draft, fallback))
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

    fn reason(text: &str) -> String {
        let declared = read(text, &FileNames::default());
        let drafts = declared.and_then(|all| all.iter().try_for_each(|one| draft_of(one).map(drop)));
        drafts.unwrap_err()
    }

    #[test]
    fn mistakes_of_a_file_are_told() {
        assert!(reason("").contains("no [[webhook]]"));
        assert!(reason("[[webhook]]\nname = \"a\"\nservices = [\"nobody\"]").contains("nobody"));
        assert!(reason("[[webhook]]\nname = \"a\"\nfallback_webhook = \"nobody\"").contains("nobody"));
        assert!(reason("[[webhook]]\nname = \"a\"\nconcurrency = \"many\"").contains("many"));
        let many = |index: usize| format!("[[webhook]]\nname = \"{index}\"\n");
        let many: String = (0..=MAX_IMPORTED).map(many).collect();
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
