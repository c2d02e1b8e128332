//! Nobody is shut out: names, headings, contrast, focus, on every page, light and dark, on a desk and on a phone. axe-core, from npm,
//! looks at each page too.

use std::collections::BTreeSet;

use config::Config;
use model::access::Role;
use model::secret::SecretText;
use serde_json::Value;
use web::{PageVerb, routes};

use super::browser::{Browser, DESKTOP, PHONE};
use super::passkeys;
use super::people::{SESSION_COOKIE, begin_session, set_up, sign_in_link, use_set_up_link};
use super::showroom::showroom;
use crate::support::authenticator::Authenticator;
use crate::support::page_client::PageClient;
use crate::support::programs::node_packages;
use crate::support::test_app::{Names, TestApp};

const CHECKS: &str = include_str!("accessibility.js");
const NOTHING: [String; 0] = [];

/// What axe-core says of the page, a line for each rule and element; `{rules}` are those that are looked at, all if there are none.
const AXE: &str = "return axe.run({runOnly: {rules}, resultTypes: ['violations'], selectors: false, preload: false}) \
                   .then(({violations}) => violations.flatMap(({id, nodes}) => nodes.map(({html, failureSummary}) => \
                   `axe ${id}: ${html.slice(0, 120)} ${failureSummary}`)))";
/// Those of all themes, and those that the second may fail alone: what colours decide.
const RULES: [(&str, &str); 2] = [
    ("light", "undefined"),
    ("dark", "['color-contrast', 'link-in-text-block']"),
];

/// The source of axe-core; nothing if `./check` could not install it.
fn axe() -> Option<String> {
    let packages = node_packages("axe")?;
    Some(std::fs::read_to_string(packages.join("node_modules/axe-core/axe.min.js")).unwrap())
}

/// What is wrong with the page that a browser shows. axe-core looks at what our own checks have unfolded.
async fn problems(browser: &mut Browser, path: &str) -> Vec<String> {
    let mut problems = problems_by_own_checks(browser, path).await;
    let Some(axe) = axe() else { return problems };
    browser.resize(DESKTOP).await;
    browser.eval(&axe).await;
    for (theme, rules) in RULES {
        show_theme(browser, theme).await;
        let found = lines(browser.eval(&AXE.replace("{rules}", rules)).await);
        problems.extend(found.map(|problem| format!("{path} ({theme}): {problem}")));
    }
    problems
}

/// What our own checks find, in both themes and sizes.
async fn problems_by_own_checks(browser: &mut Browser, path: &str) -> Vec<String> {
    let mut problems = Vec::new();
    for (size, device) in [(DESKTOP, "desk"), (PHONE, "phone")] {
        browser.resize(size).await;
        for theme in ["light", "dark"] {
            show_theme(browser, theme).await;
            let found = lines(browser.eval(CHECKS).await);
            problems.extend(found.map(|problem| format!("{path} ({theme}, {device}): {problem}")));
        }
    }
    problems
}

async fn show_theme(browser: &Browser, theme: &str) {
    browser
        .eval(&format!("document.documentElement.dataset.theme = '{theme}'"))
        .await;
}

/// The texts of a list.
fn lines(list: Value) -> impl Iterator<Item = String> {
    let lines: Vec<String> = serde_json::from_value(list).unwrap();
    lines.into_iter()
}

async fn problems_of_pages(browser: &mut Browser, paths: &[String]) -> Vec<String> {
    let mut all = Vec::new();
    for path in paths {
        browser.goto(path).await;
        all.extend(problems(browser, path).await);
    }
    all
}

#[tokio::test]
async fn every_page_of_a_server_in_use_is_accessible() {
    let showroom = showroom().await;
    let mut browser = showroom.browser().await;
    let found = problems_of_pages(&mut browser, &showroom.pages()).await;
    assert_eq!(found, NOTHING);
    browser.finish().await;
}

#[tokio::test]
async fn every_page_of_an_empty_server_is_accessible() {
    let directory = tempfile::tempdir().unwrap();
    let app = TestApp::start(directory.path()).await;
    let mut browser = Browser::open_as(&app, Role::Admin).await;
    browser.expect_complaint("the server responded with a status of 401");
    let found = problems_of_pages(&mut browser, &pages_without_id()).await;
    assert_eq!(found, NOTHING);
    browser.finish().await;
}

#[tokio::test]
async fn every_page_for_people_who_are_not_signed_in_is_accessible() {
    let directory = tempfile::tempdir().unwrap();
    let app = TestApp::start(directory.path()).await;
    let link = sign_in_link(&app, "grace@example.com").await;
    let mut browser = Browser::open(&app).await;
    browser.expect_complaint("the server responded with a status of 404");
    browser.expect_complaint("the server responded with a status of 401");
    let paths = [
        format!("/setup?token={}", app.set_up_token()),
        "/setup".to_owned(),
        "/sign-in?did=signed-out".to_owned(),
        format!("/welcome?token={link}"),
        "/welcome?token=wrong".to_owned(),
        "/wall".to_owned(),
        "/docs/errors".to_owned(),
        "/docs".to_owned(),
        "/docs/receivers/go/verify.go".to_owned(),
        "/no-such-page".to_owned(),
    ];
    let found = problems_of_pages(&mut browser, &paths).await;
    assert_eq!(found, NOTHING);
    browser.finish().await;
}

