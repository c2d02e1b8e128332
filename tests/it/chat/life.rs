//! One message per incident, which lives with it.

use serde_json::json;

use super::{Chat, SLACK_TOKEN, needed};

/// Triggers, acknowledges and resolves one incident; the texts of the messages that stand there in the end.
async fn live_through(chat: &Chat) -> Vec<String> {
    let incident = chat.app.trigger("Database connection timeout").await;
    chat.settle(1).await;
    chat.app.act(&incident, "acknowledge").await;
    chat.settle(2).await;
    chat.app.act(&incident, "resolve").await;
    chat.settle(3).await;
    chat.platform.texts()
}

#[tokio::test]
async fn on_discord_one_message_is_edited_through_an_incidents_life() {
    let chat = Chat::start("discord", json!({})).await;
    let texts = live_through(&chat).await;
    assert_eq!(texts.len(), 1);
    assert!(
        texts[0].contains("Database connection timeout") && texts[0].contains("Resolved"),
        "{}",
        texts[0]
    );
    let methods: Vec<_> = chat.platform.seen().into_iter().map(|seen| seen.method).collect();
    assert_eq!(methods, ["POST", "PATCH", "PATCH"]);
    assert_eq!(chat.platform.messages()[0].accent, Some(0x0016_a34a));
}

#[tokio::test]
async fn on_telegram_one_message_is_edited_through_an_incidents_life() {
    let chat = Chat::start("telegram", needed("telegram")).await;
    let texts = live_through(&chat).await;
    assert_eq!(texts.len(), 1);
    assert!(texts[0].contains("Resolved"), "{}", texts[0]);
}

#[tokio::test]
async fn a_slack_bot_edits_one_message_through_an_incidents_life() {
    let chat = Chat::start("slack", json!({})).await;
    let api = format!("{}/api/", chat.platform.address);
    let options = json!({"token": SLACK_TOKEN, "channel": "C0123456789"});
    chat.change(json!({"url": api, "options": options})).await;
    let texts = live_through(&chat).await;
    assert_eq!(texts.len(), 1, "{texts:#?}");
    assert!(texts[0].contains("Resolved"), "{}", texts[0]);
}

#[tokio::test]
async fn a_slack_bot_can_answer_in_a_thread() {
    let chat = Chat::start("slack", json!({})).await;
    let api = format!("{}/api/", chat.platform.address);
    let options = json!({"token": SLACK_TOKEN, "channel": "C0123456789", "messages": "thread"});
    chat.change(json!({"url": api, "options": options})).await;
    assert_eq!(live_through(&chat).await.len(), 3);
    let bodies: Vec<_> = chat.platform.seen().into_iter().map(|seen| seen.body).collect();
    assert!(
        !bodies[0].contains("thread_ts") && bodies[2].contains("thread_ts"),
        "{bodies:#?}"
    );
}

#[tokio::test]
async fn on_google_chat_all_events_of_an_incident_are_one_thread() {
    let chat = Chat::start("google_chat", json!({})).await;
    assert_eq!(live_through(&chat).await.len(), 3);
    let incidents = chat.app.api.get("/api/v1/incidents").await.json();
    let key = incidents["items"][0]["id"].as_str().unwrap().to_owned();
    assert!(chat.platform.seen().iter().all(|seen| seen.body.contains(&key)));
}

#[tokio::test]
async fn on_teams_each_event_is_a_card_of_its_own_and_only_accepted() {
    let chat = Chat::start("teams", json!({})).await;
    assert_eq!(live_through(&chat).await.len(), 3);
    let id = chat.app.deliveries("limit=1").await[0]["id"]
        .as_str()
        .unwrap()
        .to_owned();
    let delivery = chat.app.wait_for_attempts(&id, 1).await;
    assert_eq!(delivery["attempts"][0]["outcome"], "accepted");
    let viewer = crate::web::people::person(&chat.app, model::access::Role::Viewer).await;
    let page = viewer.get(&format!("/deliveries/{id}")).await.expect(200).html;
    assert!(
        page.contains(">Accepted<") && !page.contains(">Delivered<"),
        "{page}"
    );
}

#[tokio::test]
async fn the_message_of_an_incident_survives_a_restart_of_the_server() {
    let directory = tempfile::tempdir().unwrap();
    let app = crate::support::test_app::TestApp::start(directory.path()).await;
    let platform = crate::support::platform::Platform::start("discord").await;
    app.create_service().await;
    super::create(&app, &platform, "discord", json!({})).await;
    let incident = app.trigger("before the restart").await;
    app.wait_for("status=delivered", 1).await;
    let app = app.restart(directory.path()).await;
    app.advance(std::time::Duration::from_secs(5));
    app.act(&incident, "resolve").await;
    app.wait_for("status=delivered", 2).await;
    assert_eq!(platform.texts().len(), 1);
}

#[tokio::test]
async fn separate_messages_are_separate() {
    let chat = Chat::start("discord", json!({"messages": "separate"})).await;
    assert_eq!(live_through(&chat).await.len(), 3);
}

#[tokio::test]
async fn an_incident_is_never_told_in_the_message_of_another() {
    let chat = Chat::start("discord", json!({})).await;
    let first = chat.app.trigger("first").await;
    chat.settle(1).await;
    chat.app.trigger("second").await;
    chat.settle(2).await;
    chat.app.act(&first, "resolve").await;
    chat.settle(3).await;
    let texts = chat.platform.texts();
    assert!(
        texts[0].contains("first") && texts[0].contains("Resolved"),
        "{texts:#?}"
    );
    assert!(
        texts[1].contains("second") && !texts[1].contains("Resolved"),
        "{texts:#?}"
    );
}
