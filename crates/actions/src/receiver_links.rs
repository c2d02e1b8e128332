//! Links that let the owner of a receiver look after one webhook without an account.

use std::time::Duration;

use serde::Deserialize;
use utoipa::ToSchema;

use crate::checks::Checks;
use crate::{ActionError, Actions};
use model::access::KeyHash;
use model::audit::Actor;
use model::id::{DeliveryId, ReceiverLinkId, WebhookId};
use model::receiver_link::{
    MAX_RECEIVER_LINK_DAYS, MAX_RECEIVER_LINK_NAME_LENGTH, RECEIVER_LINK_TOUCH_INTERVAL, ReceiverLink,
    new_receiver_token,
};
use model::secret::SecretText;
use store::deliveries::{DeliveryDetail, Replayed};

const DAY_SECONDS: u64 = 24 * 3600;

/// A new link, as somebody asks for it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(as = NewReceiverLink)]
pub struct ReceiverLinkDraft {
    /// Whom it is for.
    #[schema(min_length = 1, max_length = 100)]
    pub name: String,
    /// How many days it holds.
    #[schema(minimum = 1, maximum = 365)]
    pub days: u32,
}

impl Actions {
    /// Makes a link to the receiver's page of a webhook. Answers with its token: this is the only time that it is shown.
    pub async fn create_receiver_link(
        &self,
        actor: Actor,
        webhook_id: WebhookId,
        draft: ReceiverLinkDraft,
    ) -> Result<(ReceiverLink, SecretText), ActionError> {
        let mut checks = Checks::new();
        checks.name("name", &draft.name, MAX_RECEIVER_LINK_NAME_LENGTH);
        if !(1..=MAX_RECEIVER_LINK_DAYS).contains(&draft.days) {
            let detail = format!("a link holds for 1 to {MAX_RECEIVER_LINK_DAYS} days");
            checks.fail("days", "out_of_range", detail);
        }
        checks.finish(|| ())?;
        let token = new_receiver_token(&self.source.random());
        let change = self.source.change(actor);
        let link = ReceiverLink {
            id: self.source.new_receiver_link_id(),
            webhook_id,
            name: draft.name,
            hash: KeyHash::new(token.reveal()),
            created_at: change.at,
            expires_at: change
                .at
                .plus(Duration::from_secs(u64::from(draft.days) * DAY_SECONDS)),
            revoked_at: None,
            last_used_at: None,
        };
        Ok((self.store.receiver_links.create(link, change).await?, token))
    }

    /// Ends a link of a webhook. Doing so twice changes nothing.
    pub async fn revoke_receiver_link(
        &self,
        actor: Actor,
        webhook_id: WebhookId,
        id: ReceiverLinkId,
    ) -> Result<ReceiverLink, ActionError> {
        let change = self.source.change(actor);
        Ok(self.store.receiver_links.revoke(webhook_id, id, change).await?)
    }

    /// The link that a token opens, if it opens anything now; writes down that it was used.
    pub async fn use_receiver_link(&self, token: &str) -> Result<Option<ReceiverLink>, ActionError> {
        let now = self.source.now();
        let found = self.store.receiver_links.find(KeyHash::new(token)).await?;
        let Some(link) = found.filter(|link| link.is_usable(now)) else {
            return Ok(None);
        };
        let is_fresh = |at| now.since(at) < RECEIVER_LINK_TOUCH_INTERVAL;
        if !link.last_used_at.is_some_and(is_fresh) {
            self.store.receiver_links.touch(link.id, now).await?;
        }
        Ok(Some(link))
    }

    /// A delivery of the link's webhook. That of another one is not found: not even that it exists is told.
    pub async fn delivery_by_link(
        &self,
        link: &ReceiverLink,
        id: DeliveryId,
    ) -> Result<DeliveryDetail, ActionError> {
        let detail = self.store.deliveries.get(id).await?;
        match detail.delivery.webhook_id == link.webhook_id {
            true => Ok(detail),
            false => Err(ActionError::NotFound { what: "delivery" }),
        }
    }

    /// Replays a delivery of the link's webhook.
    pub async fn replay_by_link(&self, link: &ReceiverLink, id: DeliveryId) -> Result<Replayed, ActionError> {
        self.delivery_by_link(link, id).await?;
        self.replay(holder_of(link), id).await
    }
}

/// Whoever holds a link, as the one who does something.
pub fn holder_of(link: &ReceiverLink) -> Actor {
    Actor::Receiver {
        webhook_id: link.webhook_id,
        name: link.name.clone(),
    }
}
