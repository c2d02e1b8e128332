//! Opens connections: looks the name up, tests every address against the SSRF rules, dials the very address that was
//! tested (or asks the proxy for it), speaks TLS. Each phase has its own deadline, and all of them share the request's.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use http::HeaderValue;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls_pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout_at};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use url::{Host, Url};

use super::address::{self, AddressRefusal, LoopbackRule};
use super::allow_list::AllowList;
use super::answer_stream::{AnswerSigns, AnswerStream};
use super::head::HEAD_CAP_BYTES;
use super::pool::Connection;
use super::proxy::Proxy;
use super::resolver::{Resolve, ResolveError};
use super::shortage::{self, SHORTAGE_LIMIT};
use super::tls::{self, TlsConfigs, noting_client_certificate};
use super::tls_words::{self, ClientCertificate, Stage};
use super::write_tracker::{TrackedStream, WriteTracker};
use model::exchange::{FailureCode, PhaseTimings, SendFailure, TlsProfile};

/// The longest a look-up may take.
pub const DNS_LIMIT: Duration = Duration::from_secs(5);
/// The longest connecting may take, all addresses of a name together.
pub const CONNECT_LIMIT: Duration = Duration::from_secs(5);
/// The longest a TLS handshake may take.
pub const TLS_LIMIT: Duration = Duration::from_secs(5);
/// The longest a response body may take, from the end of the head.
pub const BODY_LIMIT: Duration = Duration::from_secs(5);
/// How many addresses of a name are tried.
const DIAL_LIMIT: usize = 8;

/// The most of a server's words that a response's headers quote, in bytes.
const MAX_QUOTE_BYTES: usize = 300;

/// How long each phase of a request may take; the request's own timeout bounds all but the body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PhaseLimits {
    /// Looking the name up.
    pub dns: Duration,
    /// Opening the TCP connection.
    pub connect: Duration,
    /// The TLS handshake.
    pub tls: Duration,
    /// Reading the response body.
    pub body: Duration,
    /// Waiting for what this server itself lacks, beside the request's own time.
    pub shortage: Duration,
}

impl Default for PhaseLimits {
    fn default() -> Self {
        Self {
            dns: DNS_LIMIT,
            connect: CONNECT_LIMIT,
            tls: TLS_LIMIT,
            body: BODY_LIMIT,
            shortage: SHORTAGE_LIMIT,
        }
    }
}

/// How far a request has come: kept apart from its result, because failures have timings too.
#[derive(Default)]
pub(super) struct Progress {
    pub(super) timings: PhaseTimings,
    pub(super) remote_address: Option<SocketAddr>,
    pub(super) notice: Option<String>,
    /// Over all connections that the request was written to.
    pub(super) may_be_sent: bool,
}

/// Where a connection is to lead: what is dialled, or what the proxy is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Destination {
    Address(IpAddr),
    /// A name that an administrator allows wherever it leads: the proxy looks it up.
    Name(String),
}

