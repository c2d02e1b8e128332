//! The tickets of an incident, on its page: create, link, unlink, sync now.

use axum::extract::State;

use crate::incidents::page::IncidentPage;
use crate::layout::choices::Choice;
use crate::layout::error::{FieldErrors, PageError, PageResult};
use crate::layout::form::Form;
use crate::layout::query::{PathId, PathIds};
use crate::layout::show::{self, Markup};
use crate::layout::{go, render_refused};
use crate::session::UserSession;
use crate::state::WebState;
use crate::webhooks::list::every_webhook;
use actions::ActionError;
use actions::tickets::Synced;
use model::delivery::{Delivery, DeliveryState};
use model::id::{IncidentId, WebhookId};
use model::ticket::{LinkState, TicketPhase};
use model::time::Timestamp;
use store::tickets::LinkOverview;

/// The most systems that are offered as a list.
const MAX_LISTED: usize = 12;

/// What the page shows of tickets.
pub struct Tickets {
    /// Those that there are or may be.
    pub rows: Vec<TicketRow>,
    /// Webhooks that could make or link one.
    pub systems: Vec<Choice>,
    /// What was typed to name a ticket.
    pub typed: String,
}

/// One ticket.
pub struct TicketRow {
    pub webhook_id: WebhookId,
    pub webhook_name: String,
    /// Its kind, as people call it.
    pub kind_name: &'static str,
    /// Key and page; nothing as long as there is no ticket.
    pub ticket: Option<(String, String)>,
    /// The tone of its badge.
    pub tone: &'static str,
    /// Where it stands, in the words of its system.
    pub status: String,
    /// When both sides were last in line.
    pub synced: Option<Markup>,
    /// What is wrong.
    pub trouble: Option<String>,
}

impl Tickets {
    /// The tickets of an incident, and those that its deliveries could not make.
    pub async fn load(
        state: &WebState,
        id: IncidentId,
        deliveries: &[Delivery],
        now: Timestamp,
    ) -> Result<Self, PageError> {
        let links = state.store.tickets.of_incident(id).await?;
        let webhooks = every_webhook(state).await?;
        let has_one = |id: WebhookId| {
            let mut links = links.iter().filter(|shown| shown.link.webhook_id == id);
            links.any(|shown| shown.link.ticket().is_some())
        };
        let systems = webhooks.iter().filter(|webhook| {
            let adapter = kinds::adapter_or_unknown(webhook.settings.kind);
            adapter.ticketing().is_some() && !has_one(webhook.id)
        });
        Ok(Self {
            systems: systems
                .map(|webhook| Choice::new(webhook.id.to_string(), webhook.settings.name.clone(), ""))
                .collect(),
            rows: links
                .iter()
                .filter_map(|shown| row(shown, now))
                .chain(missing(&links, deliveries))
                .collect(),
            typed: String::new(),
        })
    }

    /// Whether there are so many systems that one is searched for.
    pub fn is_long(&self) -> bool {
        self.systems.len() > MAX_LISTED
    }

    /// Whether there is anything to show or do.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty() && self.systems.is_empty()
    }
}

fn row(shown: &LinkOverview, now: Timestamp) -> Option<TicketRow> {
    let link = &shown.link;
    let (tone, status) = match &link.state {
        LinkState::Wanted => ("info", "On its way"),
        LinkState::Intended(_) => ("warning", "Being made or looked for"),
        LinkState::Linked(ticket) => (tone_of(ticket.phase), ticket.status.as_str()),
        LinkState::Unlinked => return None,
    };
    // Only a page that a browser should open is a link.
    let page = |url: &str| match url.starts_with("https://") || url.starts_with("http://") {
        true => url.to_owned(),
        false => String::new(),
    };
    Some(TicketRow {
        webhook_id: link.webhook_id,
        webhook_name: shown.webhook_name.clone(),
        kind_name: kinds::adapter_or_unknown(shown.webhook_kind).description().name,
        ticket: link
            .ticket()
            .map(|ticket| (ticket.key.clone(), page(&ticket.url))),
        tone,
        status: status.to_owned(),
        synced: link.last_synced_at.map(|at| show::when(at, now)),
        trouble: link.last_error.clone(),
    })
}

