//! The audit log: who did what, and when.

use std::time::Duration;

use askama::Template;
use axum::extract::State;

use crate::layout::choices::{Choice, user_choices};
use crate::layout::error::PageResult;
use crate::layout::paging::{Pager, page_of};
use crate::layout::query::Query;
use crate::layout::show::{self, Markup};
use crate::layout::{Layout, Nav, render};
use crate::session::UserSession;
use crate::state::WebState;
use model::audit::{Actor, AuditEntry};
use model::id::{InboxId, IncidentId, KeyId, PolicyId, ServiceId, UserId, WebhookId};
use model::time::Timestamp;
use store::access::AuditFilter;

/// One line of the log.
struct AuditRow {
    at: Markup,
    who: String,
    who_path: Option<String>,
    who_kind: &'static str,
    action: String,
    subject: String,
    subject_path: Option<String>,
    detail: String,
    times: u32,
}

impl AuditRow {
    fn new(entry: AuditEntry) -> Self {
        let (who_kind, who_path) = match &entry.actor {
            Actor::System => ("the server", None),
            Actor::Key { id, .. } => ("API key", Some(key_path(*id))),
            Actor::User { id, .. } => ("", Some(format!("/users/{id}"))),
            Actor::Chat { webhook_id, .. } => ("chat", Some(webhook_path(*webhook_id))),
            Actor::Ticket { webhook_id, .. } => ("ticket", Some(webhook_path(*webhook_id))),
            Actor::Source { .. } => ("alert source", None),
            Actor::Receiver { webhook_id, .. } => ("receiver’s link", Some(webhook_path(*webhook_id))),
        };
        Self {
            at: show::when_exactly(entry.at),
            who: entry.actor.name().to_owned(),
            who_path,
            who_kind,
            subject_path: subject_path(&entry.action, &entry.subject),
            action: entry.action,
            subject: entry.subject,
            detail: entry.detail,
            times: entry.times,
        }
    }
}

#[derive(Template)]
#[template(path = "settings/audit.html")]
struct AuditPage {
    layout: Layout,
    entries: Vec<AuditRow>,
    who: Vec<Choice>,
    kinds: Vec<Choice>,
    /// The period, as days: `2026-01-31`, or empty.
    from: String,
    to: String,
    is_filtered: bool,
    pager: Pager,
}

/// What entries are about, as the first word of what was done, and in words.
const KINDS: [(&str, &str); 13] = [
    ("", "Anything"),
    ("sign_in", "Refused sign-ins"),
    ("session", "Sessions"),
    ("user", "Users"),
    ("key", "API keys"),
    ("webhook", "Webhooks"),
    ("source", "Alert sources"),
    ("service", "Services"),
    ("policy", "Escalation policies"),
    ("incident", "Incidents"),
    ("delivery", "Deliveries"),
    ("ticket", "Tickets"),
    ("system", "The system"),
];

/// `GET /settings/audit-log`
pub async fn page(State(state): State<WebState>, session: UserSession, query: Query) -> PageResult {
    let page = page_of(query.text("before"));
    let (who, kind) = (query.text("who"), query.text("kind"));
    let (from, to) = (query.text("from"), query.text("to"));
    let chosen = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
    let filter = AuditFilter {
        who: chosen(who),
        kind: chosen(kind),
        since: start_of_day(from),
        until: start_of_day(to).map(|day| day.plus(DAY)),
    };
    let listed = state.store.access.list_audit(filter, page).await?;
    let filters = [("who", who), ("kind", kind), ("from", from), ("to", to)];
    let mut people = user_choices(&state, "Anybody", who).await?;
    people.push(Choice::new("system", "The server itself", who));
    if !people.iter().any(|choice| choice.is_chosen) {
        people.push(Choice::new(who, who, who));
    }
    render(&AuditPage {
        layout: Layout::new(&session, "Audit log", Nav::Audit),
        who: people,
        kinds: KINDS.map(|(value, name)| Choice::new(value, name, kind)).into(),
        from: from.to_owned(),
        to: to.to_owned(),
        is_filtered: filters.iter().any(|(_, value)| !value.is_empty()),
        pager: Pager::of_listed("/settings/audit-log", &filters, page, &listed),
        entries: listed.rows.into_iter().map(AuditRow::new).collect(),
    })
}

const DAY: Duration = Duration::from_secs(24 * 3600);

/// The beginning of a day in UTC; nothing if it is none.
fn start_of_day(text: &str) -> Option<Timestamp> {
    format!("{text}T00:00:00Z").parse().ok()
}

/// The page of what an entry is about, if it has one. What an entry says to be deleted has none any more.
fn subject_path(action: &str, subject: &str) -> Option<String> {
    if action.ends_with(".delete") {
        return None;
    }
    let (prefix, _) = subject.split_once('_')?;
    let is_id = match prefix {
        IncidentId::PREFIX => subject.parse::<IncidentId>().is_ok(),
        ServiceId::PREFIX => subject.parse::<ServiceId>().is_ok(),
        UserId::PREFIX => subject.parse::<UserId>().is_ok(),
        PolicyId::PREFIX => subject.parse::<PolicyId>().is_ok(),
        WebhookId::PREFIX => subject.parse::<WebhookId>().is_ok(),
        InboxId::PREFIX => subject.parse::<InboxId>().is_ok(),
        KeyId::PREFIX => return subject.parse().ok().map(key_path),
        _ => false,
    };
    let folder = match prefix {
        IncidentId::PREFIX => "/incidents",
        ServiceId::PREFIX => "/services",
        UserId::PREFIX => "/users",
        PolicyId::PREFIX => "/escalation-policies",
        WebhookId::PREFIX => "/settings/integrations",
        InboxId::PREFIX => "/settings/inbox",
        _ => return None,
    };
    is_id.then(|| format!("{folder}/{subject}"))
}

/// Keys have no pages of their own: their place in the list.
fn webhook_path(id: WebhookId) -> String {
    format!("/settings/integrations/{id}")
}

fn key_path(id: KeyId) -> String {
    format!("/settings/api-keys#{id}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_subject_leads_to_its_page() {
        let id = |prefix: &str| format!("{prefix}_{}", "0".repeat(32));
        let path = |prefix: &str| subject_path("x.update", &id(prefix)).unwrap_or_default();
        assert_eq!(path("whk"), format!("/settings/integrations/{}", id("whk")));
        assert_eq!(path("pol"), format!("/escalation-policies/{}", id("pol")));
        assert_eq!(path("key"), format!("/settings/api-keys#{}", id("key")));
        assert_eq!(path("ses"), "");
    }

    #[test]
    fn a_period_is_made_of_days() {
        let days = ["2026-01-31", "2026-02-30", "", "x"].map(start_of_day);
        assert_eq!(
            days.map(|day| day.map(Timestamp::as_seconds)),
            [Some(1_769_817_600), None, None, None]
        );
    }

    #[test]
    fn what_is_deleted_or_no_id_leads_nowhere() {
        let id = format!("svc_{}", "0".repeat(32));
        assert_eq!(subject_path("service.delete", &id), None);
        let subjects = ["svc_../../x", "backup-2026.db", "master-key", ""];
        assert_eq!(
            subjects.map(|subject| subject_path("x.update", subject)),
            [const { None }; 4]
        );
    }
}