/// The settings of a handshake, and whose certificate is expected.
pub(super) type TlsParts = (Arc<ClientConfig>, ServerName<'static>);

/// Opens connections under the SSRF rules.
pub(super) struct Connector {
    pub(super) allow: AllowList,
    pub(super) loopback: LoopbackRule,
    pub(super) resolver: Arc<dyn Resolve>,
    pub(super) limits: PhaseLimits,
    pub(super) tls_configs: TlsConfigs,
    pub(super) proxy: Option<Proxy>,
}

impl Connector {
    /// Connects to the host of a URL whose scheme is `http` or `https`: of another transport, to its dialled form.
    pub(super) async fn connect(
        &self,
        url: &Url,
        deadline: Instant,
        progress: &mut Progress,
    ) -> Result<TcpStream, SendFailure> {
        let destinations = self.destinations(url, deadline, progress).await?;
        let stream = self.dial(url, &destinations, deadline, progress).await?;
        let remote_address = stream.peer_addr();
        let remote_address = remote_address
            .map_err(|_| failure(FailureCode::ConnectionClosed, "the connection closed at once"))?;
        progress.remote_address = Some(remote_address);
        Ok(stream)
    }

    /// Sets HTTP up on a connection to the host of a URL, with TLS if it has [`TlsParts`].
    pub(super) async fn open(
        &self,
        stream: TcpStream,
        tls: Option<TlsParts>,
        deadline: Instant,
        progress: &mut Progress,
    ) -> Result<Connection, SendFailure> {
        let remote_address = stream.peer_addr();
        let remote_address = remote_address
            .map_err(|_| failure(FailureCode::ConnectionClosed, "the connection closed at once"))?;
        let writes = Arc::new(WriteTracker::default());
        let stream = TrackedStream::new(stream, Arc::clone(&writes));
        match tls {
            None => speak_http(stream, writes, remote_address, ClientCertificate::NotAsked).await,
            Some(tls) => {
                let (stream, certificate) = self.handshake(stream, tls, deadline, progress).await?;
                speak_http(stream, writes, remote_address, certificate).await
            }
        }
    }

    /// What a handshake with the host of a URL takes; to be had before anything is dialled.
    pub(super) fn tls_parts(
        &self,
        url: &Url,
        profile: Option<&Arc<TlsProfile>>,
    ) -> Result<TlsParts, SendFailure> {
        let config = self.tls_configs.get(profile);
        let config = config.map_err(|error| failure(FailureCode::TlsSettingsInvalid, error.to_string()))?;
        let name = match url.host() {
            Some(Host::Ipv4(address)) => Ok(ServerName::from(IpAddr::V4(address))),
            Some(Host::Ipv6(address)) => Ok(ServerName::from(IpAddr::V6(address))),
            Some(Host::Domain(name)) => ServerName::try_from(name.to_owned()),
            None => ServerName::try_from(String::new()),
        };
        let name = name.map_err(|_| {
            failure(
                FailureCode::RequestInvalid,
                "the host name cannot be used with TLS",
            )
        })?;
        Ok((config, name))
    }

    /// Where the host may be reached: those of its addresses that may be connected to. One that may not is never dialled,
    /// and only left out if there are others: the way from the inside and the way from the outside to a receiver often stand
    /// under one name.
    async fn destinations(
        &self,
        url: &Url,
        deadline: Instant,
        progress: &mut Progress,
    ) -> Result<Vec<Destination>, SendFailure> {
        if let Some(own) = self.allow.own_inbox(url) {
            return Ok(vec![Destination::Address(own.ip())]);
        }
        let addresses = match url.host() {
            Some(Host::Ipv4(address)) => vec![address.into()],
            Some(Host::Ipv6(address)) => vec![address.into()],
            Some(Host::Domain(name)) if self.asks_by_name(name) => {
                return Ok(vec![Destination::Name(name.to_owned())]);
            }
            Some(Host::Domain(name)) => self.resolve(name, deadline, progress).await?,
            None => Vec::new(),
        };
        let port = url.port_or_known_default().unwrap_or_default();
        let (mut permitted, mut refusals) = (Vec::new(), Vec::new());
        for address in addresses {
            match self.check(url, SocketAddr::new(address, port)) {
                Ok(()) => permitted.push(Destination::Address(address)),
                Err(refusal) => refusals.push(refusal),
            }
        }
        match refusals.first() {
            None if permitted.is_empty() => {
                Err(failure(FailureCode::DnsFailed, "the host name has no address"))
            }
            None => Ok(permitted),
            Some(refusal) if permitted.is_empty() => Err(not_allowed(refusal)),
            Some(refusal) => {
                progress.notice = Some(format!(
                    "the host name leads to several addresses, and {refusal}: another one was used"
                ));
                Ok(permitted)
            }
        }
    }

    /// Whether the proxy is asked for a name as it is: the administrator allows that one wherever it leads.
    fn asks_by_name(&self, name: &str) -> bool {
        let has_proxy = self.proxy.as_ref().is_some_and(|proxy| proxy.takes_host(name));
        has_proxy && self.allow.names(name)
    }

    async fn resolve(
        &self,
        name: &str,
        deadline: Instant,
        progress: &mut Progress,
    ) -> Result<Vec<IpAddr>, SendFailure> {
        let started_at = Instant::now();
        let answer = timeout_at(
            deadline.min(started_at + self.limits.dns),
            self.resolver.resolve(name),
        )
        .await;
        progress.timings.dns_us = Some(micros_since(started_at));
        match answer {
            Ok(Ok(addresses)) => Ok(addresses),
            Ok(Err(ResolveError::Failed(sentence))) => Err(failure(FailureCode::DnsFailed, sentence)),
            Ok(Err(ResolveError::Shortage(what))) => Err(failure(FailureCode::ServerExhausted, what)),
            Err(_) => Err(failure(
                FailureCode::DnsTimeout,
                "looking the host name up took too long",
            )),
        }
    }

    /// Tries the destinations in turn, each with an equal share of the time that is left.
    async fn dial(
        &self,
        url: &Url,
        destinations: &[Destination],
        deadline: Instant,
        progress: &mut Progress,
    ) -> Result<TcpStream, SendFailure> {
        let started_at = Instant::now();
        let deadline = deadline.min(started_at + self.limits.connect);
        let mut result = Err(failure(FailureCode::ConnectFailed, "the host has no address"));
        let mut left = u32::try_from(destinations.len().min(DIAL_LIMIT)).unwrap_or(1);
        for destination in destinations.iter().take(DIAL_LIMIT) {
            let now = Instant::now();
            let share = deadline.saturating_duration_since(now) / left;
            result = self.reach(url, destination, now + share).await;
            let is_settled = result
                .as_ref()
                .map_or_else(|failure| failure.code.is_our_own(), |_| true);
            if is_settled {
                break;
            }
            left -= 1;
        }
        progress.timings.connect_us = Some(micros_since(started_at));
        result
    }

    /// Reaches a destination directly or through the proxy. The check stays beside it, whatever was tested before.
    async fn reach(
        &self,
        url: &Url,
        destination: &Destination,
        until: Instant,
    ) -> Result<TcpStream, SendFailure> {
        let port = url.port_or_known_default().unwrap_or_default();
        let target = match destination {
            Destination::Address(address) => {
                let address = SocketAddr::new(*address, port);
                self.check(url, address)
                    .map_err(|refusal| not_allowed(&refusal))?;
                let host = url.host_str().unwrap_or_default();
                let is_own = self.allow.own_inbox(url).is_some();
                match &self.proxy {
                    Some(proxy) if !is_own && proxy.takes(address.ip(), host) => (proxy, address.to_string()),
                    Some(_) | None => return dial_one(url, address, until).await,
                }
            }
            Destination::Name(name) => match &self.proxy {
                Some(proxy) => (proxy, format!("{name}:{port}")),
                None => return Err(failure(FailureCode::ConnectFailed, "there is no proxy to ask")),
            },
        };
        let (proxy, target) = target;
        let tunnel = async {
            let mut stream = self.dial_proxy(proxy, until).await?;
            proxy.connect(&mut stream, &target).await?;
            Ok(stream)
        };
        let late = || failure(FailureCode::ProxyFailed, "the proxy took too long");
        timeout_at(until, tunnel).await.unwrap_or_else(|_| Err(late()))
    }

    /// Connects to the proxy, which is looked up and tested like any receiver.
    async fn dial_proxy(&self, proxy: &Proxy, until: Instant) -> Result<TcpStream, SendFailure> {
        let concerning_proxy = |trouble: SendFailure| match trouble.code.is_our_own() {
            true => trouble,
            false => failure(FailureCode::ProxyFailed, format!("the proxy: {}", trouble.detail)),
        };
        let url = proxy.url();
        let addresses = match url.host() {
            Some(Host::Ipv4(address)) => vec![address.into()],
            Some(Host::Ipv6(address)) => vec![address.into()],
            Some(Host::Domain(name)) => self
                .resolve(name, until, &mut Progress::default())
                .await
                .map_err(concerning_proxy)?,
            None => Vec::new(),
        };
        let port = url.port_or_known_default().unwrap_or_default();
        let mut result = Err(failure(FailureCode::ProxyFailed, "the proxy has no address"));
        for address in addresses.into_iter().take(DIAL_LIMIT) {
            let address = SocketAddr::new(address, port);
            result = match self.check(url, address) {
                Ok(()) => dial_one(url, address, until).await.map_err(concerning_proxy),
                Err(refusal) => Err(failure(
                    FailureCode::ProxyFailed,
                    format!("the proxy: {refusal}; allow it under [outbound] allow"),
                )),
            };
            if result.is_ok() {
                break;
            }
        }
        result
    }

    fn check(&self, url: &Url, address: SocketAddr) -> Result<(), AddressRefusal> {
        if self.allow.own_inbox(url) == Some(address) {
            return Ok(());
        }
        let host = url.host_str().unwrap_or_default();
        address::check(address.ip(), host, &self.allow, self.loopback)
    }

    /// Whether a connection for this URL may serve others of the same origin. One to an own inbox may not: it is allowed
    /// for its path, and the path of the next request is not looked at.
    pub(super) fn may_be_kept(&self, url: &Url) -> bool {
        self.allow.own_inbox(url).is_none()
    }

    pub(super) async fn handshake<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        stream: S,
        (config, name): TlsParts,
        deadline: Instant,
        progress: &mut Progress,
    ) -> Result<(TlsStream<S>, ClientCertificate), SendFailure> {
        let started_at = Instant::now();
        let handshake = TlsConnector::from(config).connect(name, stream);
        let handshake = timeout_at(deadline.min(started_at + self.limits.tls), handshake);
        let (result, certificate) = noting_client_certificate(handshake).await;
        progress.timings.tls_us = Some(micros_since(started_at));
        match result {
            Ok(Ok(stream)) => Ok((stream, certificate)),
            Ok(Err(error)) => Err(explain_handshake(&error, certificate)),
            Err(_) => Err(failure(
                FailureCode::TlsTimeout,
                "the TLS handshake took too long",
            )),
        }
    }
}

