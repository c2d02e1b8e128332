//! Tokens for the stream: what they open, what they do not, and when they end.

use api::ApiSettings;
use axum::http::Method;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use serde_json::{Value, json};

use super::server::{Answer, Server};

const STREAM: &str = "/api/v1/events/stream";

async fn new_token(server: &Server, body: Value) -> String {
    let made = server.post("/api/v1/stream-tokens", body).await;
    assert_eq!(made.status, 201, "{}", made.text());
    made.json()["token"].as_str().unwrap().to_owned()
}

/// Asks as a page does, which can send no header.
async fn without_key(server: &Server, path: &str) -> Answer {
    let url = format!("http://{}{path}", server.address);
    server.send(axum::http::Request::builder().uri(url), "").await
}

async fn open(server: &Server, token: &str) -> Incoming {
    let url = format!("http://{}{STREAM}?token={token}", server.address);
    server.stream(axum::http::Request::builder().uri(url)).await
}

/// Reads a stream until so many events have come: their titles.
async fn titles(body: &mut Incoming, count: usize) -> Vec<String> {
    let mut text = String::new();
    while text.matches("\n\n").count() < count {
        let frame = body.frame().await.expect("the stream goes on").unwrap();
        text.push_str(std::str::from_utf8(&frame.into_data().unwrap()).unwrap());
    }
    let data = text.lines().filter_map(|line| line.strip_prefix("data:"));
    data.map(|data| {
        let event: Value = serde_json::from_str(data).unwrap();
        event["incident"]["title"].as_str().unwrap().to_owned()
    })
    .collect()
}

#[tokio::test]
async fn a_token_opens_the_stream_and_nothing_else() {
    let server = Server::start().await;
    server.service("API").await;
    let token = new_token(&server, json!({})).await;
    let mut stream = open(&server, &token).await;
    server.incident("Down").await;
    assert_eq!(titles(&mut stream, 1).await, ["Down"]);
    for path in ["/api/v1/events", "/api/v1/incidents", "/api/v1/stream-tokens"] {
        let refused = without_key(&server, &format!("{path}?token={token}")).await;
        assert!(
            [401, 405].contains(&refused.status.as_u16()),
            "{path}: {}",
            refused.status
        );
    }
    let url = format!("http://{}/api/v1/events", server.address);
    let as_key = axum::http::Request::builder()
        .uri(url)
        .header("authorization", format!("Bearer {token}"));
    assert_eq!(server.send(as_key, "").await.status, 401, "a token is no key");
}

#[tokio::test]
async fn a_token_shows_the_events_that_it_was_made_for() {
    let server = Server::start().await;
    server.service("API").await;
    let token = new_token(&server, json!({ "events": ["incident.resolved"] })).await;
    let mut stream = open(&server, &token).await;
    server.incident("first").await;
    let second = server.incident("second").await;
    let path = format!("/api/v1/incidents/{second}/resolve");
    assert_eq!(server.post(&path, json!({})).await.status, 200);
    assert_eq!(titles(&mut stream, 1).await, ["second"]);
}

#[tokio::test]
async fn a_token_ends_with_its_key_and_is_never_kept() {
    let mut server = Server::start().await;
    server.service("API").await;
    let (id, key) = server.with_scopes(&["events:read"]).await;
    let admin = std::mem::replace(&mut server.key, key);
    let first = server
        .post_keyed("/api/v1/stream-tokens", "once", json!({ "seconds": 60 }))
        .await;
    let second = server
        .post_keyed("/api/v1/stream-tokens", "once", json!({ "seconds": 30 }))
        .await;
    assert_eq!(
        (first.status.as_u16(), second.status.as_u16()),
        (201, 201),
        "nothing is kept of the first"
    );
    let token = first.json()["token"].as_str().unwrap().to_owned();
    let mut stream = open(&server, &token).await;
    server.key = admin;
    let path = format!("/api/v1/api-keys/{id}/revoke");
    assert_eq!(server.post(&path, json!({})).await.status, 200);
    server.incident("too late").await;
    assert!(stream.frame().await.is_none(), "the stream has ended");
    let refused = without_key(&server, &format!("{STREAM}?token={token}")).await;
    assert_eq!(refused.problem(), (401, "unauthorized".to_owned()));
    assert!(!refused.text().contains(&token));
}

#[tokio::test]
async fn a_token_is_made_only_with_the_right_to_read_events_and_within_its_bounds() {
    let mut server = Server::start().await;
    for body in [
        json!({ "seconds": 0 }),
        json!({ "seconds": 3601 }),
        json!({ "events": [] }),
        json!({ "events": ["webhook.degraded"] }),
    ] {
        let refused = server.post("/api/v1/stream-tokens", body).await;
        assert_eq!(refused.problem(), (422, "invalid_fields".to_owned()));
    }
    server.key = server.with_scopes(&["incidents:read"]).await.1;
    let refused = server.post("/api/v1/stream-tokens", json!({})).await;
    assert_eq!(refused.problem(), (403, "forbidden".to_owned()));
    for token in ["", "st_", "st_AAAA", "ok_1"] {
        let refused = without_key(&server, &format!("{STREAM}?token={token}")).await;
        assert_eq!(refused.problem(), (401, "unauthorized".to_owned()), "{token}");
    }
}

#[tokio::test]
async fn one_key_leaves_streams_for_others() {
    let settings = ApiSettings {
        max_streams: 4,
        ..ApiSettings::default()
    };
    let mut server = Server::start_with(settings).await;
    let token = new_token(&server, json!({})).await;
    let _held = [open(&server, &token).await, open(&server, &token).await];
    let refused = server.get(STREAM).await;
    assert_eq!(refused.problem(), (429, "too_many_streams".to_owned()));
    server.key = server.with_scopes(&["events:read"]).await.1;
    let head = server.head_of(server.request(Method::GET, STREAM)).await;
    assert_eq!(head["content-type"], "text/event-stream");
}
