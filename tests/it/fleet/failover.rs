//! A replica takes over: one that confirmed every commit loses nothing; one that lagged does, and the nodes say what.

use std::time::{Duration, Instant};

use serde_json::json;

use super::cluster::Cluster;
use super::nodes::{Fleet, until};
use super::receiver::Fault;
use super::takeover::Takeover;
use crate::support::api_client::ApiClient;

/// The connections that a node may have in the test that counts them.
const POOL: i64 = 4;
/// How many of its commits may wait for a replica.
const MAX_WAITING: i64 = 4;

/// An address that names both, whichever is written to.
fn both(primary: &Cluster, replica: &Cluster) -> String {
    format!(
        "postgres://postgres@127.0.0.1:{},127.0.0.1:{}/fleet?target_session_attrs=read-write",
        primary.port, replica.port
    )
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failover_to_a_replica_that_confirms_every_commit_loses_nothing() {
    let primary = Cluster::start().await;
    let replica = primary.replica().await;
    primary
        .execute("ALTER SYSTEM SET synchronous_standby_names = '*'")
        .await;
    primary.reload().await;
    let mut fleet = Fleet::start(&vec![both(&primary, &replica); 3]).await;
    let load = fleet.load();
    load.accept(40).await;
    let from = Instant::now();
    primary.down("immediate").await;
    replica.promote().await;
    fleet.faults.push(Fault::since(from));
    load.accept(40).await;
    assert!(!tells_loss(fleet.api(0)).await);
    fleet.verify(load).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_its_replica_nothing_is_accepted_that_a_failover_would_lose() {
    let primary = Cluster::start().await;
    let replica = primary.replica().await;
    let hasty = |url: String| {
        let mut environment = super::nodes::environment(&url);
        environment.push(("OPSKNIGHT_POSTGRES_STATEMENT_TIMEOUT".into(), "1s".into()));
        environment
    };
    let fleet = Fleet::start_with(vec![hasty(primary.url())]).await;
    replica.down("fast").await;
    primary
        .execute("ALTER SYSTEM SET synchronous_standby_names = '*'")
        .await;
    primary.reload().await;
    until("commits wait for the replica", async || {
        primary
            .number(
                "SELECT count(*) FROM pg_settings WHERE name = 'synchronous_standby_names' AND setting = '*'",
            )
            .await
            == 1
    })
    .await;
    // The limit of a statement's time must not end the wait: PostgreSQL would call that a success.
    let incident = json!({"title": "unconfirmed", "service": {"name": "Fleet"}});
    let answer = tokio::time::timeout(
        Duration::from_secs(20),
        fleet.api(0).post("/api/v1/incidents", incident),
    );
    if let Ok(answer) = answer.await {
        assert_eq!(answer.status, 503, "{}", answer.text);
    }
    // Once the replica is back, everything goes on.
    replica.up().await;
    fleet.node(0).until_ready(true).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_failover_to_a_replica_that_lagged_has_lost_is_told() {
    let primary = Cluster::start().await;
    let replica = primary.replica().await;
    let mut fleet = Fleet::start(&vec![both(&primary, &replica); 2]).await;
    let load = fleet.load();
    load.accept(40).await;
    let accepted = load.finish().await;
    until("all is delivered", async || {
        fleet.receiver.count() >= accepted.len()
    })
    .await;
    until("the replica has it all", async || {
        let sql = "SELECT coalesce(max(sequence), 0)::bigint FROM events";
        replica.number(sql).await == primary.number(sql).await
    })
    .await;
    // The replica hears nothing any more, and the fleet goes on.
    replica.cut_off().await;
    until("the replica hears nothing", async || {
        replica.number("SELECT count(*) FROM pg_stat_wal_receiver").await == 0
    })
    .await;
    let load = fleet.load();
    load.accept(60).await;
    let unreplicated = load.finish().await;
    until("all is delivered", async || {
        fleet.receiver.count() >= accepted.len() + unreplicated.len()
    })
    .await;
    let feed = fleet
        .api(0)
        .get("/api/v1/events?limit=200")
        .await
        .expect(200)
        .json();
    let cursor = feed["nextCursor"].as_str().unwrap().to_owned();
    // The marks are kept once a second.
    tokio::time::sleep(Duration::from_millis(1500)).await;
    primary.down("immediate").await;
    replica.promote().await;
    for number in 0..2 {
        fleet.node(number).until_ready(true).await;
        let api = fleet.api(number).clone();
        until("the loss is told", async || tells_loss(&api).await).await;
    }
    let count = unreplicated.len();
    let sentence = loss(fleet.api(1)).await.unwrap();
    let expected = format!("{count} events and {count} deliveries");
    assert!(sentence.contains(&expected), "{expected}: {sentence}");
    // No number is given a second time: whoever follows the feed misses nothing that is in it.
    let load = fleet.load();
    load.accept(20).await;
    let later = load.finish().await;
    let feed = format!("/api/v1/events?after={cursor}&limit=200");
    let feed = fleet.api(0).get(&feed).await.expect(200).json();
    assert_eq!(feed["items"].as_array().unwrap().len(), later.len(), "{feed}");
    // It outlasts a restart, and is accepted once for all nodes.
    fleet.terminate(0).await;
    fleet.start_missing().await;
    assert!(tells_loss(fleet.api(0)).await);
    let lost = fleet.api(0).post("/api/v1/system/accept-loss", json!({})).await;
    assert_eq!(lost.expect(200).json()["events"], unreplicated.len());
    let api = fleet.api(1).clone();
    until("it is accepted", async || !tells_loss(&api).await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_event_that_a_failover_lost_before_its_answer_is_never_called_stored() {
    let primary = Cluster::start().await;
    let replica = primary.replica().await;
    let takeover = Takeover::at_commit_of("lost on the way", primary.port, replica.port).await;
    let url = format!("postgres://postgres@127.0.0.1:{}/fleet", takeover.port);
    let fleet = Fleet::start(&[url]).await;
    until("the replica has it all", async || {
        let sql = "SELECT (pg_current_wal_lsn() - '0/0')::bigint";
        let replayed = "SELECT (pg_last_wal_replay_lsn() - '0/0')::bigint";
        replica.number(replayed).await >= primary.number(sql).await
    })
    .await;
    replica.cut_off().await;
    replica.promote().await;
    // Numbers of transactions that the first server is about to give are given here too.
    for _ in 0..300 {
        replica
            .execute("CREATE TABLE other_work (); DROP TABLE other_work")
            .await;
    }
    let incident = json!({"title": "lost on the way", "service": {"name": "Fleet"}});
    let answer = fleet.api(0).post("/api/v1/incidents", incident.clone()).await;
    assert!(takeover.has_happened(), "{}", answer.text);
    let stored = "SELECT count(*) FROM incidents WHERE title = 'lost on the way'";
    assert_eq!(primary.number(stored).await, 1);
    assert_eq!(replica.number(stored).await, 0);
    assert_eq!(answer.status, 503, "{}", answer.text);
    fleet.node(0).until_ready(true).await;
    fleet.api(0).post("/api/v1/incidents", incident).await.expect(201);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn commits_that_wait_for_a_replica_take_no_more_connections_than_a_node_may_have() {
    let primary = Cluster::start().await;
    let replica = primary.replica().await;
    let mut environment = super::nodes::environment(&primary.url());
    environment.push(("OPSKNIGHT_POSTGRES_STATEMENT_TIMEOUT".into(), "1s".into()));
    environment.push(("OPSKNIGHT_POSTGRES_CONNECTIONS".into(), POOL.to_string()));
    let fleet = Fleet::start_with(vec![environment]).await;
    replica.down("fast").await;
    primary
        .execute("ALTER SYSTEM SET synchronous_standby_names = '*'")
        .await;
    primary.reload().await;
    let taken = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'opsknight'";
    let waiting = format!("{taken} AND wait_event = 'SyncRep'");
    let incident = json!({"title": "unconfirmed", "service": {"name": "Fleet"}});
    until("an event and a heartbeat wait", async || {
        let answer = fleet.api(0).post("/api/v1/incidents", incident.clone()).await;
        assert_ne!(answer.status, 201, "{}", answer.text);
        primary.number(&waiting).await >= 2
    })
    .await;
    for _ in 0..5 {
        let answer = fleet.api(0).post("/api/v1/incidents", incident.clone()).await;
        assert_eq!(answer.status, 503, "{}", answer.text);
        // Those that wait, those for reading, and the heartbeats'.
        let count = primary.number(taken).await;
        assert!(count <= MAX_WAITING + POOL + 1, "{count} connections");
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    replica.up().await;
    fleet.node(0).until_ready(true).await;
    fleet.api(0).post("/api/v1/incidents", incident).await.expect(201);
}

/// The trouble that tells of a loss.
async fn loss(api: &ApiClient) -> Option<String> {
    let system = api.get("/api/v1/system").await.json();
    let mut troubles = system["troubles"].as_array()?.iter();
    let loss = troubles.find(|trouble| trouble["code"] == "events_lost")?;
    Some(loss["sentence"].as_str()?.to_owned())
}

async fn tells_loss(api: &ApiClient) -> bool {
    loss(api).await.is_some()
}
