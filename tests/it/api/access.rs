//! Keys, scopes, set-up and limits.

use api::ApiSettings;
use limit::Limit;
use serde_json::{Value, json};

use super::server::{SETUP_TOKEN, Server};

#[tokio::test]
async fn without_a_usable_key_the_answer_is_401_and_names_the_scheme() {
    let mut server = Server::start().await;
    server.key = "ok_wrong".into();
    let answer = server.get("/api/v1/incidents").await;
    assert_eq!(answer.problem(), (401, "unauthorized".into()));
    assert!(answer.header("www-authenticate").starts_with("Bearer"));
}

#[tokio::test]
async fn a_key_without_the_scope_is_told_which_one_it_lacks() {
    let mut server = Server::start().await;
    server.key = server.with_scopes(&["incidents:read"]).await.1;
    let answer = server.post("/api/v1/services", json!({ "name": "API" })).await;
    assert_eq!(answer.problem(), (403, "forbidden".into()));
    assert!(
        answer.json()["detail"]
            .as_str()
            .unwrap()
            .contains("catalog:write")
    );
    assert_eq!(server.get("/api/v1/incidents").await.status, 200);
}

#[tokio::test]
async fn a_key_cannot_grant_what_its_maker_lacks() {
    let mut server = Server::start().await;
    server.key = server.with_scopes(&["admin"]).await.1;
    let wider = json!({ "name": "wider", "scopes": ["incidents:read"] });
    assert_eq!(
        server.post("/api/v1/api-keys", wider).await.problem(),
        (403, "forbidden".into())
    );
    let equal = json!({ "name": "equal", "scopes": ["admin"] });
    assert_eq!(server.post("/api/v1/api-keys", equal).await.status, 201);
}

#[tokio::test]
async fn a_revoked_key_stops_working_at_once_and_stays_in_the_list() {
    let mut server = Server::start().await;
    let admin = server.key.clone();
    let (id, key) = server.with_scopes(&["incidents:read"]).await;
    server.key.clone_from(&key);
    assert_eq!(server.get("/api/v1/incidents").await.status, 200);
    server.key.clone_from(&admin);
    let revoked = server
        .post(&format!("/api/v1/api-keys/{id}/revoke"), json!({}))
        .await;
    assert!(revoked.json()["revokedAt"].is_string());
    server.key = key;
    assert_eq!(server.get("/api/v1/incidents").await.status, 401);
    server.key = admin;
    let list = server.get("/api/v1/api-keys").await;
    assert_eq!(list.json()["items"].as_array().unwrap().len(), 2);
    assert!(!list.text().contains("\"key\":"));
}

#[tokio::test]
async fn the_set_up_token_works_once() {
    let server = Server::start().await;
    let again = server
        .post("/api/v1/setup", json!({ "token": SETUP_TOKEN }))
        .await;
    assert_eq!(again.problem(), (403, "setup_refused".into()));
}

#[tokio::test]
async fn an_address_that_fails_too_often_is_asked_to_wait_while_known_keys_still_pass() {
    let failure_limit = Limit {
        per_second: 0.001,
        burst: 3.0,
    };
    let mut server = Server::start_with(ApiSettings {
        failure_limit,
        ..ApiSettings::default()
    })
    .await;
    let admin = server.key.clone();
    assert_eq!(server.get("/api/v1/incidents").await.status, 200);
    server.key = "ok_wrong".into();
    let first = server.get("/api/v1/incidents").await.status;
    server.get("/api/v1/incidents").await;
    server.get("/api/v1/incidents").await;
    let last = server.get("/api/v1/incidents").await;
    assert_eq!(first, 401);
    assert_eq!(last.problem(), (429, "too_many_failures".into()));
    assert!(!last.header("retry-after").is_empty());
    server.key = admin;
    assert_eq!(server.get("/api/v1/incidents").await.status, 200);
}

#[tokio::test]
async fn a_good_key_passes_at_its_first_use_however_often_its_address_failed() {
    let failure_limit = Limit {
        per_second: 0.001,
        burst: 3.0,
    };
    let mut server = Server::start_with(ApiSettings {
        failure_limit,
        ..ApiSettings::default()
    })
    .await;
    let body = json!({ "name": "fresh", "scopes": ["incidents:read"] });
    let fresh = server.post("/api/v1/api-keys", body).await.json()["key"].clone();
    server.key = "ok_wrong".into();
    let mut statuses = Vec::new();
    for _ in 0..4 {
        statuses.push(server.get("/api/v1/incidents").await.status);
    }
    assert_eq!(statuses, [401, 401, 401, 429]);
    let token = json!({ "token": "setup_wrong" });
    assert_eq!(server.post("/api/v1/setup", token).await.problem().0, 429);
    server.key = fresh.as_str().unwrap().into();
    assert_eq!(server.get("/api/v1/incidents").await.status, 200);
}

