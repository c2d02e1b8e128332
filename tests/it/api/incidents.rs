//! Incidents, and the catalog that they refer to.

use axum::http::Method;
use serde_json::{Value, json};

use super::server::Server;

async fn event_count(server: &Server) -> usize {
    let feed = server.get("/api/v1/events").await.json();
    feed["items"].as_array().unwrap().len()
}

#[tokio::test]
async fn an_incident_lives_from_trigger_to_reopen_and_keeps_its_timeline() {
    let server = Server::start().await;
    server.service("API").await;
    let id = server.incident("Down").await;
    let act = async |action: &str| {
        let answer = server
            .post(&format!("/api/v1/incidents/{id}/{action}"), json!({}))
            .await;
        (answer.status.as_u16(), answer.json()["status"].clone())
    };
    assert_eq!(act("acknowledge").await, (200, "acknowledged".into()));
    assert_eq!(act("acknowledge").await, (200, "acknowledged".into()));
    assert_eq!(act("resolve").await, (200, "resolved".into()));
    assert_eq!(act("acknowledge").await.0, 409);
    assert_eq!(act("reopen").await, (200, "triggered".into()));
    let incident = server.get(&format!("/api/v1/incidents/{id}")).await.json();
    let events: Vec<_> = incident["timeline"]
        .as_array()
        .unwrap()
        .iter()
        .map(|line| &line["event"])
        .collect();
    let expected = [
        "incident.triggered",
        "incident.acknowledged",
        "incident.resolved",
        "incident.reopened",
    ];
    assert_eq!(events, expected);
}

