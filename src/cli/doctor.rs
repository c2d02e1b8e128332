//! `opsknight doctor`: asks the server how it is, and says what to do about what is not well.

use clap::Args;
use serde_json::Value;

use super::failure::Failure;
use super::output::{self, text};
use super::session::Session;

/// None.
#[derive(Args)]
pub struct Arguments {}

/// One question and its answer.
#[derive(Debug, PartialEq, Eq)]
struct Check {
    name: &'static str,
    /// What is wrong and what to do, or nothing.
    trouble: Option<String>,
    /// What there is to say if all is well.
    detail: String,
}

/// Asks everything, prints every answer, fails if one is bad.
pub fn run(session: &Session) -> Result<(), Failure> {
    let probes = [
        probe(
            session,
            "alive",
            "/healthz",
            "restart the server and look at its log",
        )?,
        probe(
            session,
            "ready",
            "/readyz",
            "check the disk of the data directory: space, rights, errors",
        )?,
    ];
    let system = session
        .api
        .get("/api/v1/system", &vec![("deep", "true".to_owned())])?;
    let mut checks = Vec::from(probes);
    checks.extend(system_checks(&system.value));
    if session.is_json {
        output::print_json(&system.text)?;
    } else {
        let lines: Vec<String> = checks.iter().map(in_words).collect();
        output::print(&lines.join("\n"))?;
    }
    if checks.iter().all(|check| check.trouble.is_none()) {
        Ok(())
    } else {
        Err(Failure::Said)
    }
}

fn probe(session: &Session, name: &'static str, path: &str, advice: &str) -> Result<Check, Failure> {
    let trouble = match session.api.get(path, &Vec::new()) {
        Ok(_) => None,
        Err(Failure::Refused(problem)) => Some(format!("{path} answers {}; {advice}", problem.status)),
        // It answers 2xx, if not in JSON: enough for a probe.
        Err(Failure::Other(_)) => None,
        Err(failure) => return Err(failure),
    };
    Ok(Check {
        name,
        trouble,
        detail: String::new(),
    })
}

/// What the server's own view of itself means.
fn system_checks(system: &Value) -> Vec<Check> {
    let mut checks = vec![
        Check {
            name: "version",
            trouble: None,
            detail: text(system, "/version"),
        },
        Check {
            name: "store",
            trouble: None,
            detail: store_in_words(&system["store"]),
        },
        balance(
            system["balance"]
                .as_array()
                .map(Vec::as_slice)
                .unwrap_or_default(),
        ),
    ];
    let findings = system["findings"].as_array();
    if findings.is_some_and(Vec::is_empty) {
        checks.push(Check {
            name: "deep check",
            trouble: None,
            detail: "nothing found".into(),
        });
    }
    checks.extend(findings.into_iter().flatten().map(|finding| Check {
        name: "deep check",
        trouble: Some(format!(
            "{} ({}); make a backup and report it",
            text(finding, "/sentence"),
            text(finding, "/code")
        )),
        detail: String::new(),
    }));
    checks.push(queue(&system["deliveries"]));
    checks
}

fn balance(webhooks: &[Value]) -> Check {
    let wrong: Vec<String> = webhooks
        .iter()
        .filter(|webhook| webhook["missing"].as_i64() != Some(0))
        .map(|webhook| format!("{} of {}", text(webhook, "/missing"), text(webhook, "/webhookId")))
        .collect();
    let accepted: u64 = webhooks
        .iter()
        .filter_map(|webhook| webhook["accepted"].as_u64())
        .sum();
    let trouble = (!wrong.is_empty()).then(|| {
        format!(
            "deliveries are missing: {}; keep a backup of the store and report it",
            wrong.join(", ")
        )
    });
    Check {
        name: "nothing lost",
        trouble,
        detail: format!("{accepted} deliveries accepted, all accounted for"),
    }
}

fn store_in_words(store: &Value) -> String {
    let mebibytes = store["sizeBytes"].as_u64().unwrap_or(0) / (1024 * 1024);
    format!(
        "{}, schema {}, {mebibytes} MiB",
        text(store, "/backend"),
        text(store, "/schemaVersion")
    )
}

/// Dead deliveries are a receiver's trouble, not ours: said, not failed.
fn queue(counts: &Value) -> Check {
    let members = counts.as_object().into_iter().flatten();
    let numbers = members.filter(|(_, value)| value.is_number());
    let parts: Vec<String> = numbers.map(|(name, value)| format!("{value} {name}")).collect();
    let advice = match counts["dead"].as_u64() {
        None | Some(0) => "",
        Some(_) => "; `opsknight deliveries --status dead` shows the dead ones",
    };
    Check {
        name: "deliveries",
        trouble: None,
        detail: format!("{}{advice}", parts.join(", ")),
    }
}

fn in_words(check: &Check) -> String {
    let line = match &check.trouble {
        None => format!("ok      {}: {}", check.name, check.detail),
        Some(trouble) => format!("FAILED  {}: {trouble}", check.name),
    };
    line.trim_end_matches([' ', ':']).to_owned()
}
