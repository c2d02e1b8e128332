//! Acknowledging and resolving from a chat: links that ask first, buttons that prove where they come from.

use std::time::Duration;

use hmac::{Hmac, KeyInit, Mac};
use model::access::Role;
use serde_json::{Value, json};
use sha2::Sha256;

use super::{Chat, SLACK_TOKEN, TELEGRAM_TOKEN};
use crate::support::page_client::{PageClient, SAME_ORIGIN};
use crate::web::people;

/// The paths behind the links of the last message, in their order: to acknowledge, to resolve.
fn links(chat: &Chat) -> Vec<String> {
    let body = chat.platform.seen().pop().unwrap().body;
    let mut links: Vec<String> = Vec::new();
    for part in body.split("/act/").skip(1) {
        let is_of_link = |character: &char| character.is_ascii_alphanumeric() || "-_/".contains(*character);
        let link = format!("/act/{}", part.chars().take_while(is_of_link).collect::<String>());
        if !links.contains(&link) {
            links.push(link);
        }
    }
    links
}

async fn incident(chat: &Chat) -> Value {
    let list = chat.app.api.get("/api/v1/incidents").await.expect(200).json();
    let id = list["items"][0]["id"].as_str().unwrap();
    chat.app
        .api
        .get(&format!("/api/v1/incidents/{id}"))
        .await
        .expect(200)
        .json()
}

async fn with_message() -> Chat {
    let chat = Chat::start("discord", json!({})).await;
    chat.app.trigger("Disk full").await;
    chat.settle(1).await;
    chat
}

#[tokio::test]
async fn opening_a_link_asks_and_pressing_the_button_acts_once_under_the_name_that_was_given() {
    let chat = with_message().await;
    let link = links(&chat).remove(0);
    let nobody = PageClient::new(&chat.app.base());
    let page = nobody.get(&link).await.expect(200);
    assert!(
        page.html.contains("Disk full") && page.html.contains("Acknowledge"),
        "{}",
        page.html
    );
    assert_eq!(incident(&chat).await["status"], "triggered");
    let done = nobody
        .post(&link, &[("person", "Ada")], &[SAME_ORIGIN])
        .await
        .expect(200);
    assert!(done.html.contains("Acknowledged."), "{}", done.html);
    let incident_after = incident(&chat).await;
    assert_eq!(incident_after["status"], "acknowledged");
    let actors = incident_after["timeline"].to_string();
    assert!(actors.contains("Ada (in receiver)"), "{actors}");
    let again = nobody.post(&link, &[], &[SAME_ORIGIN]).await.expect(200);
    assert!(again.html.contains("used before"), "{}", again.html);
}

#[tokio::test]
async fn a_link_acts_on_its_own_incident_until_it_expires() {
    let chat = with_message().await;
    let resolve = links(&chat).remove(1);
    let nobody = PageClient::new(&chat.app.base());
    let mut forged = resolve.clone();
    forged.replace_range(forged.len() - 1.., if resolve.ends_with('A') { "B" } else { "A" });
    let tampered = nobody.post(&forged, &[], &[SAME_ORIGIN]).await;
    assert!(tampered.status == 404 || incident(&chat).await["status"] == "triggered");
    chat.app.advance(Duration::from_secs(24 * 3600 + 10));
    let late = nobody.post(&resolve, &[], &[SAME_ORIGIN]).await.expect(200);
    assert!(late.html.contains("expired"), "{}", late.html);
    assert_eq!(incident(&chat).await["status"], "triggered");
}

#[tokio::test]
async fn another_site_cannot_press_the_button() {
    let chat = with_message().await;
    let link = links(&chat).remove(0);
    let nobody = PageClient::new(&chat.app.base());
    nobody
        .post(&link, &[], &[("sec-fetch-site", "cross-site")])
        .await
        .expect(403);
    assert_eq!(incident(&chat).await["status"], "triggered");
}

#[tokio::test]
async fn who_is_signed_in_acts_by_name() {
    let chat = with_message().await;
    let link = links(&chat).remove(1);
    let responder = people::person(&chat.app, Role::Responder).await;
    responder.get(&link).await.expect(200);
    responder.submit(&link, &[]).await.expect(200);
    let after = incident(&chat).await;
    assert_eq!(after["status"], "resolved");
    assert!(
        after["timeline"].to_string().contains("\"responder "),
        "{after:#}"
    );
}

