//! The database does as it was told, and the answer never comes: whatever stands between breaks the connection.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use model::delivery::{DeliveryState, NextStep};
use store::Store;
use store::incidents::Committed;
use store::queue::{ClaimRequest, Recorded};
use store_conformance::engine::World;
use store_conformance::{Backend, Opening};
use store_postgres::Database;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::oneshot;

use super::backend::{PostgresBackend, open_database};
use super::server::{Server, server};

/// How long something that must happen is waited for.
const PATIENCE: Duration = Duration::from_secs(30);
/// How often it is looked for.
const LOOK_INTERVAL: Duration = Duration::from_millis(50);

/// What happens at the next COMMIT.
enum Fault {
    /// It is passed on, and the connection breaks before its answer.
    Unanswered,
    /// It is not, since the server crashes.
    Crash(&'static Server),
}

/// Stands between a node and the database.
struct Between {
    folder: tempfile::TempDir,
    next_fault: NextFault,
    /// Nobody is connected any more.
    is_shut: Arc<AtomicBool>,
}

type NextFault = Arc<Mutex<Option<Fault>>>;

impl Between {
    fn new(url: &str) -> Self {
        let word = |name| {
            url.split_whitespace()
                .find_map(|word| word.strip_prefix(name))
                .unwrap()
        };
        let socket = format!(".s.PGSQL.{}", word("port="));
        let server = Path::new(word("host=")).join(&socket);
        let between = Self {
            folder: tempfile::tempdir().unwrap(),
            next_fault: Arc::default(),
            is_shut: Arc::default(),
        };
        let listener = UnixListener::bind(between.folder.path().join(&socket)).unwrap();
        let next_fault = Arc::clone(&between.next_fault);
        let is_shut = Arc::clone(&between.is_shut);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                if !is_shut.load(Ordering::SeqCst) {
                    tokio::spawn(pass_on(client, server.clone(), Arc::clone(&next_fault)));
                }
            }
        });
        between
    }

    fn break_at_next_commit(&self) {
        self.at_next_commit(Fault::Unanswered);
    }

    fn at_next_commit(&self, fault: Fault) {
        *self.next_fault.lock().unwrap() = Some(fault);
    }
}

async fn pass_on(client: UnixStream, server: PathBuf, next_fault: NextFault) {
    // Nobody listens there while the server begins anew.
    let Ok(to_server) = UnixStream::connect(server).await else {
        return;
    };
    let (mut from_client, to_client) = client.into_split();
    let (from_server, mut to_server) = to_server.into_split();
    let (stop, stopped) = oneshot::channel();
    let answers = tokio::spawn(pass_back(from_server, to_client, stopped));
    let mut bytes = vec![0; 1 << 16];
    let fault = loop {
        let Ok(count @ 1..) = from_client.read(&mut bytes).await else {
            return;
        };
        let is_commit = says_commit(&bytes[..count]);
        let fault = is_commit.then(|| next_fault.lock().unwrap().take()).flatten();
        if let Some(fault) = fault {
            bytes.truncate(count);
            break fault;
        }
        if to_server.write_all(&bytes[..count]).await.is_err() {
            return;
        }
    };
    // No answer gets through any more.
    drop(stop);
    let mut from_server = answers.await.unwrap();
    match fault {
        Fault::Crash(server) => tokio::task::block_in_place(|| server.crash()),
        Fault::Unanswered => {
            to_server.write_all(&bytes).await.unwrap();
            // A database that loses its client before it comes to the COMMIT undoes the transaction.
            let mut answered = Vec::new();
            while !says_commit(&answered) {
                let read = from_server.read_buf(&mut answered).await.unwrap();
                assert!(read > 0, "the database has closed the connection");
            }
        }
    }
}

/// Passes answers on until it is told to stop; gives back where they come from.
async fn pass_back(
    mut from_server: OwnedReadHalf,
    mut to_client: OwnedWriteHalf,
    stopped: oneshot::Receiver<()>,
) -> OwnedReadHalf {
    tokio::select! {
        _ = tokio::io::copy(&mut from_server, &mut to_client) => {}
        _ = stopped => {}
    }
    from_server
}

/// Whether a request or an answer holds that word, as both sides write it.
fn says_commit(bytes: &[u8]) -> bool {
    bytes.windows(7).any(|word| word == b"COMMIT\0")
}

/// A world, and a node that reaches its database through something that breaks.
async fn broken_node() -> (
    World,
    Arc<store_conformance::engine::RecordingHandOver>,
    Store,
    Between,
) {
    broken_node_on(server()).await
}

