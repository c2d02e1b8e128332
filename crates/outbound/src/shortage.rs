//! Wants of this server's own: descriptors, ports, buffers, memory. They say nothing about a receiver, so that a request
//! waits until there is enough again, and they are counted, since somebody has to do something about them.

use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use rustix::io::Errno;
use tokio::time::Instant;

/// The first wait of a request for what is lacking; it doubles…
const FIRST_WAIT: Duration = Duration::from_millis(100);
/// …up to this.
const LONGEST_WAIT: Duration = Duration::from_secs(2);
/// The longest that a request waits in all.
pub const SHORTAGE_LIMIT: Duration = Duration::from_secs(20);
/// How often a shortage that goes on is logged.
const LOG_INTERVAL: Duration = Duration::from_secs(60);

/// What this server lacked, if that is what an error says.
pub(super) fn of(error: &io::Error) -> Option<&'static str> {
    match Errno::from_io_error(error)? {
        Errno::MFILE => Some("file descriptors (the limit of open files of its process)"),
        Errno::NFILE => Some("file descriptors (the limit of open files of its machine)"),
        Errno::NOBUFS => Some("network buffers"),
        Errno::NOMEM => Some("memory"),
        Errno::AGAIN => Some("room for another connection"),
        _ => None,
    }
}

/// The same for a connection to an address. That no address of our own can be had for it means that all ports are taken, unless
/// there never was one: then the address cannot be reached from here.
pub(super) fn of_connecting(error: &io::Error, address: SocketAddr) -> Option<&'static str> {
    match Errno::from_io_error(error)? {
        Errno::ADDRNOTAVAIL if can_be_reached(address) => Some("local ports for connections to this address"),
        _ => of(error),
    }
}

/// Whether the system has an address of its own from which this one is reached. No packet leaves.
fn can_be_reached(address: SocketAddr) -> bool {
    let own = match address {
        SocketAddr::V4(_) => "0.0.0.0:0",
        SocketAddr::V6(_) => "[::]:0",
    };
    let connected = UdpSocket::bind(own).and_then(|socket| socket.connect(address));
    connected.map_or_else(|error| of(&error).is_some(), |()| true)
}

/// Counts requests that had to wait for this server itself.
#[derive(Debug, Default)]
pub(super) struct Shortages {
    total: AtomicU64,
    waiting: AtomicU64,
    last: Mutex<Option<Last>>,
}

/// The shortage that was logged last.
#[derive(Debug)]
struct Last {
    logged_at: Instant,
    what: String,
}

/// How often this server lacked something to send.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ShortageCounts {
    /// Requests that had to wait since the start.
    pub total: u64,
    /// Those that wait now.
    pub waiting: u64,
    /// What was lacking last.
    pub what: Option<String>,
}

impl Shortages {
    /// How it stands.
    pub(super) fn counts(&self) -> ShortageCounts {
        let last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        ShortageCounts {
            total: self.total.load(Ordering::Relaxed),
            waiting: self.waiting.load(Ordering::Relaxed),
            what: last.as_ref().map(|last| last.what.clone()),
        }
    }

    /// A request begins to wait.
    pub(super) fn begin(&self, what: &str, limit: Duration) -> Waiting<'_> {
        let total = self.total.fetch_add(1, Ordering::Relaxed) + 1;
        let waiting = self.waiting.fetch_add(1, Ordering::Relaxed) + 1;
        let now = Instant::now();
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let is_news = last
            .as_ref()
            .is_none_or(|last| now.saturating_duration_since(last.logged_at) >= LOG_INTERVAL);
        if is_news {
            tracing::warn!(
                total,
                waiting,
                "this server lacks {what}: requests to receivers wait, and none of them counts as an attempt"
            );
            let what = what.to_owned();
            *last = Some(Last { logged_at: now, what });
        }
        Waiting {
            shortages: self,
            until: now + limit,
            next_wait: FIRST_WAIT,
        }
    }
}

/// A request that waits.
pub(super) struct Waiting<'a> {
    shortages: &'a Shortages,
    until: Instant,
    next_wait: Duration,
}

impl Waiting<'_> {
    /// Waits a little, ever longer; says whether it is worth another try.
    pub(super) async fn wait(&mut self) -> bool {
        if Instant::now() >= self.until {
            return false;
        }
        tokio::time::sleep(self.next_wait).await;
        self.next_wait = (self.next_wait * 2).min(LONGEST_WAIT);
        true
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.shortages.waiting.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(errno: Errno) -> io::Error {
        io::Error::from_raw_os_error(errno.raw_os_error())
    }

    #[test]
    fn what_this_server_lacks_is_told_from_what_receivers_do() {
        let ours = [Errno::MFILE, Errno::NFILE, Errno::NOBUFS, Errno::NOMEM];
        assert!(ours.iter().all(|errno| of(&error(*errno)).is_some()));
        let theirs = [
            Errno::CONNREFUSED,
            Errno::HOSTUNREACH,
            Errno::TIMEDOUT,
            Errno::CONNRESET,
        ];
        assert!(theirs.iter().all(|errno| of(&error(*errno)).is_none()));
    }

    #[test]
    fn a_port_is_lacking_only_where_an_address_of_our_own_is_not() {
        let not_available = error(Errno::ADDRNOTAVAIL);
        let here = SocketAddr::from(([127, 0, 0, 1], 9));
        assert!(of_connecting(&not_available, here).is_some());
        assert_eq!(of(&not_available), None);
    }

    #[tokio::test]
    async fn a_request_waits_for_a_while_and_not_for_ever() {
        let shortages = Shortages::default();
        let mut waiting = shortages.begin("descriptors", FIRST_WAIT * 2);
        assert_eq!((shortages.counts().total, shortages.counts().waiting), (1, 1));
        let mut tries = 0;
        while waiting.wait().await {
            tries += 1;
        }
        assert_eq!(tries, 2);
        drop(waiting);
        assert_eq!(shortages.counts().waiting, 0);
    }
}
