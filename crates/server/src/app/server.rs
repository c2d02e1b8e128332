//! Listens for HTTP connections and serves them, with bounds on how many and how slow they may be.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::response::IntoResponse;
use http::header::HOST;
use http::{Request, Response, Version};
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
/// How long open requests may take after the server was told to stop.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(3);
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
}

impl Site {
    /// These routes, under the path of this address, behind these proxies.
    pub fn new(router: Router, public_url: Option<&Url>, proxies: TrustedProxies) -> Self {
        Self {
            router,
            base_path: BasePath::new(public_url),
            proxies,
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
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(HEAD_TIMEOUT);
    let graceful = GracefulShutdown::new();
    let mut failures: u64 = 0;
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = stop.wait_for(|stop| *stop) => break,
        };
        let (stream, address) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                failures += 1;
                if failures == 1 {
                    tracing::warn!(%error, "a connection could not be accepted; trying again");
                }
                clients.make_room();
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        if failures > 1 {
            tracing::warn!(failures, "connections are accepted again");
        }
        failures = 0;
        // Closing it at once is all that can be said without waiting for whoever connected.
        let Ok(admitted) = clients.admit(address.ip()) else {
            continue;
        };
        set_options(&stream);
        let (site, clients, known) = (site.clone(), Arc::clone(&clients), admitted.connection());
        let answer = service_fn(move |request| {
            let busy = Busy::new(&clients, &known);
            answer(site.clone(), address, request, busy)
        });
        let watched = graceful.watch(builder.serve_connection(TokioIo::new(stream), answer));
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
    drop(listener);
    if tokio::time::timeout(DRAIN_TIMEOUT, graceful.shutdown())
        .await
        .is_err()
    {
        tracing::info!("some clients kept their connections open; they are closed now");
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
    let response = site.base_path.add_to(response).await;
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
