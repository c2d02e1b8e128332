//! What happens to a file whose data go to another store.

use std::path::Path;
use std::sync::Arc;

use model::incident::IncidentAction;
use rusqlite::Connection;
use store::StoreError;
use store::transfer::{Column, ColumnKind, Layout, NOT_MOVED, Rows, TABLES, Value};
use store_conformance::Opening;
use store_conformance::engine::World;
use store_conformance::settings::samples;
use store_sqlite::{Database, Settings, take_back};

use super::backend::{SqliteBackend, open_database};

fn settings(directory: &Path) -> Settings {
    let opening = Opening::default();
    Settings {
        directory: directory.to_owned(),
        sealer: opening.sealer(),
        delivery_sink: opening.delivery_sink.clone(),
        node: opening.node,
        observer: opening.observer.clone(),
        max_pages: None,
    }
}

fn refusal(directory: &Path) -> String {
    let opened = Database::open_as_server(settings(directory));
    let refused = opened.err().expect("it is served");
    assert!(matches!(refused, StoreError::Unavailable(_)), "{refused:?}");
    refused.to_string()
}

#[test]
fn each_table_is_moved_or_known_to_stay() {
    let folder = tempfile::tempdir().unwrap();
    drop(open_database(folder.path(), &Opening::default(), None).unwrap());
    let connection = Connection::open(folder.path().join("opsknight.db")).unwrap();
    let sql = "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'";
    let mut statement = connection.prepare(sql).unwrap();
    let names = statement.query_map((), |row| row.get::<_, String>(0)).unwrap();
    let names: Vec<String> = names.map(Result::unwrap).collect();
    for table in &TABLES {
        assert!(
            names.iter().any(|name| name == table.name),
            "{} is none",
            table.name
        );
    }
    let is_known = |name: &&String| {
        let name = name.as_str();
        !NOT_MOVED.contains(&name) && TABLES.iter().all(|table| table.name != name)
    };
    assert_eq!(names.iter().filter(is_known).collect::<Vec<_>>(), [""; 0]);
}

#[tokio::test]
async fn bodies_of_events_are_packed_in_the_file_and_read_and_moved_as_they_were_sent() {
    let backend = Arc::new(SqliteBackend::new());
    let file = backend.directory().to_owned();
    let mut world = World::new(backend).await;
    let incident = world.trigger("Disk \"7\" is full: é").await;
    for action in [IncidentAction::Acknowledge, IncidentAction::Resolve] {
        world.act(incident.id, action, world.at(5)).await;
    }
    let events = world.store().events.list_after(0, 50).await.unwrap();
    let bodies: Vec<_> = events.iter().map(|event| event.body.to_vec()).collect();
    assert_eq!(bodies.len(), 6);
    for event in &events {
        let body: serde_json::Value = serde_json::from_slice(&event.body).unwrap();
        assert_eq!(body["event"], event.name.as_str());
        assert_eq!(body["incident"]["id"], event.incident_id.to_string());
    }
    let column = |name: &str, kind| Column {
        name: name.into(),
        kind,
    };
    let layout = Layout {
        table: TABLES.iter().find(|table| table.name == "events").unwrap(),
        columns: vec![
            column("sequence", ColumnKind::Number),
            column("incident_id", ColumnKind::Bytes),
            column("at", ColumnKind::Number),
            column("body", ColumnKind::Bytes),
        ],
    };
    world
        .restart_as(2, async |_| {
            let connection = Connection::open(file.join("opsknight.db")).unwrap();
            let sql = "SELECT max(length(body)) FROM events";
            let longest: u32 = connection.query_row(sql, (), |row| row.get(0)).unwrap();
            assert!(longest as usize * 2 < bodies[3].len(), "{longest}");
            let database = Database::open_for_transfer(settings(&file)).unwrap();
            let rows = database.rows_after(&layout, None, 50).await.unwrap();
            let moved = rows.into_iter().map(|mut row| row.pop().unwrap());
            assert!(moved.eq(bodies.iter().cloned().map(Value::Bytes)));
        })
        .await;
}

#[tokio::test]
async fn a_file_that_is_moved_is_not_served_by_any_version_until_it_is_taken_back() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let number = || {
        let connection = Connection::open(folder.join("opsknight.db")).unwrap();
        let read = |row: &rusqlite::Row<'_>| row.get::<_, u32>(0);
        connection.pragma_query_value(None, "user_version", read).unwrap()
    };
    drop(open_database(folder, &Opening::default(), None).unwrap());
    let version = number();

    let database = Database::open_for_transfer(settings(folder)).unwrap();
    let begun = database.begin_transfer([7; 16], "there".into(), samples::now());
    begun.await.unwrap();
    drop(database);
    assert!(number() > 1_000, "an earlier version takes it for a newer one's");
    let refused = refusal(folder);
    assert!(
        refused.contains("are being moved to there (data_moved)"),
        "{refused}"
    );

    // It goes on after an interruption, with the same token.
    let database = Database::open_for_transfer(settings(folder)).unwrap();
    assert_eq!(database.known_transfer().await.unwrap().unwrap().token, [7; 16]);
    database.finish_transfer(samples::now()).await.unwrap();
    drop(database);
    let refused = refusal(folder);
    assert!(refused.contains("were moved to there (data_moved)"), "{refused}");

    assert_eq!(take_back(folder), Ok(true));
    assert_eq!(number(), version);
    let database = Database::open_as_server(settings(folder)).unwrap();
    assert_eq!(database.known_transfer().await, Ok(None));
    drop(database);
    assert_eq!(take_back(folder), Ok(false));
}

#[tokio::test]
async fn a_folder_in_use_is_not_moved() {
    let folder = tempfile::tempdir().unwrap();
    let _server = open_database(folder.path(), &Opening::default(), None).unwrap();
    let refused = Database::open_for_transfer(settings(folder.path()))
        .err()
        .unwrap();
    assert!(
        refused.to_string().contains("another OpsKnight uses"),
        "{refused}"
    );
}
