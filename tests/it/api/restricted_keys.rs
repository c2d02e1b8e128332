//! Keys that are restricted to services or events: what they are shown, and that nothing else shines through anywhere.

use axum::http::Method;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use serde_json::{Value, json};

use super::server::{Answer, Server};

const READS: [&str; 3] = ["incidents:read", "events:read", "deliveries:read"];
const STREAM: &str = "/api/v1/events/stream";
/// What no reader but those of the other service may see.
const HIDDEN: &str = "Hidden";

/// A server with incidents of two services and a webhook that gets them all.
struct Installation {
    server: Server,
    admin: String,
    shown_service: String,
    hidden_service: String,
    hidden_incident: String,
    hidden_delivery: String,
    shown_delivery: String,
}

impl Installation {
    async fn start() -> Self {
        let server = Server::start().await;
        server.webhook().await;
        let hidden_service = server.service("Hidden service").await;
        let shown_service = server.service("API").await;
        let mut incidents = Vec::new();
        for (service, title) in [
            (&hidden_service, "Hidden first"),
            (&shown_service, "Shown first"),
            (&hidden_service, "Hidden second"),
            (&shown_service, "Shown second"),
        ] {
            let body = json!({ "title": title, "service": { "id": service } });
            let made = server.post("/api/v1/incidents", body).await;
            assert_eq!(made.status, 201, "{}", made.text());
            incidents.push(made.json()["id"].as_str().unwrap().to_owned());
        }
        let resolve = format!("/api/v1/incidents/{}/resolve", incidents[1]);
        assert_eq!(server.post(&resolve, json!({})).await.status, 200);
        let mut deliveries = Vec::new();
        for incident in &incidents[..2] {
            let path = format!("/api/v1/deliveries?incident={incident}");
            let list = server.get(&path).await.json();
            deliveries.push(list["items"][0]["id"].as_str().unwrap().to_owned());
        }
        Self {
            admin: server.key.clone(),
            server,
            shown_service,
            hidden_service,
            hidden_incident: incidents.swap_remove(0),
            shown_delivery: deliveries.swap_remove(1),
            hidden_delivery: deliveries.swap_remove(0),
        }
    }

    async fn create(&self, body: Value) -> Answer {
        self.server.post("/api/v1/api-keys", body).await
    }

    /// Goes on as a key that is restricted to the shown service.
    async fn restrict(&mut self) {
        let services = [&self.shown_service];
        let body = json!({ "name": "display", "scopes": READS, "services": services });
        let made = self.create(body).await;
        assert_eq!(made.status, 201, "{}", made.text());
        self.server.key = made.json()["key"].as_str().unwrap().to_owned();
    }

    /// A path of the API's description with an id of the other service in it.
    fn foreign(&self, path: &str) -> String {
        let id = match path {
            path if path.contains("/incidents/") => &self.hidden_incident,
            path if path.contains("/deliveries/") => &self.hidden_delivery,
            _ => &self.hidden_service,
        };
        path.replace("{id}", id).replace("{webhook}", "x")
    }

    /// Asks every route but the stream, which does not end, and gives what each answered.
    async fn walk(&self) -> Vec<(String, Answer)> {
        let mut answers = Vec::new();
        let document = self.server.get("/api/v1/openapi.json").await.json();
        for (path, methods) in document["paths"].as_object().unwrap() {
            for method in methods.as_object().unwrap().keys() {
                let Ok(method) = Method::try_from(method.to_uppercase().as_str()) else {
                    continue;
                };
                if path == STREAM || path == "/api/v1/openapi.json" {
                    continue;
                }
                let path = self.foreign(path);
                let answer = match method {
                    Method::GET => self.server.get(&path).await,
                    _ => self.server.send_json(method.clone(), &path, &[], json!({})).await,
                };
                answers.push((format!("{method} {path}"), answer));
            }
        }
        answers
    }
}

fn is_revealing(answer: &Answer, installation: &Installation) -> bool {
    let text = answer.text();
    text.contains(HIDDEN) || text.contains(&installation.hidden_incident)
}

