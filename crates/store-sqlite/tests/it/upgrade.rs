//! Stores of earlier versions: what they hold is there after they were brought up to date, and reads as before.

use std::path::Path;

use model::attempt::Disposition;
use model::id::{DeliveryId, IncidentId, UserId, WebhookId};
use model::incident::Severity;
use model::incident_number::IncidentNumber;
use model::insight::Counted;
use model::ticket::{LinkState, TicketPhase};
use model::time::Timestamp;
use rusqlite::types::Value;
use rusqlite::{Connection, Error};
use store::catalog::Users;
use store::deliveries::Deliveries;
use store::incidents::Incidents;
use store::overview::Overview;
use store::sign_in::SignIn;
use store::tickets::Tickets;
use store::upkeep::Upkeep;
use store_conformance::Opening;
use store_conformance::earlier::expect_samples;
use store_conformance::settings::samples;
use store_sqlite::Database;

use super::backend::open_database;
use super::earlier::{schemas, write_version};

fn file(directory: &Path) -> Connection {
    Connection::open(directory.join("opsknight.db")).unwrap()
}

fn open(directory: &Path) -> Database {
    open_database(directory, &Opening::default(), None).unwrap()
}

fn id(number: u8) -> [u8; 16] {
    let mut bytes = [0; 16];
    bytes[15] = number;
    bytes
}

/// A store of the version before this one, with all that earlier ones had written.
fn write_latest(directory: &Path) -> Connection {
    let schemas = schemas();
    write_version(&schemas, schemas.len() - 1, directory)
}

fn texts(connection: &Connection, sql: &str) -> Vec<String> {
    let mut statement = connection.prepare(sql).unwrap();
    let columns = statement.column_count();
    let rows = statement.query_map((), |row| {
        let values = (0..columns).map(|column| row.get::<_, Value>(column));
        Ok(format!("{:?}", values.collect::<Result<Vec<_>, _>>()?))
    });
    rows.unwrap().map(Result::unwrap).collect()
}

/// A query of all rows for each table but the attempts and ticket links, which are judged by what they read as.
fn queries(connection: &Connection) -> Vec<String> {
    let sql = "SELECT 'SELECT ' || group_concat(c.name, ', ') || ' FROM ' || t.name || ' ORDER BY 1, 2'
               FROM pragma_table_list t, pragma_table_info(t.name) c
               WHERE t.type = 'table' AND t.name NOT LIKE 'sqlite_%'
                   AND t.name NOT IN ('attempts', 'migrations', 'ticket_links')
               GROUP BY t.name";
    let mut statement = connection.prepare(sql).unwrap();
    let queries = statement.query_map((), |row| row.get(0)).unwrap();
    queries.map(Result::unwrap).collect()
}

#[tokio::test]
async fn a_store_of_each_earlier_version_keeps_every_row() {
    let schemas = schemas();
    for version in 1..=schemas.len() {
        let folder = tempfile::tempdir().unwrap();
        let connection = write_version(&schemas, version, folder.path());
        let queries = queries(&connection);
        let rows = |connection: &Connection| -> Vec<_> {
            queries.iter().map(|sql| texts(connection, sql)).collect()
        };
        let before = rows(&connection);
        drop(connection);
        let database = open(folder.path());
        let schema = database.info().await.unwrap().schema_version;
        assert_eq!(
            (version, database.examine(samples::now()).await),
            (version, Ok(vec![]))
        );
        drop(database);
        let connection = file(folder.path());
        assert_eq!(rows(&connection), before, "of version {version}");
        assert_eq!(texts(&connection, "PRAGMA integrity_check"), ["[Text(\"ok\")]"]);
        assert_eq!(texts(&connection, "PRAGMA foreign_key_check"), [""; 0]);
        let hashes = texts(&connection, "SELECT number FROM migrations");
        assert_eq!(hashes.len(), schema as usize);
        drop(connection);
        open(folder.path());
    }
}

