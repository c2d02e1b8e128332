//! API keys.

use model::access::{ApiKey, KeyHash};
use model::audit::{Actor, Change};
use model::event::{EventName, EventSet};
use model::restriction::Restriction;
use store::StoreError;
use store::access::AuditFilter;

use crate::cases;

use super::fixture::Fixture;
use super::samples;

cases! {
    settings::access;

    async fn of_what_holds_a_nul_nothing_is_found_in_the_audit_log(fixture: Fixture) {
        fixture.plant_bystanders().await;
        let nul = || Some("user\0".to_owned());
        for (who, kind) in [(nul(), None), (None, nul())] {
            let filter = AuditFilter { who, kind, ..AuditFilter::default() };
            let found = fixture.access().list_audit(filter, samples::everything()).await.unwrap();
            assert_eq!(found.rows, []);
        }
    }

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
        let audit = access.list_audit(AuditFilter::default(), store::Page::first()).await.unwrap().rows;
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

    async fn a_keys_last_use_is_noted_beside_it_and_not_in_the_log(fixture: Fixture) {
        let bystanders = fixture.plant_bystanders().await;
        let source = &fixture.source;
        let key = samples::key(source, "used");
        let change = source.change(samples::actor(source));
        fixture.access().create_key(key.clone(), change).await.unwrap();
        let audit_length = fixture.audit_length().await;
        assert!(key.is_to_be_touched(samples::now()));
        for id in [key.id, source.new_key_id()] {
            assert_eq!(fixture.access().touch_key(id, samples::now()).await, Ok(()));
        }
        let found = fixture.access().find_key(key.hash).await.unwrap().unwrap();
        assert_eq!(found.last_used_at, Some(samples::now()));
        assert!(!found.is_to_be_touched(samples::now()));
        assert_eq!(fixture.actions_after(audit_length).await, Vec::<String>::new());
        assert_eq!(fixture.see(&bystanders).await, bystanders);
    }

    async fn the_audit_log_is_read_by_who_what_and_when(fixture: Fixture) {
        let source = &fixture.source;
        let access = fixture.access();
        let user = samples::user(source, "Ada");
        let by_key = source.change(samples::actor(source));
        let Actor::Key { id: key_id, .. } = by_key.actor.clone() else {
            panic!("the samples act by a key");
        };
        fixture.users().create(user.clone(), by_key.clone()).await.unwrap();
        let by_user = Change {
            actor: Actor::User { id: user.id, name: "Ada: of Lovelace".into() },
            ..source.change(Actor::System)
        };
        access.create_key(samples::key(source, "a"), by_user.clone()).await.unwrap();
        access.create_key(samples::key(source, "b"), source.change(Actor::System)).await.unwrap();
        let found = async |filter: AuditFilter, limit| {
            let page = store::Page { limit, before: None };
            let listed = access.list_audit(filter, page).await.unwrap();
            let actions = listed.rows.into_iter().map(|entry| entry.action);
            (actions.collect::<Vec<_>>().join(" "), listed.next.is_some())
        };
        let who = |who: String| AuditFilter { who: Some(who), ..AuditFilter::default() };
        let kind = |kind: &str| AuditFilter { kind: Some(kind.into()), ..AuditFilter::default() };
        let all = "key.create key.create user.create".to_owned();
        assert_eq!(found(AuditFilter::default(), 9).await, (all, false));
        let about = "key.create user.create".to_owned();
        assert_eq!(found(who(user.id.to_string()), 9).await, (about, false));
        assert_eq!(found(who(key_id.to_string()), 9).await, ("user.create".to_owned(), false));
        assert_eq!(found(who("system".into()), 9).await, ("key.create".to_owned(), false));
        for nobody in ["usr_", "user", "%", "sys"] {
            assert_eq!(found(who(nobody.into()), 9).await, (String::new(), false), "{nobody}");
        }
        assert_eq!(found(kind("key"), 9).await, ("key.create key.create".to_owned(), false));
        assert_eq!(found(kind("key"), 1).await, ("key.create".to_owned(), true));
        assert_eq!(found(kind("ke"), 9).await, (String::new(), false));
        let from = AuditFilter { since: Some(by_key.at), ..AuditFilter::default() };
        assert_eq!(found(from, 9).await.0.len(), 33);
        let until = AuditFilter { until: Some(by_key.audit_id.made_at()), ..AuditFilter::default() };
        assert_eq!(found(until, 9).await, (String::new(), false));
    }

    async fn refusals_of_an_hour_are_one_entry_that_counts_them(fixture: Fixture) {
        let bystanders = fixture.plant_bystanders().await;
        let source = &fixture.source;
        let audit_length = fixture.audit_length().await;
        let change = source.change(Actor::System);
        for address in ["192.0.2.1", "192.0.2.2", "192.0.2.3"] {
            let noted = fixture.access().note_refusal("usr_x".into(), address.into(), change.clone());
            assert_eq!(noted.await, Ok(()));
        }
        let noted = fixture.access().note_refusal("nobody".into(), "x".into(), source.change(Actor::System));
        assert_eq!(noted.await, Ok(()));
        let log = fixture.access().list_audit(AuditFilter::default(), samples::everything()).await.unwrap().rows;
        let told: Vec<_> = log.iter().take(2).map(|entry| (entry.subject.as_str(), entry.detail.as_str(), entry.times)).collect();
        assert_eq!(told, [("nobody", "x", 1), ("usr_x", "192.0.2.3", 3)]);
        assert_eq!(fixture.actions_after(audit_length).await, ["sign_in.refuse", "sign_in.refuse"]);
        assert_eq!(fixture.see(&bystanders).await, bystanders);
    }
}
