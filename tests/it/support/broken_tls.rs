//! TLS that breaks after the handshake, in every way in which it does, and a relay that breaks it before a platform.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::server::TlsStream;

use super::certificates::{Authority, ClientCertificates};

/// A record of application data that no key decrypts.
const CORRUPT_RECORD: [u8; 25] = {
    let mut record = [0; 25];
    (record[0], record[1], record[2], record[4]) = (0x17, 3, 3, 20);
    record
};
/// The most of a request or an answer that is passed on at once, in bytes.
const CHUNK_BYTES: usize = 64 * 1024;

/// How a connection ends without an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Breakage {
    /// A record that cannot be decrypted.
    CorruptRecord,
    /// A fatal alert: what came could not be decrypted.
    FatalAlert,
    /// TCP is reset.
    Reset,
    /// TCP ends, without the alert that says so.
    Close,
}

impl Breakage {
    pub const ALL: [Self; 4] = [Self::CorruptRecord, Self::FatalAlert, Self::Reset, Self::Close];
}

/// Ends a connection. The last word is read before the socket is gone.
pub async fn break_off(stream: TlsStream<TcpStream>, breakage: Breakage) {
    let (mut tcp, mut session) = stream.into_inner();
    let last_word = match breakage {
        Breakage::CorruptRecord => CORRUPT_RECORD.to_vec(),
        Breakage::FatalAlert => {
            // The library sends no alert of its own accord: it has to read what it cannot decrypt.
            session.read_tls(&mut CORRUPT_RECORD.as_slice()).unwrap();
            session.process_new_packets().unwrap_err();
            let mut alert = Vec::new();
            session.write_tls(&mut alert).unwrap();
            alert
        }
        Breakage::Reset => return tcp.set_zero_linger().unwrap(),
        Breakage::Close => return,
    };
    tcp.write_all(&last_word).await.unwrap();
    tcp.read_to_end(&mut Vec::new()).await.unwrap_or_default();
}

/// Ends TLS before a platform. It stops with the runtime of its test.
pub struct TlsRelay {
    /// Its address, without a slash at the end.
    pub address: String,
    /// The certificate of its authority.
    pub ca_pem: String,
    next: Arc<Next>,
}

/// What is to be broken next.
#[derive(Default)]
struct Next {
    handshake: AtomicBool,
    answer: Mutex<Option<Breakage>>,
}

impl Next {
    fn answer(&self) -> MutexGuard<'_, Option<Breakage>> {
        self.answer.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl TlsRelay {
    /// Passes on what comes to what listens there.
    pub async fn start(target: SocketAddr) -> Self {
        let authority = Authority::new();
        let config = authority.server_config("127.0.0.1", ClientCertificates::Ignored);
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let next = Arc::new(Next::default());
        tokio::spawn(accept(listener, config, target, Arc::clone(&next)));
        Self {
            address: format!("https://127.0.0.1:{port}"),
            ca_pem: authority.pem,
            next,
        }
    }

    /// The next POST is passed on, and its answer lost.
    pub fn break_next(&self, breakage: Breakage) {
        *self.next.answer() = Some(breakage);
    }

    /// The handshake of the next connection fails.
    pub fn break_next_handshake(&self) {
        self.next.handshake.store(true, Ordering::SeqCst);
    }

    /// Whether that has happened.
    pub fn has_broken(&self) -> bool {
        self.next.answer().is_none() && !self.next.handshake.load(Ordering::SeqCst)
    }
}

async fn accept(listener: TcpListener, config: ServerConfig, target: SocketAddr, next: Arc<Next>) {
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        let mut config = config.clone();
        if next.handshake.swap(false, Ordering::SeqCst) {
            config.alpn_protocols = vec![b"h2".to_vec()];
        }
        let (acceptor, next) = (TlsAcceptor::from(Arc::new(config)), Arc::clone(&next));
        tokio::spawn(async move {
            // Lingering lets the client read the alert before the reset.
            match acceptor.accept(stream).into_fallible().await {
                Ok(stream) => relay(stream, TcpStream::connect(target).await.unwrap(), &next).await,
                Err((_, mut stream)) => drop(stream.read_to_end(&mut Vec::new()).await),
            }
        });
    }
}

async fn relay(mut near: TlsStream<TcpStream>, mut far: TcpStream, next: &Next) {
    let (mut request, mut answer) = (vec![0; CHUNK_BYTES], vec![0; CHUNK_BYTES]);
    let mut breakage = None;
    loop {
        tokio::select! {
            length = near.read(&mut request) => {
                let Ok(length @ 1..) = length else { return };
                if request.starts_with(b"POST ") {
                    breakage = next.answer().take();
                }
                far.write_all(&request[..length]).await.unwrap();
            }
            length = far.read(&mut answer) => {
                let Ok(length @ 1..) = length else { return };
                if let Some(breakage) = breakage {
                    return break_off(near, breakage).await;
                }
                if near.write_all(&answer[..length]).await.and(near.flush().await).is_err() {
                    return;
                }
            }
        }
    }
}
