//! Opens connections: looks the name up, tests every address against the SSRF rules, dials the very address that was
//! tested, speaks TLS. Each phase has its own deadline, and all of them share the request's.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

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

use super::address::{self, LoopbackRule, Refusal};
use super::allow_list::AllowList;
use super::pool::Connection;
use super::resolver::Resolve;
use super::tls::{self, TlsConfigs};
use crate::model::exchange::{FailureCode, PhaseTimings, SendFailure, TlsProfile};

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
/// The most of a response that is buffered, and so the largest head.
const HEAD_CAP_BYTES: usize = 64 * 1024;

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
}

impl Default for PhaseLimits {
    fn default() -> Self {
        Self {
            dns: DNS_LIMIT,
            connect: CONNECT_LIMIT,
            tls: TLS_LIMIT,
            body: BODY_LIMIT,
        }
    }
}

/// How far a request has come: kept apart from its result, because failures have timings too.
#[derive(Default)]
pub(super) struct Progress {
    pub(super) timings: PhaseTimings,
    pub(super) remote_address: Option<SocketAddr>,
}

/// Opens connections under the SSRF rules.
pub(super) struct Connector {
    pub(super) allow: AllowList,
    pub(super) loopback: LoopbackRule,
    pub(super) resolver: Arc<dyn Resolve>,
    pub(super) limits: PhaseLimits,
    pub(super) tls_configs: TlsConfigs,
}

impl Connector {
    /// Opens a connection to the host of a URL whose scheme is `http` or `https`.
    pub(super) async fn open(
        &self,
        url: &Url,
        profile: Option<&Arc<TlsProfile>>,
        deadline: Instant,
        progress: &mut Progress,
    ) -> Result<Connection, SendFailure> {
        let tls = match url.scheme() {
            "https" => Some(self.tls_parts(url, profile)?),
            _ => None,
        };
        let addresses = self.addresses(url, deadline, progress).await?;
        let stream = self.dial(url, &addresses, deadline, progress).await?;
        let remote_address = stream.peer_addr().map_err(|error| cannot_connect(url, &error))?;
        progress.remote_address = Some(remote_address);
        match tls {
            None => speak_http(stream, remote_address).await,
            Some((config, name)) => {
                let stream = self.handshake(stream, config, name, deadline, progress).await?;
                speak_http(stream, remote_address).await
            }
        }
    }

    fn tls_parts(
        &self,
        url: &Url,
        profile: Option<&Arc<TlsProfile>>,
    ) -> Result<(Arc<ClientConfig>, ServerName<'static>), SendFailure> {
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

    /// Every address of the host, or a refusal if one of them is internal: a name that mixes public and internal
    /// addresses is up to no good.
    async fn addresses(
        &self,
        url: &Url,
        deadline: Instant,
        progress: &mut Progress,
    ) -> Result<Vec<IpAddr>, SendFailure> {
        if let Some(own) = self.allow.own_inbox(url) {
            return Ok(vec![own.ip()]);
        }
        let addresses = match url.host() {
            Some(Host::Ipv4(address)) => vec![address.into()],
            Some(Host::Ipv6(address)) => vec![address.into()],
            Some(Host::Domain(name)) => self.resolve(name, deadline, progress).await?,
            None => Vec::new(),
        };
        if addresses.is_empty() {
            return Err(failure(FailureCode::DnsFailed, "the host name has no address"));
        }
        let port = url.port_or_known_default().unwrap_or_default();
        let verdict = addresses
            .iter()
            .try_for_each(|address| self.check(url, SocketAddr::new(*address, port)));
        verdict
            .map(|()| addresses)
            .map_err(|refusal| not_allowed(&refusal))
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
            Ok(Err(error)) => Err(failure(FailureCode::DnsFailed, error.to_string())),
            Err(_) => Err(failure(
                FailureCode::DnsTimeout,
                "looking the host name up took too long",
            )),
        }
    }

