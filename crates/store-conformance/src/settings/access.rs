//! API keys.

use model::access::{ApiKey, KeyHash};
use model::event::{EventName, EventSet};
use model::restriction::Restriction;
use store::StoreError;

use crate::cases;

use super::fixture::Fixture;
use super::samples;

cases! {
    settings::access;

    async fn a_key_is_found_by_its_hash(fixture: Fixture) {
        let bystanders = fixture.plant_bystanders().await;
        let source = &fixture.source;
        let key = samples::key(source, "new");
        let change = source.change(samples::actor(source));
        assert_eq!(
            fixture.access().create_key(key.clone(), change).await,
            Ok(key.clone())
        );
        assert_eq!(fixture.access().find_key(key.hash).await, Ok(Some(key)));
        assert_eq!(fixture.access().find_key(KeyHash::new("other")).await, Ok(None));
        let id = fixture.access().list_keys(store::Page::first()).await.unwrap()[0].id;
        let found = fixture.access().get_key(id).await.unwrap();
        assert_eq!(found.map(|key| key.id), Some(id));
        let nobody = model::id::KeyId::from_bytes([1; 16]);
        assert_eq!(fixture.access().get_key(nobody).await, Ok(None));
        assert_eq!(fixture.see(&bystanders).await, bystanders);
    }

    async fn what_a_key_is_restricted_to_is_kept_and_told_to_the_audit_log(fixture: Fixture) {
        let source = &fixture.source;
        let service = source.new_service_id();
        let events = EventSet::new(&[EventName::Resolved]);
        let key = ApiKey {
            restriction: Restriction::new(vec![service], Some(events)),
            ..samples::key(source, "display")
        };
        let change = || source.change(samples::actor(source));
        let access = fixture.access();
        assert_eq!(access.create_key(key.clone(), change()).await, Ok(key.clone()));
        assert_eq!(access.find_key(key.hash).await, Ok(Some(key.clone())));
        assert_eq!(access.get_key(key.id).await, Ok(Some(key.clone())));
        let audit = access.list_audit(store::Page::first()).await.unwrap();
        assert!(audit[0].detail.ends_with(&format!(", only of {service}, only incident.resolved")), "{audit:?}");
        let revoked = access.revoke_key(key.id, change()).await.unwrap();
        assert_eq!(revoked.restriction, key.restriction);
        assert_eq!(access.list_keys(samples::everything()).await, Ok(vec![revoked]));
    }

    async fn only_one_key_can_be_the_first(fixture: Fixture) {
        let source = &fixture.source;
        let (first, second) = (samples::key(source, "first"), samples::key(source, "second"));
        let change = || source.change(samples::actor(source));
        let access = fixture.access();
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
        assert_eq!(fixture.actions_after(0).await, ["key.create"]);
    }

    async fn revoking_a_key_twice_changes_nothing(fixture: Fixture) {
        let bystanders = fixture.plant_bystanders().await;
        let source = &fixture.source;
        let change = || source.change(samples::actor(source));
        let key = samples::key(source, "leaked");
        fixture.access().create_key(key.clone(), change()).await.unwrap();
        let audit_length = fixture.audit_length().await;
        let first = fixture.access().revoke_key(key.id, change()).await.unwrap();
        let second = fixture.access().revoke_key(key.id, change()).await.unwrap();
        assert!(first.revoked_at.is_some());
        assert_eq!(second, first);
        assert_eq!(fixture.access().find_key(key.hash).await, Ok(Some(first)));
        assert_eq!(fixture.actions_after(audit_length).await, ["key.revoke"]);
        assert_eq!(
            fixture.access().revoke_key(source.new_key_id(), change()).await,
            Err(StoreError::NotFound { what: "API key" })
        );
        assert_eq!(fixture.see(&bystanders).await, bystanders);
    }
}
