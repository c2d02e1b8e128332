//! Bots of one's own: a template makes the request.

use serde_json::{Value, json};

use super::Chat;

#[tokio::test]
async fn method_url_headers_and_body_come_from_templates() {
    let chat = Chat::start(
        "custom",
        json!({"method": "PUT", "template": "{\"text\": \"{{ incident.title }}\"}"}),
    )
    .await;
    let url = format!(
        "{}/rooms/{{{{ incident.id }}}}?severity={{{{ incident.severity }}}}",
        chat.platform.address
    );
    let headers = json!({"X-Incident": "{{ incident.id }}", "Authorization": "Bearer secret-of-the-bot"});
    chat.change(json!({"url": url, "headers": headers})).await;
    let incident = chat.app.trigger("it \"broke\" \\ here").await;
    chat.settle(1).await;
    let seen = chat.platform.seen().pop().unwrap();
    assert_eq!(seen.method, "PUT");
    assert_eq!(seen.target, format!("/rooms/{incident}?severity=critical"));
    assert_eq!(seen.headers["x-incident"], incident.as_str());
    assert_eq!(seen.headers["authorization"], "Bearer secret-of-the-bot");
    assert!(seen.headers.contains_key("x-opsknight-signature"));
    let body: Value = serde_json::from_str(&seen.body).unwrap();
    assert_eq!(body, json!({"text": "it \"broke\" \\ here"}));
    let delivery = chat.delivery(1).await.to_string();
    assert!(!delivery.contains("secret-of-the-bot"), "{delivery}");
}

#[tokio::test]
async fn a_template_with_a_mistake_is_refused_with_its_place() {
    let chat = Chat::start("custom", json!({})).await;
    let path = format!("/api/v1/webhooks/{}", chat.webhook);
    let template = json!({"options": {"template": "{\n  \"text\": \"{{ incident.tittle }}\"\n}"}});
    let answer = chat
        .app
        .api
        .send("PATCH", &path, Some(template), &[])
        .await
        .unwrap();
    let error = answer.expect(422).json()["errors"][0].clone();
    assert_eq!(error["field"], "options.template");
    let detail = error["detail"].as_str().unwrap();
    assert!(detail.contains("line 2"), "{detail}");
}

#[tokio::test]
async fn a_cloud_event_is_taken_by_a_receiver_that_checks_the_specification() {
    let chat = Chat::start("custom", json!({"preset": "cloudevents"})).await;
    chat.app.trigger("Disk full").await;
    chat.settle(1).await;
    let seen = chat.platform.seen().pop().unwrap();
    assert!(
        seen.headers["content-type"]
            .to_str()
            .unwrap()
            .starts_with("application/cloudevents+json")
    );
    let event: Value = serde_json::from_str(&seen.body).unwrap();
    assert_eq!(event["specversion"], "1.0");
    assert_eq!(event["data"]["incident"]["title"], "Disk full");
}