/// The one place from which the product opens a connection. Whoever calls it has tested the address.
async fn dial_one(url: &Url, address: SocketAddr, until: Instant) -> Result<TcpStream, SendFailure> {
    match timeout_at(until, TcpStream::connect(address)).await {
        Ok(Ok(stream)) => {
            // Without it the connection is slower, and no worse.
            let _ = stream.set_nodelay(true);
            Ok(stream)
        }
        Ok(Err(error)) => Err(cannot_connect(url, address, &error)),
        Err(_) => Err(failure(
            FailureCode::ConnectTimeout,
            format!("connecting to {address} took too long"),
        )),
    }
}

/// Puts a failure together.
pub(super) fn failure(code: FailureCode, detail: impl Into<String>) -> SendFailure {
    SendFailure {
        code,
        detail: detail.into(),
    }
}

/// A server's words as a header of a response, cut.
pub(super) fn header_value(text: &str) -> Option<HeaderValue> {
    let end = text.floor_char_boundary(MAX_QUOTE_BYTES);
    HeaderValue::from_bytes(text.get(..end)?.as_bytes()).ok()
}

/// The settings of a handshake without HTTP's name in them: some servers refuse what they do not speak.
pub(super) fn without_alpn((config, name): TlsParts) -> TlsParts {
    let mut config = (*config).clone();
    config.alpn_protocols.clear();
    (Arc::new(config), name)
}

