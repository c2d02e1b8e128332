//! Passkeys of an authenticator that a test holds, honest or not. Those of a real browser: `passkeys_in_browser.rs`.

use std::time::Duration;

use model::access::Role;
use model::secret::SecretText;
use serde_json::{Value, json};
use url::Url;

use super::people::{EMAIL, PASSWORD, SESSION_COOKIE, person, set_up, sign_in};
use super::second_factor::enroll;
use crate::support::authenticator::{Authenticator, Field, PRESENT, VERIFIED};
use crate::support::page_client::{Page, PageClient};
use crate::support::test_app::{Names, TestApp, text};

/// The cookie of a sign-in that is under way.
pub const FLOW_COOKIE: &str = "opsknight_sign_in";
/// What the sign-in page says of a passkey that is not believed.
pub const REFUSED: &str = "This passkey is not accepted here";
const STALE: &str = "is finished. Begin again";

/// Where the passkeys of a server for development work.
pub fn origin(app: &TestApp) -> String {
    app.base().replace("127.0.0.1", "localhost")
}

/// Sends a form with fields that were made on the way.
async fn send(visitor: &PageClient, path: &str, fields: &[Field]) -> Page {
    let fields: Vec<_> = fields
        .iter()
        .map(|(name, value)| (*name, value.as_str()))
        .collect();
    visitor.submit(path, &fields).await
}

/// What the browser of somebody is asked who wants another passkey.
async fn asked_to_add(visitor: &PageClient, name: &str) -> Value {
    visitor.get("/account/passkeys").await.expect(200);
    let fields = [("name", name), ("present", PASSWORD)];
    let page = visitor
        .submit("/account/passkeys/options", &fields)
        .await
        .expect(200);
    serde_json::from_str::<Value>(&page.html).unwrap()["publicKey"].take()
}

/// Adds a passkey.
pub async fn add(visitor: &PageClient, name: &str, authenticator: &mut Authenticator) -> Page {
    let asked = asked_to_add(visitor, name).await;
    let mut fields = authenticator.create(&asked);
    fields.push(("name", name.to_owned()));
    send(visitor, "/account/passkeys", &fields).await
}

/// What a browser is asked in which somebody wants to sign in.
pub async fn asked_to_sign_in(visitor: &PageClient) -> Value {
    let page = visitor.submit("/sign-in/passkey/options", &[]).await.expect(200);
    serde_json::from_str::<Value>(&page.html).unwrap()["publicKey"].take()
}

/// Comes back with what an authenticator has answered.
pub async fn answer(visitor: &PageClient, fields: &[Field]) -> Page {
    let next = ("next", "/incidents".to_owned());
    send(visitor, "/sign-in/passkey", &[fields, &[next]].concat()).await
}

/// Signs in with an authenticator in a browser that was never here.
async fn sign_in_by(app: &TestApp, authenticator: &mut Authenticator) -> (PageClient, Page) {
    let visitor = PageClient::new(&app.base());
    let asked = asked_to_sign_in(&visitor).await;
    let page = answer(&visitor, &authenticator.get(&asked)).await;
    (visitor, page)
}

/// Nobody is signed in, for this reason.
#[track_caller]
fn expect_refused(visitor: &PageClient, page: Page, sentence: &str) {
    let page = page.expect(401);
    assert!(page.html.contains(sentence), "{}", page.html);
    assert_eq!(visitor.cookie(SESSION_COOKIE), None);
}

/// A server, Ada's browser, and her authenticator with a passkey.
async fn start(directory: &tempfile::TempDir) -> (TestApp, PageClient, Authenticator) {
    let app = TestApp::start(directory.path()).await;
    let ada = set_up(&app).await;
    let mut authenticator = Authenticator::new(&origin(&app));
    let page = add(&ada, "Key ring", &mut authenticator).await.expect(303);
    assert_eq!(page.location(), "/account/passkeys?did=passkey-added");
    (app, ada, authenticator)
}

/// The audit log.
pub async fn audit(app: &TestApp) -> String {
    app.api.get("/api/v1/audit?limit=200").await.expect(200).text
}

async fn first_user(app: &TestApp) -> String {
    let users = app.api.get("/api/v1/users").await.expect(200).json();
    text(&users["items"].as_array().unwrap().last().unwrap()["id"])
}

