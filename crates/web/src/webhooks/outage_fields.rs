//! What a webhook does when its receiver fails, as somebody types it.

use std::time::Duration;

use crate::deliveries::list::webhook_choices;
use crate::layout::choices::Choice;
use crate::layout::error::PageError;
use crate::layout::form::Form;
use crate::state::WebState;
use crate::webhooks::form::text_or_default;
use actions::webhooks::draft::WebhookDraft;
use model::id::WebhookId;
use model::outage::AfterOutage;
use model::time::format_duration;
use model::webhook::WebhookSettings;

/// The fields, as typed.
pub struct OutageFields {
    /// `everything`, `newest` or `expire`.
    pub after_outage: String,
    pub expire_after: String,
    /// The other webhooks, behind a choice of none.
    pub fallbacks: Vec<Choice>,
    /// The chosen one's id, or nothing.
    pub fallback: String,
    pub fallback_after: String,
}

impl OutageFields {
    /// Those of a webhook to come.
    pub fn empty() -> Self {
        Self {
            after_outage: AfterOutage::Everything.as_str().into(),
            expire_after: String::new(),
            fallbacks: Vec::new(),
            fallback: String::new(),
            fallback_after: String::new(),
        }
    }

    /// Those of a webhook as it is.
    pub fn new(settings: &WebhookSettings) -> Self {
        let text = |duration: Option<Duration>| duration.map_or(String::new(), format_duration);
        let fallback = settings.fallback;
        Self {
            after_outage: settings.after_outage.as_str().into(),
            expire_after: text(settings.after_outage.expire_after()),
            fallbacks: Vec::new(),
            fallback: fallback.map_or(String::new(), |of| of.webhook_id.to_string()),
            fallback_after: text(fallback.and_then(|of| of.late_after)),
        }
    }

    /// Those of a form.
    pub fn typed(form: &Form) -> Self {
        Self {
            after_outage: form.text("afterOutage").to_owned(),
            expire_after: form.text("expireAfter").to_owned(),
            fallbacks: Vec::new(),
            fallback: form.text("fallbackWebhook").to_owned(),
            fallback_after: form.text("fallbackAfter").to_owned(),
        }
    }

    /// Puts in who can take over: every webhook but this one.
    pub async fn with_choices(mut self, state: &WebState, own: Option<WebhookId>) -> Result<Self, PageError> {
        let choices = webhook_choices(state, "None", &self.fallback).await?;
        let own = own.map(|id| id.to_string());
        let is_other = |choice: &Choice| own.as_ref() != Some(&choice.value);
        self.fallbacks = choices.into_iter().filter(is_other).collect();
        Ok(self)
    }
}

/// Puts the fields of a form into a draft. What is empty goes back to its default.
pub fn apply_to(draft: WebhookDraft, form: &Form) -> WebhookDraft {
    let field = |name| text_or_default(form.text(name).to_owned());
    WebhookDraft {
        after_outage: field("afterOutage"),
        expire_after: field("expireAfter"),
        fallback_webhook: field("fallbackWebhook"),
        fallback_after: field("fallbackAfter"),
        ..draft
    }
}