async fn titles(stream: &mut Incoming, count: usize) -> Vec<String> {
    let mut text = String::new();
    while text.matches("\n\n").count() < count {
        let frame = stream.frame().await.expect("the stream goes on").unwrap();
        text.push_str(std::str::from_utf8(&frame.into_data().unwrap()).unwrap());
    }
    let data = text.lines().filter_map(|line| line.strip_prefix("data:"));
    data.map(|data| {
        let event: Value = serde_json::from_str(data).unwrap();
        event["incident"]["title"].as_str().unwrap().to_owned()
    })
    .collect()
}

fn items(answer: &Answer) -> Vec<Value> {
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()["items"].as_array().unwrap().clone()
}

#[tokio::test]
async fn no_route_tells_a_restricted_key_of_another_service() {
    let mut installation = Installation::start().await;
    installation.server.key = installation.server.with_scopes(&READS).await.1;
    let free = installation.walk().await;
    let revealing = free
        .iter()
        .filter(|(_, answer)| is_revealing(answer, &installation));
    assert!(revealing.count() >= 8, "the walk sees what is to be hidden");
    installation.server.key.clone_from(&installation.admin);
    installation.restrict().await;
    for (route, answer) in installation.walk().await {
        assert!(
            !is_revealing(&answer, &installation),
            "{route}: {}",
            answer.text()
        );
        assert_ne!(answer.status, 429, "{route} was not asked");
        let is_refused = matches!(answer.status.as_u16(), 400..=499);
        let is_known = route.contains("/api/v1/incidents")
            || route.contains("/api/v1/deliveries")
            || route.contains("/api/v1/export/")
            || [
                "POST /api/v1/stream-tokens",
                "GET /api/v1/events",
                "GET /api/v1/insights",
            ]
            .contains(&route.as_str())
            || ["GET /healthz", "GET /readyz"].contains(&route.as_str());
        assert!(
            is_refused || is_known,
            "{route} admits a restricted key: {}",
            answer.text()
        );
    }
    let refused = installation.server.get("/api/v1/services").await;
    assert_eq!(refused.problem(), (403, "restricted_key".to_owned()));
}

#[tokio::test]
async fn lists_exports_and_insights_hold_what_is_the_keys() {
    let mut installation = Installation::start().await;
    installation.restrict().await;
    let server = &installation.server;
    let incidents = items(&server.get("/api/v1/incidents").await);
    let title = |row: &Value| row["title"].as_str().unwrap().to_owned();
    assert_eq!(
        incidents.iter().map(title).collect::<Vec<_>>(),
        ["Shown second", "Shown first"]
    );
    let first = server.get("/api/v1/incidents?limit=1").await.json();
    let next = format!(
        "/api/v1/incidents?limit=1&cursor={}",
        first["nextCursor"].as_str().unwrap()
    );
    assert_eq!(items(&server.get(&next).await)[0]["title"], "Shown first");
    assert_eq!(items(&server.get("/api/v1/deliveries").await).len(), 2);
    let foreign = format!("/api/v1/incidents?service={}", installation.hidden_service);
    assert_eq!(items(&server.get(&foreign).await), Vec::<Value>::new());
    for (what, rows) in [
        ("incidents", 2),
        ("events", 3),
        ("deliveries", 2),
        ("attempts", 0),
    ] {
        let export = server.get(&format!("/api/v1/export/{what}")).await;
        assert_eq!(
            (export.status.as_u16(), export.text().lines().count()),
            (200, rows),
            "{what}"
        );
    }
    let insights = server.get("/api/v1/insights?days=2").await.json();
    assert_eq!(insights["total"]["opened"], 2);
    assert_eq!(insights["services"].as_array().unwrap().len(), 1);
    let path = format!("/api/v1/insights?days=2&service={}", installation.hidden_service);
    let foreign = server.get(&path).await.json();
    assert_eq!(
        (&foreign["total"]["opened"], &foreign["services"]),
        (&json!(0), &json!([]))
    );
    for (path, status) in [
        (format!("/api/v1/deliveries/{}", installation.shown_delivery), 200),
        (
            format!("/api/v1/deliveries/{}", installation.hidden_delivery),
            404,
        ),
        (format!("/api/v1/incidents/{}", installation.hidden_incident), 404),
    ] {
        assert_eq!(server.get(&path).await.status, status, "{path}");
    }
}

