//! Webhooks as the file of `opsknight webhooks apply`. Secrets, header values and certificates are never read back: the file says which
//! there are, as lines that take them from the environment.

use std::collections::HashSet;
use std::fmt::Write as _;

use serde_json::Value;

use crate::output::text;

/// The fields that are written as the server tells them: in the file and in the API, in this order.
const PLAIN: [(&str, &str); 14] = [
    ("kind", "kind"),
    ("events", "events"),
    ("filter", "filter"),
    ("severities", "severities"),
    ("retry_schedule", "retrySchedule"),
    ("timeout", "timeout"),
    ("concurrency", "concurrency"),
    ("rate", "rate"),
    ("ordering", "ordering"),
    ("when_disabled", "whenDisabled"),
    ("after_outage", "afterOutage"),
    ("expire_after", "expireAfter"),
    ("canary", "canary"),
    ("enabled", "enabled"),
];
/// How a URL ends of which the server tells only the beginning.
const SEALED_END: &str = "/***";

/// A file of webhooks.
#[derive(Debug)]
pub struct Exported {
    pub text: String,
    /// The names that more than one webhook has: `apply` refuses them.
    pub twice: Vec<String>,
}

/// Writes these webhooks, each behind the one that it falls back to. `all` and `services` tell names of ids.
pub fn write(chosen: &[&Value], all: &[Value], services: &[Value], with_env: bool) -> Exported {
    let mut exported = Exported {
        text: String::new(),
        twice: Vec::new(),
    };
    let mut names = HashSet::new();
    for webhook in in_order(chosen) {
        let name = text(webhook, "/name");
        if !names.insert(name.clone()) {
            exported.twice.push(name);
        }
        write_webhook(&mut exported.text, webhook, all, services, with_env);
    }
    exported
}

/// Those first that others fall back to.
fn in_order<'a>(chosen: &[&'a Value]) -> Vec<&'a Value> {
    let mut left: Vec<&Value> = chosen.to_vec();
    let mut ordered = Vec::with_capacity(left.len());
    while !left.is_empty() {
        let ids: HashSet<String> = left.iter().map(|webhook| text(webhook, "/id")).collect();
        let waits = |webhook: &&Value| ids.contains(&text(webhook, "/fallbackWebhook"));
        let (waiting, ready): (Vec<&Value>, Vec<&Value>) = left.iter().partition(|webhook| waits(webhook));
        if ready.is_empty() {
            // A circle, which the server refuses to make: in any order.
            ordered.extend(waiting);
            break;
        }
        ordered.extend(ready);
        left = waiting;
    }
    ordered
}

fn write_webhook(file: &mut String, webhook: &Value, all: &[Value], services: &[Value], with_env: bool) {
    let name = text(webhook, "/name");
    line(file, "[[webhook]]");
    line(file, &format!("name = {}", quoted(&name)));
    let url = text(webhook, "/url");
    match url.strip_suffix(SEALED_END) {
        None => line(file, &format!("url = {}", quoted(&url))),
        Some(_) => secret_line(file, with_env, "url", &from_environment(&name, "URL")),
    }
    secret_line(file, with_env, "secret", &from_environment(&name, "SECRET"));
    for (snake, camel) in PLAIN {
        // What is default need not be said, unless a server could have something else: only what is nothing is left out.
        let value = &webhook[camel];
        let is_nothing = value.is_null() || (camel == "severities" && *value == Value::Array(Vec::new()));
        if !(is_nothing || camel == "enabled" && *value == true) {
            line(file, &format!("{snake} = {}", toml_value(value)));
        }
    }
    let named = |items: &[Value], id: &str| {
        let found = items.iter().find(|item| item["id"] == id);
        found.map_or_else(|| id.to_owned(), |item| text(item, "/name"))
    };
    let ids = webhook["services"].as_array().into_iter().flatten();
    let ids = ids.filter_map(Value::as_str);
    let wanted: Vec<Value> = ids.map(|id| Value::from(named(services, id))).collect();
    if !wanted.is_empty() {
        line(file, &format!("services = {}", toml_value(&Value::from(wanted))));
    }
    if let Some(id) = webhook["fallbackWebhook"].as_str() {
        line(file, &format!("fallback_webhook = {}", quoted(&named(all, id))));
    }
    if let Some(after) = webhook["fallbackAfter"].as_str() {
        line(file, &format!("fallback_after = {}", quoted(after)));
    }
    write_options(file, webhook, &name, with_env);
    write_secret_tables(file, webhook, &name, with_env);
    file.push('\n');
}