#[tokio::test]
async fn a_passkey_signs_in_without_a_password_and_without_the_code_of_a_second_factor() {
    let directory = tempfile::tempdir().unwrap();
    let (app, ada, mut authenticator) = start(&directory).await;
    enroll(&app, &ada).await;
    let page = ada.get("/account/passkeys").await.expect(200);
    assert!(page.html.contains("Key ring"), "{}", page.html);
    app.advance(Duration::from_secs(3600));
    let asked = asked_to_sign_in(&PageClient::new(&app.base())).await;
    assert_eq!(
        (
            &asked["rpId"],
            &asked["userVerification"],
            &asked["allowCredentials"]
        ),
        (&json!("localhost"), &json!("required"), &json!([]))
    );
    let (visitor, page) = sign_in_by(&app, &mut authenticator).await;
    assert_eq!((page.status, page.location()), (303, "/incidents"));
    assert_eq!(visitor.cookie(FLOW_COOKIE), None);
    let page = visitor.get("/account/passkeys").await.expect(200);
    assert!(
        page.html.contains("Key ring") && page.html.contains("now"),
        "{}",
        page.html
    );
    let log = audit(&app).await;
    assert!(
        log.contains("\"user.passkey\"") && log.contains("the passkey \\\"Key ring\\\""),
        "{log}"
    );
}

#[tokio::test]
async fn an_answer_counts_once_in_the_browser_that_was_asked_and_for_minutes() {
    let directory = tempfile::tempdir().unwrap();
    let (app, ada, mut authenticator) = start(&directory).await;
    let visitor = PageClient::new(&app.base());
    let asked = asked_to_sign_in(&visitor).await;
    let (answered, thief) = (authenticator.get(&asked), visitor.copy());
    let stranger = PageClient::new(&app.base());
    asked_to_sign_in(&stranger).await;
    expect_refused(&stranger, answer(&stranger, &answered).await, STALE);
    answer(&visitor, &answered).await.expect(303);
    expect_refused(&thief, answer(&thief, &answered).await, STALE);

    let slow = PageClient::new(&app.base());
    let asked = asked_to_sign_in(&slow).await;
    app.advance(Duration::from_secs(300));
    expect_refused(&slow, answer(&slow, &authenticator.get(&asked)).await, STALE);

    // What was asked to add a passkey lets nobody in.
    let visitor = PageClient::new(&app.base());
    let mut asked = asked_to_sign_in(&visitor).await;
    asked["challenge"] = asked_to_add(&ada, "x").await["challenge"].take();
    expect_refused(
        &visitor,
        answer(&visitor, &authenticator.get(&asked)).await,
        STALE,
    );
    let invented = json!({"rpId": "localhost", "challenge": "AQID"});
    expect_refused(
        &visitor,
        answer(&visitor, &authenticator.get(&invented)).await,
        STALE,
    );
}

#[tokio::test]
async fn answers_that_prove_nothing_are_refused_and_in_the_audit_log() {
    let directory = tempfile::tempdir().unwrap();
    let (app, _, mut authenticator) = start(&directory).await;
    let own_handle = authenticator.user_handle.clone();
    let mut other = Authenticator::new(&origin(&app));
    (other.credential_id, other.user_handle) = (authenticator.credential_id.clone(), own_handle.clone());
    let (visitor, page) = sign_in_by(&app, &mut other).await;
    expect_refused(&visitor, page, REFUSED);

    authenticator.origin = "https://ops.example.evil.example".into();
    let (visitor, page) = sign_in_by(&app, &mut authenticator).await;
    expect_refused(&visitor, page, REFUSED);
    authenticator.origin = origin(&app);
    for flags in [PRESENT, VERIFIED & !PRESENT, 0, VERIFIED | 0b1_0000] {
        authenticator.flags = flags;
        let (visitor, page) = sign_in_by(&app, &mut authenticator).await;
        expect_refused(&visitor, page, REFUSED);
    }
    authenticator.flags = VERIFIED;
    for handle in ["", "AQID"] {
        authenticator.user_handle = handle.into();
        let (visitor, page) = sign_in_by(&app, &mut authenticator).await;
        expect_refused(&visitor, page, REFUSED);
    }
    authenticator.user_handle = own_handle;
    let visitor = PageClient::new(&app.base());
    let mut asked = asked_to_sign_in(&visitor).await;
    asked["rpId"] = json!("evil.example");
    expect_refused(
        &visitor,
        answer(&visitor, &authenticator.get(&asked)).await,
        REFUSED,
    );
    for fields in [vec![], vec![("id", "§".to_owned())]] {
        expect_refused(&visitor, answer(&visitor, &fields).await, REFUSED);
    }
    let mut unknown = Authenticator::new(&origin(&app));
    let (visitor, page) = sign_in_by(&app, &mut unknown).await;
    expect_refused(&visitor, page, REFUSED);

    let log = audit(&app).await;
    for why in [
        "the signature is wrong",
        "a page of another origin",
        "did not ask who its person is",
        "it is another person's",
        "made for another server",
        "nobody has the passkey",
    ] {
        assert!(log.contains(why), "{why}: {log}");
    }
    let (_, page) = sign_in_by(&app, &mut authenticator).await;
    page.expect(303);
}

