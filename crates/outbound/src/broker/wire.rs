//! A connection to a broker: writes and bounded reads, each within the deadline of its message.

use std::io;

use bytes::{Buf, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::{Instant, timeout_at};

use super::super::connector::failure;
use super::super::tls;
use super::super::tls_words::{self, ClientCertificate, Stage};
use model::exchange::{FailureCode, SendFailure};

/// The most that a broker may say at once, in bytes: a list of all servers of a large cluster is far below it.
pub(super) const MAX_REPLY_BYTES: usize = 1024 * 1024;

/// Bytes both ways.
pub(super) trait Duplex: AsyncRead + AsyncWrite + Unpin + Send {}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Duplex for S {}

/// One connection.
pub(super) struct Wire {
    stream: Box<dyn Duplex>,
    unread: BytesMut,
    /// Whether the broker asked for a client certificate.
    certificate: ClientCertificate,
    deadline: Instant,
}

impl Wire {
    pub(super) fn new(
        stream: impl Duplex + 'static,
        certificate: ClientCertificate,
        deadline: Instant,
    ) -> Self {
        Self {
            stream: Box::new(stream),
            unread: BytesMut::new(),
            certificate,
            deadline,
        }
    }

    pub(super) fn deadline(&self) -> Instant {
        self.deadline
    }

    /// From now on it serves a message with this deadline.
    pub(super) fn serve_until(&mut self, deadline: Instant) {
        self.deadline = deadline;
    }

    /// The bare connection. What came unasked is a stranger's, who would have it taken for what comes encrypted.
    pub(super) fn into_stream(self) -> Result<Box<dyn Duplex>, SendFailure> {
        match self.unread.is_empty() {
            true => Ok(self.stream),
            false => Err(failure(
                FailureCode::TlsFailed,
                "the broker said more than it should before the encryption began",
            )),
        }
    }

    pub(super) async fn write(&mut self, bytes: &[u8]) -> Result<(), SendFailure> {
        let writing = async {
            self.stream.write_all(bytes).await?;
            self.stream.flush().await
        };
        // A server that is always ready would never let the timer have its turn.
        if Instant::now() >= self.deadline {
            return Err(late());
        }
        match timeout_at(self.deadline, writing).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(self.broken(&error)),
            Err(_) => Err(late()),
        }
    }

    /// The next bytes, so many.
    pub(super) async fn take(&mut self, count: usize) -> Result<BytesMut, SendFailure> {
        if count > MAX_REPLY_BYTES {
            return Err(invalid("the broker says more at once than any should"));
        }
        while self.unread.len() < count {
            self.read_more().await?;
        }
        Ok(self.unread.split_to(count))
    }

    /// The next line, without its end.
    pub(super) async fn line(&mut self) -> Result<String, SendFailure> {
        let mut searched = 0;
        loop {
            let rest = self.unread.get(searched..).unwrap_or_default();
            if let Some(position) = rest.iter().position(|byte| *byte == b'\n') {
                let line = self.unread.split_to(searched + position);
                self.unread.advance(1);
                let line = String::from_utf8_lossy(&line);
                return Ok(line.trim_end_matches('\r').to_owned());
            }
            searched = self.unread.len();
            if searched > MAX_REPLY_BYTES {
                return Err(invalid("the broker says more at once than any should"));
            }
            self.read_more().await?;
        }
    }

    async fn read_more(&mut self) -> Result<(), SendFailure> {
        if Instant::now() >= self.deadline {
            return Err(late());
        }
        let reading = self.stream.read_buf(&mut self.unread);
        match timeout_at(self.deadline, reading).await {
            Ok(Ok(0)) if self.certificate == ClientCertificate::Missing => Err(failure(
                FailureCode::ClientCertificateRefused,
                tls_words::refused(self.certificate, None),
            )),
            Ok(Ok(0)) => Err(closed("the broker closed the connection")),
            Ok(Ok(_)) => {
                // Who says something after the handshake took us as we are.
                self.certificate = ClientCertificate::NotAsked;
                Ok(())
            }
            Ok(Err(error)) => Err(self.broken(&error)),
            Err(_) => Err(late()),
        }
    }

    fn broken(&self, error: &io::Error) -> SendFailure {
        match tls::tls_error(error) {
            Some(error) => tls_words::explain(error, Stage::Established, self.certificate),
            None => closed("the broker broke the connection off"),
        }
    }
}

fn late() -> SendFailure {
    failure(
        FailureCode::ResponseTimeout,
        "the broker did not say in time that it has the message",
    )
}

/// Nothing is known of the message, but that the connection ended.
pub(super) fn closed(detail: impl Into<String>) -> SendFailure {
    failure(FailureCode::ConnectionClosed, detail)
}

/// What answers does not speak the protocol.
pub(super) fn invalid(detail: impl Into<String>) -> SendFailure {
    failure(FailureCode::ResponseInvalid, detail)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test]
    async fn lines_and_blocks_are_read_wherever_they_are_cut() {
        let (near, mut far) = tokio::io::duplex(64);
        let deadline = Instant::now() + Duration::from_secs(5);
        let mut wire = Wire::new(near, ClientCertificate::NotAsked, deadline);
        let saying = tokio::spawn(async move {
            for part in ["PI", "NG\r", "\nab", "cd+OK\r\n"] {
                far.write_all(part.as_bytes()).await.unwrap();
                tokio::task::yield_now().await;
            }
        });
        assert_eq!(wire.line().await.unwrap(), "PING");
        assert_eq!(&wire.take(4).await.unwrap()[..], b"abcd");
        assert_eq!(wire.line().await.unwrap(), "+OK");
        saying.await.unwrap();
        assert_eq!(wire.line().await.unwrap_err().code, FailureCode::ConnectionClosed);
        assert_eq!(
            wire.take(MAX_REPLY_BYTES + 1).await.unwrap_err().code,
            FailureCode::ResponseInvalid
        );
    }
}
