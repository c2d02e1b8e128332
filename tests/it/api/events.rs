//! The event feed: pages, lines and the stream.

use axum::http::Method;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use serde_json::{Value, json};

use super::server::Server;

/// Reads a stream until so many events have come: their ids in the stream, and their data.
async fn read_events(body: &mut Incoming, count: usize) -> Vec<(String, Value)> {
    let mut text = String::new();
    while text.matches("\n\n").count() < count {
        let frame = body.frame().await.expect("the stream goes on").unwrap();
        text.push_str(std::str::from_utf8(&frame.into_data().unwrap()).unwrap());
    }
    let field = |event: &str, name: &str| {
        let line = event.lines().find_map(|line| line.strip_prefix(name)).unwrap();
        line.trim().to_owned()
    };
    text.split("\n\n")
        .filter(|event| event.contains("data:"))
        .map(|event| {
            let data = serde_json::from_str(&field(event, "data:")).unwrap();
            (field(event, "id:"), data)
        })
        .collect()
}

fn titles(events: &[(String, Value)]) -> Vec<&str> {
    events
        .iter()
        .map(|(_, data)| data["incident"]["title"].as_str().unwrap())
        .collect()
}

async fn trigger_each(server: &Server, titles: &[&str]) {
    for title in titles {
        server.incident(title).await;
    }
}

#[tokio::test]
async fn the_feed_is_read_page_by_page_from_the_oldest() {
    let server = Server::start().await;
    server.service("API").await;
    trigger_each(&server, &["a", "b", "c"]).await;
    let first = server.get("/api/v1/events?limit=2").await.json();
    let cursor = first["nextCursor"].as_str().unwrap();
    let second = server
        .get(&format!("/api/v1/events?limit=2&after={cursor}"))
        .await
        .json();
    assert_eq!(first["items"][0]["incident"]["title"], "a");
    assert_eq!(first["items"][1]["event"], "incident.triggered");
    assert_eq!(
        (&first["hasMore"], &second["hasMore"]),
        (&json!(true), &json!(false))
    );
    assert_eq!(second["items"].as_array().unwrap().len(), 1);
    let end = second["nextCursor"].as_str().unwrap();
    let after_end = server.get(&format!("/api/v1/events?after={end}")).await.json();
    assert_eq!(
        after_end,
        json!({ "items": [], "nextCursor": end, "hasMore": false })
    );
}

#[tokio::test]
async fn the_feed_comes_in_lines_to_whom_asks_for_them() {
    let server = Server::start().await;
    server.service("API").await;
    trigger_each(&server, &["a", "b"]).await;
    let request = server
        .request(Method::GET, "/api/v1/events")
        .header("accept", "application/x-ndjson");
    let answer = server.send(request, "").await;
    assert_eq!(answer.header("content-type"), "application/x-ndjson");
    let lines: Vec<Value> = answer
        .text()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let members: Vec<_> = lines[1].as_object().unwrap().keys().collect();
    assert_eq!(members, ["id", "cursor", "event", "timestamp", "incident"]);
}

#[tokio::test]
async fn a_stream_resumes_from_its_last_id_without_a_gap() {
    let server = Server::start().await;
    server.service("API").await;
    let request = || server.request(Method::GET, "/api/v1/events/stream");
    let mut stream = server.stream(request()).await;
    trigger_each(&server, &["a", "b"]).await;
    let seen = read_events(&mut stream, 2).await;
    assert_eq!(titles(&seen), ["a", "b"]);
    assert_eq!(seen[0].0, seen[0].1["cursor"].as_str().unwrap());
    drop(stream);
    trigger_each(&server, &["c", "d"]).await;
    let mut stream = server.stream(request().header("last-event-id", &seen[0].0)).await;
    let resumed = read_events(&mut stream, 3).await;
    assert_eq!(titles(&resumed), ["b", "c", "d"]);
    trigger_each(&server, &["e"]).await;
    assert_eq!(titles(&read_events(&mut stream, 1).await), ["e"]);
}

#[tokio::test]
async fn a_stream_asked_with_an_id_that_is_none_of_this_feed_begins_afresh() {
    let server = Server::start().await;
    server.service("API").await;
    trigger_each(&server, &["before"]).await;
    // A place of the feed that this server has not reached: of another one, or of before a backup was restored.
    let beyond = URL_SAFE_NO_PAD.encode([2, 0, 0, 0, 0, 255, 255, 255, 255]);
    for id in ["42", "not a cursor", beyond.as_str()] {
        let request = server.request(Method::GET, "/api/v1/events/stream");
        let mut stream = server.stream(request.header("last-event-id", id)).await;
        trigger_each(&server, &["after"]).await;
        assert_eq!(titles(&read_events(&mut stream, 1).await), ["after"], "{id}");
    }
}

#[tokio::test]
async fn proxies_are_asked_to_pass_the_stream_on_as_it_comes() {
    let server = Server::start().await;
    let request = server.request(Method::GET, "/api/v1/events/stream");
    let head = server.head_of(request).await;
    assert_eq!(head["x-accel-buffering"], "no");
}

#[tokio::test]
async fn a_stream_ends_when_the_server_stops() {
    let server = Server::start().await;
    let mut stream = server
        .stream(server.request(Method::GET, "/api/v1/events/stream"))
        .await;
    server.stop.send_replace(true);
    assert!(stream.frame().await.is_none());
    assert_eq!(server.get("/readyz").await.json()["status"], "stopping");
}

#[tokio::test]
async fn streams_are_counted() {
    let settings = api::ApiSettings {
        max_streams: 1,
        ..Default::default()
    };
    let server = Server::start_with(settings).await;
    let _open = server
        .stream(server.request(Method::GET, "/api/v1/events/stream"))
        .await;
    let refused = server.get("/api/v1/events/stream").await;
    assert_eq!(refused.problem(), (429, "too_many_streams".into()));
}
