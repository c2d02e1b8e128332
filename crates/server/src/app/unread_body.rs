//! What nobody wants to read of a request's body: taken from the connection all the same, within bounds. A connection that is closed
//! over unread bytes is reset, which may take the answer with it; a proxy then holds a server for down that has only refused
//! something.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::Bytes;
use http_body_util::BodyExt;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use tokio::runtime::Handle;

/// The most that is taken: as much as is read of what is sent to an inbox.
const MAX_UNREAD_BYTES: usize = 8 * 1024 * 1024;
/// How long that may take.
const UNREAD_TIMEOUT: Duration = Duration::from_secs(10);

/// The body of a request. What is left of it when this is dropped is read and forgotten.
pub struct RequestBody {
    /// Nothing once it has ended.
    body: Option<Incoming>,
}

impl RequestBody {
    /// This body, of which nothing was read.
    pub fn new(body: Incoming) -> Self {
        Self { body: Some(body) }
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let Some(body) = &mut self.body else {
            return Poll::Ready(None);
        };
        let frame = std::task::ready!(Pin::new(body).poll_frame(context));
        if !matches!(frame, Some(Ok(_))) {
            self.body = None;
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        let ended = || SizeHint::with_exact(0);
        self.body.as_ref().map_or_else(ended, Body::size_hint)
    }
}

impl Drop for RequestBody {
    fn drop(&mut self) {
        let left = self.body.take().filter(|body| !body.is_end_stream());
        if let (Some(body), Ok(runtime)) = (left, Handle::try_current()) {
            runtime.spawn(tokio::time::timeout(UNREAD_TIMEOUT, forget(body)));
        }
    }
}

/// Reads until the end, or the bound.
async fn forget(mut body: Incoming) {
    let mut room = MAX_UNREAD_BYTES;
    while let Some(Ok(frame)) = body.frame().await {
        let bytes = frame.data_ref().map_or(0, Bytes::len);
        if bytes > room {
            return;
        }
        room -= bytes;
    }
}
