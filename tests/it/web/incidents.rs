//! Incidents in a browser: triggered by hand, and live on pages that are already open.

use model::access::Role;

use super::browser::Browser;
use crate::support::test_app::TestApp;

async fn trigger(browser: &Browser, title: &str) {
    browser.goto("/incidents/new").await;
    browser.fill("What is wrong", title).await;
    browser.choose("Service", "API Gateway").await;
    browser.choose("Severity", "Critical").await;
    browser.press("Trigger incident").await;
    browser
        .wait_for_text("Triggered. Every webhook that wants to know is told.")
        .await;
}

#[tokio::test]
async fn an_incident_appears_on_an_open_list_without_loading_it_anew() {
    let directory = tempfile::tempdir().unwrap();
    let app = TestApp::start(directory.path()).await;
    app.create_service().await;
    app.trigger("Certificate expires tomorrow").await;
    let mut browser = Browser::open_as(&app, Role::Responder).await;
    browser.goto("/incidents").await;
    browser.wait_for("body.is-live").await;
    browser.eval("window.isTheSamePage = true").await;
    let list = browser.open_window().await;
    trigger(&browser, "Disk full on db-1").await;
    let form = browser.switch_to(list.clone()).await;
    browser.wait_for_text("Disk full on db-1").await;
    browser.wait_for("tr.is-new .badge.status-triggered").await;
    browser.switch_to(form).await;
    browser.press("Acknowledge").await;
    browser
        .wait_for_text("Acknowledged. Every webhook that wants to know is told.")
        .await;
    browser.switch_to(list).await;
    browser.wait_for(".badge.status-acknowledged").await;
    assert_eq!(browser.eval("return window.isTheSamePage").await, true);
    browser.finish().await;
}

#[tokio::test]
async fn an_open_incident_shows_live_what_somebody_else_does_about_it() {
    let directory = tempfile::tempdir().unwrap();
    let app = TestApp::start(directory.path()).await;
    app.create_service().await;
    let incident = app.trigger("Disk full on db-1").await;
    let browser = Browser::open_as(&app, Role::Responder).await;
    browser.goto(&format!("/incidents/{incident}")).await;
    browser.wait_for("body.is-live").await;
    browser.eval("window.isTheSamePage = true").await;
    app.act(&incident, "acknowledge").await;
    browser.wait_for("#head .badge.status-acknowledged").await;
    app.act(&incident, "resolve").await;
    browser.wait_for("#head .badge.status-resolved").await;
    browser
        .wait_until("document.querySelectorAll('#timeline li').length === 3")
        .await;
    let said = "document.getElementById('live').textContent === 'Disk full on db-1: resolved'";
    browser.wait_until(said).await;
    assert_eq!(browser.eval("return window.isTheSamePage").await, true);
    browser.finish().await;
}

#[tokio::test]
async fn the_dashboard_counts_live() {
    let directory = tempfile::tempdir().unwrap();
    let app = TestApp::start(directory.path()).await;
    app.create_service().await;
    let browser = Browser::open_as(&app, Role::Viewer).await;
    browser.wait_for("body.is-live").await;
    browser.wait_for_text("No incident is open").await;
    app.trigger("Disk full on db-1").await;
    browser.wait_for_text("Disk full on db-1").await;
    browser.wait_for_text("1 not acknowledged").await;
    browser.finish().await;
}

#[tokio::test]
async fn while_somebody_points_at_a_list_new_rows_wait_for_their_word() {
    let directory = tempfile::tempdir().unwrap();
    let app = TestApp::start(directory.path()).await;
    app.create_service().await;
    app.trigger("Disk full on db-1").await;
    let browser = Browser::open_as(&app, Role::Viewer).await;
    browser.goto("/incidents").await;
    browser.wait_for("body.is-live").await;
    browser.point_at("#incidents tbody tr").await;
    app.trigger("Disk full on db-2").await;
    browser.press("1 new – show").await;
    browser.wait_for_text("Disk full on db-2").await;
    browser.finish().await;
}

#[tokio::test]
async fn an_incident_is_opened_by_its_number() {
    let directory = tempfile::tempdir().unwrap();
    let app = TestApp::start(directory.path()).await;
    app.create_service().await;
    let incident = app.trigger("Disk full on db-1").await;
    let browser = Browser::open_as(&app, Role::Viewer).await;
    for path in ["/incidents/1", "/incidents/%231"] {
        browser.goto(path).await;
        assert_eq!(browser.text("h1").await, "Disk full on db-1");
        assert_eq!(
            browser.text(".crumbs").await,
            format!("Incidents / #1 {incident}")
        );
    }
    browser.finish().await;
}

#[tokio::test]
async fn a_note_is_written_on_the_page_and_its_address_is_a_link() {
    let directory = tempfile::tempdir().unwrap();
    let app = TestApp::start(directory.path()).await;
    app.create_service().await;
    let incident = app.trigger("Disk full on db-1").await;
    let browser = Browser::open_as(&app, Role::Responder).await;
    browser.goto(&format!("/incidents/{incident}")).await;
    browser.fill("Note", "See https://wiki.example.com/disk.").await;
    browser.press("Add note").await;
    browser.wait_for_text("Noted.").await;
    let link = "return document.querySelector('#timeline a').outerHTML";
    let shown = browser.eval(link).await;
    let shown = shown.as_str().unwrap();
    assert!(
        shown.contains("href=\"https://wiki.example.com/disk\""),
        "{shown}"
    );
    assert!(
        shown.contains("noreferrer") && shown.contains("no-referrer"),
        "{shown}"
    );
    browser.finish().await;
}