#[tokio::test]
async fn what_later_versions_wrote_reads_as_what_it_was() {
    let folder = tempfile::tempdir().unwrap();
    drop(write_latest(folder.path()));
    expect_samples(&open(folder.path()).into()).await;
}

#[tokio::test]
async fn incidents_of_before_get_numbers_in_the_order_in_which_they_were_made() {
    let folder = tempfile::tempdir().unwrap();
    drop(write_latest(folder.path()));
    let database = open(folder.path());
    let connection = file(folder.path());
    let made = texts(&connection, "SELECT id FROM incidents ORDER BY id");
    let numbered = texts(
        &connection,
        "SELECT incident_id FROM incident_numbers ORDER BY number",
    );
    assert!(made.len() > 1);
    assert_eq!(numbered, made);
    let last = IncidentNumber::new(i64::try_from(made.len()).unwrap()).unwrap();
    let id = database.find(last).await.unwrap();
    assert_eq!(Incidents::get(&database, id).await.unwrap().number, Some(last));
}

#[tokio::test]
async fn a_store_of_version_1_is_brought_up_to_date_with_all_that_is_in_it() {
    let folder = tempfile::tempdir().unwrap();
    let schemas = schemas();
    drop(write_version(&schemas, 1, folder.path()));
    let database = open(folder.path());
    assert_eq!(
        database.info().await.unwrap().schema_version as usize,
        schemas.len()
    );
    let ada = Users::get(&database, UserId::from_bytes(id(1))).await.unwrap();
    assert_eq!(ada.name, "Ada");
    assert_eq!(database.has_passwords().await, Ok(false));
    let other = database.find_by_email("ADA@example.org".into()).await.unwrap();
    assert_eq!(other.unwrap().user.name, "Other");
    let dead = database.dead_groups().await.unwrap();
    let dead: Vec<_> = dead.iter().map(|group| (group.webhook_id, group.count)).collect();
    assert_eq!(dead, [(WebhookId::from_bytes(id(3)), 1)]);
    let until = Timestamp::from_millis(1000);
    let days = database
        .insight_days(Timestamp::EPOCH, until, None)
        .await
        .unwrap();
    let counted: Vec<_> = days[0]
        .counts
        .iter()
        .map(|(_, what, count)| (what, count))
        .collect();
    let opened = |severity| (Counted::Opened(severity), 1);
    let expected = [
        opened(Severity::Critical),
        opened(Severity::Info),
        (Counted::Escalated, 1),
    ];
    assert_eq!(counted, expected);
}

/// The outcomes of a delivery's attempts, what helps against those that failed, and what they were for.
async fn attempts(
    database: &Database,
    delivery: u8,
) -> Vec<(&'static str, Option<Disposition>, Option<String>)> {
    let detail = Deliveries::get(database, DeliveryId::from_bytes(id(delivery))).await;
    let attempts = detail.unwrap().attempts.into_iter();
    attempts
        .map(|attempt| {
            let remedy = attempt.outcome.failure().map(|failure| failure.disposition);
            (attempt.outcome.as_str(), remedy, attempt.note)
        })
        .collect()
}

#[tokio::test]
async fn attempts_of_earlier_versions_read_back_as_what_they_were() {
    let folder = tempfile::tempdir().unwrap();
    drop(write_latest(folder.path()));
    let database = open(folder.path());
    let (schedule, wait) = (Some(Disposition::Backoff), Some(Disposition::RateLimited));
    let dead = [("failed", schedule, None), ("gone", schedule, None)];
    assert_eq!(attempts(&database, 4).await, dead);
    assert_eq!(attempts(&database, 9).await, [("delivered", None, None)]);
    let chat = [("failed", wait, None), ("accepted", None, None)];
    assert_eq!(attempts(&database, 34).await, chat);
    let note = |text: &str| Some(text.to_owned());
    let ticket = [
        ("step", None, note("look for it")),
        ("delivered", None, note("make it")),
    ];
    assert_eq!(attempts(&database, 44).await, ticket);
    let stored = "SELECT outcome, remedy FROM attempts WHERE outcome IN ('accepted', 'step') ORDER BY 1";
    let expected = ["[Text(\"accepted\"), Null]", "[Text(\"step\"), Null]"];
    assert_eq!(texts(&file(folder.path()), stored), expected);
}