#[tokio::test]
async fn the_feed_goes_on_behind_what_is_not_shown() {
    let mut installation = Installation::start().await;
    installation.restrict().await;
    let server = &installation.server;
    let (mut seen, mut after) = (Vec::new(), String::new());
    loop {
        let path = format!("/api/v1/events?limit=1{after}");
        let page = server.get(&path).await;
        seen.extend(
            items(&page)
                .iter()
                .map(|event| event["incident"]["title"].clone()),
        );
        let cursor = page.json()["nextCursor"].as_str().unwrap().to_owned();
        after = format!("&after={cursor}");
        if page.json()["hasMore"] == false {
            break;
        }
    }
    assert_eq!(seen, ["Shown first", "Shown second", "Shown first"]);
    let lines = server.request(Method::GET, "/api/v1/events?limit=1");
    let lines = server
        .send(lines.header("accept", "application/x-ndjson"), "")
        .await;
    let last: Value = serde_json::from_str(&lines.text()).unwrap();
    assert_eq!(
        lines.header("x-opsknight-next-cursor"),
        last["cursor"].as_str().unwrap()
    );
}

#[tokio::test]
async fn a_stream_and_its_tokens_show_the_services_and_events_of_the_key() {
    let mut installation = Installation::start().await;
    let body = json!({
        "name": "display",
        "scopes": ["events:read", "deliveries:read"],
        "services": [&installation.shown_service],
        "events": ["incident.resolved"],
    });
    let made = installation.create(body).await.json();
    assert_eq!(made["events"], json!(["incident.resolved"]));
    installation.server.key = made["key"].as_str().unwrap().to_owned();
    let server = &installation.server;
    assert_eq!(
        server.get("/api/v1/incidents").await.problem(),
        (403, "forbidden".to_owned())
    );
    let token = server.post("/api/v1/stream-tokens", json!({})).await.json();
    let token = token["token"].as_str().unwrap();
    let begin = format!("http://{}{STREAM}?token={token}", server.address);
    let request = axum::http::Request::builder()
        .uri(begin)
        .header("last-event-id", "AgAAAAAAAAAA");
    let mut stream = server.stream(request).await;
    assert_eq!(titles(&mut stream, 1).await, ["Shown first"]);
    let mut by_key = server
        .stream(server.request(Method::GET, &format!("{STREAM}?after=AgAAAAAAAAAA")))
        .await;
    assert_eq!(titles(&mut by_key, 1).await, ["Shown first"]);
    let feed = items(&server.get("/api/v1/events").await);
    assert_eq!(feed.len(), 1);
    assert_eq!(
        items(&server.get("/api/v1/deliveries").await).len(),
        0,
        "no webhook wants that event"
    );
}

#[tokio::test]
async fn a_restriction_that_cannot_hold_is_refused() {
    let installation = Installation::start().await;
    let shown = &installation.shown_service;
    for (body, expected) in [
        (
            json!({ "scopes": ["incidents:write"], "services": [shown] }),
            "invalid_fields",
        ),
        (
            json!({ "scopes": ["system:read"], "services": [shown] }),
            "invalid_fields",
        ),
        (
            json!({ "scopes": ["admin"], "events": ["incident.resolved"] }),
            "invalid_fields",
        ),
        (
            json!({ "scopes": ["incidents:read"], "events": ["incident.resolved"] }),
            "invalid_fields",
        ),
        (
            json!({ "scopes": ["events:read"], "services": [] }),
            "invalid_fields",
        ),
        (
            json!({ "scopes": ["events:read"], "events": [] }),
            "invalid_fields",
        ),
        (
            json!({ "scopes": ["events:read"], "events": ["delivery.dead"] }),
            "invalid_fields",
        ),
        (
            json!({ "scopes": ["events:read"], "services": ["svc_0190b6c88f3e7d2a8e4c5f6a7b8c9d08"] }),
            "unknown_service",
        ),
    ] {
        let mut named = body.clone();
        named["name"] = "display".into();
        let refused = installation.create(named).await;
        assert_eq!(refused.problem(), (422, expected.to_owned()), "{body}");
    }
    let free = installation
        .create(json!({ "name": "free", "scopes": ["admin"] }))
        .await
        .json();
    assert_eq!((&free["services"], &free["events"]), (&Value::Null, &Value::Null));
}
