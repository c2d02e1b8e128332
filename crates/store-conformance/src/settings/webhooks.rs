//! Webhooks and their secrets.

use model::audit::Change;
use model::exchange::FailureCode;
use model::id::WebhookId;
use model::outage::{Fallback, MIN_FALLBACK_AFTER};
use model::secret::SecretText;
use model::webhook::{Degraded, Webhook, WebhookKind, WebhookSecrets, WebhookSettings, WebhookState};
use store::StoreError;
use store::access::AuditFilter;
use store::webhooks::WebhookEdit;

use crate::cases;

use super::fixture::Fixture;
use super::samples;

const NOT_FOUND: StoreError = StoreError::NotFound { what: "webhook" };

fn change(fixture: &Fixture) -> Change {
    fixture.source.change(samples::actor(&fixture.source))
}

async fn create(fixture: &Fixture, name: &str) -> Webhook {
    let id = fixture.source.new_webhook_id();
    let (settings, secrets) = (samples::settings(name, vec![]), samples::secrets(name));
    let created = fixture
        .webhooks()
        .create(id, settings, secrets, samples::enabled(), change(fixture));
    created.await.unwrap()
}

async fn secrets_of(fixture: &Fixture, id: WebhookId) -> WebhookSecrets {
    fixture.endpoints().load(id).await.unwrap().unwrap().secrets
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

cases! {
    settings::webhooks;

    async fn a_created_webhook_reads_back_with_everything_that_was_set(fixture: Fixture) {
        let bystanders = fixture.plant_bystanders().await;
        let id = fixture.source.new_webhook_id();
        let settings = samples::settings("new", vec![bystanders.service.id]);
        let secrets = samples::secrets("new");
        let created = fixture
            .webhooks()
            .create(
                id,
                settings.clone(),
                secrets.clone(),
                samples::disabled(),
                change(&fixture),
            )
            .await
            .unwrap();
        assert_eq!(fixture.webhooks().get(id).await.as_ref(), Ok(&created));
        assert_eq!(
            (&created.settings, &created.state),
            (&settings, &samples::disabled())
        );
        assert_eq!(created.header_names, ["X-Token"]);
        assert_eq!(created.secret_option_names, ["token"]);
        assert_eq!((created.has_extra_ca, created.has_tls_identity), (true, true));
        assert_eq!(secrets_of(&fixture, id).await, secrets);
        assert_eq!(fixture.told(), [id]);
        assert_eq!(fixture.see(&bystanders).await, bystanders);
    }

    async fn fallbacks_lead_to_no_circle_and_are_not_deleted_while_they_are_ones(fixture: Fixture) {
        let (first, second) = (create(&fixture, "first").await, create(&fixture, "second").await);
        let fall_back = async |webhook: &Webhook, to: Option<WebhookId>| {
            let mut edit = edit(webhook);
            edit.settings.fallback = to.map(|webhook_id| Fallback {
                webhook_id,
                late_after: Some(MIN_FALLBACK_AFTER),
            });
            fixture.webhooks().update(webhook.id, edit, change(&fixture)).await
        };
        let refused = |result: Result<Webhook, StoreError>| matches!(result, Err(StoreError::Conflict(_)));
        let first = fall_back(&first, Some(second.id)).await.unwrap();
        assert_eq!(first.settings.fallback.map(|of| of.webhook_id), Some(second.id));
        assert!(refused(fall_back(&second, Some(first.id)).await));
        assert!(refused(fall_back(&second, Some(second.id)).await));
        assert!(refused(fall_back(&second, Some(fixture.source.new_webhook_id())).await));
        assert_eq!(fixture.webhooks().get(second.id).await.as_ref(), Ok(&second));
        let deleted = fixture.webhooks().delete(second.id, change(&fixture)).await;
        assert!(matches!(deleted, Err(StoreError::Conflict(_))), "it is relied on");
        fall_back(&first, None).await.unwrap();
        fixture.webhooks().delete(second.id, change(&fixture)).await.unwrap();
    }

    async fn a_webhook_cannot_name_a_service_that_is_not_there(fixture: Fixture) {
        let settings = samples::settings("new", vec![fixture.source.new_service_id()]);
        let created = fixture
            .webhooks()
            .create(
                fixture.source.new_webhook_id(),
                settings,
                samples::secrets("new"),
                samples::enabled(),
                change(&fixture),
            )
            .await;
        assert_eq!(created, Err(StoreError::UnknownReference { what: "service" }));
        assert_eq!(fixture.webhooks().list(samples::everything()).await, Ok(vec![]));
        assert_eq!((fixture.told(), fixture.audit_length().await), (vec![], 0));
    }

    async fn webhooks_are_listed_newest_first_page_by_page(fixture: Fixture) {
        let first = create(&fixture, "first").await;
        let second = create(&fixture, "second").await;
        let third = create(&fixture, "third").await;
        let mut page = samples::everything();
        page.limit = 2;
        let newest = fixture.webhooks().list(page).await.unwrap();
        page.before = Some(*second.id.as_bytes());
        let rest = fixture.webhooks().list(page).await.unwrap();
        assert_eq!((newest, rest), (vec![third, second], vec![first]));
    }

    async fn an_edit_changes_what_it_names_and_keeps_the_other_secrets(fixture: Fixture) {
        let bystanders = fixture.plant_bystanders().await;
        let webhook = create(&fixture, "old").await;
        let before = secrets_of(&fixture, webhook.id).await;
        let audit_length = fixture.audit_length().await;
        let mut edit = edit(&webhook);
        edit.settings.name = "new".into();
        edit.headers = Some(vec![("X-Other".into(), SecretText::new("other"))]);
        edit.identity_pem = Some(None);
        let other = ("other".to_owned(), Some(SecretText::new("more")));
        edit.secret_options = [other, ("nothing".to_owned(), None)].into();
        let edited = fixture
            .webhooks()
            .update(webhook.id, edit, change(&fixture))
            .await
            .unwrap();
        let after = secrets_of(&fixture, webhook.id).await;
        assert_eq!(edited.settings.name, "new");
        assert_eq!(edited.header_names, ["X-Other"]);
        assert_eq!((edited.has_extra_ca, edited.has_tls_identity), (true, false));
        assert_eq!(edited.secret_option_names, ["other", "token"]);
        assert_eq!(after.options["token"], before.options["token"]);
        assert_eq!(after.signing, before.signing);
        assert_eq!(after.headers, [("X-Other".into(), SecretText::new("other"))]);
        assert!(edited.updated_at > webhook.updated_at);
        assert_eq!(fixture.actions_after(audit_length).await, ["webhook.update"]);
        assert_eq!(fixture.see(&bystanders).await, bystanders);
    }

    async fn an_edit_without_a_difference_writes_nothing(fixture: Fixture) {
        let webhook = create(&fixture, "same").await;
        let mut edit = edit(&webhook);
        edit.headers = Some(samples::secrets("same").headers);
        edit.ca_pem = Some(Some("an authority".into()));
        fixture.told();
        let edited = fixture
            .webhooks()
            .update(webhook.id, edit, change(&fixture))
            .await;
        assert_eq!(edited, Ok(webhook));
        assert_eq!(fixture.told(), []);
        assert_eq!(fixture.audit_length().await, 1);
    }

    async fn the_audit_log_names_what_changed_and_no_secret(fixture: Fixture) {
        let webhook = create(&fixture, "old").await;
        let mut edit = edit(&webhook);
        edit.settings.url = "https://elsewhere.example/?token=hidden".parse().unwrap();
        edit.headers = Some(vec![("X-Other".into(), SecretText::new("hidden"))]);
        edit.secret_options = [("token".to_owned(), Some(SecretText::new("hidden")))].into();
        fixture
            .webhooks()
            .update(webhook.id, edit, change(&fixture))
            .await
            .unwrap();
        let entry = fixture
            .access()
            .list_audit(AuditFilter::default(), samples::everything())
            .await
            .unwrap()
            .rows
            .remove(0);
        assert_eq!(
            entry.detail,
            "changed the URL, the headers, the secret options of \"old\" (URL: https://receiver.example/… → https://elsewhere.example/…)"
        );
        assert_eq!(
            (entry.actor.name(), entry.subject),
            ("ci: tests", webhook.id.to_string())
        );
    }

    async fn a_deleted_webhook_is_gone_with_its_secrets(fixture: Fixture) {
        let bystanders = fixture.plant_bystanders().await;
        let webhook = create(&fixture, "doomed").await;
        fixture.told();
        let webhooks = fixture.webhooks();
        assert_eq!(webhooks.delete(webhook.id, change(&fixture)).await, Ok(()));
        assert_eq!(fixture.told(), [webhook.id]);
        assert_eq!(webhooks.get(webhook.id).await, Err(NOT_FOUND));
        assert_eq!(
            webhooks
                .update(webhook.id, edit(&webhook), change(&fixture))
                .await,
            Err(NOT_FOUND)
        );
        assert_eq!(
            webhooks.delete(webhook.id, change(&fixture)).await,
            Err(NOT_FOUND)
        );
        assert!(fixture.endpoints().load(webhook.id).await.unwrap().is_none());
        let left = "SELECT count(*) FROM webhooks WHERE deleted_at IS NOT NULL
            AND (headers IS NOT NULL OR identity_pem IS NOT NULL OR ca_pem IS NOT NULL OR length(secret) > 60)";
        assert_eq!(fixture.count(left).await, 0);
        assert_eq!(fixture.see(&bystanders).await, bystanders);
    }

    async fn disabling_twice_keeps_the_first_reason_and_writes_once(fixture: Fixture) {
        let bystanders = fixture.plant_bystanders().await;
        let webhook = create(&fixture, "noisy").await;
        let audit_length = fixture.audit_length().await;
        let again = WebhookState::Disabled {
            since: samples::hours_ago(1),
            reason: "another reason".into(),
        };
        let webhooks = fixture.webhooks();
        let first = webhooks
            .set_state(webhook.id, samples::disabled(), change(&fixture))
            .await
            .unwrap();
        let second = webhooks
            .set_state(webhook.id, again, change(&fixture))
            .await
            .unwrap();
        assert_eq!(first.state, samples::disabled());
        assert_eq!(second, first);
        let enabled = webhooks
            .set_state(webhook.id, samples::enabled(), change(&fixture))
            .await
            .unwrap();
        assert!(enabled.is_enabled());
        assert_eq!(
            fixture.actions_after(audit_length).await,
            ["webhook.disable", "webhook.enable"]
        );
        assert_eq!(fixture.see(&bystanders).await, bystanders);
    }

    async fn webhooks_of_a_kind_are_those_that_are_enabled(fixture: Fixture) {
        let kind = WebhookKind::new("alertmanager");
        let mut ids = Vec::new();
        for name in ["first", "off", "gone", "last"] {
            let settings = WebhookSettings { kind, ..samples::settings(name, Vec::new()) };
            let created = fixture.webhooks().create(
                fixture.source.new_webhook_id(), settings, samples::secrets("s"), samples::enabled(), change(&fixture),
            );
            ids.push(created.await.unwrap().id);
        }
        create(&fixture, "another kind").await;
        fixture.webhooks().set_state(ids[1], samples::disabled(), change(&fixture)).await.unwrap();
        fixture.webhooks().delete(ids[2], change(&fixture)).await.unwrap();
        let endpoints = fixture.endpoints();
        assert_eq!(endpoints.enabled_of(kind, 10).await, Ok(vec![ids[0], ids[3]]));
        assert_eq!(endpoints.enabled_of(kind, 1).await, Ok(vec![ids[0]]));
        assert_eq!(endpoints.enabled_of(WebhookKind::new("email"), 10).await, Ok(vec![]));
    }

    async fn after_a_rotation_the_secret_before_signs_until_the_given_time(fixture: Fixture) {
        let bystanders = fixture.plant_bystanders().await;
        let webhook = create(&fixture, "first secret").await;
        let until = samples::now();
        let rotated = fixture
            .webhooks()
            .rotate_secret(webhook.id, SecretText::new("second"), until, change(&fixture))
            .await
            .unwrap();
        let secrets = secrets_of(&fixture, webhook.id).await;
        assert_eq!(rotated.previous_secret_until, Some(until));
        assert_eq!(secrets.signing, SecretText::new("second"));
        assert_eq!(secrets.previous, Some((SecretText::new("first secret"), until)));
        assert_eq!(secrets.headers, samples::secrets("first secret").headers);
        assert_eq!(fixture.see(&bystanders).await, bystanders);
    }

    async fn a_breaker_is_noted_without_audit_and_without_telling_the_dispatcher(fixture: Fixture) {
        let bystanders = fixture.plant_bystanders().await;
        let webhook = create(&fixture, "failing").await;
        let audit_length = fixture.audit_length().await;
        let degraded = Degraded {
            since: samples::now(),
            code: FailureCode::ConnectRefused,
            detail: None,
        };
        fixture.told();
        let noted = fixture
            .endpoints()
            .set_degraded(webhook.id, Some(degraded.clone()), degraded.since);
        noted.await.unwrap();
        let seen = fixture.webhooks().get(webhook.id).await.unwrap();
        assert_eq!(seen.degraded, Some(degraded));
        assert_eq!(seen.updated_at, webhook.updated_at);
        assert_eq!(
            (fixture.told(), fixture.audit_length().await),
            (vec![], audit_length)
        );
        fixture.endpoints().set_degraded(webhook.id, None, model::time::Timestamp::EPOCH).await.unwrap();
        assert_eq!(fixture.webhooks().get(webhook.id).await, Ok(webhook));
        assert_eq!(fixture.see(&bystanders).await, bystanders);
    }

    async fn an_edit_of_settings_that_have_changed_meanwhile_is_a_conflict(fixture: Fixture) {
        let webhook = create(&fixture, "before").await;
        let named = |name: &str| {
            let mut edit = edit(&webhook);
            edit.settings.name = name.into();
            edit
        };
        let first = fixture
            .webhooks()
            .update(webhook.id, named("first"), change(&fixture));
        assert_eq!(first.await.unwrap().settings.name, "first");
        let second = fixture
            .webhooks()
            .update(webhook.id, named("second"), change(&fixture))
            .await;
        assert!(matches!(second, Err(StoreError::Conflict(_))), "{second:?}");
        let now = fixture.webhooks().get(webhook.id).await.unwrap();
        assert_eq!(now.settings.name, "first");
    }
}
