//! The database does as it was told, and the answer never comes: whatever stands between breaks the connection.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use model::delivery::{DeliveryState, NextStep};
use store::Store;
use store::incidents::Committed;
use store::queue::{ClaimRequest, Recorded};
use store_conformance::engine::World;
use store_conformance::{Backend, Opening};
use store_postgres::Database;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};

use super::backend::{PostgresBackend, open_database};

/// How long something that must happen is waited for.
const PATIENCE: Duration = Duration::from_secs(30);
/// How often it is looked for.
const LOOK_INTERVAL: Duration = Duration::from_millis(50);
/// How long a request is on its way before the connection breaks, so that the database gets it.
const ON_ITS_WAY: Duration = Duration::from_millis(100);

/// Stands between a node and the database.
struct Between {
    folder: tempfile::TempDir,
    /// The next COMMIT is passed on, and the connection broken before its answer.
    breaks_at_commit: Arc<AtomicBool>,
    /// Nobody is connected any more.
    is_shut: Arc<AtomicBool>,
}

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
            breaks_at_commit: Arc::default(),
            is_shut: Arc::default(),
        };
        let listener = UnixListener::bind(between.folder.path().join(&socket)).unwrap();
        let breaks = Arc::clone(&between.breaks_at_commit);
        let is_shut = Arc::clone(&between.is_shut);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                if !is_shut.load(Ordering::SeqCst) {
                    tokio::spawn(pass_on(client, server.clone(), Arc::clone(&breaks)));
                }
            }
        });
        between
    }

    fn break_at_next_commit(&self) {
        self.breaks_at_commit.store(true, Ordering::SeqCst);
    }
}

async fn pass_on(client: UnixStream, server: PathBuf, breaks: Arc<AtomicBool>) {
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = UnixStream::connect(server).await.unwrap().into_split();
    let answers = tokio::spawn(async move { tokio::io::copy(&mut from_server, &mut to_client).await });
    let mut bytes = vec![0; 1 << 16];
    while let Ok(count @ 1..) = from_client.read(&mut bytes).await {
        let is_commit = bytes[..count].windows(7).any(|word| word == b"COMMIT\0");
        let is_broken = is_commit && breaks.swap(false, Ordering::SeqCst);
        if is_broken {
            // No answer gets through any more, but the database hears it.
            answers.abort();
            while !answers.is_finished() {
                tokio::task::yield_now().await;
            }
        }
        to_server.write_all(&bytes[..count]).await.unwrap();
        if is_broken {
            tokio::time::sleep(ON_ITS_WAY).await;
            return;
        }
    }
}

/// A world, and a node that reaches its database through something that breaks.
async fn broken_node() -> (
    World,
    Arc<store_conformance::engine::RecordingHandOver>,
    Store,
    Between,
) {
    let backend = Arc::new(PostgresBackend::new());
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
            node.queue.record(vec![record], world.at(1)).await,
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
