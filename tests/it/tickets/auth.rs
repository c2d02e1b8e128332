//! Who we are to a ticket system: passwords, tokens, access tokens that end.

use std::time::Duration;

use serde_json::{Value, json};

use super::Desk;

/// Kinds that fetch access tokens.
const WITH_ACCESS_TOKENS: [&str; 2] = ["jira", "servicenow"];

/// Every attempt of every delivery, as the API shows it.
async fn attempts(desk: &Desk) -> Vec<Value> {
    let mut all = Vec::new();
    for delivery in desk.app.deliveries("").await {
        let path = format!("/api/v1/deliveries/{}", delivery["id"].as_str().unwrap());
        let detail = desk.app.api.get(&path).await.expect(200).json();
        all.extend(detail["attempts"].as_array().unwrap().clone());
    }
    all
}

fn oauth(kind: &str) -> Value {
    match kind {
        "jira" => json!({"auth": "oauth", "clientId": "id", "clientSecret": "good-client-secret",
                         "site": "https://example.atlassian.net"}),
        _ => json!({"auth": "oauth_client", "clientId": "good-client", "clientSecret": "good-client-secret"}),
    }
}

async fn start(kind: &'static str) -> Desk {
    let mut options = oauth(kind);
    if kind == "jira" {
        let system = crate::support::platform::Platform::start(kind).await;
        options["tokenUrl"] = json!(format!("{}/oauth/token", system.address));
        return Desk::start_at(kind, options, system).await;
    }
    Desk::start(kind, options).await
}

#[tokio::test]
async fn an_access_token_is_fetched_once_used_and_never_shown() {
    for kind in WITH_ACCESS_TOKENS {
        let desk = start(kind).await;
        desk.app.trigger("one").await;
        desk.settle(1).await;
        desk.app.trigger("two").await;
        desk.settle(2).await;
        let fetched = desk
            .system
            .seen()
            .into_iter()
            .filter(|seen| seen.target.contains("oauth"))
            .count();
        assert_eq!(fetched, 1, "{}", desk.story().await);
        let token = desk.system.seen().iter().rev().find_map(|seen| {
            let value = seen.headers.get("authorization")?.to_str().ok()?;
            value.strip_prefix("Bearer ").map(str::to_owned)
        });
        let shown = json!(attempts(&desk).await).to_string();
        assert!(shown.contains("got an access token"), "{shown}");
        assert!(
            !shown.contains(&token.unwrap()) && !shown.contains("good-client-secret"),
            "{shown}"
        );
    }
}

#[tokio::test]
async fn an_access_token_that_ends_early_is_fetched_anew_at_once() {
    for kind in WITH_ACCESS_TOKENS {
        let desk = start(kind).await;
        desk.app.trigger("one").await;
        desk.settle(1).await;
        desk.app.advance(Duration::from_secs(120));
        desk.system.fail_next("expired");
        desk.app.trigger("two").await;
        desk.settle(2).await;
        let fetched = desk
            .system
            .seen()
            .into_iter()
            .filter(|seen| seen.target.contains("oauth"))
            .count();
        assert_eq!(fetched, 2, "{}", desk.story().await);
        assert_eq!(desk.tickets().len(), 2, "{}", desk.story().await);
    }
}

#[tokio::test]
async fn a_token_call_that_fails_has_a_code_of_its_own() {
    for (kind, secret) in [("jira", "clientSecret"), ("servicenow", "clientSecret")] {
        let mut options = oauth(kind);
        options[secret] = json!("bad-secret");
        let system = crate::support::platform::Platform::start(kind).await;
        if kind == "jira" {
            options["tokenUrl"] = json!(format!("{}/oauth/token", system.address));
        }
        let desk = Desk::start_at(kind, options, system).await;
        desk.app.trigger("no token").await;
        let delivery = desk.app.wait_for("", 1).await[0]["id"]
            .as_str()
            .unwrap()
            .to_owned();
        let detail = desk.app.wait_for_attempts(&delivery, 1).await;
        assert_eq!(
            detail["attempts"][0]["failure"]["code"], "token_failed",
            "{detail:#}"
        );
        assert_eq!(detail["status"], "scheduled", "{detail:#}");
    }
}

#[tokio::test]
async fn wrong_credentials_hold_the_events_and_say_what_to_do() {
    for (kind, secret) in [
        ("jira", "token"),
        ("servicenow", "password"),
        ("github", "token"),
        ("gitlab", "token"),
    ] {
        let desk = Desk::start(kind, json!({secret: "bad-secret"})).await;
        let incident = desk.app.trigger("who are we").await;
        let delivery = desk.app.wait_for("", 1).await[0]["id"]
            .as_str()
            .unwrap()
            .to_owned();
        desk.app.wait_for_attempts(&delivery, 1).await;
        desk.app.advance(Duration::from_secs(120));
        let detail = desk.app.wait_for_attempts(&delivery, 2).await;
        assert_eq!(detail["status"], "held", "{detail:#}");
        let webhook = desk
            .app
            .api
            .get(&format!("/api/v1/webhooks/{}", desk.webhook))
            .await
            .expect(200)
            .json();
        assert_eq!(webhook["enabled"], false, "{webhook:#}");
        // Put right and enabled, the event goes out and makes its one ticket.
        let path = format!("/api/v1/webhooks/{}", desk.webhook);
        let right = json!({"options": {secret: "good-secret"}, "enabled": true});
        desk.app
            .api
            .send("PATCH", &path, Some(right), &[])
            .await
            .unwrap()
            .expect(200);
        desk.settle(1).await;
        assert_eq!(desk.tickets().len(), 1);
        assert_eq!(desk.link(&incident).await["state"], "linked");
    }
}

#[tokio::test]
async fn a_rate_limit_is_waited_for_and_spends_no_attempt() {
    for (kind, fault) in [
        ("jira", "burst"),
        ("servicenow", "limited"),
        ("github", "burst"),
        ("gitlab", "limited"),
    ] {
        let desk = Desk::start(kind, json!({})).await;
        desk.system.fail_next(fault);
        desk.app.trigger("slowly").await;
        desk.settle(1).await;
        let failures: Vec<_> = attempts(&desk)
            .await
            .into_iter()
            .filter(|attempt| attempt["outcome"] == "failed")
            .collect();
        assert_eq!(failures.len(), 1, "{failures:#?}");
        assert_eq!(failures[0]["failure"]["code"], "rate_limited");
        assert_eq!(failures[0]["failure"]["retryAfterSeconds"], 2, "{failures:#?}");
        assert_eq!(desk.tickets().len(), 1);
    }
}
