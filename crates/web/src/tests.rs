//! Every page rendered with sample data, some of it hostile, straight from the router: no socket, no browser. What needs
//! those stands in `tests/it/web/`.

pub(crate) mod templates;

use std::path::Path;
use std::sync::Arc;

use axum::{Router, body::Body};
use bytes::Bytes;
use http::{Request, StatusCode};
use tokio::sync::watch;
use tower::ServiceExt;

use crate::{WebParts, WebSettings, WebState, route::PageVerb, routes};
use actions::access::SetupToken;
use actions::incidents::{IncidentDraft, ServiceChoice};
use actions::people::{FirstAdmin, NewPassword, Origin, actor_of};
use actions::receiver_links::ReceiverLinkDraft;
use actions::webhooks::draft::WebhookDraft;
use actions::{ActionError, Actions, Patch, Tester, TicketGateway, UrlRules};
use clock::Env;
use destination::ticketing::{QueryResult, TicketQuery};
use limit::Limit;
use model::action_link::{ActionLink, LINK_KEY};
use model::attempt::{Attempt, Failure, Outcome};
use model::audit::Actor;
use model::delivery::NextStep;
use model::event::{Event, EventName};
use model::exchange::{FailureCode, PhaseTimings};
use model::id::{ServiceId, SourceId, WebhookId};
use model::incident::{IncidentAction, Severity};
use model::secret::SecretText;
use model::source::{RequestResult, SourceRequest};
use model::ticket::TicketLink;
use model::user::User;
use renderer::Renderer;
use store::deliveries::DeliveryDetail;
use store::incidents::Committed;
use store::queue::{AttemptRecord, ClaimRequest};
use store::seal::{MasterKey, Sealer};
use store::sources::Arrival;
use store::tickets::PollOutcome;
use store::{NoObserver, NoSink, Store};

/// A text that does harm wherever it is not escaped.
const HOSTILE: &str = "\"><script>alert(1)</script><img src=x onerror=alert(1)>'";

struct AnyUrl;

impl UrlRules for AnyUrl {
    fn check(&self, _: &url::Url) -> Result<(), String> {
        Ok(())
    }
}

struct NoTester;

#[async_trait::async_trait]
impl Tester for NoTester {
    async fn send(&self, _: WebhookId, _: Event) -> Result<DeliveryDetail, ActionError> {
        Err(ActionError::Unavailable("nothing is sent in this test".into()))
    }
}

/// Nobody to ask.
struct NoDesk;

#[async_trait::async_trait]
impl TicketGateway for NoDesk {
    async fn ask(&self, _: WebhookId, _: TicketQuery) -> Result<QueryResult, ActionError> {
        Err(ActionError::Unavailable("nobody is asked in this test".into()))
    }

    async fn follow(&self, _: &TicketLink, _: Actor) -> Result<PollOutcome, ActionError> {
        Err(ActionError::Unavailable("nobody is asked in this test".into()))
    }
}

/// Pages over a store with one of everything, and somebody who is signed in.
struct House {
    router: Router,
    cookie: String,
    /// A path for each `{id}`, by what stands before it.
    ids: Vec<(&'static str, String)>,
    _directory: tempfile::TempDir,
    _stop: watch::Sender<bool>,
    _commits: watch::Sender<u64>,
}

impl House {
    async fn build() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let store = store_sqlite::open(store_sqlite::Settings {
            directory: directory.path().to_owned(),
            sealer: Sealer::new(&MasterKey::new([1; 32]), None),
            delivery_sink: Arc::new(NoSink),
            node: 1,
            observer: Arc::new(NoObserver),
            max_pages: None,
        })
        .unwrap();
        let source = Env::system();
        let actions = Arc::new(Actions::new(
            store.clone(),
            source.clone(),
            Arc::new(AnyUrl),
            Arc::new(NoTester),
            Arc::new(NoDesk),
            Renderer::new("no program".into()),
        ));
        let (user, cookie) = sign_in(&actions).await;
        let (ids, link) = furnish(&actions, &store, &source, &user).await;
        let cookie = format!("{cookie}; opsknight_receiver={}", link.reveal());
        let (commits, commits_seen) = watch::channel(0);
        let (stop, stopping) = watch::channel(false);
        let state = WebState::new(WebParts {
            actions,
            store,
            source,
            commits: commits_seen,
            settings: settings(directory.path()),
            limits: limit::shared::SharedLimits::default(),
            single_sign_on: None,
            passkeys: passkeys::RelyingParty::new(None, [0; 32]),
            setup: SetupToken::none(),
            openapi: api::openapi_document,
            exports: crate::PageExports::none(),
            api_reads: crate::ApiReads::default(),
            audited: Box::new(|| None),
            stopping,
        });
        Self {
            router: crate::router(state),
            cookie,
            ids,
            _directory: directory,
            _stop: stop,
            _commits: commits,
        }
    }