#[test]
fn words_of_later_versions_fit_into_the_schema_and_what_contradicts_itself_does_not() {
    let folder = tempfile::tempdir().unwrap();
    drop(write_latest(folder.path()));
    drop(open(folder.path()));
    let connection = file(folder.path());
    let changed = |sql: &str| connection.execute(sql, ());
    for word in [
        "UPDATE users SET role = 'auditor'",
        "UPDATE incidents SET severity = 'notice'",
        "UPDATE events SET name = 'incident.snoozed'",
        "UPDATE webhooks SET events = 63, ordering = 'service', when_disabled = 'ask'",
        "UPDATE ticket_links SET state = json_set(state, '$.ticket.phase', 'blocked', '$.seen', 'blocked')",
        "UPDATE attempts SET outcome = 'unknown'",
    ] {
        assert!(changed(word).is_ok_and(|rows| rows > 0), "{word}");
    }
    for nonsense in [
        "UPDATE users SET role = ''",
        "UPDATE webhooks SET events = 0",
        "UPDATE attempts SET outcome = 'delivered', failure = 'server_error'",
        "UPDATE attempts SET outcome = 'failed', failure = NULL",
        "UPDATE incidents SET status = 'snoozed'",
        "UPDATE deliveries SET state = 'lost'",
        "UPDATE ticket_links SET state = 'lost'",
    ] {
        let refused = changed(nonsense);
        assert!(
            matches!(&refused, Err(Error::SqliteFailure(..))),
            "{nonsense}: {refused:?}"
        );
    }
}

#[tokio::test]
async fn ticket_links_in_every_state_are_brought_up_to_date_with_what_their_tickets_were_told() {
    let folder = tempfile::tempdir().unwrap();
    drop(write_latest(folder.path()));
    let database = open(folder.path());
    let webhook = WebhookId::from_bytes(id(33));
    let mut links = Vec::new();
    for incident in [50, 51, 52, 53, 54] {
        let incident = IncidentId::from_bytes(id(incident));
        links.push(database.load_context(webhook, incident).await.unwrap());
    }
    let states: Vec<_> = links
        .iter()
        .map(|context| context.link.as_ref().map(|link| link.state.as_str()))
        .collect();
    let expected = [
        Some("linked"),
        Some("intended"),
        Some("wanted"),
        None,
        Some("unlinked"),
    ];
    assert_eq!(states, expected);
    let linked = links[0].link.clone().unwrap();
    let ticket = linked.ticket().unwrap().clone();
    assert_eq!(
        (ticket.key.as_str(), ticket.status.as_str()),
        ("OPS-50", "Do\"ing")
    );
    assert_eq!(
        (ticket.phase, linked.seen),
        (TicketPhase::InProgress, TicketPhase::New)
    );
    assert_eq!((linked.creates, linked.version, linked.event_sequence), (2, 7, 3));
    let workflow: serde_json::Value = serde_json::from_str(links[0].workflow.as_ref().unwrap()).unwrap();
    let expected = serde_json::json!({
        "version": 1,
        "told": { "ticket": "50", "assignee": "usr_1", "event": "evt_1" },
        "deliveries": [{ "event": 9, "state": { "version": 1, "noted": ["evt_9"], "user": null } }],
    });
    assert_eq!(workflow, expected);
    let Some(LinkState::Intended(intent)) = links[1].link.clone().map(|link| link.state) else {
        panic!("not intended")
    };
    assert_eq!(
        (intent.at.as_millis(), intent.creates, intent.hinted.as_deref()),
        (77, 1, Some("51"))
    );
    assert_eq!(links[4].link.as_ref().unwrap().generation, 2);
    assert_eq!(database.count_linked(webhook).await, Ok(3));
}