#[tokio::test]
async fn a_link_of_before_an_incident_was_reopened_does_nothing_to_it() {
    let chat = with_message().await;
    let resolve = links(&chat).remove(1);
    let id = incident(&chat).await["id"].as_str().unwrap().to_owned();
    chat.app.act(&id, "resolve").await;
    chat.app.act(&id, "reopen").await;
    let nobody = PageClient::new(&chat.app.base());
    let page = nobody.post(&resolve, &[], &[SAME_ORIGIN]).await.expect(200);
    assert!(page.html.contains("expired"), "{}", page.html);
    assert_eq!(incident(&chat).await["status"], "triggered");
}

#[tokio::test]
async fn who_knows_the_signing_secret_cannot_make_a_link() {
    let chat = with_message().await;
    let id = incident(&chat).await["id"].as_str().unwrap().to_owned();
    let link = model::action_link::ActionLink {
        action: model::incident::IncidentAction::Resolve,
        incident_id: id.parse().unwrap(),
        expires_at_seconds: u32::MAX,
        event_sequence: 1,
    };
    let secret = model::secret::SecretText::new("my secret ✓");
    let token = link.sign(chat.webhook.parse().unwrap(), &secret);
    let nobody = PageClient::new(&chat.app.base());
    let path = format!("/act/{}/{token}", chat.webhook);
    nobody.post(&path, &[], &[SAME_ORIGIN]).await.expect(404);
    assert_eq!(incident(&chat).await["status"], "triggered");
}

#[tokio::test]
async fn the_links_of_a_test_say_that_it_was_one() {
    let chat = Chat::start("discord", json!({"mention": "@here"})).await;
    let path = format!("/api/v1/webhooks/{}/test", chat.webhook);
    chat.app.api.post(&path, json!({})).await.expect(200);
    assert!(!chat.platform.texts()[0].contains("@here"), "a test calls nobody");
    let link = links(&chat).remove(0);
    let nobody = PageClient::new(&chat.app.base());
    let looked = nobody.get(&link).await.expect(200);
    let pressed = nobody.post(&link, &[], &[SAME_ORIGIN]).await.expect(200);
    assert!(
        looked.html.contains("was a test") && pressed.html.contains("was a test"),
        "{}",
        looked.html
    );
}

#[tokio::test]
async fn links_stop_working_when_acting_is_switched_off() {
    let chat = with_message().await;
    let link = links(&chat).remove(0);
    chat.change(json!({"options": {"actions": "off"}})).await;
    let nobody = PageClient::new(&chat.app.base());
    let page = nobody.post(&link, &[], &[SAME_ORIGIN]).await.expect(200);
    assert!(page.html.contains("switched off"), "{}", page.html);
    assert_eq!(incident(&chat).await["status"], "triggered");
}

async fn call(chat: &Chat, kind: &str, headers: &[(&str, &str)], body: &str) -> (u16, String) {
    let url = format!("{}/inbound/{kind}/{}", chat.app.base(), chat.webhook);
    let mut request = http::Request::post(url);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let request = request.body(http_body_util::Full::new(hyper::body::Bytes::from(
        body.to_owned(),
    )));
    let client =
        hyper_util::client::legacy::Client::builder(hyper_util::rt::TokioExecutor::new()).build_http();
    let response = client.request(request.unwrap()).await.unwrap();
    let status = response.status().as_u16();
    let body = http_body_util::BodyExt::collect(response.into_body())
        .await
        .unwrap();
    (status, String::from_utf8_lossy(&body.to_bytes()).into_owned())
}

fn hmac(key: &str, parts: &[&str]) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(key.as_bytes()).unwrap();
    parts.iter().for_each(|part| mac.update(part.as_bytes()));
    hex::encode(mac.finalize().into_bytes())
}

