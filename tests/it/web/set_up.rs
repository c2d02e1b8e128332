//! The way of the first administrator, as they see it: set up, sign out, be refused, sign in.

use super::browser::Browser;
use super::chromedriver::Scripts;
use super::people::{EMAIL, PASSWORD};
use crate::support::test_app::TestApp;

/// Whether the page's own script has run.
const OUR_SCRIPT: &str = "return typeof freshenTimes";

async fn set_up(app: &TestApp, browser: &Browser) {
    browser
        .goto(&format!("/setup?token={}", app.set_up_token()))
        .await;
    browser.fill("Your name", "Ada Lovelace").await;
    browser.fill("Email address", EMAIL).await;
    browser.fill("Password", PASSWORD).await;
    browser.fill("The same password again", PASSWORD).await;
    browser.press("Make the first administrator").await;
    browser.wait_for_text("No incident is open").await;
}

async fn sign_in(browser: &Browser, password: &str) {
    browser.fill("Email address", EMAIL).await;
    browser.fill("Password", password).await;
    browser.press("Sign in").await;
}

#[tokio::test]
async fn the_one_time_link_leads_a_new_administrator_to_the_dashboard() {
    let directory = tempfile::tempdir().unwrap();
    let app = TestApp::start(directory.path()).await;
    let browser = Browser::open(&app).await;
    set_up(&app, &browser).await;
    assert_eq!(browser.path().await, "/");
    assert!(browser.text(".person").await.contains("Ada Lovelace"));
    assert_eq!(browser.eval(OUR_SCRIPT).await, "function");
    browser.finish().await;
}

#[tokio::test]
async fn passwords_that_differ_are_told_beside_their_field_and_what_was_typed_stays() {
    let directory = tempfile::tempdir().unwrap();
    let app = TestApp::start(directory.path()).await;
    let mut browser = Browser::open(&app).await;
    browser.expect_complaint("/setup - Failed to load resource: the server responded with a status of 422");
    browser
        .goto(&format!("/setup?token={}", app.set_up_token()))
        .await;
    browser.fill("Your name", "Ada Lovelace").await;
    browser.fill("Email address", EMAIL).await;
    browser.fill("Password", PASSWORD).await;
    browser.fill("The same password again", "something else").await;
    browser.press("Make the first administrator").await;
    browser.wait_for("#wrong-passwordAgain").await;
    assert_eq!(
        browser.eval("return document.getElementById('name').value").await,
        "Ada Lovelace"
    );
    browser.finish().await;
}

#[tokio::test]
async fn who_signs_out_is_refused_with_a_wrong_password_and_let_in_with_the_right_one() {
    let directory = tempfile::tempdir().unwrap();
    let app = TestApp::start(directory.path()).await;
    let mut browser = Browser::open(&app).await;
    browser.expect_complaint("/sign-in - Failed to load resource: the server responded with a status of 401");
    set_up(&app, &browser).await;
    browser.press("Sign out").await;
    browser.wait_for_text("You are signed out.").await;
    sign_in(&browser, "not the password").await;
    browser
        .wait_for_text("The address or the password is wrong.")
        .await;
    sign_in(&browser, PASSWORD).await;
    browser.wait_for_text("No incident is open").await;
    browser.finish().await;
}

#[tokio::test]
async fn the_whole_way_works_without_scripts() {
    let directory = tempfile::tempdir().unwrap();
    let app = TestApp::start(directory.path()).await;
    app.create_service().await;
    let browser = Browser::open_with(&app, Scripts::Off).await;
    set_up(&app, &browser).await;
    assert_eq!(browser.eval(OUR_SCRIPT).await, "undefined");
    browser.press("Trigger an incident").await;
    browser.fill("What is wrong", "Disk full on db-1").await;
    browser.choose("Service", "API Gateway").await;
    browser.press("Trigger incident").await;
    browser
        .wait_for_text("Triggered. Every webhook that wants to know is told.")
        .await;
    browser.press("Acknowledge").await;
    browser.wait_for(".badge.status-acknowledged").await;
    browser.press("Resolve").await;
    browser.wait_for(".badge.status-resolved").await;
    browser.press("Dark").await;
    browser.wait_for("html[data-theme=dark]").await;
    browser.press("Sign out").await;
    browser.wait_for_text("You are signed out.").await;
    sign_in(&browser, PASSWORD).await;
    browser.wait_for_text("No incident is open").await;
    browser.finish().await;
}
