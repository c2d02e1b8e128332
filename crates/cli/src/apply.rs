//! `opsknight webhooks apply`: makes the server's webhooks be as a file says. The plan is pure; then it is carried out.
//!
//! What the file does not mention stays as it is. Secrets are never read back, so they count when a webhook is
//! created only; header values are sent when anything else differs, or with `--send-headers`.

pub mod sources;
mod steps;

use std::fs;
use std::path::PathBuf;

use clap::Args;
use serde_json::{Map, Value, json};

use model::time::parse_duration;
use model::webhook_file::{self, Declared, FALLBACK};

use super::client::segment;
use super::failure::Failure;
use super::output::{self, text};
use super::session::{Session, secret_named};
use steps::{Difference, Step};

const LIST: &str = "/api/v1/webhooks";
/// How a plan of webhooks is shown.
const WORDS: steps::Words = steps::Words {
    title: "WEBHOOK",
    not_compared: "secrets, header values and certificates",
};
/// Fields that the server never tells.
const WRITE_ONLY: [&str; 4] = ["secret", "headers", "options", "tls"];
/// Fields in which the order says nothing.
const SETS: [&str; 3] = ["events", "services", "severities"];

/// The file and what to do with it.
#[derive(Args)]
pub struct Arguments {
    /// A TOML file: a list of [[webhook]] with the API's fields in snake_case, matched by name. `opsknight webhooks export`
    /// writes one.
    #[arg(short, long, value_name = "FILE")]
    file: PathBuf,
    /// Only show the plan.
    #[arg(long)]
    dry_run: bool,
    /// Delete webhooks that are not in the file.
    #[arg(long)]
    prune: bool,
    /// Send header values, secret options, certificates and secret URLs even if nothing else differs: the server never tells whether
    /// they do.
    #[arg(long)]
    send_headers: bool,
}

/// How thorough a plan is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Choices {
    prune: bool,
    send_headers: bool,
}

/// Plans, shows the plan, carries it out.
pub fn run(session: &Session, arguments: &Arguments) -> Result<(), Failure> {
    let path = arguments.file.display();
    let file = fs::read_to_string(&arguments.file)
        .map_err(|error| Failure::Usage(format!("cannot read {path}: {error}")))?;
    let mentions_services = file.contains("services");
    let services = if mentions_services {
        session.list_all("/api/v1/services")?
    } else {
        Vec::new()
    };
    let wrong = |reason| Failure::Usage(format!("{path}: {reason}"));
    let declared = webhook_file::read(&file, secret_named, |name| service_id(&services, name));
    let mut declared = declared.map_err(wrong)?;
    if arguments.prune && declared.is_empty() {
        let reason =
            "names no webhook, and --prune would delete them all; delete them one by one if that is meant";
        return Err(wrong(reason.into()));
    }
    let choices = Choices {
        prune: arguments.prune,
        send_headers: arguments.send_headers,
    };
    let present = session.list_all(LIST)?;
    let id = |name: &str| Some(text(present.iter().find(|other| other["name"] == name)?, "/id"));
    webhook_file::resolve_fallbacks(&mut declared, id).map_err(wrong)?;
    let steps = plan(&declared, &present, choices).map_err(Failure::Other)?;
    if !session.is_json {
        output::print(&steps::in_words(&steps, &WORDS))?;
    }
    let mut results: Vec<Value> = Vec::new();
    for step in steps.iter().filter(|_| !arguments.dry_run) {
        results.push(carry_out(session, step, &results)?);
    }
    if session.is_json {
        let steps: Vec<Value> = steps.iter().map(Step::json).collect();
        let plan = json!({ "steps": steps, "isApplied": !arguments.dry_run, "webhooks": results });
        return output::print_json(&plan.to_string());
    }
    Ok(())
}

fn service_id(services: &[Value], name: &str) -> Result<String, String> {
    let found = services.iter().find(|service| service["name"] == name);
    found
        .map(|service| text(service, "/id"))
        .ok_or_else(|| format!("there is no service called {name:?}; `opsknight services list` shows them"))
}

