//! Webhooks in a browser: added, tested, mended, rotated, recovered, against a real receiver.

use std::time::Duration;

use model::access::Role;
use serde_json::json;

use super::browser::Browser;
use super::chromedriver::Scripts;
use super::people::{SESSION_COOKIE, new_session};
use crate::support::platform::Platform;
use crate::support::receiver::{OK, Receiver, Reply};
use crate::support::test_app::TestApp;

const FAILING: Reply = Reply::Raw("HTTP/1.1 500 Oh no\r\ncontent-length: 9\r\n\r\nno memory");

/// A port on which nothing listens.
async fn nowhere() -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    format!("http://{}/", listener.local_addr().unwrap())
}

fn url_of(receiver: &Receiver) -> String {
    format!("http://{}/hook", receiver.address)
}

/// Fills the form of a new webhook in, all events chosen.
async fn add_webhook(browser: &Browser, url: &str) {
    browser.goto("/settings/integrations").await;
    browser.press("+ Add Webhook").await;
    browser.click("a.kind[href$='/generic']").await;
    browser.fill("Name", "Status display").await;
    browser.fill("URL", url).await;
    browser.fill("Secret", "my own secret").await;
    browser.click("main form > .row button.primary").await;
}

/// Everything from adding a webhook to a delivery that has arrived, without and with scripts.
async fn main_path(browser: &Browser, app: &TestApp, receiver: &mut Receiver) {
    add_webhook(browser, &nowhere().await).await;
    browser.wait_for_text("never shown again").await;
    let secret = "return document.getElementById('secret').value";
    assert_eq!(browser.eval(secret).await, "my own secret");
    browser.press("Send Test").await;
    browser.wait_for_text("connect_refused").await;
    browser.wait_for_text("check that the receiver is running").await;
    browser.click(".page-head a[href$='/edit']").await;
    browser.fill("URL", &url_of(receiver)).await;
    browser.press("Save").await;
    browser.wait_for_text("Saved.").await;
    browser.click("#test form button").await;
    browser.wait_for_text("The receiver answered 200").await;
    browser.wait_for_text("x-opsknight-signature").await;
    browser.wait_for_text("curl -X POST").await;
    assert!(receiver.next_request().await.contains("x-opsknight-test: true"));
    app.trigger("Disk full on db-1").await;
    assert!(receiver.next_request().await.contains("Disk full on db-1"));
    app.wait_for("status=delivered", 2).await;
}

#[tokio::test]
async fn a_webhook_is_added_fails_its_test_with_the_reason_is_mended_and_delivers_live() {
    let directory = tempfile::tempdir().unwrap();
    let app = TestApp::start(directory.path()).await;
    app.create_service().await;
    let mut receiver = Receiver::start(&[OK]).await;
    let browser = Browser::open_as(&app, Role::Admin).await;
    main_path(&browser, &app, &mut receiver).await;
    // Nobody loaded the page since the incident was triggered.
    browser.wait_for_text("Disk full on db-1").await;
    browser.finish().await;
}

#[tokio::test]
async fn all_of_it_works_without_scripts_one_load_at_a_time() {
    let directory = tempfile::tempdir().unwrap();
    let app = TestApp::start(directory.path()).await;
    app.create_service().await;
    let mut receiver = Receiver::start(&[OK, OK, OK]).await;
    let browser = Browser::open_with(&app, Scripts::Off).await;
    browser
        .keep_cookie(SESSION_COOKIE, &new_session(&app, Role::Admin).await)
        .await;
    main_path(&browser, &app, &mut receiver).await;
    let deliveries = app.deliveries("").await;
    let real = deliveries
        .iter()
        .find(|delivery| delivery["isTest"] == false)
        .unwrap();
    browser.goto("/deliveries").await;
    browser
        .click(&format!("tr[data-key={}] a.main", real["id"].as_str().unwrap()))
        .await;
    browser.wait_for_text("every 2xx counts as delivered").await;
    browser.press("Replay").await;
    browser.wait_for_text("a fresh schedule has begun").await;
    assert!(receiver.next_request().await.contains("Disk full on db-1"));
    browser.finish().await;
}

