//! What is known of a delivery's incident at its webhook before an attempt: the message or ticket that is there already.

use crate::prepared::Prepared;
use destination::task::IncidentContext;
use model::delivery::ClaimedDelivery;
use model::event::Event;
use model::patch::Patch;
use model::ticket::{LinkState, LinkUpdate, TicketLink, TicketNews};
use model::time::Timestamp;
use store::Store;
use store::StoreResult;
use store::tickets::TicketContent;
use store::webhooks::MessageRef;

/// See the module.
#[derive(Debug, Clone, Default)]
pub struct DeliveryContext {
    /// What was remembered of the incident's message.
    pub message_ref: Option<MessageRef>,
    /// The incident's ticket.
    pub link: Option<TicketLink>,
    /// What the workflow of tickets knows beyond it.
    pub workflow: Option<String>,
    /// What the incident says beyond the event.
    pub incident_context: Option<IncidentContext>,
    /// What of that its ticket shows.
    pub ticket_content: Option<Box<TicketContent>>,
}

impl DeliveryContext {
    /// Looks up what a kind needs to know; the default format needs nothing.
    pub async fn load(store: &Store, prepared: &Prepared, delivery: &ClaimedDelivery) -> StoreResult<Self> {
        if !prepared.has_own_form() {
            return Ok(Self::default());
        }
        // Each operational event has a message of its own: what changes an older one makes no sound.
        if delivery.event.operational.is_some() {
            return Ok(Self::default());
        }
        let (webhook_id, incident_id) = (delivery.webhook_id, delivery.event.incident_id);
        if prepared.adapter.ticketing().is_none() {
            let memory = store.endpoints.load_message_ref(webhook_id, incident_id).await?;
            return Ok(Self {
                message_ref: memory,
                ..Self::default()
            });
        }
        let context = store.tickets.load_context(webhook_id, incident_id).await?;
        Ok(Self {
            message_ref: None,
            ticket_content: Some(Box::new(context.content())),
            link: context.link,
            workflow: context.workflow,
            incident_context: Some(IncidentContext {
                description: context.description,
                headline: context.headline,
                assignee: context.assignee,
                notes: context.notes,
            }),
        })
    }

    /// Whether the incident's message or ticket tells of a later event than this one.
    pub fn is_ahead_of(&self, event: &Event) -> bool {
        let message = || self.message_ref.as_ref().map(|memory| memory.event_sequence);
        let told = self
            .link
            .as_ref()
            .map(|link| link.event_sequence)
            .or_else(message);
        told.is_some_and(|told| told > event.sequence)
    }

    /// A test has no incident: what one of its attempts found out about a ticket is known to the next one only.
    pub fn learn_in_test(&mut self, delivery: &ClaimedDelivery, update: &LinkUpdate, now: Timestamp) {
        match &update.workflow {
            Patch::Keep => {}
            Patch::Set(text) => self.workflow = Some(text.clone()),
            Patch::Clear => self.workflow = None,
        }
        if let Some(TicketNews::Seen(ticket)) = &update.news {
            self.link = Some(TicketLink {
                webhook_id: delivery.webhook_id,
                incident_id: delivery.event.incident_id,
                state: LinkState::Linked(ticket.clone()),
                generation: 1,
                version: 1,
                event_sequence: 0,
                seen: ticket.phase,
                creates: 1,
                last_synced_at: None,
                last_error: None,
                comments_until: now,
            });
        }
    }
}
