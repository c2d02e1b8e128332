//! What the doctor finds at a server: this one's tests run on a PostgreSQL that is fast and forgetful.

use std::time::Duration;

use store::upkeep::Upkeep;
use store_conformance::settings::samples;
use store_postgres::{Database, Settings};

use super::server::{server, settings};

async fn codes(database: &str, ahead: Duration) -> Vec<&'static str> {
    let opened = Database::open_unchanged(settings(&server().url(database))).await;
    let now = clock::Env::system().now().plus(ahead);
    let findings = opened.unwrap().examine_server(now).await.unwrap();
    findings.iter().map(|finding| finding.code).collect()
}

async fn execute(database: &str, sql: &str) {
    server().connect(database).await.batch_execute(sql).await.unwrap();
}

#[tokio::test]
async fn settings_that_endanger_what_is_accepted_are_found() {
    let database = server().new_database();
    let found = codes(&database, Duration::ZERO).await;
    for code in ["fsync_off", "full_page_writes_off", "autovacuum_off"] {
        assert!(found.contains(&code), "{code}: {found:?}");
    }
    let others = [
        "synchronous_commit_off",
        "read_only",
        "clock_differs",
        "connections_short",
    ];
    assert!(others.iter().all(|code| !found.contains(code)), "{found:?}");
}

#[tokio::test]
async fn what_is_set_for_the_database_alone_counts_and_so_do_tables_nodes_and_clocks() {
    let database = server().new_database();
    let change = format!(
        "ALTER DATABASE {database} SET synchronous_commit = off;
         ALTER DATABASE {database} SET default_transaction_read_only = on;
         ALTER TABLE deliveries SET (autovacuum_enabled = false);
         INSERT INTO nodes (id, lease_until) SELECT 100 + n, 9000000000000000 FROM generate_series(1, 100) n"
    );
    execute(&database, &change).await;
    let found = codes(&database, Duration::from_secs(600)).await;
    for code in [
        "synchronous_commit_off",
        "read_only",
        "table_left_alone",
        "connections_short",
        "clock_differs",
    ] {
        assert!(found.contains(&code), "{code}: {found:?}");
    }
}

#[tokio::test]
async fn a_database_without_a_schema_is_looked_at_and_left_as_it_is() {
    let database = server().new_empty_database();
    assert!(codes(&database, Duration::ZERO).await.contains(&"fsync_off"));
    let tables = "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'";
    let client = server().connect(&database).await;
    let count: i64 = client.query_one(tables, &[]).await.unwrap().get(0);
    assert_eq!(count, 0);
}

#[tokio::test]
async fn a_replication_slot_that_nobody_reads_is_found() {
    let database = server().new_database();
    execute(
        &database,
        "SELECT pg_create_physical_replication_slot('forgotten', TRUE)",
    )
    .await;
    let found = codes(&database, Duration::ZERO).await;
    execute(&database, "SELECT pg_drop_replication_slot('forgotten')").await;
    assert!(found.contains(&"slot_unused"), "{found:?}");
}

#[tokio::test]
async fn a_node_opens_no_more_connections_than_it_may() {
    let database = server().new_database();
    let node = Database::open(Settings {
        pool_size: 3,
        ..settings(&server().url(&database))
    });
    let node = std::sync::Arc::new(node.await.unwrap());
    let asking: Vec<_> = (0..40)
        .map(|_| {
            let node = std::sync::Arc::clone(&node);
            tokio::spawn(async move { node.balance().await })
        })
        .collect();
    let client = server().connect(&database).await;
    let sql = "SELECT count(*) FROM pg_stat_activity WHERE datname = $1 AND application_name = 'opsknight'";
    let count: i64 = client.query_one(sql, &[&database]).await.unwrap().get(0);
    assert!(count <= 4, "{count}, with the one for heartbeats");
    for asked in asking {
        assert!(asked.await.unwrap().is_ok());
    }
    let count: i64 = client.query_one(sql, &[&database]).await.unwrap().get(0);
    assert!(count <= 4, "{count}, with the one for heartbeats");
    assert_eq!(node.examine(samples::now()).await, Ok(vec![]));
}