#[tokio::test]
async fn every_mistake_stands_beside_its_field_and_nothing_typed_is_lost() {
    let directory = tempfile::tempdir().unwrap();
    let app = TestApp::start(directory.path()).await;
    let mut browser = Browser::open_as(&app, Role::Admin).await;
    browser.expect_complaint("the server responded with a status of 422");
    browser.goto("/settings/integrations/new/generic").await;
    browser.fill("Name", "Display").await;
    browser.fill("URL", "https://user:pass@example.com/").await;
    browser
        .press("Advanced: filters, headers, retries, fallback, certificates")
        .await;
    browser.fill("Filter", "severity = oops").await;
    browser.fill("Retry schedule", "1m, soon").await;
    browser.click("main form > .row button.primary").await;
    browser.wait_for_text("Not added yet").await;
    let wrong = "return [...document.querySelectorAll('.has-error .wrong')].map((wrong) => wrong.id)";
    assert_eq!(
        browser.eval(wrong).await,
        json!(["wrong-url", "wrong-filter", "wrong-retrySchedule"])
    );
    let typed = "return ['name', 'filter', 'retrySchedule'].map((id) => document.getElementById(id).value)";
    assert_eq!(
        browser.eval(typed).await,
        json!(["Display", "severity = oops", "1m, soon"])
    );
    browser.finish().await;
}

#[tokio::test]
async fn a_filter_is_tried_on_the_latest_events_while_it_is_typed() {
    let directory = tempfile::tempdir().unwrap();
    let app = TestApp::start(directory.path()).await;
    app.create_service().await;
    let incident = app.trigger("Disk full on db-1").await;
    app.act(&incident, "resolve").await;
    app.trigger("Certificate expires").await;
    let browser = Browser::open_as(&app, Role::Admin).await;
    browser.goto("/settings/integrations/new/generic").await;
    browser
        .press("Advanced: filters, headers, retries, fallback, certificates")
        .await;
    browser.fill("Filter", "title.contains(\"Disk\")").await;
    browser.wait_for_text("Chooses 2 of the last 3 events").await;
    browser.fill("Filter", "nobody == 1").await;
    browser.wait_for_text("unknown name").await;
    browser.finish().await;
}

#[tokio::test]
async fn what_died_is_counted_recovered_and_seen_to_arrive() {
    let directory = tempfile::tempdir().unwrap();
    let app = TestApp::start(directory.path()).await;
    app.create_service().await;
    let receiver = Receiver::start(&[FAILING, FAILING, OK]).await;
    let webhook = app
        .create_webhook(&url_of(&receiver), json!({"retrySchedule": []}))
        .await;
    app.trigger("Disk full on db-1").await;
    app.trigger("Disk full on db-2").await;
    app.wait_for("status=dead", 2).await;
    app.advance(Duration::from_secs(60));
    let browser = Browser::open_as(&app, Role::Responder).await;
    browser.goto(&format!("/settings/integrations/{webhook}")).await;
    browser.press("Recover what died").await;
    browser.press("Count").await;
    browser
        .wait_for_text("2 dead deliveries of the last hour would begin a fresh schedule")
        .await;
    assert_eq!(
        app.deliveries("status=dead").await.len(),
        2,
        "it was only counted"
    );
    browser.press("Recover 2").await;
    browser.wait_for_text("2 began a fresh schedule").await;
    app.wait_for("status=delivered", 2).await;
    browser
        .wait_until("document.querySelectorAll('#deliveries .badge.success').length === 2")
        .await;
    browser.finish().await;
}

#[tokio::test]
async fn chosen_dead_deliveries_are_replayed_and_those_of_one_cause_at_once() {
    let directory = tempfile::tempdir().unwrap();
    let app = TestApp::start(directory.path()).await;
    app.create_service().await;
    let receiver = Receiver::start(&[FAILING, FAILING, FAILING, OK]).await;
    app.create_webhook(&url_of(&receiver), json!({"retrySchedule": []}))
        .await;
    for title in ["Disk full on db-1", "Disk full on db-2", "Disk full on db-3"] {
        app.trigger(title).await;
    }
    app.wait_for("status=dead", 3).await;
    let browser = Browser::open_as(&app, Role::Responder).await;
    browser.goto("/dead").await;
    browser.wait_for_text("server_error").await;
    browser.click("input[name=delivery]").await;
    browser.press("Replay chosen").await;
    browser.wait_for_text("a fresh schedule has begun").await;
    app.wait_for("status=delivered", 1).await;
    browser.press("Replay all").await;
    browser.accept_question().await;
    browser.wait_for_text("has a fresh schedule").await;
    app.wait_for("status=delivered", 3).await;
    browser.wait_for_text("None is dead").await;
    browser.finish().await;
}