#[tokio::test]
async fn an_incident_is_found_by_its_number_wherever_its_id_may_stand() {
    let server = Server::start().await;
    server.service("API").await;
    let (first, second) = (server.incident("one").await, server.incident("two").await);
    let numbers: Vec<_> = server.get("/api/v1/incidents").await.json()["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|incident| incident["number"].as_i64().unwrap())
        .collect();
    assert_eq!(numbers, [2, 1]);
    for name in ["1", "%231"] {
        let found = server.get(&format!("/api/v1/incidents/{name}")).await.json();
        assert_eq!((&found["id"], &found["number"]), (&json!(first), &json!(1)));
    }
    let resolved = server.post("/api/v1/incidents/%232/resolve", json!({})).await;
    assert_eq!(resolved.json()["id"], second);
    assert_eq!(server.get("/api/v1/incidents/2/tickets").await.status, 200);
    for name in ["3", "0", "-1", "%23", "1.0"] {
        let unknown = server.get(&format!("/api/v1/incidents/{name}")).await;
        assert_eq!(unknown.problem().0, 404, "{name}");
    }
}

#[tokio::test]
async fn a_note_is_written_by_number_and_read_on_the_timeline() {
    let server = Server::start().await;
    server.service("API").await;
    server.incident("Down").await;
    let events = event_count(&server).await;
    let text = "Restarted it,\nsee https://wiki.example.com";
    let noted = server
        .post("/api/v1/incidents/1/notes", json!({ "text": text }))
        .await;
    assert_eq!(
        (noted.status.as_u16(), &noted.json()["note"]),
        (201, &json!(text))
    );
    let incident = server.get("/api/v1/incidents/1").await.json();
    assert_eq!(incident["timeline"][1], noted.json());
    assert_eq!(event_count(&server).await, events);
    for refused in ["", " ", &"x".repeat(10_001)] {
        let answer = server
            .post("/api/v1/incidents/1/notes", json!({ "text": refused }))
            .await;
        assert_eq!(answer.problem(), (422, "invalid_fields".into()));
    }
    let unknown = server
        .post("/api/v1/incidents/7/notes", json!({ "text": text }))
        .await;
    assert_eq!(unknown.problem().0, 404);
}

#[tokio::test]
async fn a_transition_that_does_not_apply_answers_with_the_present_status() {
    let server = Server::start().await;
    server.service("API").await;
    let id = server.incident("Down").await;
    server
        .post(&format!("/api/v1/incidents/{id}/resolve"), json!({}))
        .await;
    let refused = server
        .post(&format!("/api/v1/incidents/{id}/escalate"), json!({}))
        .await;
    assert_eq!(refused.problem(), (409, "wrong_status".into()));
    assert_eq!(refused.json()["incidentStatus"], "resolved");
}

#[tokio::test]
async fn transitions_need_no_body_and_no_content_type() {
    let server = Server::start().await;
    server.service("API").await;
    let id = server.incident("Down").await;
    let path = format!("/api/v1/incidents/{id}/acknowledge");
    let answer = server.send(server.request(Method::POST, &path), "").await;
    assert_eq!(answer.status, 200);
}

#[tokio::test]
async fn the_same_open_dedup_key_gives_the_open_incident_and_no_event() {
    let server = Server::start().await;
    server.service("API").await;
    let body = json!({ "title": "Down", "service": { "name": "API" }, "dedupKey": "k" });
    let first = server.post("/api/v1/incidents", body.clone()).await;
    let second = server.post("/api/v1/incidents", body).await;
    assert_eq!((first.status.as_u16(), second.status.as_u16()), (201, 200));
    assert_eq!(first.json()["id"], second.json()["id"]);
    assert_eq!(event_count(&server).await, 1);
}

#[tokio::test]
async fn severity_is_error_unless_said_and_the_service_may_be_named_by_id() {
    let server = Server::start().await;
    let service = server.service("API").await;
    let body = json!({ "title": "Down", "service": { "id": service } });
    let incident = server.post("/api/v1/incidents", body).await.json();
    assert_eq!(incident["severity"], "error");
    assert_eq!(incident["service"]["name"], "API");
    assert_eq!(incident["assignee"], Value::Null);
}

#[tokio::test]
async fn an_unknown_service_or_user_is_named_as_such() {
    let server = Server::start().await;
    let body = json!({ "title": "Down", "service": { "name": "nowhere" } });
    let answer = server.post("/api/v1/incidents", body).await;
    assert_eq!(answer.problem(), (422, "unknown_service".into()));
    server.service("API").await;
    let nobody = "usr_00000000000070008000000000000000";
    let body = json!({ "title": "Down", "service": { "name": "API" }, "assignee": { "id": nobody } });
    let answer = server.post("/api/v1/incidents", body).await;
    assert_eq!(answer.problem(), (422, "unknown_user".into()));
}

#[tokio::test]
async fn editing_changes_what_is_given_and_makes_no_event() {
    let server = Server::start().await;
    server.service("API").await;
    let user = server
        .post(
            "/api/v1/users",
            json!({ "name": "Ada", "email": "ada@example.com" }),
        )
        .await;
    let id = server.incident("Down").await;
    let change = json!({ "title": "Up", "assignee": { "id": user.json()["id"] } });
    let path = format!("/api/v1/incidents/{id}");
    let edited = server.send_json(Method::PATCH, &path, &[], change).await.json();
    assert_eq!(
        (&edited["title"], &edited["assignee"]["name"]),
        (&"Up".into(), &"Ada".into())
    );
    let cleared = server
        .send_json(Method::PATCH, &path, &[], json!({ "assignee": null }))
        .await
        .json();
    assert_eq!(
        (&cleared["title"], &cleared["assignee"]),
        (&"Up".into(), &Value::Null)
    );
    assert_eq!(event_count(&server).await, 1);
}

#[tokio::test]
async fn lists_page_newest_first_and_filter() {
    let server = Server::start().await;
    server.service("API").await;
    let first = server.incident("first").await;
    let second = server.incident("second").await;
    let page = server.get("/api/v1/incidents?limit=1").await.json();
    assert_eq!(page["items"][0]["id"], second);
    let cursor = page["nextCursor"].as_str().unwrap();
    let next = server
        .get(&format!("/api/v1/incidents?limit=1&cursor={cursor}"))
        .await
        .json();
    assert_eq!(next["items"][0]["id"], first);
    server
        .post(&format!("/api/v1/incidents/{first}/resolve"), json!({}))
        .await;
    let open = server
        .get("/api/v1/incidents?status=triggered,acknowledged")
        .await
        .json();
    assert_eq!(open["items"].as_array().unwrap().len(), 1);
    let found = server
        .get("/api/v1/incidents?q=FIRST&severity=error")
        .await
        .json();
    assert_eq!(found["items"][0]["id"], first);
    assert_eq!(found["nextCursor"], Value::Null);
}

#[tokio::test]
async fn what_is_used_cannot_be_deleted_and_names_are_unique() {
    let server = Server::start().await;
    let service = server.service("API").await;
    let taken = server.post("/api/v1/services", json!({ "name": "API" })).await;
    assert_eq!(taken.problem(), (409, "already_exists".into()));
    server.incident("Down").await;
    let delete = server.request(Method::DELETE, &format!("/api/v1/services/{service}"));
    assert_eq!(server.send(delete, "").await.problem(), (409, "in_use".into()));
    let unused = server.service("unused").await;
    let delete = server.request(Method::DELETE, &format!("/api/v1/services/{unused}"));
    assert_eq!(server.send(delete, "").await.status, 204);
}

#[tokio::test]
async fn an_escalation_policy_gives_its_step_to_its_assignee() {
    let server = Server::start().await;
    let ada = server
        .post("/api/v1/users", json!({ "name": "Ada" }))
        .await
        .json();
    let steps = json!([{ "waitMinutes": 5, "assignee": { "id": ada["id"] } }]);
    let policy = json!({ "name": "Night", "steps": steps });
    let policy = server.post("/api/v1/escalation-policies", policy).await.json();
    assert_eq!(policy["steps"][0]["assignee"]["name"], "Ada");
    let service = json!({ "name": "API", "escalationPolicy": { "id": policy["id"] } });
    assert_eq!(server.post("/api/v1/services", service).await.status, 201);
    let id = server.incident("Down").await;
    let escalated = server
        .post(&format!("/api/v1/incidents/{id}/escalate"), json!({}))
        .await
        .json();
    assert_eq!(escalated["assignee"]["name"], "Ada");
}

/// What became of each, and where it stands now.
fn outcomes(answer: &Value) -> Vec<(Value, Value, Value)> {
    let results = answer["results"].as_array().unwrap().iter();
    results
        .map(|result| {
            let [incident, outcome, status] =
                ["incident", "outcome", "status"].map(|name| result[name].clone());
            (incident, outcome, status)
        })
        .collect()
}

#[tokio::test]
async fn many_incidents_are_acknowledged_at_once_and_each_says_what_became_of_it() {
    let server = Server::start().await;
    server.service("API").await;
    let mut ids = Vec::new();
    for number in 1..=4 {
        ids.push(server.incident(&format!("Down {number}")).await);
    }
    let path = |id: &str, action: &str| format!("/api/v1/incidents/{id}/{action}");
    server.post(&path(&ids[1], "acknowledge"), json!({})).await;
    server.post(&path(&ids[2], "resolve"), json!({})).await;
    let before = event_count(&server).await;
    let body = json!({ "incidents": [ids[0], "#2", "3", "9", "nonsense", "4"], "action": "acknowledge" });
    let key = [("idempotency-key", "night-1")];
    let send = || server.send_json(Method::POST, "/api/v1/incidents/bulk", &key, body.clone());
    let answer = send().await;
    assert_eq!(answer.status, 200);
    let result = |incident: &str, outcome: &str, status: Value| (json!(incident), json!(outcome), status);
    let expected = [
        result(&ids[0], "changed", json!("acknowledged")),
        result("#2", "unchanged", json!("acknowledged")),
        result("3", "refused", json!("resolved")),
        result("9", "not_found", Value::Null),
        result("nonsense", "not_found", Value::Null),
        result("4", "changed", json!("acknowledged")),
    ];
    assert_eq!(outcomes(&answer.json()), expected);
    let last = &answer.json()["results"][5];
    assert_eq!((&last["id"], &last["number"]), (&json!(ids[3]), &json!(4)));
    assert_eq!(event_count(&server).await, before + 2);
    // The same request again is the same answer, and does nothing.
    assert_eq!(send().await.json(), answer.json());
    assert_eq!(event_count(&server).await, before + 2);
    let other = json!({ "incidents": ["1"], "action": "resolve" });
    let misused = server
        .send_json(Method::POST, "/api/v1/incidents/bulk", &key, other)
        .await;
    assert_eq!(misused.problem(), (422, "idempotency_key_reused".into()));
}

#[tokio::test]
async fn many_incidents_are_assigned_at_once_with_a_line_of_the_audit_log_each() {
    let server = Server::start().await;
    server.service("API").await;
    let user = server
        .post("/api/v1/users", json!({ "name": "Ada" }))
        .await
        .json();
    let ids = [server.incident("one").await, server.incident("two").await];
    let bulk = async |body: Value| server.post("/api/v1/incidents/bulk", body).await;
    let assign = json!({ "incidents": ["1", "2"], "action": "assign", "assignee": { "id": user["id"] } });
    let answer = bulk(assign.clone()).await.json();
    assert!(
        outcomes(&answer)
            .iter()
            .all(|(_, outcome, _)| outcome == "changed")
    );
    let again = bulk(assign).await.json();
    assert!(
        outcomes(&again)
            .iter()
            .all(|(_, outcome, _)| outcome == "unchanged")
    );
    for id in &ids {
        let incident = server.get(&format!("/api/v1/incidents/{id}")).await.json();
        assert_eq!(incident["assignee"]["name"], "Ada");
        let audit = server.get("/api/v1/audit").await.json();
        let lines = audit["items"].as_array().unwrap().iter();
        let lines = lines.filter(|line| line["subject"] == id.as_str());
        assert_eq!(lines.count(), 1);
    }
    let nobody = json!({ "incidents": ["1", "2"], "action": "assign", "assignee": null });
    assert_eq!(bulk(nobody).await.status, 200);
    assert_eq!(
        server.get("/api/v1/incidents/1").await.json()["assignee"],
        Value::Null
    );
    let stranger = json!({ "id": "usr_00000000000070008000000000000000" });
    let unknown = json!({ "incidents": ["1"], "action": "assign", "assignee": stranger });
    assert_eq!(bulk(unknown).await.problem(), (422, "unknown_user".into()));
    for refused in [
        json!({ "incidents": [], "action": "resolve" }),
        json!({ "incidents": vec!["1"; 201], "action": "resolve" }),
        json!({ "incidents": ["1"], "action": "assign" }),
        json!({ "incidents": ["1"], "action": "resolve", "assignee": null }),
    ] {
        assert_eq!(bulk(refused).await.problem(), (422, "invalid_fields".into()));
    }
    let burn = json!({ "incidents": ["1"], "action": "burn" });
    assert_eq!(bulk(burn).await.problem(), (422, "invalid_body".into()));
}