/// What has to be done, in the order of the file; deletions last.
fn plan(declared: &[Declared], present: &[Value], choices: Choices) -> Result<Vec<Step>, String> {
    let mut steps = Vec::new();
    for webhook in declared {
        let mut same_name = present
            .iter()
            .filter(|other| other["name"] == webhook.name.as_str());
        match (same_name.next(), same_name.next()) {
            (None, _) => steps.push(Step::Create {
                name: webhook.name.clone(),
                body: webhook.fields.clone(),
            }),
            (Some(found), None) => steps.extend(change(webhook, found, choices)),
            (Some(_), Some(_)) => {
                return Err(format!(
                    "the server has more than one webhook called {:?}; rename one of them first",
                    webhook.name
                ));
            }
        }
    }
    let is_declared = |found: &&Value| {
        declared
            .iter()
            .any(|webhook| found["name"] == webhook.name.as_str())
    };
    let superfluous = present
        .iter()
        .filter(|found| choices.prune && !is_declared(found));
    steps.extend(superfluous.map(|found| Step::Delete {
        id: text(found, "/id"),
        name: text(found, "/name"),
    }));
    Ok(steps)
}

fn change(webhook: &Declared, found: &Value, choices: Choices) -> Option<Step> {
    let mut differences: Vec<Difference> = webhook
        .fields
        .iter()
        .filter(|(field, _)| !WRITE_ONLY.contains(&field.as_str()))
        .filter(|(field, wanted)| {
            let present = &found[field.as_str()];
            match field.as_str() {
                "url" if is_sealed(present) => choices.send_headers || !leads_there(wanted, present),
                _ => comparable(field, wanted) != comparable(field, present),
            }
        })
        .map(|(field, wanted)| Difference {
            field: field.clone(),
            from: shown(&found[field.as_str()]),
            to: match field == "url" && is_sealed(&found[field.as_str()]) {
                true => "***".to_owned(),
                false => shown(wanted),
            },
        })
        .collect();
    if let Some(headers) = webhook.fields.get("headers") {
        let (wanted, present) = (header_names(headers), present_header_names(found));
        if wanted != present || (choices.send_headers && !wanted.is_empty()) {
            differences.push(Difference {
                field: "headers".into(),
                from: present.join(", "),
                to: wanted.join(", "),
            });
        }
    }
    differences.extend(option_difference(webhook, found, choices));
    differences.extend(tls_difference(webhook, found, choices));
    if differences.is_empty() {
        return None;
    }
    let is_sent = |field: &String| {
        field == "headers" || differences.iter().any(|difference| difference.field == *field)
    };
    let body = webhook.fields.iter().filter(|(field, _)| is_sent(field));
    Some(Step::Change {
        id: text(found, "/id"),
        name: webhook.name.clone(),
        body: body
            .map(|(field, value)| (field.clone(), value.clone()))
            .collect(),
        differences,
    })
}

/// Whether the server tells only where a URL begins.
fn is_sealed(url: &Value) -> bool {
    url.as_str().is_some_and(|url| url.ends_with("/***"))
}

/// Whether a URL begins as one of which only the beginning is told.
fn leads_there(wanted: &Value, present: &Value) -> bool {
    let origin = |url: &Value| Some(url::Url::parse(url.as_str()?).ok()?.origin());
    origin(wanted) == origin(present)
}

/// How the options differ, as far as the server tells. Of secret ones it tells the names.
fn option_difference(webhook: &Declared, found: &Value, choices: Choices) -> Option<Difference> {
    let wanted = webhook.fields.get("options")?.as_object()?;
    let secret = |name: &str| {
        let names = found["secretOptions"].as_array();
        names.is_some_and(|names| names.iter().any(|secret| secret == name))
    };
    let mut names: Vec<&str> = Vec::new();
    for (name, value) in wanted {
        let differs = match secret(name) {
            true => choices.send_headers,
            false => found["options"][name] != *value,
        };
        names.extend(differs.then_some(name.as_str()));
    }
    (!names.is_empty()).then(|| Difference {
        field: "options".into(),
        from: String::new(),
        to: names.join(", "),
    })
}