#[tokio::test]
async fn a_rotated_secret_is_shown_once_and_both_sign_for_a_while() {
    let directory = tempfile::tempdir().unwrap();
    let app = TestApp::start(directory.path()).await;
    app.create_service().await;
    let mut receiver = Receiver::start(&[OK]).await;
    let webhook = app.create_webhook(&url_of(&receiver), json!({})).await;
    let browser = Browser::open_as(&app, Role::Admin).await;
    browser.goto(&format!("/settings/integrations/{webhook}")).await;
    browser.press("Rotate the secret").await;
    browser.press("Rotate").await;
    browser.wait_for_text("The one before signs too").await;
    let secret = browser
        .eval("return document.getElementById('secret').value")
        .await;
    assert!(secret.as_str().unwrap().starts_with("whsec_"));
    app.trigger("Disk full on db-1").await;
    assert!(
        receiver
            .next_request()
            .await
            .contains("x-opsknight-signature-previous")
    );
    browser.goto(&format!("/settings/integrations/{webhook}")).await;
    browser.wait_for_text("the one before signs too, until").await;
    assert!(!browser.text("main").await.contains(secret.as_str().unwrap()));
    browser.finish().await;
}

#[tokio::test]
async fn disabling_says_what_becomes_of_events_and_enabling_sends_what_was_held() {
    let directory = tempfile::tempdir().unwrap();
    let app = TestApp::start(directory.path()).await;
    app.create_service().await;
    let mut receiver = Receiver::start(&[OK]).await;
    let webhook = app.create_webhook(&url_of(&receiver), json!({})).await;
    let browser = Browser::open_as(&app, Role::Admin).await;
    browser.goto(&format!("/settings/integrations/{webhook}")).await;
    browser.click("details#disable > summary").await;
    browser
        .wait_for_text("events are held, and sent in order once it is enabled")
        .await;
    browser.fill("Why", "the receiver moves house").await;
    browser.click("#disable form button").await;
    browser.wait_for_text("Disabled for").await;
    browser.wait_for_text("The receiver moves house").await;
    app.trigger("Disk full on db-1").await;
    browser.wait_for_text("Held").await;
    app.quiesce().await;
    assert!(!receiver.has_further_requests());
    browser.press("Enable").await;
    browser.wait_for_text("What was held is being sent").await;
    assert!(receiver.next_request().await.contains("Disk full on db-1"));
    browser.wait_for("#deliveries .badge.success").await;
    browser.finish().await;
}

#[tokio::test]
async fn an_inbox_becomes_a_webhook_in_one_click_and_shows_what_arrives() {
    let directory = tempfile::tempdir().unwrap();
    let app = TestApp::start(directory.path()).await;
    app.create_service().await;
    let mut browser = Browser::open_as(&app, Role::Admin).await;
    browser.goto("/settings/inbox").await;
    browser.fill("Name", "Trial").await;
    browser.press("New inbox").await;
    browser.wait_for_text("Use as webhook").await;
    let inbox = browser.path().await;
    browser.press("Use as webhook").await;
    browser.wait_for_text("Inbox Trial").await;
    let webhook = browser.open_window().await;
    browser.goto(&inbox).await;
    browser.wait_for("body.is-live").await;
    let requests = browser.switch_to(webhook).await;
    browser.click("#test form button").await;
    browser.wait_for_text("The receiver answered 200").await;
    browser.switch_to(requests).await;
    browser.wait_for_text("Test event from OpsKnight").await;
    browser.wait_for_text("valid").await;
    browser.finish().await;
}

/// From the choice of kinds to a message that stands on the platform.
async fn chat_path(browser: &Browser, platform: &Platform) {
    browser.goto("/settings/integrations/new").await;
    browser.click("a.kind[href$='/telegram']").await;
    browser.fill("Name", "Incident room").await;
    browser.fill("Root of the API", &platform.url).await;
    browser
        .fill("Bot token", "123456789:AAF-made_up_made_up_made_up_made_u")
        .await;
    browser.fill("Chat", "4711").await;
    browser.click("main form > .row button.primary").await;
    browser.wait_for_text("Created.").await;
    browser.click("#test form button").await;
    browser.wait_for_text("Body that was sent").await;
    browser.wait_for_text("Test event from OpsKnight").await;
    assert_eq!(platform.texts().len(), 1);
    let page = browser
        .eval("return document.documentElement.outerHTML")
        .await
        .to_string();
    assert!(!page.contains("AAF-made_up"), "the token is on the page");
}

