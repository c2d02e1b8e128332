//! A store with more rows than one page of a list looks at.

use std::ops::ControlFlow;
use std::path::Path;
use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

use model::delivery::DeliveryState;
use model::event::EventType;
use model::exchange::FailureCode;
use model::incident::Severity;
use model::webhook::WebhookState;
use store::deliveries::{COUNTED_AT_MOST, DeliveryFilter};
use store::incidents::IncidentFilter;
use store::page::{Listed, WALKED_ROWS};
use store::upkeep::{CheckListener, CheckProgress};
use store::{Page, Store, StoreError};
use store_conformance::engine::World;
use store_sqlite::history::{self, History};

use super::backend::SqliteBackend;

/// How many more rows there are than one page looks at.
const MORE: u32 = 30;
/// What a world has of its own: its bystanders' events and deliveries.
const PLANTED: u32 = 3;

fn title(number: u32) -> String {
    match number {
        3 => "The very first".to_owned(),
        number => format!("Disk {number} is full"),
    }
}

/// A world with a past of one webhook's deliveries, of which some wait.
async fn world(pending: u32) -> World {
    let backend = Arc::new(SqliteBackend::new());
    let directory = backend.directory().to_owned();
    let mut world = World::new(backend).await;
    let past = History {
        service_id: world.service,
        webhooks: vec![world.ordered],
        incidents: WALKED_ROWS + MORE,
        pending,
        title,
        since: world.at(0),
        step_ms: 1,
    };
    world.restart_as(2, async |_| write(&directory, &past)).await;
    world
}

fn write(directory: &Path, past: &History) {
    history::write(directory, past).unwrap();
}

fn page(before: Option<[u8; 16]>) -> Page {
    Page { limit: 50, before }
}

async fn deliveries(store: &Store, filter: &DeliveryFilter, before: Option<[u8; 16]>) -> Listed<u32> {
    let listed = store.deliveries.list(filter.clone(), page(before)).await.unwrap();
    let places = |row: &model::delivery::Delivery| u32::try_from(row.event_sequence).unwrap();
    Listed {
        rows: listed.rows.iter().map(places).collect(),
        next: listed.next,
    }
}

#[tokio::test]
async fn a_list_of_what_no_index_knows_goes_on_from_where_it_stopped_looking() {
    let world = world(0).await;
    let store = world.store();
    let of_text = IncidentFilter {
        text: Some("very first".into()),
        ..IncidentFilter::default()
    };
    let first = store.incidents.list(of_text.clone(), page(None)).await.unwrap();
    assert_eq!(first.rows, []);
    let second = store.incidents.list(of_text, page(first.next)).await.unwrap();
    let titles: Vec<_> = second.rows.iter().map(|row| row.title.as_str()).collect();
    assert!(first.next.is_some());
    assert_eq!((titles, second.next), (vec!["The very first"], None));
    let of_event = DeliveryFilter {
        event: EventType::parse("incident.reopened"),
        ..DeliveryFilter::default()
    };
    for webhook_id in [None, Some(world.ordered)] {
        let of_event = DeliveryFilter {
            webhook_id,
            ..of_event.clone()
        };
        let first = deliveries(store, &of_event, None).await;
        assert_eq!(first.rows, [0; 0]);
        let second = deliveries(store, &of_event, first.next).await;
        assert!(first.next.is_some());
        assert_eq!((second.rows, second.next), (vec![], None));
    }
    let of_cause = DeliveryFilter {
        cause: Some(FailureCode::ServerError),
        ..DeliveryFilter::default()
    };
    let mut listed = deliveries(store, &of_cause, None).await;
    let mut found = listed.rows.len();
    while listed.next.is_some() {
        listed = deliveries(store, &of_cause, listed.next).await;
        found += listed.rows.len();
    }
    assert_eq!(found, (WALKED_ROWS + MORE).div_ceil(100) as usize);
}

#[tokio::test]
async fn what_an_index_knows_is_listed_without_an_end_to_looking() {
    let world = world(0).await;
    let store = world.store();
    let all = deliveries(store, &DeliveryFilter::default(), None).await;
    let newest = WALKED_ROWS + MORE + PLANTED;
    assert_eq!((all.rows.len(), all.rows[0]), (50, newest));
    let of_severity = IncidentFilter {
        severity: Some(Severity::Critical),
        service_id: Some(world.service),
        ..IncidentFilter::default()
    };
    let critical = store.incidents.list(of_severity, page(None)).await.unwrap();
    assert_eq!(critical.rows.len(), 50);
    let dead = DeliveryFilter {
        state: Some(DeliveryState::Dead),
        ..DeliveryFilter::default()
    };
    let dead = deliveries(store, &dead, None).await;
    assert_eq!((dead.rows.len(), dead.next.is_some()), (50, true));
}

#[tokio::test]
async fn a_backlog_that_is_too_long_to_be_put_in_order_is_listed_by_age() {
    let pending = WALKED_ROWS + 5;
    let world = world(pending).await;
    let store = world.store();
    let scheduled = DeliveryFilter {
        state: Some(DeliveryState::Scheduled),
        ..DeliveryFilter::default()
    };
    let (mut places, mut before) = (Vec::new(), None);
    for _ in 0..3 {
        let listed = deliveries(store, &scheduled, before).await;
        places.extend(listed.rows);
        before = listed.next;
    }
    let newest = WALKED_ROWS + MORE + PLANTED;
    assert_eq!(places, (newest - 149..=newest).rev().collect::<Vec<_>>());
    let claimed = DeliveryFilter {
        state: Some(DeliveryState::Claimed),
        ..DeliveryFilter::default()
    };
    let none = deliveries(store, &claimed, None).await;
    assert_eq!((none.rows, none.next), (vec![], None));
    let counts = store.deliveries.counts().await.unwrap();
    assert_eq!(counts.scheduled, u64::from(COUNTED_AT_MOST));
    let exact = store.deliveries.counts_by_webhook(None).await.unwrap();
    let exact = exact.iter().find(|webhook| webhook.id == world.ordered).unwrap();
    assert_eq!(exact.counts.scheduled, u64::from(pending));
    let open = store.overview.open_incidents(Some(1000)).await.unwrap();
    assert!(
        open.len() >= 4 && open.iter().all(|rank| rank.count <= 1000),
        "{open:?}"
    );
}

