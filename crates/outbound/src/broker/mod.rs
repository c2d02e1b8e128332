//! Publishes messages to brokers, and waits until they say that they have them. What a broker answers is an answer like any
//! other, whatever it says; every address was tested where it was dialled, as for HTTP, those too that a broker names itself.
//!
//! A connection serves one message at a time, and is kept for the next one of the same server, account and TLS settings.

mod amqp;
mod kafka;
mod nats;
mod scram;
mod wire;

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue};
use sha2::{Digest, Sha256};
use tokio::time::Instant;
use url::Url;

use self::amqp::AmqpSession;
use self::kafka::{KafkaSession, Unsettled};
use self::nats::NatsSession;
use self::wire::{Wire, closed};
use super::client::Client;
use super::connector::{Progress, failure, header_value, micros_since, without_alpn};
use super::pool::{Kept, Pool};
use super::tls_words::ClientCertificate;
use super::url_rules::{UrlRefusal, check_url, dialled};
use model::broker::{BrokerAccount, BrokerAddress, BrokerMessage, BrokerStage};
use model::exchange::{ConnectionUse, FailureCode, OutboundRequest, Response, SendFailure};
use model::transport::{REPLY, STAGE};

/// Idle sessions kept in all: each is a file descriptor, or one for each broker of a Kafka.
const IDLE_SESSIONS: usize = 64;
/// Servers that are asked in turn, the URL's among them.
const MAX_SERVERS: usize = 16;
/// The status of what a broker has.
const TAKEN: u16 = 200;

/// What a broker answered.
struct Answer {
    stage: BrokerStage,
    status: u16,
    /// In one line.
    reply: String,
    /// All that it said of the message.
    body: String,
}

impl Answer {
    fn new(stage: BrokerStage, status: u16, reply: impl Into<String>) -> Self {
        let reply = reply.into();
        Self {
            stage,
            status,
            body: reply.clone(),
            reply,
        }
    }

    fn into_response(self, body_cap: usize) -> Response {
        let mut headers = HeaderMap::with_capacity(2);
        headers.insert(STAGE, HeaderValue::from_static(self.stage.as_str()));
        let reply: String = self
            .reply
            .chars()
            .map(|character| if character.is_control() { ' ' } else { character })
            .collect();
        headers.extend(header_value(&reply).map(|value| (REPLY, value)));
        let mut body = Bytes::from(self.body);
        let body_is_truncated = body.len() > body_cap;
        body.truncate(body_cap);
        Response {
            status: self.status,
            headers,
            body,
            body_is_truncated,
        }
    }
}

/// Why a message was not taken.
enum End {
    /// The broker said so.
    Answered(Answer),
    Failed(SendFailure),
}

impl From<SendFailure> for End {
    fn from(failure: SendFailure) -> Self {
        Self::Failed(failure)
    }
}

/// A connection to a broker that is signed in.
enum Session {
    Nats(NatsSession),
    Amqp(AmqpSession),
    Kafka(KafkaSession),
}

impl Session {
    async fn open(dialer: &Dialer<'_>, server: &Url, progress: &mut Progress) -> Result<Self, End> {
        Ok(match dialer.message.address {
            BrokerAddress::Subject { .. } => Self::Nats(NatsSession::open(dialer, server, progress).await?),
            BrokerAddress::Exchange { .. } => Self::Amqp(AmqpSession::open(dialer, server, progress).await?),
            BrokerAddress::Topic { .. } => Self::Kafka(KafkaSession::open(dialer, server, progress).await?),
        })
    }

    /// Until when what it was opened for may take.
    fn deadline(&self) -> Instant {
        match self {
            Self::Nats(session) => session.deadline(),
            Self::Amqp(session) => session.deadline(),
            Self::Kafka(session) => session.deadline(),
        }
    }