/// What the kind asks for. Where some of it is secret, and the environment is not asked for it, only what is not is written.
fn write_options(file: &mut String, webhook: &Value, name: &str, with_env: bool) {
    let plain = webhook["options"].as_object().into_iter().flatten();
    let plain = plain.map(|(option, value)| format!("{} = {}", key(option), toml_value(value)));
    let plain: Vec<String> = plain.collect();
    let secret = texts(&webhook["secretOptions"]).filter(|option| *option != "url");
    let secret = secret.map(|option| format!("{} = {}", key(option), from_environment(name, option)));
    let secret: Vec<String> = secret.collect();
    match (with_env, secret.as_slice()) {
        (true, _) => table(file, "", "options", &[plain, secret].concat()),
        (false, []) => table(file, "", "options", &plain),
        (false, _) => {
            table(file, "", "options", &plain);
            table(file, "# ", "options", &[plain, secret].concat());
        }
    }
}

fn write_secret_tables(file: &mut String, webhook: &Value, name: &str, with_env: bool) {
    let prefix = if with_env { "" } else { "# " };
    let header = |header: &str| format!("{} = {}", key(header), from_environment(name, header));
    let headers: Vec<String> = texts(&webhook["headers"]).map(header).collect();
    table(file, prefix, "headers", &headers);
    let tls = [("hasCa", "ca_pem"), ("hasIdentity", "identity_pem")];
    let tls = tls.into_iter().filter(|(has, _)| webhook["tls"][has] == true);
    let tls: Vec<String> = tls
        .map(|(_, member)| format!("{member} = {}", from_environment(name, member)))
        .collect();
    table(file, prefix, "tls", &tls);
}

fn texts(list: &Value) -> impl Iterator<Item = &str> {
    list.as_array().into_iter().flatten().filter_map(Value::as_str)
}

fn secret_line(file: &mut String, with_env: bool, field: &str, value: &str) {
    let prefix = if with_env { "" } else { "# " };
    line(file, &format!("{prefix}{field} = {value}"));
}

fn table(file: &mut String, prefix: &str, field: &str, members: &[String]) {
    if !members.is_empty() {
        line(file, &format!("{prefix}{field} = {{ {} }}", members.join(", ")));
    }
}

fn line(file: &mut String, text: &str) {
    // Writing into memory has no way to fail.
    let _ = writeln!(file, "{text}");
}

/// Where a secret of a webhook comes from: `PAGER_SECRET` for the secret of `Pager`.
fn from_environment(webhook: &str, what: &str) -> String {
    let capital = |character: char| match character.is_ascii_alphanumeric() {
        true => character.to_ascii_uppercase(),
        false => '_',
    };
    let name: String = format!("{webhook}_{what}").chars().map(capital).collect();
    format!("{{ env = {} }}", quoted(&name))
}

fn key(name: &str) -> String {
    let is_bare = |character: char| character.is_ascii_alphanumeric() || "_-".contains(character);
    match !name.is_empty() && name.chars().all(is_bare) {
        true => name.to_owned(),
        false => quoted(name),
    }
}

