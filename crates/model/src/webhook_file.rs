//! The file that webhooks are exported to, imported and applied from, by the pages and the command line: a list of `[[webhook]]`, with
//! the API's fields in snake_case. Says what each webhook shall be, not what has to be done for it. What secrets are called comes in as a
//! function: the command line looks into its environment, a server tells nothing of its own.

mod write;

use serde_json::{Map, Value};
use toml::Table;

pub use write::{Exported, Secrets, fields, write};

/// Each field in the order of the file: its name there and in the API.
const FIELDS: [(&str, &str); 23] = [
    ("name", "name"),
    ("url", "url"),
    ("secret", "secret"),
    ("kind", "kind"),
    ("events", "events"),
    ("filter", "filter"),
    ("services", "services"),
    ("severities", "severities"),
    ("retry_schedule", "retrySchedule"),
    ("timeout", "timeout"),
    ("concurrency", "concurrency"),
    ("rate", "rate"),
    ("ordering", "ordering"),
    ("when_disabled", "whenDisabled"),
    ("after_outage", "afterOutage"),
    ("expire_after", "expireAfter"),
    ("fallback_webhook", FALLBACK),
    ("fallback_after", "fallbackAfter"),
    ("canary", "canary"),
    ("enabled", "enabled"),
    ("options", "options"),
    ("headers", "headers"),
    ("tls", "tls"),
];
/// The field that names another webhook.
pub const FALLBACK: &str = "fallbackWebhook";
/// What the ids of webhooks and services begin with: names are told from them by that.
const WEBHOOK_PREFIX: &str = "whk_";
const SERVICE_PREFIX: &str = "svc_";
/// The members of `tls`: in the file and in the API.
const TLS: [(&str, &str); 2] = [("ca_pem", "caPem"), ("identity_pem", "identityPem")];

/// A webhook as the file wants it: its name, and every field that the file mentions, as the API writes it.
#[derive(Debug, Clone, PartialEq)]
pub struct Declared {
    /// Its name, by which it is found on the server.
    pub name: String,
    /// What the file says about it.
    pub fields: Map<String, Value>,
}

/// Reads the file. `environment` tells the value of a name, `service_id` finds the id of a service by its name; each says why it cannot.
pub fn read(
    text: &str,
    environment: impl Fn(&str) -> Result<String, String>,
    service_id: impl Fn(&str) -> Result<String, String>,
) -> Result<Vec<Declared>, String> {
    let table: Table = text.parse().map_err(|error: toml::de::Error| error.to_string())?;
    if let Some(name) = table.keys().find(|name| *name != "webhook") {
        return Err(format!("unknown {name:?}: the file is a list of [[webhook]]"));
    }
    let list = match table.get("webhook") {
        None => return Ok(Vec::new()),
        Some(toml::Value::Array(list)) => list,
        Some(_) => return Err("write [[webhook]], with two brackets: it is a list".into()),
    };
    let mut declared: Vec<Declared> = Vec::with_capacity(list.len());
    for (index, item) in list.iter().enumerate() {
        let table = item
            .as_table()
            .ok_or_else(|| format!("webhook {} is not a table", index + 1))?;
        let webhook = read_webhook(table, &environment, &service_id)
            .map_err(|reason| format!("webhook {}: {reason}", place(table, index)))?;
        if declared.iter().any(|other| other.name == webhook.name) {
            return Err(format!(
                "two webhooks are called {:?}; names tell them apart",
                webhook.name
            ));
        }
        declared.push(webhook);
    }
    Ok(declared)
}

fn place(table: &Table, index: usize) -> String {
    let name = table.get("name").and_then(toml::Value::as_str);
    name.map_or_else(|| format!("{}", index + 1), |name| format!("{name:?}"))
}

fn read_webhook(
    table: &Table,
    environment: &impl Fn(&str) -> Result<String, String>,
    service_id: &impl Fn(&str) -> Result<String, String>,
) -> Result<Declared, String> {
    let mut fields = Map::new();
    for (written, value) in table {
        // Both spellings are read, so that JSON of the API can be pasted; snake_case is the documented one.
        let field = FIELDS
            .iter()
            .find(|(snake, camel)| snake == written || camel == written)
            .map(|(_, camel)| *camel);
        let field = field.ok_or_else(|| {
            let known: Vec<&str> = FIELDS.iter().map(|(snake, _)| *snake).collect();
            format!("there is no field {written:?}; there are {}", known.join(", "))
        })?;
        let value = match field {
            "secret" | "url" => revealed(value, environment)?,
            "headers" | "options" => texts(field, value, environment)?,
            "tls" => tls(value, environment)?,
            "services" => services(value, service_id)?,
            _ => plain(value)?,
        };
        fields.insert(field.to_owned(), value);
    }
    let name = fields.get("name").and_then(Value::as_str);
    let name = name.ok_or("it has no name")?.to_owned();
    Ok(Declared { name, fields })
}