/// Tickets that there would be, had a delivery not failed before anything of a ticket could be kept.
fn missing(links: &[LinkOverview], deliveries: &[Delivery]) -> Vec<TicketRow> {
    let mut rows: Vec<TicketRow> = Vec::new();
    for delivery in deliveries {
        let adapter = kinds::adapter_or_unknown(delivery.webhook_kind);
        let Some(code) = delivery.last_failure.filter(|_| adapter.ticketing().is_some()) else {
            continue;
        };
        let webhook_id = delivery.webhook_id;
        let is_known = links.iter().any(|shown| shown.link.webhook_id == webhook_id)
            || rows.iter().any(|row| row.webhook_id == webhook_id);
        let (tone, status) = match delivery.state {
            DeliveryState::Dead => ("error", "Not made"),
            DeliveryState::Delivered | DeliveryState::Superseded | DeliveryState::Expired => continue,
            _ => ("warning", "Tried again"),
        };
        if !is_known {
            rows.push(TicketRow {
                webhook_id,
                webhook_name: delivery.webhook_name.clone(),
                kind_name: adapter.description().name,
                ticket: None,
                tone,
                status: status.to_owned(),
                synced: None,
                trouble: Some(format!("{}: {}.", code.as_str(), code.advice())),
            });
        }
    }
    rows
}

fn tone_of(phase: TicketPhase) -> &'static str {
    match phase {
        TicketPhase::New => "neutral",
        TicketPhase::InProgress => "warning",
        TicketPhase::Done => "success",
    }
}

/// The webhook that was chosen by its id, or by a name with its id behind it.
fn chosen(text: &str) -> Option<WebhookId> {
    let id = match text.rsplit_once('(') {
        Some((_, rest)) => rest.strip_suffix(')')?,
        None => text,
    };
    id.trim().parse().ok()
}

/// `POST /incidents/{id}/tickets`: makes one, or links one that is named.
pub async fn add(
    State(state): State<WebState>,
    session: UserSession,
    PathId(id): PathId<IncidentId>,
    form: Form,
) -> PageResult {
    let Some(webhook_id) = chosen(form.text("webhook")) else {
        return Err(PageError::bad_request("choose a webhook that makes tickets"));
    };
    let actor = session.actor();
    let ticket = form.text("ticket");
    let done = match form.text("do") {
        "link" => state
            .actions
            .link_ticket(actor, id, webhook_id, ticket)
            .await
            .map(|_| "ticket-linked"),
        _ => state
            .actions
            .create_ticket(actor, id, webhook_id)
            .await
            .map(|_| "ticket-asked"),
    };
    match done {
        Ok(did) => go(&format!("/incidents/{id}"), did),
        Err(error) => refuse(&state, &session, id, ticket, error).await,
    }
}

/// The page again, with what is wrong beside the field.
async fn refuse(
    state: &WebState,
    session: &UserSession,
    id: IncidentId,
    typed: &str,
    error: ActionError,
) -> PageResult {
    let errors = match &error {
        ActionError::Conflict(sentence) => FieldErrors::one("ticket", sentence),
        ActionError::TicketSystem { detail, .. } => FieldErrors::one("ticket", detail),
        _ => FieldErrors::of(error)?,
    };
    let mut page = IncidentPage::load(state, session, id, errors).await?;
    page.tickets.typed = typed.to_owned();
    render_refused(&page)
}

/// `POST /incidents/{id}/tickets/{webhook}/unlink`
pub async fn unlink(
    State(state): State<WebState>,
    session: UserSession,
    PathIds(id, webhook_id): PathIds<IncidentId, WebhookId>,
) -> PageResult {
    state
        .actions
        .unlink_ticket(session.actor(), id, webhook_id)
        .await?;
    go(&format!("/incidents/{id}"), "ticket-unlinked")
}

/// `POST /incidents/{id}/tickets/{webhook}/sync`
pub async fn sync(
    State(state): State<WebState>,
    session: UserSession,
    PathIds(id, webhook_id): PathIds<IncidentId, WebhookId>,
) -> PageResult {
    let synced = state.actions.sync_ticket(session.actor(), id, webhook_id).await?;
    let did = match synced {
        Synced::Telling => "ticket-telling",
        Synced::Followed => "ticket-followed",
        Synced::InLine => "ticket-in-line",
        Synced::Busy => "ticket-busy",
    };
    go(&format!("/incidents/{id}"), did)
}