    async fn get(&self, path: &str) -> (StatusCode, String) {
        let request = Request::get(path).header("cookie", &self.cookie);
        let request = request.body(Body::empty()).unwrap();
        let response = self.router.clone().oneshot(request).await.unwrap();
        let status = response.status();
        let body = axum::body::to_bytes(response.into_body(), 1 << 20).await.unwrap();
        (status, String::from_utf8(body.to_vec()).unwrap())
    }

    /// The path of a route with real ids in it.
    fn path_of(&self, route: &str) -> String {
        let link = self.ids.iter().find(|(before, _)| *before == "{link}");
        let route = route.replace("{link}", link.map_or("", |(_, id)| id));
        let route = route.replace("{webhook}/{token}", "{id}");
        let place = self.ids.iter().find(|(before, _)| route.starts_with(before));
        let id = place.map_or("", |(_, id)| id);
        let hooks = self
            .ids
            .iter()
            .find(|(before, _)| before.starts_with("/settings/integrations"));
        let hook = hooks.map_or("", |(_, id)| id);
        let route = route.replace("{webhook}", hook);
        route.replace("{kind}", "generic").replace("{id}", id)
    }
}

fn settings(directory: &Path) -> WebSettings {
    WebSettings {
        public_url: None,
        is_dev: true,
        has_inboxes: true,
        badges: Vec::new(),
        own_address: ([127, 0, 0, 1], 8080).into(),
        failure_limit: Limit {
            per_second: 1.0,
            burst: 100.0,
        },
        max_streams: 1,
        backup_directory: Some(directory.join("backups")),
    }
}

async fn sign_in(actions: &Actions) -> (User, String) {
    let password = NewPassword {
        password: "correct horse battery".into(),
        again: "correct horse battery".into(),
    };
    let admin = FirstAdmin {
        name: format!("Ada {HOSTILE}"),
        email: "ada@example.com".into(),
        password,
    };
    let user = actions
        .create_first_admin(&SetupToken::new("token"), "token", admin)
        .await
        .unwrap();
    let origin = Origin {
        address: "127.0.0.1".into(),
        agent: HOSTILE.into(),
    };
    let token = actions.begin_session(&user, origin).await.unwrap().session;
    (user, format!("opsknight_session={}", token.reveal()))
}

