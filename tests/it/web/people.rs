//! People who sign in: the first administrator through the real link, others with a session made in the store, since
//! hashing passwords is slow on purpose.

use model::access::{KeyHash, Role};
use model::audit::Actor;
use model::session::{SIGN_IN_LINK_LIFETIME, Session};
use serde_json::json;

use crate::support::page_client::{Page, PageClient};
use crate::support::test_app::{TestApp, text};

/// The first administrator's address.
pub const EMAIL: &str = "ada@example.com";
/// Their password.
pub const PASSWORD: &str = "correct horse battery";
/// The cookie with the session's token.
pub const SESSION_COOKIE: &str = "opsknight_session";

/// Uses the set-up link: a visitor who is signed in as Ada Lovelace, an administrator.
pub async fn set_up(app: &TestApp) -> PageClient {
    let visitor = PageClient::new(&app.base());
    use_set_up_link(&visitor, &app.set_up_token()).await.expect(303);
    // The first page brings the token of the session's forms.
    visitor.get("/").await.expect(200);
    visitor
}

/// Sends the set-up form.
pub async fn use_set_up_link(visitor: &PageClient, token: &str) -> Page {
    let fields = [
        ("token", token),
        ("name", "Ada Lovelace"),
        ("email", EMAIL),
        ("password", PASSWORD),
        ("passwordAgain", PASSWORD),
    ];
    visitor.submit("/setup", &fields).await
}

/// Sends the sign-in form with the first administrator's address.
pub async fn sign_in(visitor: &PageClient, password: &str) -> Page {
    let fields = [("email", EMAIL), ("password", password)];
    visitor.submit("/sign-in", &fields).await
}

/// Somebody new with a role, who is signed in.
pub async fn person(app: &TestApp, role: Role) -> PageClient {
    let visitor = PageClient::new(&app.base());
    visitor.keep_cookie(SESSION_COOKIE, &new_session(app, role).await);
    visitor.get("/").await.expect(200);
    visitor
}

/// The token of a session of somebody new with a role.
pub async fn new_session(app: &TestApp, role: Role) -> String {
    let name = format!("{} {}", role.as_str(), hex::encode(app.source().random::<4>()));
    let email = format!("{}@example.com", name.replace(' ', "."));
    let user = create_user(app, &name, &email, role).await;
    begin_session(app, &user, "a test").await
}

/// The token of a one-time sign-in link for somebody new with this address.
pub async fn sign_in_link(app: &TestApp, email: &str) -> String {
    let user = create_user(app, "Grace Hopper", email, Role::Viewer).await;
    let source = app.source();
    let token = format!("link_{}", hex::encode(source.random::<24>()));
    let change = source.change(Actor::System);
    let expires_at = change.at.plus(SIGN_IN_LINK_LIFETIME);
    let links = &app.store().sign_in;
    let made = links.create_link(KeyHash::new(&token), user.parse().unwrap(), expires_at, change);
    made.await.unwrap();
    token
}

/// A new user; their id.
pub async fn create_user(app: &TestApp, name: &str, email: &str, role: Role) -> String {
    let user = json!({"name": name, "email": email, "role": role});
    let user = app.api.post("/api/v1/users", user).await.expect(201).json();
    text(&user["id"])
}

/// A session of a user in a browser of this name; its token.
pub async fn begin_session(app: &TestApp, user: &str, agent: &str) -> String {
    let source = app.source();
    let token = format!("ses_{}", hex::encode(source.random::<32>()));
    let session = Session {
        id: source.new_session_id(),
        user_id: user.parse().unwrap(),
        hash: KeyHash::new(&token),
        created_at: source.now(),
        last_seen_at: source.now(),
        address: "127.0.0.1".into(),
        agent: agent.into(),
    };
    let change = source.change(Actor::System);
    app.store().sessions.begin(session, change).await.unwrap();
    token
}
