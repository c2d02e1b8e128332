//! Sends requests and reads the answers: one request, one [`Exchange`], whatever happens. Here over HTTP/1.1; mails go by
//! `crates/outbound/src/smtp/`, messages to brokers by `crates/outbound/src/broker/`.
//!
//! Connections are kept alive between requests. Redirects are answers like any other, bodies are cut at
//! what each request asks for and never decompressed. The sentences of failures name hosts and addresses, but never paths,
//! queries, headers or bodies, for those may hold secrets.

use std::error::Error;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONNECTION, CONTENT_LENGTH, HOST, TRANSFER_ENCODING, UPGRADE};
use http::{HeaderValue, Method, Request, Uri};
use http_body_util::{BodyExt, Full};
use hyper::body::{Body, Incoming};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout, timeout_at};
use url::{Position, Url};

use super::address::LoopbackRule;
use super::allow_list::AllowList;
use super::broker::{Brokers, Dialer};
use super::connector::{Connector, PhaseLimits, Progress, failure, micros_since, without_alpn};
use super::head::HeadError;
use super::pool::{Connection, Pool};
use super::proxy::Proxy;
use super::resolver::Resolve;
use super::shortage::{ShortageCounts, Shortages};
use super::smtp::{self, Mail};
use super::tls::{self, TlsConfigs};
use super::tls_words::{self, ClientCertificate, Stage};
use super::url_rules::dialled;
use model::exchange::{
    ConnectionUse, Exchange, FailureCode, MAX_BODY_CAP_BYTES, OutboundRequest, Reach, Response, SendFailure,
};
use model::transport::Transport;

/// What a [`Client`] is made of.
pub struct OutboundSettings {
    /// Internal networks and names that may be connected to all the same.
    pub allow: AllowList,
    /// Whether receivers on this machine may be connected to.
    pub loopback: LoopbackRule,
    /// Looks host names up.
    pub resolver: Arc<dyn Resolve>,
    /// How long each phase may take.
    pub limits: PhaseLimits,
    /// Through what every connection goes, if this network has no other way out.
    pub proxy: Option<Proxy>,
    /// How many connections are kept for the next request.
    pub idle_connections: usize,
}

/// Sends requests. Clones are cheap and share their connections.
#[derive(Clone)]
pub struct Client(Arc<Parts>);

struct Parts {
    connector: Connector,
    pool: Arc<Pool<Connection>>,
    brokers: Brokers,
    shortages: Shortages,
}

impl Client {
    /// A client without connections yet.
    pub fn new(settings: OutboundSettings) -> Self {
        let connector = Connector {
            allow: settings.allow,
            loopback: settings.loopback,
            resolver: settings.resolver,
            limits: settings.limits,
            tls_configs: TlsConfigs::default(),
            proxy: settings.proxy,
        };
        let pool = Arc::new(Pool::new(settings.idle_connections));
        let shortages = Shortages::default();
        Self(Arc::new(Parts {
            connector,
            pool,
            brokers: Brokers::default(),
            shortages,
        }))
    }

    /// How often this server itself lacked what it takes to send.
    pub fn shortages(&self) -> ShortageCounts {
        self.0.shortages.counts()
    }

    /// Sends a request and reads the answer. To be called within a Tokio runtime; dropping the future gives the
    /// request up and closes its connection. While this server lacks what it takes to connect, the request waits, and its time
    /// begins anew; see [`super::shortage`].
    pub async fn send(&self, request: OutboundRequest) -> Exchange {
        let started_at = Instant::now();
        let mut progress = Progress::default();
        let result = match &request.transport {
            Transport::Http => self.exchange(request, started_at, &mut progress).await,
            // Seldom, and larger: it has its own place in memory.
            Transport::Smtp(_) => Box::pin(self.send_mail(&request, started_at, &mut progress)).await,
            Transport::Broker(message) => {
                let dialer = Dialer::new(self, &request, message);
                let publication = self.0.brokers.publish(&dialer, started_at, &mut progress);
                Box::pin(publication).await
            }
        };
        progress.timings.total_us = micros_since(started_at);
        Exchange {
            timings: progress.timings,
            remote_address: progress.remote_address,
            notice: progress.notice,
            reach: match result.is_ok() || progress.may_be_sent {
                true => Reach::MaybeSent,
                false => Reach::NotSent,
            },
            result,
        }
    }

