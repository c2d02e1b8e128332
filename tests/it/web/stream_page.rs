//! The page of `docs/stream.html`, on a site of its own, in a real browser: it shows what happens and never has a key.

use axum::Router;
use axum::response::Html;
use axum::routing::{get, post};
use serde_json::json;
use tokio::net::TcpListener;

use super::browser::Browser;
use crate::support::api_client::ApiClient;
use crate::support::test_app::{Names, TestApp};

const PAGE: &str = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/stream.html"));
const SERVER: &str = "https://opsknight.example";

/// A site with the page, and with what makes tokens for it.
async fn site(listener: TcpListener, base: &str, api: ApiClient) {
    let page = PAGE.replace(SERVER, base);
    assert_ne!(page, PAGE);
    let make = move || {
        let api = api.clone();
        async move {
            let body = json!({"seconds": 600});
            api.post("/api/v1/stream-tokens", body).await.expect(201).text
        }
    };
    let router = Router::new()
        .route("/", get(move || async move { Html(page) }))
        .route("/stream-token", post(make));
    tokio::spawn(async move { axum::serve(listener, router).await });
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_page_of_another_site_shows_what_happens_as_text() {
    let directory = tempfile::tempdir().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let origin = format!("http://{}", listener.local_addr().unwrap());
    let named = origin.clone();
    let change = move |config: &mut config::Config| config.api.cors_origins = vec![named.clone()];
    let app = TestApp::start_with(directory.path(), &change, Names::default()).await;
    app.create_service().await;
    site(listener, &app.base(), app.api.clone()).await;
    let browser = Browser::open(&app).await;
    browser.goto("/sign-in").await;
    browser
        .eval(&format!("location.href = {}", json!(format!("{origin}/"))))
        .await;
    browser.wait_for_text("live").await;
    let incident = app.trigger("<img src=x> Down").await;
    browser
        .wait_for_text("incident.triggered: <img src=x> Down (critical, API Gateway)")
        .await;
    app.act(&incident, "resolve").await;
    browser.wait_for_text("incident.resolved").await;
    browser.finish().await;
}
