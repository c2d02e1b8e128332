//! How pages look: light or dark, wide or narrow, on a phone, and for people who use the keyboard only.

use model::access::Role;

use super::browser::{Browser, ENTER, PHONE, TAB};
use super::people::{EMAIL, PASSWORD, set_up};
use super::sample::{Sample, reported};
use crate::support::test_app::TestApp;

const NOTHING: [String; 0] = [];
const BACKGROUND: &str = "return getComputedStyle(document.body).backgroundColor";
/// Whether the focus can be seen where it is.
const OUTLINE: &str = "const style = getComputedStyle(document.activeElement); \
                       return style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 2";
const FOCUSED: &str = "const focused = document.activeElement; \
                       return focused.getAttribute('aria-label') ?? focused.innerText.trim()";

#[tokio::test]
async fn dark_stays_dark_on_every_page_until_it_is_light_again() {
    let directory = tempfile::tempdir().unwrap();
    let app = TestApp::start(directory.path()).await;
    let browser = Browser::open_as(&app, Role::Viewer).await;
    browser.press("Dark").await;
    browser.wait_for("html[data-theme=dark]").await;
    browser.goto("/incidents").await;
    assert_eq!(browser.eval(BACKGROUND).await, "rgb(11, 18, 32)");
    browser.press("Light").await;
    browser.wait_for("html[data-theme=light]").await;
    assert_eq!(browser.path().await, "/incidents");
    assert_eq!(browser.eval(BACKGROUND).await, "rgb(248, 250, 252)");
    browser.finish().await;
}

#[tokio::test]
async fn the_sidebar_becomes_narrow_and_stays_so() {
    let directory = tempfile::tempdir().unwrap();
    let app = TestApp::start(directory.path()).await;
    let browser = Browser::open_as(&app, Role::Viewer).await;
    let width = "return document.querySelector('.sidebar').offsetWidth";
    assert_eq!(browser.eval(width).await, 256);
    browser.press("Narrow sidebar").await;
    browser.wait_for("html[data-sidebar=narrow]").await;
    browser.goto("/incidents").await;
    assert_eq!(browser.eval(width).await, 64);
    browser.press("Wide sidebar").await;
    browser.wait_for("html[data-sidebar=wide]").await;
    browser.finish().await;
}

#[tokio::test]
async fn on_a_phone_no_page_is_wider_than_the_screen_and_the_bar_is_at_the_bottom() {
    let sample = Sample::start().await;
    let mut browser = sample.browser().await;
    browser.resize(PHONE).await;
    let below = "const bar = document.querySelector('.bottom-bar'); \
                 return bar ? innerHeight - bar.getBoundingClientRect().bottom : 0";
    let look = async |path: &str| {
        browser.goto(path).await;
        let bar = browser.eval(below).await;
        [
            browser.too_wide().await,
            reported(bar != 0, format!("{path}: the bar ends {bar} above")),
        ]
        .concat()
    };
    assert_eq!(sample.on_every_page(look).await, NOTHING);
    browser.finish().await;
}

#[tokio::test]
async fn on_a_phone_the_bar_leads_to_every_page_of_the_sidebar() {
    let directory = tempfile::tempdir().unwrap();
    let app = TestApp::start(directory.path()).await;
    let mut browser = Browser::open_as(&app, Role::Viewer).await;
    browser.resize(PHONE).await;
    browser.goto("/account").await;
    browser.press("More").await;
    browser.press("Incidents").await;
    browser.wait_for_text("No incident is open").await;
    browser.finish().await;
}

#[tokio::test]
async fn the_keyboard_alone_signs_in_skips_to_the_content_and_triggers_an_incident() {
    let directory = tempfile::tempdir().unwrap();
    let app = TestApp::start(directory.path()).await;
    app.create_service().await;
    set_up(&app).await;
    let browser = Browser::open(&app).await;
    browser.goto("/sign-in?next=/incidents/new").await;
    // The first field has the focus from the start.
    browser.keys(&format!("{EMAIL}{TAB}{PASSWORD}{ENTER}")).await;
    browser.wait_for_text("Trigger an incident").await;
    browser
        .keys(&format!("Disk full on db-1{TAB}{TAB}{TAB}{TAB}{TAB}{TAB}"))
        .await;
    assert_eq!(browser.eval(FOCUSED).await, "Trigger incident");
    assert_eq!(browser.eval(OUTLINE).await, true);
    browser.keys(&ENTER.to_string()).await;
    browser
        .wait_for_text("Triggered. Every webhook that wants to know is told.")
        .await;
    browser.keys(&TAB.to_string()).await;
    assert_eq!(browser.eval(FOCUSED).await, "Skip to content");
    assert_eq!(browser.eval(OUTLINE).await, true);
    browser.keys(&format!("{ENTER}{TAB}{TAB}")).await;
    assert_eq!(browser.eval(FOCUSED).await, "Acknowledge");
    assert_eq!(browser.eval(OUTLINE).await, true);
    browser.keys(&ENTER.to_string()).await;
    browser.wait_for(".badge.status-acknowledged").await;
    browser.finish().await;
}
