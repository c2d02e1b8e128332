//! Whose refusal it is: of something on the way, of one delivery, or of the webhook.

use std::time::Duration;

use destination::about::UrlField;
use serde_json::{Value, json};

use super::{Chat, needed};
use crate::support::api_client::ApiClient;
use crate::support::platform::Platform;
use crate::support::receiver::{Receiver, Reply};
use crate::support::test_app::{PATIENCE, TestApp, text};

/// What firewalls and proxies answer in a platform's place.
const PAGES: [Reply; 4] = [
    Reply::Raw(
        "HTTP/1.1 403 Forbidden\r\ncontent-type: text/html\r\ncontent-length: 26\r\n\r\n<html>Blocked here.</html>",
    ),
    Reply::Raw(
        "HTTP/1.1 404 Not Found\r\ncontent-type: application/json\r\ncontent-length: 19\r\n\r\n{\"error\":\"blocked\"}",
    ),
    Reply::Raw("HTTP/1.1 403 Forbidden\r\ncontent-type: text/plain\r\ncontent-length: 9\r\n\r\nforbidden"),
    Reply::Raw("HTTP/1.1 410 Gone\r\ncontent-type: text/html\r\ncontent-length: 0\r\n\r\n"),
];

async fn webhook(app: &TestApp, id: &str) -> Value {
    app.api
        .get(&format!("/api/v1/webhooks/{id}"))
        .await
        .expect(200)
        .json()
}

/// Lets time pass until a delivery has ended; gives it.
async fn ended(app: &TestApp, delivery: &str) -> Value {
    let path = format!("/api/v1/deliveries/{delivery}");
    let ended = async {
        loop {
            let detail = app.api.get(&path).await.expect(200).json();
            if detail["status"] == "dead" || detail["status"] == "delivered" || detail["status"] == "held" {
                return detail;
            }
            app.advance(Duration::from_secs(100));
            app.quiesce().await;
        }
    };
    tokio::time::timeout(PATIENCE, ended).await.expect("it ends")
}

#[tokio::test]
async fn a_page_of_a_firewall_ends_one_delivery_and_disables_no_webhook_of_any_kind() {
    let kinds = kinds::all().iter();
    let kinds = kinds
        .filter(|adapter| !adapter.description().fields.is_empty() && adapter.description().kind != "custom")
        // No web page comes from a mail server.
        .filter(|adapter| !matches!(adapter.description().url, UrlField::Server { .. }));
    for adapter in kinds {
        let kind = adapter.description().kind;
        for page in &PAGES {
            let directory = tempfile::tempdir().unwrap();
            let app = TestApp::start(directory.path()).await;
            let receiver = Receiver::start(std::slice::from_ref(page)).await;
            app.create_service().await;
            let url = simulators::simulator(kind)
                .unwrap()
                .url(&format!("http://{}", receiver.address));
            let settings = json!({"kind": kind, "options": needed(kind), "retrySchedule": ["1m", "5m"]});
            let id = app.create_webhook(&url, settings).await;
            app.trigger("<script> blocked by a rule").await;
            let delivery = text(&app.wait_for("", 1).await[0]["id"]);
            let detail = ended(&app, &delivery).await;
            assert_eq!(detail["status"], "dead", "{kind}: {detail:#}");
            assert_eq!(
                detail["lastFailure"]["code"], "client_error",
                "{kind}: {detail:#}"
            );
            let webhook = webhook(&app, &id).await;
            assert_eq!(webhook["enabled"], true, "{kind}: {webhook:#}");
        }
    }
}

