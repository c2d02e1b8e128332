//! How many things a server may have open at once, shared out from what its process is given. Pure.
//!
//! Every client, every delivery in flight and every kept connection is a file descriptor. What is given out here leaves
//! enough of them for the store, the log and for accepting and turning away one more client, so that a server that is busy
//! never runs out of descriptors in the middle of its work.

/// Descriptors that are kept back: the store's files, the log, the listener, backups, timers, names being looked up.
pub const RESERVED_FILES: usize = 96;
/// The most clients that are served at once, however many descriptors there are.
pub const MAX_CLIENT_CONNECTIONS: usize = 4096;
/// One client may have this part of the connections: the others always find some.
const CLIENT_SHARE: usize = 4;
/// Streams of one sort (events, live pages) may take this part of the connections.
const STREAM_SHARE: usize = 4;
/// What one delivery in flight may hold open: its connection, a name being looked up, and a connection kept for the next.
const FILES_PER_DELIVERY: usize = 3;
/// The most idle connections to receivers.
const MAX_IDLE_CONNECTIONS: usize = 512;
/// The most event streams.
const MAX_EVENT_STREAMS: usize = 256;
/// The most live pages.
const MAX_LIVE_PAGES: usize = 512;

/// How many of what may be open at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Capacity {
    /// Descriptors of the process; nothing if it is not bounded.
    pub files: Option<u64>,
    pub client_connections: usize,
    /// Those of one client.
    pub connections_per_client: usize,
    /// Deliveries in flight.
    pub max_in_flight: usize,
    /// Idle connections to receivers.
    pub idle_connections: usize,
    pub event_streams: usize,
    /// Pages that are told of every change.
    pub live_pages: usize,
}

impl Capacity {
    /// Shares out so many descriptors; the settings want so many deliveries in flight.
    pub fn share_out(files: Option<u64>, wanted_in_flight: usize) -> Self {
        let given = files.and_then(|files| usize::try_from(files).ok());
        let usable = given.unwrap_or(usize::MAX).saturating_sub(RESERVED_FILES);
        let client_connections = MAX_CLIENT_CONNECTIONS.min(usable / 2).max(1);
        let for_deliveries = usable.saturating_sub(client_connections) / FILES_PER_DELIVERY;
        let max_in_flight = wanted_in_flight.min(for_deliveries).max(1);
        let share = |part: usize| (client_connections / part).max(1);
        Self {
            files,
            client_connections,
            connections_per_client: share(CLIENT_SHARE),
            max_in_flight,
            idle_connections: max_in_flight.min(MAX_IDLE_CONNECTIONS),
            event_streams: share(STREAM_SHARE).min(MAX_EVENT_STREAMS),
            live_pages: share(STREAM_SHARE).min(MAX_LIVE_PAGES),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Descriptors that are open if all of it is used.
    fn at_most_open(capacity: &Capacity) -> usize {
        let deliveries = 2 * capacity.max_in_flight + capacity.idle_connections;
        RESERVED_FILES + capacity.client_connections + deliveries
    }

    #[test]
    fn with_descriptors_enough_the_settings_and_our_own_bounds_hold() {
        let capacity = Capacity::share_out(Some(20_000), 512);
        let bounds = (capacity.client_connections, capacity.max_in_flight);
        assert_eq!(bounds, (4096, 512));
        assert_eq!((capacity.event_streams, capacity.live_pages), (256, 512));
        assert_eq!(Capacity::share_out(None, 65_536).max_in_flight, 65_536);
    }

    #[test]
    fn whatever_there_is_suffices_for_all_of_it_at_once() {
        for files in [256, 1024, 4096, 65_536] {
            for wanted in [1, 512, 65_536] {
                let capacity = Capacity::share_out(Some(files), wanted);
                let open = at_most_open(&capacity);
                assert!(
                    open as u64 <= files,
                    "{files} files, {wanted} wanted: {capacity:?}"
                );
            }
        }
    }

    #[test]
    fn a_process_with_few_descriptors_still_serves_and_delivers() {
        let capacity = Capacity::share_out(Some(1024), 512);
        let bounds = (capacity.client_connections, capacity.max_in_flight);
        assert_eq!(bounds, (464, 154));
        let streams = capacity.event_streams + capacity.live_pages;
        assert!(
            streams < capacity.client_connections,
            "streams leave room for requests"
        );
        let least = Capacity::share_out(Some(10), 512);
        assert_eq!((least.client_connections, least.max_in_flight), (1, 1));
    }
}
