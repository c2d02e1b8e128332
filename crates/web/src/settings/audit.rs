//! The audit log: who did what, and when.

use askama::Template;
use axum::extract::State;

use crate::layout::error::PageResult;
use crate::layout::paging::{Pager, page_of};
use crate::layout::query::Query;
use crate::layout::show::{self, Markup};
use crate::layout::{Layout, Nav, render};
use crate::session::UserSession;
use crate::state::WebState;
use model::audit::{Actor, AuditEntry};
use model::id::{InboxId, IncidentId, KeyId, PolicyId, ServiceId, UserId, WebhookId};

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
        }
    }
}

#[derive(Template)]
#[template(path = "settings/audit.html")]
struct AuditPage {
    layout: Layout,
    entries: Vec<AuditRow>,
    pager: Pager,
}

/// `GET /settings/audit-log`
pub async fn page(State(state): State<WebState>, session: UserSession, query: Query) -> PageResult {
    let page = page_of(query.text("before"));
    let entries = state.store.access.list_audit(page).await?;
    let last_id = entries.last().map(|entry| entry.id.as_bytes());
    render(&AuditPage {
        layout: Layout::new(&session, "Audit log", Nav::Audit),
        pager: Pager::new("/settings/audit-log", &[], page, entries.len(), last_id),
        entries: entries.into_iter().map(AuditRow::new).collect(),
    })
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
