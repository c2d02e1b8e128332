//! A server with one of everything, and the address of every page and form in it.

use model::access::Role;
use model::action_link::{ActionLink, LINK_KEY, LINK_LIFETIME};
use model::audit::Actor;
use model::inbox::{Inbox, InboxAnswer};
use model::incident::IncidentAction;
use serde_json::{Value, json};
use tempfile::TempDir;
use web::PageVerb;
use web::routes;

use super::browser::Browser;
use super::people::{SESSION_COOKIE, begin_session, create_user};
use crate::support::page_client::PageClient;
use crate::support::receiver::{OK, Receiver, Reply};
use crate::support::test_app::{TestApp, text};

/// Pages that never end.
const STREAMS: [&str; 2] = ["/live", "/wall/live"];
/// The cookie with the token of a link to a receiver's page.
pub const RECEIVER_COOKIE: &str = "opsknight_receiver";
/// The longest description of an incident.
const MAX_DESCRIPTION_BYTES: usize = 10_000;
/// Addresses that are no pages of the server's own.
const FILES: [&str; 13] = [
    "/badges/{file}",
    "/assets/{version}/{name}",
    "/in/{id}",
    "/incidents/export",
    "/deliveries/export",
    "/insights/{file}",
    "/forgot",
    "/sign-in/oidc",
    "/sign-in/oidc/callback",
    "/docs/events/{file}",
    "/settings/integrations/export",
    "/settings/integrations/{id}/export",
    "/receiver/open/{token}",
];

/// What stands behind `/act/` in a link that resolves an incident: of a chat that gets no events.
pub async fn act_path(app: &TestApp, incident: &str) -> String {
    let chat = json!({"name": "Incident room", "kind": "discord", "filter": "false",
        "url": "http://127.0.0.1:9999/api/webhooks/123456789012345678/made-up-token-of-nobody",
        "events": ["incident.triggered"]});
    let webhook = create(app, "webhooks", chat).await;
    let webhook_id = webhook.parse().unwrap();
    let endpoint = app.store().endpoints.load(webhook_id).await.unwrap().unwrap();
    let expires_at = app.source().now().plus(LINK_LIFETIME);
    let link = ActionLink {
        action: IncidentAction::Resolve,
        incident_id: incident.parse().unwrap(),
        expires_at_seconds: u32::try_from(expires_at.as_seconds()).unwrap(),
        event_sequence: 1,
    };
    format!(
        "{webhook}/{}",
        link.sign(webhook_id, &endpoint.secrets.options[LINK_KEY])
    )
}

/// A link to the receiver's page of a webhook.
pub struct SampleLink {
    pub id: String,
    pub token: String,
}

/// Makes a link to the receiver's page of a webhook.
pub async fn make_link(app: &TestApp, webhook: &str) -> SampleLink {
    let path = format!("/api/v1/webhooks/{webhook}/receiver-links");
    let draft = json!({"name": "Payments team", "days": 30});
    let made = app.api.post(&path, draft).await.expect(201).json();
    let link = text(&made["link"]);
    SampleLink {
        id: text(&made["id"]),
        token: link.rsplit('/').next().unwrap().to_owned(),
    }
}

/// The server and the ids of what is in it.
pub struct Sample {
    pub app: TestApp,
    /// The token of Grace's session, an administrator's.
    session: String,
    /// Of an address's beginning, what `{id}` stands for behind it.
    ids: Vec<(&'static str, String)>,
    /// A link to the receiver's page of a webhook.
    pub link: SampleLink,
    _receivers: Vec<Receiver>,
    _directory: TempDir,
}

impl Sample {
    /// Starts a server and fills it.
    pub async fn start() -> Self {
        Self::filled(&str::to_owned, &[OK]).await
    }

    /// The same with another text for every text in it, and with a receiver that answers so.
    pub async fn filled(say: &dyn Fn(&str) -> String, replies: &[Reply]) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let app = TestApp::start(directory.path()).await;
        let receiver = Receiver::start(replies).await;
        let email = format!("{}@example.com", say("grace").replace(' ', ""));
        let user = create_user(&app, &say("Grace Hopper"), &email, Role::Admin).await;
        let session = begin_session(&app, &user, &say("Chromium")).await;
        let service = create(&app, "services", json!({"name": say("Checkout")})).await;
        let webhook = create(&app, "webhooks", webhook(say, receiver.address)).await;
        let incident = create(&app, "incidents", incident(say, &service, &user)).await;
        app.act(&incident, "acknowledge").await;
        let delivery = text(&app.wait_for("event=incident.triggered", 1).await[0]["id"]);
        app.wait_for_attempts(&delivery, 1).await;
        let policy =
            json!({"name": say("Payments"), "steps": [{"waitMinutes": 15, "assignee": {"id": user}}]});
        let key = json!({"name": say("Monitoring"), "scopes": ["incidents:write"]});
        let sessions = app
            .store()
            .sessions
            .list(user.parse().unwrap(), app.source().now());
        let source = json!({"name": say("Monitoring of the shop"), "kind": "generic", "serviceId": service});
        let link = make_link(&app, &webhook).await;
        let ids = vec![
            ("/act/", act_path(&app, &incident).await),
            ("/account/sessions/", sessions.await.unwrap()[0].id.to_string()),
            ("/receiver/", delivery.clone()),
            ("/deliveries/", delivery),
            (
                "/escalation-policies/",
                create(&app, "escalation-policies", policy).await,
            ),
            ("/incidents/", incident),
            ("/services/", service),
            ("/settings/api-keys/", create(&app, "api-keys", key).await),
            ("/settings/inbox/", create_inbox(&app, &say("Trial")).await),
            ("/settings/integrations/", webhook),
            ("/settings/sources/", create(&app, "sources", source).await),
            ("/users/", user),
        ];
        Self::new(app, session, ids, link, vec![receiver], directory)
    }

