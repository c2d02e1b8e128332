//! How a session begins, what its cookie is like, and what ends it.

use std::time::Duration;

use model::access::Role;
use serde_json::json;

use super::people::{
    EMAIL, PASSWORD, SESSION_COOKIE, begin_session, create_user, person, set_up, sign_in, sign_in_link,
    use_set_up_link,
};
use crate::support::page_client::PageClient;
use crate::support::test_app::{Names, TestApp};

const DAY: Duration = Duration::from_secs(24 * 3600);
const NEW_PASSWORD: &str = "a better battery staple";

#[tokio::test]
async fn the_set_up_link_works_once() {
    let directory = tempfile::tempdir().unwrap();
    let app = TestApp::start(directory.path()).await;
    set_up(&app).await;
    let late = PageClient::new(&app.base());
    let answer = use_set_up_link(&late, &app.set_up_token()).await.expect(422);
    assert!(answer.html.contains("This link does not work"));
    assert_eq!(
        late.get("/setup?token=x").await.expect(303).location(),
        "/sign-in"
    );
    assert_eq!(late.cookie(SESSION_COOKIE), None);
}

#[tokio::test]
async fn a_wrong_set_up_token_makes_no_administrator() {
    let directory = tempfile::tempdir().unwrap();
    let app = TestApp::start(directory.path()).await;
    let stranger = PageClient::new(&app.base());
    use_set_up_link(&stranger, "setup_wrong").await.expect(422);
    let page = stranger.get("/sign-in").await.expect(200);
    assert!(page.html.contains("Nobody can sign in yet"));
}

#[tokio::test]
async fn after_a_restart_nobody_gets_a_set_up_link_any_more() {
    let directory = tempfile::tempdir().unwrap();
    let app = TestApp::start(directory.path()).await;
    let admin = set_up(&app).await;
    let app = app.restart(directory.path()).await;
    let page = PageClient::new(&app.base()).get("/setup").await.expect(303);
    assert_eq!(page.location(), "/sign-in");
    let session = admin.cookie(SESSION_COOKIE).unwrap();
    assert_eq!(
        status_with(&app, &session, "/").await,
        200,
        "sessions outlive restarts"
    );
}

#[tokio::test]
async fn the_session_cookie_is_out_of_reach_of_scripts_and_other_sites() {
    let directory = tempfile::tempdir().unwrap();
    let app = TestApp::start(directory.path()).await;
    set_up(&app).await;
    let page = sign_in(&PageClient::new(&app.base()), PASSWORD).await.expect(303);
    let cookies = page.set_cookies();
    let (pair, attributes) = cookies[0].split_once("; ").unwrap();
    assert!(pair.starts_with("opsknight_session=ses_"));
    assert_eq!(attributes, "Path=/; HttpOnly; SameSite=Lax; Max-Age=2592000");
    assert_eq!(page.header("cache-control"), "no-store");
}

#[tokio::test]
async fn behind_tls_the_session_cookie_is_bound_to_the_host() {
    let directory = tempfile::tempdir().unwrap();
    let public = |config: &mut config::Config| {
        config.public_url = Some("https://ops.example".parse().unwrap());
    };
    let app = TestApp::start_with(directory.path(), &public, Names::default()).await;
    let visitor = PageClient::new(&app.base());
    let page = use_set_up_link(&visitor, &app.set_up_token()).await.expect(303);
    assert!(page.set_cookies()[0].starts_with("__Host-opsknight_session=ses_"));
    assert!(page.set_cookies()[0].ends_with("; Secure"));
    visitor.get("/").await.expect(200);
}

#[tokio::test]
async fn signing_out_ends_the_session_itself_not_only_the_cookie() {
    let directory = tempfile::tempdir().unwrap();
    let app = TestApp::start(directory.path()).await;
    let person = person(&app, Role::Viewer).await;
    let thief = person.copy();
    let page = person.submit("/sign-out", &[]).await.expect(303);
    assert_eq!(page.location(), "/sign-in?did=signed-out");
    assert_eq!(person.cookie(SESSION_COOKIE), None);
    assert_eq!(
        thief.get("/account").await.expect(303).location(),
        "/sign-in?next=%2Faccount"
    );
}

