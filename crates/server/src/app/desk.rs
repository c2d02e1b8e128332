//! What actions may ask of the dispatcher: one real attempt, and questions to ticket systems.

use actions::{ActionError, Tester, TicketDesk};
use destination::ticketing::{Answer, Question};
use engine::dispatcher::Dispatcher;
use engine::looker::Looker;
use model::attempt::Failure;
use model::event::Event;
use model::id::WebhookId;
use model::ticket::{Looking, TicketLink};
use store::deliveries::DeliveryDetail;
use store::tickets::LookedOutcome;

/// Send Test by way of the dispatcher.
pub struct TestSender(pub Dispatcher);

#[async_trait::async_trait]
impl Tester for TestSender {
    async fn send(&self, webhook_id: WebhookId, sample: Event) -> Result<DeliveryDetail, ActionError> {
        Ok(self.0.send_test(webhook_id, sample).await?)
    }
}

/// Questions to ticket systems by way of the dispatcher.
pub struct Desk(pub Dispatcher, pub Looker);

#[async_trait::async_trait]
impl TicketDesk for Desk {
    async fn ask(&self, webhook_id: WebhookId, question: Question) -> Result<Answer, ActionError> {
        Ok(self.0.ask(webhook_id, &question).await?.map_err(said_no)?)
    }

    async fn follow(&self, link: &TicketLink) -> Result<LookedOutcome, ActionError> {
        Ok(self
            .1
            .read(link, Some(Looking::ToFollow))
            .await?
            .map_err(said_no)?)
    }
}

fn said_no(failure: Failure) -> ActionError {
    ActionError::TicketSystem {
        code: failure.code,
        detail: failure.detail,
    }
}
