//! Webhooks taken elsewhere: cloned, exported, imported.

use std::process::Command;

use model::access::Role;
use serde_json::{Value, json};

use super::people::person;
use crate::support::page_client::{Page, PageClient};
use crate::support::test_app::{TestApp, text};

const IMPORT: &str = "/settings/integrations/import";

fn hidden(page: &Page, name: &str) -> String {
    let (_, after) = page
        .html
        .split_once(&format!("name=\"{name}\" value=\""))
        .expect("the field");
    after.split('"').next().unwrap().to_owned()
}

async fn webhooks(app: &TestApp) -> Vec<Value> {
    let list = app.api.get("/api/v1/webhooks").await.expect(200).json();
    list["items"].as_array().unwrap().clone()
}

/// Shows the plan of a file, and carries it out as it was shown.
async fn import(admin: &PageClient, file: &str) -> (Page, Page) {
    let shown = admin.submit(IMPORT, &[("file", file)]).await.expect(200);
    let (typed, plan) = (hidden(&shown, "typed"), hidden(&shown, "plan"));
    let fields = [("typed", typed.as_str()), ("plan", &plan), ("confirmed", "yes")];
    let done = admin.submit(IMPORT, &fields).await.expect(200);
    (shown, done)
}

async fn scene() -> (tempfile::TempDir, TestApp, PageClient, String) {
    let directory = tempfile::tempdir().unwrap();
    let app = TestApp::start(directory.path()).await;
    let service = app
        .api
        .post("/api/v1/services", json!({"name": "API Gateway"}))
        .await
        .expect(201)
        .json();
    let settings = json!({
        "name": "Pager \"night\"",
        "secret": "the-first-secret",
        "headers": {"Authorization": "Bearer of-a-test"},
        "services": [service["id"]],
        "filter": "severity == \"critical\"",
        "rate": "20/s",
        "fallbackWebhook": Value::Null,
    });
    let id = app
        .create_webhook("http://127.0.0.1:9300/hook?team=a", settings)
        .await;
    let admin = person(&app, Role::Admin).await;
    (directory, app, admin, id)
}

#[tokio::test]
async fn a_clone_is_the_same_but_for_its_name_its_secret_and_that_it_is_disabled() {
    let (_directory, app, admin, id) = scene().await;
    admin
        .get(&format!("/settings/integrations/{id}"))
        .await
        .expect(200);
    let cloned = admin
        .submit(&format!("/settings/integrations/{id}/clone"), &[])
        .await
        .expect(200);
    assert!(cloned.html.contains("whsec_") && !cloned.html.contains("the-first-secret"));
    let all = webhooks(&app).await;
    let (copy, original) = (&all[0], &all[1]);
    assert_eq!(
        (text(&copy["name"]), &copy["enabled"]),
        ("Pager \"night\" (copy)".into(), &json!(false))
    );
    for field in [
        "url", "events", "services", "filter", "rate", "headers", "timeout", "kind",
    ] {
        assert_eq!(copy[field], original[field], "{field}");
    }
    let made = app
        .api
        .post(&format!("/api/v1/webhooks/{id}/clone"), json!({}))
        .await
        .expect(201)
        .json();
    assert!(text(&made["secret"]).starts_with("whsec_"));
}