#[tokio::test]
async fn a_few_old_ones_that_are_held_are_found_beside_a_long_backlog_of_another_webhook() {
    let world = world(WALKED_ROWS + 5).await;
    let store = world.store();
    let held = DeliveryFilter {
        state: Some(DeliveryState::Held),
        ..DeliveryFilter::default()
    };
    let none = deliveries(store, &held, None).await;
    assert_eq!((none.rows, none.next), (vec![], None));
    let old = world.bystanders.webhook;
    let state = WebhookState::Disabled {
        since: world.at(1),
        reason: "full".into(),
    };
    let change = world.change(world.at(1));
    store.webhooks.set_state(old, state, change).await.unwrap();
    let of_backlog = DeliveryFilter {
        webhook_id: Some(world.ordered),
        ..held.clone()
    };
    let none = deliveries(store, &of_backlog, None).await;
    assert_eq!((none.rows, none.next), (vec![], None));
    let held = deliveries(store, &held, None).await;
    assert_eq!((held.rows.len(), held.next), (2, None));
}

#[tokio::test]
async fn a_written_past_is_such_as_a_server_leaves() {
    let world = world(100).await;
    let store = world.store();
    let found = store.upkeep.examine(world.at(0)).await;
    assert_eq!(found, Ok(vec![]));
    assert_eq!(store.upkeep.balance_at_once().await, Ok(None));
    let balance = store.upkeep.balance().await.unwrap();
    let ordered = balance
        .iter()
        .find(|row| row.webhook_id == world.ordered)
        .unwrap();
    assert_eq!(
        (ordered.accepted, ordered.open, ordered.missing()),
        (u64::from(WALKED_ROWS + MORE), 100, 0)
    );
    assert_eq!(
        store.upkeep.kept_deliveries().await,
        Ok(u64::from(WALKED_ROWS + MORE + PLANTED))
    );
}

#[tokio::test]
async fn who_reads_the_whole_store_is_in_nobodys_way() {
    let world = world(100).await;
    let store = world.store();
    let (begun, mut begins) = tokio::sync::mpsc::unbounded_channel();
    let (release, released) = mpsc::channel::<()>();
    let released = Mutex::new(released);
    let listener: CheckListener = Arc::new(move |_| {
        let _ = begun.send(());
        // It ends when the other side is dropped.
        let _ = released.lock().unwrap().recv();
        ControlFlow::Continue(())
    });
    let (upkeep, now) = (Arc::clone(&store.upkeep), world.at(0));
    let check = tokio::spawn(async move { upkeep.examine_heard(now, listener).await });
    begins.recv().await.unwrap();
    let webhook = world.ordered;
    let others = async {
        store.deliveries.counts_by_webhook(None).await.unwrap();
        store
            .deliveries
            .count_dead(webhook, world.at(0), world.at(1))
            .await
            .unwrap();
        store
            .deliveries
            .webhook_stats(webhook, world.at(0))
            .await
            .unwrap();
        store.overview.dead_groups().await.unwrap();
        store.upkeep.balance_at_once().await.unwrap();
    };
    tokio::time::timeout(Duration::from_secs(10), others)
        .await
        .unwrap();
    drop(release);
    assert_eq!(check.await.unwrap().unwrap().findings, []);
}

#[tokio::test]
async fn a_deep_check_is_broken_off_within_a_step_and_its_connection_is_read_again() {
    let world = world(0).await;
    let store = world.store();
    let last = Mutex::new(None);
    let tired_of_hearing_it_again: CheckListener = Arc::new(move |progress: CheckProgress| {
        match last.lock().unwrap().replace(progress) == Some(progress) {
            true => ControlFlow::Break(()),
            false => ControlFlow::Continue(()),
        }
    });
    let broken_off = store
        .upkeep
        .examine_heard(world.at(0), tired_of_hearing_it_again)
        .await;
    assert!(
        matches!(broken_off, Err(StoreError::Unavailable(_))),
        "{broken_off:?}"
    );
    assert_eq!(store.upkeep.examine(world.at(0)).await, Ok(vec![]));
}

#[tokio::test]
async fn a_delivery_without_a_webhook_hides_nobodys_balance() {
    let backend = Arc::new(SqliteBackend::new());
    let file = backend.directory().join("opsknight.db");
    let mut world = World::new(backend).await;
    let take_webhook = || {
        let connection = rusqlite::Connection::open(&file).unwrap();
        connection.pragma_update(None, "foreign_keys", false).unwrap();
        let taken = connection.execute("DELETE FROM webhooks WHERE name = 'bystander'", ());
        assert_eq!(taken, Ok(1));
    };
    world.restart_as(2, async |_| take_webhook()).await;
    let balance = world.store().upkeep.balance().await.unwrap();
    assert_eq!(balance.len(), 2);
}
