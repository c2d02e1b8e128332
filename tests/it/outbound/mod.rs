//! The outbound client against real sockets: what receivers see, and what comes of receivers that misbehave.

use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use http::{HeaderMap, Method};
use model::exchange::{
    BODY_CAP_BYTES, ConnectionUse, Exchange, FailureCode, OutboundRequest, Response, TlsProfile,
};
use model::transport::Transport;
use outbound::resolver::ResolveError;
use outbound::{AllowList, Client, LoopbackRule, OutboundSettings, PhaseLimits, Resolve, SystemResolver};

mod answers;
mod brokers;
mod failures;
mod guard;
mod kept_alive;
mod odd_heads;
mod proxy;
mod reach;
mod requests;
mod shortage;
mod smtp;
mod tls;

const SHORT: Duration = Duration::from_millis(250);
/// Long enough never to be reached.
const LONG: Duration = Duration::from_secs(30);
/// More than every socket buffer on the way holds, and far less than the flood.
const IN_FLIGHT_LIMIT_BYTES: usize = 64 << 20;
const GIBIBYTE: usize = 1 << 30;

/// Answers look-ups as written down; the last answer is for all further ones.
struct ScriptedResolver(Mutex<VecDeque<Vec<IpAddr>>>);

impl ScriptedResolver {
    fn new(answers: &[&[&str]]) -> Arc<Self> {
        let parse = |answer: &&[&str]| answer.iter().map(|address| address.parse().unwrap()).collect();
        Arc::new(Self(Mutex::new(answers.iter().map(parse).collect())))
    }
}

#[async_trait]
impl Resolve for ScriptedResolver {
    async fn resolve(&self, _host: &str) -> Result<Vec<IpAddr>, ResolveError> {
        let mut answers = self.0.lock().unwrap();
        let next = answers.pop_front().unwrap_or_default();
        if answers.is_empty() {
            answers.push_back(next.clone());
        }
        Ok(next)
    }
}

/// Never answers.
struct SilentResolver;

#[async_trait]
impl Resolve for SilentResolver {
    async fn resolve(&self, _host: &str) -> Result<Vec<IpAddr>, ResolveError> {
        std::future::pending().await
    }
}

fn settings() -> OutboundSettings {
    OutboundSettings {
        allow: AllowList::default(),
        loopback: LoopbackRule::Allowed,
        resolver: Arc::new(SystemResolver::new().unwrap()),
        limits: PhaseLimits {
            body: SHORT,
            ..PhaseLimits::default()
        },
        proxy: None,
        idle_connections: 512,
    }
}

fn client() -> Client {
    Client::new(settings())
}

/// Reads bodies for as long as the product does.
fn patient_client() -> Client {
    Client::new(OutboundSettings {
        limits: PhaseLimits::default(),
        ..settings()
    })
}

fn strict_client(resolver: Arc<dyn Resolve>) -> Client {
    Client::new(OutboundSettings {
        loopback: LoopbackRule::Refused,
        resolver,
        ..settings()
    })
}

fn client_resolving(resolver: Arc<dyn Resolve>) -> Client {
    Client::new(OutboundSettings {
        resolver,
        ..settings()
    })
}

fn post(url: &str) -> OutboundRequest {
    OutboundRequest {
        transport: Transport::Http,
        method: Method::POST,
        url: url.parse().unwrap(),
        headers: HeaderMap::new(),
        body: Bytes::from_static(b"{\"event\":\"incident.triggered\"}"),
        timeout: LONG,
        tls: None,
        body_cap: BODY_CAP_BYTES,
        connection: ConnectionUse::Any,
    }
}

fn post_to(address: SocketAddr) -> OutboundRequest {
    post(&format!("http://{address}/hook?token=t0ps3cret"))
}

fn post_briefly(address: SocketAddr) -> OutboundRequest {
    OutboundRequest {
        timeout: SHORT,
        ..post_to(address)
    }
}

fn post_tls(port: u16, ca_pem: Option<&str>, identity_pem: Option<&str>) -> OutboundRequest {
    let (ca_pem, identity_pem) = (ca_pem.map(str::to_owned), identity_pem.map(str::to_owned));
    OutboundRequest {
        tls: Some(Arc::new(TlsProfile { ca_pem, identity_pem })),
        ..post(&format!("https://localhost:{port}/hook"))
    }
}

fn response(exchange: &Exchange) -> &Response {
    exchange.result.as_ref().unwrap()
}

fn code(exchange: &Exchange) -> FailureCode {
    exchange.result.as_ref().unwrap_err().code
}

fn detail(exchange: &Exchange) -> &str {
    &exchange.result.as_ref().unwrap_err().detail
}