#[tokio::test]
async fn a_webhook_is_disabled_once_a_request_without_an_event_is_refused_too_and_nothing_is_lost() {
    let chat = Chat::start("discord", json!({})).await;
    let path = chat.platform.url.strip_prefix(&chat.platform.address).unwrap();
    let discord = ApiClient::new(&chat.platform.address, "");
    discord.send("DELETE", path, None, &[]).await.unwrap().expect(204);
    let incident = chat.app.trigger("Disk full").await;
    let first = chat.delivery(1).await;
    assert_eq!(first["attempts"][0]["failure"]["code"], "settings_refused");
    assert_eq!(chat.shown().await["status"], "degraded");
    chat.app.advance(Duration::from_secs(90));
    let second = chat.delivery(2).await;
    assert_eq!(second["status"], "held", "{second:#}");
    let asked = chat.platform.seen().pop().unwrap();
    assert_eq!(
        (asked.method.as_str(), asked.target.as_str()),
        ("GET", path.replace("/api/", "/api/v10/").as_str())
    );
    let shown = chat.shown().await;
    assert_eq!(shown["status"], "disabled");
    let reason = shown["statusReason"].as_str().unwrap();
    assert!(reason.contains("Discord") && reason.len() > 30, "{reason}");
    chat.app.act(&incident, "acknowledge").await;
    let mended = Platform::start("discord").await;
    chat.change(json!({"url": mended.url})).await;
    let enable = format!("/api/v1/webhooks/{}/enable", chat.webhook);
    chat.app.api.post(&enable, json!({})).await.expect(200);
    chat.app.advance(Duration::from_secs(1));
    chat.settle(2).await;
    assert_eq!(mended.texts().len(), 1);
}

#[tokio::test]
async fn a_refusal_of_one_delivery_alone_disables_nothing() {
    let chat = Chat::start("telegram", needed("telegram")).await;
    chat.platform.fail_next("unauthorized");
    chat.app.trigger("Disk full").await;
    chat.delivery(1).await;
    chat.platform.fail_next("unauthorized");
    chat.app.advance(Duration::from_secs(90));
    let refused = chat.delivery(2).await;
    assert_eq!(refused["status"], "scheduled", "{refused:#}");
    let note = text(&refused["attempts"][1]["note"]);
    assert!(note.contains("this delivery alone"), "{note}");
    assert_eq!(chat.shown().await["enabled"], true);
    chat.settle(1).await;
}

#[tokio::test]
async fn two_incidents_refused_in_a_row_disable_a_webhook_whose_platform_takes_the_probe() {
    let chat = Chat::start("telegram", needed("telegram")).await;
    for (title, count) in [("one", 1), ("two", 2)] {
        chat.platform.fail_next("blocked");
        chat.app.trigger(title).await;
        let newest = chat.app.wait_for("", count).await[0]["id"].clone();
        // The breaker lets one through each half minute.
        chat.app.advance(Duration::from_secs(31));
        chat.app.wait_for_attempts(newest.as_str().unwrap(), 1).await;
        chat.platform.fail_next("blocked");
        chat.app.advance(Duration::from_secs(70));
        chat.app.wait_for_attempts(newest.as_str().unwrap(), 2).await;
        assert_eq!(chat.shown().await["enabled"], count == 1);
    }
    chat.app.wait_for("status=held", 2).await;
}

#[tokio::test]
async fn the_words_of_a_platform_without_a_probe_are_enough() {
    let chat = Chat::start("slack", json!({})).await;
    chat.platform.fail_next("no_service");
    chat.app.trigger("Disk full").await;
    chat.delivery(1).await;
    chat.platform.fail_next("no_service");
    chat.app.advance(Duration::from_secs(90));
    assert_eq!(chat.delivery(2).await["status"], "held");
    assert_eq!(chat.shown().await["status"], "disabled");
}

#[tokio::test]
async fn a_ticket_system_that_refuses_one_ticket_is_asked_whether_its_settings_work() {
    for kind in ["jira", "servicenow"] {
        let chat = Chat::start(kind, needed(kind)).await;
        chat.platform.fail_next("forbidden");
        chat.app.trigger("Disk full").await;
        chat.app.quiesce().await;
        chat.platform.fail_next("forbidden");
        chat.app.advance(Duration::from_secs(90));
        chat.settle(1).await;
        assert_eq!(chat.shown().await["enabled"], true, "{kind}");
    }
}
