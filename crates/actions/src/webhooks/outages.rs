//! Checks what a webhook shall do after an outage, and who takes over from it.

use std::mem::take;
use std::time::Duration;

use crate::checks::Checks;
use crate::webhooks::draft::WebhookDraft;
use crate::webhooks::fields::{check_duration, check_one_of};
use crate::{ActionError, Actions, Patch};
use destination::Adapter;
use model::id::WebhookId;
use model::outage::{
    AfterOutage, AfterOutageName, Fallback, MAX_EXPIRY, MAX_FALLBACK_AFTER, MAX_FALLBACKS, MIN_EXPIRY,
    MIN_FALLBACK_AFTER,
};
use model::webhook::WebhookSettings;

/// Puts both into the settings.
pub(crate) fn apply_outages(
    checks: &mut Checks,
    settings: &mut WebhookSettings,
    draft: &mut WebhookDraft,
    adapter: &dyn Adapter,
) {
    settings.after_outage = after_outage(checks, settings.after_outage, draft);
    settings.fallback = fallback(checks, settings.fallback, draft);
    if let (Some(fallback), Some(expiry)) = (settings.fallback, settings.after_outage.expire_after())
        && fallback.late_after.is_none_or(|late_after| late_after >= expiry)
    {
        let detail = "what expires is taken over by nobody: let the fallback take over before that (fallbackAfter shorter than \
                      expireAfter)";
        checks.fail("fallbackAfter", "conflict", detail);
    }
    if settings.after_outage != AfterOutage::Everything && !adapter.events_stand_alone() {
        let detail = "what this kind makes of an event depends on the events before it, none of which may be left out: keep \
                      everything";
        checks.fail("afterOutage", "conflict", detail);
    }
}

fn after_outage(checks: &mut Checks, before: AfterOutage, draft: &mut WebhookDraft) -> AfterOutage {
    let name = match take(&mut draft.after_outage) {
        Patch::Keep => Some(before.name()),
        Patch::Clear => Some(AfterOutageName::Everything),
        Patch::Set(text) => check_one_of(
            checks,
            "afterOutage",
            &text,
            AfterOutageName::parse,
            AfterOutageName::NAMES,
        ),
    };
    let patch = take(&mut draft.expire_after);
    let is_told = matches!(patch, Patch::Set(_));
    let bounds = (MIN_EXPIRY, MAX_EXPIRY, "1m to 7d");
    let expire_after = changed(checks, "expireAfter", before.expire_after(), patch, bounds);
    let Some(name) = name else { return before };
    if is_told && name != AfterOutageName::Expire {
        let detail = "this goes with afterOutage expire: choose that, or leave this empty";
        checks.fail("expireAfter", "conflict", detail);
    }
    name.with(expire_after).unwrap_or_else(|| {
        if !is_told {
            checks.missing("expireAfter");
        }
        before
    })
}

fn fallback(checks: &mut Checks, before: Option<Fallback>, draft: &mut WebhookDraft) -> Option<Fallback> {
    let webhook_id = match take(&mut draft.fallback_webhook) {
        Patch::Keep => before.map(|fallback| fallback.webhook_id),
        Patch::Clear => None,
        Patch::Set(text) => {
            let parse = |text: &str| text.parse::<WebhookId>().ok();
            check_one_of(
                checks,
                "fallbackWebhook",
                &text,
                parse,
                &["the id of a webhook (whk_…)"],
            )
        }
    };
    let patch = take(&mut draft.fallback_after);
    let is_told = matches!(patch, Patch::Set(_));
    let before = before.and_then(|fallback| fallback.late_after);
    let bounds = (MIN_FALLBACK_AFTER, MAX_FALLBACK_AFTER, "30s to 7d");
    let late_after = changed(checks, "fallbackAfter", before, patch, bounds);
    if is_told && webhook_id.is_none() {
        let detail = "this goes with a fallback: choose a webhook, or leave this empty";
        checks.fail("fallbackAfter", "conflict", detail);
    }
    webhook_id.map(|webhook_id| Fallback {
        webhook_id,
        late_after,
    })
}

/// A time that may be absent, within bounds.
fn changed(
    checks: &mut Checks,
    field: &str,
    before: Option<Duration>,
    patch: Patch<String>,
    (shortest, longest, bounds): (Duration, Duration, &str),
) -> Option<Duration> {
    let text = match patch {
        Patch::Keep => return before,
        Patch::Clear => return None,
        Patch::Set(text) => text,
    };
    let duration = check_duration(checks, field, &text)?;
    if (shortest..=longest).contains(&duration) {
        return Some(duration);
    }
    checks.fail(field, "out_of_range", format!("{field} is {bounds}"));
    None
}

impl Actions {
    /// Follows the fallbacks of a webhook as they would be, so that a circle is told beside the field. The store looks again.
    pub(crate) async fn check_fallback(
        &self,
        id: Option<WebhookId>,
        settings: &WebhookSettings,
    ) -> Result<(), ActionError> {
        let mut checks = Checks::new();
        let mut next = settings.fallback;
        for position in 0..=MAX_FALLBACKS {
            let Some(fallback) = next else { break };
            if Some(fallback.webhook_id) == id {
                let detail = "it would take over from itself: its fallbacks lead back to it";
                checks.fail("fallbackWebhook", "conflict", detail);
                break;
            }
            if position == MAX_FALLBACKS {
                let detail = format!("at most {MAX_FALLBACKS} webhooks take over from one another");
                checks.fail("fallbackWebhook", "too_many", detail);
                break;
            }
            match self.store.webhooks.get(fallback.webhook_id).await {
                Ok(webhook) => next = webhook.settings.fallback,
                Err(store::StoreError::NotFound { .. }) if position == 0 => {
                    checks.fail(
                        "fallbackWebhook",
                        "unknown",
                        "there is no such webhook: choose another",
                    );
                    break;
                }
                Err(store::StoreError::NotFound { .. }) => break,
                Err(error) => return Err(error.into()),
            }
        }
        checks.finish(|| ())
    }
}
