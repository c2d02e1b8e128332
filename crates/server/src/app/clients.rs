//! Who is connected, and who has to leave when there is no room: a bound on the connections of all clients and of each.
//! One that is silent makes room for one that may have something to say.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;
use tokio::time::Instant;

use model::capacity::Capacity;
use model::client_address::TrustedProxies;
use telemetry::{Metrics, StateLabel};

/// Stands in a client's clock for one whose request is being answered.
const BUSY: u64 = u64::MAX;
/// The bits of an IPv6 address that count: what follows them, whoever holds the network chooses freely.
const IPV6_NETWORK_BITS: u32 = 64;

/// Everybody who is connected.
pub struct Clients {
    bounds: Bounds,
    proxies: TrustedProxies,
    metrics: Arc<Metrics>,
    began_at: Instant,
    table: Mutex<Table>,
}

/// How many may be connected at once.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    /// In all.
    pub total: usize,
    /// From one address. Not for this machine and for trusted proxies, which may speak for everybody.
    pub per_client: usize,
}

impl Bounds {
    /// What a server has room for.
    pub fn new(capacity: &Capacity) -> Self {
        Self {
            total: capacity.client_connections,
            per_client: capacity.connections_per_client,
        }
    }
}

/// Why there was no room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoRoom {
    /// This client has as many connections as one may have, and all are in use.
    Client,
    /// All connections of the server are in use.
    Server,
}

/// Why somebody was refused, or had to leave for somebody else, as a label.
const CLIENT_LIMIT: &str = "client_limit";
const SERVER_LIMIT: &str = "server_limit";

/// A connection that was let in. Its place is free when this is dropped.
pub struct Admitted {
    clients: Arc<Clients>,
    number: u64,
    connection: Arc<ClientConnection>,
}

/// What is known of one connection.
pub struct ClientConnection {
    network: IpAddr,
    /// Since when it is silent, in milliseconds after the server began, or [`BUSY`].
    silent_since_ms: AtomicU64,
    leave: Notify,
}

/// A request that is being answered: until this is dropped, its connection is not asked to leave.
pub struct Busy {
    clients: Arc<Clients>,
    connection: Arc<ClientConnection>,
}

#[derive(Default)]
struct Table {
    last_number: u64,
    connections: HashMap<u64, Arc<ClientConnection>>,
    by_network: HashMap<IpAddr, usize>,
}

impl Clients {
    /// Nobody yet.
    pub fn new(bounds: Bounds, proxies: TrustedProxies, metrics: Arc<Metrics>) -> Arc<Self> {
        // Whoever watches a counter must see it before it grows.
        for state in [CLIENT_LIMIT, SERVER_LIMIT] {
            let _ = metrics.clients_refused.get_or_create(&StateLabel { state });
        }
        Arc::new(Self {
            bounds,
            proxies,
            metrics,
            began_at: Instant::now(),
            table: Mutex::default(),
        })
    }

    /// Lets a connection in. If there is no room, whoever was silent longest has to leave for it: one of the same client
    /// if that has its share, else anybody.
    pub fn admit(self: &Arc<Self>, address: IpAddr) -> Result<Admitted, NoRoom> {
        let network = network_of(address);
        let mut table = self.table();
        let of_client = table.by_network.get(&network).copied().unwrap_or_default();
        let may_have_all = network.is_loopback() || self.proxies.trusts(address);
        let has_its_share = !may_have_all && of_client >= self.bounds.per_client;
        let result = if has_its_share {
            table.dismiss_one(Some(network)).ok_or(NoRoom::Client)
        } else if table.connections.len() >= self.bounds.total {
            table.dismiss_one(None).ok_or(NoRoom::Server)
        } else {
            Ok(())
        };
        let outcome = match result {
            Ok(()) => None,
            Err(NoRoom::Client) => Some(CLIENT_LIMIT),
            Err(NoRoom::Server) => Some(SERVER_LIMIT),
        };
        if let Some(state) = outcome {
            self.metrics
                .clients_refused
                .get_or_create(&StateLabel { state })
                .inc();
        }
        result?;
        let connection = Arc::new(ClientConnection {
            network,
            silent_since_ms: AtomicU64::new(self.now_ms()),
            leave: Notify::new(),
        });
        let number = table.add(Arc::clone(&connection));
        self.count(&table);
        drop(table);
        Ok(Admitted {
            clients: Arc::clone(self),
            number,
            connection,
        })
    }

    /// Lets whoever was silent longest go, because descriptors have run out all the same.
    pub fn make_room(&self) {
        self.table().dismiss_one(None);
    }

    fn count(&self, table: &Table) {
        let count = i64::try_from(table.connections.len()).unwrap_or(i64::MAX);
        self.metrics.client_connections.set(count);
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn now_ms(&self) -> u64 {
        u64::try_from(self.began_at.elapsed().as_millis()).unwrap_or(BUSY - 1)
    }
}

impl Admitted {
    /// Waits until the connection has to make room.
    pub async fn must_leave(&self) {
        self.connection.leave.notified().await;
    }

