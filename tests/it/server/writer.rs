//! A store whose writer dies says so: whoever runs the server ends it.

use std::sync::Arc;
use std::time::Duration;

use store::CommitObserver;
use store::NoSink;
use store::seal::{MasterKey, Sealer};
use store_sqlite::Settings;
use tokio::sync::Notify;

use super::PATIENCE;

/// Panics at the first commit, in the writer's own thread.
struct Breaks(Arc<Notify>);

impl CommitObserver for Breaks {
    fn committed(&self, _: usize, _: Duration) {
        panic!("a bug");
    }

    fn failed(&self) {}

    fn writer_died(&self) {
        self.0.notify_one();
    }
}

#[tokio::test]
async fn the_end_of_the_writer_is_reported() {
    let directory = tempfile::tempdir().unwrap();
    let died = Arc::new(Notify::new());
    let store = store_sqlite::open(Settings {
        directory: directory.path().to_owned(),
        sealer: Sealer::new(&MasterKey::new([1; 32]), None),
        delivery_sink: Arc::new(NoSink),
        node: 1,
        observer: Arc::new(Breaks(Arc::clone(&died))),
        max_pages: None,
    })
    .unwrap();
    store.upkeep.ping().await.unwrap();
    tokio::time::timeout(PATIENCE, died.notified()).await.unwrap();
    assert!(store.upkeep.ping().await.is_err());
}
