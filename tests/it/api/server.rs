//! A running API over a real SQLite file, and a client for it.

use std::net::SocketAddr;
use std::sync::Arc;

use actions::access::SetupToken;
use actions::{ActionError, Actions, Tester, TicketGateway, UrlRules};
use api::{ApiParts, ApiSettings, ApiState, router};
use async_trait::async_trait;
use axum::Router;
use axum::http::{HeaderMap, Method, Request, StatusCode};
use bytes::Bytes;
use clock::Env;
use destination::ticketing::{self, TicketQuery};
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use model::audit::Actor;
use model::delivery::{Delivery, DeliveryState};
use model::event::Event;
use model::id::{DeliveryId, WebhookId};
use model::ticket::TicketLink;
use renderer::Renderer;
use serde_json::{Value, json};
use store::NoObserver;
use store::Store;
use store::deliveries::DeliveryDetail;
use store::delivery_sink::DeliverySink;
use store::seal::{MasterKey, Sealer};
use store::tickets::PollOutcome;
use store::wakeup::Wakeup;
use store_sqlite::Settings;
use telemetry::Metrics;
use tokio::sync::watch;
use url::Url;

use crate::support::documented::expect_described;

/// What the set-up of every test server accepts.
pub const SETUP_TOKEN: &str = "set-up";

/// A running API.
pub struct Server {
    pub address: SocketAddr,
    pub store: Store,
    pub actions: Arc<Actions>,
    pub key: String,
    pub stop: watch::Sender<bool>,
    /// The same API without a network.
    pub router: Router,
    client: Client<HttpConnector, Full<Bytes>>,
    _directory: tempfile::TempDir,
}

/// An answer that was read to its end.
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).expect("the body is JSON")
    }

    pub fn text(&self) -> String {
        String::from_utf8(self.body.to_vec()).unwrap()
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// Status and code of a problem.
    pub fn problem(&self) -> (u16, String) {
        assert_eq!(self.header("content-type"), "application/problem+json");
        let problem = self.json();
        assert_eq!(problem["status"], self.status.as_u16());
        (self.status.as_u16(), problem["code"].as_str().unwrap().to_owned())
    }
}

impl Server {
    /// Starts one with default settings and an admin key.
    pub async fn start() -> Self {
        Self::start_with(ApiSettings::default()).await
    }

    pub async fn start_with(settings: ApiSettings) -> Self {
        Self::start_on(settings, |store| store).await
    }

    /// Starts one whose API sees the store as `dress` leaves it.
    pub async fn start_on(mut settings: ApiSettings, dress: impl FnOnce(Store) -> Store) -> Self {
        let directory = tempfile::tempdir().unwrap();
        settings.backup_directory = Some(directory.path().join("backups"));
        let wakeup = Wakeup::new();
        let store = store_sqlite::open(Settings {
            directory: directory.path().join("data"),
            sealer: Sealer::new(&MasterKey::new([1; 32]), None),
            delivery_sink: Arc::new(WakeupOnly(wakeup.clone())),
            node: 1,
            observer: Arc::new(NoObserver),
            max_pages: None,
        })
        .map(dress)
        .unwrap();
        let source = Env::system();
        let actions = Arc::new(Actions::new(
            store.clone(),
            source.clone(),
            Arc::new(NoMetadata),
            Arc::new(FakeTester),
            Arc::new(NoDesk),
            Renderer::new(env!("CARGO_BIN_EXE_opsknight").into()),
        ));
        let (stop, stopping) = watch::channel(false);
        let state = ApiState::new(ApiParts {
            actions: Arc::clone(&actions),
            store: store.clone(),
            source,
            wakeup,
            metrics: Arc::new(Metrics::new()),
            settings,
            limits: limit::shared::SharedLimits::default(),
            setup: SetupToken::new(SETUP_TOKEN),
            draining: stopping.clone(),
            stopping,
        });
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let router = router(state, axum::Router::new());
        let service = router.clone().into_make_service_with_connect_info::<SocketAddr>();
        tokio::spawn(async move { axum::serve(listener, service).await });
        let mut server = Self {
            address,
            store,
            actions,
            key: String::new(),
            stop,
            router,
            client: Client::builder(TokioExecutor::new()).build_http(),
            _directory: directory,
        };
        let made = server
            .post("/api/v1/setup", json!({ "token": SETUP_TOKEN }))
            .await;
        server.key = made.json()["key"].as_str().unwrap().to_owned();
        server
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.send(self.request(Method::GET, path), "").await
    }

    pub async fn post(&self, path: &str, body: Value) -> Answer {
        self.send_json(Method::POST, path, &[], body).await
    }

    pub async fn send_json(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: Value,
    ) -> Answer {
        let mut request = self
            .request(method, path)
            .header("content-type", "application/json");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.send(request, body.to_string()).await
    }

    /// A POST with an idempotency key.
    pub async fn post_keyed(&self, path: &str, key: &str, body: Value) -> Answer {
        self.send_json(Method::POST, path, &[("idempotency-key", key)], body)
            .await
    }

