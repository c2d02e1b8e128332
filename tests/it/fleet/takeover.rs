//! What stands between a node and two servers, as a failover sees it: the moment it happens, a COMMIT is on its way.

use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Mutex, watch};

/// How long the COMMIT is on its way, so that the first server gets it.
const ON_ITS_WAY: Duration = Duration::from_millis(100);

/// Forwards to the first server until a transaction that holds a text commits there; its answer is lost, all connections
/// end, and from then on the second server answers.
pub struct Takeover {
    pub port: u16,
    target: Arc<AtomicU16>,
    to: u16,
}

impl Takeover {
    pub async fn at_commit_of(text: &'static str, from: u16, to: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let takeover = Self {
            port: listener.local_addr().unwrap().port(),
            target: Arc::new(AtomicU16::new(from)),
            to,
        };
        let target = Arc::clone(&takeover.target);
        let ended = watch::Sender::new(false);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let (target, ended) = (Arc::clone(&target), ended.clone());
                tokio::spawn(async move {
                    let is_first = target.load(Ordering::SeqCst) == from;
                    let mut end = ended.subscribe();
                    let found = async {
                        let port = target.load(Ordering::SeqCst);
                        let take_over = || {
                            target.store(to, Ordering::SeqCst);
                            ended.send_replace(true);
                        };
                        forward(client, port, text, take_over).await;
                    };
                    let over = async {
                        let waits = is_first && end.wait_for(|is_over| *is_over).await.is_ok();
                        if !waits {
                            std::future::pending::<()>().await;
                        }
                    };
                    tokio::select! { () = found => {} () = over => {} }
                });
            }
        });
        takeover
    }

    pub fn has_happened(&self) -> bool {
        self.target.load(Ordering::SeqCst) == self.to
    }
}

/// If a COMMIT after the text comes by, the server gets it, and nobody its answer; then the other one takes over.
async fn forward(client: TcpStream, port: u16, text: &str, take_over: impl FnOnce()) {
    let (mut from_client, to_client) = client.into_split();
    let to_client = Arc::new(Mutex::new(to_client));
    let server = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    let (mut from_server, mut to_server) = server.into_split();
    let reader = Arc::clone(&to_client);
    let answers =
        tokio::spawn(async move { tokio::io::copy(&mut from_server, &mut *reader.lock().await).await });
    let mut bytes = vec![0; 1 << 16];
    let mut holds_text = false;
    while let Ok(count @ 1..) = from_client.read(&mut bytes).await {
        let finds = |wanted: &[u8]| bytes[..count].windows(wanted.len()).any(|found| found == wanted);
        holds_text |= finds(text.as_bytes());
        let is_it = holds_text && finds(b"COMMIT\0");
        if is_it {
            answers.abort();
            while !answers.is_finished() {
                tokio::task::yield_now().await;
            }
        }
        if to_server.write_all(&bytes[..count]).await.is_err() {
            break;
        }
        if is_it {
            tokio::time::sleep(ON_ITS_WAY).await;
            take_over();
            break;
        }
    }
    answers.abort();
}
