//! Webhooks and their secrets.

use model::audit::Change;
use model::exchange::FailureCode;
use model::id::WebhookId;
use model::secret::SecretText;
use model::webhook::{Degraded, Webhook, WebhookSecrets, WebhookState};
use store::StoreError;
use store::webhooks::WebhookEdit;

use super::backend::Backend;
use super::samples;

const NOT_FOUND: StoreError = StoreError::NotFound { what: "webhook" };

fn change(backend: &Backend) -> Change {
    backend.source.change(samples::actor(&backend.source))
}

async fn create(backend: &Backend, name: &str) -> Webhook {
    let id = backend.source.new_webhook_id();
    let (settings, secrets) = (samples::settings(name, vec![]), samples::secrets(name));
    let created = backend
        .webhooks()
        .create(id, settings, secrets, samples::enabled(), change(backend));
    created.await.unwrap()
}

async fn secrets_of(backend: &Backend, id: WebhookId) -> WebhookSecrets {
    backend.endpoints().load(id).await.unwrap().unwrap().secrets
}

fn edit(webhook: &Webhook) -> WebhookEdit {
    WebhookEdit {
        expected: webhook.settings.clone(),
        settings: webhook.settings.clone(),
        headers: None,
        secret_options: Default::default(),
        ca_pem: None,
        identity_pem: None,
    }
}

#[tokio::test]
async fn a_created_webhook_reads_back_with_everything_that_was_set() {
    let backend = Backend::open();
    let bystanders = backend.plant_bystanders().await;
    let id = backend.source.new_webhook_id();
    let settings = samples::settings("new", vec![bystanders.service.id]);
    let secrets = samples::secrets("new");
    let created = backend
        .webhooks()
        .create(
            id,
            settings.clone(),
            secrets.clone(),
            samples::disabled(),
            change(&backend),
        )
        .await
        .unwrap();
    assert_eq!(backend.webhooks().get(id).await.as_ref(), Ok(&created));
    assert_eq!(
        (&created.settings, &created.state),
        (&settings, &samples::disabled())
    );
    assert_eq!(created.header_names, ["X-Token"]);
    assert_eq!(created.secret_option_names, ["token"]);
    assert_eq!((created.has_extra_ca, created.has_tls_identity), (true, true));
    assert_eq!(secrets_of(&backend, id).await, secrets);
    assert_eq!(backend.told(), [id]);
    assert_eq!(backend.see(&bystanders).await, bystanders);
}

#[tokio::test]
async fn a_webhook_cannot_name_a_service_that_is_not_there() {
    let backend = Backend::open();
    let settings = samples::settings("new", vec![backend.source.new_service_id()]);
    let created = backend
        .webhooks()
        .create(
            backend.source.new_webhook_id(),
            settings,
            samples::secrets("new"),
            samples::enabled(),
            change(&backend),
        )
        .await;
    assert_eq!(created, Err(StoreError::UnknownReference { what: "service" }));
    assert_eq!(backend.webhooks().list(samples::everything()).await, Ok(vec![]));
    assert_eq!((backend.told(), backend.audit_length().await), (vec![], 0));
}

#[tokio::test]
async fn webhooks_are_listed_newest_first_page_by_page() {
    let backend = Backend::open();
    let first = create(&backend, "first").await;
    let second = create(&backend, "second").await;
    let third = create(&backend, "third").await;
    let mut page = samples::everything();
    page.limit = 2;
    let newest = backend.webhooks().list(page).await.unwrap();
    page.before = Some(*second.id.as_bytes());
    let rest = backend.webhooks().list(page).await.unwrap();
    assert_eq!((newest, rest), (vec![third, second], vec![first]));
}