#[tokio::test]
async fn the_ways_in_of_a_server_with_a_provider_and_mail_are_accessible() {
    let directory = tempfile::tempdir().unwrap();
    let settings = |config: &mut Config| {
        config.oidc.issuer = "http://127.0.0.1:1".into();
        config.oidc.name = "Example ID".into();
        config.oidc.client_id = "opsknight".into();
        config.oidc.fallback_role = Some(Role::Viewer);
        config.oidc.passwords = false;
        config.mail.server = SecretText::new("smtp://127.0.0.1:1");
        config.mail.from = "opsknight@example.com".into();
    };
    let app = TestApp::start_with(directory.path(), &settings, Names::default()).await;
    let token = app.set_up_token();
    use_set_up_link(&PageClient::new(&app.base()), &token)
        .await
        .expect(303);
    let user = app.api.get("/api/v1/users").await.expect(200).json()["items"][0]["id"].clone();
    let mut browser = Browser::open(&app).await;
    browser.expect_complaint("the server responded with a status of 502");
    let open = ["/sign-in", "/sign-in/oidc", "/forgot"].map(str::to_owned);
    let mut found = problems_of_pages(&mut browser, &open).await;
    let session = begin_session(&app, user.as_str().unwrap(), "Chromium").await;
    browser.keep_cookie(SESSION_COOKIE, &session).await;
    let own = ["/account", "/account/passkeys", "/account/second-factor"].map(str::to_owned);
    found.extend(problems_of_pages(&mut browser, &own).await);
    let theirs = format!("/users/{}", user.as_str().unwrap());
    found.extend(problems_of_pages(&mut browser, &[theirs]).await);
    assert_eq!(found, NOTHING);
    browser.finish().await;
}

#[tokio::test]
async fn the_pages_on_which_somebody_changes_how_they_sign_in_are_accessible() {
    let directory = tempfile::tempdir().unwrap();
    let app = TestApp::start(directory.path()).await;
    let ada = set_up(&app).await;
    let mut authenticator = Authenticator::new(&passkeys::origin(&app));
    passkeys::add(&ada, "Key ring", &mut authenticator)
        .await
        .expect(303);
    let mut browser = Browser::open(&app).await;
    browser
        .keep_cookie(SESSION_COOKIE, &ada.cookie(SESSION_COOKIE).unwrap())
        .await;
    let own = ["/account", "/account/passkeys", "/account/second-factor"].map(str::to_owned);
    let found = problems_of_pages(&mut browser, &own).await;
    assert_eq!(found, NOTHING);
    browser.finish().await;
}

#[tokio::test]
async fn a_form_that_is_refused_stays_accessible() {
    let directory = tempfile::tempdir().unwrap();
    let app = TestApp::start(directory.path()).await;
    app.create_service().await;
    let mut browser = Browser::open_as(&app, Role::Responder).await;
    browser.expect_complaint("the server responded with a status of 422");
    browser.goto("/incidents/new").await;
    // The browser itself would not send an empty title.
    browser
        .eval("document.querySelector('main form').noValidate = true")
        .await;
    browser.press("Trigger incident").await;
    browser.wait_for("#wrong-title").await;
    let found = problems(&mut browser, "/incidents/new, refused").await;
    assert_eq!(found, NOTHING);
    browser.finish().await;
}

#[tokio::test]
async fn the_checks_find_what_they_look_for() {
    let directory = tempfile::tempdir().unwrap();
    let app = TestApp::start(directory.path()).await;
    let browser = Browser::open(&app).await;
    browser.show(include_str!("inaccessible.html")).await;
    let found: Vec<String> = lines(browser.eval(CHECKS).await).collect();
    let rules: BTreeSet<_> = found
        .iter()
        .filter_map(|problem| problem.split(':').next())
        .collect();
    let expected = [
        "aria-labelledby of nothing",
        "border of a field with a contrast of 1.16, needs 3",
        "cannot be reached",
        "drawing without a name",
        "empty heading",
        "focus cannot be seen",
        "group without a legend",
        "heading skips a level",
        "id used twice",
        "image without alt",
        "jumps the order of the focus",
        "mistake of no field",
        "navigation without a name",
        "no language",
        "no title",
        "not exactly one h1",
        "not exactly one main",
        "placeholder with a contrast of 1.61, needs 4.5",
        "table head without text",
        "text on a gradient cannot be judged",
        "text with a contrast of 2.85, needs 3",
        "text with a contrast of 2.85, needs 4.5",
        "the word “acknowledged” is broken",
        "too small for a finger",
        "without a name",
    ];
    assert_eq!(rules, BTreeSet::from(expected));
    if let Some(axe) = axe() {
        browser.eval(&axe).await;
        let found: Vec<String> = lines(browser.eval(&AXE.replace("{rules}", "undefined")).await).collect();
        let has = |rule: &str| found.iter().any(|line| line.starts_with(&format!("axe {rule}:")));
        assert!(has("image-alt") && has("color-contrast"), "{found:?}");
    }
    browser.finish().await;
}

/// The addresses of pages that are about no one thing.
fn pages_without_id() -> Vec<String> {
    let pages = routes::all()
        .into_iter()
        .filter(|route| route.verb == PageVerb::Get);
    let paths = pages.map(|route| route.path);
    paths
        .filter(|path| !path.contains('{') && !path.ends_with("/live"))
        .filter(|path| !path.starts_with("/sign-in/") && *path != "/forgot")
        .map(str::to_owned)
        .collect()
}