/// Whole microseconds since a moment.
pub(super) fn micros_since(moment: Instant) -> u64 {
    u64::try_from(moment.elapsed().as_micros()).unwrap_or(u64::MAX)
}

/// Sets HTTP/1.1 up on a connected stream, and a task that drives it.
async fn speak_http<S>(
    stream: S,
    writes: Arc<WriteTracker>,
    remote_address: SocketAddr,
    client_certificate: ClientCertificate,
) -> Result<Connection, SendFailure>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let signs = Arc::new(AnswerSigns::default());
    let stream = AnswerStream::new(stream, Arc::clone(&signs));
    let handshake = http1::Builder::new()
        // A cleaned head may be somewhat longer than the one that came.
        .max_buf_size(2 * HEAD_CAP_BYTES)
        .handshake(TokioIo::new(stream));
    let (sender, driver) = handshake
        .await
        .map_err(|_| failure(FailureCode::ConnectionClosed, "the connection closed at once"))?;
    // Whatever ends the connection, the request on it hears of it too.
    let driver = tokio::spawn(async move { driver.await.unwrap_or_default() });
    Ok(Connection {
        sender,
        remote_address,
        opened_at: Instant::now(),
        driver: driver.abort_handle(),
        signs,
        writes,
        client_certificate,
    })
}

fn not_allowed(refusal: &AddressRefusal) -> SendFailure {
    failure(FailureCode::AddressNotAllowed, refusal.to_string())
}

fn cannot_connect(url: &Url, address: SocketAddr, error: &io::Error) -> SendFailure {
    if let Some(what) = shortage::of_connecting(error, address) {
        return failure(FailureCode::ServerExhausted, what);
    }
    let host = url.host_str().unwrap_or_default();
    match error.kind() {
        io::ErrorKind::ConnectionRefused => failure(
            FailureCode::ConnectRefused,
            format!("{host} refused the connection"),
        ),
        io::ErrorKind::TimedOut => failure(
            FailureCode::ConnectTimeout,
            format!("connecting to {host} took too long"),
        ),
        // The standard library has a word in English for each kind.
        kind => failure(
            FailureCode::ConnectFailed,
            format!("cannot connect to {host}: {kind}"),
        ),
    }
}

fn explain_handshake(error: &io::Error, certificate: ClientCertificate) -> SendFailure {
    match (tls::tls_error(error), certificate) {
        (Some(error), _) => tls_words::explain(error, Stage::Handshake, certificate),
        (None, ClientCertificate::NotAsked) => failure(
            FailureCode::TlsFailed,
            "the connection closed during the TLS handshake",
        ),
        (None, ClientCertificate::Missing | ClientCertificate::Shown) => failure(
            FailureCode::ClientCertificateRefused,
            tls_words::refused(certificate, None),
        ),
    }
}
