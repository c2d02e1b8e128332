//! Newer nodes change the schema while older ones go on: those only stop if something is taken away from them.

use std::time::Duration;

use model::id::IncidentId;
use model::incident_number::IncidentNumber;
use model::time::Timestamp;
use store::StoreError;
use store::catalog::{Services, Users};
use store::events::Events;
use store::incidents::Incidents;
use store::upkeep::Upkeep;
use store_conformance::settings::samples;
use store_postgres::{Database, Settings, known_schema};

use super::nodes::Nodes;
use super::server::{server, settings};

/// A migration that this program does not know, as a newer one would leave it.
fn later_migration(min_program: u32) -> String {
    let number = known_schema() + 1;
    format!(
        "ALTER TABLE incidents ADD COLUMN IF NOT EXISTS later TEXT;
         INSERT INTO migrations (number, hash, min_program)
         SELECT {number}, hash, {min_program} FROM migrations WHERE number = 1"
    )
}

async fn execute(database: &str, sql: &str) {
    server().connect(database).await.batch_execute(sql).await.unwrap();
}

#[tokio::test]
async fn a_schema_that_only_grew_is_gone_on_with_and_started_on() {
    let nodes = Nodes::new().await;
    execute(&nodes.database, &later_migration(known_schema())).await;
    assert_eq!(nodes.first.outdated().await, Ok(None));
    let started = Database::open_as_server(settings(&server().url(&nodes.database)));
    let started = started.await.unwrap();
    assert_eq!(started.schema_version(), known_schema() + 1);
    let findings = started.examine_server(samples::now()).await.unwrap();
    let ahead = findings.iter().find(|finding| finding.code == "schema_ahead");
    assert!(ahead.is_some_and(|finding| finding.is_advice()));
}

#[tokio::test]
async fn a_schema_that_lost_something_stops_older_programs_with_a_sentence() {
    let nodes = Nodes::new().await;
    execute(&nodes.database, &later_migration(known_schema() + 1)).await;
    let sentence = nodes.first.outdated().await.unwrap().unwrap();
    assert!(sentence.contains("(schema_newer)"), "{sentence}");
    let started = Database::open_as_server(settings(&server().url(&nodes.database))).await;
    let refused = started.err().unwrap();
    assert!(matches!(refused, StoreError::Unavailable(_)), "{refused:?}");
    assert!(refused.to_string().contains("(schema_newer)"), "{refused}");
}

/// Of columns that change their type, which no migration of ours does, statements are prepared anew.
#[tokio::test]
async fn statements_of_a_node_outlive_what_another_does_to_their_tables() {
    let database = server().new_database();
    let node = Database::open(Settings {
        pool_size: 1,
        ..settings(&server().url(&database))
    });
    let node = node.await.unwrap();
    let source = clock::Env::system();
    let change = || source.change(samples::actor(&source));
    let service = samples::service(&source, "before", None);
    Services::create(&node, service.clone(), change()).await.unwrap();
    let read = async || {
        Users::list(&node, samples::everything()).await.unwrap();
        assert_eq!(
            Services::list(&node, samples::everything()).await.unwrap().len(),
            1
        );
        assert_eq!(Services::get(&node, service.id).await.unwrap().name, "before");
        node.unwell_webhooks().await.unwrap();
        node.balance().await.unwrap();
        assert_eq!(node.latest_sequence().await, Ok(0));
        Services::update(&node, service.clone(), change()).await.unwrap();
    };
    read().await;
    let alter = "ALTER TABLE services ALTER COLUMN name TYPE VARCHAR(300), ALTER COLUMN description TYPE VARCHAR(300);
                 ALTER TABLE users ALTER COLUMN name TYPE VARCHAR(300);
                 ALTER TABLE webhooks ALTER COLUMN name TYPE VARCHAR(300)";
    execute(&database, alter).await;
    read().await;
    read().await;
}

#[tokio::test]
async fn a_migration_waits_for_a_lock_in_turns_and_lets_others_in_between() {
    let database = server().new_empty_database();
    let in_the_way = server().connect(&database).await;
    // Whoever makes a table of the same name must be waited for.
    in_the_way
        .batch_execute("BEGIN; CREATE TABLE transfer (id BIGINT)")
        .await
        .unwrap();
    let opening = tokio::spawn(Database::open(settings(&server().url(&database))));
    let beside = server().connect(&database).await;
    let is_waiting =
        "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
    while beside.query(is_waiting, &[]).await.unwrap().is_empty() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    // It lets go of everything it holds meanwhile.
    while !beside.query(is_waiting, &[]).await.unwrap().is_empty() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert!(!opening.is_finished());
    in_the_way.batch_execute("ROLLBACK").await.unwrap();
    let opened = opening.await.unwrap().unwrap();
    assert_eq!(opened.schema_version(), known_schema());
}

#[tokio::test]
async fn a_server_keeps_off_a_database_into_which_data_are_still_coming() {
    let database = server().new_database();
    let url = server().url(&database);
    let moving = Database::open(settings(&url)).await.unwrap();
    let at = Timestamp::from_millis(1);
    moving.begin_transfer([7; 16], "/somewhere", at).await.unwrap();
    let refused = Database::open_as_server(settings(&url)).await.err().unwrap();
    assert!(refused.to_string().contains("(transfer_unfinished)"), "{refused}");
    assert!(refused.to_string().contains("/somewhere"), "{refused}");
    moving.finish_transfer(41, at).await.unwrap();
    let served = Database::open_as_server(settings(&url)).await;
    assert!(served.is_ok());
    let client = server().connect(&database).await;
    let next = "SELECT nextval(pg_get_serial_sequence('events', 'sequence'))";
    let next: i64 = client.query_one(next, &[]).await.unwrap().get(0);
    assert_eq!(next, 42);
}

/// An incident as a program writes it that knows of no numbers.
fn insert_incident(place: u8) -> String {
    format!(
        "INSERT INTO incidents (id, title, status, severity, service_id, created_at, updated_at)
         SELECT decode(lpad(to_hex({place}), 32, '0'), 'hex'), 'old', 'triggered', 'info', id, 1, 1 FROM services"
    )
}

#[tokio::test]
async fn incidents_of_before_and_of_older_programs_have_numbers_in_the_order_in_which_they_were_made() {
    let database = server().new_database();
    let url = server().url(&database);
    let source = clock::Env::system();
    let node = Database::open(settings(&url)).await.unwrap();
    let service = samples::service(&source, "API", None);
    let change = source.change(samples::actor(&source));
    Services::create(&node, service, change).await.unwrap();
    drop(node);
    let undo = "DELETE FROM migrations WHERE number >= 13;
                DROP TABLE passkeys, recovery_codes, second_factors, identities, receiver_links;
                ALTER TABLE users DROP COLUMN time_zone, DROP COLUMN clock;
                ALTER TABLE api_keys DROP COLUMN last_used_at; ALTER TABLE audit DROP COLUMN times;
                DROP TRIGGER incidents_numbered ON incidents; DROP FUNCTION number_incidents; DROP TABLE incident_numbers";
    execute(&database, undo).await;
    for place in [2, 1, 3] {
        execute(&database, &insert_incident(place)).await;
    }
    let node = Database::open(settings(&url)).await.unwrap();
    execute(&database, &insert_incident(9)).await;
    execute(&database, &insert_incident(8)).await;
    for (number, place) in (1..).zip([1, 2, 3, 9, 8]) {
        let mut id = [0; 16];
        id[15] = place;
        let number = IncidentNumber::new(number).unwrap();
        assert_eq!(node.find(number).await, Ok(IncidentId::from_bytes(id)));
    }
}
