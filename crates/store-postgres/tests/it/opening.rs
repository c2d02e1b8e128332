//! What happens when a node meets a database.

use store::StoreError;
use store_postgres::Database;

use super::server::{server, settings};

async fn refusal(database: &str) -> StoreError {
    let opened = Database::open(settings(&server().url(database))).await;
    opened.err().expect("the store opened")
}

#[tokio::test]
async fn nodes_that_start_together_on_an_empty_database_make_its_schema_once() {
    let url = server().url(&server().new_empty_database());
    let open = || Database::open(settings(&url));
    let (first, second, third) = tokio::join!(open(), open(), open());
    let versions = [first, second, third].map(|opened| opened.unwrap().schema_version());
    assert_eq!(versions, [store_postgres::known_schema(); 3]);
}

#[tokio::test]
async fn a_migration_that_is_not_the_one_that_was_applied_is_refused() {
    for change in [
        "UPDATE migrations SET hash = decode(repeat('11', 32), 'hex') WHERE number = 1",
        "DELETE FROM migrations WHERE number = 1",
        "INSERT INTO migrations (number, hash) SELECT 9999, hash FROM migrations WHERE number = 1",
    ] {
        let database = server().new_database();
        server()
            .connect(&database)
            .await
            .batch_execute(change)
            .await
            .unwrap();
        let refused = refusal(&database).await;
        assert!(matches!(refused, StoreError::Unavailable(_)), "{refused:?}");
        let is_said = ["(migration_changed)", "written by a newer version"]
            .iter()
            .any(|words| refused.to_string().contains(words));
        assert!(is_said, "{refused}");
    }
}

#[tokio::test]
async fn a_database_that_cannot_be_reached_is_unavailable_and_says_why() {
    let refused = refusal("nowhere").await;
    assert!(matches!(refused, StoreError::Unavailable(_)), "{refused:?}");
    assert!(refused.to_string().contains("nowhere"), "{refused}");
    let opened = Database::open(settings("postgres://user:hush@[")).await;
    let refused = opened.err().expect("the store opened");
    assert!(matches!(refused, StoreError::Unavailable(_)), "{refused:?}");
    assert!(!refused.to_string().contains("hush"), "{refused}");
}