    /// Whether a request came in the very moment in which it was asked to leave.
    pub fn is_busy(&self) -> bool {
        self.connection.silent_since_ms.load(Ordering::Relaxed) == BUSY
    }

    /// For marking its requests.
    pub fn connection(&self) -> Arc<ClientConnection> {
        Arc::clone(&self.connection)
    }
}

impl Drop for Admitted {
    fn drop(&mut self) {
        let mut table = self.clients.table();
        table.remove(self.number);
        self.clients.count(&table);
    }
}

impl Busy {
    /// A request of this connection is being answered.
    pub fn new(clients: &Arc<Clients>, connection: &Arc<ClientConnection>) -> Self {
        connection.silent_since_ms.store(BUSY, Ordering::Relaxed);
        Self {
            clients: Arc::clone(clients),
            connection: Arc::clone(connection),
        }
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        let now_ms = self.clients.now_ms();
        self.connection.silent_since_ms.store(now_ms, Ordering::Relaxed);
    }
}

impl Table {
    fn add(&mut self, connection: Arc<ClientConnection>) -> u64 {
        self.last_number += 1;
        *self.by_network.entry(connection.network).or_default() += 1;
        self.connections.insert(self.last_number, connection);
        self.last_number
    }

    fn remove(&mut self, number: u64) -> Option<Arc<ClientConnection>> {
        let connection = self.connections.remove(&number)?;
        if let Some(count) = self.by_network.get_mut(&connection.network) {
            *count -= 1;
            if *count == 0 {
                self.by_network.remove(&connection.network);
            }
        }
        Some(connection)
    }

    /// Asks the one that was silent longest to leave; its place is free at once. Nothing if all are busy.
    fn dismiss_one(&mut self, network: Option<IpAddr>) -> Option<()> {
        let silent = self.connections.iter().filter_map(|(number, connection)| {
            let since_ms = connection.silent_since_ms.load(Ordering::Relaxed);
            let is_meant = network.is_none_or(|network| network == connection.network);
            (is_meant && since_ms != BUSY).then_some((since_ms, *number))
        });
        let (_, number) = silent.min()?;
        self.remove(number)?.leave.notify_one();
        Some(())
    }
}

/// Whom an address stands for.
fn network_of(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => address.into(),
        IpAddr::V6(address) => {
            let mask = u128::MAX << (u128::BITS - IPV6_NETWORK_BITS);
            let network = std::net::Ipv6Addr::from_bits(address.to_bits() & mask);
            // The machine itself keeps its address.
            if address.is_loopback() {
                address.into()
            } else {
                network.into()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt;

    fn clients() -> Arc<Clients> {
        let bounds = Bounds {
            total: 4,
            per_client: 2,
        };
        Clients::new(bounds, TrustedProxies::default(), Arc::new(Metrics::new()))
    }

    fn admit(clients: &Arc<Clients>, address: &str) -> Result<Admitted, NoRoom> {
        clients.admit(address.parse().unwrap())
    }

    fn has_to_leave(admitted: &Admitted) -> bool {
        admitted.must_leave().now_or_never().is_some()
    }

    #[tokio::test]
    async fn a_client_that_has_its_share_loses_its_longest_silent_connection() {
        let clients = clients();
        let first = admit(&clients, "192.0.2.1").unwrap();
        let second = admit(&clients, "192.0.2.1").unwrap();
        let other = admit(&clients, "192.0.2.2").unwrap();
        let third = admit(&clients, "192.0.2.1").unwrap();
        let leaving = [&first, &second, &other, &third].map(has_to_leave);
        assert_eq!(leaving, [true, false, false, false]);
    }

    #[tokio::test]
    async fn requests_under_way_are_not_cut_off_for_others() {
        let clients = clients();
        let admitted = ["192.0.2.1", "192.0.2.1", "192.0.2.2", "192.0.2.3"];
        let admitted = admitted.map(|address| admit(&clients, address).unwrap());
        let busy: Vec<_> = admitted
            .iter()
            .map(|admitted| Busy::new(&clients, &admitted.connection()))
            .collect();
        assert_eq!(admit(&clients, "192.0.2.1").err(), Some(NoRoom::Client));
        assert_eq!(admit(&clients, "192.0.2.4").err(), Some(NoRoom::Server));
        drop(busy);
        assert!(admit(&clients, "192.0.2.4").is_ok());
    }

    #[tokio::test]
    async fn a_connection_that_ended_leaves_its_place() {
        let clients = clients();
        for _ in 0..100 {
            let admitted = admit(&clients, "192.0.2.1").unwrap();
            let _busy = Busy::new(&clients, &admitted.connection());
        }
        assert!(clients.table().by_network.is_empty());
    }

    #[test]
    fn a_client_is_an_ipv4_address_or_an_ipv6_network() {
        let network = |text: &str| network_of(text.parse().unwrap()).to_string();
        assert_eq!(network("::ffff:192.0.2.1"), "192.0.2.1");
        assert_eq!(network("2001:db8:1:2:3:4:5:6"), "2001:db8:1:2::");
        assert_eq!(network("::1"), "::1");
    }
}