#[tokio::test]
async fn a_changed_password_ends_every_session_and_only_the_new_one_works() {
    let directory = tempfile::tempdir().unwrap();
    let app = TestApp::start(directory.path()).await;
    let admin = set_up(&app).await;
    let elsewhere = PageClient::new(&app.base());
    sign_in(&elsewhere, PASSWORD).await.expect(303);
    let fields = [
        ("present", PASSWORD),
        ("password", NEW_PASSWORD),
        ("passwordAgain", NEW_PASSWORD),
    ];
    admin.submit("/account/password", &fields).await.expect(303);
    admin.get("/").await.expect(303);
    elsewhere.get("/").await.expect(303);
    sign_in(&elsewhere, PASSWORD).await.expect(401);
    sign_in(&elsewhere, NEW_PASSWORD).await.expect(303);
}

#[tokio::test]
async fn a_password_is_not_changed_without_the_present_one() {
    let directory = tempfile::tempdir().unwrap();
    let app = TestApp::start(directory.path()).await;
    let admin = set_up(&app).await;
    let fields = [
        ("present", "a wrong guess"),
        ("password", NEW_PASSWORD),
        ("passwordAgain", NEW_PASSWORD),
    ];
    let page = admin.submit("/account/password", &fields).await.expect(422);
    assert!(page.html.contains("This is not your present password"));
    admin.get("/").await.expect(200);
}

#[tokio::test]
async fn one_of_my_sessions_can_be_ended_from_another() {
    let directory = tempfile::tempdir().unwrap();
    let app = TestApp::start(directory.path()).await;
    let user = create_user(&app, "Grace", "grace@example.com", Role::Viewer).await;
    let lost = begin_session(&app, &user, "a test").await;
    let id = app
        .store()
        .sessions
        .list(user.parse().unwrap(), app.source().now());
    let id = id.await.unwrap()[0].id;
    let here = PageClient::new(&app.base());
    here.keep_cookie(SESSION_COOKIE, &begin_session(&app, &user, "a test").await);
    let page = here.get("/account").await.expect(200);
    assert!(page.html.contains(&format!("/account/sessions/{id}/end")));
    here.submit(&format!("/account/sessions/{id}/end"), &[])
        .await
        .expect(303);
    assert_eq!(status_with(&app, &lost, "/").await, 303);
    here.get("/").await.expect(200);
}

#[tokio::test]
async fn the_session_of_somebody_else_cannot_be_ended() {
    let directory = tempfile::tempdir().unwrap();
    let app = TestApp::start(directory.path()).await;
    let user = create_user(&app, "Grace", "grace@example.com", Role::Viewer).await;
    let theirs = begin_session(&app, &user, "a test").await;
    let id = app
        .store()
        .sessions
        .list(user.parse().unwrap(), app.source().now());
    let id = id.await.unwrap()[0].id;
    let other = person(&app, Role::Responder).await;
    other
        .submit(&format!("/account/sessions/{id}/end"), &[])
        .await
        .expect(404);
    assert_eq!(status_with(&app, &theirs, "/").await, 200);
}

#[tokio::test]
async fn the_sessions_of_a_deleted_user_open_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let app = TestApp::start(directory.path()).await;
    let user = create_user(&app, "Grace", "grace@example.com", Role::Admin).await;
    let session = begin_session(&app, &user, "a test").await;
    let path = format!("/api/v1/users/{user}");
    let deleted = app.api.send("DELETE", &path, None, &[]).await;
    deleted.unwrap().expect(204);
    assert_eq!(status_with(&app, &session, "/").await, 303);
}

#[tokio::test]
async fn a_lower_role_holds_at_once_in_open_sessions() {
    let directory = tempfile::tempdir().unwrap();
    let app = TestApp::start(directory.path()).await;
    let user = create_user(&app, "Grace", "grace@example.com", Role::Responder).await;
    let session = begin_session(&app, &user, "a test").await;
    assert_eq!(status_with(&app, &session, "/incidents/new").await, 200);
    let path = format!("/api/v1/users/{user}");
    let change = Some(json!({"role": "viewer"}));
    let changed = app.api.send("PATCH", &path, change, &[]).await;
    changed.unwrap().expect(200);
    assert_eq!(status_with(&app, &session, "/incidents/new").await, 403);
}

#[tokio::test]
async fn a_session_that_rests_for_a_week_has_ended() {
    let directory = tempfile::tempdir().unwrap();
    let app = TestApp::start(directory.path()).await;
    let person = person(&app, Role::Viewer).await;
    app.advance(7 * DAY - Duration::from_secs(1));
    person.get("/").await.expect(200);
    app.advance(7 * DAY);
    person.get("/").await.expect(303);
}

