//! `opsknight sources apply`: makes the server's alert sources be as a file says. The plan is pure; then it is carried out.
//!
//! What the file does not mention stays as it is. A secret is never read back: it counts when a source is created, or has none,
//! or with `--send-secrets`. Keys are made by the server, and printed once.

use std::fs;
use std::path::PathBuf;

use clap::Args;
use serde_json::{Map, Value, json};

use super::steps::{Difference, Step, Words, in_words};
use crate::client::segment;
use crate::failure::Failure;
use crate::output::{self, text};
use crate::session::{Session, secret_named};
use crate::source_file::{self, Declared};

const LIST: &str = "/api/v1/sources";
/// How a plan of sources is shown.
const WORDS: Words = Words {
    title: "SOURCE",
    not_compared: "secrets",
};

/// The file and what to do with it.
#[derive(Args)]
pub struct Arguments {
    /// A TOML file: a list of [[source]], matched by name. `opsknight sources export` writes one.
    #[arg(short, long, value_name = "FILE")]
    file: PathBuf,
    /// Only show the plan.
    #[arg(long)]
    dry_run: bool,
    /// Delete sources that are not in the file.
    #[arg(long)]
    prune: bool,
    /// Send secrets even if nothing else differs: the server never tells whether they do.
    #[arg(long)]
    send_secrets: bool,
}

/// Plans, shows the plan, carries it out.
pub fn run(session: &Session, arguments: &Arguments) -> Result<(), Failure> {
    let path = arguments.file.display();
    let usage = |reason: String| Failure::Usage(format!("{path}: {reason}"));
    let written = fs::read_to_string(&arguments.file)
        .map_err(|error| Failure::Usage(format!("cannot read {path}: {error}")))?;
    let declared = source_file::read(&written, secret_named).map_err(usage)?;
    if arguments.prune && declared.is_empty() {
        let reason =
            "names no source, and --prune would delete them all; delete them one by one if that is meant";
        return Err(usage(reason.to_owned()));
    }
    let services = session.list_all("/api/v1/services")?;
    let present = session.list_all(LIST)?;
    let mut steps = plan(&declared, &present, &services, arguments.send_secrets).map_err(usage)?;
    if arguments.prune {
        steps.extend(superfluous(&declared, &present));
    }
    if !session.is_json {
        output::print(&in_words(&steps, &WORDS))?;
    }
    let mut results: Vec<Value> = Vec::new();
    for step in steps.iter().filter(|_| !arguments.dry_run) {
        results.push(carry_out(session, step)?);
    }
    if session.is_json {
        let steps: Vec<Value> = steps.iter().map(Step::json).collect();
        let plan = json!({ "steps": steps, "isApplied": !arguments.dry_run, "sources": results });
        return output::print_json(&plan.to_string());
    }
    Ok(())
}

/// What has to be done, in the order of the file.
fn plan(
    declared: &[Declared],
    present: &[Value],
    services: &[Value],
    sends_secrets: bool,
) -> Result<Vec<Step>, String> {
    let mut steps = Vec::new();
    for source in declared {
        let name = &source.name;
        let mut same_name = present.iter().filter(|other| other["name"] == name.as_str());
        match (same_name.next(), same_name.next()) {
            (None, _) => steps.push(create(source, services)?),
            (Some(found), None) => steps.extend(change(source, found, sends_secrets)?),
            (Some(_), Some(_)) => {
                return Err(format!(
                    "the server has more than one source called {name:?}; rename one of them first"
                ));
            }
        }
    }
    Ok(steps)
}

fn create(source: &Declared, services: &[Value]) -> Result<Step, String> {
    let wanted = source.service.as_str();
    let service = services
        .iter()
        .find(|one| one["name"] == wanted || one["id"] == wanted);
    let service = service.ok_or_else(|| {
        format!("there is no service called {wanted:?}; `opsknight services list` shows them")
    })?;
    let mut body = Map::from_iter([
        ("serviceId".to_owned(), service["id"].clone()),
        ("kind".to_owned(), source.kind.as_str().into()),
        ("name".to_owned(), source.name.as_str().into()),
        ("settings".to_owned(), source.settings.clone().into()),
    ]);
    body.extend(
        source
            .secret
            .clone()
            .map(|secret| ("secret".to_owned(), secret.into())),
    );
    Ok(Step::Create {
        name: source.name.clone(),
        body,
    })
}

