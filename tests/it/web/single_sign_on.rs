//! Signing in by an OpenID provider: by one that lies. Those that do not are in `openid_providers.rs`.

use std::collections::HashMap;

use clock::{Clock, SystemClock};
use config::Config;
use model::access::Role;
use model::identity::RoleRule;
use model::secret::SecretText;
use serde_json::{Value, json};
use url::Url;

use super::people::{EMAIL, PASSWORD, SESSION_COOKIE, create_user, set_up, sign_in};
use crate::support::identity_provider::{CLIENT_ID, IdentityProvider, Says, Signing};
use crate::support::page_client::{Page, PageClient};
use crate::support::test_app::{Names, TestApp};

/// What makes a provider's answer a wrong one.
type Lie = Box<dyn Fn(&mut Says)>;

/// Where a certified provider leads back to: it does not go there itself.
pub const CALLBACK: &str = "/sign-in/oidc/callback";

fn settings(config: &mut Config, issuer: &str) {
    config.oidc.issuer = issuer.to_owned();
    config.oidc.name = "Example ID".into();
    config.oidc.client_id = CLIENT_ID.into();
    config.oidc.client_secret = SecretText::new("secret of opsknight: 100% +/=");
    config.oidc.scopes.push("groups".into());
    config.oidc.roles = ["ops-admins=admin", "on-call=responder"]
        .map(|rule| RoleRule::parse(rule).unwrap())
        .into();
    config.public_url = Some(Url::parse("http://opsknight.test").unwrap());
}

/// A server whose people sign in by this issuer, at the time of this machine, with further settings.
pub async fn start(directory: &tempfile::TempDir, issuer: &str, change: &dyn Fn(&mut Config)) -> TestApp {
    let both = |config: &mut Config| {
        settings(config, issuer);
        change(config);
    };
    let app = TestApp::start_with(directory.path(), &both, Names::default()).await;
    app.advance(SystemClock.now().since(app.source().now()));
    app
}

/// The parameters of an address.
pub fn parameters(address: &str) -> HashMap<String, String> {
    Url::parse(address).unwrap().query_pairs().into_owned().collect()
}

/// Path and query of an address.
pub fn local(address: &str) -> String {
    let url = Url::parse(address).unwrap();
    url[url::Position::BeforePath..url::Position::AfterQuery].to_owned()
}

/// A sign-in that has come to the lying provider: what it was asked.
async fn begun(visitor: &PageClient) -> HashMap<String, String> {
    let page = visitor.get("/sign-in/oidc?next=/incidents").await.expect(303);
    parameters(page.location())
}

/// What an honest provider says of somebody.
fn honest(
    provider: &IdentityProvider,
    asked: &HashMap<String, String>,
    subject: &str,
    groups: &[&str],
) -> Value {
    let now = SystemClock.now().as_seconds();
    json!({"iss": provider.issuer(), "aud": CLIENT_ID, "sub": subject, "nonce": asked["nonce"],
        "iat": now, "exp": now + 300, "name": format!("Name of {subject}"), "groups": groups})
}

/// Comes back with a code.
async fn come_back(visitor: &PageClient, asked: &HashMap<String, String>) -> Page {
    visitor
        .get(&format!("{CALLBACK}?code=c&state={}", asked["state"]))
        .await
}

/// The whole way with a provider that says the truth but for a change.
async fn sign_in_with(
    app: &TestApp,
    provider: &IdentityProvider,
    groups: &[&str],
    change: impl FnOnce(&mut Says),
) -> (PageClient, Page) {
    let visitor = PageClient::new(&app.base());
    let asked = begun(&visitor).await;
    provider.say(|says| {
        says.claims = honest(provider, &asked, "u1", groups);
        says.signing = Signing::Right;
        says.user = json!({"sub": "u1"});
        change(says);
    });
    let page = come_back(&visitor, &asked).await;
    (visitor, page)
}

/// The users with name and role, the newest first.
pub async fn users(app: &TestApp) -> Vec<(String, Value)> {
    let users = app.api.get("/api/v1/users").await.expect(200).json();
    let users = users["items"].as_array().unwrap().iter();
    users
        .map(|user| (user["name"].as_str().unwrap().to_owned(), user["role"].clone()))
        .collect()
}

