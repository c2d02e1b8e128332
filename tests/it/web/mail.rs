//! Invitations and forgotten passwords, by a simulated mail server.

use std::time::Duration;

use config::Config;
use model::access::Role;
use model::secret::SecretText;

use super::people::{EMAIL, PASSWORD, SESSION_COOKIE, create_user, set_up};
use crate::support::page_client::PageClient;
use crate::support::platform::Platform;
use crate::support::test_app::{Names, PATIENCE, TestApp};

async fn start(directory: &tempfile::TempDir, server: &Platform) -> TestApp {
    let url = server.url.clone();
    let change = move |config: &mut Config| {
        config.mail.server = SecretText::new(url.clone());
        config.mail.from = "OpsKnight <opsknight@example.com>".into();
    };
    TestApp::start_with(directory.path(), &change, Names::default()).await
}

/// The token of the link in a mail.
fn token(mail: &str) -> String {
    let plain = mail.replace("=\r\n", "").replace("=\n", "").replace("=3D", "=");
    let (_, after) = plain
        .split_once("/welcome?token=")
        .unwrap_or_else(|| panic!("{mail}"));
    after.split_whitespace().next().unwrap().to_owned()
}

#[tokio::test]
async fn an_invitation_goes_by_mail_and_its_link_works_once() {
    let directory = tempfile::tempdir().unwrap();
    let server = Platform::start("email").await;
    let app = start(&directory, &server).await;
    let ada = set_up(&app).await;
    let grace = create_user(&app, "Grace Hopper", "grace@example.com", Role::Viewer).await;
    let page = ada.get(&format!("/users/{grace}")).await.expect(200);
    assert!(page.html.contains("Send one by mail"), "{}", page.html);
    let page = ada
        .submit(&format!("/users/{grace}/invite"), &[])
        .await
        .expect(303);
    assert!(page.location().ends_with("?did=invited"));
    let mails = server.texts();
    assert_eq!(mails.len(), 1);
    let seen = server.seen();
    let sent = format!("{mails:?} {seen:?}");
    assert!(
        sent.contains("grace@example.com") && sent.contains("Ada Lovelace invites you"),
        "{sent}"
    );
    let token = token(&mails[0]);
    let visitor = PageClient::new(&app.base());
    let fields = [
        ("token", token.as_str()),
        ("password", PASSWORD),
        ("passwordAgain", PASSWORD),
    ];
    visitor.submit("/welcome", &fields).await.expect(303);
    PageClient::new(&app.base())
        .submit("/welcome", &fields)
        .await
        .expect(422);
    server.fail_next("spam");
    let page = ada
        .submit(&format!("/users/{grace}/invite"), &[])
        .await
        .expect(503);
    assert!(page.html.contains("554"), "{}", page.html);
}

#[tokio::test]
async fn a_forgotten_password_is_mended_by_mail_and_nobody_learns_who_has_an_address() {
    let directory = tempfile::tempdir().unwrap();
    let server = Platform::start("email").await;
    let app = start(&directory, &server).await;
    set_up(&app).await;
    create_user(&app, "Grace Hopper", "grace@example.com", Role::Viewer).await;
    let visitor = PageClient::new(&app.base());
    assert!(
        visitor
            .get("/sign-in")
            .await
            .expect(200)
            .html
            .contains("href=\"/forgot\"")
    );
    let mut answers = Vec::new();
    for email in ["nobody@example.com", "grace@example.com", "ADA@example.com"] {
        answers.push(
            visitor
                .submit("/forgot", &[("email", email)])
                .await
                .expect(200)
                .html,
        );
    }
    assert!(answers.iter().all(|answer| *answer == answers[0]));
    let mails = wait_for_mails(&server, 1).await;
    let token = token(&mails[0]);
    app.advance(Duration::from_secs(3599));
    let new = "a quite new password";
    let fields = [
        ("token", token.as_str()),
        ("password", new),
        ("passwordAgain", new),
    ];
    visitor.submit("/welcome", &fields).await.expect(303);
    assert!(visitor.cookie(SESSION_COOKIE).is_some());
    let log = app.api.get("/api/v1/audit").await.expect(200).text;
    assert!(!log.contains(&token), "{log}");

    for count in 2..=4 {
        visitor.submit("/forgot", &[("email", EMAIL)]).await.expect(200);
        wait_for_mails(&server, count).await;
    }
    visitor.submit("/forgot", &[("email", EMAIL)]).await.expect(200);
    let mails = wait_for_mails(&server, 4).await;
    app.advance(Duration::from_secs(3600));
    let late = token_of_last(&mails);
    let fields = [
        ("token", late.as_str()),
        ("password", new),
        ("passwordAgain", new),
    ];
    visitor.submit("/welcome", &fields).await.expect(422);
}

#[tokio::test]
async fn without_a_mail_server_nothing_is_offered() {
    let directory = tempfile::tempdir().unwrap();
    let app = TestApp::start(directory.path()).await;
    let ada = set_up(&app).await;
    let visitor = PageClient::new(&app.base());
    visitor.get("/forgot").await.expect(404);
    visitor.submit("/forgot", &[("email", EMAIL)]).await.expect(404);
    assert!(!visitor.get("/sign-in").await.html.contains("/forgot"));
    let grace = create_user(&app, "Grace Hopper", "grace@example.com", Role::Viewer).await;
    ada.submit(&format!("/users/{grace}/invite"), &[])
        .await
        .expect(409);
}

fn token_of_last(mails: &[String]) -> String {
    token(mails.last().unwrap())
}

/// Waits until so many mails have come.
async fn wait_for_mails(server: &Platform, count: usize) -> Vec<String> {
    let arrived = async {
        loop {
            let mails = server.texts();
            if mails.len() >= count {
                return mails;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(PATIENCE, arrived)
        .await
        .expect("the mails come")
}
