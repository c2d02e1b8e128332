//! What a receiver gets: the bytes, the headers, the signatures.

use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};
use sha2::Sha256;

use super::{body, header, receiver};
use crate::support::receiver::OK;
use crate::support::test_app::TestApp;

fn hmac_hex(secret: &str, body: &str) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
    mac.update(body.as_bytes());
    hex::encode(mac.finalize().into_bytes())
}

#[tokio::test]
async fn the_default_body_is_exactly_the_documents_and_signed_with_the_secret_as_typed() {
    let directory = tempfile::tempdir().unwrap();
    let app = TestApp::start(directory.path()).await;
    let (mut receiver, url) = receiver(&[OK]).await;
    app.create_service().await;
    app.create_webhook(&url, json!({})).await;
    let incident = app.trigger("Database connection timeout").await;
    let request = receiver.next_request().await;
    let json: Value = serde_json::from_str(body(&request)).unwrap();
    let service = json["incident"]["service"]["id"].as_str().unwrap();
    let expected = format!(
        r#"{{"event":"incident.triggered","timestamp":"2026-01-05T12:00:00Z","incident":{{"id":"{incident}","title":"Database connection timeout","status":"triggered","severity":"critical","service":{{"id":"{service}","name":"API Gateway"}},"assignee":null,"createdAt":"2026-01-05T12:00:00Z"}}}}"#
    );
    assert_eq!(body(&request), expected);
    let signature = format!("sha256={}", hmac_hex("my secret ✓", &expected));
    assert_eq!(
        header(&request, "x-opsknight-signature"),
        Some(signature.as_str())
    );
}

#[tokio::test]
async fn what_is_sent_is_what_the_apis_description_says_of_webhooks() {
    let directory = tempfile::tempdir().unwrap();
    let app = TestApp::start(directory.path()).await;
    let (mut receiver, url) = receiver(&[OK]).await;
    app.create_service().await;
    app.create_webhook(&url, json!({})).await;
    let incident = app.trigger("Database connection timeout").await;
    let document = api::openapi_document();
    app.act(&incident, "acknowledge").await;
    app.act(&incident, "resolve").await;
    for name in ["triggered", "acknowledged", "resolved"] {
        let request = receiver.next_request().await;
        let described = &document["webhooks"][format!("incident.{name}")]["post"];
        let mut schema = described["requestBody"]["content"]["application/json"]["schema"].clone();
        schema["components"] = document["components"].clone();
        schema["unevaluatedProperties"] = false.into();
        let sent: Value = serde_json::from_str(body(&request)).unwrap();
        let validator = jsonschema::draft202012::new(&schema).unwrap();
        let mistakes: Vec<_> = validator
            .iter_errors(&sent)
            .map(|error| error.to_string())
            .collect();
        assert_eq!(mistakes, [""; 0]);
        let parameters = document["components"]["parameters"].as_object().unwrap().values();
        let required = parameters.filter(|parameter| parameter["required"] == true);
        let missing: Vec<_> = required
            .filter(|parameter| header(&request, parameter["name"].as_str().unwrap()).is_none())
            .collect();
        assert_eq!(missing, [&Value::Null; 0]);
    }
}

#[tokio::test]
async fn an_array_is_no_incident() {
    let directory = tempfile::tempdir().unwrap();
    let app = TestApp::start(directory.path()).await;
    app.create_service().await;
    let array = json!(["title", null, null, {"name": "API Gateway"}, null, null]);
    assert_eq!(
        app.api.post("/api/v1/incidents", array).await.expect(422).json()["code"],
        "invalid_body"
    );
}

#[tokio::test]
async fn every_request_says_what_it_is() {
    let directory = tempfile::tempdir().unwrap();
    let app = TestApp::start(directory.path()).await;
    let (mut receiver, url) = receiver(&[OK]).await;
    app.create_service().await;
    app.create_webhook(&url, json!({"headers": {"X-Team": "night shift"}}))
        .await;
    app.trigger("disk full").await;
    let request = receiver.next_request().await;
    let delivery = app.wait_for("status=delivered", 1).await[0]["id"]
        .as_str()
        .unwrap()
        .to_owned();
    assert!(request.starts_with("POST /hooks HTTP/1.1\r\n"), "{request}");
    assert_eq!(header(&request, "content-type"), Some("application/json"));
    assert_eq!(
        header(&request, "user-agent"),
        Some(concat!("OpsKnight/", env!("CARGO_PKG_VERSION")))
    );
    assert_eq!(header(&request, "x-opsknight-event"), Some("incident.triggered"));
    assert_eq!(header(&request, "x-opsknight-delivery"), Some(delivery.as_str()));
    assert_eq!(header(&request, "x-opsknight-attempt"), Some("1"));
    assert_eq!(header(&request, "webhook-id"), Some(delivery.as_str()));
    assert_eq!(header(&request, "webhook-timestamp"), Some("1767614400"));
    assert_eq!(header(&request, "x-team"), Some("night shift"));
    assert_eq!(header(&request, "x-opsknight-test"), None);
}

