//! What a webhook would get: its choice of events, tried on the latest ones, before it is saved.

use crate::webhooks::draft::{WebhookDraft, check_webhook};
use crate::{ActionError, Actions, Patch};

/// How many of the latest events a choice is tried on.
pub const PREVIEW_EVENTS: u32 = 100;

/// How many events a choice would have let through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChoicePreview {
    /// Of the latest events, so many.
    pub chosen: usize,
    /// Of these, so many only because the filter could not be evaluated for them.
    pub unclear: usize,
    /// How many were looked at.
    pub of: usize,
}

impl Actions {
    /// Tries a draft's events, services, severities and filter on the latest events. Name, address and the rest of the
    /// draft do not count.
    pub async fn preview_webhook(&self, draft: WebhookDraft) -> Result<ChoicePreview, ActionError> {
        let draft = WebhookDraft {
            name: Patch::Set("preview".into()),
            url: Patch::Set("https://preview.example/".into()),
            events: draft.events,
            services: draft.services,
            severities: draft.severities,
            filter: draft.filter,
            ..WebhookDraft::default()
        };
        let settings = check_webhook(draft, None, self.url_rules.as_ref())?.settings;
        let latest = self.store.events.latest_sequence().await?;
        let after = latest.saturating_sub(i64::from(PREVIEW_EVENTS));
        let events = self.store.events.list_after(after, PREVIEW_EVENTS).await?;
        let chosen: Vec<_> = events
            .iter()
            .filter_map(|event| Some((event.name, event.incident()?)))
            .filter(|(name, incident)| settings.choose(*name, incident))
            .collect();
        let filter = settings.filter.as_ref();
        let is_unclear =
            |name, incident| filter.is_some_and(|filter| filter.evaluate(name, incident).is_err());
        let unclear = chosen
            .iter()
            .filter(|(name, incident)| is_unclear(*name, incident));
        Ok(ChoicePreview {
            unclear: unclear.count(),
            chosen: chosen.len(),
            of: events.len(),
        })
    }
}
