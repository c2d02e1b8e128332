//! Nodes that die, are stopped for longer than their lease, or are cut off from their database.

use std::time::{Duration, Instant};

use super::nodes::{Fleet, environment};
use super::postgres;
use super::proxy::Network;
use super::receiver::Fault;
use crate::support::seed::Seeded;

/// How often the nodes are killed, one after the other.
const ROUNDS: usize = 3;
const LONG_ROUNDS: usize = 200;
/// How long the claims of a node hold.
const LEASE: Duration = store::queue::NODE_LEASE;
/// Longer than that.
const TOO_LONG: Duration = Duration::from_secs(10);

fn is_long() -> bool {
    std::env::var_os("CHECK_LONG").is_some()
}

/// Addresses of one new database for several nodes.
fn addresses(nodes: usize) -> Vec<String> {
    let [url, _] = super::new_database();
    vec![url; nodes]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_is_killed_loses_nothing_and_the_others_take_over() {
    let mut random = Seeded::from_environment("fleet");
    let mut fleet = Fleet::start(&addresses(3)).await;
    let load = fleet.load();
    let rounds = if is_long() { LONG_ROUNDS } else { ROUNDS };
    for round in 0..rounds {
        load.accept(20).await;
        tokio::time::sleep(Duration::from_millis(random.below(300))).await;
        fleet.kill(round % 3).await;
        // The others serve alone for a while.
        load.accept(20).await;
        fleet.start_missing().await;
    }
    fleet.verify(load).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_was_stopped_past_its_lease_starts_nothing_that_others_took_over() {
    let mut fleet = Fleet::start(&addresses(3)).await;
    let load = fleet.load();
    load.accept(30).await;
    // Full hands: what it holds and has not begun is what it must not begin later.
    fleet.receiver.close();
    load.accept(60).await;
    let stopped_at = Instant::now();
    fleet.node(0).freeze();
    let frozen = Fault::since(stopped_at);
    fleet.receiver.open();
    tokio::time::sleep(TOO_LONG).await;
    fleet.node(0).thaw();
    // It may not have known for a moment that it was away; its results are late.
    fleet.faults.push(Fault {
        from: frozen.from,
        until: frozen.until,
    });
    load.accept(30).await;
    fleet.verify(load).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_is_cut_off_blocks_nobody_and_comes_back() {
    let server = postgres::server();
    let [local, _] = super::new_database();
    let network = Network::to(server.port()).await;
    let database = local.split(['/', '?']).nth(3).unwrap();
    let over_it = format!("postgres://postgres@127.0.0.1:{}/{database}", network.port);
    let nodes = vec![environment(&over_it), environment(&local), environment(&local)];
    let mut fleet = Fleet::start_with(nodes).await;
    let load = fleet.load();
    load.accept(30).await;
    let from = Instant::now();
    network.cut();
    // As long as its lease holds it sends what it has in memory, and cannot say what became of it.
    let cut = Fault {
        from,
        until: from + LEASE,
    };
    fleet.node(0).until_ready(false).await;
    // The two others serve as before.
    load.accept(30).await;
    tokio::time::sleep(TOO_LONG.saturating_sub(from.elapsed())).await;
    network.mend();
    fleet.faults.push(cut);
    fleet.node(0).until_ready(true).await;
    load.accept(20).await;
    fleet.verify(load).await;
}
