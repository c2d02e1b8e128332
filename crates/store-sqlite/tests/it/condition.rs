//! What the store knows of its own trouble: failed commits, and a write-ahead log that grew.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use model::service::Service;
use store::CommitObserver;
use store::StoreResult;

use super::backend::{Backend, Opening};
use super::samples;

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

async fn create(backend: &Backend, name: &str, size: usize) -> StoreResult<Service> {
    let source = &backend.source;
    let mut service = samples::service(source, name, None);
    service.description = Some("x".repeat(size));
    let change = source.change(samples::actor(source));
    backend.services().create(service, change).await
}

fn codes(backend: &Backend) -> Vec<&'static str> {
    let troubles = backend.upkeep().troubles();
    troubles.iter().map(|trouble| trouble.code).collect()
}

#[tokio::test]
async fn a_refused_change_makes_the_store_unready_until_a_probe_finds_room() {
    let backend = Backend::open();
    backend
        .beside()
        .execute_batch("INSERT INTO probes (filler) VALUES (zeroblob(500000))")
        .unwrap();
    let counts = Arc::<Counts>::default();
    let pages = backend.count("SELECT page_count FROM pragma_page_count");
    backend.beside().execute_batch("DELETE FROM probes").unwrap();
    let backend = backend.reopen(&Opening {
        max_pages: Some(u32::try_from(pages).unwrap()),
        observer: Arc::clone(&counts) as _,
        ..Opening::default()
    });
    assert_eq!((backend.upkeep().ping().await, codes(&backend)), (Ok(()), vec![]));
    backend
        .beside()
        .execute_batch("INSERT INTO probes (filler) VALUES (zeroblob(500000))")
        .unwrap();
    let before = counts.now();
    for _ in 0..3 {
        assert!(create(&backend, "large", LARGE).await.is_err());
        assert!(backend.upkeep().ping().await.is_err());
        assert_eq!(codes(&backend), ["commits_fail"]);
    }
    // Three changes and three probes failed; none counts as a commit.
    assert_eq!(counts.now(), (before.0, before.1 + 6));
    backend.beside().execute_batch("DELETE FROM probes").unwrap();
    assert_eq!((backend.upkeep().ping().await, codes(&backend)), (Ok(()), vec![]));
}

#[tokio::test]
async fn a_log_that_a_foreign_reader_let_grow_is_cut_when_it_is_gone() {
    let backend = Backend::open();
    let reader = backend.beside();
    reader
        .execute_batch("BEGIN; SELECT count(*) FROM services")
        .unwrap();
    let mut number = 0;
    let mut write = async |backend: &Backend| {
        number += 1;
        create(backend, &number.to_string(), 4_000_000).await.unwrap();
        backend.upkeep().info().await.unwrap().wal_bytes
    };
    while write(&backend).await <= LOG_KEPT_BYTES {}
    reader.execute_batch("COMMIT").unwrap();
    drop(reader);
    let mut bytes = u64::MAX;
    for _ in 0..3 {
        bytes = write(&backend).await;
    }
    assert!(bytes <= LOG_KEPT_BYTES, "{bytes}");
}
