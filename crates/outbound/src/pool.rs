//! Connections kept alive between requests. They were checked when they were dialled, and are found again only under
//! the same origin (scheme, host name, port) and the same TLS settings, so that no name rides on another's connection.
//!
//! The lock is held for a few instructions at a time, never across a wait.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::client::conn::http1::SendRequest;
use tokio::task::AbortHandle;
use tokio::time::Instant;

use super::answer_stream::AnswerSigns;
use super::tls_words::ClientCertificate;
use super::write_tracker::WriteTracker;
use model::exchange::TlsProfile;

/// Idle connections kept for one origin.
const IDLE_LIMIT_PER_ORIGIN: usize = 64;
/// How long a connection may wait for its next request. Most servers close after 60 s or more.
const IDLE_TIME_LIMIT: Duration = Duration::from_secs(30);
/// How old a connection may grow, so that a receiver's new address is found although requests never pause.
const AGE_LIMIT: Duration = Duration::from_secs(5 * 60);
/// How often expired connections are closed.
const SWEEP_INTERVAL: Duration = Duration::from_secs(5);

/// An HTTP/1.1 connection. Dropping it closes the socket at once, whatever the receiver does.
pub(super) struct Connection {
    /// Takes one request at a time.
    pub(super) sender: SendRequest<Full<Bytes>>,
    /// The address that was dialled.
    pub(super) remote_address: SocketAddr,
    /// When it was opened.
    pub(super) opened_at: Instant,
    /// The task that reads and writes the socket.
    pub(super) driver: AbortHandle,
    /// What its stream tells of the answers.
    pub(super) signs: Arc<AnswerSigns>,
    /// What its socket tells of the present request.
    pub(super) writes: Arc<WriteTracker>,
    /// Whether the receiver asked for a client certificate.
    pub(super) client_certificate: ClientCertificate,
}

impl Drop for Connection {
    fn drop(&mut self) {
        // Left alone, the task would first try to write what is buffered, to a receiver that may never read it.
        self.driver.abort();
    }
}

/// A connection as the pool sees it.
pub(super) trait Kept: Send + 'static {
    fn opened_at(&self) -> Instant;

    /// Whether the other side has closed it, as far as that is known.
    fn is_closed(&self) -> bool;

    /// Whether the next request may be sent on it at once.
    fn is_ready(&self) -> bool;
}

impl Kept for Connection {
    fn opened_at(&self) -> Instant {
        self.opened_at
    }

    fn is_closed(&self) -> bool {
        self.sender.is_closed()
    }

    fn is_ready(&self) -> bool {
        self.sender.is_ready()
    }
}

/// The idle connections of one sort.
pub(super) struct Pool<C>(Mutex<Shelf<C>>);

struct Shelf<C> {
    /// Idle connections kept in all: each is a file descriptor.
    idle_limit: usize,
    by_origin: HashMap<Box<str>, Vec<Idle<C>>>,
    idle_count: usize,
    sweeper_is_running: bool,
}

struct Idle<C> {
    connection: C,
    tls: Option<Arc<TlsProfile>>,
    idle_since: Instant,
}

impl<C: Kept> Pool<C> {
    /// Nothing yet, and never more than so many.
    pub(super) fn new(idle_limit: usize) -> Self {
        Self(Mutex::new(Shelf {
            idle_limit,
            by_origin: HashMap::new(),
            idle_count: 0,
            sweeper_is_running: false,
        }))
    }

    /// The connection used last that fits and is still alive.
    pub(super) fn take(&self, origin: &str, tls: Option<&Arc<TlsProfile>>, now: Instant) -> Option<C> {
        let mut shelf = self.lock();
        let idle = shelf.by_origin.get_mut(origin)?;
        let fits =
            |idle: &Idle<C>| idle.tls.as_ref() == tls && idle.is_fresh(now) && idle.connection.is_ready();
        let position = idle.iter().rposition(fits)?;
        let found = idle.remove(position);
        shelf.idle_count -= 1;
        Some(found.connection)
    }

    /// Keeps a connection whose last response has been read to its end, if there is room.
    pub(super) fn put(
        self: &Arc<Self>,
        origin: &str,
        tls: Option<Arc<TlsProfile>>,
        connection: C,
        now: Instant,
    ) {
        let idle = Idle {
            connection,
            tls,
            idle_since: now,
        };
        if !idle.is_fresh(now) {
            return;
        }
        let mut shelf = self.lock();
        if shelf.add(origin, idle) && !shelf.sweeper_is_running {
            shelf.sweeper_is_running = true;
            tokio::spawn(sweep(Arc::downgrade(self)));
        }
    }

    fn lock(&self) -> MutexGuard<'_, Shelf<C>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<C: Kept> Shelf<C> {
    /// Whether there was room.
    fn add(&mut self, origin: &str, idle: Idle<C>) -> bool {
        if self.idle_count >= self.idle_limit {
            return false;
        }
        match self.by_origin.get_mut(origin) {
            Some(others) if others.len() >= IDLE_LIMIT_PER_ORIGIN => return false,
            Some(others) => others.push(idle),
            None => {
                self.by_origin.insert(origin.into(), vec![idle]);
            }
        }
        self.idle_count += 1;
        true
    }