    async fn publish(
        &mut self,
        dialer: &Dialer<'_>,
        unsettled: &Unsettled,
        progress: &mut Progress,
    ) -> Result<Answer, End> {
        match self {
            Self::Nats(session) => session.publish(dialer, progress).await,
            Self::Amqp(session) => session.publish(dialer, progress).await,
            Self::Kafka(session) => session.publish(dialer, unsettled, progress).await,
        }
    }
}

/// A session with what the pool asks of it.
struct KeptSession {
    session: Session,
    opened_at: Instant,
}

impl Kept for KeptSession {
    fn opened_at(&self) -> Instant {
        self.opened_at
    }

    /// The next message finds out: it goes out once more on a fresh session then.
    fn is_closed(&self) -> bool {
        false
    }

    fn is_ready(&self) -> bool {
        true
    }
}

/// What is kept between messages.
pub(super) struct Brokers {
    idle: Arc<Pool<KeptSession>>,
    unsettled: Unsettled,
}

impl Default for Brokers {
    fn default() -> Self {
        Self {
            idle: Arc::new(Pool::new(IDLE_SESSIONS)),
            unsettled: Unsettled::default(),
        }
    }
}

impl Brokers {
    /// Publishes a request's message.
    pub(super) async fn publish(
        &self,
        dialer: &Dialer<'_>,
        started_at: Instant,
        progress: &mut Progress,
    ) -> Result<Response, SendFailure> {
        let request = dialer.request;
        let origin = origin(request, dialer.message);
        let deadline = started_at + request.timeout;
        let mut answered = None;
        let idle = match request.connection {
            ConnectionUse::Any => self.idle.take(&origin, request.tls.as_ref(), Instant::now()),
            ConnectionUse::Fresh => None,
        };
        if let Some(mut kept) = idle {
            let dialer = dialer.until(deadline);
            match self.publish_on(&mut kept, &dialer, progress).await {
                // The broker may have closed it while nobody used it.
                Err(End::Failed(failure)) if failure.code == FailureCode::ConnectionClosed => {}
                result => answered = Some((kept, result)),
            }
        }
        let (kept, result) = match answered {
            Some(answered) => answered,
            None => match self.open(dialer, deadline, progress).await {
                Ok((mut kept, dialer)) => {
                    let result = self.publish_on(&mut kept, &dialer, progress).await;
                    (kept, result)
                }
                Err(End::Answered(answer)) => return Ok(answer.into_response(request.body_cap)),
                Err(End::Failed(failure)) => return Err(told(failure, progress)),
            },
        };
        match result {
            Ok(answer) => {
                self.idle.put(&origin, request.tls.clone(), kept, Instant::now());
                Ok(answer.into_response(request.body_cap))
            }
            Err(End::Answered(answer)) => Ok(answer.into_response(request.body_cap)),
            Err(End::Failed(failure)) => Err(told(failure, progress)),
        }
    }

    async fn publish_on(
        &self,
        kept: &mut KeptSession,
        dialer: &Dialer<'_>,
        progress: &mut Progress,
    ) -> Result<Answer, End> {
        let published_at = Instant::now();
        let result = kept.session.publish(dialer, &self.unsettled, progress).await;
        if !matches!(result, Err(End::Failed(_))) {
            progress.timings.first_byte_us = Some(micros_since(published_at));
        }
        result
    }

    /// Opens a session with the first server that can be reached, each with an equal share of the time that is left.
    async fn open<'a>(
        &self,
        dialer: &Dialer<'a>,
        deadline: Instant,
        progress: &mut Progress,
    ) -> Result<(KeptSession, Dialer<'a>), End> {
        let further = dialer.message.further.iter();
        let servers: Vec<_> = std::iter::once(&dialer.request.url)
            .chain(further)
            .take(MAX_SERVERS)
            .collect();
        let mut left = u32::try_from(servers.len()).unwrap_or(1);
        let mut first = None;
        for server in servers {
            let now = Instant::now();
            let share = deadline.saturating_duration_since(now) / left;
            left -= 1;
            let sharing = dialer.until(now + share);
            match Session::open(&sharing, server, progress).await {
                Ok(session) => {
                    let opened_at = Instant::now();
                    // While this server lacked something itself, the message's time did not pass.
                    let deadline = deadline.max(session.deadline());
                    return Ok((KeptSession { session, opened_at }, dialer.until(deadline)));
                }
                Err(End::Failed(failure)) if !failure.code.is_our_own() => {
                    first.get_or_insert(failure);
                }
                Err(end) => return Err(end),
            }
        }
        let none = || failure(FailureCode::RequestInvalid, "the message names no server");
        Err(first.unwrap_or_else(none).into())
    }
}

