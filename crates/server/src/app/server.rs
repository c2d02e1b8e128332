//! Listens for HTTP connections and serves them, with bounds on how many and how slow they may be.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::response::IntoResponse;
use http::header::{CONNECTION, HOST};
use http::{HeaderValue, Request, Response, Version};
use hyper::body::{Frame, Incoming, SizeHint};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tower::ServiceExt;
use url::Url;

use api::problem::{Code, Problem};
use model::client_address::TrustedProxies;

use super::base_path::BasePath;
use super::clients::{Busy, Clients};
use super::unread_body::RequestBody;

/// How long a client may be silent: before its first request, between two, and until the head of one is complete.
const HEAD_TIMEOUT: Duration = Duration::from_secs(15);
/// How long a client may take none of what is sent to it.
#[cfg(target_os = "linux")]
const WRITE_TIMEOUT_MS: u32 = 30_000;
/// How long a connection may take to its first request when the server stops. It would be closed otherwise, though the request may
/// be on its way.
const FIRST_REQUEST_TIMEOUT: Duration = Duration::from_millis(500);
/// How long open requests may take after the server was told to stop.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(3);
/// The most connections that are still taken when the server stops: more than wait for it.
const MAX_WAITING: usize = 4096;
/// The pause after a connection could not be accepted.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// What is served.
#[derive(Clone)]
pub struct Site {
    /// Every route.
    router: Router,
    /// Where they begin.
    base_path: BasePath,
    /// Who may say for whom a request is.
    proxies: TrustedProxies,
    /// Becomes true when the server is about to stop.
    draining: watch::Receiver<bool>,
}

impl Site {
    /// These routes, under the path of this address, behind these proxies.
    pub fn new(
        router: Router,
        public_url: Option<&Url>,
        proxies: TrustedProxies,
        draining: watch::Receiver<bool>,
    ) -> Self {
        Self {
            router,
            base_path: BasePath::new(public_url),
            proxies,
            draining,
        }
    }
}

/// Serves until `stop` turns true, then lets open requests end.
pub async fn serve(
    listener: TcpListener,
    site: Site,
    clients: Arc<Clients>,
    mut stop: watch::Receiver<bool>,
) {
    let serving = Serving::new(site, clients);
    let mut failures: u64 = 0;
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = stop.wait_for(|stop| *stop) => break,
        };
        match accepted {
            Ok((stream, address)) => serving.take(stream, address),
            Err(error) => {
                failures += 1;
                if failures == 1 {
                    tracing::warn!(%error, "a connection could not be accepted; trying again");
                }
                serving.clients.make_room();
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        }
        if failures > 1 {
            tracing::warn!(failures, "connections are accepted again");
        }
        failures = 0;
    }
    serving.take_waiting(listener);
    serving.finish().await;
}

/// What every connection is served with.
struct Serving {
    site: Site,
    clients: Arc<Clients>,
    builder: http1::Builder,
    graceful: GracefulShutdown,
    /// Connections without a request so far.
    fresh: Arc<watch::Sender<usize>>,
}

impl Serving {
    fn new(site: Site, clients: Arc<Clients>) -> Self {
        let mut builder = http1::Builder::new();
        builder.timer(TokioTimer::new()).header_read_timeout(HEAD_TIMEOUT);
        Self {
            site,
            clients,
            builder,
            graceful: GracefulShutdown::new(),
            fresh: Arc::new(watch::Sender::new(0)),
        }
    }

    /// Serves a connection, unless there is no room for it: then it is closed at once, as that is all that can be said without
    /// waiting for whoever connected.
    fn take(&self, stream: TcpStream, address: SocketAddr) {
        let Ok(admitted) = self.clients.admit(address.ip()) else {
            return;
        };
        set_options(&stream);
        let (site, clients) = (self.site.clone(), Arc::clone(&self.clients));
        let known = admitted.connection();
        let fresh = Fresh::new(&self.fresh);
        let answer = service_fn(move |request| {
            fresh.end();
            let busy = Busy::new(&clients, &known);
            answer(site.clone(), address, request, busy)
        });
        let connection = self.builder.serve_connection(TokioIo::new(stream), answer);
        let watched = self.graceful.watch(connection);
        tokio::spawn(async move {
            let mut watched = std::pin::pin!(watched);
            tokio::select! {
                // A client that breaks off is its own affair.
                _ = &mut watched => return,
                () = admitted.must_leave() => {}
            }
            if admitted.is_busy() {
                let _ = watched.await;
            }
        });
    }

