//! API keys.

use model::access::KeyHash;
use store::StoreError;

use super::backend::Backend;
use super::samples;

#[tokio::test]
async fn a_key_is_found_by_its_hash() {
    let backend = Backend::open();
    let bystanders = backend.plant_bystanders().await;
    let source = &backend.source;
    let key = samples::key(source, "new");
    let change = source.change(samples::actor(source));
    assert_eq!(
        backend.access().create_key(key.clone(), change).await,
        Ok(key.clone())
    );
    assert_eq!(backend.access().find_key(key.hash).await, Ok(Some(key)));
    assert_eq!(backend.access().find_key(KeyHash::of("other")).await, Ok(None));
    assert_eq!(backend.see(&bystanders).await, bystanders);
}

#[tokio::test]
async fn only_one_key_can_be_the_first() {
    let backend = Backend::open();
    let source = &backend.source;
    let (first, second) = (samples::key(source, "first"), samples::key(source, "second"));
    let change = || source.change(samples::actor(source));
    let access = backend.access();
    assert_eq!(access.has_keys().await, Ok(false));
    assert_eq!(
        access.create_first_key(first.clone(), change()).await,
        Ok(first.clone())
    );
    assert!(matches!(
        access.create_first_key(second, change()).await,
        Err(StoreError::Conflict(_))
    ));
    assert_eq!(access.has_keys().await, Ok(true));
    assert_eq!(access.list_keys(samples::everything()).await, Ok(vec![first]));
    assert_eq!(backend.actions_after(0).await, ["key.create"]);
}

#[tokio::test]
async fn revoking_a_key_twice_changes_nothing() {
    let backend = Backend::open();
    let bystanders = backend.plant_bystanders().await;
    let source = &backend.source;
    let change = || source.change(samples::actor(source));
    let key = samples::key(source, "leaked");
    backend.access().create_key(key.clone(), change()).await.unwrap();
    let audit_length = backend.audit_length().await;
    let first = backend.access().revoke_key(key.id, change()).await.unwrap();
    let second = backend.access().revoke_key(key.id, change()).await.unwrap();
    assert!(first.revoked_at.is_some());
    assert_eq!(second, first);
    assert_eq!(backend.access().find_key(key.hash).await, Ok(Some(first)));
    assert_eq!(backend.actions_after(audit_length).await, ["key.revoke"]);
    assert_eq!(
        backend.access().revoke_key(source.new_key_id(), change()).await,
        Err(StoreError::NotFound { what: "API key" })
    );
    assert_eq!(backend.see(&bystanders).await, bystanders);
}
