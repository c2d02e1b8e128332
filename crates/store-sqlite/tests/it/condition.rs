//! What the store knows of its own trouble: failed commits, and a write-ahead log that grew.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use model::service::Service;
use store::CommitObserver;
use store::StoreResult;

use store_conformance::Opening;
use store_conformance::settings::{Fixture, samples};

use super::backend::SqliteBackend;

/// What is more than fits.
const LARGE: usize = 200_000;
/// The log is cut to this after a checkpoint, and a foreign reader lets it grow beyond.
const LOG_KEPT_BYTES: u64 = 32 * 1024 * 1024;

/// Counts.
#[derive(Default)]
struct Counts {
    committed: AtomicUsize,
    failed: AtomicUsize,
}

impl CommitObserver for Counts {
    fn committed(&self, commands: usize, _: Duration) {
        self.committed.fetch_add(commands, Ordering::SeqCst);
    }
    fn failed(&self) {
        self.failed.fetch_add(1, Ordering::SeqCst);
    }
}

impl Counts {
    fn now(&self) -> (usize, usize) {
        (
            self.committed.load(Ordering::SeqCst),
            self.failed.load(Ordering::SeqCst),
        )
    }
}

async fn create(fixture: &Fixture, name: &str, size: usize) -> StoreResult<Service> {
    let source = &fixture.source;
    let mut service = samples::service(source, name, None);
    service.description = Some("x".repeat(size));
    let change = source.change(samples::actor(source));
    fixture.services().create(service, change).await
}

fn codes(fixture: &Fixture) -> Vec<&'static str> {
    let troubles = fixture.upkeep().troubles();
    troubles.iter().map(|trouble| trouble.code).collect()
}

#[tokio::test]
async fn a_refused_change_makes_the_store_unready_until_a_probe_finds_room() {
    let backend = Arc::new(SqliteBackend::new());
    let fixture = Fixture::new(backend.clone()).await;
    backend
        .connection()
        .execute_batch("INSERT INTO probes (filler) VALUES (zeroblob(500000))")
        .unwrap();
    let counts = Arc::<Counts>::default();
    let pages = fixture.count("SELECT page_count FROM pragma_page_count").await;
    backend.connection().execute_batch("DELETE FROM probes").unwrap();
    backend.set_max_pages(Some(u32::try_from(pages).unwrap()));
    let opening = Opening {
        observer: Arc::clone(&counts) as _,
        ..Opening::default()
    };
    let fixture = fixture.reopen(opening).await;
    assert_eq!((fixture.upkeep().ping().await, codes(&fixture)), (Ok(()), vec![]));
    backend
        .connection()
        .execute_batch("INSERT INTO probes (filler) VALUES (zeroblob(500000))")
        .unwrap();
    let before = counts.now();
    for _ in 0..3 {
        assert!(create(&fixture, "large", LARGE).await.is_err());
        assert!(fixture.upkeep().ping().await.is_err());
        assert_eq!(codes(&fixture), ["commits_fail"]);
    }
    // Three changes and three probes failed; none counts as a commit.
    assert_eq!(counts.now(), (before.0, before.1 + 6));
    backend.connection().execute_batch("DELETE FROM probes").unwrap();
    assert_eq!((fixture.upkeep().ping().await, codes(&fixture)), (Ok(()), vec![]));
}

#[tokio::test]
async fn a_log_that_a_foreign_reader_let_grow_is_cut_when_it_is_gone() {
    let backend = Arc::new(SqliteBackend::new());
    let fixture = Fixture::new(backend.clone()).await;
    let reader = backend.connection();
    reader
        .execute_batch("BEGIN; SELECT count(*) FROM services")
        .unwrap();
    let mut number = 0;
    let mut write = async |fixture: &Fixture| {
        number += 1;
        create(fixture, &number.to_string(), 4_000_000).await.unwrap();
        fixture.upkeep().info().await.unwrap().wal_bytes
    };
    while write(&fixture).await <= LOG_KEPT_BYTES {}
    reader.execute_batch("COMMIT").unwrap();
    drop(reader);
    let mut bytes = u64::MAX;
    for _ in 0..3 {
        bytes = write(&fixture).await;
    }
    assert!(bytes <= LOG_KEPT_BYTES, "{bytes}");
}
