//! A database that is behind what its nodes have seen: put back as a whole here; `tests/it/fleet/failover.rs` lets a replica
//! take over.

use std::path::Path;

use model::audit::{Actor, Change};
use store::upkeep::{Loss, Upkeep};
use store_conformance::engine::World;
use store_conformance::settings::samples;
use store_postgres::{Database, Settings};
use tokio_postgres::Client;

use super::backend::PostgresBackend;
use super::server::{server, settings};

async fn open(url: &str, node: i64, folder: &Path) -> Database {
    let settings = Settings {
        node,
        mark_directory: Some(folder.to_owned()),
        ..settings(url)
    };
    Database::open(settings).await.unwrap()
}

fn change() -> Change {
    let source = samples::source();
    source.change(Actor::System)
}

/// Takes events and deliveries away, with what counts them, as if they had never been.
async fn go_back(observer: &Client, to: i64) {
    let sql = format!(
        "UPDATE ledger l SET accepted = accepted - (SELECT count(*) FROM deliveries d
             WHERE d.webhook_id = l.webhook_id AND d.event_sequence > {to});
         DELETE FROM deliveries WHERE event_sequence > {to};
         DELETE FROM events WHERE sequence > {to};
         SELECT setval(pg_get_serial_sequence('events', 'sequence'), {to})"
    );
    observer.batch_execute(&sql).await.unwrap();
}

async fn last_event(observer: &Client) -> i64 {
    let sql = "SELECT max(sequence) FROM events";
    observer.query_one(sql, &[]).await.unwrap().get(0)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_database_that_went_back_lacks_is_told_by_every_node_until_it_is_accepted() {
    let backend = std::sync::Arc::new(PostgresBackend::new());
    let world = World::new(std::sync::Arc::clone(&backend) as _).await;
    let observer = backend.connection().await;
    let folders = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    world.trigger("kept").await;
    let before = last_event(&observer).await;
    for number in 0..3 {
        world.trigger(&format!("lost {number}")).await;
    }
    // Both have seen it all.
    for (node, folder) in (10..).zip(&folders) {
        let database = open(&backend.url(), node, folder.path()).await;
        assert!(database.loss().is_nothing());
    }
    go_back(&observer, before).await;

    // Each event was for two webhooks.
    let lost = Loss {
        events: 3,
        deliveries: 6,
    };
    let mut nodes = Vec::new();
    for (node, folder) in (20..).zip(&folders) {
        let database = open(&backend.url(), node, folder.path()).await;
        assert_eq!(database.loss(), lost);
        let codes: Vec<_> = database.troubles().iter().map(|trouble| trouble.code).collect();
        assert_eq!(codes, ["events_lost"]);
        nodes.push(database);
    }
    // Places that somebody has seen are not given again.
    world.trigger("later").await;
    assert!(last_event(&observer).await > before + 3);

    assert_eq!(nodes[0].accept_loss(change()).await, Ok(lost));
    assert!(nodes[0].troubles().is_empty());
    assert_eq!(nodes[1].accept_loss(change()).await, Ok(Loss::default()));
    assert!(nodes[1].troubles().is_empty());
    drop(nodes);
    let again = open(&backend.url(), 30, folders[0].path()).await;
    assert!(again.loss().is_nothing());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_without_a_mark_or_with_one_that_fits_misses_nothing() {
    let server = server();
    let (url, folder) = (server.url(&server.new_database()), tempfile::tempdir().unwrap());
    for node in 1..4 {
        let database = open(&url, node, folder.path()).await;
        assert!(database.loss().is_nothing());
    }
    std::fs::write(folder.path().join("postgres.mark"), "torn").unwrap();
    let database = open(&url, 4, folder.path()).await;
    assert!(database.troubles().is_empty());
}