#[tokio::test]
async fn a_session_ends_after_a_month_however_often_it_is_used() {
    let directory = tempfile::tempdir().unwrap();
    let app = TestApp::start(directory.path()).await;
    let person = person(&app, Role::Viewer).await;
    for _ in 0..5 {
        app.advance(6 * DAY - Duration::from_secs(1));
        person.get("/").await.expect(200);
    }
    app.advance(Duration::from_secs(5));
    person.get("/").await.expect(303);
}

#[tokio::test]
async fn a_wrong_password_and_an_unknown_address_are_refused_with_the_same_words() {
    let directory = tempfile::tempdir().unwrap();
    let app = TestApp::start(directory.path()).await;
    set_up(&app).await;
    let stranger = PageClient::new(&app.base());
    let wrong = sign_in(&stranger, "not the password").await.expect(401);
    let unknown = [("email", "nobody@example.com"), ("password", PASSWORD)];
    let unknown = stranger.submit("/sign-in", &unknown).await.expect(401);
    let words = "The address or the password is wrong.";
    assert!(wrong.html.contains(words) && unknown.html.contains(words));
    assert_eq!(stranger.cookie(SESSION_COOKIE), None);
}

/// A sign-in of somebody else that fails.
async fn fail_as(visitor: &PageClient, number: u32) -> u16 {
    let email = format!("somebody{number}@example.com");
    let fields = [("email", email.as_str()), ("password", "a wrong guess")];
    visitor.submit("/sign-in", &fields).await.status
}

#[tokio::test]
async fn wrong_sign_ins_of_other_accounts_do_not_shut_anybody_out() {
    let directory = tempfile::tempdir().unwrap();
    let app = TestApp::start(directory.path()).await;
    set_up(&app).await;
    let stranger = PageClient::new(&app.base());
    for number in 0..45 {
        assert_eq!(fail_as(&stranger, number).await, 401);
    }
    sign_in(&PageClient::new(&app.base()), PASSWORD).await.expect(303);
}

#[tokio::test]
async fn after_too_many_failures_from_an_address_only_known_browsers_need_not_wait() {
    let directory = tempfile::tempdir().unwrap();
    let few = |config: &mut config::Config| config.api.failed_sign_ins_per_minute = 1;
    let app = TestApp::start_with(directory.path(), &few, Names::default()).await;
    let admin = set_up(&app).await;
    admin.submit("/sign-out", &[]).await.expect(303);
    let stranger = PageClient::new(&app.base());
    for number in 0..10 {
        assert_eq!(fail_as(&stranger, number).await, 401);
    }
    assert_eq!(fail_as(&stranger, 10).await, 429);
    let page = sign_in(&stranger, PASSWORD).await.expect(429);
    assert!(
        page.html
            .contains("Too many failed attempts. Try again in 6 seconds.")
    );
    sign_in(&admin, PASSWORD).await.expect(303);
    app.advance(Duration::from_secs(6));
    sign_in(&stranger, PASSWORD).await.expect(303);
}

#[tokio::test]
async fn nobody_locks_a_person_out_of_a_browser_of_theirs_and_a_stolen_one_guesses_no_faster() {
    let directory = tempfile::tempdir().unwrap();
    let app = TestApp::start(directory.path()).await;
    let admin = set_up(&app).await;
    let thief = admin.copy();
    let stranger = PageClient::new(&app.base());
    for _ in 0..10 {
        sign_in(&stranger, "a wrong guess").await.expect(401);
    }
    sign_in(&stranger, PASSWORD).await.expect(429);
    admin.submit("/sign-out", &[]).await.expect(303);
    sign_in(&admin, PASSWORD).await.expect(303);
    for _ in 0..10 {
        sign_in(&thief, "a wrong guess").await.expect(401);
    }
    sign_in(&thief, PASSWORD).await.expect(429);
}

#[tokio::test]
async fn ten_wrong_passwords_close_an_account_for_a_minute_to_the_address_they_came_from() {
    let directory = tempfile::tempdir().unwrap();
    let many = |config: &mut config::Config| config.api.failed_sign_ins_per_minute = 10_000;
    let app = TestApp::start_with(directory.path(), &many, Names::default()).await;
    set_up(&app).await;
    let stranger = PageClient::new(&app.base());
    for _ in 0..10 {
        sign_in(&stranger, "a wrong guess").await.expect(401);
    }
    sign_in(&stranger, PASSWORD).await.expect(429);
    app.advance(Duration::from_secs(60));
    sign_in(&stranger, PASSWORD).await.expect(303);
}

