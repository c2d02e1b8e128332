//! Tickets by hand, and what ticket systems tell us: create, link, unlink, sync now, check the connection.

use async_trait::async_trait;

use crate::chat::CallRefusal;
use crate::{ActionError, Actions};
use destination::callback::{ChangeNotification, Reply};
use destination::task::Target;
use destination::ticketing::{Finding, QueryResult, TicketQuery, Ticketing};
use kinds::adapter;
use model::audit::Actor;
use model::delivery::Delivery;
use model::id::{IncidentId, WebhookId};
use model::ticket::{MAX_TICKET_ID_BYTES, Ticket, TicketLink, read_marker};
use model::webhook::Webhook;
use store::incidents::{TimelineEntry, TimelineKind};
use store::log_store_failure;
use store::tickets::{LinkOverview, NotificationEffect, NotificationRecord, PollOutcome, Requested};
use strum::{IntoStaticStr, VariantNames};

pub use destination::ticketing::FindingState;

/// The longest name of a ticket that somebody types, in bytes.
const MAX_REFERENCE_BYTES: usize = 1024;

/// Speaks with ticket systems beside deliveries.
#[async_trait]
pub trait TicketGateway: Send + Sync {
    /// Asks the ticket system of a webhook something.
    async fn ask(&self, webhook_id: WebhookId, question: TicketQuery) -> Result<QueryResult, ActionError>;

    /// Reads a ticket and lets its incident be as the ticket is, since somebody wants that.
    async fn follow(&self, link: &TicketLink, actor: Actor) -> Result<PollOutcome, ActionError>;
}

/// What syncing by hand came to.
#[derive(Debug, Clone, PartialEq, Eq, IntoStaticStr, VariantNames)]
#[strum(serialize_all = "snake_case")]
pub enum Synced {
    /// The ticket is being told what it was not told yet.
    Telling,
    /// The incident was changed to what the ticket says.
    Followed,
    /// Both were in line.
    InLine,
    /// An event is on its way to the ticket; there is nothing to do but wait for it.
    Busy,
}

impl Synced {
    /// Everything that it may come to, in the API's words.
    pub const NAMES: &'static [&'static str] = Self::VARIANTS;

    /// Its name in the API.
    pub fn as_str(&self) -> &'static str {
        self.into()
    }
}

model::word_schemas! {
    Synced, "TicketSyncResult", "The ticket is being told, the incident followed it, both were in line, or an event is on its way.",
        Synced::NAMES;
}

impl Actions {
    /// The tickets of an incident.
    pub async fn tickets_of(&self, incident_id: IncidentId) -> Result<Vec<LinkOverview>, ActionError> {
        self.store.incidents.get(incident_id).await?;
        Ok(self.store.tickets.of_incident(incident_id).await?)
    }

    /// Has a webhook make a ticket for an incident. An incident that has one there has it brought in line.
    pub async fn create_ticket(
        &self,
        actor: Actor,
        incident_id: IncidentId,
        webhook_id: WebhookId,
    ) -> Result<Delivery, ActionError> {
        let webhook = self.store.webhooks.get(webhook_id).await?;
        ticketing(&webhook)?;
        if !webhook.is_enabled() {
            let detail = "the webhook is disabled: enable it first";
            return Err(ActionError::Conflict(detail.into()));
        }
        let change = self.source.change(actor);
        let requested = self
            .store
            .tickets
            .request(incident_id, webhook_id, change)
            .await?;
        let Requested::OnItsWay(delivery_id) = requested;
        Ok(self.store.deliveries.get(delivery_id).await?.delivery)
    }

    /// Links an incident to a ticket that exists, named by its key or its page's URL.
    pub async fn link_ticket(
        &self,
        actor: Actor,
        incident_id: IncidentId,
        webhook_id: WebhookId,
        text: &str,
    ) -> Result<Ticket, ActionError> {
        let endpoint = self.load_endpoint(webhook_id).await?;
        let system = ticketing(&endpoint.webhook)?;
        let text = text.trim();
        let reference = match text.len() {
            0 => Err("give the ticket's key, or the URL of its page".to_owned()),
            1..=MAX_REFERENCE_BYTES => system.reference(&Target::new(&endpoint), text),
            _ => Err(format!("a ticket's name has at most {MAX_REFERENCE_BYTES} bytes")),
        };
        let reference = reference.map_err(|detail| invalid_ticket(&detail))?;
        let question = TicketQuery::Find { reference };
        let QueryResult::Ticket(Some(reading)) = self.desk.ask(webhook_id, question).await? else {
            return Err(invalid_ticket(
                "there is no such ticket, or the webhook's account may not see it",
            ));
        };
        let change = self.source.change(actor);
        let ticket = reading.ticket;
        self.store
            .tickets
            .link(incident_id, webhook_id, ticket.clone(), change)
            .await?;
        Ok(ticket)
    }

