//! `opsknight webhooks edit`, `export` and `apply`: a webhook by arguments, and a server's webhooks as a file and back.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use serde_json::{Value, json};

use super::fake_api::FakeApi;
use super::{Run, file, program, run, run_alone};
use crate::support::page_client::PageClient;
use crate::support::server_process::ServerProcess;

const WEBHOOK: &str = "whk_0190b6c88f3e7d2a8e4c5f6a7b8c9d05";
/// What the exported file asks the environment for.
const SECRETS: [(&str, &str); 5] = [
    ("PAGER_SECRET", "my secret"),
    ("PAGER_X_TEAM", "a team"),
    ("CHAT_SECRET", "another"),
    ("ROOM_SECRET", "a third"),
    ("ROOM_TOKEN", "123456:ABC-DEF1234ghIkl-zyx57W2v1u123ew11"),
];

/// Runs the program against a real server.
async fn run_at(server: &ServerProcess, arguments: &[&str]) -> Run {
    let mut command = program();
    command
        .env("OPSKNIGHT_URL", &server.url)
        .env("OPSKNIGHT_API_KEY", &server.key)
        .envs(SECRETS)
        .args(arguments);
    let run = tokio::task::spawn_blocking(move || Run::from(command.output().unwrap())).await;
    run.unwrap()
}

/// A certificate and its key, as files.
fn certificate(folder: &Path) -> [String; 2] {
    let made = rcgen::generate_simple_self_signed(["receiver.example".to_owned()]).unwrap();
    let (certificate, key) = (made.cert.pem(), made.signing_key.serialize_pem());
    [
        ("ca.pem", certificate.clone()),
        ("identity.pem", certificate + &key),
    ]
    .map(|(name, pem)| {
        let path = folder.join(name);
        std::fs::write(&path, pem).unwrap();
        // A file that others may read is refused as a secret.
        std::fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
        path.to_str().unwrap().to_owned()
    })
}

async fn add_webhooks(server: &ServerProcess, certificates: &[String; 2]) {
    let [ca, identity] = certificates;
    let room = [
        "webhooks",
        "add",
        "--name",
        "Room",
        "--kind",
        "telegram",
        "--option",
        "chat=-1001234567890",
        "--option-env",
        "token=ROOM_TOKEN",
    ];
    let chat = [
        "webhooks",
        "add",
        "--name",
        "Chat",
        "--receiver",
        "http://127.0.0.1:9009/chat",
        "--event",
        "incident.triggered",
        "--disabled",
    ];
    let pager = [
        "webhooks",
        "add",
        "--name",
        "Pager",
        "--receiver",
        "http://127.0.0.1:9009/",
        "--secret-env",
        "PAGER_SECRET",
        "--filter",
        "severity == \"critical\"",
        "--service",
        "API",
        "--severity",
        "critical,error",
        "--header",
        "X-Team: a team",
        "--retry-schedule",
        "30s,2m",
        "--timeout",
        "5s",
        "--concurrency",
        "4",
        "--rate",
        "20/s",
        "--ordering",
        "none",
        "--when-disabled",
        "drop",
        "--canary",
        "24h",
        "--fallback",
        "Chat",
        "--fallback-after",
        "2m",
        "--after-outage",
        "expire",
        "--expire-after",
        "1h",
        "--tls-ca",
        ca,
        "--tls-identity",
        identity,
    ];
    for arguments in [&["services", "add", "API"] as &[&str], &room, &chat, &pager] {
        let added = run_at(server, arguments).await;
        assert_eq!(added.code, Some(0), "{arguments:?}: {}", added.err);
    }
}

#[tokio::test]
async fn what_is_exported_is_applied_to_another_server_with_nothing_lost() {
    let folder = tempfile::tempdir().unwrap();
    let data = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let [first, second] = [
        ServerProcess::start(data[0].path()).await,
        ServerProcess::start(data[1].path()).await,
    ];
    let certificates = certificate(folder.path());
    add_webhooks(&first, &certificates).await;
    let plain = run_at(&first, &["webhooks", "export"]).await;
    for secret in ["my secret", "a team", "123456:", "PRIVATE KEY"] {
        assert!(!plain.out.contains(secret), "{}", plain.out);
    }
    let path = file(&folder, "plain.toml", &plain.out);
    let again = run_at(&first, &["webhooks", "apply", "-f", &path]).await;
    assert!(again.out.contains("nothing to do"), "{again:?}");

    let with_env = run_at(&first, &["webhooks", "export", "--with-env"]).await;
    let path = file(&folder, "with-env.toml", &with_env.out);
    run_at(&second, &["services", "add", "API"]).await;
    let mut apply = program();
    apply
        .env("OPSKNIGHT_URL", &second.url)
        .env("OPSKNIGHT_API_KEY", &second.key)
        .envs(SECRETS)
        .env("PAGER_CA_PEM_FILE", &certificates[0])
        .env("PAGER_IDENTITY_PEM_FILE", &certificates[1])
        .args(["webhooks", "apply", "-f", &path]);
    let applied = tokio::task::spawn_blocking(move || Run::from(apply.output().unwrap())).await;
    let applied = applied.unwrap();
    assert_eq!(applied.code, Some(0), "{}{}", with_env.out, applied.err);
    let both = [
        webhooks(&first, &["webhooks", "list", "--json"]).await,
        webhooks(&second, &["webhooks", "list", "--json"]).await,
    ];
    assert_eq!(both[0], both[1]);
    assert_eq!(
        both[0]["Pager"]["tls"],
        json!({ "hasCa": true, "hasIdentity": true })
    );
}

