//! Signing in by OpenID providers of others: npm's certified one, and, as a second opinion, one whose core is Authlib.

use config::Config;
use serde_json::json;
use tokio::process::Command;
use url::Url;

use super::people::SESSION_COOKIE;
use super::single_sign_on::{CALLBACK, local, parameters, start, users};
use crate::support::judge_server::JudgeServer;
use crate::support::page_client::{Page, PageClient};
use crate::support::programs::{node_packages, root};
use crate::support::test_app::TestApp;

/// A certified provider; nothing if `./check` said that npm could not bring it.
async fn certified() -> Option<JudgeServer> {
    let mut command = Command::new("node");
    command
        .arg(root().join("tests/judges/oidc/provider.mjs"))
        .arg(node_packages("oidc")?)
        .arg(format!("http://opsknight.test{CALLBACK}"));
    Some(JudgeServer::run(command).await)
}

/// Where a provider is.
fn issuer(provider: &JudgeServer) -> &str {
    provider.set_up["issuer"].as_str().unwrap()
}

/// What a browser does there with a person who signs in and consents; the address that it is led back to.
async fn visit_certified(issuer: &str, address: &str, person: &str) -> String {
    let browser = PageClient::new(issuer);
    let mut page = browser.get(&local(address)).await;
    // Two forms, and four redirects between them.
    for _ in 0..10 {
        let to = page.location().to_owned();
        page = match to.as_str() {
            "" if page.html.contains("name=\"login\"") => {
                let fields = [("prompt", "login"), ("login", person), ("password", "any")];
                browser.post(&action(&page), &fields, &[]).await
            }
            "" => browser.post(&action(&page), &[("prompt", "consent")], &[]).await,
            to if to.starts_with('/') => browser.get(to).await,
            to if to.starts_with(issuer) => browser.get(&local(to)).await,
            _ => return to,
        };
    }
    panic!("the provider leads nowhere: {}", page.html);
}

/// Where the form of a page goes.
fn action(page: &Page) -> String {
    let (_, after) = page
        .html
        .split_once("action=\"")
        .unwrap_or_else(|| panic!("{}", page.html));
    let action = after.split('"').next().unwrap();
    if action.starts_with("http") {
        local(action)
    } else {
        action.to_owned()
    }
}

/// What a browser does at the second one with a person who signs in.
async fn visit_second(issuer: &str, address: &str, person: &str) -> String {
    let browser = PageClient::new(issuer);
    browser.get(&local(address)).await.expect(200);
    let page = browser.post(&local(address), &[("sub", person)], &[]).await;
    page.expect(302).location().to_owned()
}

/// Three people sign in, as what their groups say.
async fn people_sign_in(app: &TestApp, visit: impl AsyncFn(&str, &str) -> String) {
    for (person, status) in [("grace", 303), ("ada", 303), ("mallory", 403)] {
        let visitor = PageClient::new(&app.base());
        let page = visitor.get("/sign-in/oidc?next=/account").await.expect(303);
        let back = visit(page.location(), person).await;
        let page = visitor.get(&local(&back)).await;
        assert_eq!(page.status, status, "{person}: {}", page.html);
    }
    let expected = [("Ada Lovelace", "responder"), ("Grace Hopper", "admin")];
    assert_eq!(
        users(app).await,
        expected.map(|(name, role)| (name.to_owned(), json!(role)))
    );
}

#[tokio::test]
async fn people_sign_in_by_a_certified_provider() {
    let Some(provider) = certified().await else {
        return;
    };
    let directory = tempfile::tempdir().unwrap();
    let app = start(&directory, issuer(&provider), &|_| ()).await;
    people_sign_in(&app, async |address, person| {
        visit_certified(issuer(&provider), address, person).await
    })
    .await;
}

#[tokio::test]
async fn people_sign_in_by_a_second_provider() {
    let Some(provider) = JudgeServer::start("oidc_provider.py").await else {
        return;
    };
    let directory = tempfile::tempdir().unwrap();
    // It tells groups without being asked for them, and refuses to be.
    let ask_for_no_groups = |config: &mut Config| config.oidc.scopes.retain(|scope| scope != "groups");
    let app = start(&directory, issuer(&provider), &ask_for_no_groups).await;
    people_sign_in(&app, async |address, person| {
        visit_second(issuer(&provider), address, person).await
    })
    .await;
}

#[tokio::test]
async fn a_certified_provider_gives_no_token_for_the_code_of_another_client_or_sign_in() {
    let Some(provider) = certified().await else {
        return;
    };
    let directory = tempfile::tempdir().unwrap();
    let app = start(&directory, issuer(&provider), &|_| ()).await;
    for (parameter, value) in [
        ("client_id", "other"),
        ("code_challenge", "B".repeat(43).as_str()),
    ] {
        let visitor = PageClient::new(&app.base());
        let page = visitor.get("/sign-in/oidc").await.expect(303);
        let mut address = Url::parse(page.location()).unwrap();
        let changed = parameters(page.location())
            .into_iter()
            .map(|(name, text)| match name == parameter {
                true => (name, value.to_owned()),
                false => (name, text),
            });
        address
            .query_pairs_mut()
            .clear()
            .extend_pairs(changed.collect::<Vec<_>>());
        let back = visit_certified(issuer(&provider), address.as_str(), "grace").await;
        let page = visitor.get(&local(&back)).await;
        assert_eq!(
            (page.status, visitor.cookie(SESSION_COOKIE)),
            (502, None),
            "{parameter}"
        );
    }
    assert_eq!(users(&app).await, []);
}
