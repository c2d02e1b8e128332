//! What a backend must offer to be tested.

use std::sync::Arc;

use async_trait::async_trait;
use model::id::{PolicyId, ServiceId, UserId, WebhookId};
use store::DeliverySink;
use store::deliveries::Deliveries;
use store::events::Events;
use store::incidents::Incidents;
use store::overview::Overview;
use store::queue::Queue;
use store::tickets::{TicketPolls, Tickets};
use store::webhooks::Endpoints;

/// The contracts under test, of one open store.
pub struct Handles {
    pub incidents: Arc<dyn Incidents>,
    pub events: Arc<dyn Events>,
    pub queue: Arc<dyn Queue>,
    pub deliveries: Arc<dyn Deliveries>,
    pub overview: Arc<dyn Overview>,
    pub endpoints: Arc<dyn Endpoints>,
    pub tickets: Arc<dyn Tickets>,
    pub ticket_polls: Arc<dyn TicketPolls>,
}

/// A webhook to be put into the store.
pub struct WebhookRow {
    pub id: WebhookId,
    pub name: &'static str,
    pub services: Vec<ServiceId>,
    pub ordering: &'static str,
    pub when_disabled: &'static str,
}

/// A fresh store of some kind, and a way past the contracts to put rows in and to look at them.
///
/// Webhooks are only changed while no store is open: a store may keep them in memory.
#[async_trait]
pub trait Backend: Send + Sync {
    /// Opens the store as a node.
    async fn open(&self, node: i64, delivery_sink: Arc<dyn DeliverySink>) -> Handles;

    async fn insert_user(&self, id: UserId, name: &str);
    /// Inserts a policy with these steps: minutes to wait, and who is called.
    async fn insert_policy(&self, id: PolicyId, steps: &[(u32, Option<UserId>)]);
    async fn insert_service(&self, id: ServiceId, name: &str, policy: Option<PolicyId>);
    async fn insert_webhook(&self, webhook: WebhookRow);
    async fn disable_webhook(&self, id: WebhookId);
    async fn enable_webhook(&self, id: WebhookId);
    async fn delete_webhook(&self, id: WebhookId);

    /// Every row that belongs to a service, its incidents and a webhook, as text in a fixed order.
    async fn rows_of(&self, service: ServiceId, webhook: WebhookId) -> Vec<String>;
    /// How many deliveries of a webhook the ledger says were accepted.
    async fn accepted(&self, webhook: WebhookId) -> i64;
    /// How many deliveries of a webhook there are, tests left out.
    async fn deliveries(&self, webhook: WebhookId) -> i64;
    /// Actions in the audit log about a subject, in any order.
    async fn audited(&self, subject: &str) -> Vec<String>;
    /// Whether a webhook is disabled, and why.
    async fn disabled_reason(&self, webhook: WebhookId) -> Option<String>;
}
