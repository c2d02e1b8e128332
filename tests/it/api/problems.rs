//! Everything that can be wrong with a request, and the problem that it is answered with.

use axum::http::Method;
use serde_json::json;

use super::server::Server;

const INCIDENTS: &str = "/api/v1/incidents";

async fn post_raw(server: &Server, content_type: &str, body: &str) -> (u16, String) {
    let request = server
        .request(Method::POST, INCIDENTS)
        .header("content-type", content_type);
    server.send(request, body.to_owned()).await.problem()
}

#[tokio::test]
async fn a_body_that_is_not_json_is_placed_by_line_and_column() {
    let server = Server::start().await;
    let request = server
        .request(Method::POST, INCIDENTS)
        .header("content-type", "application/json");
    let answer = server.send(request, "{\n  \"title\": oops}").await;
    assert_eq!(answer.problem(), (400, "invalid_json".into()));
    assert!(answer.json()["detail"].as_str().unwrap().contains("line 2"));
}

#[tokio::test]
async fn wrong_types_unknown_and_missing_fields_are_named() {
    let server = Server::start().await;
    let field = async |body| {
        let answer = server.post(INCIDENTS, body).await;
        assert_eq!(answer.problem(), (422, "invalid_body".into()));
        let error = answer.json()["errors"][0].clone();
        format!(
            "{} {}",
            error["field"].as_str().unwrap(),
            error["code"].as_str().unwrap()
        )
    };
    let service = json!({ "name": "API" });
    assert_eq!(field(json!({ "service": service })).await, "title missing");
    assert_eq!(
        field(json!({ "title": 1, "service": service })).await,
        "title invalid_type"
    );
    assert_eq!(
        field(json!({ "title": "x", "service": service, "titel": 1 })).await,
        "titel unknown_field"
    );
    let severity = json!({ "title": "x", "service": service, "severity": "bad" });
    assert_eq!(field(severity).await, "severity invalid_value");
    assert_eq!(
        field(json!({ "title": "x", "service": { "nme": "x" } })).await,
        "service.nme unknown_field"
    );
}

#[tokio::test]
async fn all_mistakes_of_a_request_are_answered_at_once() {
    let server = Server::start().await;
    let body = json!({ "title": "x".repeat(501), "service": {}, "description": "y".repeat(10_001) });
    let answer = server.post(INCIDENTS, body).await;
    assert_eq!(answer.problem(), (422, "invalid_fields".into()));
    let problem = answer.json();
    let fields: Vec<_> = problem["errors"]
        .as_array()
        .unwrap()
        .iter()
        .map(|error| &error["field"])
        .collect();
    assert_eq!(fields, ["title", "description", "service"]);
}

#[tokio::test]
async fn content_types_and_sizes_are_checked() {
    let server = Server::start().await;
    assert_eq!(
        post_raw(&server, "text/plain", "{}").await,
        (415, "unsupported_media_type".into())
    );
    let large = format!("{{\"title\":\"{}\"}}", "x".repeat(256 * 1024));
    assert_eq!(
        post_raw(&server, "application/json", &large).await,
        (413, "body_too_large".into())
    );
    let charset = post_raw(&server, "application/json; charset=utf-8", "{}").await;
    assert_eq!(charset, (422, "invalid_body".into()));
}

#[tokio::test]
async fn a_packed_body_is_refused_as_what_it_is() {
    let server = Server::start().await;
    let body = json!({ "name": "API" });
    let mut statuses = Vec::new();
    for encoding in ["gzip", "br", "identity"] {
        let headers = [("content-encoding", encoding)];
        let answer = server.send_json(Method::POST, "/api/v1/services", &headers, body.clone());
        statuses.push(answer.await.status.as_u16());
    }
    assert_eq!(statuses, [415, 415, 201]);
}

#[tokio::test]
async fn what_was_created_says_where_it_is_when_it_is_asked_for_again_too() {
    let server = Server::start().await;
    server.service("API").await;
    let webhook =
        json!({ "name": "Ops", "url": "https://example.com/hook", "events": ["incident.triggered"] });
    let things = [
        ("services", json!({ "name": "Web" })),
        ("users", json!({ "name": "Ada", "email": "ada@example.com" })),
        ("webhooks", webhook),
        (
            "incidents",
            json!({ "title": "disk full", "service": { "name": "API" } }),
        ),
    ];
    for (list, body) in things {
        let list = format!("/api/v1/{list}");
        for _ in 0..2 {
            let made = server.post_keyed(&list, &list, body.clone()).await;
            assert_eq!(made.status, 201, "{list}: {}", made.text());
            let id = made.json()["id"].as_str().unwrap().to_owned();
            assert_eq!(made.header("location"), format!("{list}/{id}"));
        }
    }
    let key = json!({ "name": "some", "scopes": ["incidents:read"] });
    let made = server.post("/api/v1/api-keys", key).await;
    assert_eq!(made.header("location"), "/api/v1/api-keys");
}

#[tokio::test]
async fn unknown_routes_ids_and_methods_are_problems_too() {
    let server = Server::start().await;
    let missing = "/api/v1/incidents/inc_00000000000070008000000000000000";
    assert_eq!(
        server.get("/api/v1/nothing").await.problem(),
        (404, "unknown_route".into())
    );
    assert_eq!(server.get(missing).await.problem(), (404, "not_found".into()));
    assert_eq!(
        server.get("/api/v1/incidents/nonsense").await.problem(),
        (404, "not_found".into())
    );
    let wrong = server.send(server.request(Method::DELETE, INCIDENTS), "").await;
    assert_eq!(wrong.problem(), (405, "method_not_allowed".into()));
    assert!(wrong.header("allow").contains("GET") && wrong.header("allow").contains("POST"));
}

#[tokio::test]
async fn limits_cursors_and_parameters_are_checked() {
    let server = Server::start().await;
    let problem = async |query: &str| server.get(&format!("{INCIDENTS}?{query}")).await.problem();
    assert_eq!(problem("limit=0").await, (422, "invalid_limit".into()));
    assert_eq!(problem("limit=201").await, (422, "invalid_limit".into()));
    assert_eq!(problem("cursor=nonsense").await, (400, "invalid_cursor".into()));
    assert_eq!(problem("status=broken").await, (422, "invalid_query".into()));
    assert_eq!(problem("statsu=triggered").await, (422, "invalid_query".into()));
    let feed = server.get("/api/v1/events?after=nonsense").await;
    assert_eq!(feed.problem(), (400, "invalid_cursor".into()));
}

#[tokio::test]
async fn an_idempotency_key_has_its_bounds() {
    let server = Server::start().await;
    let long = "k".repeat(256);
    let answer = server
        .post_keyed("/api/v1/services", &long, json!({ "name": "API" }))
        .await;
    assert_eq!(answer.problem(), (400, "invalid_idempotency_key".into()));
}