/// Certificates that the server does not have yet: whether it has others it never tells.
fn tls_difference(webhook: &Declared, found: &Value, choices: Choices) -> Option<Difference> {
    let wanted = webhook.fields.get("tls")?;
    let members = [("caPem", "hasCa"), ("identityPem", "hasIdentity")];
    let members = members.into_iter().filter(|(member, has)| {
        wanted[*member].is_string() && (choices.send_headers || found["tls"][*has] != true)
    });
    let names: Vec<&str> = members.map(|(member, _)| member).collect();
    (!names.is_empty()).then(|| Difference {
        field: "tls".into(),
        from: String::new(),
        to: names.join(", "),
    })
}

fn header_names(headers: &Value) -> Vec<String> {
    let members = headers.as_object().into_iter().flatten();
    let mut names: Vec<String> = members.map(|(name, _)| name.to_ascii_lowercase()).collect();
    names.sort();
    names
}

/// The server tells names only.
fn present_header_names(found: &Value) -> Vec<String> {
    let names = found["headers"].as_array().into_iter().flatten();
    let names = names.filter_map(Value::as_str).map(str::to_ascii_lowercase);
    let mut names: Vec<String> = names.collect();
    names.sort();
    names
}

/// A value in the one form in which equal settings are equal texts.
fn comparable(field: &str, value: &Value) -> Vec<String> {
    let mut texts: Vec<String> = match value {
        Value::Array(items) => items.iter().flat_map(|item| comparable(field, item)).collect(),
        // An absent list and an empty one ask for the same.
        Value::Null if SETS.contains(&field) => Vec::new(),
        Value::String(written) => vec![canonical(field, written)],
        other => vec![other.to_string()],
    };
    if SETS.contains(&field) {
        texts.sort();
        texts.dedup();
    }
    texts
}

fn canonical(field: &str, written: &str) -> String {
    match field {
        "timeout" | "retrySchedule" | "expireAfter" | "fallbackAfter" | "canary" => {
            parse_duration(written).map_or_else(|_| written.to_owned(), |duration| format!("{duration:?}"))
        }
        "url" => url::Url::parse(written).map_or_else(|_| written.to_owned(), String::from),
        _ => written.to_owned(),
    }
}

fn shown(value: &Value) -> String {
    output::text(&json!([value]), "/0")
}

fn carry_out(session: &Session, step: &Step, before: &[Value]) -> Result<Value, Failure> {
    match step {
        Step::Create { name, body } => {
            let sent = with_id(body, before);
            let created = session.api.post(LIST, Some(&sent))?.value;
            let is_new_secret = !body.contains_key("secret");
            if is_new_secret && !session.is_json {
                let secret = text(&created, "/secret");
                output::print(&format!("secret of {name}, not shown again: {secret}"))?;
            }
            Ok(created)
        }
        Step::Change { id, body, .. } => {
            let path = format!("{LIST}/{}", segment(id));
            Ok(session.api.patch(&path, &with_id(body, before))?.value)
        }
        Step::Delete { id, .. } => Ok(session.api.delete(&format!("{LIST}/{}", segment(id)))?.value),
    }
}

/// What is sent for a webhook, given those that were made or changed before it.
fn with_id(body: &Map<String, Value>, before: &[Value]) -> Value {
    let mut body = body.clone();
    if let Some(fallback) = body.get_mut(FALLBACK)
        && let Some(found) = before.iter().find(|other| other["name"] == *fallback)
    {
        *fallback = found["id"].clone();
    }
    Value::Object(body)
}

#[cfg(test)]
mod tests;