async fn broken_node_on(
    server: &'static Server,
) -> (
    World,
    Arc<store_conformance::engine::RecordingHandOver>,
    Store,
    Between,
) {
    let backend = Arc::new(PostgresBackend::on(server));
    let world = World::new(Arc::clone(&backend) as Arc<dyn Backend>).await;
    let url = backend.url();
    let between = Between::new(&url);
    let (others, _) = url.split_once(' ').map(|(host, others)| (others, host)).unwrap();
    let url = format!("host={} {others}", between.folder.path().display());
    let dispatcher = Arc::<store_conformance::engine::RecordingHandOver>::default();
    let opening = Opening {
        node: 77,
        delivery_sink: Arc::clone(&dispatcher) as _,
        ..Opening::default()
    };
    let node: Database = open_database(&url, &opening).await.unwrap();
    (world, dispatcher, node.into(), between)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_whose_answer_is_lost_is_asked_for_and_counts() {
    let (world, dispatcher, node, between) = broken_node().await;
    dispatcher.make_room(9);
    between.break_at_next_commit();
    let committed = node.incidents.trigger(world.new_trigger("one")).await.unwrap();
    let Committed::Created(incident) = committed else {
        panic!("{committed:?}")
    };
    let taken = std::mem::take(&mut *dispatcher.taken.lock().unwrap());
    assert_eq!(taken.len(), 2);
    assert_eq!(
        world.states(world.ordered, incident.id).await,
        [DeliveryState::Claimed]
    );
    for delivery in &taken {
        let record = world.attempt(delivery, NextStep::Delivered, world.at(1));
        assert_eq!(
            node.queue.record([record].into(), world.at(1)).await,
            Ok(vec![Recorded::Applied])
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn claims_whose_answer_is_lost_for_long_are_given_back() {
    let (world, dispatcher, node, between) = broken_node().await;
    let incident = world.trigger("one").await;
    between.is_shut.store(true, Ordering::SeqCst);
    between.break_at_next_commit();
    let requests = vec![ClaimRequest {
        webhook_id: world.ordered,
        limit: 5,
    }];
    assert!(node.queue.claim_due(requests, world.at(1)).await.is_err());
    assert_eq!(
        world.states(world.ordered, incident.id).await,
        [DeliveryState::Claimed]
    );
    between.is_shut.store(false, Ordering::SeqCst);
    let given_back = async {
        while world.states(world.ordered, incident.id).await != [DeliveryState::Scheduled] {
            tokio::time::sleep(LOOK_INTERVAL).await;
        }
    };
    tokio::time::timeout(PATIENCE, given_back).await.unwrap();
    assert_eq!(dispatcher.woken(), [(world.ordered, world.at(0))]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_transaction_whose_number_went_to_another_one_in_a_crash_is_not_taken_for_that_one() {
    let server: &'static Server = Box::leak(Box::new(Server::start()));
    let (world, dispatcher, node, between) = broken_node_on(server).await;
    dispatcher.make_room(9);
    let committed = node.incidents.trigger(world.new_trigger("one")).await.unwrap();
    let Committed::Created(incident) = committed else {
        panic!("{committed:?}")
    };
    let taken = std::mem::take(&mut *dispatcher.taken.lock().unwrap());
    let delivery = taken.iter().find(|of| of.webhook_id == world.ordered).unwrap();
    let record = world.attempt(delivery, NextStep::Delivered, world.at(1));
    between.at_next_commit(Fault::Crash(server));
    let (first, ()) = tokio::join!(
        node.queue.record([record.clone()].into(), world.at(1)),
        take_numbers(server, &between),
    );
    // As the recorder does: until the store says that it is done.
    let recorded = match first {
        Ok(recorded) => recorded,
        Err(_) => node.queue.record([record].into(), world.at(1)).await.unwrap(),
    };
    assert_eq!(recorded, [Recorded::Applied]);
    assert_eq!(
        world.states(world.ordered, incident.id).await,
        [DeliveryState::Delivered]
    );
}

/// Commits other transactions as soon as the server is there again: they get the numbers of those that were lost.
async fn take_numbers(server: &Server, between: &Between) {
    while between.next_fault.lock().unwrap().is_some() {
        tokio::time::sleep(LOOK_INTERVAL).await;
    }
    let client = loop {
        match tokio_postgres::connect(&server.url("postgres"), tokio_postgres::NoTls).await {
            Ok((client, connection)) => {
                tokio::spawn(connection);
                break client;
            }
            Err(_) => tokio::time::sleep(LOOK_INTERVAL / 10).await,
        }
    };
    for _ in 0..50 {
        client.batch_execute("SELECT pg_current_xact_id()").await.unwrap();
    }
}
