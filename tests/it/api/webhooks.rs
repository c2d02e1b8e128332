//! Webhooks: settings, secrets, and what is done to them.

use axum::http::Method;
use serde_json::{Value, json};

use super::server::Server;

const WEBHOOKS: &str = "/api/v1/webhooks";

fn with(mut changes: Value) -> Value {
    let mut body =
        json!({ "name": "Ops", "url": "https://example.com/hook", "events": ["incident.triggered"] });
    body.as_object_mut()
        .unwrap()
        .append(changes.as_object_mut().unwrap());
    body
}

async fn mistakes(server: &Server, changes: Value) -> Vec<String> {
    let answer = server.post(WEBHOOKS, with(changes)).await;
    assert_eq!(answer.problem(), (422, "invalid_fields".into()));
    let problem = answer.json();
    let errors = problem["errors"].as_array().unwrap().iter();
    errors
        .map(|error| error["field"].as_str().unwrap().to_owned())
        .collect()
}

#[tokio::test]
async fn a_webhook_has_the_defaults_of_the_contract() {
    let server = Server::start().await;
    let webhook = server.webhook().await;
    assert_eq!(webhook["kind"], "generic");
    assert_eq!(webhook["retrySchedule"], json!(["1m", "5m", "15m"]));
    assert_eq!(
        (&webhook["timeout"], &webhook["concurrency"]),
        (&json!("10s"), &json!(16))
    );
    assert_eq!(
        (&webhook["ordering"], &webhook["whenDisabled"]),
        (&json!("incident"), &json!("hold"))
    );
    assert_eq!(
        (&webhook["status"], &webhook["rate"]),
        (&json!("enabled"), &Value::Null)
    );
    assert!(webhook["secret"].as_str().unwrap().starts_with("whsec_"));
}

#[tokio::test]
async fn every_setting_is_kept_and_secrets_are_never_read_back() {
    let server = Server::start().await;
    let service = server.service("API").await;
    let settings = json!({
        "secret": "typed by hand", "filter": "severity == \"critical\"", "services": [service],
        "severities": ["critical"], "headers": { "X-Token": "top secret" }, "retrySchedule": ["30s"],
        "timeout": "5s", "concurrency": 2, "rate": "100/m", "ordering": "none", "whenDisabled": "drop",
        "canary": "6h", "enabled": false,
    });
    let made = server.post(WEBHOOKS, with(settings)).await.json();
    assert_eq!(made["secret"], "typed by hand");
    let read = server
        .get(&format!("{WEBHOOKS}/{}", made["id"].as_str().unwrap()))
        .await;
    assert!(!read.text().contains("typed by hand") && !read.text().contains("top secret"));
    let webhook = read.json();
    assert_eq!(webhook["headers"], json!(["X-Token"]));
    assert_eq!(webhook["status"], "disabled");
    assert_eq!(
        (&webhook["rate"], &webhook["retrySchedule"]),
        (&json!("100/m"), &json!(["30s"]))
    );
    assert_eq!(
        (&webhook["ordering"], &webhook["services"]),
        (&json!("none"), &json!([service]))
    );
    assert_eq!(
        (&webhook["canary"], &webhook["lastCanary"]),
        (&json!("6h"), &Value::Null)
    );
}

#[tokio::test]
async fn every_wrong_setting_is_named() {
    let server = Server::start().await;
    let wrong = json!({
        "name": "", "url": "ftp://example.com", "events": ["incident.gone"], "kind": "pigeon", "filter": "1 +",
        "services": ["svc_no"], "severities": ["bad"], "headers": { "Host": "x" }, "retrySchedule": ["1y"],
        "timeout": "31s", "concurrency": 0, "rate": "1/h", "ordering": "random", "whenDisabled": "explode",
        "canary": "90m",
        "secret": "", "tls": { "caPem": "no pem", "identityPem": "no pem" },
    });
    let expected = [
        "kind",
        "name",
        "events[0]",
        "filter",
        "services[0]",
        "severities[0]",
        "retrySchedule[0]",
        "timeout",
        "concurrency",
        "rate",
        "ordering",
        "whenDisabled",
        "canary",
        "headers.Host",
        "url",
        "secret",
        "tls.caPem",
        "tls.identityPem",
    ];
    assert_eq!(mistakes(&server, wrong).await, expected);
    assert_eq!(mistakes(&server, json!({ "events": [] })).await, ["events"]);
    assert_eq!(
        mistakes(&server, json!({ "url": "http://169.254.169.254/" })).await,
        ["url"]
    );
}

#[tokio::test]
async fn name_url_and_events_are_required() {
    let server = Server::start().await;
    let answer = server.post(WEBHOOKS, json!({})).await.json();
    let fields: Vec<_> = answer["errors"]
        .as_array()
        .unwrap()
        .iter()
        .map(|error| &error["field"])
        .collect();
    assert_eq!(fields, ["name", "events", "url"]);
}

#[tokio::test]
async fn changing_keeps_what_is_absent_and_null_brings_the_default_back() {
    let server = Server::start().await;
    let made = server
        .post(WEBHOOKS, with(json!({ "timeout": "5s", "rate": "5/s" })))
        .await
        .json();
    let path = format!("{WEBHOOKS}/{}", made["id"].as_str().unwrap());
    let named = server
        .send_json(Method::PATCH, &path, &[], json!({ "name": "New" }))
        .await
        .json();
    assert_eq!(
        (&named["name"], &named["timeout"], &named["rate"]),
        (&json!("New"), &json!("5s"), &json!("5/s"))
    );
    let reset = json!({ "timeout": null, "rate": null, "enabled": false });
    let reset = server.send_json(Method::PUT, &path, &[], reset).await.json();
    assert_eq!((&reset["timeout"], &reset["rate"]), (&json!("10s"), &Value::Null));
    assert_eq!(reset["status"], "disabled");
    let secret = server
        .send_json(Method::PATCH, &path, &[], json!({ "secret": "x" }))
        .await;
    assert_eq!(secret.json()["errors"][0]["code"], "not_changeable");
}

