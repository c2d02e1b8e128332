//! Services, users and escalation policies.

use model::access::Role;
use model::audit::Change;
use model::user::UserRef;
use store::StoreError;

use crate::cases;

use super::fixture::Fixture;
use super::samples;

fn change(fixture: &Fixture) -> Change {
    fixture.source.change(samples::actor(&fixture.source))
}

fn in_use(what: &'static str, used_by: &'static str) -> StoreError {
    StoreError::InUse { what, used_by }
}

cases! {
    settings::catalog;

    async fn a_service_reads_back_as_it_was_created_and_changed(fixture: Fixture) {
        let bystanders = fixture.plant_bystanders().await;
        let services = fixture.services();
        let mut service = samples::service(&fixture.source, "API", Some(bystanders.policy.id));
        let created = services.create(service.clone(), change(&fixture)).await;
        assert_eq!(created.as_ref(), Ok(&service));
        service.name = "API Gateway".into();
        service.description = None;
        service.policy_id = None;
        let changed = services.update(service.clone(), change(&fixture)).await;
        assert_eq!(changed.as_ref(), Ok(&service));
        assert_eq!(
            services.list(samples::everything()).await,
            Ok(vec![service.clone(), bystanders.service.clone()])
        );
        assert_eq!(services.delete(service.id, change(&fixture)).await, Ok(()));
        assert_eq!(
            services.get(service.id).await,
            Err(StoreError::NotFound { what: "service" })
        );
        assert_eq!(fixture.see(&bystanders).await, bystanders);
    }

    async fn names_and_addresses_are_taken_once(fixture: Fixture) {
        let bystanders = fixture.plant_bystanders().await;
        let service = samples::service(&fixture.source, "Bystanders", None);
        let user = samples::user(&fixture.source, "Bystander");
        let policy = samples::policy(&fixture.source, "bystanders", None);
        let taken = |what, field| StoreError::Taken { what, field };
        let audit_length = fixture.audit_length().await;
        assert_eq!(
            fixture.services().create(service, change(&fixture)).await,
            Err(taken("service", "name"))
        );
        assert_eq!(
            fixture.users().create(user, change(&fixture)).await,
            Err(taken("user", "address"))
        );
        assert_eq!(
            fixture.policies().create(policy, change(&fixture)).await,
            Err(taken("escalation policy", "name"))
        );
        assert_eq!(fixture.audit_length().await, audit_length);
        assert_eq!(fixture.see(&bystanders).await, bystanders);
    }

    async fn addresses_that_differ_in_case_alone_are_the_same(fixture: Fixture) {
        let bystanders = fixture.plant_bystanders().await;
        let taken = StoreError::Taken {
            what: "user",
            field: "address",
        };
        let mut user = samples::user(&fixture.source, "BYSTANDER");
        let created = fixture.users().create(user.clone(), change(&fixture));
        assert_eq!(created.await, Err(taken.clone()));
        user.email = Some("ada@example.org".into());
        let created = fixture.users().create(user.clone(), change(&fixture));
        assert_eq!(created.await, Ok(user.clone()));
        user.email = Some("Bystander@EXAMPLE.org".into());
        let changed = fixture.users().update(user.clone(), change(&fixture));
        assert_eq!(changed.await, Err(taken));
        user.email = Some("Ada@example.org".into());
        let changed = fixture.users().update(user.clone(), change(&fixture));
        assert_eq!(changed.await, Ok(user));
        assert_eq!(fixture.see(&bystanders).await, bystanders);
    }

    async fn a_rename_to_a_taken_name_is_refused(fixture: Fixture) {
        let bystanders = fixture.plant_bystanders().await;
        let mut service = samples::service(&fixture.source, "API", None);
        fixture
            .services()
            .create(service.clone(), change(&fixture))
            .await
            .unwrap();
        service.name = "Bystanders".into();
        let renamed = fixture.services().update(service.clone(), change(&fixture)).await;
        assert!(matches!(renamed, Err(StoreError::Taken { .. })));
        assert_eq!(fixture.services().get(service.id).await.unwrap().name, "API");
        assert_eq!(fixture.see(&bystanders).await, bystanders);
    }

    async fn references_that_lead_nowhere_are_refused(fixture: Fixture) {
        let bystanders = fixture.plant_bystanders().await;
        let source = &fixture.source;
        let service = samples::service(source, "API", Some(source.new_policy_id()));
        let policy = samples::policy(source, "night", Some(&samples::user(source, "Nobody")));
        let unknown = |what| StoreError::UnknownReference { what };
        assert_eq!(
            fixture.services().create(service, change(&fixture)).await,
            Err(unknown("escalation policy"))
        );
        assert_eq!(
            fixture.policies().create(policy.clone(), change(&fixture)).await,
            Err(unknown("user"))
        );
        assert!(fixture.policies().get(policy.id).await.is_err());
        assert_eq!(fixture.see(&bystanders).await, bystanders);
    }

    async fn what_is_in_use_cannot_be_deleted(fixture: Fixture) {
        let bystanders = fixture.plant_bystanders().await;
        let audit_length = fixture.audit_length().await;
        assert_eq!(
            fixture
                .services()
                .delete(bystanders.service.id, change(&fixture))
                .await,
            Err(in_use("service", "webhooks"))
        );
        assert_eq!(
            fixture.users().delete(bystanders.user.id, change(&fixture)).await,
            Err(in_use("user", "escalation policies"))
        );
        assert_eq!(
            fixture
                .policies()
                .delete(bystanders.policy.id, change(&fixture))
                .await,
            Err(in_use("escalation policy", "services"))
        );
        assert_eq!(fixture.audit_length().await, audit_length);
        assert_eq!(fixture.see(&bystanders).await, bystanders);
    }

    async fn a_service_and_a_user_with_incidents_cannot_be_deleted(fixture: Fixture) {
        let bystanders = fixture.plant_bystanders().await;
        let service = samples::service(&fixture.source, "API", None);
        let user = samples::user(&fixture.source, "Ada");
        fixture
            .services()
            .create(service.clone(), change(&fixture))
            .await
            .unwrap();
        fixture
            .users()
            .create(user.clone(), change(&fixture))
            .await
            .unwrap();
        let sql = "INSERT INTO incidents (id, title, status, severity, service_id, assignee_id, created_at, updated_at)
                   VALUES (?1, 'broken', 'triggered', 'info', ?1, ?2, 1, 1)";
        let ids = [service.id.as_bytes().into(), user.id.as_bytes().into()];
        fixture.execute(sql, &ids).await;
        assert_eq!(
            fixture.services().delete(service.id, change(&fixture)).await,
            Err(in_use("service", "incidents"))
        );
        assert_eq!(
            fixture.users().delete(user.id, change(&fixture)).await,
            Err(in_use("user", "incidents"))
        );
        assert_eq!(fixture.see(&bystanders).await, bystanders);
    }

    async fn a_service_is_free_again_once_the_webhook_that_names_it_is_deleted(fixture: Fixture) {
        let bystanders = fixture.plant_bystanders().await;
        let webhook = fixture.webhooks().delete(bystanders.webhook.id, change(&fixture));
        webhook.await.unwrap();
        let deleted = fixture.services().delete(bystanders.service.id, change(&fixture));
        assert_eq!(deleted.await, Ok(()));
    }

    async fn a_user_reads_back_as_created_and_changed(fixture: Fixture) {
        let bystanders = fixture.plant_bystanders().await;
        let users = fixture.users();
        let mut user = samples::user(&fixture.source, "Ada");
        assert_eq!(
            users.create(user.clone(), change(&fixture)).await,
            Ok(user.clone())
        );
        user.role = Role::Viewer;
        user.email = None;
        assert_eq!(
            users.update(user.clone(), change(&fixture)).await,
            Ok(user.clone())
        );
        assert_eq!(
            users.list(samples::everything()).await,
            Ok(vec![user.clone(), bystanders.user.clone()])
        );
        assert_eq!(users.delete(user.id, change(&fixture)).await, Ok(()));
        assert_eq!(
            users.get(user.id).await,
            Err(StoreError::NotFound { what: "user" })
        );
        assert_eq!(fixture.see(&bystanders).await, bystanders);
    }

    async fn the_steps_of_a_policy_are_replaced_as_a_whole_and_take_names_from_the_users(fixture: Fixture) {
        let bystanders = fixture.plant_bystanders().await;
        let mut policy = samples::policy(&fixture.source, "night", None);
        let policies = fixture.policies();
        assert_eq!(
            policies.create(policy.clone(), change(&fixture)).await,
            Ok(policy.clone())
        );
        policy.steps.truncate(1);
        policy.steps[0].assignee = Some(UserRef {
            id: bystanders.user.id,
            name: "not read".into(),
        });
        policies.update(policy.clone(), change(&fixture)).await.unwrap();
        let seen = policies.get(policy.id).await.unwrap();
        let names: Vec<_> = seen
            .steps
            .iter()
            .map(|step| step.assignee.as_ref().unwrap().name.as_str())
            .collect();
        assert_eq!(names, ["Bystander"]);
        assert_eq!(
            policies.list(samples::everything()).await,
            Ok(vec![seen, bystanders.policy.clone()])
        );
        assert_eq!(policies.delete(policy.id, change(&fixture)).await, Ok(()));
        assert!(policies.get(policy.id).await.is_err());
        assert_eq!(fixture.see(&bystanders).await, bystanders);
    }

    async fn a_change_that_changes_nothing_leaves_no_audit_row(fixture: Fixture) {
        let bystanders = fixture.plant_bystanders().await;
        let audit_length = fixture.audit_length().await;
        let mut policy = bystanders.policy.clone();
        policy.steps[0].assignee.as_mut().unwrap().name = "not read".into();
        let service = fixture
            .services()
            .update(bystanders.service.clone(), change(&fixture));
        let user = fixture.users().update(bystanders.user.clone(), change(&fixture));
        let policy = fixture.policies().update(policy, change(&fixture));
        assert_eq!(service.await.as_ref(), Ok(&bystanders.service));
        assert_eq!(user.await.as_ref(), Ok(&bystanders.user));
        assert_eq!(policy.await.as_ref(), Ok(&bystanders.policy));
        assert_eq!(fixture.audit_length().await, audit_length);
    }
}
