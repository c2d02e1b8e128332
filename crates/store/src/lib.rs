//! The store: the only code that speaks SQL. Its contracts are the traits here; each method is one transaction.
//!
//! A change, its event and all its deliveries are one transaction, so that the deliveries table is the outbox.
//! What happens around a commit (handing born-claimed deliveries to the dispatcher) happens on the store's side of
//! the call, so that a caller that goes away after the commit loses nothing.

pub mod access;
pub mod activity_plan;
pub mod attempt_columns;
pub mod body_text;
pub mod budgets;
pub mod canaries;
pub mod catalog;
pub mod commit_health;
pub mod commit_observer;
pub mod cross_checks;
pub mod deliveries;
pub mod delivery_plan;
pub mod delivery_sink;
pub mod differences;
pub mod error;
pub mod events;
pub mod fallback_plan;
pub mod fleet;
pub mod head_text;
pub mod high_water_mark;
pub mod identities;
pub mod inboxes;
pub mod incident_plan;
pub mod incident_search;
pub mod incidents;
pub mod insight_plan;
pub mod key_columns;
pub mod operational;
pub mod outage_plan;
pub mod overview;
pub mod page;
pub mod passkeys;
pub mod queue;
pub mod receipts;
pub mod receiver_links;
pub mod seal;
pub mod sealed;
pub mod second_factors;
pub mod sessions;
pub mod setting_changes;
pub mod sign_in;
pub mod source_plan;
pub mod source_texts;
pub mod sources;
pub mod texts;
pub mod ticket_plan;
pub mod ticket_state;
pub mod tickets;
pub mod transfer;
pub mod upkeep;
pub mod wakeup;
pub mod webhook_columns;
pub mod webhooks;

use std::sync::Arc;

pub use commit_observer::{CommitObserver, NoObserver};
pub use delivery_sink::{DeliverySink, NoSink};
pub use error::StoreError;
pub use page::{Listed, Page};
#[doc(hidden)]
pub use tracing;

/// What every store method answers.
pub type StoreResult<T> = Result<T, StoreError>;

/// One store, as the rest of the program sees it: a handle to each contract.
#[derive(Clone)]
pub struct Store {
    /// Incidents and their transitions.
    pub incidents: Arc<dyn incidents::Incidents>,
    /// The event feed.
    pub events: Arc<dyn events::Events>,
    /// The dispatcher's side of deliveries.
    pub queue: Arc<dyn queue::Queue>,
    /// The people's side of deliveries.
    pub deliveries: Arc<dyn deliveries::Deliveries>,
    pub webhooks: Arc<dyn webhooks::Webhooks>,
    /// Webhooks with their secrets.
    pub endpoints: Arc<dyn webhooks::Endpoints>,
    /// When canaries are due, and what they came to.
    pub canaries: Arc<dyn canaries::Canaries>,
    /// Notices of operational events, and the events made of them.
    pub operational: Arc<dyn operational::OperationalEvents>,
    /// Ticket links.
    pub tickets: Arc<dyn tickets::Tickets>,
    /// Reading tickets again.
    pub ticket_polls: Arc<dyn tickets::TicketPolls>,
    pub services: Arc<dyn catalog::Services>,
    pub users: Arc<dyn catalog::Users>,
    /// Escalation policies.
    pub policies: Arc<dyn catalog::Policies>,
    /// API keys and the audit log.
    pub access: Arc<dyn access::Access>,
    /// Idempotency keys.
    pub receipts: Arc<dyn receipts::Receipts>,
    /// What subjects have spent of their budgets, in the whole fleet.
    pub budgets: Arc<dyn budgets::Budgets>,
    /// What nodes hear of each other.
    pub fleet: Arc<dyn fleet::Fleet>,
    /// Passwords and one-time links.
    pub sign_in: Arc<dyn sign_in::SignIn>,
    /// Sessions of people who signed in.
    pub sessions: Arc<dyn sessions::Sessions>,
    /// Secrets of one-time codes, and recovery codes.
    pub second_factors: Arc<dyn second_factors::SecondFactors>,
    /// Who people are at an OpenID provider.
    pub identities: Arc<dyn identities::Identities>,
    /// Public keys that people sign in by.
    pub passkeys: Arc<dyn passkeys::Passkeys>,
    /// Inboxes and what came to them.
    pub inboxes: Arc<dyn inboxes::Inboxes>,
    /// Links to receivers' pages.
    pub receiver_links: Arc<dyn receiver_links::ReceiverLinks>,
    /// Alert sources, what came to them, and their alerts.
    pub sources: Arc<dyn sources::Sources>,
    /// Counts for pages.
    pub overview: Arc<dyn overview::Overview>,
    /// Pruning, checking, backing up.
    pub upkeep: Arc<dyn upkeep::Upkeep>,
}
