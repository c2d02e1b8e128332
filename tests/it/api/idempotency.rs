//! Requests that are sent again with the same idempotency key.

use serde_json::json;

use super::server::Server;

#[tokio::test]
async fn a_repeated_trigger_gets_the_first_answer_and_makes_nothing_new() {
    let server = Server::start().await;
    server.service("API").await;
    let body = json!({ "title": "Down", "service": { "name": "API" } });
    let first = server.post_keyed("/api/v1/incidents", "one", body.clone()).await;
    let second = server.post_keyed("/api/v1/incidents", "one", body).await;
    assert_eq!((first.status.as_u16(), second.status.as_u16()), (201, 201));
    assert_eq!(first.body, second.body);
    assert_eq!(
        (
            first.header("idempotency-replayed"),
            second.header("idempotency-replayed")
        ),
        ("", "true")
    );
    let list = server.get("/api/v1/incidents").await.json();
    assert_eq!(list["items"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn a_repeated_creation_gets_the_first_answer_with_its_secret() {
    let server = Server::start().await;
    let body = json!({ "name": "Ops", "url": "https://example.com", "events": ["incident.resolved"] });
    let first = server.post_keyed("/api/v1/webhooks", "one", body.clone()).await;
    let second = server.post_keyed("/api/v1/webhooks", "one", body).await;
    assert_eq!(second.status, 201);
    assert_eq!(first.body, second.body);
    assert_eq!(second.header("idempotency-replayed"), "true");
    assert!(second.json()["secret"].as_str().unwrap().starts_with("whsec_"));
}

#[tokio::test]
async fn another_request_under_the_same_key_is_refused() {
    let server = Server::start().await;
    server.service("API").await;
    let trigger = |title: &str| json!({ "title": title, "service": { "name": "API" } });
    server
        .post_keyed("/api/v1/incidents", "one", trigger("first"))
        .await;
    let other = server
        .post_keyed("/api/v1/incidents", "one", trigger("second"))
        .await;
    assert_eq!(other.problem(), (422, "idempotency_key_reused".into()));
    server
        .post_keyed("/api/v1/services", "two", json!({ "name": "a" }))
        .await;
    let other = server
        .post_keyed("/api/v1/services", "two", json!({ "name": "b" }))
        .await;
    assert_eq!(other.problem(), (422, "idempotency_key_reused".into()));
}

#[tokio::test]
async fn two_callers_do_not_share_their_keys() {
    let mut server = Server::start().await;
    server
        .post_keyed("/api/v1/services", "one", json!({ "name": "a" }))
        .await;
    server.key = server.with_scopes(&["catalog:write"]).await.1;
    let other = server
        .post_keyed("/api/v1/services", "one", json!({ "name": "b" }))
        .await;
    assert_eq!(other.status, 201);
}

#[tokio::test]
async fn a_request_that_is_being_worked_on_is_not_begun_again() {
    let server = Server::start().await;
    let body = json!({ "name": "API" });
    let first = server.post_keyed("/api/v1/services", "one", body.clone());
    let second = server.post_keyed("/api/v1/services", "one", body.clone());
    let (first, second) = tokio::join!(first, second);
    let mut statuses = [first.status.as_u16(), second.status.as_u16()];
    statuses.sort_unstable();
    assert!(statuses == [201, 201] || statuses == [201, 409], "{statuses:?}");
    let third = server.post_keyed("/api/v1/services", "one", body).await;
    assert_eq!(third.status, 201);
    assert_eq!(
        server.get("/api/v1/services").await.json()["items"]
            .as_array()
            .unwrap()
            .len(),
        1
    );
}

#[tokio::test]
async fn a_refused_transition_is_repeated_as_the_problem_that_it_was() {
    let server = Server::start().await;
    server.service("API").await;
    let id = server.incident("Down").await;
    server
        .post(&format!("/api/v1/incidents/{id}/resolve"), json!({}))
        .await;
    let path = format!("/api/v1/incidents/{id}/acknowledge");
    server.post_keyed(&path, "one", json!({})).await;
    server
        .post(&format!("/api/v1/incidents/{id}/reopen"), json!({}))
        .await;
    let repeated = server.post_keyed(&path, "one", json!({})).await;
    assert_eq!(repeated.problem(), (409, "wrong_status".into()));
    assert_eq!(repeated.header("idempotency-replayed"), "true");
}