#[tokio::test]
async fn disabling_says_since_when_and_why_and_enabling_forgets_it() {
    let server = Server::start().await;
    let id = server.webhook().await["id"].as_str().unwrap().to_owned();
    let disabled = server
        .post(
            &format!("{WEBHOOKS}/{id}/disable"),
            json!({ "reason": "moving house" }),
        )
        .await
        .json();
    assert_eq!(
        (&disabled["status"], &disabled["statusReason"]),
        (&json!("disabled"), &json!("moving house"))
    );
    assert!(disabled["statusSince"].is_string());
    let enabled = server
        .post(&format!("{WEBHOOKS}/{id}/enable"), json!({}))
        .await
        .json();
    assert_eq!(
        (&enabled["status"], &enabled["statusReason"]),
        (&json!("enabled"), &Value::Null)
    );
}

#[tokio::test]
async fn a_secret_that_only_looks_like_a_standard_one_is_refused_with_words() {
    let server = Server::start().await;
    for broken in [
        "whsec_",
        "whsec_!!!!",
        "v1,whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
    ] {
        let answer = server.post(WEBHOOKS, with(json!({ "secret": broken }))).await;
        let error = answer.json()["errors"][0].clone();
        assert_eq!(
            (&error["field"], &error["code"]),
            (&json!("secret"), &json!("invalid_value"))
        );
        assert!(error["detail"].as_str().unwrap().contains("whsec_"), "{error}");
    }
    let id = server.webhook().await["id"].as_str().unwrap().to_owned();
    let rotate = format!("{WEBHOOKS}/{id}/rotate-secret");
    let broken = server.post(&rotate, json!({ "secret": "whsec_!!!!" })).await;
    assert_eq!(broken.problem(), (422, "invalid_fields".into()));
    let unpadded = server.post(&rotate, json!({ "secret": "whsec_-_8AAQ" })).await;
    assert_eq!(unpadded.status, 200, "{}", unpadded.text());
}

#[tokio::test]
async fn rotating_shows_the_new_secret_once_and_keeps_the_old_one_for_a_while() {
    let server = Server::start().await;
    let webhook = server.webhook().await;
    let path = format!("{WEBHOOKS}/{}", webhook["id"].as_str().unwrap());
    let rotated = server
        .post(&format!("{path}/rotate-secret"), json!({ "overlap": "1h" }))
        .await
        .json();
    assert_ne!(rotated["secret"], webhook["secret"]);
    assert!(rotated["previousSecretUntil"].is_string());
    assert_eq!(server.get(&path).await.json().get("secret"), None);
    let wrong = server
        .post(&format!("{path}/rotate-secret"), json!({ "overlap": "31d" }))
        .await;
    assert_eq!(wrong.json()["errors"][0]["field"], "overlap");
}

#[tokio::test]
async fn a_test_answers_with_the_delivery_and_its_attempt() {
    let server = Server::start().await;
    let id = server.webhook().await["id"].as_str().unwrap().to_owned();
    let path = format!("{WEBHOOKS}/{id}/test");
    let test = server
        .post(&path, json!({ "event": "incident.resolved" }))
        .await
        .json();
    assert_eq!(
        (&test["isTest"], &test["event"]),
        (&json!(true), &json!("incident.resolved"))
    );
    assert_eq!(test["payload"]["incident"]["status"], "resolved");
    assert_eq!(test["attempts"][0]["outcome"], "delivered");
    let wrong = server.post(&path, json!({ "event": "incident.exploded" })).await;
    assert_eq!(wrong.problem(), (422, "invalid_fields".into()));
}

#[tokio::test]
async fn a_deleted_webhook_is_gone() {
    let server = Server::start().await;
    let path = format!("{WEBHOOKS}/{}", server.webhook().await["id"].as_str().unwrap());
    assert_eq!(
        server
            .send(server.request(Method::DELETE, &path), "")
            .await
            .status,
        204
    );
    assert_eq!(server.get(&path).await.problem(), (404, "not_found".into()));
    assert_eq!(
        server.post(&format!("{path}/test"), json!({})).await.problem(),
        (404, "not_found".into())
    );
}

#[tokio::test]
async fn changes_at_the_same_time_lose_nothing_of_each_other() {
    let server = Server::start().await;
    let made = server.webhook().await;
    let path = format!("{WEBHOOKS}/{}", made["id"].as_str().unwrap());
    let change = |body| server.send_json(Method::PATCH, &path, &[], body);
    let (named, timed, limited) = tokio::join!(
        change(json!({ "name": "New" })),
        change(json!({ "timeout": "3s" })),
        change(json!({ "concurrency": 3 })),
    );
    assert_eq!([named.status, timed.status, limited.status], [200; 3]);
    let webhook = server.get(&path).await.json();
    assert_eq!(
        (&webhook["name"], &webhook["timeout"], &webhook["concurrency"]),
        (&json!("New"), &json!("3s"), &json!(3))
    );
}