#[tokio::test]
async fn a_counter_that_goes_back_is_refused_and_in_the_audit_log() {
    let directory = tempfile::tempdir().unwrap();
    let (app, _, mut authenticator) = start(&directory).await;
    for (sign_count, status) in [(0, 303), (7, 303), (7, 401), (6, 401), (0, 401), (8, 303)] {
        authenticator.sign_count = sign_count;
        let (_, page) = sign_in_by(&app, &mut authenticator).await;
        assert_eq!(page.status, status, "{sign_count}");
    }
    let log = audit(&app).await;
    assert!(log.contains("there may be a copy of it"), "{log}");
}

#[tokio::test]
async fn adding_takes_the_password_a_question_of_this_session_and_room() {
    let directory = tempfile::tempdir().unwrap();
    let (app, ada, mut authenticator) = start(&directory).await;
    for (name, password, sentence) in [
        ("Phone", "wrong", "This is not your present password"),
        ("", PASSWORD, "Name must not be empty"),
    ] {
        let fields = [("name", name), ("present", password)];
        let page = ada.submit("/account/passkeys/options", &fields).await.expect(422);
        let said: Value = serde_json::from_str(&page.html).unwrap();
        assert_eq!(said["mistake"], sentence);
    }
    let refused = async |visitor: &PageClient, fields: &[Field], sentence: &str| {
        let fields = [fields, &[("name", "Phone".to_owned())]].concat();
        let page = send(visitor, "/account/passkeys", &fields).await.expect(422);
        assert!(page.html.contains(sentence), "{}", page.html);
    };
    let again = PageClient::new(&app.base());
    sign_in(&again, PASSWORD).await.expect(303);
    again.get("/account").await.expect(200);
    let asked = asked_to_add(&ada, "Phone").await;
    assert_eq!(asked["excludeCredentials"].as_array().unwrap().len(), 1);
    let mut phone = Authenticator::new(&origin(&app));
    let made = phone.create(&asked);
    refused(&again, &made, "or too old").await;
    refused(&ada, &[], "a browser that runs scripts").await;
    refused(&ada, &made[..1], "a browser that runs scripts").await;
    phone.flags = PRESENT;
    refused(&ada, &phone.create(&asked), "did not ask who its person is").await;
    phone.flags = VERIFIED;
    send(
        &ada,
        "/account/passkeys",
        &[&made[..], &[("name", "Phone".to_owned())]].concat(),
    )
    .await
    .expect(303);
    refused(&ada, &made, "or too old").await;
    let asked = asked_to_add(&ada, "Phone").await;
    refused(&ada, &authenticator.create(&asked), "is here already").await;
    for number in 2..10 {
        let mut one_more = Authenticator::new(&origin(&app));
        add(&ada, &number.to_string(), &mut one_more).await.expect(303);
        app.advance(Duration::from_secs(60));
    }
    let fields = [("name", "One more"), ("present", PASSWORD)];
    let page = ada.submit("/account/passkeys/options", &fields).await.expect(409);
    assert!(page.html.contains("remove one first"), "{}", page.html);
}

#[tokio::test]
async fn a_passkey_that_its_person_or_an_administrator_removes_opens_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let (app, ada, mut authenticator) = start(&directory).await;
    let page = ada.get("/account/passkeys").await.expect(200);
    let (_, id) = page.html.split_once("<option value=\"pky_").unwrap();
    let id = format!("pky_{}", &id[..32]);
    let remove = async |password| {
        let fields = [("passkey", id.as_str()), ("present", password)];
        ada.submit("/account/passkeys/delete", &fields).await
    };
    remove("wrong").await.expect(422);
    sign_in_by(&app, &mut authenticator).await.1.expect(303);
    remove(PASSWORD).await.expect(303);
    remove(PASSWORD).await.expect(404);
    let (visitor, page) = sign_in_by(&app, &mut authenticator).await;
    expect_refused(&visitor, page, REFUSED);

    let user = first_user(&app).await;
    let path = format!("/users/{user}/passkeys/delete");
    add(&ada, "Anew", &mut authenticator).await.expect(303);
    let responder = person(&app, Role::Responder).await;
    responder.submit(&path, &[]).await.expect(403);
    sign_in_by(&app, &mut authenticator).await.1.expect(303);
    let admin = person(&app, Role::Admin).await;
    let page = admin.get(&format!("/users/{user}")).await.expect(200);
    assert!(page.html.contains("Has 1 passkey."), "{}", page.html);
    admin.submit(&path, &[]).await.expect(303);
    let (visitor, page) = sign_in_by(&app, &mut authenticator).await;
    expect_refused(&visitor, page, REFUSED);

    add(&ada, "Once more", &mut authenticator).await.expect(303);
    let path = format!("/api/v1/users/{user}/passkeys");
    for _ in 0..2 {
        let removed = app.api.send("DELETE", &path, None, &[]).await;
        removed.unwrap().expect(204);
    }
    let (visitor, page) = sign_in_by(&app, &mut authenticator).await;
    expect_refused(&visitor, page, REFUSED);
    let log = audit(&app).await;
    assert_eq!(log.matches("user.passkey.delete").count(), 3, "{log}");
}