    async fn exchange(
        &self,
        mut request: OutboundRequest,
        started_at: Instant,
        progress: &mut Progress,
    ) -> Result<Response, SendFailure> {
        let message = render(&mut request)?;
        let body_cap = request.body_cap.min(MAX_BODY_CAP_BYTES);
        let (connection, answer) = self.ask(&request, message, started_at, progress).await?;
        let (url, profile) = (request.url, request.tls);
        let origin = &url[..Position::BeforePath];
        let (mut head, mut body) = answer.into_parts();
        for (name, value) in connection.signs.take_surplus() {
            head.headers.append(name, value);
        }
        let mut kept = Vec::new();
        let is_whole = read_body(&mut body, &mut kept, body_cap, self.0.connector.limits.body).await;
        let may_be_kept = self.0.connector.may_be_kept(&url) && !connection.signs.must_close();
        if is_whole && may_be_kept && !head.status.is_informational() {
            self.0.pool.put(origin, profile, connection, Instant::now());
        }
        Ok(Response {
            status: head.status.as_u16(),
            headers: head.headers,
            body: Bytes::from(kept),
            body_is_truncated: !is_whole,
        })
    }

    /// Asks on an idle connection, if there is one. The receiver may have closed that one just now, so that a request
    /// which got no answer on it goes out once more on a fresh one; it carries the same delivery id.
    async fn ask(
        &self,
        request: &OutboundRequest,
        message: Request<Full<Bytes>>,
        started_at: Instant,
        progress: &mut Progress,
    ) -> Result<(Connection, http::Response<Incoming>), SendFailure> {
        let (url, profile) = (&request.url, request.tls.as_ref());
        let idle = match request.connection {
            ConnectionUse::Any => self
                .0
                .pool
                .take(&url[..Position::BeforePath], profile, Instant::now()),
            ConnectionUse::Fresh => None,
        };
        let deadline = started_at + request.timeout;
        let mut swallowed = None;
        if let Some(mut idle) = idle {
            match ask_on(&mut idle, message.clone(), deadline, progress).await {
                Ok(answer) => return Ok((idle, answer)),
                Err(Unanswered::Failed(failure)) => return Err(failure),
                Err(Unanswered::Closed(failure)) => {
                    progress.remote_address = None;
                    swallowed = progress.may_be_sent.then_some(failure);
                }
            }
        }
        let (mut fresh, deadline) = match self.open(request, deadline, progress).await {
            Ok(opened) => opened,
            Err(failure) if failure.code.is_our_own() => {
                // It was sent once, and that was an attempt, whatever this server lacks for sending it again.
                return Err(swallowed.unwrap_or(failure));
            }
            Err(failure) => return Err(failure),
        };
        match ask_on(&mut fresh, message, deadline, progress).await {
            Ok(answer) => Ok((fresh, answer)),
            Err(Unanswered::Failed(failure)) => Err(failure),
            Err(Unanswered::Closed(_)) if fresh.client_certificate == ClientCertificate::Missing => {
                Err(failure(
                    FailureCode::ClientCertificateRefused,
                    tls_words::refused(fresh.client_certificate, None),
                ))
            }
            Err(Unanswered::Closed(failure)) => Err(failure),
        }
    }

    /// A fresh connection, and the deadline of what is asked on it.
    async fn open(
        &self,
        request: &OutboundRequest,
        deadline: Instant,
        progress: &mut Progress,
    ) -> Result<(Connection, Instant), SendFailure> {
        let (connector, url) = (&self.0.connector, &request.url);
        let tls = match url.scheme() {
            "https" => Some(connector.tls_parts(url, request.tls.as_ref())?),
            _ => None,
        };
        let (stream, deadline) = self.connect(url, request.timeout, deadline, progress).await?;
        let connection = connector.open(stream, tls, deadline, progress).await?;
        Ok((connection, deadline))
    }