#[tokio::test]
async fn a_button_in_telegram_acts_if_the_call_proves_where_it_comes_from() {
    let options = json!({"token": TELEGRAM_TOKEN, "chat": "4711", "actions": "buttons"});
    let chat = Chat::start("telegram", options).await;
    chat.app.trigger("Disk full").await;
    chat.settle(1).await;
    let sent: Value = serde_json::from_str(&chat.platform.seen()[0].body).unwrap();
    let data = sent["reply_markup"]["inline_keyboard"].to_string();
    let (_, token) = data.split_once("\"callback_data\":\"").unwrap();
    let token = token.split('"').next().unwrap();
    let update = json!({"update_id": 1, "callback_query": {"id": "q1", "data": token,
        "from": {"id": 5, "is_bot": false, "first_name": "Ada", "last_name": "Lovelace"}}});
    let update = update.to_string();
    let (status, _) = call(
        &chat,
        "telegram",
        &[("x-telegram-bot-api-secret-token", "guess")],
        &update,
    )
    .await;
    assert_eq!(
        (status, incident(&chat).await["status"].clone()),
        (401, json!("triggered"))
    );
    let proof = hmac("my secret ✓", &["opsknight telegram callback 1"]);
    let (status, answer) = call(
        &chat,
        "telegram",
        &[("x-telegram-bot-api-secret-token", &proof)],
        &update,
    )
    .await;
    assert_eq!(status, 200);
    assert!(
        answer.contains("answerCallbackQuery") && answer.contains("Acknowledged"),
        "{answer}"
    );
    let after = incident(&chat).await;
    assert_eq!(after["status"], "acknowledged");
    assert!(
        after["timeline"]
            .to_string()
            .contains("Ada Lovelace (in receiver)")
    );
    chat.settle(2).await;
    assert_eq!(chat.platform.texts().len(), 1);
}

#[tokio::test]
async fn a_button_in_slack_acts_if_its_signature_is_right_and_fresh() {
    let chat = Chat::start("slack", json!({})).await;
    let options = json!({"token": SLACK_TOKEN, "channel": "C0123456789", "actions": "buttons", "signingSecret": "8f742231b10e8888abcd99yyyzzz85a5"});
    let api = format!("{}/api/", chat.platform.address);
    chat.change(json!({"url": api, "options": options})).await;
    chat.app.trigger("Disk full").await;
    chat.settle(1).await;
    let sent = chat.platform.seen().pop().unwrap().body;
    let (_, token) = sent.split_once("\"value\":\"").unwrap();
    let token = token.split('"').next().unwrap();
    let payload = json!({"type": "block_actions", "user": {"id": "U1", "username": "ada", "name": "ada"},
        "actions": [{"type": "button", "action_id": "acknowledge", "value": token}]});
    let body: String = url::form_urlencoded::Serializer::new(String::new())
        .append_pair("payload", &payload.to_string())
        .finish();
    let now = chat.app.source().now().as_seconds();
    let signed = |at: i64| {
        let base = ["v0:", &at.to_string(), ":", &body];
        format!("v0={}", hmac("8f742231b10e8888abcd99yyyzzz85a5", &base))
    };
    let old = (now - 301).to_string();
    let stale = [
        ("x-slack-request-timestamp", old.as_str()),
        ("x-slack-signature", &signed(now - 301)),
    ];
    assert_eq!(call(&chat, "slack", &stale, &body).await.0, 401);
    let time = now.to_string();
    let wrong = [
        ("x-slack-request-timestamp", time.as_str()),
        ("x-slack-signature", "v0=00"),
    ];
    assert_eq!(call(&chat, "slack", &wrong, &body).await.0, 401);
    let right = [
        ("x-slack-request-timestamp", time.as_str()),
        ("x-slack-signature", &signed(now)),
    ];
    assert_eq!(call(&chat, "slack", &right, &body).await.0, 200);
    let after = incident(&chat).await;
    assert_eq!(after["status"], "acknowledged");
    assert!(
        after["timeline"].to_string().contains("ada (in receiver)"),
        "{:#}",
        after["timeline"]
    );
}

#[tokio::test]
async fn kinds_without_callbacks_and_unknown_webhooks_take_no_calls() {
    let chat = with_message().await;
    assert_eq!(call(&chat, "discord", &[], "{}").await.0, 404);
    assert_eq!(call(&chat, "telegram", &[], "{}").await.0, 404);
}
