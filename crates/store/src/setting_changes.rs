//! What a change of a setting comes to: the sentence of the audit log, or nothing if nothing changes. Pure: a backend reads
//! what is there, asks here, and writes.

use model::access::Role;
use model::display::{ClockFormat, TimeDisplay, ZoneName};
use model::escalation::{EscalationPolicy, EscalationStep};
use model::id::UserId;
use model::identity::Identity;
use model::inbox::Inbox;
use model::outage::Fallback;
use model::service::Service;
use model::source::Source;
use model::time::format_duration;
use model::user::User;
use model::webhook::{Webhook, WebhookSecrets, WebhookSettings, WebhookState};

use crate::StoreError;
use crate::StoreResult;
use crate::differences::{Difference, changed_sentence, listed, of_settings, or_none};
use crate::inboxes::InboxEdit;
use crate::sources::SourceEdit;
use crate::webhooks::WebhookEdit;

/// A text that may be absent.
fn text(text: &Option<String>) -> String {
    or_none(text.as_ref())
}

/// What changes of a service.
pub fn of_service(before: &Service, after: &Service) -> Option<String> {
    let fields = [
        Difference::text("the name", &before.name, &after.name),
        Difference::shown("the description", &before.description, &after.description, text),
        Difference::shown(
            "the escalation policy",
            &before.policy_id,
            &after.policy_id,
            |id| or_none(id.as_ref()),
        ),
    ];
    changed_sentence(&before.name, &fields)
}

/// What changes of a user.
pub fn of_user(before: &User, after: &User) -> Option<String> {
    let fields = [
        Difference::text("the name", &before.name, &after.name),
        Difference::shown("the address", &before.email, &after.email, text),
        Difference::text("the role", before.role.as_str(), after.role.as_str()),
    ];
    changed_sentence(&before.name, &fields)
}

/// What the audit log says of somebody whom their provider lets in: that they are new, or that their role follows their
/// groups; nothing if they are as they were.
pub fn admitted_sentence(
    before: Option<&User>,
    user: &User,
    identity: &Identity,
) -> Option<(&'static str, String)> {
    let (name, role, issuer) = (&user.name, user.role.as_str(), &identity.issuer);
    match before {
        None => {
            let detail = format!("created \"{name}\" as {role}, who signs in by {issuer}");
            Some(("user.create", detail))
        }
        Some(before) if before.role != user.role => {
            let old = before.role.as_str();
            let detail = format!("changed the role of \"{name}\" from {old} to {role}, as {issuer} says");
            Some(("user.update", detail))
        }
        Some(_) => None,
    }
}

/// What it says of an identity that is tied to a user.
pub fn linked_sentence(user: &User, identity: &Identity) -> String {
    format!("let \"{}\" sign in by {}", user.name, identity.issuer)
}

/// What it says when all of a user's identities are untied.
pub fn unlinked_sentence(user: &User) -> String {
    format!(
        "let \"{}\" no longer sign in by a provider, and ended their sessions",
        user.name
    )
}

/// What changes of how a user wants times to be shown.
pub fn of_display(before: &User, after: &TimeDisplay) -> Option<String> {
    let zone = |display: &TimeDisplay| display.zone.as_ref().map(|zone| zone.as_str().to_owned());
    let fields = [
        Difference::shown("the time zone", &zone(&before.display), &zone(after), text),
        Difference::text("the clock", before.display.clock.as_str(), after.clock.as_str()),
    ];
    changed_sentence(&before.name, &fields)
}

/// How a user wants times to be shown, out of columns. A zone that is no longer known is as good as none.
pub fn display_from_columns(zone: Option<&str>, clock: Option<&str>) -> TimeDisplay {
    TimeDisplay {
        zone: zone.and_then(ZoneName::parse),
        clock: ClockFormat::parse(clock.unwrap_or_default()),
    }
}

/// What changes of an escalation policy.
pub fn of_policy(before: &EscalationPolicy, after: &EscalationPolicy) -> Option<String> {
    let fields = [
        Difference::text("the name", &before.name, &after.name),
        Difference::shown("the steps", &steps(before), &steps(after), |steps| {
            let step = |step: &(u32, Option<UserId>)| format!("{}m {}", step.0, or_none(step.1.as_ref()));
            listed(&steps.iter().map(step).collect::<Vec<_>>(), "none")
        }),
    ];
    changed_sentence(&before.name, &fields)
}

/// What counts of a policy's steps: waits and the assignees' ids.
pub fn steps(policy: &EscalationPolicy) -> Vec<(u32, Option<UserId>)> {
    let step = |step: &EscalationStep| (step.wait_minutes, step.assignee.as_ref().map(|user| user.id));
    policy.steps.iter().map(step).collect()
}

/// An inbox after an edit, and what changes of it.
pub fn of_inbox(before: &Inbox, edit: &InboxEdit) -> Option<(Inbox, String)> {
    let after = Inbox {
        answer: edit.answer.unwrap_or(before.answer),
        secret: edit.secret.clone().unwrap_or_else(|| before.secret.clone()),
        ..before.clone()
    };
    let fields = [
        Difference::shown("the answer", &before.answer, &after.answer, |answer| {
            format!("{} after {}", answer.status, format_duration(answer.delay))
        }),
        Difference::hidden("the secret", before.secret != after.secret),
    ];
    changed_sentence(&before.name, &fields).map(|detail| (after, detail))
}

