//! The schemas that a store has had, each with rows as a version with it wrote them, as they lie in the store's folders
//! `migrations` and `tests/samples`.

use std::path::{Path, PathBuf};

use model::access::{Scope, ScopeSet};
use model::delivery::DeliveryState;
use model::display::ClockFormat;
use model::id::{DeliveryId, KeyId, ServiceId, SourceId, UserId, WebhookId};
use store::Store;
use store::deliveries::DeliveryFilter;

use crate::settings::samples;

/// A schema that a store has or had.
pub struct Schema {
    /// What makes it of the one before.
    pub migration: String,
    /// What a version with it wrote, as far as the samples of those before do not hold it.
    pub rows: Option<String>,
}

/// The schemas of the store in a crate's folder: the first one first, the present one last.
pub fn schemas(store: &Path) -> Vec<Schema> {
    let migrations = files(&store.join("migrations"));
    let mut schemas: Vec<_> = migrations
        .iter()
        .map(|file| Schema {
            migration: read(file),
            rows: None,
        })
        .collect();
    for sample in files(&store.join("tests/samples")) {
        let number: usize = sample.file_stem().unwrap().to_str().unwrap().parse().unwrap();
        schemas[number - 1].rows = Some(read(&sample));
    }
    schemas
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap();
    let mut files: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

fn read(file: &PathBuf) -> String {
    std::fs::read_to_string(file).unwrap()
}

/// What the samples of later schemas hold reads as what it was.
pub async fn expect_samples(store: &Store) {
    let id = |number: u8| {
        let mut bytes = [0; 16];
        bytes[15] = number;
        bytes
    };
    let state = async |number| {
        let detail = store
            .deliveries
            .get(DeliveryId::from_bytes(id(number)))
            .await
            .unwrap();
        (detail.delivery.state, detail.delivery.taken_over_by)
    };
    let fallback = DeliveryId::from_bytes(id(85));
    assert_eq!(state(82).await, (DeliveryState::Superseded, None));
    assert_eq!(state(84).await, (DeliveryState::Dead, Some(fallback)));
    let superseded = DeliveryFilter {
        state: Some(DeliveryState::Superseded),
        ..DeliveryFilter::default()
    };
    let superseded = store
        .deliveries
        .list(superseded, samples::everything())
        .await
        .unwrap();
    assert_eq!(superseded.rows.len(), 1);
    let source = SourceId::from_bytes(id(70));
    let requests = store.sources.requests(source).await.unwrap();
    assert_eq!(requests[0].result.alerts[0].key, "abc123");
    let key = store
        .access
        .get_key(KeyId::from_bytes(id(90)))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(key.restriction.services(), [ServiceId::from_bytes(id(6))]);
    assert_eq!(key.scopes, ScopeSet::new(&[Scope::EventsRead]));
    let person = UserId::from_bytes(id(2));
    let display = store.users.get(person).await.unwrap().display;
    assert_eq!(display.clock, ClockFormat::Hours24);
    let passkeys = store.passkeys.list(person).await.unwrap();
    assert_eq!((passkeys.len(), passkeys[0].credential.sign_count), (1, u32::MAX));
    let links = store
        .receiver_links
        .list(WebhookId::from_bytes(id(81)))
        .await
        .unwrap();
    assert_eq!(links[0].name, "their team");
}
