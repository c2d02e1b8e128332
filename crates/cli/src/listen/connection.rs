//! One connection to `listen`: reads requests as HTTP, and takes the bare socket back where a fault needs it.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::mpsc;

use clock::Clock;

use super::Shared;
use super::calls;
use super::fault::Fault;
use super::platform::to_http;
use super::report::Report;

/// The longest body that is taken.
const MAX_BODY_BYTES: usize = 4 * 1024 * 1024;
/// How long `slow` takes.
pub(super) const SLOW: Duration = Duration::from_secs(5);
/// Between two bytes of `drip`.
const DRIP: Duration = Duration::from_secs(1);
const DRIPPED: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nok\n";
const GARBAGE: &[u8] = b"\x00\xffthis is not HTTP\r\n\r\n";

/// Serves a connection to its end.
pub async fn serve(stream: TcpStream, shared: Arc<Shared>) {
    let (takes_socket, mut socket_wanted) = mpsc::channel(1);
    let mut stop = shared.stop.clone();
    let service = service_fn(move |request| {
        let shared = Arc::clone(&shared);
        let takes_socket = takes_socket.clone();
        async move { answer(request, &shared, takes_socket).await }
    });
    // A sender that has hung up already has still sent a request: it is reported all the same.
    let mut connection = http1::Builder::new()
        .half_close(true)
        .serve_connection(TokioIo::new(stream), service);
    let mut is_stopping = false;
    let fault = loop {
        tokio::select! {
            // The sender's mistakes on the line are its own to see.
            _ = &mut connection => return,
            Some(fault) = socket_wanted.recv() => break fault,
            Ok(_) = stop.wait_for(|stop| *stop), if !is_stopping => {
                is_stopping = true;
                std::pin::Pin::new(&mut connection).graceful_shutdown();
            }
        }
    };
    misbehave(connection.into_parts().io.into_inner(), fault).await;
}

async fn answer(
    request: Request<Incoming>,
    shared: &Shared,
    takes_socket: mpsc::Sender<Fault>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let (head, body) = request.into_parts();
    let Ok(body) = Limited::new(body, MAX_BODY_BYTES).collect().await else {
        return Ok(plain(StatusCode::PAYLOAD_TOO_LARGE));
    };
    let body = body.to_bytes();
    let fault = shared.faults.next();
    let mut report = Report::new(&head, body.clone(), fault, shared.secret.as_ref(), &shared.clock);
    let simulated = match (&shared.platform, fault) {
        (Some(platform), Fault::Ok | Fault::Slow | Fault::Platform(_)) => {
            Some(platform.answer(&head, &body, fault, shared.clock.now()))
        }
        _ => None,
    };
    report.simulated = simulated.clone();
    // Nobody prints any more: the program is ending.
    let _ = shared.reports.send(report).await;
    if let Some(answer) = simulated {
        if fault == Fault::Slow {
            tokio::time::sleep(SLOW).await;
        }
        calls::make(answer.callbacks.clone());
        if answer.is_lost {
            let _ = takes_socket.send(Fault::Close).await;
            return std::future::pending().await;
        }
        return Ok(to_http(&answer));
    }
    match fault {
        Fault::Ok | Fault::Platform(_) => Ok(plain(StatusCode::OK)),
        Fault::Status(status) => Ok(plain(StatusCode::from_u16(status).unwrap_or_default())),
        Fault::Slow => {
            tokio::time::sleep(SLOW).await;
            Ok(plain(StatusCode::OK))
        }
        Fault::Redirect => {
            let mut response = plain(StatusCode::FOUND);
            let target = HeaderValue::from_static("/redirected");
            response.headers_mut().insert(header::LOCATION, target);
            Ok(response)
        }
        Fault::Timeout | Fault::Close | Fault::Reset | Fault::Drip | Fault::Garbage => {
            // The loop above takes the socket away, and this future with it.
            let _ = takes_socket.send(fault).await;
            std::future::pending().await
        }
    }
}

fn plain(status: StatusCode) -> Response<Full<Bytes>> {
    let has_body = !matches!(status.as_u16(), 204 | 205 | 304);
    let body = if has_body {
        Bytes::from_static(b"ok\n")
    } else {
        Bytes::new()
    };
    let mut response = Response::new(Full::new(body));
    *response.status_mut() = status;
    response
}

/// What HTTP has no words for. Errors mean that the sender hung up, which ends it as well.
pub(super) async fn misbehave(mut stream: TcpStream, fault: Fault) {
    match fault {
        Fault::Timeout => {
            let mut ignored = [0; 1024];
            while matches!(stream.read(&mut ignored).await, Ok(bytes) if bytes > 0) {}
        }
        Fault::Reset => {
            let _ = stream.set_zero_linger();
        }
        Fault::Drip => {
            for byte in DRIPPED {
                tokio::time::sleep(DRIP).await;
                if stream.write_all(&[*byte]).await.is_err() {
                    return;
                }
            }
        }
        Fault::Garbage => {
            let _ = stream.write_all(GARBAGE).await;
            let _ = stream.shutdown().await;
        }
        Fault::Close | Fault::Ok | Fault::Status(_) | Fault::Slow | Fault::Redirect | Fault::Platform(_) => {}
    }
}