fn change(source: &Declared, found: &Value, sends_secrets: bool) -> Result<Option<Step>, String> {
    let is_its_service = ["/service/name", "/service/id"]
        .iter()
        .any(|pointer| text(found, pointer) == source.service);
    if text(found, "/kind") != source.kind || !is_its_service {
        return Err(format!(
            "source {:?} has another kind or service on the server, and neither can be changed; give it another name",
            source.name
        ));
    }
    let present = &found["settings"];
    let differing = source
        .settings
        .iter()
        .filter(|(name, wanted)| present[name.as_str()] != **wanted);
    let settings: Map<String, Value> = differing
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect();
    let mut differences: Vec<Difference> = settings
        .iter()
        .map(|(name, wanted)| Difference {
            field: name.clone(),
            from: shown(&present[name.as_str()]),
            to: shown(wanted),
        })
        .collect();
    let mut body = Map::from_iter([("settings".to_owned(), settings.into())]);
    let secret = source
        .secret
        .clone()
        .filter(|_| sends_secrets || found["hasSecret"] != true);
    if let Some(secret) = secret {
        body.insert("secret".to_owned(), secret.into());
        differences.push(Difference {
            field: "secret".into(),
            from: String::new(),
            to: "***".into(),
        });
    }
    Ok((!differences.is_empty()).then(|| Step::Change {
        id: text(found, "/id"),
        name: source.name.clone(),
        body,
        differences,
    }))
}

/// What the file does not have.
fn superfluous<'a>(declared: &'a [Declared], present: &'a [Value]) -> impl Iterator<Item = Step> + 'a {
    let is_declared = |found: &Value| {
        declared
            .iter()
            .any(|source| found["name"] == source.name.as_str())
    };
    let others = present.iter().filter(move |found| !is_declared(found));
    others.map(|found| Step::Delete {
        id: text(found, "/id"),
        name: text(found, "/name"),
    })
}

fn shown(value: &Value) -> String {
    text(&json!([value]), "/0")
}

fn carry_out(session: &Session, step: &Step) -> Result<Value, Failure> {
    match step {
        Step::Create { name, body } => {
            let created = session.api.post(LIST, Some(&body.clone().into()))?.value;
            if !session.is_json {
                output::print(&format!("key of {name}: {}", text(&created, "/key")))?;
            }
            Ok(created)
        }
        Step::Change { id, body, .. } => {
            let path = format!("{LIST}/{}", segment(id));
            Ok(session.api.patch(&path, &body.clone().into())?.value)
        }
        Step::Delete { id, .. } => Ok(session.api.delete(&format!("{LIST}/{}", segment(id)))?.value),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "[[source]]\nname = \"Prod\"\nkind = \"grafana\"\nservice = \"API\"\nsecret = \"hush\"\nstorm_alerts = 5\n";

    fn steps(file: &str, present: &[Value], sends_secrets: bool) -> Result<Vec<Step>, String> {
        let services = [json!({"id": "svc_1", "name": "API"})];
        plan(
            &source_file::read(file, |_| Err(String::new())).unwrap(),
            present,
            &services,
            sends_secrets,
        )
    }

    fn present(storm_alerts: u32) -> Value {
        json!({"id": "src_1", "name": "Prod", "kind": "grafana", "service": {"id": "svc_1", "name": "API"},
            "hasSecret": true, "settings": {"stormAlerts": storm_alerts, "flapChanges": 6}})
    }

    #[test]
    fn a_source_is_created_changed_where_it_differs_or_left_alone() {
        let created = steps(FILE, &[], false).unwrap();
        let expected = json!({"serviceId": "svc_1", "kind": "grafana", "name": "Prod", "secret": "hush",
            "settings": {"stormAlerts": 5}});
        assert!(matches!(&created[..], [Step::Create { body, .. }] if Value::from(body.clone()) == expected));
        let changed = steps(FILE, &[present(30)], false).unwrap();
        let expected = json!({"settings": {"stormAlerts": 5}});
        assert!(matches!(&changed[..], [Step::Change { body, .. }] if Value::from(body.clone()) == expected));
        assert_eq!(steps(FILE, &[present(5)], false), Ok(vec![]));
        assert_eq!(steps(FILE, &[present(5)], true).unwrap().len(), 1);
    }

    #[test]
    fn what_cannot_be_done_is_refused_before_anything_is() {
        let other_kind = FILE.replace("grafana", "sns");
        assert!(
            steps(&other_kind, &[present(5)], false)
                .unwrap_err()
                .contains("neither can be changed")
        );
        let nowhere = FILE.replace("\"API\"", "\"nowhere\"");
        assert!(steps(&nowhere, &[], false).unwrap_err().contains("no service"));
        assert!(
            steps(FILE, &[present(5), present(6)], false)
                .unwrap_err()
                .contains("more than one")
        );
    }
}