    /// A server that was filled elsewhere.
    pub fn new(
        app: TestApp,
        session: String,
        ids: Vec<(&'static str, String)>,
        link: SampleLink,
        receivers: Vec<Receiver>,
        directory: TempDir,
    ) -> Self {
        Self {
            app,
            session,
            ids,
            link,
            _receivers: receivers,
            _directory: directory,
        }
    }

    /// A browser in which Grace is signed in.
    pub async fn browser(&self) -> Browser {
        let browser = Browser::open(&self.app).await;
        browser.keep_cookie(SESSION_COOKIE, &self.session).await;
        browser.keep_cookie(RECEIVER_COOKIE, &self.link.token).await;
        browser
    }

    /// The address of a route, with the ids of what is there.
    pub fn address(&self, pattern: &str) -> String {
        let known = self
            .ids
            .iter()
            .find(|(beginning, _)| pattern.starts_with(beginning));
        let key = format!("/wall?key={}", self.app.api.key());
        let pattern = if pattern == "/wall" { &key } else { pattern };
        let address = pattern
            .replace("{kind}", "generic")
            .replace("{file}", "noisiest.csv")
            .replace("{*path}", "operations");
        let address = address.replace("{webhook}/{token}", "{id}");
        let address = address
            .replace("{link}", &self.link.id)
            .replace("{token}", &self.link.token);
        let hook = self
            .ids
            .iter()
            .find(|(beginning, _)| *beginning == "/settings/integrations");
        let hook = hook.map(|(_, id)| id.as_str()).unwrap_or_default();
        let address = address.replace("{webhook}", hook);
        let address = known.map_or(address.clone(), |(_, id)| address.replace("{id}", id));
        assert!(
            !address.contains('{'),
            "sample.rs does not know what stands in {pattern}"
        );
        address
    }

    /// The addresses of every page that an administrator can look at: all that begin and end as HTML.
    pub fn pages(&self) -> Vec<String> {
        let pages = routes::all()
            .into_iter()
            .filter(|route| route.verb == PageVerb::Get);
        pages
            .map(|route| route.path)
            .filter(|path| !STREAMS.contains(path) && !FILES.contains(path))
            .map(|path| self.address(path))
            .collect()
    }

    /// What a test finds on every page, one after the other.
    pub async fn on_every_page(&self, mut look: impl AsyncFnMut(&str) -> Vec<String>) -> Vec<String> {
        let mut found = Vec::new();
        for path in self.pages() {
            found.extend(look(&path).await);
        }
        found
    }

    /// An administrator who is signed in anew.
    pub async fn admin(&self) -> PageClient {
        self.person(Role::Admin).await
    }

    /// Somebody new with a role, who is signed in.
    pub async fn person(&self, role: Role) -> PageClient {
        let visitor = super::people::person(&self.app, role).await;
        visitor.keep_cookie(RECEIVER_COOKIE, &self.link.token);
        visitor
    }

    /// All that forms could have changed, to compare.
    pub async fn everything(&self) -> String {
        let lists = [
            "audit?limit=200",
            "incidents",
            "events",
            "deliveries",
            "services",
            "users",
            "escalation-policies",
            "webhooks",
            "api-keys",
            "sources",
        ];
        let mut all = format!("{:?}", self.app.store().inboxes.list().await.unwrap());
        for list in lists {
            let answer = self.app.api.get(&format!("/api/v1/{list}")).await.expect(200);
            all.push_str(&answer.text);
        }
        all
    }
}

/// A sentence about something, if it is so.
pub fn reported(is_so: bool, sentence: String) -> Vec<String> {
    is_so.then_some(sentence).into_iter().collect()
}

/// Creates something over the API; its id.
pub async fn create(app: &TestApp, what: &str, draft: Value) -> String {
    let made = app.api.post(&format!("/api/v1/{what}"), draft).await.expect(201);
    text(&made.json()["id"])
}

fn webhook(say: &dyn Fn(&str) -> String, receiver: std::net::SocketAddr) -> Value {
    let team = say("on call");
    json!({
        "name": say("On-call pager"),
        "url": format!("http://{receiver}/hooks/{team}?team={team}"),
        "events": ["incident.triggered", "incident.resolved"],
        "filter": format!("title != {}", json!(format!("not {team}"))),
        "headers": {"X-Team": team.replace(|letter: char| !letter.is_ascii(), "")},
        "retrySchedule": ["1m", "5m"],
    })
}

fn incident(say: &dyn Fn(&str) -> String, service: &str, user: &str) -> Value {
    let sentence = say("The primary does not answer.");
    json!({
        "title": say("Database connection timeout"),
        "description": sentence.repeat(MAX_DESCRIPTION_BYTES / sentence.len()),
        "severity": "critical",
        "service": {"id": service},
        "assignee": {"id": user},
        "dedupKey": say("db-1/timeout"),
    })
}

/// Creates an inbox; its id.
pub async fn create_inbox(app: &TestApp, name: &str) -> String {
    let source = app.source();
    let inbox = Inbox {
        id: source.new_inbox_id(),
        name: name.into(),
        answer: InboxAnswer::default(),
        secret: None,
        created_at: source.now(),
    };
    let inbox = app
        .store()
        .inboxes
        .create(inbox, source.change(Actor::System))
        .await;
    inbox.unwrap().id.to_string()
}
