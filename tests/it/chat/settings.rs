//! What can be set, what is refused, and what happens when a platform refuses the settings.

use serde_json::{Value, json};

use super::{Chat, needed};

async fn refused_fields(chat: &Chat, webhook: Value) -> Vec<String> {
    let answer = chat.app.api.post("/api/v1/webhooks", webhook).await;
    let problem = answer.expect(422).json();
    let errors = problem["errors"].as_array().unwrap();
    errors
        .iter()
        .map(|error| error["field"].as_str().unwrap().to_owned())
        .collect()
}

fn webhook(kind: &str, url: &str, options: &Value) -> Value {
    json!({"name": "x", "kind": kind, "url": url, "events": ["incident.triggered"], "options": options})
}

#[tokio::test]
async fn what_a_kind_does_not_know_or_lacks_is_named() {
    let chat = Chat::start("discord", json!({})).await;
    let url = chat.platform.url.clone();
    let unknown = webhook("discord", &url, &json!({"colour": "red"}));
    assert_eq!(refused_fields(&chat, unknown).await, ["options.colour"]);
    let wrong = webhook("discord", &url, &json!({"messages": "sometimes"}));
    assert_eq!(refused_fields(&chat, wrong).await, ["options.messages"]);
    let lacking = json!({"name": "x", "kind": "telegram", "events": ["incident.triggered"]});
    assert_eq!(
        refused_fields(&chat, lacking).await,
        ["options.token", "options.chat"]
    );
    let no_place = webhook("discord", "https://discord.com/channels/1/2", &json!({}));
    assert_eq!(refused_fields(&chat, no_place).await, ["url"]);
    let leaky = webhook(
        "telegram",
        "https://api.telegram.org/bot1:a/",
        &needed("telegram"),
    );
    assert_eq!(refused_fields(&chat, leaky).await, ["url"]);
    let generic = webhook("generic", "https://example.com/", &json!({"a": "b"}));
    assert_eq!(refused_fields(&chat, generic).await, ["options.a"]);
}

#[tokio::test]
async fn one_message_per_incident_needs_the_order_of_its_events() {
    let chat = Chat::start("discord", json!({})).await;
    let mut wanted = webhook("discord", &chat.platform.url, &json!({}));
    wanted["ordering"] = json!("none");
    assert_eq!(refused_fields(&chat, wanted.clone()).await, ["ordering"]);
    wanted["options"] = json!({"messages": "separate"});
    chat.app.api.post("/api/v1/webhooks", wanted).await.expect(201);
}

#[tokio::test]
async fn a_kind_cannot_change() {
    let chat = Chat::start("discord", json!({})).await;
    let path = format!("/api/v1/webhooks/{}", chat.webhook);
    let other = json!({"kind": "slack"});
    let answer = chat.app.api.send("PATCH", &path, Some(other), &[]).await.unwrap();
    assert_eq!(answer.expect(422).json()["errors"][0]["field"], "kind");
}

#[tokio::test]
async fn a_teams_url_that_was_cut_or_copied_from_html_is_refused() {
    let chat = Chat::start("teams", json!({})).await;
    let url = chat.platform.url.clone();
    let html = webhook("teams", &url.replace('&', "&amp;"), &json!({}));
    assert_eq!(refused_fields(&chat, html).await, ["url"]);
    let cut = webhook("teams", url.split_once("&sig=").unwrap().0, &json!({}));
    assert_eq!(refused_fields(&chat, cut).await, ["url"]);
}

#[tokio::test]
async fn a_change_of_the_address_forgets_the_messages_there() {
    let chat = Chat::start("telegram", needed("telegram")).await;
    let incident = chat.app.trigger("in the first chat").await;
    chat.settle(1).await;
    chat.change(json!({"options": {"chat": "4712"}})).await;
    chat.app.act(&incident, "acknowledge").await;
    chat.settle(2).await;
    assert_eq!(chat.platform.texts().len(), 2);
}

#[tokio::test]
async fn a_token_does_not_go_to_another_host_because_the_address_changes() {
    let chat = Chat::start("telegram", needed("telegram")).await;
    let path = format!("/api/v1/webhooks/{}", chat.webhook);
    let elsewhere = json!({"url": "https://elsewhere.example/"});
    let answer = chat
        .app
        .api
        .send("PATCH", &path, Some(elsewhere), &[])
        .await
        .unwrap();
    assert_eq!(answer.expect(422).json()["errors"][0]["code"], "secrets_missing");
    let with_token =
        json!({"url": "https://elsewhere.example/", "options": {"token": super::TELEGRAM_TOKEN}});
    chat.change(with_token).await;
}

#[tokio::test]
async fn a_webhook_that_is_sent_back_as_it_was_read_keeps_its_secret_url() {
    let chat = Chat::start("teams", json!({})).await;
    let url = chat.shown().await["url"].clone();
    chat.change(json!({"name": "renamed", "url": url})).await;
    chat.app.trigger("still there").await;
    chat.settle(1).await;
    assert_eq!(chat.platform.texts().len(), 1);
}

#[tokio::test]
async fn a_send_test_that_succeeds_ends_what_the_breaker_believed() {
    let chat = Chat::start("telegram", needed("telegram")).await;
    chat.platform.fail_next("unauthorized");
    chat.app.trigger("Disk full").await;
    chat.delivery(1).await;
    assert_eq!(chat.shown().await["status"], "degraded");
    let path = format!("/api/v1/webhooks/{}/test", chat.webhook);
    chat.app.api.post(&path, json!({})).await.expect(200);
    chat.app.quiesce().await;
    assert_eq!(chat.shown().await["status"], "enabled");
}

#[tokio::test]
async fn a_preview_of_another_kind_is_refused() {
    let chat = Chat::start("slack", json!({})).await;
    let admin = crate::web::people::person(&chat.app, model::access::Role::Admin).await;
    admin.get("/settings/integrations").await.expect(200);
    let fields = [("webhook", chat.webhook.as_str())];
    admin
        .submit("/settings/integrations/preview/google_chat", &fields)
        .await
        .expect(404);
    admin
        .submit("/settings/integrations/preview/slack", &fields)
        .await
        .expect(200);
}

#[tokio::test]
async fn times_are_written_in_the_zone_and_by_the_clock_of_the_webhook() {
    let chat = Chat::start("google_chat", json!({})).await;
    chat.app.trigger("as it always was").await;
    chat.settle(1).await;
    assert!(chat.platform.texts()[0].contains(" UTC"));
    chat.change(json!({"options": {"timeZone": "Asia/Tokyo", "clock": "hours12"}}))
        .await;
    chat.app.trigger("far away").await;
    chat.settle(2).await;
    let text = chat.platform.texts().pop().unwrap();
    assert!(text.contains("pm JST") && !text.contains("UTC"), "{text}");
    for (name, value) in [("timeZone", "Tokio"), ("clock", "13")] {
        let wrong = webhook("google_chat", &chat.platform.url, &json!({ name: value }));
        assert_eq!(refused_fields(&chat, wrong).await, [format!("options.{name}")]);
    }
    let none = webhook(
        "discord",
        "https://discord.com/api/webhooks/1/t",
        &json!({"timeZone": "UTC"}),
    );
    assert_eq!(refused_fields(&chat, none).await, ["options.timeZone"]);
}
