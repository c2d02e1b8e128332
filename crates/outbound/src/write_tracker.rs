//! Whether anything of a request was written to its socket. This is seen below TLS, where nothing is buffered any more:
//! an error of a higher layer tells what broke, but not what had left before.
//!
//! Requests go out over HTTP/1.1 only, where nothing that the receiver says later takes a byte back, as a GOAWAY of HTTP/2
//! would that names the last request it looked at.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use model::exchange::Reach;

/// What a connection has written of its present request.
#[derive(Debug, Default)]
pub(super) struct WriteTracker {
    has_written: AtomicBool,
}

impl WriteTracker {
    /// To be called before each request.
    pub(super) fn begin(&self) {
        self.has_written.store(false, Ordering::Relaxed);
    }

    /// How far the request has come.
    pub(super) fn reach(&self) -> Reach {
        match self.has_written.load(Ordering::Relaxed) {
            true => Reach::MaybeSent,
            false => Reach::NotSent,
        }
    }

    /// Notes what came of a write.
    fn note(&self, result: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        if matches!(result, Poll::Ready(Ok(1..))) {
            self.has_written.store(true, Ordering::Relaxed);
        }
        result
    }
}

/// A socket whose writes are tracked.
pub(super) struct TrackedStream<S> {
    stream: S,
    tracker: Arc<WriteTracker>,
}

impl<S> TrackedStream<S> {
    /// See the module.
    pub(super) fn new(stream: S, tracker: Arc<WriteTracker>) -> Self {
        Self { stream, tracker }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for TrackedStream<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for TrackedStream<S> {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let Self { stream, tracker } = self.get_mut();
        tracker.note(Pin::new(stream).poll_write(context, bytes))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let Self { stream, tracker } = self.get_mut();
        tracker.note(Pin::new(stream).poll_write_vectored(context, slices))
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncWriteExt, DuplexStream};

    /// A tracked stream, what it tells, and the receiver's end of it.
    fn tracked(buffer_bytes: usize) -> (TrackedStream<DuplexStream>, Arc<WriteTracker>, DuplexStream) {
        let (near, far) = tokio::io::duplex(buffer_bytes);
        let tracker = Arc::new(WriteTracker::default());
        (TrackedStream::new(near, Arc::clone(&tracker)), tracker, far)
    }

    #[tokio::test]
    async fn a_single_byte_is_enough_though_the_connection_breaks_then() {
        let (mut stream, tracker, far) = tracked(1);
        tracker.begin();
        assert_eq!(stream.write(b"POST").await.unwrap(), 1);
        drop(far);
        stream.write(b"OST").await.unwrap_err();
        assert_eq!(tracker.reach(), Reach::MaybeSent);
    }

    #[tokio::test]
    async fn slices_count_as_bytes_do() {
        let (mut stream, tracker, _far) = tracked(64);
        tracker.begin();
        let slices = [IoSlice::new(b"PO"), IoSlice::new(b"ST")];
        assert_ne!(stream.write_vectored(&slices).await.unwrap(), 0);
        assert_eq!(tracker.reach(), Reach::MaybeSent);
    }

    #[tokio::test]
    async fn what_was_written_before_a_request_is_not_its_own() {
        let (mut stream, tracker, _far) = tracked(64);
        stream
            .write_all(b"a handshake, and an earlier request")
            .await
            .unwrap();
        tracker.begin();
        assert_eq!(tracker.reach(), Reach::NotSent);
    }

    #[tokio::test]
    async fn a_connection_that_takes_nothing_was_written_nothing() {
        let (mut stream, tracker, far) = tracked(64);
        drop(far);
        tracker.begin();
        stream.write(b"POST").await.unwrap_err();
        assert_eq!(tracker.reach(), Reach::NotSent);
    }
}
