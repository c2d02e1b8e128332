//! Many windows of one browser: they share a stream, and none of them is missed when it closes.

use model::access::Role;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::browser::Browser;
use super::people::{SESSION_COOKIE, new_session};
use crate::support::test_app::TestApp;

/// More than a browser opens connections to a server of HTTP/1.
const WINDOWS: usize = 8;
/// How many streams a session may have.
const PLACES: usize = 12;
/// The beginning of the answer that opens a stream.
const OPENED: &str = "HTTP/1.1 200";

/// How many streams the server has open for a session, told from how many more it opens.
async fn streams(app: &TestApp, session: &str) -> usize {
    let host = app.base().trim_start_matches("http://").to_owned();
    let request = format!("GET /live HTTP/1.1\r\nhost: {host}\r\ncookie: {SESSION_COOKIE}={session}\r\n\r\n");
    let mut opened = Vec::new();
    loop {
        let mut connection = TcpStream::connect(&host).await.unwrap();
        connection.write_all(request.as_bytes()).await.unwrap();
        let mut head = vec![0; OPENED.len()];
        connection.read_exact(&mut head).await.unwrap();
        if head != OPENED.as_bytes() {
            return PLACES - opened.len();
        }
        opened.push(connection);
    }
}

#[tokio::test]
async fn the_windows_of_a_browser_share_one_stream() {
    let directory = tempfile::tempdir().unwrap();
    let app = TestApp::start(directory.path()).await;
    app.create_service().await;
    let session = new_session(&app, Role::Viewer).await;
    let mut browser = Browser::open(&app).await;
    browser.keep_cookie(SESSION_COOKIE, &session).await;
    browser.goto("/incidents").await;
    browser.wait_for("body.is-live").await;
    let mut windows = Vec::new();
    for _ in 1..WINDOWS {
        windows.push(browser.open_window().await);
        browser.goto("/incidents").await;
        browser.wait_for("body.is-live").await;
    }
    assert_eq!(streams(&app, &session).await, 1);
    app.trigger("Disk full on db-1").await;
    browser.wait_for_text("Disk full on db-1").await;
    for window in &windows {
        browser.switch_to(window.clone()).await;
        browser.wait_for_text("Disk full on db-1").await;
    }
    // The one that opened the stream is closed: the others go on.
    browser.switch_to(windows.remove(0)).await;
    browser.close_window(windows[0].clone()).await;
    app.trigger("Disk full on db-2").await;
    for window in windows {
        browser.switch_to(window).await;
        browser.wait_for_text("Disk full on db-2").await;
    }
    browser.finish().await;
}

#[tokio::test]
async fn a_browser_without_shared_workers_has_a_stream_for_each_window() {
    let directory = tempfile::tempdir().unwrap();
    let app = TestApp::start(directory.path()).await;
    app.create_service().await;
    let session = new_session(&app, Role::Viewer).await;
    let browser = Browser::open(&app).await;
    browser.keep_cookie(SESSION_COOKIE, &session).await;
    browser.before_scripts("delete globalThis.SharedWorker").await;
    browser.goto("/incidents").await;
    browser.wait_for("body.is-live").await;
    assert_eq!(streams(&app, &session).await, 1);
    app.trigger("Disk full on db-1").await;
    browser.wait_for_text("Disk full on db-1").await;
    browser.finish().await;
}