/// A source after an edit, and what changes of it.
pub fn of_source(before: &Source, edit: &SourceEdit) -> Option<(Source, String)> {
    let after = Source {
        settings: edit.settings.clone().unwrap_or_else(|| before.settings.clone()),
        key: edit.key.clone().unwrap_or_else(|| before.key.clone()),
        secret: edit.secret.clone().unwrap_or_else(|| before.secret.clone()),
        ..before.clone()
    };
    let (was, is) = (&before.settings, &after.settings);
    let enabled = if is.is_enabled {
        "enabled it"
    } else {
        "disabled it"
    };
    let fields = [
        Difference::text("the name", &was.name, &is.name),
        Difference::hidden("how it is read", was.options != is.options),
        Difference::hidden("storm control", was.storm != is.storm),
        Difference::hidden("flap damping", was.flapping != is.flapping),
        Difference::shown("the silence", &was.silent_after, &is.silent_after, |after| {
            or_none(after.map(format_duration))
        }),
        Difference::hidden("whether it takes requests", was.is_enabled != is.is_enabled),
        Difference::hidden("the key", before.key != after.key),
        Difference::hidden("the secret", before.secret != after.secret),
    ];
    let detail = changed_sentence(&was.name, &fields)?;
    let detail = match was.is_enabled == is.is_enabled {
        true => detail,
        false => format!("{detail} ({enabled})"),
    };
    Some((after, detail))
}

/// What an edit of a webhook does.
pub struct WebhookPlan {
    /// Its secrets afterwards.
    pub secrets: WebhookSecrets,
    /// Whether what was learned of it, and its messages, may be those of somebody else now.
    pub must_forget: bool,
    /// Whether who takes over, or when, is another.
    pub has_new_fallback: bool,
    /// Whether late deliveries are looked for only among those that are made from now on.
    pub begins_to_look: bool,
    /// The sentence for the audit log.
    pub detail: String,
}

/// What an edit of a webhook does; a conflict if the webhook is no longer what was edited.
pub fn of_webhook(
    before: &Webhook,
    secrets: &WebhookSecrets,
    edit: &WebhookEdit,
) -> StoreResult<Option<WebhookPlan>> {
    if before.settings != edit.expected {
        let sentence = "the webhook was changed by another request at the same time";
        return Err(StoreError::Conflict(sentence.into()));
    }
    let edited = edit.apply_to(secrets);
    let mut fields = of_settings(&before.settings, &edit.settings);
    fields.push(Difference::hidden(
        "the headers",
        secrets.headers != edited.headers,
    ));
    fields.push(Difference::hidden("the TLS settings", secrets.tls != edited.tls));
    fields.push(Difference::hidden(
        "the secret options",
        secrets.options != edited.options,
    ));
    let must_forget = has_moved(&before.settings, &edit.settings) || secrets.options != edited.options;
    let detail = changed_sentence(&before.settings.name, &fields);
    Ok(detail.map(|detail| WebhookPlan {
        secrets: edited,
        must_forget,
        has_new_fallback: before.settings.fallback != edit.settings.fallback,
        begins_to_look: begins_to_look(before.settings.fallback, edit.settings.fallback),
        detail,
    }))
}

/// A time that is made shorter or longer holds for what waits already.
fn begins_to_look(before: Option<Fallback>, after: Option<Fallback>) -> bool {
    let looks = |of: Option<Fallback>| of.filter(|of| of.late_after.is_some()).map(|of| of.webhook_id);
    looks(before) != looks(after)
}

/// Whether messages that were posted under the settings before may be out of reach, or those of somebody else.
fn has_moved(before: &WebhookSettings, after: &WebhookSettings) -> bool {
    before.url != after.url || before.options != after.options
}

/// The action and the sentence for the audit log if a webhook gets this state; nothing if it is so already.
pub fn of_webhook_state(before: &Webhook, state: &WebhookState) -> Option<(&'static str, String)> {
    let name = &before.settings.name;
    match (state, &before.state) {
        (WebhookState::Enabled, WebhookState::Enabled)
        | (WebhookState::Disabled { .. }, WebhookState::Disabled { .. }) => None,
        (WebhookState::Enabled, WebhookState::Disabled { .. }) => {
            Some(("webhook.enable", format!("enabled \"{name}\"")))
        }
        (WebhookState::Disabled { reason, .. }, WebhookState::Enabled) => {
            Some(("webhook.disable", format!("disabled \"{name}\": {reason}")))
        }
    }
}

/// The first who can sign in: as given, or whoever has that address already, as an administrator.
pub fn first_admin(user: User, known: Option<User>) -> User {
    match known {
        Some(known) => User {
            id: known.id,
            role: Role::Admin,
            created_at: known.created_at,
            ..user
        },
        None => user,
    }
}
