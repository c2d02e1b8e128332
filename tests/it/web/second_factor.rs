//! The second factor: codes of an authenticator that a test holds.

use std::time::Duration;

use model::access::Role;
use model::second_factor::{TotpSecret, step_at};
use serde_json::json;

use super::browser::Browser;
use super::people::{EMAIL, PASSWORD, SESSION_COOKIE, person, set_up, sign_in, sign_in_link};
use crate::support::page_client::{Page, PageClient};
use crate::support::test_app::TestApp;

/// The code that an authenticator shows now.
fn code(app: &TestApp, secret: &TotpSecret) -> String {
    secret.code(step_at(app.source().now()))
}

/// What stands in a page between two texts.
fn between<'a>(page: &'a Page, start: &str, end: &str) -> &'a str {
    let (_, after) = page
        .html
        .split_once(start)
        .unwrap_or_else(|| panic!("{}", page.html));
    after.split(end).next().unwrap_or_default()
}

/// Sets the second factor of somebody up; its secret, and the recovery codes.
pub async fn enroll(app: &TestApp, visitor: &PageClient) -> (TotpSecret, Vec<String>) {
    let page = visitor.get("/account/second-factor").await.expect(200);
    let text = between(&page, "name=\"secret\" value=\"", "\"").to_owned();
    assert!(
        page.html.contains("<svg") && page.html.contains(&text[..4]),
        "{}",
        page.html
    );
    let secret = TotpSecret::parse(&text).unwrap();
    let fields = [
        ("secret", text.as_str()),
        ("code", &code(app, &secret)),
        ("present", PASSWORD),
    ];
    let page = visitor
        .submit("/account/second-factor", &fields)
        .await
        .expect(200);
    let codes = between(&page, "aria-label=\"Recovery codes\">", "</textarea>");
    let codes: Vec<_> = codes.split_whitespace().map(str::to_owned).collect();
    assert_eq!(codes.len(), 10, "{}", page.html);
    (secret, codes)
}

/// Shows the password; the token of the second step.
async fn first_step(visitor: &PageClient) -> String {
    let page = sign_in(visitor, PASSWORD).await.expect(200);
    assert_eq!(visitor.cookie(SESSION_COOKIE), None);
    between(&page, "name=\"token\" value=\"", "\"").to_owned()
}

async fn second_step(visitor: &PageClient, token: &str, code: &str) -> Page {
    let fields = [("token", token), ("code", code), ("next", "/incidents")];
    visitor.submit("/sign-in/code", &fields).await
}

#[tokio::test]
async fn behind_the_password_a_code_is_asked_for_which_is_good_once() {
    let directory = tempfile::tempdir().unwrap();
    let app = TestApp::start(directory.path()).await;
    let ada = set_up(&app).await;
    let (secret, _) = enroll(&app, &ada).await;
    let visitor = PageClient::new(&app.base());
    let token = first_step(&visitor).await;
    let used = code(&app, &secret);
    second_step(&visitor, &token, &used).await.expect(401);
    app.advance(Duration::from_secs(30));
    let next = code(&app, &secret);
    let page = second_step(&visitor, &token, &next).await;
    assert_eq!((page.status, page.location()), (303, "/incidents"));
    visitor.get("/incidents").await.expect(200);

    let thief = PageClient::new(&app.base());
    let token = first_step(&thief).await;
    second_step(&thief, &token, &next).await.expect(401);
    assert_eq!(thief.cookie(SESSION_COOKIE), None);
}

#[tokio::test]
async fn a_recovery_code_lets_in_once_and_is_in_the_audit_log() {
    let directory = tempfile::tempdir().unwrap();
    let app = TestApp::start(directory.path()).await;
    let ada = set_up(&app).await;
    let (_, codes) = enroll(&app, &ada).await;
    let visitor = PageClient::new(&app.base());
    let token = first_step(&visitor).await;
    second_step(&visitor, &token, &codes[3].to_uppercase())
        .await
        .expect(303);
    let again = PageClient::new(&app.base());
    let token = first_step(&again).await;
    second_step(&again, &token, &codes[3]).await.expect(401);
    let log = app.api.get("/api/v1/audit").await.expect(200);
    assert!(
        log.text.contains("9 are left") && !log.text.contains(&codes[3]),
        "{}",
        log.text
    );
    let page = ada.get("/account/second-factor").await.expect(200);
    assert!(page.html.contains("9 recovery codes are left"), "{}", page.html);
}

#[tokio::test]
async fn wrong_codes_close_the_second_step_and_a_shown_password_does_not_last() {
    let directory = tempfile::tempdir().unwrap();
    let app = TestApp::start(directory.path()).await;
    let ada = set_up(&app).await;
    let (secret, _) = enroll(&app, &ada).await;
    app.advance(Duration::from_secs(60));
    let visitor = PageClient::new(&app.base());
    let token = first_step(&visitor).await;
    for _ in 0..5 {
        second_step(&visitor, &token, "000000").await.expect(401);
    }
    let right = code(&app, &secret);
    second_step(&visitor, &token, &right).await.expect(429);
    app.advance(Duration::from_secs(300));
    let right = code(&app, &secret);
    let page = second_step(&visitor, &token, &right).await.expect(401);
    assert!(page.html.contains("too long ago"), "{}", page.html);
    for forged in ["", "step_", &"0".repeat(117), &token.replace("step_0", "step_1")] {
        second_step(&visitor, forged, &right).await.expect(401);
    }
    let token = first_step(&visitor).await;
    second_step(&visitor, &token, &right).await.expect(303);
}

