//! Tickets of incidents over HTTP: by hand, and whether a ticket system's settings work.

use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::answer::{ApiResult, created, no_content, ok};
use crate::auth::Caller;
use crate::body::{JsonBody, Nothing, OptionalBody};
use crate::problem::{Code, Problem};
use crate::query::{PathId, PathIncident, PathIncidentWebhook};
use crate::state::ApiState;
use crate::words::TicketLinkState;
use actions::tickets::{FindingState, Synced};
use model::id::{IncidentId, WebhookId};
use model::ticket::TicketPhase;
use model::time::Timestamp;
use model::webhook::WebhookKind;
use store::tickets::LinkOverview;

/// The ticket of an incident at one webhook.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = TicketLink)]
pub struct LinkView<'a> {
    webhook: LinkedWebhook<'a>,
    #[schema(value_type = TicketLinkState)]
    state: &'static str,
    #[schema(required)]
    ticket: Option<TicketView<'a>>,
    /// When the two sides were last in line.
    #[schema(required, value_type = Option<String>, format = DateTime)]
    last_synced_at: Option<Timestamp>,
    /// Why the last try failed.
    #[schema(required)]
    last_error: Option<&'a str>,
}

/// The webhook that a ticket was made by.
#[derive(Serialize, ToSchema)]
pub struct LinkedWebhook<'a> {
    #[schema(value_type = String)]
    id: WebhookId,
    name: &'a str,
    #[schema(value_type = WebhookKind)]
    kind: &'a str,
}

/// A ticket as it was last seen.
#[derive(Serialize, ToSchema)]
#[schema(as = Ticket)]
pub struct TicketView<'a> {
    /// What people call it.
    key: &'a str,
    /// Its page.
    url: &'a str,
    #[schema(value_type = TicketPhase)]
    phase: &'static str,
    /// What its system calls that.
    status: &'a str,
}

impl<'a> From<&'a LinkOverview> for LinkView<'a> {
    fn from(shown: &'a LinkOverview) -> Self {
        let link = &shown.link;
        Self {
            webhook: LinkedWebhook {
                id: link.webhook_id,
                name: &shown.webhook_name,
                kind: shown.webhook_kind.as_str(),
            },
            state: link.state.as_str(),
            ticket: link.ticket().map(|ticket| TicketView {
                key: &ticket.key,
                url: &ticket.url,
                phase: ticket.phase.as_str(),
                status: &ticket.status,
            }),
            last_synced_at: link.last_synced_at,
            last_error: link.last_error.as_deref(),
        }
    }
}

/// The tickets of an incident.
#[derive(Serialize, ToSchema)]
#[schema(as = TicketLinks)]
pub struct LinksView<'a> {
    items: Vec<LinkView<'a>>,
}

/// A ticket for an incident: a new one, or one that exists.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(as = NewTicketLink)]
pub struct TicketBody {
    /// The webhook that speaks with the ticket system.
    webhook: WebhookChoice,
    /// Key or page of a ticket that exists; without it one is made.
    #[schema(max_length = 1024)]
    ticket: Option<String>,
}

/// A webhook, by id.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields, expecting = "an object with the webhook's id")]
pub struct WebhookChoice {
    #[schema(value_type = String)]
    id: WebhookId,
}

/// What syncing came to.
#[derive(Serialize, ToSchema)]
#[schema(as = TicketSync)]
pub struct SyncView<'a> {
    #[schema(value_type = Synced)]
    result: &'static str,
    link: LinkView<'a>,
}

/// Whether a ticket system's settings work.
#[derive(Serialize, ToSchema)]
#[schema(as = ConnectionCheck)]
pub struct CheckView {
    /// Nothing is known to be missing.
    ok: bool,
    findings: Vec<ConnectionFindingView>,
}

/// One thing that was looked at.
#[derive(Serialize, ToSchema)]
#[schema(as = ConnectionFinding)]
pub struct ConnectionFindingView {
    #[schema(value_type = FindingState)]
    state: &'static str,
    sentence: String,
}

/// `GET /incidents/{id}/tickets`
pub async fn list(State(state): State<ApiState>, PathIncident(id): PathIncident) -> ApiResult {
    let links = state.actions.tickets_of(id).await?;
    ok(&LinksView {
        items: links.iter().map(LinkView::from).collect(),
    })
}

/// `POST /incidents/{id}/tickets`
pub async fn add(
    State(state): State<ApiState>,
    caller: Caller,
    PathIncident(id): PathIncident,
    JsonBody(body): JsonBody<TicketBody>,
) -> ApiResult {
    let (actor, webhook_id) = (caller.actor(), body.webhook.id);
    match body.ticket {
        Some(ticket) => drop(state.actions.link_ticket(actor, id, webhook_id, &ticket).await?),
        None => drop(state.actions.create_ticket(actor, id, webhook_id).await?),
    }
    created(&LinkView::from(&link_of(&state, id, webhook_id).await?))
}

/// `DELETE /incidents/{id}/tickets/{webhook}`
pub async fn unlink(
    State(state): State<ApiState>,
    caller: Caller,
    PathIncidentWebhook(id, webhook_id): PathIncidentWebhook,
) -> ApiResult {
    state
        .actions
        .unlink_ticket(caller.actor(), id, webhook_id)
        .await?;
    no_content()
}

/// `POST /incidents/{id}/tickets/{webhook}/sync`
pub async fn sync(
    State(state): State<ApiState>,
    caller: Caller,
    PathIncidentWebhook(id, webhook_id): PathIncidentWebhook,
    _: OptionalBody<Nothing>,
) -> ApiResult {
    let synced: Synced = state.actions.sync_ticket(caller.actor(), id, webhook_id).await?;
    let shown = link_of(&state, id, webhook_id).await?;
    ok(&SyncView {
        result: synced.as_str(),
        link: LinkView::from(&shown),
    })
}

/// `POST /webhooks/{id}/check`
pub async fn check(
    State(state): State<ApiState>,
    PathId(id): PathId<WebhookId>,
    _: OptionalBody<Nothing>,
) -> ApiResult {
    let findings = state.actions.check_connection(id).await?;
    let findings: Vec<_> = findings
        .into_iter()
        .map(|finding| ConnectionFindingView {
            state: finding.state.as_str(),
            sentence: finding.sentence,
        })
        .collect();
    ok(&CheckView {
        ok: findings.iter().all(|finding| finding.state != "bad"),
        findings,
    })
}

async fn link_of(state: &ApiState, id: IncidentId, webhook_id: WebhookId) -> Result<LinkOverview, Problem> {
    let links = state.actions.tickets_of(id).await?;
    let found = links
        .into_iter()
        .find(|shown| shown.link.webhook_id == webhook_id);
    found.ok_or_else(|| Problem::new(Code::NotFound, "there is no such ticket".to_owned()))
}