#[tokio::test]
async fn signing_in_leads_back_to_the_page_that_was_asked_for_and_never_to_another_site() {
    let directory = tempfile::tempdir().unwrap();
    let app = TestApp::start(directory.path()).await;
    set_up(&app).await;
    let visitor = PageClient::new(&app.base());
    let asked = visitor.get("/incidents?status=open").await.expect(303);
    assert_eq!(asked.location(), "/sign-in?next=%2Fincidents%3Fstatus%3Dopen");
    let form = visitor.get(asked.location()).await.expect(200);
    assert!(
        form.html
            .contains("name=\"next\" value=\"/incidents?status=open\"")
    );
    let to = async |next: &str| {
        let fields = [
            ("email", "ada@example.com"),
            ("password", PASSWORD),
            ("next", next),
        ];
        visitor.submit("/sign-in", &fields).await.location().to_owned()
    };
    assert_eq!(to("/incidents?status=open").await, "/incidents?status=open");
    assert_eq!(to("//evil.example").await, "/");
    assert_eq!(to("https://evil.example/").await, "/");
}

/// The status of a page with a session's token.
async fn status_with(app: &TestApp, session: &str, path: &str) -> u16 {
    let visitor = PageClient::new(&app.base());
    visitor.keep_cookie(SESSION_COOKIE, session);
    visitor.get(path).await.status
}

#[tokio::test]
async fn a_one_time_link_sets_a_password_once() {
    let directory = tempfile::tempdir().unwrap();
    let app = TestApp::start(directory.path()).await;
    let link = sign_in_link(&app, EMAIL).await;
    let invited = PageClient::new(&app.base());
    let page = invited.get(&format!("/welcome?token={link}")).await.expect(200);
    assert!(page.html.contains("Welcome, Grace Hopper"));
    let fields = [
        ("token", link.as_str()),
        ("password", PASSWORD),
        ("passwordAgain", PASSWORD),
    ];
    invited.submit("/welcome", &fields).await.expect(303);
    invited.get("/").await.expect(200);
    let again = PageClient::new(&app.base());
    let page = again.submit("/welcome", &fields).await.expect(422);
    assert!(page.html.contains("This link does not work"));
    sign_in(&again, PASSWORD).await.expect(303);
}

#[tokio::test]
async fn a_one_time_link_stops_working_after_three_days() {
    let directory = tempfile::tempdir().unwrap();
    let app = TestApp::start(directory.path()).await;
    let link = sign_in_link(&app, EMAIL).await;
    app.advance(3 * DAY);
    let late = PageClient::new(&app.base());
    let page = late.get(&format!("/welcome?token={link}")).await.expect(200);
    assert!(page.html.contains("This link does not work"));
    let fields = [
        ("token", link.as_str()),
        ("password", PASSWORD),
        ("passwordAgain", PASSWORD),
    ];
    late.submit("/welcome", &fields).await.expect(422);
}

#[tokio::test]
async fn refused_sign_ins_are_one_line_an_hour_in_the_audit_log_however_many_there_are() {
    let directory = tempfile::tempdir().unwrap();
    let app = TestApp::start(directory.path()).await;
    let ada = set_up(&app).await;
    let stranger = PageClient::new(&app.base());
    for _ in 0..3 {
        sign_in(&stranger, "not the password").await.expect(401);
    }
    for email in ["nobody@example.com", "somebody@example.com"] {
        let fields = [("email", email), ("password", "any password")];
        stranger.submit("/sign-in", &fields).await.expect(401);
    }
    let log = app.api.get("/api/v1/audit?kind=sign_in").await.expect(200).json();
    let told: Vec<_> = log["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| entry["times"].clone())
        .collect();
    assert_eq!(told.len(), 2, "{log}");
    assert!(told.contains(&json!(3)) && told.contains(&json!(2)), "{log}");
    assert!(!log.to_string().contains("nobody@example.com"), "{log}");
    let page = ada.get("/settings/audit-log?kind=sign_in").await.expect(200);
    assert!(
        page.html.contains("3 times") && page.html.contains("127.0.0.1"),
        "{}",
        page.html
    );
    let page = ada
        .get("/settings/audit-log?kind=webhook&from=2026-01-01&to=2026-01-05")
        .await
        .expect(200);
    assert!(page.html.contains("Nothing fits"), "{}", page.html);
    app.advance(Duration::from_secs(3600));
    sign_in(&stranger, "not the password").await.expect(401);
    let log = app.api.get("/api/v1/audit?kind=sign_in").await.expect(200).json();
    assert_eq!(log["items"].as_array().unwrap().len(), 3, "{log}");
}