#[tokio::test]
async fn a_chat_is_set_up_by_its_form_and_shows_what_the_platform_got() {
    let directory = tempfile::tempdir().unwrap();
    let app = TestApp::start(directory.path()).await;
    let platform = Platform::start("telegram").await;
    let browser = Browser::open_as(&app, Role::Admin).await;
    chat_path(&browser, &platform).await;
    browser.finish().await;
}

#[tokio::test]
async fn a_check_is_made_once_and_its_answer_stays_while_the_page_follows_what_happens() {
    let directory = tempfile::tempdir().unwrap();
    let app = TestApp::start(directory.path()).await;
    app.create_service().await;
    let platform = Platform::start("jira").await;
    let browser = Browser::open_as(&app, Role::Admin).await;
    browser.goto("/settings/integrations/new/jira").await;
    browser.fill("Name", "Tickets").await;
    browser.fill("URL", &platform.url).await;
    browser.fill("Account", "opsknight@example.com").await;
    browser.fill("Token", "good-token").await;
    browser.fill("Project", "OPS").await;
    browser.click("main form > .row button.primary").await;
    browser.wait_for_text("Created.").await;
    browser.press("Check connection").await;
    browser.wait_for("#findings").await;
    let asked = platform.seen().len();
    // The page looks again at what it follows, and shows the delivery.
    platform.fail_next("unavailable");
    let incident = app.trigger("While somebody reads the answer").await;
    browser.wait_for_text("incident.triggered").await;
    browser.wait_for("[data-live] a[href^='/deliveries/']").await;
    let more = platform.seen().split_off(asked);
    let is_check = |seen: &crate::support::platform::Seen| seen.target.contains("/mypermissions");
    assert!(!more.iter().any(is_check), "it was checked again by itself");
    browser.wait_for("#findings").await;
    // A ticket that could not be made yet is no silence on its incident's page.
    browser.goto(&format!("/incidents/{incident}")).await;
    browser.wait_for_text("Tried again").await;
    assert!(browser.text("#ticket-rows").await.contains("No ticket yet"));
    browser.finish().await;
}

#[tokio::test]
async fn a_preview_follows_what_is_typed_and_says_what_is_wrong_with_it() {
    let directory = tempfile::tempdir().unwrap();
    let app = TestApp::start(directory.path()).await;
    let browser = Browser::open_as(&app, Role::Admin).await;
    browser.goto("/settings/integrations/new/custom").await;
    browser.wait_for_text("A sample of incident.triggered").await;
    browser
        .fill("Template", "{\"text\": \"{{ incident.title }}!\"}")
        .await;
    browser.wait_for_text("Database connection timeout!").await;
    browser
        .fill("Template", "{\"text\": \"{{ incident.tittle }}\"}")
        .await;
    browser.wait_for_text("line 1").await;
    browser.finish().await;
}

#[tokio::test]
async fn without_scripts_a_button_shows_the_preview_and_keeps_what_was_typed() {
    let directory = tempfile::tempdir().unwrap();
    let app = TestApp::start(directory.path()).await;
    let admin = super::people::person(&app, Role::Admin).await;
    admin.get("/settings/integrations/new/custom").await.expect(200);
    let fields = [
        ("name", "My bot"),
        ("option-template", "{\"text\": \"{{ incident.severity }} <b>\"}"),
        ("previewEvent", "incident.resolved"),
        ("preview", "yes"),
    ];
    let page = admin
        .submit("/settings/integrations/new/custom", &fields)
        .await
        .expect(200);
    assert!(
        page.html.contains("A sample of incident.resolved"),
        "{}",
        page.html
    );
    assert!(
        page.html.contains("value=\"My bot\"") && page.html.contains("critical &#60;b&#62;"),
        "{}",
        page.html
    );
    assert_eq!(app.api.get("/api/v1/webhooks").await.json()["items"], json!([]));
}