#[tokio::test]
async fn what_is_being_typed_stays_while_the_page_around_it_changes() {
    let directory = tempfile::tempdir().unwrap();
    let app = TestApp::start(directory.path()).await;
    app.create_service().await;
    let incident = app.trigger("Disk full on db-1").await;
    let browser = Browser::open_as(&app, Role::Responder).await;
    browser.goto(&format!("/incidents/{incident}")).await;
    browser.wait_for("body.is-live").await;
    browser.press("Change title, severity or description").await;
    browser.fill("Title", "Disk nearly full").await;
    app.act(&incident, "acknowledge").await;
    browser.wait_for("#head .badge.status-acknowledged").await;
    assert_eq!(
        browser
            .eval("return document.getElementById('title').value")
            .await,
        "Disk nearly full"
    );
    browser.press("Save").await;
    browser.wait_for_text("Saved.").await;
    assert_eq!(browser.text("h1").await, "Disk nearly full");
    browser.finish().await;
}

#[tokio::test]
async fn filters_narrow_the_list_and_stand_in_the_address() {
    let directory = tempfile::tempdir().unwrap();
    let app = TestApp::start(directory.path()).await;
    app.create_service().await;
    let resolved = app.trigger("Certificate expired").await;
    app.act(&resolved, "resolve").await;
    app.trigger("Disk full on db-1").await;
    let browser = Browser::open_as(&app, Role::Viewer).await;
    browser.goto("/incidents").await;
    browser.wait_for_text("Disk full").await;
    assert!(!browser.text("#incidents").await.contains("Certificate"));
    browser.press("All 2").await;
    browser.wait_for_text("Certificate expired").await;
    browser.choose("Assignee", "Me").await;
    browser.choose("Triggered", "Last hour").await;
    browser.press("Filter").await;
    browser.wait_for_text("No incident fits").await;
    let path = browser.path().await;
    assert!(path.contains("status=any") && path.contains("assignee=me") && path.contains("since=1h"));
    browser.choose("Assignee", "Anybody").await;
    browser.press("Filter").await;
    browser.click("#views a[href*='status=resolved']").await;
    browser
        .wait_for("#views a[href*='status=resolved'][aria-current]")
        .await;
    browser.wait_for_text("Certificate expired").await;
    assert!(!browser.text("#incidents").await.contains("Disk full"));
    assert!(browser.path().await.contains("status=resolved"));
    browser.click("#incidents a.main").await;
    browser.wait_for("#timeline").await;
    assert_eq!(browser.path().await, format!("/incidents/{resolved}"));
    browser.finish().await;
}

#[tokio::test]
async fn a_live_page_hears_nothing_more_when_its_session_has_ended() {
    let directory = tempfile::tempdir().unwrap();
    let app = TestApp::start(directory.path()).await;
    app.create_service().await;
    let mut browser = Browser::open_as(&app, Role::Viewer).await;
    // Asking for the stream again leads to the sign-in page, which is none.
    browser.expect_complaint("EventSource's response has a MIME type (\"text/html\")");
    browser.goto("/incidents").await;
    browser.wait_for("body.is-live").await;
    let users = app.api.get("/api/v1/users").await.expect(200).json();
    let user = format!("/api/v1/users/{}", users["items"][0]["id"].as_str().unwrap());
    app.api
        .send("DELETE", &user, None, &[])
        .await
        .unwrap()
        .expect(204);
    app.trigger("Nothing for former colleagues").await;
    browser.wait_for("body:not(.is-live)").await;
    assert!(!browser.text("main").await.contains("former colleagues"));
    browser.finish().await;
}

#[tokio::test]
async fn many_live_pages_leave_room_for_another() {
    let directory = tempfile::tempdir().unwrap();
    let app = TestApp::start(directory.path()).await;
    let mut browser = Browser::open_as(&app, Role::Viewer).await;
    browser.wait_for("body.is-live").await;
    // Browsers open at most six connections to a server of HTTP/1.
    for _ in 0..7 {
        browser.open_tab().await;
        browser.goto("/incidents").await;
        browser.wait_for_text("No incident is open").await;
    }
    browser.finish().await;
}

#[tokio::test]
async fn rows_that_arrive_shift_nothing_on_the_page() {
    let directory = tempfile::tempdir().unwrap();
    let app = TestApp::start(directory.path()).await;
    app.create_service().await;
    app.trigger("Disk full on db-1").await;
    app.trigger("Disk full on db-2").await;
    let browser = Browser::open_as(&app, Role::Viewer).await;
    browser.goto("/incidents").await;
    browser.wait_for("body.is-live").await;
    let watch = "window.shifted = []; \
                 new PerformanceObserver((list) => window.shifted.push(...list.getEntries())) \
                     .observe({ type: 'layout-shift' })";
    browser.eval(watch).await;
    app.trigger("A very long title that would make its column wider if columns could grow at all")
        .await;
    browser.wait_for("tr.is-new").await;
    let settle = "requestAnimationFrame(() => requestAnimationFrame(() => { window.isSettled = true }))";
    browser.eval(settle).await;
    browser.wait_until("window.isSettled").await;
    let places =
        "return window.shifted.flatMap((shift) => shift.sources.map((source) => source.node?.nodeName))";
    assert_eq!(browser.eval(places).await, serde_json::json!([]));
    browser.finish().await;
}

#[tokio::test]
async fn a_page_that_lost_its_server_says_so() {
    let directory = tempfile::tempdir().unwrap();
    let app = TestApp::start(directory.path()).await;
    let mut browser = Browser::open_as(&app, Role::Viewer).await;
    browser.expect_complaint("ERR_");
    browser.wait_for("body.is-live").await;
    app.restart(directory.path()).await;
    browser.wait_for_text("not live since").await;
    browser.finish().await;
}