#[tokio::test]
async fn who_may_not_sign_in_with_a_password_may_not_with_a_passkey() {
    let directory = tempfile::tempdir().unwrap();
    let (app, ada, mut authenticator) = start(&directory).await;
    let viewer = person(&app, Role::Viewer).await;
    let page = viewer.get("/account/passkeys").await.expect(200);
    assert!(page.html.contains("stands in for a password"), "{}", page.html);
    let user = first_user(&app).await;
    let patch = async |email: Value| {
        let path = format!("/api/v1/users/{user}");
        let changed = app
            .api
            .send("PATCH", &path, Some(json!({"email": email})), &[])
            .await;
        changed.unwrap().expect(200);
    };
    patch(Value::Null).await;
    let (visitor, page) = sign_in_by(&app, &mut authenticator).await;
    expect_refused(&visitor, page, REFUSED);
    patch(json!(EMAIL)).await;
    sign_in_by(&app, &mut authenticator).await.1.expect(303);
    let session = ada.cookie(SESSION_COOKIE).unwrap();
    app.stop().await;

    let settings = |config: &mut config::Config| {
        config.oidc.issuer = "http://127.0.0.1:9".into();
        config.oidc.client_id = "opsknight".into();
        config.oidc.client_secret = SecretText::new("secret");
        config.oidc.fallback_role = Some(Role::Viewer);
        config.oidc.passwords = false;
        config.public_url = Some(Url::parse("http://localhost:9999").unwrap());
    };
    let app = TestApp::start_with(directory.path(), &settings, Names::default()).await;
    authenticator.origin = "http://localhost:9999".into();
    let (visitor, page) = sign_in_by(&app, &mut authenticator).await;
    expect_refused(&visitor, page, REFUSED);
    let ada = PageClient::new(&app.base());
    ada.keep_cookie(SESSION_COOKIE, &session);
    let page = ada.get("/account/passkeys").await.expect(200);
    assert!(page.html.contains("stands in for a password"), "{}", page.html);
    let fields = [("name", "Phone"), ("present", PASSWORD)];
    let page = ada.submit("/account/passkeys/options", &fields).await.expect(409);
    assert!(page.html.contains("oidc.passwords"), "{}", page.html);
    let log = audit(&app).await;
    assert!(
        log.contains("the settings accept no password of its person"),
        "{log}"
    );
}

#[tokio::test]
async fn an_address_that_browsers_have_no_passkeys_for_is_said() {
    for (public_url, why) in [
        ("http://ops.example", "plain http"),
        ("https://192.0.2.1", "an IP address"),
    ] {
        let directory = tempfile::tempdir().unwrap();
        let settings =
            |config: &mut config::Config| config.public_url = Some(Url::parse(public_url).unwrap());
        let app = TestApp::start_with(directory.path(), &settings, Names::default()).await;
        let visitor = PageClient::new(&app.base());
        let page = visitor.get("/sign-in").await.expect(200);
        assert!(!page.html.contains("passkey"), "{}", page.html);
        for path in ["/sign-in/passkey/options", "/sign-in/passkey"] {
            visitor.submit(path, &[]).await.expect(404);
        }
        let admin = PageClient::new(&app.base());
        let name = if public_url.starts_with("https") {
            "__Host-opsknight_session"
        } else {
            SESSION_COOKIE
        };
        admin.keep_cookie(name, &super::people::new_session(&app, Role::Admin).await);
        let page = admin.get("/account/passkeys").await.expect(200);
        assert!(page.html.contains(why), "{}", page.html);
    }
}

#[tokio::test]
async fn failures_close_the_door_to_a_network_and_successes_do_not() {
    let directory = tempfile::tempdir().unwrap();
    let few = |config: &mut config::Config| config.api.failed_sign_ins_per_minute = 1;
    let app = TestApp::start_with(directory.path(), &few, Names::default()).await;
    let ada = set_up(&app).await;
    let mut authenticator = Authenticator::new(&origin(&app));
    add(&ada, "Key ring", &mut authenticator).await.expect(303);
    let mut unknown = Authenticator::new(&origin(&app));
    for _ in 0..12 {
        sign_in_by(&app, &mut authenticator).await.1.expect(303);
    }
    for _ in 0..10 {
        sign_in_by(&app, &mut unknown).await.1.expect(401);
    }
    sign_in_by(&app, &mut authenticator).await.1.expect(429);
    app.advance(Duration::from_secs(60));
    sign_in_by(&app, &mut authenticator).await.1.expect(303);
}