#[tokio::test]
async fn an_edit_changes_what_it_names_and_keeps_the_other_secrets() {
    let backend = Backend::open();
    let bystanders = backend.plant_bystanders().await;
    let webhook = create(&backend, "old").await;
    let before = secrets_of(&backend, webhook.id).await;
    let audit_length = backend.audit_length().await;
    let mut edit = edit(&webhook);
    edit.settings.name = "new".into();
    edit.headers = Some(vec![("X-Other".into(), SecretText::new("other"))]);
    edit.identity_pem = Some(None);
    let other = ("other".to_owned(), Some(SecretText::new("more")));
    edit.secret_options = [other, ("nothing".to_owned(), None)].into();
    let edited = backend
        .webhooks()
        .update(webhook.id, edit, change(&backend))
        .await
        .unwrap();
    let after = secrets_of(&backend, webhook.id).await;
    assert_eq!(edited.settings.name, "new");
    assert_eq!(edited.header_names, ["X-Other"]);
    assert_eq!((edited.has_extra_ca, edited.has_tls_identity), (true, false));
    assert_eq!(edited.secret_option_names, ["other", "token"]);
    assert_eq!(after.options["token"], before.options["token"]);
    assert_eq!(after.signing, before.signing);
    assert_eq!(after.headers, [("X-Other".into(), SecretText::new("other"))]);
    assert!(edited.updated_at > webhook.updated_at);
    assert_eq!(backend.actions_after(audit_length).await, ["webhook.update"]);
    assert_eq!(backend.see(&bystanders).await, bystanders);
}

#[tokio::test]
async fn an_edit_without_a_difference_writes_nothing() {
    let backend = Backend::open();
    let webhook = create(&backend, "same").await;
    let mut edit = edit(&webhook);
    edit.headers = Some(samples::secrets("same").headers);
    edit.ca_pem = Some(Some("an authority".into()));
    backend.told();
    let edited = backend
        .webhooks()
        .update(webhook.id, edit, change(&backend))
        .await;
    assert_eq!(edited, Ok(webhook));
    assert_eq!(backend.told(), []);
    assert_eq!(backend.audit_length().await, 1);
}

#[tokio::test]
async fn the_audit_log_names_what_changed_and_no_secret() {
    let backend = Backend::open();
    let webhook = create(&backend, "old").await;
    let mut edit = edit(&webhook);
    edit.settings.url = "https://elsewhere.example/?token=hidden".parse().unwrap();
    edit.headers = Some(vec![("X-Other".into(), SecretText::new("hidden"))]);
    edit.secret_options = [("token".to_owned(), Some(SecretText::new("hidden")))].into();
    backend
        .webhooks()
        .update(webhook.id, edit, change(&backend))
        .await
        .unwrap();
    let entry = backend
        .access()
        .list_audit(samples::everything())
        .await
        .unwrap()
        .remove(0);
    assert_eq!(
        entry.detail,
        "changed the URL, the headers, the secret options of \"old\""
    );
    assert_eq!(
        (entry.actor.name(), entry.subject),
        ("ci: tests", webhook.id.to_string())
    );
}

#[tokio::test]
async fn a_deleted_webhook_is_gone_with_its_secrets() {
    let backend = Backend::open();
    let bystanders = backend.plant_bystanders().await;
    let webhook = create(&backend, "doomed").await;
    backend.told();
    let webhooks = backend.webhooks();
    assert_eq!(webhooks.delete(webhook.id, change(&backend)).await, Ok(()));
    assert_eq!(backend.told(), [webhook.id]);
    assert_eq!(webhooks.get(webhook.id).await, Err(NOT_FOUND));
    assert_eq!(
        webhooks
            .update(webhook.id, edit(&webhook), change(&backend))
            .await,
        Err(NOT_FOUND)
    );
    assert_eq!(
        webhooks.delete(webhook.id, change(&backend)).await,
        Err(NOT_FOUND)
    );
    assert!(backend.endpoints().load(webhook.id).await.unwrap().is_none());
    let left = "SELECT count(*) FROM webhooks WHERE deleted_at IS NOT NULL
        AND (headers IS NOT NULL OR identity_pem IS NOT NULL OR ca_pem IS NOT NULL OR length(secret) > 60)";
    assert_eq!(backend.count(left), 0);
    assert_eq!(backend.see(&bystanders).await, bystanders);
}