    /// Parts an incident and its ticket. The ticket stays as it is.
    pub async fn unlink_ticket(
        &self,
        actor: Actor,
        incident_id: IncidentId,
        webhook_id: WebhookId,
    ) -> Result<(), ActionError> {
        let change = self.source.change(actor);
        Ok(self.store.tickets.unlink(incident_id, webhook_id, change).await?)
    }

    /// Brings an incident and its ticket in line: the ticket is told what it was not told yet; if there is nothing of that
    /// kind, the incident follows the ticket.
    pub async fn sync_ticket(
        &self,
        actor: Actor,
        incident_id: IncidentId,
        webhook_id: WebhookId,
    ) -> Result<Synced, ActionError> {
        let links = self.tickets_of(incident_id).await?;
        let link = links
            .into_iter()
            .find(|shown| shown.link.webhook_id == webhook_id);
        let link = link
            .map(|shown| shown.link)
            .filter(|link| link.ticket().is_some());
        let link = link.ok_or(ActionError::NotFound { what: "ticket" })?;
        let timeline = self.store.incidents.timeline(incident_id).await?;
        if latest_event(&timeline) > link.event_sequence {
            self.create_ticket(actor, incident_id, webhook_id).await?;
            return Ok(Synced::Telling);
        }
        Ok(match self.desk.follow(&link, actor).await? {
            PollOutcome::InLine => Synced::InLine,
            PollOutcome::Followed(_) => Synced::Followed,
            PollOutcome::Busy => Synced::Busy,
            PollOutcome::Gone => return Err(ActionError::NotFound { what: "ticket" }),
        })
    }

    /// Tries the settings of a webhook that makes tickets, and says what is missing.
    pub async fn check_connection(&self, webhook_id: WebhookId) -> Result<Vec<Finding>, ActionError> {
        let webhook = self.store.webhooks.get(webhook_id).await?;
        ticketing(&webhook)?;
        match self.desk.ask(webhook_id, TicketQuery::Check).await {
            Ok(QueryResult::Findings(findings)) => Ok(findings),
            Ok(_) => Ok(Vec::new()),
            Err(ActionError::TicketSystem { detail, .. }) => Ok(vec![Finding::bad(detail)]),
            Err(error) => Err(error),
        }
    }

    /// A ticket system told of a change: the ticket is read again soon.
    pub(super) async fn take_notification(
        &self,
        webhook_id: WebhookId,
        notification: ChangeNotification,
    ) -> Result<Reply, CallRefusal> {
        let is_plausible =
            !notification.ticket_id.is_empty() && notification.ticket_id.len() <= MAX_TICKET_ID_BYTES;
        if !is_plausible {
            return Err(CallRefusal::Unreadable);
        }
        let record = NotificationRecord {
            ticket_id: notification.ticket_id,
            marker: notification
                .markers
                .iter()
                .find_map(|marker| read_marker(marker, webhook_id)),
            receipt: notification
                .receipt
                .filter(|receipt| receipt.len() <= MAX_REFERENCE_BYTES),
        };
        let hinted = self
            .store
            .ticket_polls
            .record_notification(webhook_id, record, self.source.now())
            .await;
        match hinted {
            Ok(NotificationEffect::PollDue | NotificationEffect::Found | NotificationEffect::Nothing) => {
                Ok(Reply::empty())
            }
            Err(error) => {
                log_store_failure!(error, %webhook_id, "a call of a ticket system could not be worked on");
                Err(CallRefusal::Unavailable)
            }
        }
    }
}

/// What a webhook can do as a ticket system.
fn ticketing(webhook: &Webhook) -> Result<&'static dyn Ticketing, ActionError> {
    let found = adapter(webhook.settings.kind).and_then(|adapter| adapter.ticketing());
    found.ok_or_else(|| ActionError::Conflict("this kind of webhook makes no tickets".into()))
}

fn invalid_ticket(detail: &str) -> ActionError {
    let mut checks = crate::checks::Checks::new();
    checks.fail("ticket", "invalid_value", detail);
    checks.into_error()
}

/// The place of the latest event in a timeline.
fn latest_event(timeline: &[TimelineEntry]) -> i64 {
    let place = |entry: &TimelineEntry| match entry.kind {
        TimelineKind::Event { sequence, .. } => Some(sequence),
        TimelineKind::Note(_) => None,
    };
    timeline.iter().filter_map(place).max().unwrap_or(0)
}