/// One of everything; where its pages are.
async fn furnish(
    actions: &Actions,
    store: &Store,
    source: &Env,
    user: &User,
) -> (Vec<(&'static str, String)>, SecretText) {
    let actor = || actor_of(user);
    let policy = serde_json::from_value(serde_json::json!({
        "name": HOSTILE, "steps": [{"waitMinutes": 5, "assignee": {"id": user.id}}]
    }));
    let policy = actions.create_policy(actor(), policy.unwrap()).await.unwrap();
    let service = serde_json::from_value(serde_json::json!({
        "name": HOSTILE, "description": HOSTILE, "escalationPolicy": {"id": policy.id}
    }));
    let service = actions.create_service(actor(), service.unwrap()).await.unwrap();
    let webhook = WebhookDraft {
        name: Patch::Set(format!("Hook {HOSTILE}")),
        url: Patch::Set("https://example.com/hook?x=%22%3E".into()),
        events: Patch::Set(EventName::NAMES.iter().copied().map(str::to_owned).collect()),
        filter: Patch::Set("title != \"<script>\"".into()),
        services: Patch::Set(vec![service.id.to_string()]),
        ..WebhookDraft::default()
    };
    let (webhook, _) = actions.create_webhook(actor(), webhook).await.unwrap();
    let (chat, key) = create_chat(actions, store, actor()).await;
    let draft = IncidentDraft {
        title: HOSTILE.into(),
        description: Some(HOSTILE.into()),
        severity: Some(Severity::Critical),
        service: ServiceChoice {
            id: Some(service.id),
            name: None,
        },
        assignee: None,
        dedup_key: Some(HOSTILE.into()),
    };
    let Committed::Created(incident) = actions.trigger(actor(), draft, None).await.unwrap() else {
        panic!("expected a new incident");
    };
    let link = ActionLink {
        action: IncidentAction::Resolve,
        incident_id: incident.id,
        expires_at_seconds: u32::MAX,
        event_sequence: 1,
    };
    let token = link.sign(chat, &key);
    let delivery = fail_its_delivery(store, source, webhook.id).await;
    let inbox = actions.create_inbox(actor(), HOSTILE.into()).await.unwrap();
    let arrival = actions::inboxes::Arrival {
        method: "POST".into(),
        target: format!("/in/{}?{HOSTILE}", inbox.id),
        remote_address: "127.0.0.1:1".into(),
        head: format!("x-hostile: {HOSTILE}\n"),
        body: Bytes::from_static(HOSTILE.as_bytes()),
        body_is_truncated: false,
    };
    actions.keep_in_inbox(inbox.id, arrival).await.unwrap();
    let alerts = create_source(actions, store, source, service.id, user).await;
    let link_draft = ReceiverLinkDraft {
        name: HOSTILE.into(),
        days: 1,
    };
    let (receiver_link, receiver_token) = actions
        .create_receiver_link(actor(), webhook.id, link_draft)
        .await
        .unwrap();
    let ids = vec![
        ("{link}", receiver_link.id.to_string()),
        ("/receiver/", delivery.clone()),
        ("/settings/sources/", alerts.to_string()),
        ("/act/", format!("{chat}/{token}")),
        ("/incidents/", incident.id.to_string()),
        ("/services/", service.id.to_string()),
        ("/users/", user.id.to_string()),
        ("/escalation-policies/", policy.id.to_string()),
        ("/deliveries/", delivery),
        ("/settings/integrations/", webhook.id.to_string()),
        ("/settings/inbox/", inbox.id.to_string()),
    ];
    (ids, receiver_token)
}

/// An alert source with a request that was refused.
async fn create_source(
    actions: &Actions,
    store: &Store,
    source: &Env,
    service: ServiceId,
    user: &User,
) -> SourceId {
    let draft = serde_json::from_value(serde_json::json!({
        "serviceId": service, "kind": "generic", "name": HOSTILE,
    }));
    let created = actions
        .create_source(actor_of(user), draft.unwrap())
        .await
        .unwrap();
    let at = source.now();
    let request = SourceRequest {
        id: source.new_source_request_id(),
        source_id: created.id,
        at,
        method: "POST".into(),
        path: format!("/{HOSTILE}"),
        remote_address: "192.0.2.1".into(),
        body: Bytes::from_static(HOSTILE.as_bytes()),
        body_is_truncated: false,
        status: 400,
        result: RequestResult::default(),
    };
    let arrival = Arrival {
        source_id: created.id,
        at,
        signals: Vec::new(),
        request: Some(request),
    };
    store.sources.receive(arrival).await.unwrap();
    created.id
}

/// A chat that gets no events, and the key of its links.
async fn create_chat(actions: &Actions, store: &Store, actor: Actor) -> (WebhookId, SecretText) {
    let draft = serde_json::from_value(serde_json::json!({
        "name": HOSTILE, "kind": "discord", "url": "https://discord.com/api/webhooks/123456789012345678/token-of-nobody",
        "events": ["incident.triggered"], "filter": "false",
    }));
    let (webhook, _) = actions.create_webhook(actor, draft.unwrap()).await.unwrap();
    let endpoint = store.endpoints.load(webhook.id).await.unwrap().unwrap();
    (webhook.id, endpoint.secrets.options[LINK_KEY].clone())
}

/// Lets the one delivery of a webhook die after one attempt.
async fn fail_its_delivery(store: &Store, source: &Env, webhook_id: WebhookId) -> String {
    let wish = ClaimRequest { webhook_id, limit: 1 };
    let claimed = store.queue.claim_due(vec![wish], source.now()).await.unwrap();
    let delivery = &claimed[0].deliveries[0];
    let failure = Failure {
        code: FailureCode::ServerError,
        detail: format!("answered 500 {HOSTILE}"),
        retry_after: None,
        disposition: model::attempt::Disposition::Backoff,
    };
    let attempt = Attempt {
        id: source.new_attempt_id(),
        number: 1,
        started_at: source.now(),
        timings: PhaseTimings {
            connect_us: Some(200),
            first_byte_us: Some(3000),
            total_us: 3500,
            ..PhaseTimings::default()
        },
        remote_address: None,
        outcome: Outcome::Failed(failure),
        status: Some(500),
        request_head: format!("POST https://example.com/hook\nx-a: {HOSTILE}\n"),
        request_body: None,
        response_head: format!("x-b: {HOSTILE}\n"),
        response_body: Bytes::from_static(HOSTILE.as_bytes()),
        response_body_is_truncated: false,
        note: None,
    };
    let record = AttemptRecord {
        delivery_id: delivery.id,
        webhook_id,
        incident_id: delivery.event.incident_id,
        event_sequence: delivery.event.sequence,
        claim: delivery.claim,
        attempt,
        next_step: NextStep::Dead,
        spent: Default::default(),
        state_updates: Default::default(),
        ticket_content: None,
        settings_of: Default::default(),
        disable_webhook: None,
        is_test: false,
        is_operational: false,
        delivery_created_at: delivery.created_at,
    };
    store.queue.record([record].into(), source.now()).await.unwrap();
    delivery.id.to_string()
}

/// Pages that are no HTML, or end only with their session.
const NO_PAGES: [&str; 5] = [
    "/assets/{version}/{name}",
    "/live",
    "/wall/live",
    "/docs/{*path}",
    "/receiver/open/{token}",
];

fn page_routes() -> Vec<&'static str> {
    let pages = routes::all()
        .into_iter()
        .filter(|route| route.verb == PageVerb::Get);
    // Pages only where the settings name a provider or a mail server.
    let is_set = |path: &str| path.starts_with("/sign-in/") || path == "/forgot";
    pages
        .map(|route| route.path)
        .filter(|path| !is_set(path))
        .filter(|path| !NO_PAGES.contains(path) && !path.ends_with("/export") && !path.contains("{file}"))
        .collect()
}

