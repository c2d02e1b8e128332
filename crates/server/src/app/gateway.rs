//! What actions may ask of the dispatcher: one real attempt, and questions to ticket systems; and what the doors of senders may
//! fetch.

use std::sync::Arc;
use std::time::Duration;

use super::outbound_rules::OutboundRules;
use super::{mail, single_sign_on};
use actions::mail::Mail;
use actions::people::PasswordRule;
use actions::{ActionError, Actions, Tester, TicketGateway};
use api::ApiParts;
use axum::Router;
use bytes::Bytes;
use clock::Env;
use config::Config;
use destination::ticketing::{QueryResult, TicketQuery};
use engine::dispatcher::Dispatcher;
use engine::ticket_poller::TicketPoller;
use http::{HeaderMap, Method};
use inbound::InboundState;
use inbound::source_door::Fetcher;
use model::attempt::Failure;
use model::audit::Actor;
use model::event::Event;
use model::exchange::{BODY_CAP_BYTES, ConnectionUse, OutboundRequest};
use model::id::WebhookId;
use model::ticket::TicketLink;
use model::transport::Transport;
use outbound::Client;
use renderer::Renderer;
use store::Store;
use store::deliveries::DeliveryDetail;
use store::tickets::PollOutcome;
use url::Url;

/// How long fetching may take: senders wait for it.
const FETCH_TIMEOUT: Duration = Duration::from_secs(5);

/// How people of this server come in.
pub struct PeopleRules {
    pub passwords: PasswordRule,
    pub mail: Option<Mail>,
}

impl PeopleRules {
    /// As the settings say.
    pub fn prepare(
        config: &Config,
        public_url: Option<&Url>,
        client: &Client,
        source: &Env,
    ) -> anyhow::Result<Self> {
        Ok(Self {
            passwords: single_sign_on::password_rule(config),
            mail: mail::prepare(config, public_url, client, source)?,
        })
    }
}

/// What users may do, by way of the dispatcher where it takes one.
pub fn actions(
    store: &Store,
    source: &Env,
    rules: Arc<OutboundRules>,
    renderer: Renderer,
    (dispatcher, ticket_poller): (&Dispatcher, &TicketPoller),
    people: PeopleRules,
) -> Arc<Actions> {
    let tester = Arc::new(TestSender(dispatcher.clone()));
    let desk = Arc::new(EngineGateway(dispatcher.clone(), ticket_poller.clone()));
    let (store, source) = (store.clone(), source.clone());
    let actions = Actions::new(store, source, rules, tester, desk, renderer);
    let actions = actions.with_password_rule(people.passwords);
    Arc::new(actions.with_mail(people.mail))
}

/// Send Test by way of the dispatcher.
struct TestSender(Dispatcher);

#[async_trait::async_trait]
impl Tester for TestSender {
    async fn send(&self, webhook_id: WebhookId, sample: Event) -> Result<DeliveryDetail, ActionError> {
        Ok(self.0.send_test(webhook_id, sample).await?)
    }
}

/// Questions to ticket systems by way of the dispatcher.
struct EngineGateway(Dispatcher, TicketPoller);

#[async_trait::async_trait]
impl TicketGateway for EngineGateway {
    async fn ask(&self, webhook_id: WebhookId, question: TicketQuery) -> Result<QueryResult, ActionError> {
        Ok(self.0.ask(webhook_id, &question).await?.map_err(said_no)?)
    }

    async fn follow(&self, link: &TicketLink, actor: Actor) -> Result<PollOutcome, ActionError> {
        Ok(self.1.read(link, Some(actor)).await?.map_err(said_no)?)
    }
}

/// The doors of those who call us: platforms, and senders of alerts.
pub fn callers(parts: &ApiParts, client: Client) -> Router {
    let fetcher = Box::new(GuardedFetcher(client));
    let (actions, source) = (Arc::clone(&parts.actions), parts.source.clone());
    inbound::router(InboundState::new(actions, source, &parts.limits, fetcher))
}

/// Fetches through the guard of addresses.
struct GuardedFetcher(Client);

#[async_trait::async_trait]
impl Fetcher for GuardedFetcher {
    async fn get(&self, url: &Url) -> Result<Bytes, String> {
        let request = OutboundRequest {
            transport: Transport::Http,
            method: Method::GET,
            url: url.clone(),
            headers: HeaderMap::new(),
            body: Bytes::new(),
            timeout: FETCH_TIMEOUT,
            tls: None,
            body_cap: BODY_CAP_BYTES,
            connection: ConnectionUse::Fresh,
        };
        let host = url.host_str().unwrap_or_default().to_owned();
        match self.0.send(request).await.result {
            Ok(response) if (200..300).contains(&response.status) && !response.body_is_truncated => {
                Ok(response.body)
            }
            Ok(response) => Err(format!("{host} answered {}", response.status)),
            Err(failure) => Err(format!("{host} could not be asked: {}", failure.detail)),
        }
    }
}

fn said_no(failure: Failure) -> ActionError {
    ActionError::TicketSystem {
        code: failure.code,
        detail: failure.detail,
    }
}
