//! URLs and tokens of platforms are secrets: nowhere to be read once they are saved.

use serde_json::{Value, json};

use model::access::Role;

use super::{Chat, SLACK_TOKEN, TELEGRAM_TOKEN, needed};
use crate::web::people;

/// Everything that the API and the pages say of a webhook and its deliveries to an administrator.
async fn everything(chat: &Chat) -> String {
    chat.app.trigger("Disk full").await;
    chat.settle(1).await;
    let api = &chat.app.api;
    let delivery = chat.delivery(1).await;
    let id = delivery["id"].as_str().unwrap();
    let mut texts = vec![delivery.to_string(), chat.shown().await.to_string()];
    for path in ["webhooks", "audit-log", "events"] {
        texts.push(api.get(&format!("/api/v1/{path}")).await.text);
    }
    let admin = people::person(&chat.app, Role::Admin).await;
    let webhook = &chat.webhook;
    let pages = [
        format!("/settings/integrations/{webhook}"),
        format!("/settings/integrations/{webhook}/edit"),
        "/settings/integrations".to_owned(),
        format!("/deliveries/{id}"),
    ];
    for page in pages {
        texts.push(admin.get(&page).await.expect(200).html);
    }
    texts.join("\n")
}

/// The part of a URL that only its owner knows: its last segment and its query.
fn secret_part(url: &str) -> String {
    let path = url.split('?').next().unwrap();
    path.rsplit('/').next().unwrap().to_owned()
}

#[tokio::test]
async fn no_url_of_a_platform_can_be_read_back() {
    for kind in ["discord", "slack", "teams", "google_chat"] {
        let chat = Chat::start(kind, json!({})).await;
        let said = everything(&chat).await;
        let path = chat.platform.url.trim_start_matches(&chat.platform.address);
        assert!(path.len() > 1 && !said.contains(path), "{kind}: {path} is said");
        let secret = secret_part(&chat.platform.url);
        let is_token = secret.len() > 12;
        assert!(!is_token || !said.contains(&secret), "{kind}: {secret} is said");
    }
}

#[tokio::test]
async fn no_token_can_be_read_back() {
    let chat = Chat::start("telegram", needed("telegram")).await;
    assert!(!everything(&chat).await.contains(TELEGRAM_TOKEN));
    assert_eq!(chat.shown().await["secretOptions"], json!(["token"]));
    let chat = Chat::start("slack", json!({})).await;
    let api = format!("{}/api/", chat.platform.address);
    chat.change(json!({"url": api, "options": {"token": SLACK_TOKEN, "channel": "C0123456789"}}))
        .await;
    assert!(!everything(&chat).await.contains(SLACK_TOKEN));
}

#[tokio::test]
async fn no_link_that_acts_can_be_read_from_the_log() {
    let chat = Chat::start("discord", json!({})).await;
    let said = everything(&chat).await;
    let sent = chat.platform.seen()[0].body.clone();
    let (_, link) = sent.split_once("/act/").unwrap();
    let token: String = link
        .chars()
        .skip_while(|character| *character != '/')
        .skip(1)
        .take_while(|character| character.is_ascii_alphanumeric() || "-_".contains(*character))
        .collect();
    assert!(token.len() > 40 && !said.contains(&token), "{token}");
}

#[tokio::test]
async fn a_secret_stays_when_other_things_change_and_goes_when_it_is_taken_away() {
    let chat = Chat::start("telegram", needed("telegram")).await;
    chat.change(json!({"name": "renamed", "options": {"silent": "all"}}))
        .await;
    chat.app.trigger("still works").await;
    chat.settle(1).await;
    let path = format!("/api/v1/webhooks/{}", chat.webhook);
    let taken = json!({"options": {"token": Value::Null}});
    let answer = chat.app.api.send("PATCH", &path, Some(taken), &[]).await.unwrap();
    let problem = answer.expect(422).json();
    assert_eq!(problem["errors"][0]["field"], "options.token");
}