#[tokio::test]
async fn somebody_new_is_let_in_with_the_role_of_their_groups_which_it_follows_from_then_on() {
    let directory = tempfile::tempdir().unwrap();
    let provider = IdentityProvider::start().await;
    let app = start(&directory, provider.issuer(), &|_| ()).await;
    let page = PageClient::new(&app.base()).get("/sign-in").await.expect(200);
    assert!(page.html.contains("Sign in by Example ID"), "{}", page.html);
    let (visitor, page) = sign_in_with(&app, &provider, &["on-call"], |_| ()).await;
    assert_eq!((page.status, page.location()), (303, "/incidents"));
    assert!(visitor.cookie("opsknight_sign_in").is_none());
    visitor.get("/incidents").await.expect(200);
    assert_eq!(users(&app).await, [("Name of u1".to_owned(), json!("responder"))]);
    let (form, authorization) = provider.redeemed().remove(0);
    assert!(
        authorization.starts_with("Basic ") && !form.contains("client_secret"),
        "{form}"
    );
    assert!(
        form.contains("code_verifier=") && form.contains("grant_type=authorization_code"),
        "{form}"
    );

    let (_, page) = sign_in_with(&app, &provider, &["on-call", "ops-admins"], |_| ()).await;
    page.expect(303);
    assert_eq!(users(&app).await, [("Name of u1".to_owned(), json!("admin"))]);
    visitor.get("/settings/audit-log").await.expect(200);

    let (_, page) = sign_in_with(&app, &provider, &["guests"], |_| ()).await;
    let page = page.expect(403);
    assert!(
        page.html.contains("none of your groups has a role here"),
        "{}",
        page.html
    );
    assert_eq!(
        visitor.get("/incidents").await.status,
        303,
        "the sessions have ended"
    );
}

#[tokio::test]
async fn no_token_is_believed_that_is_wrong_in_any_respect() {
    let directory = tempfile::tempdir().unwrap();
    let provider = IdentityProvider::start().await;
    let app = start(&directory, provider.issuer(), &|_| ()).await;
    let now = SystemClock.now().as_seconds();
    let lies: [(&str, Lie); 11] = [
        ("nonce", Box::new(|says| says.claims["nonce"] = json!("another"))),
        ("no nonce", Box::new(|says| says.claims["nonce"] = json!(null))),
        ("audience", Box::new(|says| says.claims["aud"] = json!("other"))),
        ("party", Box::new(|says| says.claims["azp"] = json!("other"))),
        (
            "issuer",
            Box::new(|says| says.claims["iss"] = json!("https://id.example")),
        ),
        (
            "expired",
            Box::new(move |says| says.claims["exp"] = json!(now - 120)),
        ),
        (
            "future",
            Box::new(move |says| says.claims["iat"] = json!(now + 600)),
        ),
        ("foreign key", Box::new(|says| says.signing = Signing::ForeignKey)),
        ("alg none", Box::new(|says| says.signing = Signing::None)),
        (
            "alg HS256",
            Box::new(|says| says.signing = Signing::PublicKeyAsSecret),
        ),
        (
            "somebody else",
            Box::new(|says| says.user = json!({"sub": "u2", "groups": ["ops-admins"]})),
        ),
    ];
    for (name, lie) in lies {
        let (visitor, page) = sign_in_with(&app, &provider, &["ops-admins"], lie).await;
        assert_eq!(page.status, 401, "{name}");
        assert!(
            page.html.contains("answer is not believed"),
            "{name}: {}",
            page.html
        );
        assert_eq!(visitor.cookie(SESSION_COOKIE), None, "{name}");
    }
    assert_eq!(users(&app).await, []);
    let (_, page) = sign_in_with(&app, &provider, &["ops-admins"], |_| ()).await;
    page.expect(303);
}

#[tokio::test]
async fn a_provider_that_names_another_issuer_is_not_believed() {
    let directory = tempfile::tempdir().unwrap();
    let provider = IdentityProvider::start().await;
    provider.say(|says| says.issuer = "https://id.example".into());
    let app = start(&directory, provider.issuer(), &|_| ()).await;
    let page = PageClient::new(&app.base()).get("/sign-in/oidc").await;
    assert_eq!((page.status, page.location()), (401, ""));
}

#[tokio::test]
async fn an_answer_is_taken_once_in_time_and_by_the_browser_that_began() {
    let directory = tempfile::tempdir().unwrap();
    let provider = IdentityProvider::start().await;
    let app = start(&directory, provider.issuer(), &|_| ()).await;
    let say = |asked: &HashMap<String, String>| {
        let claims = honest(&provider, asked, "u1", &["on-call"]);
        provider.say(|says| (says.claims, says.user) = (claims, json!({"sub": "u1"})));
    };

    let visitor = PageClient::new(&app.base());
    let asked = begun(&visitor).await;
    say(&asked);
    let stranger = PageClient::new(&app.base());
    come_back(&stranger, &asked).await.expect(401);
    begun(&stranger).await;
    come_back(&stranger, &asked).await.expect(401);
    assert_eq!(
        provider.redeemed().len(),
        0,
        "the code of another browser is not even redeemed"
    );

    let thief = visitor.copy();
    come_back(&visitor, &asked).await.expect(303);
    let page = come_back(&thief, &asked).await.expect(401);
    assert!(page.html.contains("was finished already"), "{}", page.html);
    assert_eq!(thief.cookie(SESSION_COOKIE), None);

    let late = PageClient::new(&app.base());
    let asked = begun(&late).await;
    say(&asked);
    app.advance(std::time::Duration::from_secs(15 * 60));
    let page = come_back(&late, &asked).await.expect(401);
    assert!(page.html.contains("too long ago"), "{}", page.html);

    let refused = PageClient::new(&app.base());
    let asked = begun(&refused).await;
    let path = format!("{CALLBACK}?error=access_denied%3Cb%3E&state={}", asked["state"]);
    let page = refused.get(&path).await.expect(401);
    assert!(page.html.contains("(access_deniedb)"), "{}", page.html);

    let mixed = PageClient::new(&app.base());
    let asked = begun(&mixed).await;
    say(&asked);
    let path = format!(
        "{CALLBACK}?code=c&iss=https%3A%2F%2Fevil.example&state={}",
        asked["state"]
    );
    mixed.get(&path).await.expect(401);
}