#[tokio::test]
async fn during_a_rotation_both_secrets_sign_and_afterwards_only_the_new_one() {
    let directory = tempfile::tempdir().unwrap();
    let app = TestApp::start(directory.path()).await;
    let (mut receiver, url) = receiver(&[OK]).await;
    app.create_service().await;
    let webhook = app.create_webhook(&url, json!({})).await;
    let rotation = json!({"secret": "new secret", "overlap": "1h"});
    app.api
        .post(&format!("/api/v1/webhooks/{webhook}/rotate-secret"), rotation)
        .await
        .expect(200);
    let again = json!({"secret": "new secret"});
    app.api
        .post(&format!("/api/v1/webhooks/{webhook}/rotate-secret"), again)
        .await
        .expect(409);
    app.trigger("while both sign").await;
    let request = receiver.next_request().await;
    let signature = |secret| format!("sha256={}", hmac_hex(secret, body(&request)));
    assert_eq!(
        header(&request, "x-opsknight-signature"),
        Some(signature("new secret").as_str())
    );
    assert_eq!(
        header(&request, "x-opsknight-signature-previous"),
        Some(signature("my secret ✓").as_str())
    );
    assert_eq!(
        header(&request, "webhook-signature").unwrap().split(' ').count(),
        2
    );
    app.advance(std::time::Duration::from_secs(3601));
    app.trigger("after the overlap").await;
    let later = receiver.next_request().await;
    assert_eq!(header(&later, "x-opsknight-signature-previous"), None);
}

#[tokio::test]
async fn standard_webhooks_libraries_verify_a_generated_secret() {
    let directory = tempfile::tempdir().unwrap();
    let app = TestApp::start(directory.path()).await;
    let (mut receiver, url) = receiver(&[OK]).await;
    app.create_service().await;
    let webhook = json!({"name": "generated", "url": url, "events": ["incident.triggered"]});
    let secret = app.api.post("/api/v1/webhooks", webhook).await.expect(201).json()["secret"].clone();
    let secret = secret.as_str().unwrap();
    assert!(secret.starts_with("whsec_"));
    app.trigger("who signed this").await;
    let request = receiver.next_request().await;
    let judge = standardwebhooks::Webhook::new(secret).unwrap();
    let delivery = header(&request, "webhook-id").unwrap();
    let signature = judge
        .sign(delivery, 1_767_614_400, body(&request).as_bytes())
        .unwrap();
    assert_eq!(header(&request, "webhook-signature"), Some(signature.as_str()));
}

#[tokio::test]
async fn send_test_makes_one_real_marked_attempt_and_shows_it_in_full() {
    let directory = tempfile::tempdir().unwrap();
    let app = TestApp::start(directory.path()).await;
    let (mut receiver, url) = receiver(&[crate::support::receiver::Reply::Raw(
        "HTTP/1.1 500 Oops\r\nx-why: full\r\ncontent-length: 4\r\n\r\nfull",
    )])
    .await;
    let webhook = app
        .create_webhook(&url, json!({"headers": {"X-Token": "do not show"}}))
        .await;
    let answer = app
        .api
        .post(&format!("/api/v1/webhooks/{webhook}/test"), json!({}))
        .await
        .expect(200);
    let request = receiver.next_request().await;
    assert_eq!(header(&request, "x-opsknight-test"), Some("true"));
    assert_eq!(header(&request, "x-token"), Some("do not show"));
    assert!(!answer.text.contains("do not show"), "{}", answer.text);
    let detail = answer.json();
    let attempt = &detail["attempts"][0];
    assert_eq!(attempt["status"], 500);
    assert_eq!(attempt["failure"]["code"], "server_error");
    assert_eq!(
        (&detail["isTest"], &detail["status"]),
        (&json!(true), &json!("dead"))
    );
    assert_eq!(
        app.api.get("/api/v1/events").await.expect(200).json()["items"],
        json!([])
    );
}
