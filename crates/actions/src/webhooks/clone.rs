//! A copy of a webhook, to be changed before it is enabled.

use crate::{ActionError, Actions};
use model::action_link::LINK_KEY;
use model::audit::Actor;
use model::id::WebhookId;
use model::secret::SecretText;
use model::standard_secret::new_secret;
use model::webhook::{MAX_NAME_LENGTH, Webhook, WebhookSecrets, WebhookSettings, WebhookState};

/// What stands behind the name of a copy.
const SUFFIX: &str = " (copy)";

impl Actions {
    /// Makes a webhook like another one, disabled, with a signing secret of its own. Answers with the secret: this is the only time that it is
    /// shown. Secret options, header values and certificates are those of the other: whoever may make webhooks may also lead that one elsewhere.
    pub async fn clone_webhook(
        &self,
        actor: Actor,
        id: WebhookId,
    ) -> Result<(Webhook, SecretText), ActionError> {
        let endpoint = self.store.endpoints.load(id).await?;
        let endpoint = endpoint.ok_or(ActionError::NotFound { what: "webhook" })?;
        let original = endpoint.webhook.settings;
        let reason = format!("a copy of \"{}\": look at it, then enable it", original.name);
        let mut options = endpoint.secrets.options;
        options.remove(LINK_KEY);
        let link_key = self.new_link_key(original.kind);
        options.extend(link_key.map(|key| (LINK_KEY.to_owned(), key)));
        let signing = new_secret(&self.source.random());
        let secrets = WebhookSecrets {
            signing: signing.clone(),
            previous: None,
            options,
            ..endpoint.secrets
        };
        let settings = WebhookSettings {
            name: name_of_copy(&original.name),
            ..original
        };
        let change = self.source.change(actor);
        let state = WebhookState::Disabled {
            since: change.at,
            reason,
        };
        let id = self.source.new_webhook_id();
        let webhook = self
            .store
            .webhooks
            .create(id, settings, secrets, state, change)
            .await?;
        Ok((webhook, signing))
    }
}

fn name_of_copy(name: &str) -> String {
    let room = MAX_NAME_LENGTH - SUFFIX.chars().count();
    let kept: String = name.chars().take(room).collect();
    format!("{}{SUFFIX}", kept.trim_end())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_a_copy_fits_and_says_what_it_is() {
        assert_eq!(name_of_copy("Jira"), "Jira (copy)");
        assert_eq!(name_of_copy(&"ü".repeat(100)).chars().count(), MAX_NAME_LENGTH);
    }
}