    /// Tries the addresses in turn, each with an equal share of the time that is left.
    async fn dial(
        &self,
        url: &Url,
        addresses: &[IpAddr],
        deadline: Instant,
        progress: &mut Progress,
    ) -> Result<TcpStream, SendFailure> {
        let started_at = Instant::now();
        let deadline = deadline.min(started_at + self.limits.connect);
        let port = url.port_or_known_default().unwrap_or_default();
        let mut result = Err(failure(FailureCode::ConnectFailed, "the host has no address"));
        let mut left = u32::try_from(addresses.len().min(DIAL_LIMIT)).unwrap_or(1);
        for address in addresses.iter().take(DIAL_LIMIT) {
            let now = Instant::now();
            let share = deadline.saturating_duration_since(now) / left;
            result = self
                .dial_one(url, SocketAddr::new(*address, port), now + share)
                .await;
            if result.is_ok() {
                break;
            }
            left -= 1;
        }
        progress.timings.connect_us = Some(micros_since(started_at));
        result
    }

    /// The one place from which the product opens a connection: the check and the dial stay side by side.
    async fn dial_one(
        &self,
        url: &Url,
        address: SocketAddr,
        until: Instant,
    ) -> Result<TcpStream, SendFailure> {
        self.check(url, address)
            .map_err(|refusal| not_allowed(&refusal))?;
        match timeout_at(until, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => {
                stream
                    .set_nodelay(true)
                    .map_err(|error| cannot_connect(url, &error))?;
                Ok(stream)
            }
            Ok(Err(error)) => Err(cannot_connect(url, &error)),
            Err(_) => Err(failure(
                FailureCode::ConnectTimeout,
                format!("connecting to {address} took too long"),
            )),
        }
    }

    fn check(&self, url: &Url, address: SocketAddr) -> Result<(), Refusal> {
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

    async fn handshake(
        &self,
        stream: TcpStream,
        config: Arc<ClientConfig>,
        name: ServerName<'static>,
        deadline: Instant,
        progress: &mut Progress,
    ) -> Result<TlsStream<TcpStream>, SendFailure> {
        let started_at = Instant::now();
        let handshake = TlsConnector::from(config).connect(name, stream);
        let result = timeout_at(deadline.min(started_at + self.limits.tls), handshake).await;
        progress.timings.tls_us = Some(micros_since(started_at));
        match result {
            Ok(Ok(stream)) => Ok(stream),
            Ok(Err(error)) => Err(failure(FailureCode::TlsFailed, explain_handshake(&error))),
            Err(_) => Err(failure(
                FailureCode::TlsTimeout,
                "the TLS handshake took too long",
            )),
        }
    }
}

/// Puts a failure together.
pub(super) fn failure(code: FailureCode, detail: impl Into<String>) -> SendFailure {
    SendFailure {
        code,
        detail: detail.into(),
    }
}

/// Whole microseconds since a moment.
pub(super) fn micros_since(moment: Instant) -> u64 {
    u64::try_from(moment.elapsed().as_micros()).unwrap_or(u64::MAX)
}

/// Sets HTTP/1.1 up on a connected stream, and a task that drives it.
async fn speak_http<S>(stream: S, remote_address: SocketAddr) -> Result<Connection, SendFailure>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let handshake = http1::Builder::new()
        .max_buf_size(HEAD_CAP_BYTES)
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
    })
}

fn not_allowed(refusal: &Refusal) -> SendFailure {
    failure(FailureCode::AddressNotAllowed, refusal.to_string())
}

fn cannot_connect(url: &Url, error: &io::Error) -> SendFailure {
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
        _ => failure(
            FailureCode::ConnectFailed,
            format!("cannot connect to {host}: {error}"),
        ),
    }
}

fn explain_handshake(error: &io::Error) -> String {
    match tls::tls_error(error) {
        Some(error) => tls::explain(error),
        None => "the connection closed during the TLS handshake".to_owned(),
    }
}
