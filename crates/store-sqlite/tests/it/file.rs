//! What can be wrong with the file itself.

use std::path::Path;
use std::sync::Arc;

use store::{StoreError, StoreResult};

use store_conformance::Opening;
use store_conformance::settings::{Fixture, samples};
use store_sqlite::Database;

use super::backend::{SqliteBackend, open_database};

fn open(directory: &Path) -> StoreResult<Database> {
    open_database(directory, &Opening::default(), None)
}

fn opening_fails(directory: &Path) -> StoreError {
    open(directory).err().expect("the store opened")
}

#[tokio::test]
async fn a_data_directory_serves_one_at_a_time() {
    let backend = Arc::new(SqliteBackend::new());
    let fixture = Fixture::new(backend.clone()).await;
    let bystanders = fixture.plant_bystanders().await;
    let refused = opening_fails(backend.directory());
    assert!(matches!(refused, StoreError::Unavailable(_)), "{refused:?}");
    assert!(
        refused
            .to_string()
            .contains("another OpsKnight uses the data directory"),
        "{refused}"
    );
    assert_eq!(fixture.see(&bystanders).await, bystanders);
}

#[test]
fn a_data_directory_that_is_a_file_is_said_to_be_unusable() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file");
    std::fs::write(&path, "").unwrap();
    let refused = opening_fails(&path);
    assert!(matches!(refused, StoreError::Unavailable(_)), "{refused:?}");
    assert!(refused.to_string().contains("cannot be used"), "{refused}");
}

#[test]
fn a_file_of_garbage_is_named_and_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("opsknight.db");
    std::fs::write(
        &path,
        "no database, but long enough to be looked at. ".repeat(200),
    )
    .unwrap();
    let before = std::fs::read(&path).unwrap();
    let refused = opening_fails(folder.path());
    assert!(matches!(refused, StoreError::Corrupt(_)), "{refused:?}");
    assert!(
        refused.to_string().contains(&path.display().to_string()),
        "{refused}"
    );
    assert_eq!(std::fs::read(&path).unwrap(), before);
}

#[tokio::test]
async fn a_newer_schema_is_refused() {
    let backend = Arc::new(SqliteBackend::new());
    let fixture = Fixture::new(backend.clone()).await;
    backend
        .connection()
        .pragma_update(None, "user_version", 9999)
        .unwrap();
    let folder = tempfile::tempdir().unwrap();
    fixture
        .upkeep()
        .backup(
            folder.path().join("opsknight.db"),
            fixture.source.change(model::audit::Actor::System),
        )
        .await
        .unwrap();
    let refused = opening_fails(folder.path());
    assert!(matches!(refused, StoreError::Unavailable(_)), "{refused:?}");
    assert!(
        refused.to_string().contains("written by a newer version"),
        "{refused}"
    );
}

#[tokio::test]
async fn a_migration_that_is_not_the_one_that_was_applied_is_refused() {
    let backend = SqliteBackend::new();
    let applied = "SELECT (SELECT count(*) FROM migrations) = user_version FROM pragma_user_version";
    let is_complete: bool = backend
        .connection()
        .query_row(applied, (), |row| row.get(0))
        .unwrap();
    assert!(is_complete);
    for change in [
        "UPDATE migrations SET hash = zeroblob(32) WHERE number = 3",
        "DELETE FROM migrations WHERE number = 3",
    ] {
        backend.connection().execute_batch(change).unwrap();
        let refused = opening_fails(backend.directory());
        assert!(matches!(refused, StoreError::Unavailable(_)), "{refused:?}");
        let words = refused.to_string();
        for expected in ["migration 3", "(migration_changed)", "restore a backup"] {
            assert!(words.contains(expected), "{words}");
        }
    }
}

#[tokio::test]
async fn a_full_disk_fails_writes_whole_and_more_room_heals_it() {
    let backend = Arc::new(SqliteBackend::new());
    let fixture = Fixture::new(backend.clone()).await;
    let bystanders = fixture.plant_bystanders().await;
    let pages = fixture.count("SELECT page_count FROM pragma_page_count").await;
    backend.set_max_pages(Some(u32::try_from(pages).unwrap() + 3));
    let fixture = fixture.reopen(Opening::default()).await;
    let audit_length = fixture.audit_length().await;
    let source = &fixture.source;
    let create = |size: usize, name: &str| {
        let mut service = samples::service(source, name, None);
        service.description = Some("x".repeat(size));
        fixture
            .services()
            .create(service, source.change(samples::actor(source)))
    };
    // Both wait for the writer at once, and may share a transaction with the one that fails.
    let (small, large, other) =
        tokio::join!(create(10, "small"), create(100_000, "large"), create(10, "other"));
    let error = large.unwrap_err();
    assert!(matches!(error, StoreError::Unavailable(_)), "{error:?}");
    assert!(error.to_string().contains("full"), "{error}");
    let kept = [&small, &other]
        .map(|created| usize::from(created.is_ok()))
        .iter()
        .sum::<usize>();
    let services = fixture.services().list(samples::everything()).await.unwrap();
    assert_eq!(services.len(), 1 + kept);
    assert_eq!(fixture.audit_length().await, audit_length + kept);
    assert_eq!(
        create(10, "after").await.map(|service| service.name),
        Ok("after".into())
    );
    assert_eq!(fixture.see(&bystanders).await, bystanders);

    backend.set_max_pages(None);
    let fixture = fixture.reopen(Opening::default()).await;
    let source = &fixture.source;
    let mut service = samples::service(source, "large", None);
    service.description = Some("x".repeat(100_000));
    let created = fixture
        .services()
        .create(service, source.change(samples::actor(source)));
    assert!(created.await.is_ok());
    assert_eq!(fixture.upkeep().examine(samples::now()).await, Ok(vec![]));
    assert_eq!(fixture.see(&bystanders).await, bystanders);
}
