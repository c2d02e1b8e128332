//! The Helm chart and the compose file: linted, rendered with several sets of values, and held against the schemas of Kubernetes
//! and of compose.

use std::collections::BTreeSet;
use std::path::PathBuf;

use serde_json::Value;

use super::{judge, text};
use crate::support::programs::{judges, program, root};

const CHART: &str = "deploy/helm/opsknight";
const COMPOSE: &str = "deploy/compose.yaml";
/// The version of Kubernetes that objects are rendered for, and whose schemas judge them.
const KUBERNETES: &str = "1.30";
/// Settings that the chart sets itself, that belong into its secret, or that a fleet has no use for.
const OF_THE_CHART: [&str; 10] = [
    "listen",
    "data",
    "database",
    "dev",
    "max_database_size",
    "stop_delay",
    "stop_grace",
    "outbound.proxy",
    "oidc.client_secret",
    "mail.server",
];

/// The judges from PyPI; nothing if `./check` said that it could not install them.
pub fn python(name: &str) -> Option<PathBuf> {
    let python = judges().join("bin").join(name);
    if python.exists() {
        return Some(python);
    }
    let is_said = std::env::var_os("CHECK_MISSING_JUDGES").is_some_and(|said| !said.is_empty());
    let may_be_missing = is_said || std::env::var_os("CI").is_none();
    assert!(
        may_be_missing,
        "{name} is missing: run ./check, which installs it"
    );
    eprintln!("not judged: {} is missing", python.display());
    None
}

/// The objects that the chart makes of these values.
async fn render(helm: &std::path::Path, values: Option<&str>) -> String {
    let file = values.map(|name| format!("tests/judges/helm/{name}.yaml"));
    let mut arguments = vec!["template", "fleet", CHART, "--kube-version", KUBERNETES];
    if let Some(file) = &file {
        arguments.extend(["--values", file]);
    }
    judge(helm, &arguments).await
}

#[tokio::test]
async fn the_chart_renders_what_kubernetes_knows() {
    let Some(helm) = program("helm") else { return };
    judge(&helm, &["lint", "--strict", CHART]).await;
    let always = "ConfigMap Deployment Pod Service";
    let everything = "ConfigMap ConfigMap Deployment HorizontalPodAutoscaler Ingress NetworkPolicy Pod PodDisruptionBudget \
                      PrometheusRule Service ServiceAccount ServiceMonitor";
    let usual = "ConfigMap Deployment Pod PodDisruptionBudget Service ServiceAccount";
    for (values, expected) in [
        (None, usual),
        (Some("small"), always),
        (Some("everything"), everything),
    ] {
        let rendered = render(&helm, values).await;
        let Some(python) = python("python") else { return };
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("rendered.yaml");
        std::fs::write(&path, rendered).unwrap();
        let script = "tests/judges/kubernetes_objects.py";
        let kinds = judge(&python, &[script, KUBERNETES, path.to_str().unwrap()]).await;
        assert_eq!(kinds.trim(), expected, "{values:?}");
    }
}

#[tokio::test]
async fn kubernetes_waits_for_longer_than_a_server_needs_to_stop() {
    let Some(helm) = program("helm") else { return };
    for (values, grace, delay) in [(None, "45", "10s"), (Some("small"), "20", "0s")] {
        let rendered = render(&helm, values).await;
        for line in [
            format!("terminationGracePeriodSeconds: {grace}\n"),
            format!("OPSKNIGHT_STOP_DELAY: \"{delay}\"\n"),
        ] {
            assert!(rendered.contains(&line), "{line}");
        }
    }
}

#[tokio::test]
async fn the_chart_refuses_settings_that_there_are_not() {
    let Some(helm) = program("helm") else { return };
    let mut command = tokio::process::Command::new(helm);
    command.args(["template", "fleet", CHART, "--set", "settings.outbound\\.alow=x"]);
    command.args(["--kube-version", KUBERNETES]).current_dir(root());
    let output = command.output().await.unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        !output.status.success() && said.contains("outbound.alow"),
        "{said}"
    );
}

#[test]
fn the_chart_takes_every_setting_but_its_own() {
    let schema: Value = serde_json::from_str(&text(&format!("{CHART}/values.schema.json"))).unwrap();
    let taken = schema["properties"]["settings"]["propertyNames"]["enum"]
        .as_array()
        .unwrap();
    let taken: BTreeSet<_> = taken
        .iter()
        .map(|name| name.as_str().unwrap().to_owned())
        .collect();
    let own = OF_THE_CHART.map(str::to_owned);
    let expected: BTreeSet<_> = config::names()
        .into_iter()
        .filter(|name| !own.contains(name))
        .collect();
    assert_eq!(taken, expected);
}

#[test]
fn the_chart_has_the_version_of_the_program() {
    let chart = text(&format!("{CHART}/Chart.yaml"));
    let version = format!("appVersion: \"{}\"\n", env!("CARGO_PKG_VERSION"));
    assert!(chart.contains(&version), "{chart}");
}

#[tokio::test]
async fn the_compose_file_is_one_and_names_settings_that_there_are() {
    let file = text(COMPOSE);
    let names = file.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    let names = names.filter(|word| word.starts_with(config::ENVIRONMENT_PREFIX));
    // These two are the Caddyfile's.
    let settings =
        names.filter(|name| !["OPSKNIGHT_SITE", "OPSKNIGHT_NODES", "OPSKNIGHT_IMAGE"].contains(name));
    let unknown = config::unknown_names(settings.map(str::to_owned));
    assert_eq!(unknown, Vec::<String>::new());
    let Some(judge_of_schemas) = python("check-jsonschema") else {
        return;
    };
    judge(
        &judge_of_schemas,
        &["--builtin-schema", "vendor.compose-spec", COMPOSE],
    )
    .await;
}
