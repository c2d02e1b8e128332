//! Services, users and escalation policies.

use model::access::Role;
use model::audit::Change;
use model::user::UserRef;
use store::StoreError;

use super::backend::Backend;
use super::samples;

fn change(backend: &Backend) -> Change {
    backend.source.change(samples::actor(&backend.source))
}

fn in_use(what: &'static str, used_by: &'static str) -> StoreError {
    StoreError::InUse { what, used_by }
}

#[tokio::test]
async fn a_service_reads_back_as_it_was_created_and_changed() {
    let backend = Backend::open();
    let bystanders = backend.plant_bystanders().await;
    let services = backend.services();
    let mut service = samples::service(&backend.source, "API", Some(bystanders.policy.id));
    let created = services.create(service.clone(), change(&backend)).await;
    assert_eq!(created.as_ref(), Ok(&service));
    service.name = "API Gateway".into();
    service.description = None;
    service.policy_id = None;
    let changed = services.update(service.clone(), change(&backend)).await;
    assert_eq!(changed.as_ref(), Ok(&service));
    assert_eq!(
        services.list(samples::everything()).await,
        Ok(vec![service.clone(), bystanders.service.clone()])
    );
    assert_eq!(services.delete(service.id, change(&backend)).await, Ok(()));
    assert_eq!(
        services.get(service.id).await,
        Err(StoreError::NotFound { what: "service" })
    );
    assert_eq!(backend.see(&bystanders).await, bystanders);
}

#[tokio::test]
async fn names_and_addresses_are_taken_once() {
    let backend = Backend::open();
    let bystanders = backend.plant_bystanders().await;
    let service = samples::service(&backend.source, "Bystanders", None);
    let user = samples::user(&backend.source, "Bystander");
    let policy = samples::policy(&backend.source, "bystanders", None);
    let taken = |what, field| StoreError::Taken { what, field };
    let audit_length = backend.audit_length().await;
    assert_eq!(
        backend.services().create(service, change(&backend)).await,
        Err(taken("service", "name"))
    );
    assert_eq!(
        backend.users().create(user, change(&backend)).await,
        Err(taken("user", "address"))
    );
    assert_eq!(
        backend.policies().create(policy, change(&backend)).await,
        Err(taken("escalation policy", "name"))
    );
    assert_eq!(backend.audit_length().await, audit_length);
    assert_eq!(backend.see(&bystanders).await, bystanders);
}

#[tokio::test]
async fn addresses_that_differ_in_case_alone_are_the_same() {
    let backend = Backend::open();
    let bystanders = backend.plant_bystanders().await;
    let taken = StoreError::Taken {
        what: "user",
        field: "address",
    };
    let mut user = samples::user(&backend.source, "BYSTANDER");
    let created = backend.users().create(user.clone(), change(&backend));
    assert_eq!(created.await, Err(taken.clone()));
    user.email = Some("ada@example.org".into());
    let created = backend.users().create(user.clone(), change(&backend));
    assert_eq!(created.await, Ok(user.clone()));
    user.email = Some("Bystander@EXAMPLE.org".into());
    let changed = backend.users().update(user.clone(), change(&backend));
    assert_eq!(changed.await, Err(taken));
    user.email = Some("Ada@example.org".into());
    let changed = backend.users().update(user.clone(), change(&backend));
    assert_eq!(changed.await, Ok(user));
    assert_eq!(backend.see(&bystanders).await, bystanders);
}

#[tokio::test]
async fn a_rename_to_a_taken_name_is_refused() {
    let backend = Backend::open();
    let bystanders = backend.plant_bystanders().await;
    let mut service = samples::service(&backend.source, "API", None);
    backend
        .services()
        .create(service.clone(), change(&backend))
        .await
        .unwrap();
    service.name = "Bystanders".into();
    let renamed = backend.services().update(service.clone(), change(&backend)).await;
    assert!(matches!(renamed, Err(StoreError::Taken { .. })));
    assert_eq!(backend.services().get(service.id).await.unwrap().name, "API");
    assert_eq!(backend.see(&bystanders).await, bystanders);
}

#[tokio::test]
async fn references_that_lead_nowhere_are_refused() {
    let backend = Backend::open();
    let bystanders = backend.plant_bystanders().await;
    let source = &backend.source;
    let service = samples::service(source, "API", Some(source.new_policy_id()));
    let policy = samples::policy(source, "night", Some(&samples::user(source, "Nobody")));
    let unknown = |what| StoreError::UnknownReference { what };
    assert_eq!(
        backend.services().create(service, change(&backend)).await,
        Err(unknown("escalation policy"))
    );
    assert_eq!(
        backend.policies().create(policy.clone(), change(&backend)).await,
        Err(unknown("user"))
    );
    assert!(backend.policies().get(policy.id).await.is_err());
    assert_eq!(backend.see(&bystanders).await, bystanders);
}

