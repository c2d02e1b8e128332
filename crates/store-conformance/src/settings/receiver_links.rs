//! Links to receivers' pages.

use std::time::Duration;

use model::access::KeyHash;
use model::audit::Change;
use model::id::{ReceiverLinkId, WebhookId};
use model::receiver_link::{MAX_RECEIVER_LINKS, ReceiverLink};
use model::time::Timestamp;
use model::webhook::Webhook;
use store::StoreError;
use store::access::AuditFilter;

use crate::cases;

use super::fixture::Fixture;
use super::samples;

const NOT_FOUND: StoreError = StoreError::NotFound { what: "link" };

fn change(fixture: &Fixture) -> Change {
    fixture.source.change(samples::actor(&fixture.source))
}

async fn webhook(fixture: &Fixture) -> Webhook {
    let id = fixture.source.new_webhook_id();
    let (settings, secrets) = (samples::settings("Jira", vec![]), samples::secrets("Jira"));
    let created = fixture
        .webhooks()
        .create(id, settings, secrets, samples::enabled(), change(fixture));
    created.await.unwrap()
}

/// A link that holds for an hour from the tests' beginning.
fn link(fixture: &Fixture, webhook_id: WebhookId, token: &str) -> ReceiverLink {
    ReceiverLink {
        id: fixture.source.new_receiver_link_id(),
        webhook_id,
        name: format!("Team {token}"),
        hash: KeyHash::new(token),
        created_at: samples::now(),
        expires_at: samples::now().plus(Duration::from_secs(3600)),
        revoked_at: None,
        last_used_at: None,
    }
}

async fn create(fixture: &Fixture, link: &ReceiverLink) -> Result<ReceiverLink, StoreError> {
    let created = fixture.receiver_links().create(link.clone(), change(fixture));
    created.await
}

fn ids(links: &[ReceiverLink]) -> Vec<ReceiverLinkId> {
    links.iter().map(|link| link.id).collect()
}

cases! {
    settings::receiver_links;

    async fn a_link_reads_back_by_the_hash_of_its_token_and_by_no_other(fixture: Fixture) {
        let bystanders = fixture.plant_bystanders().await;
        let (webhook, other) = (webhook(&fixture).await, webhook(&fixture).await);
        let audit_length = fixture.audit_length().await;
        let made = link(&fixture, webhook.id, "one");
        assert_eq!(create(&fixture, &made).await, Ok(made.clone()));
        let links = fixture.receiver_links();
        assert_eq!(links.find(made.hash).await, Ok(Some(made.clone())));
        assert_eq!(links.find(KeyHash::new("two")).await, Ok(None));
        assert_eq!(links.list(webhook.id).await, Ok(vec![made.clone()]));
        assert_eq!(links.list(other.id).await, Ok(vec![]));
        let used_at = samples::now().plus(Duration::from_secs(60));
        assert_eq!(links.touch(made.id, used_at).await, Ok(()));
        let used = ReceiverLink {
            last_used_at: Some(used_at),
            ..made
        };
        assert_eq!(links.list(webhook.id).await, Ok(vec![used]));
        assert_eq!(fixture.actions_after(audit_length).await, ["webhook.receiver_link"]);
        let log = fixture.access().list_audit(AuditFilter::default(), samples::everything()).await.unwrap().rows;
        assert_eq!(log[0].subject, webhook.id.to_string());
        assert!(log[0].detail.starts_with("made a receiver's link to \"Jira\" for \"Team one\" until "));
        assert_eq!(fixture.see(&bystanders).await, bystanders);
    }

    async fn a_link_is_revoked_once_and_only_by_its_own_webhook(fixture: Fixture) {
        let bystanders = fixture.plant_bystanders().await;
        let (webhook, other) = (webhook(&fixture).await, webhook(&fixture).await);
        let made = create(&fixture, &link(&fixture, webhook.id, "one")).await.unwrap();
        let audit_length = fixture.audit_length().await;
        let links = fixture.receiver_links();
        let foreign = links.revoke(other.id, made.id, change(&fixture)).await;
        assert_eq!(foreign, Err(NOT_FOUND));
        let revocation = change(&fixture);
        let revoked = ReceiverLink {
            revoked_at: Some(revocation.at),
            ..made.clone()
        };
        let first = links.revoke(webhook.id, made.id, revocation).await;
        assert_eq!(first, Ok(revoked.clone()));
        let again = links.revoke(webhook.id, made.id, change(&fixture)).await;
        assert_eq!(again, Ok(revoked.clone()));
        assert_eq!(links.find(made.hash).await, Ok(Some(revoked)));
        assert_eq!(
            fixture.actions_after(audit_length).await,
            ["webhook.revoke_receiver_link"]
        );
        assert_eq!(fixture.see(&bystanders).await, bystanders);
    }

    async fn ended_links_go_when_another_is_made_and_living_ones_are_counted(fixture: Fixture) {
        let webhook = webhook(&fixture).await;
        let links = fixture.receiver_links();
        let expired = ReceiverLink {
            expires_at: Timestamp::from_millis(1),
            ..link(&fixture, webhook.id, "expired")
        };
        create(&fixture, &expired).await.unwrap();
        let revoked = create(&fixture, &link(&fixture, webhook.id, "revoked")).await.unwrap();
        links.revoke(webhook.id, revoked.id, change(&fixture)).await.unwrap();
        assert_eq!(ids(&links.list(webhook.id).await.unwrap()), [revoked.id]);
        let mut made = Vec::new();
        for number in 0..MAX_RECEIVER_LINKS {
            let one = link(&fixture, webhook.id, &number.to_string());
            made.push(create(&fixture, &one).await.unwrap().id);
        }
        made.reverse();
        assert_eq!(ids(&links.list(webhook.id).await.unwrap()), made);
        let surplus = create(&fixture, &link(&fixture, webhook.id, "surplus")).await;
        assert!(matches!(surplus, Err(StoreError::Conflict(_))), "{surplus:?}");
        assert_eq!(links.find(KeyHash::new("surplus")).await, Ok(None));
    }

    async fn links_end_with_their_webhook(fixture: Fixture) {
        let bystanders = fixture.plant_bystanders().await;
        let webhook = webhook(&fixture).await;
        let made = create(&fixture, &link(&fixture, webhook.id, "one")).await.unwrap();
        fixture.webhooks().delete(webhook.id, change(&fixture)).await.unwrap();
        let links = fixture.receiver_links();
        assert_eq!(links.find(made.hash).await, Ok(None));
        assert_eq!(links.list(webhook.id).await, Ok(vec![]));
        let after = create(&fixture, &link(&fixture, webhook.id, "two")).await;
        assert_eq!(after, Err(StoreError::NotFound { what: "webhook" }));
        assert_eq!(fixture.see(&bystanders).await, bystanders);
    }
}