#[tokio::test]
async fn a_key_that_sends_too_much_is_asked_to_wait() {
    let key_limit = Limit {
        per_second: 0.001,
        burst: 1.0,
    };
    let server = Server::start_with(ApiSettings {
        key_limit,
        ..ApiSettings::default()
    })
    .await;
    assert_eq!(server.get("/api/v1/incidents").await.status, 200);
    let answer = server.get("/api/v1/incidents").await;
    assert_eq!(answer.problem(), (429, "rate_limited".into()));
}

#[tokio::test]
async fn the_audit_log_names_who_did_what() {
    let server = Server::start().await;
    let id = server.service("API").await;
    let log = server.get("/api/v1/audit").await.json();
    let entry = &log["items"][0];
    assert_eq!(entry["subject"], id);
    assert_eq!(entry["actor"]["kind"], "key");
}

#[tokio::test]
async fn an_administrators_key_makes_a_one_time_link_for_whoever_has_an_address() {
    let mut server = Server::start().await;
    let ada = json!({ "name": "Ada", "email": "ada@example.com", "role": "admin" });
    let ada = server.post("/api/v1/users", ada).await.json()["id"].clone();
    let path = format!("/api/v1/users/{}/sign-in-link", ada.as_str().unwrap());
    let made = server.post(&path, json!({})).await;
    let link = made.json()["link"].as_str().unwrap().to_owned();
    assert_eq!(made.status, 201);
    assert!(
        link.starts_with("http://127.0.0.1:") && link.contains("/welcome?token=link_"),
        "{link}"
    );
    let nameless = server
        .post("/api/v1/users", json!({ "name": "Bob" }))
        .await
        .json()["id"]
        .clone();
    let nowhere = format!("/api/v1/users/{}/sign-in-link", nameless.as_str().unwrap());
    assert_eq!(
        server.post(&nowhere, json!({})).await.problem(),
        (409, "conflict".into())
    );
    server.key = server.with_scopes(&["catalog:write"]).await.1;
    assert_eq!(
        server.post(&path, json!({})).await.problem(),
        (403, "forbidden".into())
    );
}

#[tokio::test]
async fn an_address_is_changed_only_by_who_may_do_all_that_its_person_may() {
    let mut server = Server::start().await;
    let person = json!({"name": "Ada", "email": "ada@example.org"});
    let id = server.post("/api/v1/users", person).await.json()["id"].clone();
    let path = format!("/api/v1/users/{}", id.as_str().unwrap());
    let change = async |server: &Server, change: Value| {
        server
            .send_json(http::Method::PATCH, &path, &[], change)
            .await
            .status
    };
    let elsewhere = || json!({"email": "elsewhere@example.org"});
    let admin = server.key.clone();
    server.key = server.with_scopes(&["catalog:write"]).await.1;
    assert_eq!(change(&server, elsewhere()).await, 403);
    assert_eq!(change(&server, json!({"name": "Ada L."})).await, 200);
    server.key = admin;
    assert_eq!(change(&server, elsewhere()).await, 200);
}

#[tokio::test]
async fn the_audit_log_is_read_by_who_what_and_when_and_shows_old_and_new() {
    let server = Server::start().await;
    let ada = server
        .post("/api/v1/users", json!({ "name": "Ada" }))
        .await
        .json()["id"]
        .clone();
    let ada = ada.as_str().unwrap();
    let change = json!({ "name": "Ada Lovelace", "role": "viewer" });
    let path = format!("/api/v1/users/{ada}");
    server.send_json(http::Method::PATCH, &path, &[], change).await;
    server.service("API").await;
    let found = async |query: &str| {
        let log = server.get(&format!("/api/v1/audit?{query}")).await.json();
        let items = log["items"].as_array().unwrap().iter();
        items
            .map(|entry| entry["action"].as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(found(&format!("who={ada}")).await, ["user.update", "user.create"]);
    assert_eq!(found("kind=service").await, ["service.create"]);
    assert_eq!(found("until=2020-01-01T00:00:00Z").await, Vec::<String>::new());
    assert_eq!(found("since=2020-01-01T00:00:00Z&kind=user").await.len(), 2);
    let log = server.get("/api/v1/audit?kind=user&limit=1").await.json();
    let detail = log["items"][0]["detail"].as_str().unwrap();
    assert!(
        detail.ends_with("(name: Ada → Ada Lovelace; role: responder → viewer)"),
        "{detail}"
    );
    assert_eq!(log["items"][0]["times"], 1);
    let refused = server.get("/api/v1/audit?since=yesterday").await;
    assert_eq!(refused.problem(), (422, "invalid_query".into()));
    let keys = server.get("/api/v1/api-keys").await.json();
    assert!(keys["items"][0]["lastUsedAt"].is_string(), "{keys}");
}