#[tokio::test]
async fn what_is_exported_tells_no_secret_and_says_of_its_own_server_that_nothing_is_to_do() {
    let (_directory, app, admin, id) = scene().await;
    let all = admin.get("/settings/integrations/export").await.expect(200);
    let one = admin
        .get(&format!("/settings/integrations/{id}/export"))
        .await
        .expect(200);
    assert_eq!(all.html, one.html);
    assert_eq!(all.header("content-type"), "application/toml");
    assert!(
        !all.html.contains("the-first-secret") && !all.html.contains("of-a-test"),
        "{}",
        all.html
    );
    assert!(all.html.contains("services = [\"API Gateway\"]"), "{}", all.html);
    let planned = admin.submit(IMPORT, &[("file", &all.html)]).await.expect(200);
    assert!(planned.html.contains("Nothing to do"), "{}", planned.html);
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), &all.html).unwrap();
    let (base, key, path) = (app.base(), app.api.key().to_owned(), file.path().to_owned());
    let applied = tokio::task::spawn_blocking(move || {
        let mut apply = Command::new(env!("CARGO_BIN_EXE_opsknight"));
        apply.env("OPSKNIGHT_URL", base).env("OPSKNIGHT_API_KEY", key);
        apply
            .args(["webhooks", "apply", "--dry-run", "-f"])
            .arg(path)
            .output()
            .unwrap()
    });
    let applied = applied.await.unwrap();
    let said = String::from_utf8_lossy(&applied.stdout).into_owned();
    assert!(
        applied.status.success() && said.contains("nothing to do"),
        "{applied:?}"
    );
}

#[tokio::test]
async fn an_import_shows_what_it_changes_and_does_exactly_that() {
    let (_directory, app, admin, id) = scene().await;
    admin.get(IMPORT).await.expect(200);
    let export = admin.get("/settings/integrations/export").await.expect(200).html;
    let file = export.replace("rate = \"20/s\"", "rate = \"5/s\"")
        + "\n[[webhook]]\nname = \"New one\"\nurl = \"http://127.0.0.1:9301/\"\nevents = [\"incident.resolved\"]\n\
           secret = \"typed-in-the-file\"\n";
    let before = webhooks(&app).await;
    let (shown, done) = import(&admin, &file).await;
    assert!(
        shown.html.contains("5/s") && shown.html.contains("<del>&#34;20/s&#34;</del>"),
        "{}",
        shown.html
    );
    assert!(!shown.html.contains("typed-in-the-file"));
    assert!(done.html.contains("typed-in-the-file") && done.html.contains("New one"));
    let after = webhooks(&app).await;
    assert_eq!((before.len(), after.len()), (1, 2));
    let changed = after.iter().find(|webhook| webhook["id"] == id.as_str()).unwrap();
    assert_eq!(
        (&changed["rate"], &changed["headers"]),
        (&json!("5/s"), &json!(["Authorization"]))
    );
}

#[tokio::test]
async fn a_plan_that_is_not_true_any_more_is_shown_anew_and_nothing_is_done() {
    let (_directory, app, admin, id) = scene().await;
    admin.get(IMPORT).await.expect(200);
    let export = admin.get("/settings/integrations/export").await.expect(200).html;
    let file = export.replace("rate = \"20/s\"", "rate = \"5/s\"");
    let shown = admin.submit(IMPORT, &[("file", &file)]).await.expect(200);
    let path = format!("/api/v1/webhooks/{id}");
    app.api
        .send("PATCH", &path, Some(json!({"timeout": "3s"})), &[])
        .await
        .unwrap()
        .expect(200);
    let (typed, plan) = (hidden(&shown, "typed"), hidden(&shown, "plan"));
    let fields = [("typed", typed.as_str()), ("plan", &plan), ("confirmed", "yes")];
    let again = admin.submit(IMPORT, &fields).await.expect(200);
    assert!(again.html.contains("Something changed meanwhile"));
    assert_eq!(webhooks(&app).await[0]["rate"], "20/s");
}

#[tokio::test]
async fn a_file_with_mistakes_changes_nothing_and_the_servers_environment_stays_its_own() {
    let (_directory, app, admin, _) = scene().await;
    admin.get(IMPORT).await.expect(200);
    let before = webhooks(&app).await;
    for (file, told) in [
        (
            "[[webhook]]\nname = \"a\"\nurl = { env = \"PATH\" }",
            "webhooks apply",
        ),
        ("[[webhook]]\nname = \"a\"\nurl = \"ftp://x\"\nevents = []", "url"),
        ("not toml", "file"),
    ] {
        let refused = admin.submit(IMPORT, &[("file", file)]).await.expect(422);
        assert!(refused.html.contains(told), "{file}");
    }
    assert_eq!(webhooks(&app).await, before);
}