/// A message that may be out was tried, whatever this server lacked afterwards.
fn told(failure: SendFailure, progress: &Progress) -> SendFailure {
    match progress.may_be_sent && failure.code.is_our_own() {
        true => closed("the broker closed the connection, and this server could not open another"),
        false => failure,
    }
}

/// Under what a session is found again: server, account, and what else it was opened with. Secrets only as a digest.
fn origin(request: &OutboundRequest, message: &BrokerMessage) -> String {
    let mut digest = Sha256::new();
    let mut add = |text: &str| {
        digest.update(text.len().to_be_bytes());
        digest.update(text);
    };
    for server in &message.further {
        add(server.as_str());
    }
    // A Kafka's session counts its records by partition of one topic.
    if let BrokerAddress::Topic { name, .. } = &message.address {
        add("topic");
        add(name);
    }
    match &message.account {
        BrokerAccount::Nobody => add("nobody"),
        BrokerAccount::Password {
            name,
            password,
            mechanism,
        } => {
            add(&format!("{mechanism:?}"));
            add(name);
            add(password.reveal());
        }
        BrokerAccount::Token(token) => {
            add("token");
            add(token.reveal());
        }
        BrokerAccount::Credentials(file) => {
            add("credentials");
            add(file.reveal());
        }
    }
    format!("{} {}", request.url, hex::encode(digest.finalize()))
}

/// Opens connections for one message.
pub(super) struct Dialer<'a> {
    client: &'a Client,
    request: &'a OutboundRequest,
    message: &'a BrokerMessage,
    deadline: Instant,
}

impl<'a> Dialer<'a> {
    /// For a request's message.
    pub(super) fn new(client: &'a Client, request: &'a OutboundRequest, message: &'a BrokerMessage) -> Self {
        Self {
            client,
            request,
            message,
            deadline: Instant::now(),
        }
    }

    fn until(&self, deadline: Instant) -> Self {
        Self { deadline, ..*self }
    }

    /// A connection to a server, encrypted from its first byte if the URL's scheme says so.
    async fn dial(&self, server: &Url, progress: &mut Progress) -> Result<Wire, SendFailure> {
        let connector = self.client.connector();
        check_url(server, &connector.allow, connector.loopback).map_err(|refusal| {
            let code = match refusal {
                UrlRefusal::Address(_) => FailureCode::AddressNotAllowed,
                _ => FailureCode::RequestInvalid,
            };
            failure(code, refusal.to_string())
        })?;
        let url = dialled(server)?;
        let connecting = self
            .client
            .connect(&url, self.request.timeout, self.deadline, progress);
        let (stream, deadline) = connecting.await?;
        let wire = Wire::new(stream, ClientCertificate::NotAsked, deadline);
        match server.scheme() {
            "amqps" | "kafka+ssl" => self.encrypt(wire, server, progress).await,
            _ => Ok(wire),
        }
    }

    /// The same connection, encrypted from here.
    async fn encrypt(&self, wire: Wire, server: &Url, progress: &mut Progress) -> Result<Wire, SendFailure> {
        let connector = self.client.connector();
        let tls = connector.tls_parts(&dialled(server)?, self.request.tls.as_ref())?;
        let deadline = wire.deadline();
        let stream = wire.into_stream()?;
        let (stream, certificate) = connector
            .handshake(stream, without_alpn(tls), deadline, progress)
            .await?;
        Ok(Wire::new(stream, certificate, deadline))
    }
}