    /// A mail is sent on a connection of its own.
    async fn send_mail(
        &self,
        request: &OutboundRequest,
        started_at: Instant,
        progress: &mut Progress,
    ) -> Result<Response, SendFailure> {
        let Transport::Smtp(envelope) = &request.transport else {
            return Err(failure(FailureCode::RequestInvalid, "the request is no mail"));
        };
        let connector = &self.0.connector;
        let url = dialled(&request.url)?;
        let tls = without_alpn(connector.tls_parts(&url, request.tls.as_ref())?);
        let deadline = started_at + request.timeout;
        let (stream, deadline) = self.connect(&url, request.timeout, deadline, progress).await?;
        let mail = Mail {
            envelope,
            message: &request.body,
            body_cap: request.body_cap.min(MAX_BODY_CAP_BYTES),
        };
        smtp::send(connector, mail, stream, tls, deadline, progress).await
    }

    /// What opens the connections.
    pub(super) fn connector(&self) -> &Connector {
        &self.0.connector
    }

    /// A connection, and the deadline of what is asked on it. A want of our own is no failure of the request: it waits.
    pub(super) async fn connect(
        &self,
        url: &Url,
        time_limit: Duration,
        mut deadline: Instant,
        progress: &mut Progress,
    ) -> Result<(TcpStream, Instant), SendFailure> {
        let connector = &self.0.connector;
        let mut waiting = None;
        loop {
            let failure = match connector.connect(url, deadline, progress).await {
                Ok(stream) => return Ok((stream, deadline)),
                Err(failure) => failure,
            };
            if !failure.code.is_our_own() {
                return Err(failure);
            }
            let limit = connector.limits.shortage;
            let waiting = waiting.get_or_insert_with(|| self.0.shortages.begin(&failure.detail, limit));
            if !waiting.wait().await {
                return Err(exhausted(&failure.detail));
            }
            deadline = Instant::now() + time_limit;
        }
    }
}

fn exhausted(what: &str) -> SendFailure {
    let detail = format!("this server lacked {what}: nothing was sent");
    failure(FailureCode::ServerExhausted, detail)
}

/// Why a connection gave no answer.
enum Unanswered {
    /// It was closed: nothing is known about the receiver if it had been idle.
    Closed(SendFailure),
    /// The receiver failed, or took too long.
    Failed(SendFailure),
}

async fn ask_on(
    connection: &mut Connection,
    message: Request<Full<Bytes>>,
    deadline: Instant,
    progress: &mut Progress,
) -> Result<http::Response<Incoming>, Unanswered> {
    progress.remote_address = Some(connection.remote_address);
    connection.signs.expect_head();
    connection.writes.begin();
    let written_at = Instant::now();
    let unanswered = match timeout_at(deadline, connection.sender.send_request(message)).await {
        Ok(Ok(answer)) => {
            progress.timings.first_byte_us = Some(micros_since(written_at));
            return Ok(answer);
        }
        Ok(Err(error)) => explain(&error, connection),
        Err(_) => {
            let detail = "the receiver did not answer in time";
            Unanswered::Failed(failure(FailureCode::ResponseTimeout, detail))
        }
    };
    // What one connection swallowed may be done, whatever becomes of the request on the next.
    progress.may_be_sent |= connection.writes.give_up() == Reach::MaybeSent;
    Err(unanswered)
}

