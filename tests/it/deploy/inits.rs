//! What `opsknight init` writes, for each use: a server starts on the settings, and the other file is judged by the program that reads it.

use std::path::Path;

use serde_json::Value;
use tokio::process::Command;

use super::charts::python;
use super::{judge, proxies, text};
use crate::support::programs::program;
use crate::support::server_process::ServerProcess;

const OPSKNIGHT: &str = env!("CARGO_BIN_EXE_opsknight");
const DOMAIN: &str = "ops.example";

/// Runs `opsknight init` for a use into a folder.
async fn init(purpose: &str, folder: &Path) -> String {
    let folder = folder.to_str().unwrap();
    let words = ["init", "--for", purpose, "--domain", DOMAIN, "--to", folder];
    judge(Path::new(OPSKNIGHT), &words).await
}

/// Starts a server on the settings of a folder, and stops it; only its address, data and certificate are other ones.
async fn start_on(folder: &Path) {
    let data = folder.join("data");
    let server = ServerProcess::start_under(&[], &data, |command| {
        command.env("OPSKNIGHT_CONFIG", folder.join("opsknight.toml"));
    })
    .await;
    assert!(server.terminate().await);
}

/// The settings of a folder, as a server takes them.
fn settings(folder: &Path) -> config::Config {
    config::load(Some(&folder.join("opsknight.toml")), |_| None, &[]).unwrap()
}

#[tokio::test]
async fn a_server_starts_on_the_settings_of_every_use() {
    for purpose in ["local", "systemd", "compose", "nginx", "caddy", "traefik"] {
        let folder = tempfile::tempdir().unwrap();
        let said = init(purpose, folder.path()).await;
        assert!(said.contains("opsknight.toml"), "{said}");
        start_on(folder.path()).await;
    }
}

#[tokio::test]
async fn behind_a_proxy_its_word_is_believed_and_links_lead_to_the_name() {
    for purpose in ["nginx", "caddy", "traefik"] {
        let folder = tempfile::tempdir().unwrap();
        init(purpose, folder.path()).await;
        let settings = settings(folder.path());
        let url = settings.public_url.unwrap();
        assert_eq!(url.as_str(), "https://ops.example/");
        assert_eq!(settings.listen.to_string(), "127.0.0.1:8081");
        assert_eq!(settings.trusted_proxies.len(), 1);
        assert_eq!(settings.stop_delay.as_secs(), 5);
    }
}

#[tokio::test]
async fn nothing_that_is_there_is_overwritten() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("compose.yaml"), "mine").unwrap();
    let mut command = Command::new(OPSKNIGHT);
    command
        .args(["init", "--for", "compose", "--to"])
        .arg(folder.path());
    let output = command.output().await.unwrap();
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert_eq!(
        std::fs::read_to_string(folder.path().join("compose.yaml")).unwrap(),
        "mine"
    );
    assert!(!folder.path().join("opsknight.toml").exists());
}

#[tokio::test]
async fn systemd_understands_the_units() {
    let Some(program) = program("systemd-analyze") else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    init("systemd", folder.path()).await;
    let unit = std::fs::read_to_string(folder.path().join("opsknight.service")).unwrap();
    assert!(
        unit.contains("serve --config /etc/opsknight/opsknight.toml"),
        "{unit}"
    );
    let mut units = vec![("opsknight.service", unit)];
    for name in [
        "opsknight-backup.service",
        "opsknight-backup.timer",
        "opsknight-backup-postgres.service",
    ] {
        units.push((name, text(&format!("deploy/{name}"))));
    }
    for (name, text) in &units {
        let text = text.replace("/usr/local/bin/opsknight", OPSKNIGHT);
        std::fs::write(folder.path().join(name), text).unwrap();
    }
    for (name, _) in &units {
        let path = folder.path().join(name);
        judge(&program, &["verify", "--man=no", path.to_str().unwrap()]).await;
    }
}

#[tokio::test]
async fn compose_understands_its_file() {
    let folder = tempfile::tempdir().unwrap();
    init("compose", folder.path()).await;
    let settings = settings(folder.path());
    assert_eq!(settings.data, Path::new("/data"));
    assert_eq!(settings.listen.to_string(), "0.0.0.0:8080");
    let Some(judge_of_schemas) = python("check-jsonschema") else {
        return;
    };
    let path = folder.path().join("compose.yaml");
    let words = ["--builtin-schema", "vendor.compose-spec", path.to_str().unwrap()];
    judge(&judge_of_schemas, &words).await;
}

#[tokio::test]
async fn nginx_understands_its_file() {
    let Some(program) = program("nginx") else { return };
    let folder = tempfile::tempdir().unwrap();
    init("nginx", folder.path()).await;
    let file = std::fs::read_to_string(folder.path().join("nginx.conf")).unwrap();
    assert!(
        file.contains("server_name ops.example;") && !file.contains("8082"),
        "{file}"
    );
    proxies::test_nginx(&program, folder.path(), &file).await;
}

#[tokio::test]
async fn caddy_understands_its_file() {
    let Some(program) = program("caddy") else { return };
    let folder = tempfile::tempdir().unwrap();
    init("caddy", folder.path()).await;
    let path = folder.path().join("Caddyfile");
    let adapted = judge(
        &program,
        &[
            "adapt",
            "--adapter",
            "caddyfile",
            "--config",
            path.to_str().unwrap(),
        ],
    )
    .await;
    assert!(
        adapted.contains("ops.example") && adapted.contains("127.0.0.1:8081"),
        "{adapted}"
    );
    assert!(!adapted.contains("8082"), "{adapted}");
}

/// No Traefik is at hand: what can be said without one is that the file is YAML, and leads where it should.
#[tokio::test]
async fn the_file_for_traefik_leads_to_the_server() {
    let folder = tempfile::tempdir().unwrap();
    init("traefik", folder.path()).await;
    let Some(python) = python("python") else { return };
    let path = folder.path().join("traefik.yaml");
    let script = "import json, sys, yaml; print(json.dumps(yaml.safe_load(open(sys.argv[1]))))";
    let read = judge(&python, &["-c", script, path.to_str().unwrap()]).await;
    let read: Value = serde_json::from_str(&read).unwrap();
    let balancer = &read["http"]["services"]["opsknight"]["loadBalancer"];
    assert_eq!(
        balancer["servers"],
        serde_json::json!([{ "url": "http://127.0.0.1:8081" }])
    );
    assert_eq!(balancer["healthCheck"]["path"], "/readyz");
    for router in ["opsknight", "opsknight-plain"] {
        assert_eq!(read["http"]["routers"][router]["rule"], "Host(`ops.example`)");
    }
    for defined in ["opsknight-headers", "opsknight-to-tls"] {
        assert!(read["http"]["middlewares"][defined].is_object(), "{defined}");
    }
    assert!(read["http"]["serversTransports"][balancer["serversTransport"].as_str().unwrap()].is_object());
}