#[tokio::test]
async fn what_is_in_use_cannot_be_deleted() {
    let backend = Backend::open();
    let bystanders = backend.plant_bystanders().await;
    let audit_length = backend.audit_length().await;
    assert_eq!(
        backend
            .services()
            .delete(bystanders.service.id, change(&backend))
            .await,
        Err(in_use("service", "webhooks"))
    );
    assert_eq!(
        backend.users().delete(bystanders.user.id, change(&backend)).await,
        Err(in_use("user", "escalation policies"))
    );
    assert_eq!(
        backend
            .policies()
            .delete(bystanders.policy.id, change(&backend))
            .await,
        Err(in_use("escalation policy", "services"))
    );
    assert_eq!(backend.audit_length().await, audit_length);
    assert_eq!(backend.see(&bystanders).await, bystanders);
}

#[tokio::test]
async fn a_service_and_a_user_with_incidents_cannot_be_deleted() {
    let backend = Backend::open();
    let bystanders = backend.plant_bystanders().await;
    let service = samples::service(&backend.source, "API", None);
    let user = samples::user(&backend.source, "Ada");
    backend
        .services()
        .create(service.clone(), change(&backend))
        .await
        .unwrap();
    backend
        .users()
        .create(user.clone(), change(&backend))
        .await
        .unwrap();
    backend
        .beside()
        .execute(
            "INSERT INTO incidents (id, title, status, severity, service_id, assignee_id, created_at, updated_at)
             VALUES (?1, 'broken', 'triggered', 'info', ?1, ?2, 1, 1)",
            (service.id.as_bytes(), user.id.as_bytes()),
        )
        .unwrap();
    assert_eq!(
        backend.services().delete(service.id, change(&backend)).await,
        Err(in_use("service", "incidents"))
    );
    assert_eq!(
        backend.users().delete(user.id, change(&backend)).await,
        Err(in_use("user", "incidents"))
    );
    assert_eq!(backend.see(&bystanders).await, bystanders);
}

#[tokio::test]
async fn a_service_is_free_again_once_the_webhook_that_names_it_is_deleted() {
    let backend = Backend::open();
    let bystanders = backend.plant_bystanders().await;
    let webhook = backend.webhooks().delete(bystanders.webhook.id, change(&backend));
    webhook.await.unwrap();
    let deleted = backend.services().delete(bystanders.service.id, change(&backend));
    assert_eq!(deleted.await, Ok(()));
}

#[tokio::test]
async fn a_user_reads_back_as_created_and_changed() {
    let backend = Backend::open();
    let bystanders = backend.plant_bystanders().await;
    let users = backend.users();
    let mut user = samples::user(&backend.source, "Ada");
    assert_eq!(
        users.create(user.clone(), change(&backend)).await,
        Ok(user.clone())
    );
    user.role = Role::Viewer;
    user.email = None;
    assert_eq!(
        users.update(user.clone(), change(&backend)).await,
        Ok(user.clone())
    );
    assert_eq!(
        users.list(samples::everything()).await,
        Ok(vec![user.clone(), bystanders.user.clone()])
    );
    assert_eq!(users.delete(user.id, change(&backend)).await, Ok(()));
    assert_eq!(
        users.get(user.id).await,
        Err(StoreError::NotFound { what: "user" })
    );
    assert_eq!(backend.see(&bystanders).await, bystanders);
}

#[tokio::test]
async fn the_steps_of_a_policy_are_replaced_as_a_whole_and_take_names_from_the_users() {
    let backend = Backend::open();
    let bystanders = backend.plant_bystanders().await;
    let mut policy = samples::policy(&backend.source, "night", None);
    let policies = backend.policies();
    assert_eq!(
        policies.create(policy.clone(), change(&backend)).await,
        Ok(policy.clone())
    );
    policy.steps.truncate(1);
    policy.steps[0].assignee = Some(UserRef {
        id: bystanders.user.id,
        name: "not read".into(),
    });
    policies.update(policy.clone(), change(&backend)).await.unwrap();
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
    assert_eq!(policies.delete(policy.id, change(&backend)).await, Ok(()));
    assert!(policies.get(policy.id).await.is_err());
    assert_eq!(backend.see(&bystanders).await, bystanders);
}

#[tokio::test]
async fn a_change_that_changes_nothing_leaves_no_audit_row() {
    let backend = Backend::open();
    let bystanders = backend.plant_bystanders().await;
    let audit_length = backend.audit_length().await;
    let mut policy = bystanders.policy.clone();
    policy.steps[0].assignee.as_mut().unwrap().name = "not read".into();
    let service = backend
        .services()
        .update(bystanders.service.clone(), change(&backend));
    let user = backend.users().update(bystanders.user.clone(), change(&backend));
    let policy = backend.policies().update(policy, change(&backend));
    assert_eq!(service.await.as_ref(), Ok(&bystanders.service));
    assert_eq!(user.await.as_ref(), Ok(&bystanders.user));
    assert_eq!(policy.await.as_ref(), Ok(&bystanders.policy));
    assert_eq!(backend.audit_length().await, audit_length);
}
