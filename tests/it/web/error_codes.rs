//! Where the `type` of a problem leads: to a page of this server that explains it, whoever asks.

use serde_json::json;

use crate::support::page_client::PageClient;
use crate::support::test_app::{Names, TestApp};

#[tokio::test]
async fn the_type_of_a_problem_leads_to_a_page_that_explains_it_to_everybody() {
    let directory = tempfile::tempdir().unwrap();
    let app = TestApp::start(directory.path()).await;
    let problem = app.api.get("/api/v1/incidents/nonsense").await.expect(404).json();
    let (path, code) = problem["type"].as_str().unwrap().split_once('#').unwrap();
    assert_eq!((path, code), ("/docs/errors", problem["code"].as_str().unwrap()));
    let page = PageClient::new(&app.base()).get(path).await.expect(200).html;
    let (_, line) = page.split_once(&format!("id=\"{code}\"")).unwrap();
    let advice = problem["advice"].as_str().unwrap();
    let said = line.lines().next().unwrap().to_lowercase();
    assert!(said.contains(&advice.to_lowercase()), "{line}");
}

#[tokio::test]
async fn a_server_that_knows_its_address_gives_it_in_every_problem() {
    let directory = tempfile::tempdir().unwrap();
    let change = |config: &mut config::Config| {
        config.public_url = Some("https://ops.example/".parse().unwrap());
    };
    let app = TestApp::start_with(directory.path(), &change, Names::default()).await;
    let kind = async |path: &str, key: &str| {
        let sent = app
            .api
            .send("POST", path, Some(json!({})), &[("idempotency-key", key)])
            .await;
        sent.unwrap().json()["type"].clone()
    };
    let whole = |code: &str| json!(format!("https://ops.example/docs/errors#{code}"));
    assert_eq!(kind("/api/v1/nothing", "a").await, whole("unknown_route"));
    assert_eq!(kind("/api/v1/services", "b").await, whole("invalid_fields"));
    assert_eq!(kind("/api/v1/services", "b").await, whole("invalid_fields"));
}