    fn remove_expired(&mut self, now: Instant) {
        self.by_origin.retain(|_, idle| {
            idle.retain(|idle| idle.is_fresh(now));
            !idle.is_empty()
        });
        self.idle_count = self.by_origin.values().map(Vec::len).sum();
    }
}

impl<C: Kept> Idle<C> {
    fn is_fresh(&self, now: Instant) -> bool {
        let idle_time = now.saturating_duration_since(self.idle_since);
        let age = now.saturating_duration_since(self.connection.opened_at());
        idle_time < IDLE_TIME_LIMIT && age < AGE_LIMIT && !self.connection.is_closed()
    }
}

/// Closes expired connections until none is left or the pool is gone.
async fn sweep<C: Kept>(pool: Weak<Pool<C>>) {
    loop {
        tokio::time::sleep(SWEEP_INTERVAL).await;
        let Some(pool) = pool.upgrade() else { return };
        let mut shelf = pool.lock();
        shelf.remove_expired(Instant::now());
        if shelf.idle_count == 0 {
            shelf.sweeper_is_running = false;
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hyper::client::conn::http1;
    use hyper_util::rt::TokioIo;
    use tokio::io::DuplexStream;

    const IDLE_LIMIT: usize = 512;
    const ORIGIN: &str = "http://receiver.example";

    /// A ready connection, and the receiver's end of it.
    async fn connection(opened_at: Instant) -> (Connection, DuplexStream) {
        let (near, far) = tokio::io::duplex(1024);
        let (mut sender, driver) = http1::handshake(TokioIo::new(near)).await.unwrap();
        let driver = tokio::spawn(async move { driver.await.unwrap_or_default() }).abort_handle();
        sender.ready().await.unwrap();
        let remote_address = ([192, 0, 2, 1], 80).into();
        (
            Connection {
                sender,
                remote_address,
                opened_at,
                driver,
                signs: Arc::default(),
                writes: Arc::default(),
                client_certificate: ClientCertificate::NotAsked,
            },
            far,
        )
    }

    fn profile() -> Arc<TlsProfile> {
        Arc::new(TlsProfile {
            ca_pem: Some("authority".to_owned()),
            identity_pem: None,
        })
    }

    #[tokio::test]
    async fn a_connection_is_handed_out_once_and_only_to_its_own_origin() {
        let (pool, now) = (Arc::new(Pool::new(IDLE_LIMIT)), Instant::now());
        let (one, _far) = connection(now).await;
        pool.put(ORIGIN, None, one, now);
        assert!(pool.take("http://other.example", None, now).is_none());
        assert!(pool.take(ORIGIN, None, now).is_some());
        assert!(pool.take(ORIGIN, None, now).is_none());
    }

    #[tokio::test]
    async fn a_connection_is_found_under_equal_tls_settings_only() {
        let (pool, now) = (Arc::new(Pool::new(IDLE_LIMIT)), Instant::now());
        let (one, _far) = connection(now).await;
        pool.put(ORIGIN, Some(profile()), one, now);
        assert!(pool.take(ORIGIN, None, now).is_none());
        assert!(pool.take(ORIGIN, Some(&profile()), now).is_some());
    }

    #[tokio::test]
    async fn idle_and_old_connections_expire() {
        let (pool, now) = (Arc::new(Pool::new(IDLE_LIMIT)), Instant::now());
        let (idle, _idle_far) = connection(now).await;
        pool.put(ORIGIN, None, idle, now);
        assert!(pool.take(ORIGIN, None, now + IDLE_TIME_LIMIT).is_none());
        let (old, _old_far) = connection(now).await;
        pool.put("http://old.example", None, old, now + AGE_LIMIT);
        assert!(pool.take("http://old.example", None, now + AGE_LIMIT).is_none());
    }

    #[tokio::test]
    async fn expired_connections_are_removed_and_their_sockets_closed() {
        let (pool, now) = (Arc::new(Pool::new(IDLE_LIMIT)), Instant::now());
        let (idle, mut far) = connection(now).await;
        pool.put(ORIGIN, None, idle, now);
        pool.lock().remove_expired(now + IDLE_TIME_LIMIT);
        assert_eq!(pool.lock().idle_count, 0);
        let end = tokio::io::AsyncReadExt::read(&mut far, &mut [0; 8]).await;
        assert_eq!(end.unwrap(), 0);
    }

    #[tokio::test]
    async fn there_is_a_limit_per_origin() {
        let (pool, now) = (Arc::new(Pool::new(IDLE_LIMIT)), Instant::now());
        let one_too_many = (0..=IDLE_LIMIT_PER_ORIGIN).map(|_| connection(now));
        let connections = futures_util::future::join_all(one_too_many).await;
        let (near_ends, _far_ends): (Vec<_>, Vec<_>) = connections.into_iter().unzip();
        near_ends
            .into_iter()
            .for_each(|one| pool.put(ORIGIN, None, one, now));
        assert_eq!(pool.lock().idle_count, IDLE_LIMIT_PER_ORIGIN);
    }
}
