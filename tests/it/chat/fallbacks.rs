//! What happens when a message, a thread or a chat is no longer where it was, or a message is refused.

use serde_json::{Value, json};

use super::{Chat, needed};

fn failures(delivery: &Value) -> Vec<&str> {
    let attempts = delivery["attempts"].as_array().unwrap();
    attempts
        .iter()
        .map(|attempt| attempt["failure"]["code"].as_str().unwrap_or("none"))
        .collect()
}

/// An incident whose message meets a fault when it is acknowledged; the delivery of the acknowledgement.
async fn acknowledge_with(chat: &Chat, fault: &str) -> Value {
    let incident = chat.app.trigger("Disk full").await;
    chat.settle(1).await;
    chat.platform.fail_next(fault);
    chat.app.act(&incident, "acknowledge").await;
    chat.settle(2).await;
    let id = chat.app.deliveries("event=incident.acknowledged").await[0]["id"].clone();
    chat.app.wait_for_attempts(id.as_str().unwrap(), 1).await
}

#[tokio::test]
async fn a_deleted_message_on_discord_is_posted_anew_and_edited_from_then_on() {
    let chat = Chat::start("discord", json!({})).await;
    let delivery = acknowledge_with(&chat, "message_deleted").await;
    assert_eq!(failures(&delivery), ["message_lost", "none"]);
    assert_eq!(delivery["attemptsMade"], 2);
    let incident = chat.app.api.get("/api/v1/incidents").await.json()["items"][0]["id"].clone();
    chat.app.act(incident.as_str().unwrap(), "resolve").await;
    chat.settle(3).await;
    let methods: Vec<_> = chat.platform.seen().into_iter().map(|seen| seen.method).collect();
    assert_eq!(methods, ["POST", "PATCH", "POST", "PATCH"]);
    assert!(chat.platform.texts().last().unwrap().contains("Resolved"));
}

#[tokio::test]
async fn a_deleted_message_on_telegram_is_posted_anew() {
    let chat = Chat::start("telegram", needed("telegram")).await;
    let delivery = acknowledge_with(&chat, "deleted").await;
    assert_eq!(failures(&delivery), ["message_lost", "none"]);
}

#[tokio::test]
async fn a_telegram_group_that_moved_is_followed_and_its_address_remembered() {
    let chat = Chat::start("telegram", needed("telegram")).await;
    chat.platform.fail_next("moved");
    chat.app.trigger("after the move").await;
    let delivery = chat.delivery(2).await;
    assert_eq!(failures(&delivery), ["chat_moved", "none"]);
    chat.app.trigger("and later").await;
    chat.settle(2).await;
    let bodies: Vec<_> = chat.platform.seen().into_iter().map(|seen| seen.body).collect();
    let chats: Vec<Value> = bodies
        .iter()
        .map(|body| serde_json::from_str::<Value>(body).unwrap()["chat_id"].clone())
        .collect();
    assert_eq!(chats.len(), 3, "{chats:?}");
    assert!(chats[0] != chats[1] && chats[1] == chats[2], "{chats:?}");
}

#[tokio::test]
async fn a_send_test_follows_a_chat_that_moved() {
    let chat = Chat::start("telegram", needed("telegram")).await;
    chat.platform.fail_next("moved");
    let path = format!("/api/v1/webhooks/{}/test", chat.webhook);
    let answer = chat.app.api.post(&path, json!({})).await.expect(200).json();
    assert_eq!(answer["status"], "delivered", "{answer:#}");
    assert_eq!(failures(&answer), ["chat_moved", "none"]);
}

#[tokio::test]
async fn a_message_that_is_refused_is_sent_once_more_in_plain_words() {
    let chat = Chat::start("google_chat", json!({})).await;
    chat.platform.fail_next("refused_message");
    chat.app.trigger("Disk full").await;
    chat.app.quiesce().await;
    chat.settle(1).await;
    let delivery = chat.delivery(2).await;
    assert_eq!(failures(&delivery), ["message_refused", "none"]);
    assert!(chat.platform.texts()[0].contains("Disk full"));
}

#[tokio::test]
async fn a_follow_up_spends_no_attempt_of_the_schedule() {
    let chat = Chat::start("discord", json!({})).await;
    let incident = chat.app.trigger("Disk full").await;
    chat.settle(1).await;
    chat.platform.fail_next("message_deleted");
    chat.change(json!({"retrySchedule": []})).await;
    chat.app.act(&incident, "acknowledge").await;
    chat.settle(2).await;
    assert_eq!(chat.app.deliveries("status=dead").await.len(), 0);
}

#[tokio::test]
async fn a_replay_of_an_old_event_leaves_the_living_message_alone_and_offers_nothing() {
    let chat = Chat::start("discord", json!({})).await;
    let incident = chat.app.trigger("Disk full").await;
    chat.settle(1).await;
    let first = chat.app.deliveries("").await[0]["id"]
        .as_str()
        .unwrap()
        .to_owned();
    chat.app.act(&incident, "resolve").await;
    chat.settle(2).await;
    chat.app
        .api
        .post(&format!("/api/v1/deliveries/{first}/replay"), json!({}))
        .await
        .expect(200);
    chat.app.advance(std::time::Duration::from_secs(5));
    chat.app.wait_for_attempts(&first, 2).await;
    let texts = chat.platform.texts();
    assert!(texts[0].contains("Resolved"), "{texts:#?}");
    assert!(!chat.platform.seen().pop().unwrap().body.contains("/act/"));
}

#[tokio::test]
async fn an_answer_with_too_long_an_id_is_taken_and_holds_nothing_up() {
    let chat = Chat::start("slack", json!({})).await;
    let answer = json!({"ok": true, "channel": "C1", "ts": "1".repeat(5000)}).to_string();
    let long = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{answer}",
        answer.len()
    );
    let reply = crate::support::receiver::Reply::Raw(Box::leak(long.into_boxed_str()));
    let receiver = crate::support::receiver::Receiver::start(&[reply]).await;
    let options = json!({"token": super::SLACK_TOKEN, "channel": "C0123456789"});
    chat.change(json!({"url": format!("http://{}/api/", receiver.address), "options": options}))
        .await;
    chat.app.trigger("Disk full").await;
    chat.settle(1).await;
}
