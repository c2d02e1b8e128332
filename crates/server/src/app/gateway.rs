//! What actions may ask of the dispatcher: one real attempt, and questions to ticket systems.

use actions::{ActionError, Tester, TicketGateway};
use destination::ticketing::{QueryResult, TicketQuery};
use engine::dispatcher::Dispatcher;
use engine::ticket_poller::TicketPoller;
use model::attempt::Failure;
use model::audit::Actor;
use model::event::Event;
use model::id::WebhookId;
use model::ticket::TicketLink;
use store::deliveries::DeliveryDetail;
use store::tickets::PollOutcome;

/// Send Test by way of the dispatcher.
pub struct TestSender(pub Dispatcher);

#[async_trait::async_trait]
impl Tester for TestSender {
    async fn send(&self, webhook_id: WebhookId, sample: Event) -> Result<DeliveryDetail, ActionError> {
        Ok(self.0.send_test(webhook_id, sample).await?)
    }
}

/// Questions to ticket systems by way of the dispatcher.
pub struct EngineGateway(pub Dispatcher, pub TicketPoller);

#[async_trait::async_trait]
impl TicketGateway for EngineGateway {
    async fn ask(&self, webhook_id: WebhookId, question: TicketQuery) -> Result<QueryResult, ActionError> {
        Ok(self.0.ask(webhook_id, &question).await?.map_err(said_no)?)
    }

    async fn follow(&self, link: &TicketLink, actor: Actor) -> Result<PollOutcome, ActionError> {
        Ok(self.1.read(link, Some(actor)).await?.map_err(said_no)?)
    }
}

fn said_no(failure: Failure) -> ActionError {
    ActionError::TicketSystem {
        code: failure.code,
        detail: failure.detail,
    }
}