#[tokio::test]
async fn setting_up_and_removing_take_the_password_and_a_link_is_no_way_around() {
    let directory = tempfile::tempdir().unwrap();
    let app = TestApp::start(directory.path()).await;
    let ada = set_up(&app).await;
    let page = ada.get("/account/second-factor").await.expect(200);
    let text = between(&page, "name=\"secret\" value=\"", "\"").to_owned();
    let secret = TotpSecret::parse(&text).unwrap();
    let right = code(&app, &secret);
    for (code, password) in [(right.as_str(), "not the password"), ("000000", PASSWORD)] {
        let fields = [("secret", text.as_str()), ("code", code), ("present", password)];
        let page = ada.submit("/account/second-factor", &fields).await.expect(422);
        assert!(page.html.contains(&text), "the same secret is shown again");
    }
    let (secret, _) = enroll(&app, &ada).await;
    let refused = ada
        .submit("/account/second-factor/delete", &[("present", "wrong")])
        .await;
    refused.expect(422);

    let user = app.api.get("/api/v1/users").await.expect(200).json()["items"][0]["id"].clone();
    let user = user.as_str().unwrap();
    let path = format!("/api/v1/users/{user}/sign-in-link");
    let link = app.api.post(&path, json!({})).await.expect(201).json()["link"].clone();
    let (_, link) = link.as_str().unwrap().split_once("token=").unwrap();
    let finder = PageClient::new(&app.base());
    let new = "a quite new password";
    let fields = [("token", link), ("password", new), ("passwordAgain", new)];
    let page = finder.submit("/welcome", &fields).await.expect(200);
    assert_eq!(finder.cookie(SESSION_COOKIE), None);
    app.advance(Duration::from_secs(30));
    let token = between(&page, "name=\"token\" value=\"", "\"").to_owned();
    second_step(&finder, &token, &code(&app, &secret))
        .await
        .expect(303);
    finder.get("/account").await.expect(200);
    let gone = finder
        .submit("/account/second-factor/delete", &[("present", new)])
        .await;
    assert_eq!(gone.expect(303).location(), "/account?did=second-factor-removed");
    let fields = [("email", EMAIL), ("password", new)];
    PageClient::new(&app.base())
        .submit("/sign-in", &fields)
        .await
        .expect(303);
}

#[tokio::test]
async fn an_administrator_takes_a_lost_second_factor_away() {
    let directory = tempfile::tempdir().unwrap();
    let app = TestApp::start(directory.path()).await;
    let ada = set_up(&app).await;
    enroll(&app, &ada).await;
    let user = app.api.get("/api/v1/users").await.expect(200).json()["items"][0]["id"].clone();
    let path = format!("/users/{}/second-factor/delete", user.as_str().unwrap());
    let responder = person(&app, Role::Responder).await;
    responder.submit(&path, &[]).await.expect(403);
    let admin = person(&app, Role::Admin).await;
    admin.submit(&path, &[]).await.expect(303);
    sign_in(&PageClient::new(&app.base()), PASSWORD).await.expect(303);
    enroll(&app, &ada).await;
    let path = format!("/api/v1{}", path.trim_end_matches("/delete"));
    app.api
        .send("DELETE", &path, None, &[])
        .await
        .unwrap()
        .expect(204);
    app.api
        .send("DELETE", &path, None, &[])
        .await
        .unwrap()
        .expect(204);
    sign_in(&PageClient::new(&app.base()), PASSWORD).await.expect(303);
    let log = app.api.get("/api/v1/audit").await.expect(200).text;
    assert_eq!(log.matches("user.second_factor.delete").count(), 2);
}

#[tokio::test]
async fn somebody_without_a_password_is_told_whose_matter_it_is() {
    let directory = tempfile::tempdir().unwrap();
    let app = TestApp::start(directory.path()).await;
    let viewer = person(&app, Role::Viewer).await;
    let page = viewer.get("/account/second-factor").await.expect(200);
    assert!(page.html.contains("You have no password here"), "{}", page.html);
}

#[tokio::test]
async fn in_a_browser_the_code_is_seen_and_a_new_person_signs_in_with_it() {
    let directory = tempfile::tempdir().unwrap();
    let app = TestApp::start(directory.path()).await;
    let link = sign_in_link(&app, "grace@example.com").await;
    let browser = Browser::open(&app).await;
    browser.goto(&format!("/welcome?token={link}")).await;
    browser.fill("Password", PASSWORD).await;
    browser.fill("The same password again", PASSWORD).await;
    browser.press("Set the password and sign in").await;
    browser.wait_for_text("No incident is open").await;
    browser.goto("/account/second-factor").await;
    let side = "return document.querySelector('.qr svg').getBoundingClientRect().width >= 150";
    assert_eq!(browser.eval(side).await, true);
    let secret = browser
        .eval("return document.querySelector('[name=secret]').value")
        .await;
    let secret = TotpSecret::parse(secret.as_str().unwrap()).unwrap();
    browser.fill("Code", &code(&app, &secret)).await;
    browser.fill("Present password", PASSWORD).await;
    browser.press("Use a second factor").await;
    browser.wait_for_text("Your recovery codes").await;
    browser.press("Sign out").await;
    browser.wait_for_text("You are signed out.").await;
    app.advance(Duration::from_secs(30));
    browser.fill("Email address", "grace@example.com").await;
    browser.fill("Password", PASSWORD).await;
    browser.press("Sign in").await;
    browser.wait_for_text("Your second factor").await;
    browser.fill("Code", &code(&app, &secret)).await;
    browser.press("Sign in").await;
    browser.wait_for_text("No incident is open").await;
    browser.finish().await;
}
