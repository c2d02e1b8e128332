//! A database that is restarted, dies, loses its connections, takes no writes or has no room: while it is away everything is
//! refused with 503, what is in flight is finished and recorded afterwards, and nothing accepted is lost.

use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::json;

use super::cluster::Cluster;
use super::nodes::{Fleet, until};
use super::receiver::Fault;

/// How often each fault comes.
const ROUNDS: usize = 1;
const LONG_ROUNDS: usize = 60;
/// Shorter than the lease of a node, with the time that a restart takes.
const AWAY: Duration = Duration::from_secs(1);

fn rounds() -> usize {
    match std::env::var_os("CHECK_LONG") {
        Some(_) => LONG_ROUNDS,
        None => ROUNDS,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_that_restarts_or_drops_its_connections_loses_nothing() {
    let cluster = Cluster::start().await;
    let mut fleet = Fleet::start(&vec![cluster.url(); 3]).await;
    let load = fleet.load();
    for _ in 0..rounds() {
        for mode in ["fast", "immediate"] {
            load.accept(20).await;
            let from = Instant::now();
            cluster.down(mode).await;
            cluster.up().await;
            fleet.faults.push(Fault::since(from));
        }
        load.accept(20).await;
        let from = Instant::now();
        cluster
            .execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'opsknight'",
            )
            .await;
        fleet.faults.push(Fault::since(from));
        load.accept(20).await;
    }
    fleet.verify(load).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_starts_although_its_database_is_slow_to_answer_the_first_heartbeat() {
    let cluster = Cluster::start().await;
    let mut fleet = Fleet::start(&[cluster.url()]).await;
    fleet.terminate(0).await;
    // Longer than a heartbeat may take.
    let held = cluster.execute("BEGIN; LOCK TABLE nodes; SELECT pg_sleep(3); COMMIT");
    let locks = "SELECT count(*) FROM pg_locks WHERE relation = 'nodes'::regclass AND mode = 'AccessExclusiveLock' AND granted";
    let start = async {
        until("the table is locked", async || cluster.number(locks).await == 1).await;
        fleet.start_missing().await;
    };
    tokio::join!(held, start);
    fleet.node(0).until_ready(true).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_the_database_is_away_changes_are_refused_and_what_is_in_flight_is_recorded_later() {
    let cluster = Cluster::start().await;
    let mut fleet = Fleet::start(&vec![cluster.url(); 2]).await;
    let load = fleet.load();
    load.accept(20).await;
    // Deliveries that were begun before it went, and are answered while it is away.
    fleet.receiver.close();
    load.accept(6).await;
    until("something is in flight", async || fleet.receiver.in_flight() >= 4).await;
    let from = Instant::now();
    cluster.down("fast").await;
    fleet.receiver.open();
    for number in 0..2 {
        fleet.node(number).until_ready(false).await;
        expect_refusal(&fleet, number).await;
    }
    tokio::time::sleep(AWAY).await;
    cluster.up().await;
    let away = from.elapsed();
    let back = Instant::now();
    for number in 0..2 {
        fleet.node(number).until_ready(true).await;
    }
    load.accept(20).await;
    // What was requested before the database was back may have been in flight; nothing that was answered while it was
    // away comes again unless its lease ran out.
    fleet.faults.push(Fault { from, until: back });
    println!("the database was away for {away:?}");
    fleet.verify(load).await;
}

/// A change, a read and a page say that it cannot be now, and when to ask again.
async fn expect_refusal(fleet: &Fleet, number: usize) {
    let api = fleet.api(number);
    let incident = json!({"title": "refused", "service": {"name": "Fleet"}});
    let changed = api.post("/api/v1/incidents", incident).await.expect(503);
    let read = api.get("/api/v1/incidents").await.expect(503);
    for answer in [changed, read] {
        assert_eq!(answer.header("content-type"), "application/problem+json");
        assert!(!answer.header("retry-after").is_empty(), "{answer:?}");
        assert_eq!(answer.json()["code"], "store_unavailable", "{answer:?}");
    }
    let page = api.get(&format!("/wall?key={}", api.key())).await.expect(503);
    assert!(page.header("content-type").starts_with("text/html"), "{page:?}");
    assert!(page.text.contains("database"), "{}", page.text);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_that_takes_no_writes_loses_nothing() {
    let cluster = Cluster::start().await;
    let mut fleet = Fleet::start(&vec![cluster.url(); 2]).await;
    let load = fleet.load();
    for _ in 0..rounds() {
        load.accept(20).await;
        let from = Instant::now();
        cluster
            .execute("ALTER SYSTEM SET default_transaction_read_only = on")
            .await;
        cluster.reload().await;
        fleet.node(0).until_ready(false).await;
        tokio::time::sleep(AWAY).await;
        cluster
            .execute("ALTER SYSTEM RESET default_transaction_read_only")
            .await;
        cluster.reload().await;
        fleet.node(0).until_ready(true).await;
        fleet.faults.push(Fault::since(from));
        load.accept(20).await;
    }
    fleet.verify(load).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_whose_disk_is_full_loses_nothing() {
    let Some(disk) = SmallDisk::mount() else {
        println!("NOT TESTED: a full disk of the database; only root may mount a small one");
        return;
    };
    let cluster = Cluster::start_in(&disk.path).await;
    let mut fleet = Fleet::start(&vec![cluster.url(); 2]).await;
    let load = fleet.load();
    load.accept(20).await;
    let from = Instant::now();
    let filler = disk.fill();
    // What PostgreSQL has reserved still takes some; without room for its log it ends, and says so.
    until("changes are refused", async || {
        load.refused() > 0 || !cluster.answers().await
    })
    .await;
    tokio::time::sleep(AWAY).await;
    std::fs::remove_file(filler).unwrap();
    if !cluster.answers().await {
        cluster.up().await;
    }
    fleet.node(0).until_ready(true).await;
    fleet.faults.push(Fault::since(from));
    load.accept(20).await;
    fleet.verify(load).await;
}

/// A file system in memory that is soon full.
struct SmallDisk {
    path: PathBuf,
}

impl SmallDisk {
    fn mount() -> Option<Self> {
        use std::os::unix::fs::PermissionsExt;
        let path = tempfile::tempdir().unwrap().keep();
        let mount = Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=160m", "tmpfs"])
            .arg(&path)
            .output();
        if !mount.is_ok_and(|mount| mount.status.success()) {
            return None;
        }
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o777)).unwrap();
        Some(Self { path })
    }

    /// A file that takes all the room there is.
    fn fill(&self) -> PathBuf {
        use std::io::Write;
        let path = self.path.join("filler");
        let mut file = std::fs::File::create(&path).unwrap();
        let block = vec![0; 64 * 1024];
        while file.write_all(&block).is_ok() {}
        path
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.path).status();
        let _ = std::fs::remove_dir(&self.path);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_attempt_that_the_database_refuses_keeps_no_others_from_being_recorded() {
    let cluster = Cluster::start().await;
    let fleet = Fleet::start(&[cluster.url()]).await;
    cluster
        .execute(
            "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
                 IF EXISTS (SELECT 1 FROM deliveries d JOIN incidents i ON i.id = d.incident_id
                            WHERE d.id = new.delivery_id AND i.title = 'refused') THEN
                     RAISE EXCEPTION 'no such attempt' USING ERRCODE = 'check_violation';
                 END IF;
                 RETURN new; END $$;
             CREATE TRIGGER refuse BEFORE INSERT ON attempts FOR EACH ROW EXECUTE FUNCTION refuse()",
        )
        .await;
    for title in ["refused", "recorded"] {
        let incident = json!({"title": title, "service": {"name": "Fleet"}});
        fleet.api(0).post("/api/v1/incidents", incident).await.expect(201);
    }
    let count = |title: &str, state: &str| {
        format!(
            "SELECT count(*) FROM deliveries d JOIN incidents i ON i.id = d.incident_id
             WHERE i.title = '{title}' AND d.state = '{state}'"
        )
    };
    until("the other one is recorded", async || {
        cluster.number(&count("recorded", "delivered")).await == 1
    })
    .await;
    assert_eq!(cluster.number(&count("refused", "claimed")).await, 1);
}
