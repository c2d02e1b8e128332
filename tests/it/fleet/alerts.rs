//! Two servers hear of the same alerts at once.

use serde_json::{Value, json};

use super::{new_database, start};
use crate::support::api_client::ApiClient;
use crate::support::test_app::text;

/// How many alerts both servers hear of.
const ALERTS: usize = 20;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_alert_that_two_servers_hear_of_at_once_is_one_incident() {
    let urls = new_database();
    let folders = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let first = start(&urls[0], folders[0].path()).await;
    let second = start(&urls[1], folders[1].path()).await;
    let api = ApiClient::new(&first.url, &first.key);
    let senders = [&first.url, &second.url].map(|url| ApiClient::new(url, ""));
    let service = api
        .post("/api/v1/services", json!({"name": "Fleet"}))
        .await
        .expect(201)
        .json();
    let source = json!({"serviceId": service["id"], "kind": "pagerduty", "name": "Prod"});
    let source = api.post("/api/v1/sources", source).await.expect(201).json();
    let event = |action: &str, number: usize| {
        json!({
            "routing_key": source["key"],
            "event_action": action,
            "dedup_key": format!("alert-{number}"),
            "payload": { "summary": format!("alert {number}"), "source": "prod", "severity": "error" },
        })
    };
    let tell_both = async |body: Value| {
        let [one, other] = &senders;
        let send = |api: &ApiClient| {
            let (api, body) = (api.clone(), body.clone());
            async move {
                api.send_as("POST", "/v2/enqueue", Some(body), &[])
                    .await
                    .unwrap()
                    .expect(202)
            }
        };
        tokio::join!(send(one), send(other));
    };
    for number in 0..ALERTS {
        tell_both(event("trigger", number)).await;
    }
    let statuses = async || {
        let page = api.get("/api/v1/incidents?limit=200").await.expect(200).json();
        let all = page["items"].as_array().unwrap().clone();
        all.iter().map(|one| text(&one["status"])).collect::<Vec<_>>()
    };
    assert_eq!(statuses().await, ["triggered"; ALERTS]);
    let path = format!("/api/v1/sources/{}/alerts", text(&source["id"]));
    let alerts = api.get(&path).await.expect(200).json();
    let counts = alerts["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|alert| alert["count"].as_u64());
    assert_eq!(counts.collect::<Vec<_>>(), [Some(2); ALERTS]);
    for number in 0..ALERTS {
        tell_both(event("resolve", number)).await;
    }
    assert_eq!(statuses().await, ["resolved"; ALERTS]);
    assert!(first.terminate().await && second.terminate().await);
}