#[tokio::test]
async fn an_address_proves_nothing_and_a_user_connects_while_signed_in() {
    let directory = tempfile::tempdir().unwrap();
    let provider = IdentityProvider::start().await;
    let app = start(&directory, provider.issuer(), &|_| ()).await;
    let ada = set_up(&app).await;
    let theirs = |says: &mut Says| {
        says.claims["email"] = json!(EMAIL);
        says.claims["email_verified"] = json!(true);
    };
    let (stranger, page) = sign_in_with(&app, &provider, &["ops-admins"], theirs).await;
    let page = page.expect(409);
    assert!(
        page.html.contains("A user here has your address"),
        "{}",
        page.html
    );
    assert_eq!(stranger.cookie(SESSION_COOKIE), None);

    ada.get("/account").await.expect(200);
    let page = ada.submit("/account/connect", &[]).await.expect(200);
    let (_, after) = page.html.split_once("class=\"button primary\" href=\"").unwrap();
    let address = after
        .split('"')
        .next()
        .unwrap()
        .replace("&amp;", "&")
        .replace("&#38;", "&");
    let asked = parameters(&address);
    let claims = honest(&provider, &asked, "u1", &["ops-admins"]);
    provider.say(|says| says.claims = claims);
    let page = come_back(&ada, &asked).await;
    assert_eq!((page.status, page.location()), (303, "/account?did=connected"));
    let page = ada.get("/account").await.expect(200);
    assert!(page.html.contains(provider.issuer()), "{}", page.html);

    let (visitor, page) = sign_in_with(&app, &provider, &["ops-admins"], theirs).await;
    page.expect(303);
    assert!(visitor.get("/account").await.expect(200).html.contains(EMAIL));
    assert_eq!(users(&app).await, [("Ada Lovelace".to_owned(), json!("admin"))]);

    let user = app.api.get("/api/v1/users").await.expect(200).json()["items"][0]["id"].clone();
    let path = format!("/users/{}", user.as_str().unwrap());
    visitor.get(&path).await.expect(200);
    visitor
        .submit(&format!("{path}/disconnect"), &[])
        .await
        .expect(303);
    assert_eq!(visitor.get("/account").await.status, 303, "the session has ended");
    let (_, page) = sign_in_with(&app, &provider, &["ops-admins"], theirs).await;
    page.expect(409);
}

#[tokio::test]
async fn passwords_can_be_left_to_those_who_break_the_glass() {
    let directory = tempfile::tempdir().unwrap();
    let provider = IdentityProvider::start().await;
    let only_ada = |config: &mut Config| {
        config.oidc.passwords = false;
        config.oidc.break_glass = vec![EMAIL.to_uppercase()];
    };
    let app = start(&directory, provider.issuer(), &only_ada).await;
    let ada = set_up(&app).await;
    sign_in(&PageClient::new(&app.base()), PASSWORD).await.expect(303);
    let grace = create_user(&app, "Grace Hopper", "grace@example.com", Role::Admin).await;
    ada.get(&format!("/users/{grace}")).await.expect(200);
    let page = ada
        .submit(&format!("/users/{grace}/sign-in-link"), &[])
        .await
        .expect(409);
    assert!(page.html.contains("oidc.passwords"), "{}", page.html);
    let links = &app.store().sign_in;
    let source = app.source();
    let change = source.change(model::audit::Actor::System);
    let expires_at = source.now().plus(std::time::Duration::from_secs(60));
    let hash = model::access::KeyHash::new("link_old");
    let made = links.create_link(hash, grace.parse().unwrap(), expires_at, change);
    made.await.unwrap();
    let fields = [
        ("token", "link_old"),
        ("password", PASSWORD),
        ("passwordAgain", PASSWORD),
    ];
    let visitor = PageClient::new(&app.base());
    visitor.submit("/welcome", &fields).await.expect(422);
    assert_eq!(visitor.cookie(SESSION_COOKIE), None);
}