    /// Serves those who have connected and were not taken yet: closing the listener would reset them, and a request that they
    /// have sent would be refused.
    fn take_waiting(&self, listener: TcpListener) {
        let Ok(listener) = listener.into_std() else { return };
        for _ in 0..MAX_WAITING {
            let Ok((stream, address)) = listener.accept() else {
                return;
            };
            let stream = stream
                .set_nonblocking(true)
                .and_then(|()| TcpStream::from_std(stream));
            if let Ok(stream) = stream {
                self.take(stream, address);
            }
        }
    }

    async fn finish(self) {
        let mut fresh = self.fresh.subscribe();
        let none_is_fresh = fresh.wait_for(|count| *count == 0);
        let _ = tokio::time::timeout(FIRST_REQUEST_TIMEOUT, none_is_fresh).await;
        let all_closed = tokio::time::timeout(DRAIN_TIMEOUT, self.graceful.shutdown()).await;
        if all_closed.is_err() {
            tracing::info!("some clients kept their connections open; they are closed now");
        }
    }
}

/// A connection that is counted until its first request, or its end.
struct Fresh {
    count: Arc<watch::Sender<usize>>,
    has_ended: AtomicBool,
}

impl Fresh {
    fn new(count: &Arc<watch::Sender<usize>>) -> Self {
        count.send_modify(|count| *count += 1);
        Self {
            count: Arc::clone(count),
            has_ended: AtomicBool::new(false),
        }
    }

    fn end(&self) {
        if !self.has_ended.swap(true, Ordering::Relaxed) {
            self.count.send_modify(|count| *count -= 1);
        }
    }
}

impl Drop for Fresh {
    fn drop(&mut self) {
        self.end();
    }
}

fn set_options(stream: &TcpStream) {
    // Small answers must not wait for more to send.
    let _ = stream.set_nodelay(true);
    // A client that never reads would hold its connection, and what is written to it, for ever.
    #[cfg(target_os = "linux")]
    let _ = rustix::net::sockopt::set_tcp_user_timeout(stream, WRITE_TIMEOUT_MS);
}

/// Answers one request. The routes are told who is calling, for limits by address.
async fn answer(
    site: Site,
    address: SocketAddr,
    mut request: Request<Incoming>,
    busy: Busy,
) -> Result<Response<Body>, Infallible> {
    if !names_one_host(&request) {
        return Ok(Problem::plain(Code::InvalidHost).into_response());
    }
    site.proxies.note_client(address.ip(), &mut request);
    site.base_path.strip(request.uri_mut());
    let request = request.map(|body| Body::new(RequestBody::new(body)));
    let response = site.router.oneshot(request).await?;
    let mut response = site.base_path.add_to(response).await;
    // A proxy must not send its next request on a connection that the stop is about to close.
    if *site.draining.borrow() {
        response
            .headers_mut()
            .insert(CONNECTION, HeaderValue::from_static("close"));
    }
    Ok(response.map(|body| Body::new(BusyBody { body, _busy: busy })))
}

/// RFC 9112 § 3.2: a request with two hosts means one to us and may mean another to a proxy. HTTP/1.0 needs none.
fn names_one_host(request: &Request<Incoming>) -> bool {
    let hosts = request.headers().get_all(HOST).iter().count();
    hosts == 1 || (hosts == 0 && request.version() < Version::HTTP_11)
}

/// A body that keeps its connection until it is sent.
struct BusyBody {
    body: Body,
    _busy: Busy,
}

impl hyper::body::Body for BusyBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
