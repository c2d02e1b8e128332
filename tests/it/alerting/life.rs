//! An incident's life, as each service is told of it.

use serde_json::{Value, json};

use super::{API_KEY, ROUTING_KEY, TOPIC, needed};
use crate::chat::Chat;

/// The last line of every alert that stands there.
fn states(chat: &Chat) -> Vec<String> {
    let texts = chat.platform.texts();
    let last = texts.iter().filter_map(|text| text.lines().last());
    last.map(str::to_owned).collect()
}

/// Lets an incident live, and gives how its alerts stand after each event.
async fn live(kind: &str) -> Vec<Vec<String>> {
    let chat = Chat::start(kind, needed(kind)).await;
    chat.platform.take_time_from(chat.app.source());
    let incident = chat.app.trigger("Disk full").await;
    chat.settle(1).await;
    let mut seen = vec![states(&chat)];
    for (count, action) in ["acknowledge", "resolve", "reopen"].iter().enumerate() {
        chat.app.act(&incident, action).await;
        chat.settle(count + 2).await;
        seen.push(states(&chat));
    }
    seen
}

#[tokio::test]
async fn an_alert_in_pagerduty_follows_its_incident() {
    let expected = [
        vec!["triggered"],
        vec!["acknowledged"],
        vec!["resolved"],
        vec!["resolved", "triggered"],
    ];
    assert_eq!(live("pagerduty").await, expected);
}

#[tokio::test]
async fn an_alert_in_opsgenie_follows_its_incident() {
    let expected = [
        vec!["open"],
        vec!["acknowledged"],
        vec!["closed"],
        vec!["closed", "open"],
    ];
    assert_eq!(live("opsgenie").await, expected);
}

#[tokio::test]
async fn an_alert_in_alertmanager_fires_until_its_incident_is_resolved() {
    let expected = [vec!["firing"], vec!["firing"], vec!["resolved"], vec!["firing"]];
    assert_eq!(live("alertmanager").await, expected);
}

#[tokio::test]
async fn a_notification_of_ntfy_is_kept_up_to_date_and_an_alarm_is_a_new_one() {
    let counts: Vec<_> = live("ntfy").await.iter().map(Vec::len).collect();
    assert_eq!(counts, [1, 1, 1, 2]);
}

#[tokio::test]
async fn keys_and_topics_are_nowhere_to_be_read() {
    for (kind, secret) in [("pagerduty", ROUTING_KEY), ("opsgenie", API_KEY), ("ntfy", TOPIC)] {
        let chat = Chat::start(kind, needed(kind)).await;
        chat.app.trigger("Disk full").await;
        chat.settle(1).await;
        let seen = chat.platform.seen().pop().unwrap();
        let said = format!("{:?} {}", seen.headers, seen.body);
        assert!(said.contains(secret), "{kind} sends no key");
        let shown = [chat.delivery(1).await.to_string(), chat.shown().await.to_string()];
        assert!(!shown.concat().contains(secret), "{kind}: {shown:?}");
    }
}

#[tokio::test]
async fn a_refused_alert_is_sent_bare_at_once() {
    for (kind, fault) in [
        ("pagerduty", "invalid_event"),
        ("opsgenie", "unprocessable"),
        ("alertmanager", "bad_request"),
        ("ntfy", "invalid_message"),
    ] {
        let chat = Chat::start(kind, needed(kind)).await;
        chat.platform.fail_next(fault);
        chat.app.trigger("Disk full").await;
        chat.settle(1).await;
        let delivery = chat.delivery(2).await;
        assert_eq!(delivery["status"], "delivered", "{kind}: {delivery:#}");
        assert_eq!(delivery["attempts"][0]["failure"]["code"], "message_refused");
        let [full, bare] = &chat.platform.seen()[..] else {
            panic!("{kind}: two requests");
        };
        assert!(
            bare.body.len() < full.body.len() && bare.body.contains("Disk full"),
            "{kind}"
        );
    }
}

#[tokio::test]
async fn a_refused_key_holds_the_events_for_the_next_one() {
    let chat = Chat::start("pagerduty", json!({"routingKey": "0".repeat(32)})).await;
    chat.app.trigger("Disk full").await;
    let first = chat.delivery(1).await;
    assert_eq!(first["attempts"][0]["failure"]["code"], "settings_refused");
    chat.app.advance(std::time::Duration::from_secs(90));
    assert_eq!(chat.delivery(2).await["status"], "held");
    chat.change(needed_change()).await;
    let enable = format!("/api/v1/webhooks/{}/enable", chat.webhook);
    chat.app.api.post(&enable, json!({})).await.expect(200);
    chat.settle(1).await;
    assert_eq!(states(&chat), ["triggered"]);
}

fn needed_change() -> Value {
    json!({"options": needed("pagerduty")})
}