/// The webhooks of a server by name, without what differs between any two servers.
async fn webhooks(server: &ServerProcess, list: &[&str]) -> Value {
    let listed: Value = serde_json::from_str(&run_at(server, list).await.out).unwrap();
    let items = listed["items"].as_array().unwrap();
    let name = |id: &Value| {
        let found = items.iter().find(|item| item["id"] == *id);
        found.map_or(Value::Null, |item| item["name"].clone())
    };
    let mut by_name = json!({});
    for item in items {
        let mut webhook = item.clone();
        let members = webhook.as_object_mut().unwrap();
        for other in ["id", "createdAt", "updatedAt", "statusSince", "statusReason"] {
            members.remove(other);
        }
        let services = members["services"].as_array().unwrap().len();
        members.insert("services".into(), services.into());
        let fallback = name(&members["fallbackWebhook"]);
        members.insert("fallbackWebhook".into(), fallback);
        by_name[item["name"].as_str().unwrap()] = webhook;
    }
    by_name
}

#[test]
fn an_edit_sends_what_was_named_and_nothing_else() {
    let changed = r#"{"name":"Pager"}"#;
    let api = FakeApi::answering(&[(200, changed)]);
    let edited = run(
        &api,
        &[
            "webhooks",
            "edit",
            WEBHOOK,
            "--timeout",
            "5s",
            "--name",
            "Pager",
            "--unset",
            "rate,tls",
        ],
    );
    assert_eq!(edited.out, "changed timeout, name, rate, tls of Pager\n");
    assert_eq!(api.lines(), [format!("PATCH /api/v1/webhooks/{WEBHOOK}")]);
    let body = json!({ "timeout": "5s", "name": "Pager", "rate": null, "tls": { "caPem": null, "identityPem": null } });
    assert_eq!(api.body(0), body);
    let nothing = run(&api, &["webhooks", "edit", WEBHOOK]);
    assert_eq!(nothing.code, Some(2), "{nothing:?}");
}

#[test]
fn url_is_the_server_and_no_key_goes_to_a_receiver_by_an_old_habit() {
    let api = FakeApi::answering(&[]);
    let old = [
        "webhooks",
        "add",
        "--name",
        "x",
        "--key",
        "ok_a",
        "--url",
        api.url(),
    ];
    let refused = run_alone(&old);
    assert_eq!(refused.code, Some(2), "{refused:?}");
    assert!(refused.err.contains("--receiver"), "{}", refused.err);
    assert_eq!(api.lines(), Vec::<String>::new());
}

#[test]
fn a_wrong_value_is_told_the_right_ones() {
    let mistakes: [(&[&str], &str); 5] = [
        (
            &["webhooks", "edit", WEBHOOK, "--ordering", "strict"],
            "incident, none",
        ),
        (
            &["webhooks", "test", WEBHOOK, "--event", "incident.trigered"],
            "incident.triggered",
        ),
        (&["deliveries", "--status", "failed"], "dead"),
        (&["users", "add", "Ada", "--role", "root"], "responder"),
        (&["keys", "create", "x", "--scope", "all"], "webhooks:read"),
    ];
    for (arguments, right) in mistakes {
        let refused = run_alone(arguments);
        assert_eq!(refused.code, Some(2), "{refused:?}");
        assert!(refused.err.contains(right), "{}", refused.err);
    }
}

#[tokio::test]
async fn a_webhook_is_cloned_and_links_to_its_receivers_page_are_made_listed_and_revoked() {
    let data = tempfile::tempdir().unwrap();
    let server = ServerProcess::start(data.path()).await;
    let run = async |arguments: &[&str]| {
        let run = run_at(&server, &[&["webhooks"], arguments].concat()).await;
        assert_eq!(run.code, Some(0), "{arguments:?}: {}", run.err);
        run.out
    };
    run(&["add", "--name", "Pager", "--receiver", "http://127.0.0.1:9009/"]).await;
    let cloned = run(&["clone", "Pager"]).await;
    assert!(
        cloned.starts_with("made Pager (copy) (whk_") && cloned.contains("\nsecret: whsec_"),
        "{cloned}"
    );
    let link = ["receiver-links", "create", "Pager", "Team B", "--days", "7"];
    let made = run(&link).await;
    assert!(made.contains("/receiver/open/rl_"), "{made}");
    let listed = run(&["receiver-links", "list", "Pager"]).await;
    assert!(listed.contains("Team B") && listed.contains("rlk_"), "{listed}");
    run(&["receiver-links", "revoke", "Pager", "Team B"]).await;
    let again = run_at(
        &server,
        &["webhooks", "receiver-links", "revoke", "Pager", "Team B"],
    );
    let again = again.await;
    assert!(
        again.code == Some(1) && again.err.contains("no link called \"Team B\""),
        "{again:?}"
    );
    let (_, token) = made.lines().next().unwrap().split_once("/receiver/").unwrap();
    let visitor = PageClient::new(&server.url);
    visitor.get(&format!("/receiver/{token}")).await.expect(404);
    let long = run_alone(&[
        "webhooks",
        "receiver-links",
        "create",
        "Pager",
        "x",
        "--days",
        "366",
    ]);
    assert!(long.code == Some(2) && long.err.contains("365"), "{}", long.err);
}
