//! A connection whose answers are cleaned before the HTTP library reads them. Bodies pass untouched.

use std::io;
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};

use http::{HeaderName, HeaderValue};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::head::{self, HEAD_CAP_BYTES, HeadError};

/// How much is read at once while a head is awaited, in bytes.
const CHUNK_BYTES: usize = 4096;

/// What a stream tells of its answers, and what it is told.
#[derive(Debug, Default)]
pub(super) struct AnswerSigns {
    /// A request is about to be written, so that what comes next is a head.
    expects_head: AtomicBool,
    /// What came was HTTP/2.
    is_http2: AtomicBool,
    /// The last answer left a doubt where it ends.
    must_close: AtomicBool,
    surplus: Mutex<Vec<(HeaderName, HeaderValue)>>,
}

impl AnswerSigns {
    /// To be called before each request.
    pub(super) fn expect_head(&self) {
        self.expects_head.store(true, Ordering::Release);
    }

    /// Whether the receiver spoke HTTP/2.
    pub(super) fn is_http2(&self) -> bool {
        self.is_http2.load(Ordering::Acquire)
    }

    /// Whether the connection may not carry another request.
    pub(super) fn must_close(&self) -> bool {
        self.must_close.load(Ordering::Acquire)
    }

    /// Headers of the last answer that the library did not get.
    pub(super) fn take_surplus(&self) -> Vec<(HeaderName, HeaderValue)> {
        std::mem::take(&mut self.surplus.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// See the module.
pub(super) struct AnswerStream<S> {
    stream: S,
    signs: Arc<AnswerSigns>,
    is_in_head: bool,
    /// What came of a head that has not ended.
    raw: Vec<u8>,
    /// Where its last line feed stands: its end is looked for from there on.
    last_line_feed: usize,
    /// What may be read.
    clean: Vec<u8>,
    /// How much of it has been.
    read_bytes: usize,
}

impl<S> AnswerStream<S> {
    /// A connection that was just opened.
    pub(super) fn new(stream: S, signs: Arc<AnswerSigns>) -> Self {
        Self {
            stream,
            signs,
            is_in_head: true,
            raw: Vec::new(),
            last_line_feed: 0,
            clean: Vec::new(),
            read_bytes: 0,
        }
    }

    /// Takes what came, while a head is awaited.
    fn take_in(&mut self, bytes: &[u8]) -> Result<(), HeadError> {
        let mut from = self.last_line_feed;
        if let Some(position) = bytes.iter().rposition(|byte| *byte == b'\n') {
            self.last_line_feed = self.raw.len() + position;
        }
        self.raw.extend_from_slice(bytes);
        while self.is_in_head {
            let blank = self
                .raw
                .iter()
                .take_while(|byte| matches!(byte, b'\r' | b'\n'))
                .count();
            let start = &self.raw[blank..];
            if !head::begins_like_http(start) {
                if head::begins_like_http2(start) {
                    self.signs.is_http2.store(true, Ordering::Release);
                }
                self.let_through();
                break;
            }
            let Some(end) = head::find_end(&self.raw, from.max(blank)) else {
                return match self.raw.len() > HEAD_CAP_BYTES {
                    true => Err(HeadError::TooLarge),
                    false => Ok(()),
                };
            };
            let head = head::clean(&self.raw[blank..end])?;
            self.raw.drain(..end);
            from = 0;
            self.last_line_feed = self.last_line_feed.saturating_sub(end);
            self.clean.extend_from_slice(&head.bytes);
            self.is_in_head = head.is_informational;
            if !head.is_informational {
                self.signs.must_close.store(!head.may_be_kept, Ordering::Release);
                if !head.surplus.is_empty() {
                    *self.signs.surplus.lock().unwrap_or_else(PoisonError::into_inner) = head.surplus;
                }
                self.let_through();
            }
        }
        Ok(())
    }

    /// What came and is no head is read as it is, and so is all that follows.
    fn let_through(&mut self) {
        self.clean.append(&mut self.raw);
        self.is_in_head = false;
    }

    /// Hands out what is clean; says whether there was any.
    fn hand_out(&mut self, buffer: &mut ReadBuf<'_>) -> bool {
        let rest = &self.clean[self.read_bytes..];
        if rest.is_empty() {
            return false;
        }
        let length = rest.len().min(buffer.remaining());
        buffer.put_slice(&rest[..length]);
        self.read_bytes += length;
        if self.read_bytes == self.clean.len() {
            self.clean.clear();
            self.read_bytes = 0;
        }
        true
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for AnswerStream<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        loop {
            if this.hand_out(buffer) {
                return Poll::Ready(Ok(()));
            }
            if this.signs.expects_head.swap(false, Ordering::AcqRel) {
                this.is_in_head = true;
            }
            if !this.is_in_head {
                return Pin::new(&mut this.stream).poll_read(context, buffer);
            }
            let mut chunk = [MaybeUninit::uninit(); CHUNK_BYTES];
            let mut chunk = ReadBuf::uninit(&mut chunk);
            ready!(Pin::new(&mut this.stream).poll_read(context, &mut chunk))?;
            if chunk.filled().is_empty() {
                this.let_through();
                if this.clean.is_empty() {
                    return Poll::Ready(Ok(()));
                }
            } else {
                let taken = this.take_in(chunk.filled());
                taken.map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
            }
        }
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for AnswerStream<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, slices)
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