#[tokio::test]
async fn every_page_renders_with_sample_data_and_lets_nothing_hostile_through() {
    let house = House::build().await;
    let mut wrong = Vec::new();
    for route in page_routes() {
        let path = house.path_of(route);
        let (status, html) = house.get(&path).await;
        let is_shown = status == StatusCode::OK && html.contains("<h1");
        // Whoever is signed in is led past these two, and a wallboard wants a key.
        let leads_on = ["/setup", "/sign-in"].contains(&route) && status == StatusCode::SEE_OTHER;
        let wants_key = route == "/wall" && status == StatusCode::UNAUTHORIZED;
        let is_hostile = html.contains("<script>alert") || html.contains("<img src=x");
        if !(is_shown || leads_on || wants_key) || is_hostile {
            wrong.push((path, status, is_hostile));
        }
    }
    assert_eq!(wrong, []);
}

#[tokio::test]
async fn what_is_not_there_has_a_page_that_says_so() {
    let house = House::build().await;
    let unknown = WebhookId::new(model::time::Timestamp::EPOCH, [9; 10]);
    for path in [
        "/nothing",
        "/incidents/none",
        &format!("/settings/integrations/{unknown}"),
    ] {
        let (status, html) = house.get(path).await;
        assert_eq!(status, StatusCode::NOT_FOUND);
        assert!(html.contains("not_found") && html.contains("OpsKnight"), "{html}");
    }
}
