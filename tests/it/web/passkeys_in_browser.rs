//! Passkeys in a real browser, whose authenticator is a virtual one.

use serde_json::json;

use super::browser::Browser;
use super::passkeys::{REFUSED, audit, origin};
use super::people::{EMAIL, PASSWORD, set_up};
use crate::support::test_app::{TestApp, text};

/// A browser with an authenticator in it, on the address for which there are passkeys.
async fn browser_with_authenticator(app: &TestApp) -> (Browser, String) {
    let browser = Browser::open_at(app, &origin(app)).await;
    browser.devtools("WebAuthn.enable", json!({})).await;
    let options = json!({"protocol": "ctap2", "transport": "internal", "hasResidentKey": true,
        "hasUserVerification": true, "isUserVerified": true, "automaticPresenceSimulation": true});
    let added = browser.devtools("WebAuthn.addVirtualAuthenticator", json!({"options": options}));
    let id = text(&added.await["authenticatorId"]);
    (browser, id)
}

/// Signs Ada in by her password.
async fn sign_in_with_password(browser: &Browser) {
    browser.goto("/sign-in").await;
    browser.fill("Email address", EMAIL).await;
    browser.fill("Password", PASSWORD).await;
    browser.press("Sign in").await;
    browser.wait_for_text("No incident is open").await;
}

#[tokio::test]
async fn in_a_real_browser_a_passkey_is_added_signs_in_and_is_removed() {
    let directory = tempfile::tempdir().unwrap();
    let app = TestApp::start(directory.path()).await;
    set_up(&app).await;
    let (mut browser, authenticator) = browser_with_authenticator(&app).await;
    browser.expect_complaint("the server responded with a status of 4");
    sign_in_with_password(&browser).await;
    browser.goto("/account/passkeys").await;
    browser.fill("Name", "This laptop").await;
    browser.fill("Present password", "wrong").await;
    browser.press("Add a passkey").await;
    browser.wait_for_text("This is not your present password").await;
    browser.fill("Present password", PASSWORD).await;
    browser.press("Add a passkey").await;
    browser.wait_for_text("The passkey is added.").await;
    let kept = browser
        .devtools(
            "WebAuthn.getCredentials",
            json!({"authenticatorId": authenticator}),
        )
        .await;
    assert_eq!(kept["credentials"][0]["rpId"], "localhost", "{kept}");
    assert_eq!(kept["credentials"][0]["isResidentCredential"], true);

    // The same authenticator makes no second one.
    browser.fill("Name", "Again").await;
    browser.fill("Present password", PASSWORD).await;
    browser.press("Add a passkey").await;
    browser.wait_for_text("has a passkey of yours already").await;

    for _ in 0..2 {
        browser.press("Sign out").await;
        browser.wait_for_text("You are signed out.").await;
        browser.press("Sign in with a passkey").await;
        browser.wait_for_text("No incident is open").await;
    }
    let log = audit(&app).await;
    assert!(!log.contains("refused a sign-in"), "{log}");

    // Without the person's finger nothing comes of it; their browser says so by itself.
    browser.press("Sign out").await;
    let unverified = json!({"authenticatorId": authenticator, "isUserVerified": false});
    browser.devtools("WebAuthn.setUserVerified", unverified).await;
    browser.press("Sign in with a passkey").await;
    browser
        .wait_for_text("Nothing was chosen, or it took too long.")
        .await;
    let verified = json!({"authenticatorId": authenticator, "isUserVerified": true});
    browser.devtools("WebAuthn.setUserVerified", verified).await;
    browser.press("Sign in with a passkey").await;
    browser.wait_for_text("No incident is open").await;

    browser.goto("/account/passkeys").await;
    browser.click("#present").await;
    browser.keys(PASSWORD).await;
    browser.press("Remove").await;
    browser.wait_for_text("You have none.").await;
    browser.press("Sign out").await;
    browser.press("Sign in with a passkey").await;
    browser.wait_for_text(REFUSED).await;
    browser.devtools("WebAuthn.disable", json!({})).await;
    browser.finish().await;
}

#[tokio::test]
async fn in_a_real_browser_an_answer_is_good_for_nothing_a_second_time() {
    let directory = tempfile::tempdir().unwrap();
    let app = TestApp::start(directory.path()).await;
    set_up(&app).await;
    let (mut browser, _) = browser_with_authenticator(&app).await;
    browser.expect_complaint("the server responded with a status of 401");
    sign_in_with_password(&browser).await;
    browser.goto("/account/passkeys").await;
    browser.fill("Name", "This laptop").await;
    browser.fill("Present password", PASSWORD).await;
    browser.press("Add a passkey").await;
    browser.wait_for_text("The passkey is added.").await;
    browser.press("Sign out").await;
    browser.wait_for_text("You are signed out.").await;
    // The form is kept from leaving: what the browser answered stands in it.
    browser
        .eval("HTMLFormElement.prototype.submit = function () { window.answered = new URLSearchParams(new FormData(this)); }")
        .await;
    browser.press("Sign in with a passkey").await;
    browser.wait_until("window.answered").await;
    let send = "return (async () => (await fetch('/sign-in/passkey', { method: 'POST', body: window.answered, \
                redirect: 'manual' })).type)()";
    assert_eq!(
        browser.eval(send).await,
        "opaqueredirect",
        "it leads to the pages"
    );
    assert_eq!(browser.eval(send).await, "basic", "it is refused");
    browser.devtools("WebAuthn.disable", json!({})).await;
    browser.finish().await;
}

#[tokio::test]
async fn in_a_browser_at_another_address_the_page_says_where_passkeys_work() {
    let directory = tempfile::tempdir().unwrap();
    let app = TestApp::start(directory.path()).await;
    let browser = Browser::open(&app).await;
    browser.goto("/sign-in").await;
    browser.press("Sign in with a passkey").await;
    browser
        .wait_for_text(&format!("Passkeys work at {} only.", origin(&app)))
        .await;
    browser.finish().await;
}