/// Turns the request into HTTP's terms. Its headers and body move into the message.
fn render(request: &mut OutboundRequest) -> Result<Request<Full<Bytes>>, SendFailure> {
    let invalid = |detail: &str| failure(FailureCode::RequestInvalid, detail);
    let url = &request.url;
    if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
        return Err(invalid("the URL is not one of HTTP"));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(invalid("the URL holds a user name or a password"));
    }
    let uri = Uri::try_from(&url[Position::BeforePath..Position::AfterQuery]);
    let uri = uri.map_err(|_| invalid("the path of the URL cannot be sent"))?;
    let host = HeaderValue::try_from(&url[Position::BeforeHost..Position::AfterPort]);
    let host = host.map_err(|_| invalid("the host of the URL cannot be sent"))?;

    let mut message = Request::new(Full::new(std::mem::take(&mut request.body)));
    let body_bytes = message.body().size_hint().exact().unwrap_or_default();
    *message.method_mut() = request.method.clone();
    *message.uri_mut() = uri;
    let mut headers = std::mem::take(&mut request.headers);
    for framing in [CONNECTION, TRANSFER_ENCODING, UPGRADE] {
        headers.remove(framing);
    }
    headers.insert(HOST, host);
    // A method that has no body says nothing of its length (RFC 9110 § 8.6): some receivers refuse a request that does.
    let has_none = body_bytes == 0 && matches!(request.method, Method::GET | Method::HEAD | Method::DELETE);
    if has_none {
        headers.remove(CONTENT_LENGTH);
    } else {
        headers.insert(CONTENT_LENGTH, HeaderValue::from(body_bytes));
    }
    *message.headers_mut() = headers;
    Ok(message)
}

/// Reads a body into `kept`, up to the cap and the limit. Whether its end was seen.
async fn read_body(body: &mut Incoming, kept: &mut Vec<u8>, cap: usize, limit: Duration) -> bool {
    if body.is_end_stream() {
        return true;
    }
    timeout(limit, read_frames(body, kept, cap))
        .await
        .unwrap_or(false)
}

async fn read_frames(body: &mut Incoming, kept: &mut Vec<u8>, cap: usize) -> bool {
    while let Some(frame) = body.frame().await {
        let Ok(frame) = frame else { return false };
        let Ok(data) = frame.into_data() else { continue };
        let room = cap.saturating_sub(kept.len());
        kept.extend_from_slice(&data[..data.len().min(room)]);
        if data.len() > room {
            return false;
        }
    }
    true
}

/// Puts hyper's error into our terms.
fn explain(error: &hyper::Error, connection: &Connection) -> Unanswered {
    let failed = |code, detail: &str| Unanswered::Failed(failure(code, detail));
    if connection.signs.is_http2() {
        let detail = "the receiver speaks only HTTP/2, in which nothing is sent";
        return failed(FailureCode::Http2Only, detail);
    }
    let io_error = io_error(error);
    if let Some(tls) = io_error.and_then(tls::tls_error) {
        let explained = tls_words::explain(tls, Stage::Established, connection.client_certificate);
        return Unanswered::Failed(explained);
    }
    if let Some(head) = io_error.and_then(head_error) {
        return failed(FailureCode::ResponseInvalid, &head.to_string());
    }
    if error.is_parse_too_large() {
        return failed(FailureCode::ResponseInvalid, &HeadError::TooLarge.to_string());
    }
    if error.is_parse() {
        return failed(FailureCode::ResponseInvalid, "the receiver's answer is not HTTP");
    }
    if error.is_user() {
        return failed(
            FailureCode::RequestInvalid,
            "the request cannot be sent over HTTP",
        );
    }
    if spoke_unasked(error) {
        let detail = "the receiver spoke before it was asked, so it is no HTTP server";
        return Unanswered::Closed(failure(FailureCode::ResponseInvalid, detail));
    }
    let detail = "the receiver closed the connection before it answered";
    Unanswered::Closed(failure(FailureCode::ConnectionClosed, detail))
}

/// Why a head was not taken for one, if that is what an error is.
fn head_error(error: &io::Error) -> Option<&HeadError> {
    error.get_ref()?.downcast_ref()
}

/// Whether the connection ended because bytes came that no request had asked for: hyper cancels the request and names
/// its own error as the cause.
fn spoke_unasked(error: &hyper::Error) -> bool {
    let cause = error
        .source()
        .and_then(|cause| cause.downcast_ref::<hyper::Error>());
    error.is_canceled()
        && cause.is_some_and(|cause| cause.source().is_none() && !cause.is_incomplete_message())
}

/// The I/O error at the bottom of an error, if there is one.
fn io_error<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a io::Error> {
    let source_of = |error: &&'a (dyn Error + 'static)| (*error).source();
    let mut causes = std::iter::successors(Some(error), source_of);
    causes.find_map(|cause| cause.downcast_ref())
}
