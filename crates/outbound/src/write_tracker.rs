//! Whether anything of a request was written to its socket. This is seen below TLS, where nothing is buffered any more:
//! an error of a higher layer tells what broke, but not what had left before.
//!
//! Requests go out over HTTP/1.1 only, where nothing that the receiver says later takes a byte back, as a GOAWAY of HTTP/2
//! would that names the last request it looked at.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use model::exchange::Reach;

/// What a connection has written of its present request.
#[derive(Debug, Default)]
pub(super) struct WriteTracker(Mutex<Written>);

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Written {
    #[default]
    Nothing,
    Something,
    /// Nothing, and nothing may be any more.
    Closed,
}

impl WriteTracker {
    /// To be called before each request.
    pub(super) fn begin(&self) {
        *self.lock() = Written::Nothing;
    }

    /// How far the request came that is given up now. Had it not left, it never will: the connection's own task may be
    /// about to write it.
    pub(super) fn give_up(&self) -> Reach {
        let mut written = self.lock();
        match *written {
            Written::Something => Reach::MaybeSent,
            Written::Nothing | Written::Closed => {
                *written = Written::Closed;
                Reach::NotSent
            }
        }
    }

    /// Writes, unless the request was given up.
    fn write(&self, write: impl FnOnce() -> Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        let mut written = self.lock();
        if *written == Written::Closed {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        let result = write();
        if matches!(result, Poll::Ready(Ok(1..))) {
            *written = Written::Something;
        }
        result
    }

    fn lock(&self) -> MutexGuard<'_, Written> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
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
        tracker.write(|| Pin::new(stream).poll_write(context, bytes))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let Self { stream, tracker } = self.get_mut();
        tracker.write(|| Pin::new(stream).poll_write_vectored(context, slices))
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
    use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};

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
        assert_eq!(tracker.give_up(), Reach::MaybeSent);
    }

    #[tokio::test]
    async fn slices_count_as_bytes_do() {
        let (mut stream, tracker, _far) = tracked(64);
        tracker.begin();
        let slices = [IoSlice::new(b"PO"), IoSlice::new(b"ST")];
        assert_ne!(stream.write_vectored(&slices).await.unwrap(), 0);
        assert_eq!(tracker.give_up(), Reach::MaybeSent);
    }

    #[tokio::test]
    async fn what_was_written_before_a_request_is_not_its_own() {
        let (mut stream, tracker, _far) = tracked(64);
        stream
            .write_all(b"a handshake, and an earlier request")
            .await
            .unwrap();
        tracker.begin();
        assert_eq!(tracker.give_up(), Reach::NotSent);
    }

    #[tokio::test]
    async fn a_connection_that_takes_nothing_was_written_nothing() {
        let (mut stream, tracker, far) = tracked(64);
        drop(far);
        tracker.begin();
        stream.write(b"POST").await.unwrap_err();
        assert_eq!(tracker.give_up(), Reach::NotSent);
    }

    #[tokio::test]
    async fn a_request_that_was_given_up_unsent_never_leaves() {
        let (mut stream, tracker, mut far) = tracked(64);
        tracker.begin();
        assert_eq!(tracker.give_up(), Reach::NotSent);
        stream.write_all(b"POST").await.unwrap_err();
        assert_eq!(tracker.give_up(), Reach::NotSent);
        drop(stream);
        let mut came = Vec::new();
        far.read_to_end(&mut came).await.unwrap();
        assert_eq!(came, b"");
    }
}
