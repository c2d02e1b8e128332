//! Webhooks as text of the file, out of what the API tells of them. Secrets, header values and certificates are never read back: the file
//! says which there are, as lines that take them from the environment.

use std::collections::HashSet;
use std::fmt::Write as _;

use serde_json::Value;

use super::{FALLBACK, FIELDS, TLS};

/// How a URL ends of which the server tells only the beginning.
const SEALED_END: &str = "/***";

/// What becomes of what is secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Secrets {
    /// It stands there as a comment: for a server that has it.
    LeftOut,
    /// It comes from the environment, under names made of the webhook's.
    FromEnvironment,
}

/// A file of webhooks.
#[derive(Debug)]
pub struct Exported {
    pub text: String,
    /// The names that more than one webhook has: such a file is refused.
    pub twice: Vec<String>,
}

/// Writes webhooks, each as the API tells it and behind the one that it falls back to. `name_of` tells the names of ids of services and
/// webhooks.
pub fn write(chosen: &[&Value], name_of: impl Fn(&str) -> String, secrets: Secrets) -> Exported {
    let mut exported = Exported {
        text: String::new(),
        twice: Vec::new(),
    };
    let mut names = HashSet::new();
    for webhook in in_order(chosen) {
        let name = text(webhook, "name");
        if !names.insert(name) {
            exported.twice.push(name.to_owned());
        }
        write_webhook(&mut exported.text, webhook, &name_of, secrets);
    }
    exported
}

/// What the file says of a webhook beside its secrets, by the names of the file: names in place of ids, and nothing that is nothing.
pub fn fields(webhook: &Value, name_of: impl Fn(&str) -> String) -> Vec<(&'static str, Value)> {
    let field = |(snake, camel)| Some((snake, shown(webhook, camel, &name_of)?));
    FIELDS.into_iter().filter_map(field).collect()
}

/// The value of a field, unless it is secret or nothing. A list of retries may well be empty.
fn shown(webhook: &Value, camel: &str, name_of: &impl Fn(&str) -> String) -> Option<Value> {
    let value = &webhook[camel];
    let is_nothing = match camel {
        "secret" | "headers" | "tls" => true,
        "url" => text(webhook, "url").ends_with(SEALED_END),
        "enabled" => *value == true,
        "services" | "severities" => texts(value).next().is_none(),
        "options" => value.as_object().is_none_or(serde_json::Map::is_empty),
        _ => false,
    };
    if is_nothing || value.is_null() {
        return None;
    }
    Some(match camel {
        "services" => texts(value).map(name_of).collect(),
        FALLBACK => name_of(text(webhook, FALLBACK)).into(),
        _ => value.clone(),
    })
}

/// Those first that others fall back to.
fn in_order<'a>(chosen: &[&'a Value]) -> Vec<&'a Value> {
    let mut left: Vec<&Value> = chosen.to_vec();
    let mut ordered = Vec::with_capacity(left.len());
    while !left.is_empty() {
        let ids: HashSet<&str> = left.iter().map(|webhook| text(webhook, "id")).collect();
        let waits = |webhook: &&Value| ids.contains(text(webhook, FALLBACK));
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

fn write_webhook(file: &mut String, webhook: &Value, name_of: &impl Fn(&str) -> String, secrets: Secrets) {
    let name = text(webhook, "name");
    let secret_prefix = match secrets {
        Secrets::LeftOut => "# ",
        Secrets::FromEnvironment => "",
    };
    line(file, "[[webhook]]");
    for (snake, camel) in FIELDS {
        let shown = shown(webhook, camel, name_of);
        match (camel, shown) {
            ("options", options) => write_options(file, options.as_ref(), webhook, secrets),
            ("headers", _) => table(file, secret_prefix, snake, &from(name, texts(&webhook[camel]))),
            ("tls", _) => {
                let [(ca, _), (identity, _)] = TLS;
                let members = [(ca, "hasCa"), (identity, "hasIdentity")].into_iter();
                let members = members.filter(|(_, has)| webhook[camel][*has] == true);
                table(
                    file,
                    secret_prefix,
                    snake,
                    &from(name, members.map(|(member, _)| member)),
                );
            }
            (_, Some(value)) => line(file, &format!("{snake} = {}", toml_value(&value))),
            ("secret" | "url", None) => {
                let value = from_environment(name, snake);
                line(file, &format!("{secret_prefix}{snake} = {value}"));
            }
            (_, None) => {}
        }
    }
    file.push('\n');
}

/// What the kind asks for. Where some of it is secret, and the environment is not asked for it, only what is not is written.
fn write_options(file: &mut String, options: Option<&Value>, webhook: &Value, secrets: Secrets) {
    let plain = options.and_then(Value::as_object).into_iter().flatten();
    let plain = plain.map(|(option, value)| format!("{} = {}", key(option), toml_value(value)));
    let plain: Vec<String> = plain.collect();
    let secret = texts(&webhook["secretOptions"]).filter(|option| *option != "url");
    let secret = from(text(webhook, "name"), secret);
    match (secrets, secret.as_slice()) {
        (Secrets::FromEnvironment, _) => table(file, "", "options", &[plain, secret].concat()),
        (Secrets::LeftOut, []) => table(file, "", "options", &plain),
        (Secrets::LeftOut, _) => {
            table(file, "", "options", &plain);
            table(file, "# ", "options", &[plain, secret].concat());
        }
    }
}

fn text<'a>(webhook: &'a Value, member: &str) -> &'a str {
    webhook[member].as_str().unwrap_or_default()
}

fn texts(list: &Value) -> impl Iterator<Item = &str> {
    list.as_array().into_iter().flatten().filter_map(Value::as_str)
}

fn table(file: &mut String, prefix: &str, field: &str, members: &[String]) {
    if !members.is_empty() {
        let text = format!("{prefix}{field} = {{ {} }}", members.join(", "));
        // A text of several lines stays within its comment.
        line(file, &text.replace('\n', &format!("\n{prefix}")));
    }
}

fn line(file: &mut String, text: &str) {
    // Writing into memory has no way to fail.
    let _ = writeln!(file, "{text}");
}

/// Members that come from the environment.
fn from<'a>(webhook: &str, names: impl Iterator<Item = &'a str>) -> Vec<String> {
    names
        .map(|name| format!("{} = {}", key(name), from_environment(webhook, name)))
        .collect()
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

/// A value on one line: a text with line breaks as well.
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
