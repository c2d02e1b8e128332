//! Whose request it is: behind a trusted proxy the client's own address counts everywhere, and from nobody else.

use config::Config;
use model::access::Role;
use serde_json::Value;

use crate::support::page_client::PageClient;
use crate::support::test_app::{Names, TestApp};
use crate::web::people::{EMAIL, PASSWORD, person, set_up};

/// A server that two failures per address exhaust, behind a proxy on this machine.
fn behind_a_proxy(config: &mut Config) {
    config.trusted_proxies = vec!["127.0.0.0/8".parse().unwrap()];
    config.api.failed_sign_ins_per_minute = 2;
}

fn without_a_proxy(config: &mut Config) {
    config.api.failed_sign_ins_per_minute = 2;
}

/// The status of a sign-in that a proxy says comes from an address.
async fn sign_in_from(app: &TestApp, address: &str, password: &str) -> u16 {
    let fields = [("email", EMAIL), ("password", password)];
    let headers = [("x-forwarded-for", address)];
    let visitor = PageClient::new(&app.base());
    visitor.post("/sign-in", &fields, &headers).await.status
}

/// The status of a wrong API key that a proxy says comes from an address.
async fn wrong_key_from(app: &TestApp, address: &str) -> u16 {
    let forwarded = format!("for=\"{address}\"");
    let headers = [
        ("authorization", "Bearer ok_wrong"),
        ("forwarded", forwarded.as_str()),
    ];
    let answer = app.api.send_as("GET", "/api/v1/services", None, &headers).await;
    answer.unwrap().status
}

async fn audit_log(app: &TestApp) -> Value {
    app.api.get("/api/v1/audit").await.expect(200).json()
}

#[tokio::test]
async fn behind_a_trusted_proxy_each_client_has_limits_of_its_own() {
    let directory = tempfile::tempdir().unwrap();
    let app = TestApp::start_with(directory.path(), &behind_a_proxy, Names::default()).await;
    set_up(&app).await;
    for _ in 0..10 {
        assert_eq!(sign_in_from(&app, "192.0.2.1", "a wrong guess").await, 401);
    }
    assert_eq!(sign_in_from(&app, "192.0.2.1", PASSWORD).await, 429);
    assert_eq!(sign_in_from(&app, "198.51.100.7, 192.0.2.2", PASSWORD).await, 303);
    let log = audit_log(&app).await;
    let details = log["items"].as_array().unwrap().iter();
    // Those of one millisecond stand in no order.
    let details: Vec<_> = details.filter_map(|entry| entry["detail"].as_str()).collect();
    assert!(details.contains(&"signed in from 192.0.2.2"), "{details:?}");
    let mut statuses = Vec::new();
    for address in [
        "192.0.2.1",
        "192.0.2.1:9",
        "192.0.2.1",
        "[2001:db8::1]:80",
        "[2001:db8::2]:80",
        "[2001:db8::3]:80",
    ] {
        statuses.push(wrong_key_from(&app, address).await);
    }
    assert_eq!(statuses, [401, 401, 429, 401, 401, 429]);
}

#[tokio::test]
async fn an_inbox_tells_the_client_behind_a_trusted_proxy() {
    let directory = tempfile::tempdir().unwrap();
    let app = TestApp::start_with(directory.path(), &behind_a_proxy, Names::default()).await;
    let admin = person(&app, Role::Admin).await;
    let made = admin
        .submit("/settings/inbox", &[("name", "mine")])
        .await
        .expect(303);
    let path = made.location().split('?').next().unwrap().to_owned();
    let id = path.rsplit('/').next().unwrap();
    let stranger = PageClient::new(&app.base());
    let headers = [("x-forwarded-for", "192.0.2.77")];
    stranger
        .post(&format!("/in/{id}"), &[], &headers)
        .await
        .expect(200);
    let page = admin.get(&path).await.expect(200);
    assert!(page.html.contains("from 192.0.2.77"));
    // A sender that floods is told to wait; another is not.
    let mut last = 200;
    for _ in 0..200 {
        last = stranger.post(&format!("/in/{id}"), &[], &headers).await.status;
    }
    assert_eq!(last, 429);
    let headers = [("x-forwarded-for", "192.0.2.78")];
    stranger
        .post(&format!("/in/{id}"), &[], &headers)
        .await
        .expect(200);
}

#[tokio::test]
async fn without_a_trusted_proxy_nobody_can_pose_as_another_address() {
    let directory = tempfile::tempdir().unwrap();
    let app = TestApp::start_with(directory.path(), &without_a_proxy, Names::default()).await;
    set_up(&app).await;
    for last in 0..10 {
        let address = format!("192.0.2.{last}");
        assert_eq!(sign_in_from(&app, &address, "a wrong guess").await, 401);
    }
    assert_eq!(sign_in_from(&app, "192.0.2.77", PASSWORD).await, 429);
    let mut statuses = Vec::new();
    for address in ["192.0.2.1", "192.0.2.2", "192.0.2.3"] {
        statuses.push(wrong_key_from(&app, address).await);
    }
    assert_eq!(statuses, [401, 401, 429]);
    let log = audit_log(&app).await.to_string();
    assert!(log.contains("signed in from 127.0.0.1") && !log.contains("192.0.2."));
}
