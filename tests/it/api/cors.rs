//! Pages of other sites: the feed and its stream are for those whose origin is named, and nothing else is for any.

use api::ApiSettings;
use axum::http::Method;

use super::server::{Answer, Server};

const NAMED: &str = "https://status.example";

async fn server() -> Server {
    let settings = ApiSettings {
        cors_origins: vec![NAMED.to_owned()],
        ..ApiSettings::default()
    };
    Server::start_with(settings).await
}

/// What a browser asks before it sends a key along.
async fn ask_beforehand(server: &Server, path: &str, origin: &str) -> Answer {
    let request = server
        .request(Method::OPTIONS, path)
        .header("origin", origin)
        .header("access-control-request-method", "GET")
        .header("access-control-request-headers", "authorization");
    server.send(request, "").await
}

fn allowed(answer: &Answer) -> &str {
    assert_eq!(answer.header("access-control-allow-credentials"), "");
    answer.header("access-control-allow-origin")
}

#[tokio::test]
async fn a_named_origin_may_ask_for_the_feed_and_is_told_so_beforehand_without_a_key() {
    let mut server = server().await;
    let key = std::mem::take(&mut server.key);
    for path in ["/api/v1/events", "/api/v1/events/stream"] {
        let answer = ask_beforehand(&server, path, NAMED).await;
        assert_eq!((answer.status.as_u16(), allowed(&answer)), (204, NAMED));
        assert_eq!(answer.header("access-control-allow-methods"), "GET");
        assert!(
            answer
                .header("access-control-allow-headers")
                .contains("authorization")
        );
        assert_eq!(answer.header("vary"), "origin");
    }
    let refused = server.send(
        server
            .request(Method::GET, "/api/v1/events")
            .header("origin", NAMED),
        "",
    );
    let refused = refused.await;
    assert_eq!(
        (refused.status.as_u16(), allowed(&refused)),
        (401, NAMED),
        "a page reads why"
    );
    server.key = key;
    let request = || {
        server
            .request(Method::GET, "/api/v1/events")
            .header("origin", NAMED)
    };
    let feed = server.send(request(), "").await;
    assert_eq!((feed.status.as_u16(), allowed(&feed)), (200, NAMED));
    let stream = server
        .request(Method::GET, "/api/v1/events/stream")
        .header("origin", NAMED);
    assert_eq!(server.head_of(stream).await["access-control-allow-origin"], NAMED);
}

#[tokio::test]
async fn no_other_origin_and_no_other_route_is_shared() {
    let server = server().await;
    for origin in [
        "https://evil.example",
        "null",
        "https://status.example.evil",
        "http://status.example",
    ] {
        let asked = ask_beforehand(&server, "/api/v1/events", origin).await;
        assert_eq!((asked.status.as_u16(), allowed(&asked)), (405, ""), "{origin}");
        let request = server
            .request(Method::GET, "/api/v1/events")
            .header("origin", origin);
        let answer = server.send(request, "").await;
        assert_eq!((answer.status.as_u16(), allowed(&answer)), (200, ""), "{origin}");
        assert_eq!(answer.header("vary"), "origin");
    }
    for path in [
        "/api/v1/incidents",
        "/metrics",
        "/api/v1/events/",
        "/api/v1/system",
    ] {
        assert_eq!(allowed(&ask_beforehand(&server, path, NAMED).await), "", "{path}");
        let request = server.request(Method::GET, path).header("origin", NAMED);
        assert_eq!(allowed(&server.send(request, "").await), "", "{path}");
    }
}

#[tokio::test]
async fn without_named_origins_nothing_is_shared() {
    let server = Server::start().await;
    let answer = ask_beforehand(&server, "/api/v1/events", NAMED).await;
    assert_eq!((answer.status.as_u16(), allowed(&answer)), (405, ""));
}