    pub fn request(&self, method: Method, path: &str) -> axum::http::request::Builder {
        let url = format!("http://{}{path}", self.address);
        let request = Request::builder().method(method).uri(url);
        request.header("authorization", format!("Bearer {}", self.key))
    }

    pub async fn send(&self, request: axum::http::request::Builder, body: impl Into<Bytes>) -> Answer {
        let request = request.body(Full::new(body.into())).unwrap();
        let (method, path) = (request.method().to_string(), request.uri().path().to_owned());
        let (parts, body) = self.client.request(request).await.unwrap().into_parts();
        let answer = Answer {
            status: parts.status,
            headers: parts.headers,
            body: body.collect().await.unwrap().to_bytes(),
        };
        if answer.header("content-type") == "application/problem+json" {
            expect_described(&method, &path, answer.status.as_u16(), &answer.json());
        }
        answer
    }

    /// The lines of an event stream, one part of the body after the other.
    pub async fn stream(&self, request: axum::http::request::Builder) -> hyper::body::Incoming {
        let request = request.body(Full::new(Bytes::new())).unwrap();
        self.client.request(request).await.unwrap().into_body()
    }

    /// The headers of an answer whose body does not end.
    pub async fn head_of(&self, request: axum::http::request::Builder) -> HeaderMap {
        let request = request.body(Full::new(Bytes::new())).unwrap();
        self.client.request(request).await.unwrap().into_parts().0.headers
    }

    /// A service with this name; gives its id.
    pub async fn service(&self, name: &str) -> String {
        let made = self.post("/api/v1/services", json!({ "name": name })).await;
        made.json()["id"].as_str().unwrap().to_owned()
    }

    /// A triggered incident of a service called `API`; gives its id.
    pub async fn incident(&self, title: &str) -> String {
        let body = json!({ "title": title, "service": { "name": "API" } });
        let made = self.post("/api/v1/incidents", body).await;
        assert_eq!(made.status, 201, "{}", made.text());
        made.json()["id"].as_str().unwrap().to_owned()
    }

    /// A webhook for everything; the whole answer.
    pub async fn webhook(&self) -> Value {
        let body =
            json!({ "name": "Ops", "url": "https://example.com/hook", "events": ["incident.triggered"] });
        let made = self.post("/api/v1/webhooks", body).await;
        assert_eq!(made.status, 201, "{}", made.text());
        made.json()
    }

    /// The same server for a key with these scopes only.
    pub async fn with_scopes(&self, scopes: &[&str]) -> (String, String) {
        let made = self
            .post("/api/v1/api-keys", json!({ "name": "some", "scopes": scopes }))
            .await
            .json();
        (
            made["id"].as_str().unwrap().to_owned(),
            made["key"].as_str().unwrap().to_owned(),
        )
    }
}

/// Refuses one host, so that tests see a refusal.
struct NoMetadata;

impl UrlRules for NoMetadata {
    fn check(&self, url: &Url) -> Result<(), String> {
        match url.host_str() {
            Some("169.254.169.254") => Err("the address is internal".into()),
            _ => Ok(()),
        }
    }
}

/// Nobody to ask.
struct NoDesk;

#[async_trait]
impl TicketGateway for NoDesk {
    async fn ask(&self, _: WebhookId, _: TicketQuery) -> Result<ticketing::QueryResult, ActionError> {
        Err(ActionError::Unavailable("nobody is asked in this test".into()))
    }

    async fn follow(&self, _: &TicketLink, _: Actor) -> Result<PollOutcome, ActionError> {
        Err(ActionError::Unavailable("nobody is asked in this test".into()))
    }
}

/// Says that it delivered.
struct FakeTester;

#[async_trait]
impl Tester for FakeTester {
    async fn send(&self, webhook_id: WebhookId, sample: Event) -> Result<DeliveryDetail, ActionError> {
        Ok(DeliveryDetail {
            delivery: Delivery {
                id: DeliveryId::new(sample.at, [7; 10]),
                webhook_id,
                webhook_name: "Ops".into(),
                webhook_kind: model::webhook::WebhookKind::GENERIC,
                incident_id: sample.incident_id,
                event_sequence: 0,
                event_type: sample.event_type(),
                is_test: sample.is_test,
                state: DeliveryState::Delivered,
                due_at: sample.at,
                attempts_made: 1,
                created_at: sample.at,
                finished_at: Some(sample.at),
                last_failure: None,
                given_up_by: None,
                fallback_of: None,
                taken_over_by: None,
            },
            body: sample.body,
            attempts: vec![super::deliveries::attempt(sample.at)],
            fallback_of: None,
            taken_over_by: None,
        })
    }
}

/// No dispatcher, only the wake-up of the feed.
struct WakeupOnly(Wakeup);

impl DeliverySink for WakeupOnly {
    fn reserve(&self, _: WebhookId) -> bool {
        false
    }
    fn cancel(&self, _: WebhookId) {}
    fn take(&self, _: model::delivery::ClaimedDelivery) {}
    fn wake(&self, _: WebhookId, _: model::time::Timestamp) {}
    fn webhook_changed(&self, _: WebhookId) {}
    fn events_up_to(&self, sequence: i64) {
        self.0.events_up_to(sequence);
    }
}
