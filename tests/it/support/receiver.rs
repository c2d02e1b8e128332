//! A receiver on a loopback port that does exactly what its script says, well behaved or not. It speaks raw bytes, so
//! that it can break HTTP in every way.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;

/// A plain answer that keeps the connection alive.
pub const OK: Reply = Reply::Raw("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok");

/// What to do about one request.
#[derive(Debug, Clone, Copy)]
pub enum Reply {
    /// Write this and wait for the next request on the same connection.
    Raw(&'static str),
    /// Write this and close the connection.
    RawThenClose(&'static str),
    /// Write this, then one byte after the other with a pause between them, for ever.
    Drip(&'static str, Duration),
    /// Write a head, then a body of this many bytes, as fast as they are taken.
    Flood(usize),
    /// Close the connection without a word.
    Close,
    /// Never answer.
    Hang,
}

/// A running receiver. It stops with the runtime of its test.
pub struct Receiver {
    /// Where it listens.
    pub address: SocketAddr,
    connection_count: Arc<AtomicUsize>,
    requests: mpsc::UnboundedReceiver<String>,
    endings: mpsc::UnboundedReceiver<usize>,
}

/// What the connections of one receiver share.
#[derive(Clone)]
struct Script {
    replies: Arc<[Reply]>,
    request_count: Arc<AtomicUsize>,
    requests: mpsc::UnboundedSender<String>,
    endings: mpsc::UnboundedSender<usize>,
}

impl Receiver {
    /// Answers the first request with the first reply and so on; the last reply serves all further requests.
    pub async fn start(replies: &[Reply]) -> Self {
        Self::listen(replies, None).await
    }

    /// The same behind TLS.
    pub async fn start_tls(replies: &[Reply], config: ServerConfig) -> Self {
        Self::listen(replies, Some(TlsAcceptor::from(Arc::new(config)))).await
    }

    /// How many connections were opened so far.
    pub fn connection_count(&self) -> usize {
        self.connection_count.load(Ordering::SeqCst)
    }

    /// The next request that came, head and body, waiting for it if need be.
    pub async fn next_request(&mut self) -> String {
        self.requests.recv().await.unwrap()
    }

    /// Whether a request came that no test has looked at.
    pub fn has_further_requests(&mut self) -> bool {
        self.requests.try_recv().is_ok()
    }

    /// Waits until a connection has ended; how many bytes had been written on it.
    pub async fn bytes_written_at_end(&mut self) -> usize {
        self.endings.recv().await.unwrap()
    }

    async fn listen(replies: &[Reply], tls: Option<TlsAcceptor>) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let connection_count = Arc::new(AtomicUsize::new(0));
        let (request_sender, requests) = mpsc::unbounded_channel();
        let (ending_sender, endings) = mpsc::unbounded_channel();
        let script = Script {
            replies: replies.into(),
            request_count: Arc::new(AtomicUsize::new(0)),
            requests: request_sender,
            endings: ending_sender,
        };
        tokio::spawn(accept(listener, tls, script, Arc::clone(&connection_count)));
        Self {
            address,
            connection_count,
            requests,
            endings,
        }
    }
}

async fn accept(
    listener: TcpListener,
    tls: Option<TlsAcceptor>,
    script: Script,
    connection_count: Arc<AtomicUsize>,
) {
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        connection_count.fetch_add(1, Ordering::SeqCst);
        match &tls {
            None => drop(tokio::spawn(serve(stream, script.clone()))),
            Some(acceptor) => drop(tokio::spawn(serve_tls(stream, acceptor.clone(), script.clone()))),
        }
    }
}

async fn serve_tls(stream: TcpStream, acceptor: TlsAcceptor, script: Script) {
    // A failed handshake is the client's to tell; lingering lets it read the alert before the reset.
    match acceptor.accept(stream).into_fallible().await {
        Ok(stream) => serve(stream, script).await,
        Err((_, mut stream)) => drop(stream.read_to_end(&mut Vec::new()).await),
    }
}

async fn serve<S: AsyncRead + AsyncWrite + Unpin>(mut stream: S, script: Script) {
    let mut written = 0;
    while let Some(request) = read_request(&mut stream).await {
        script.requests.send(request).unwrap_or_default();
        let index = script.request_count.fetch_add(1, Ordering::SeqCst);
        let reply = script.replies[index.min(script.replies.len() - 1)];
        if !follow(reply, &mut stream, &mut written).await {
            break;
        }
    }
    script.endings.send(written).unwrap_or_default();
}

/// Whether another request may follow on the connection.
async fn follow<S: AsyncRead + AsyncWrite + Unpin>(
    reply: Reply,
    stream: &mut S,
    written: &mut usize,
) -> bool {
    match reply {
        Reply::Raw(text) => write(stream, text.as_bytes(), written).await,
        Reply::RawThenClose(text) => {
            write(stream, text.as_bytes(), written).await;
            stream.shutdown().await.unwrap_or_default();
            false
        }
        Reply::Drip(text, pause) => {
            let mut goes_on = write(stream, text.as_bytes(), written).await;
            while goes_on {
                tokio::time::sleep(pause).await;
                goes_on = write(stream, b"x", written).await;
            }
            false
        }
        Reply::Flood(bytes) => {
            let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {bytes}\r\n\r\n");
            let mut goes_on = write(stream, head.as_bytes(), written).await;
            while goes_on && *written < bytes {
                goes_on = write(stream, &[b'x'; 4096], written).await;
            }
            false
        }
        Reply::Close => false,
        Reply::Hang => {
            stream.read_to_end(&mut Vec::new()).await.unwrap_or_default();
            false
        }
    }
}

async fn write<S: AsyncWrite + Unpin>(stream: &mut S, bytes: &[u8], written: &mut usize) -> bool {
    let is_done = stream.write_all(bytes).await.is_ok() && stream.flush().await.is_ok();
    *written += bytes.len();
    is_done
}

/// One request, head and body; none once the client is gone.
async fn read_request<S: AsyncRead + Unpin>(stream: &mut S) -> Option<String> {
    let mut request = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&request).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n")
            && body.len() >= body_bytes(head)
        {
            return Some(text);
        }
        let byte_count = stream.read_buf(&mut request).await.unwrap_or(0);
        if byte_count == 0 {
            return None;
        }
    }
}

fn body_bytes(head: &str) -> usize {
    let mut headers = head.lines().filter_map(|line| line.split_once(": "));
    let length = headers.find(|(name, _)| name.eq_ignore_ascii_case("content-length"));
    length.map_or(0, |(_, length)| length.parse().unwrap())
}