#[tokio::test]
async fn disabling_twice_keeps_the_first_reason_and_writes_once() {
    let backend = Backend::open();
    let bystanders = backend.plant_bystanders().await;
    let webhook = create(&backend, "noisy").await;
    let audit_length = backend.audit_length().await;
    let again = WebhookState::Disabled {
        since: samples::hours_ago(1),
        reason: "another reason".into(),
    };
    let webhooks = backend.webhooks();
    let first = webhooks
        .set_state(webhook.id, samples::disabled(), change(&backend))
        .await
        .unwrap();
    let second = webhooks
        .set_state(webhook.id, again, change(&backend))
        .await
        .unwrap();
    assert_eq!(first.state, samples::disabled());
    assert_eq!(second, first);
    let enabled = webhooks
        .set_state(webhook.id, samples::enabled(), change(&backend))
        .await
        .unwrap();
    assert!(enabled.is_enabled());
    assert_eq!(
        backend.actions_after(audit_length).await,
        ["webhook.disable", "webhook.enable"]
    );
    assert_eq!(backend.see(&bystanders).await, bystanders);
}

#[tokio::test]
async fn after_a_rotation_the_secret_before_signs_until_the_given_time() {
    let backend = Backend::open();
    let bystanders = backend.plant_bystanders().await;
    let webhook = create(&backend, "first secret").await;
    let until = samples::now();
    let rotated = backend
        .webhooks()
        .rotate_secret(webhook.id, SecretText::new("second"), until, change(&backend))
        .await
        .unwrap();
    let secrets = secrets_of(&backend, webhook.id).await;
    assert_eq!(rotated.previous_secret_until, Some(until));
    assert_eq!(secrets.signing, SecretText::new("second"));
    assert_eq!(secrets.previous, Some((SecretText::new("first secret"), until)));
    assert_eq!(secrets.headers, samples::secrets("first secret").headers);
    assert_eq!(backend.see(&bystanders).await, bystanders);
}

#[tokio::test]
async fn a_breaker_is_noted_without_audit_and_without_telling_the_dispatcher() {
    let backend = Backend::open();
    let bystanders = backend.plant_bystanders().await;
    let webhook = create(&backend, "failing").await;
    let audit_length = backend.audit_length().await;
    let degraded = Degraded {
        since: samples::now(),
        code: FailureCode::ConnectRefused,
        detail: None,
    };
    backend.told();
    let noted = backend
        .endpoints()
        .set_degraded(webhook.id, Some(degraded.clone()));
    noted.await.unwrap();
    let seen = backend.webhooks().get(webhook.id).await.unwrap();
    assert_eq!(seen.degraded, Some(degraded));
    assert_eq!(seen.updated_at, webhook.updated_at);
    assert_eq!(
        (backend.told(), backend.audit_length().await),
        (vec![], audit_length)
    );
    backend.endpoints().set_degraded(webhook.id, None).await.unwrap();
    assert_eq!(backend.webhooks().get(webhook.id).await, Ok(webhook));
    assert_eq!(backend.see(&bystanders).await, bystanders);
}

#[tokio::test]
async fn an_edit_of_settings_that_have_changed_meanwhile_is_a_conflict() {
    let backend = Backend::open();
    let webhook = create(&backend, "before").await;
    let named = |name: &str| {
        let mut edit = edit(&webhook);
        edit.settings.name = name.into();
        edit
    };
    let first = backend
        .webhooks()
        .update(webhook.id, named("first"), change(&backend));
    assert_eq!(first.await.unwrap().settings.name, "first");
    let second = backend
        .webhooks()
        .update(webhook.id, named("second"), change(&backend))
        .await;
    assert!(matches!(second, Err(StoreError::Conflict(_))), "{second:?}");
    let now = backend.webhooks().get(webhook.id).await.unwrap();
    assert_eq!(now.settings.name, "first");
}