fn toml_value(value: &Value) -> String {
    match value {
        Value::String(text) => quoted(text),
        Value::Array(items) => {
            let items: Vec<String> = items.iter().map(toml_value).collect();
            format!("[{}]", items.join(", "))
        }
        other => other.to_string(),
    }
}

fn quoted(text: &str) -> String {
    toml::Value::from(text).to_string()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::read;
    use super::*;

    fn present() -> Vec<Value> {
        let pager = json!({
            "id": "whk_1", "name": "Pager \"1\"", "url": "https://pager.example/***", "kind": "generic", "enabled": false,
            "options": {"chat": "-1"}, "secretOptions": ["token", "url"], "events": ["incident.triggered"],
            "services": ["svc_1"], "severities": [], "filter": "severity == \"critical\"", "headers": ["X-Team"],
            "retrySchedule": [], "timeout": "10s", "concurrency": 16, "rate": null, "ordering": "incident",
            "whenDisabled": "hold", "afterOutage": "expire", "expireAfter": "1h", "fallbackWebhook": "whk_2",
            "fallbackAfter": "2m", "canary": null, "tls": {"hasCa": true, "hasIdentity": true},
        });
        let chat = json!({
            "id": "whk_2", "name": "Chat", "url": "https://chat.example/", "kind": "generic", "enabled": true,
            "events": ["incident.triggered"], "services": [], "tls": {"hasCa": false, "hasIdentity": false},
        });
        vec![pager, chat]
    }

    fn exported(with_env: bool) -> Exported {
        let all = present();
        let chosen: Vec<&Value> = all.iter().collect();
        write(&chosen, &all, &[json!({"id": "svc_1", "name": "API"})], with_env)
    }

    fn service(name: &str) -> Result<String, String> {
        assert_eq!(name, "API");
        Ok("svc_1".to_owned())
    }

    #[test]
    fn what_is_exported_reads_back_as_it_was_without_what_is_secret() {
        let exported = exported(false);
        let declared = read(&exported.text, |_| None, service).unwrap();
        // The one that the other falls back to comes first.
        assert_eq!(declared[0].name, "Chat");
        let pager = &declared[1];
        assert_eq!(pager.name, "Pager \"1\"");
        assert_eq!(pager.fields["fallbackWebhook"], "Chat");
        assert_eq!(pager.fields["options"], json!({"chat": "-1"}));
        for field in [
            "services",
            "filter",
            "retrySchedule",
            "timeout",
            "concurrency",
            "enabled",
            "expireAfter",
        ] {
            assert_eq!(pager.fields[field], present()[0][field], "{field}");
        }
        for field in ["url", "secret", "headers", "tls"] {
            assert!(!pager.fields.contains_key(field), "{field}: {}", exported.text);
        }
        assert!(
            exported
                .text
                .contains("# tls = { ca_pem = { env = \"PAGER__1__CA_PEM\" }"),
            "{}",
            exported.text
        );
    }

    #[test]
    fn with_the_environment_what_is_secret_is_there_too() {
        let text = exported(true).text;
        let value = |name: &str| Some(format!("value of {name}"));
        let pager = read(&text, value, service).unwrap().remove(1);
        assert_eq!(pager.fields["secret"], "value of PAGER__1__SECRET");
        assert_eq!(pager.fields["url"], "value of PAGER__1__URL");
        assert_eq!(
            pager.fields["headers"],
            json!({"X-Team": "value of PAGER__1__X_TEAM"})
        );
        assert_eq!(pager.fields["options"]["token"], "value of PAGER__1__TOKEN");
        let tls =
            json!({"caPem": "value of PAGER__1__CA_PEM", "identityPem": "value of PAGER__1__IDENTITY_PEM"});
        assert_eq!(pager.fields["tls"], tls);
    }

    #[test]
    fn a_name_that_two_have_is_told() {
        let all = present();
        let twice = write(&[&all[1], &all[1]], &all, &[], false).twice;
        assert_eq!(twice, ["Chat"]);
    }
}