/// Puts ids for the names of webhooks that take over, which `webhook_id` knows. Others must stand further up in the file: their ids are
/// known when they are made.
pub fn resolve_fallbacks(
    declared: &mut [Declared],
    webhook_id: impl Fn(&str) -> Option<String>,
) -> Result<(), String> {
    for index in 0..declared.len() {
        let (before, rest) = declared.split_at_mut(index);
        let Some(webhook) = rest.first_mut() else { continue };
        let Some(name) = webhook.unmade_fallback() else {
            continue;
        };
        if let Some(id) = webhook_id(name) {
            webhook.fields.insert(FALLBACK.to_owned(), id.into());
        } else if !before.iter().any(|other| other.name == name) {
            return Err(format!(
                "webhook {:?}: there is no webhook called {name:?} to fall back to; one that is to be made stands further up",
                webhook.name
            ));
        }
    }
    Ok(())
}

impl Declared {
    /// The webhook that takes over, where it is named and not by its id.
    pub fn unmade_fallback(&self) -> Option<&str> {
        let fallback = self.fields.get(FALLBACK)?.as_str()?;
        Some(fallback).filter(|name| !name.starts_with(WEBHOOK_PREFIX))
    }
}

/// A secret: a text, or `{ env = "NAME" }`.
pub fn revealed(
    value: &toml::Value,
    environment: &impl Fn(&str) -> Result<String, String>,
) -> Result<Value, String> {
    let table = match value {
        toml::Value::String(text) => return Ok(Value::from(text.as_str())),
        toml::Value::Table(table) if table.len() == 1 => table,
        _ => return Err("write a secret as a text or as { env = \"NAME\" }".into()),
    };
    let name = table.get("env").and_then(toml::Value::as_str);
    let name = name.ok_or("write a secret as a text or as { env = \"NAME\" }")?;
    environment(name).map(Value::from)
}

/// Headers and options: a table of texts, each of which may come from the environment.
fn texts(
    field: &str,
    value: &toml::Value,
    environment: &impl Fn(&str) -> Result<String, String>,
) -> Result<Value, String> {
    let table = value
        .as_table()
        .ok_or_else(|| format!("{field} is a table: {{ Name = \"value\" }}"))?;
    let member = |(name, value): (&String, &toml::Value)| {
        let value = revealed(value, environment).map_err(|reason| format!("{field}, {name}: {reason}"))?;
        Ok((name.clone(), value))
    };
    table
        .iter()
        .map(member)
        .collect::<Result<Map<_, _>, String>>()
        .map(Value::Object)
}

/// Certificates: an authority to trust, and a client certificate with its key.
fn tls(value: &toml::Value, environment: &impl Fn(&str) -> Result<String, String>) -> Result<Value, String> {
    let Value::Object(written) = texts("tls", value, environment)? else {
        return Ok(Value::Null);
    };
    let named = |(name, pem): (String, Value)| {
        let member = TLS.iter().find(|(snake, camel)| *snake == name || *camel == name);
        let (_, camel) =
            member.ok_or_else(|| format!("tls has no {name:?}; it has ca_pem and identity_pem"))?;
        Ok(((*camel).to_owned(), pem))
    };
    let members: Result<Map<String, Value>, String> = written.into_iter().map(named).collect();
    members.map(Value::Object)
}

fn services(
    value: &toml::Value,
    service_id: &impl Fn(&str) -> Result<String, String>,
) -> Result<Value, String> {
    let list = value.as_array().ok_or("services is a list of names or ids")?;
    let id = |item: &toml::Value| {
        let text = item.as_str().ok_or("services is a list of names or ids")?;
        let id = if text.starts_with(SERVICE_PREFIX) {
            text.to_owned()
        } else {
            service_id(text)?
        };
        Ok(Value::from(id))
    };
    list.iter()
        .map(id)
        .collect::<Result<Vec<_>, String>>()
        .map(Value::Array)
}

fn plain(value: &toml::Value) -> Result<Value, String> {
    serde_json::to_value(value).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests;
