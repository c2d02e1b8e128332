//! `opsknight doctor --database`: looks at a PostgreSQL itself, whether or not a server runs on it.

use serde_json::json;

use clock::Env;
use model::secret::SecretText;
use server::database_check::{self, DatabaseReport};

use super::doctor::{Check, finding, in_words};
use super::failure::Failure;
use super::output;

/// Looks, prints every answer, fails if one is bad.
pub fn run(url: &SecretText, is_json: bool) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let report = runtime
        .block_on(database_check::check(url, &Env::system()))
        .map_err(|error| Failure::other(error.to_string()))?;
    let checks = checks(&report);
    match is_json {
        true => output::print(&in_json(&report))?,
        false => {
            let lines: Vec<String> = checks.iter().map(in_words).collect();
            output::print(&lines.join("\n"))?;
        }
    }
    match checks.iter().all(Check::is_well) {
        true => Ok(()),
        false => Err(Failure::Said),
    }
}

fn checks(report: &DatabaseReport) -> Vec<Check> {
    let schema = match report.schema_version {
        0 => "no schema yet: the first server makes it".to_owned(),
        version => format!("schema {version}, this program knows {}", report.known_version),
    };
    let mut checks = vec![
        Check::well("database", report.backend.clone()),
        Check::well("schema", schema),
    ];
    for found in &report.of_server {
        checks.push(finding(
            "database",
            (found.code, &found.sentence, found.advice),
            found.is_advice(),
        ));
    }
    match &report.of_data {
        None => checks.push(Check::well(
            "data",
            "not looked at: this program does not know their schema".into(),
        )),
        Some(findings) if findings.is_empty() => checks.push(Check::well("data", "nothing found".into())),
        Some(findings) => checks.extend(findings.iter().map(|found| {
            finding(
                "data",
                (found.code, &found.sentence, found.advice),
                found.is_advice(),
            )
        })),
    }
    checks
}

fn in_json(report: &DatabaseReport) -> String {
    let mut findings = Vec::new();
    for found in report.of_server.iter().chain(report.of_data.iter().flatten()) {
        findings.push(json!({
            "code": found.code,
            "sentence": found.sentence,
            "advice": found.advice,
            "isAdvice": found.is_advice(),
        }));
    }
    json!({
        "backend": report.backend,
        "schemaVersion": report.schema_version,
        "knownVersion": report.known_version,
        "findings": findings,
    })
    .to_string()
}
