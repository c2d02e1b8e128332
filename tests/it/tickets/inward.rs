//! What people do in the ticket system comes back: by a call, and by looking every few minutes.

use std::time::Duration;

use http::StatusCode;
use serde_json::{Value, json};

use super::{Desk, KINDS, callback_secret, number};
use crate::support::api_client::ApiClient;

#[tokio::test]
async fn a_ticket_that_is_moved_takes_its_incident_along_by_a_call() {
    for kind in KINDS {
        let desk = Desk::start(kind, json!({})).await;
        desk.let_it_call().await;
        let incident = desk.app.trigger("moved there").await;
        desk.settle(1).await;
        desk.move_ticket(&incident, "in_progress").await;
        desk.wait_for_status(&incident, "acknowledged").await;
        desk.settle(2).await;
        desk.move_ticket(&incident, "done").await;
        desk.wait_for_status(&incident, "resolved").await;
        desk.settle(3).await;
        desk.move_ticket(&incident, "in_progress").await;
        desk.wait_for_status(&incident, "triggered").await;
        desk.settle(4).await;
        let timeline = desk.incident(&incident).await["timeline"].clone();
        let events: Vec<_> = timeline
            .as_array()
            .unwrap()
            .iter()
            .filter_map(|entry| entry["event"].as_str())
            .collect();
        assert_eq!(
            events,
            [
                "incident.triggered",
                "incident.acknowledged",
                "incident.resolved",
                "incident.reopened"
            ],
            "{timeline:#}"
        );
        let actor = timeline[1]["actor"].as_str().unwrap();
        assert!(actor.contains("in desk"), "{actor}");
    }
}

#[tokio::test]
async fn a_change_of_which_nobody_told_is_found_by_looking() {
    for kind in KINDS {
        let desk = Desk::start(kind, json!({})).await;
        let incident = desk.app.trigger("nobody calls").await;
        desk.settle(1).await;
        desk.move_ticket(&incident, "done").await;
        desk.app.advance(Duration::from_secs(290));
        desk.app.quiesce().await;
        assert_eq!(desk.incident(&incident).await["status"], "triggered");
        desk.app.advance(Duration::from_secs(20));
        desk.wait_for_status(&incident, "resolved").await;
    }
}

#[tokio::test]
async fn what_we_did_ourselves_does_not_come_back() {
    for kind in KINDS {
        let desk = Desk::start(kind, json!({})).await;
        desk.let_it_call().await;
        let incident = desk.app.trigger("echo").await;
        for (number, action) in ["acknowledge", "resolve", "reopen", "acknowledge"]
            .into_iter()
            .enumerate()
        {
            desk.settle(number + 1).await;
            desk.app.act(&incident, action).await;
        }
        desk.settle(5).await;
        for _ in 0..30 {
            desk.app.advance(Duration::from_secs(60));
            desk.app.quiesce().await;
        }
        assert_eq!(desk.app.deliveries("").await.len(), 5, "{}", desk.story().await);
        assert_eq!(desk.incident(&incident).await["status"], "acknowledged");
    }
}

#[tokio::test]
async fn with_the_way_here_closed_the_ticket_is_shown_and_not_followed() {
    for kind in KINDS {
        let desk = Desk::start(kind, json!({"sync": "out"})).await;
        let incident = desk.app.trigger("one way").await;
        desk.settle(1).await;
        desk.move_ticket(&incident, "done").await;
        desk.app.advance(Duration::from_secs(400));
        let is_shown = async || desk.link(&incident).await["ticket"]["phase"] == "done";
        desk.until("the ticket is shown as done", is_shown).await;
        assert_eq!(desk.incident(&incident).await["status"], "triggered");
    }
}

#[tokio::test]
async fn comments_of_people_come_into_the_timeline_and_ours_do_not() {
    for kind in KINDS {
        let desk = Desk::start(kind, json!({"comments": "on", "notes": "all"})).await;
        let incident = desk.app.trigger("talked about").await;
        desk.settle(1).await;
        desk.app.advance(Duration::from_secs(60));
        let key = desk.link(&incident).await["ticket"]["key"]
            .as_str()
            .unwrap()
            .to_owned();
        comment(&desk, &key, "we replaced the disk").await;
        desk.app.act(&incident, "acknowledge").await;
        desk.settle(2).await;
        desk.app.advance(Duration::from_secs(400));
        let is_told = async || {
            let timeline = desk.incident(&incident).await["timeline"].to_string();
            timeline.contains("replaced the disk")
        };
        desk.until("the comment is in the timeline", is_told).await;
        let timeline = desk.incident(&incident).await["timeline"].clone();
        let notes: Vec<_> = timeline
            .as_array()
            .unwrap()
            .iter()
            .filter_map(|entry| entry["note"].as_str())
            .collect();
        assert_eq!(notes.len(), 2, "{notes:#?}");
        assert_eq!(notes[0], "became the incident's ticket");
        assert!(notes[1].contains("replaced the disk"), "{notes:#?}");
    }
}

async fn comment(desk: &Desk, key: &str, text: &str) {
    if desk.kind == "jira" {
        let path = format!("/rest/api/2/issue/{key}/comment");
        desk.ada("POST", &path, json!({"body": text})).await.expect(201);
        return;
    }
    if desk.kind != "servicenow" {
        return desk.code_host().comment(number(key), text).await;
    }
    let path = format!("/api/now/table/incident?sysparm_query=number={key}&sysparm_fields=sys_id");
    let found = desk.ada("GET", &path, Value::Null).await.expect(200).json();
    let path = format!(
        "/api/now/table/incident/{}",
        found["result"][0]["sys_id"].as_str().unwrap()
    );
    desk.ada("PATCH", &path, json!({"work_notes": text}))
        .await
        .expect(200);
}

#[tokio::test]
async fn a_call_without_its_proof_is_refused() {
    for kind in KINDS {
        let desk = Desk::start(kind, json!({})).await;
        let client = ApiClient::new(&desk.app.base(), "");
        let path = format!("/inbound/{kind}/{}", desk.webhook);
        let body = json!({"webhookEvent": "jira:issue_updated", "issue": {"id": "10000"}, "sys_id": "0".repeat(32),
                   "object_kind": "push"});
        let (name, good) = match kind {
            "jira" => ("x-hub-signature", signature(kind, &body.to_string())),
            "github" => ("x-hub-signature-256", signature(kind, &body.to_string())),
            "gitlab" => ("x-gitlab-token", callback_secret(kind)),
            _ => ("x-opsknight-secret", callback_secret(kind)),
        };
        let send = async |proof: &str| {
            let headers = [(name, proof)];
            client
                .send_as("POST", &path, Some(body.clone()), &headers)
                .await
                .unwrap()
                .status
        };
        assert_eq!(
            send("sha256=00").await,
            StatusCode::UNAUTHORIZED.as_u16(),
            "{kind}"
        );
        assert_eq!(send("").await, StatusCode::UNAUTHORIZED.as_u16(), "{kind}");
        assert_eq!(send(&good).await, StatusCode::OK.as_u16(), "{kind}");
    }
}

fn signature(kind: &str, body: &str) -> String {
    use hmac::{Hmac, KeyInit, Mac};
    let mut mac = Hmac::<sha2::Sha256>::new_from_slice(callback_secret(kind).as_bytes()).unwrap();
    mac.update(body.as_bytes());
    format!("sha256={}", hex::encode(mac.finalize().into_bytes()))
}
