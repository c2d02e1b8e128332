//! What users may do. Every door (API, pages, chat buttons, timers) calls these functions; they check what is asked
//! for and call the store. Nothing here knows HTTP, and nothing here decides what a transition does: `model` does.

pub mod access;
pub mod alert_sources;
pub mod alerts;
pub mod bulk;
pub mod catalog;
pub mod chat;
pub mod checks;
pub mod deep_check;
pub mod deliveries;
pub mod error;
pub mod inboxes;
pub mod incident_lists;
pub mod incidents;
pub mod insights;
pub mod mail;
pub mod passkeys;
pub mod password;
pub mod people;
pub mod receiver_links;
pub mod second_factor;
pub mod system;
pub mod tickets;
pub mod webhooks;

use std::sync::Arc;

use async_trait::async_trait;
use tokio::sync::Semaphore;
use url::Url;

use crate::alerts::ToldRefusals;
use crate::deep_check::MAX_DEEP_CHECKS;
use crate::insights::MAX_INSIGHTS_AT_ONCE;
use crate::mail::Mail;
use crate::password::Passwords;
use crate::people::PasswordRule;
use clock::Env;
use model::event::Event;
use model::id::WebhookId;
use renderer::Renderer;
use store::Store;
use store::deliveries::DeliveryDetail;

pub use error::{ActionError, FieldError};
pub use model::patch::Patch;
pub use tickets::TicketGateway;

/// Says which URLs a webhook may have: the part of the address rules that can be checked when one is saved.
pub trait UrlRules: Send + Sync {
    /// Refuses a URL with one sentence that says why.
    fn check(&self, url: &Url) -> Result<(), String>;
}

/// Makes one real attempt to deliver a sample event: Send Test.
#[async_trait]
pub trait Tester: Send + Sync {
    /// Stores the sample with its delivery, makes one attempt, and says what it came to.
    async fn send(&self, webhook_id: WebhookId, sample: Event) -> Result<DeliveryDetail, ActionError>;
}

/// What users may do.
pub struct Actions {
    store: Store,
    source: Env,
    url_rules: Arc<dyn UrlRules>,
    tester: Arc<dyn Tester>,
    desk: Arc<dyn TicketGateway>,
    passwords: Passwords,
    password_rule: PasswordRule,
    mail: Option<Mail>,
    renderer: Renderer,
    told_refusals: ToldRefusals,
    /// Who may compute insights now.
    insights: Semaphore,
    /// Who may check everything now.
    deep_checks: Arc<Semaphore>,
}

impl Actions {
    /// Actions on this store.
    pub fn new(
        store: Store,
        source: Env,
        url_rules: Arc<dyn UrlRules>,
        tester: Arc<dyn Tester>,
        desk: Arc<dyn TicketGateway>,
        renderer: Renderer,
    ) -> Self {
        Self {
            passwords: Passwords::new(source.random()),
            password_rule: PasswordRule::default(),
            mail: None,
            store,
            source,
            url_rules,
            tester,
            desk,
            renderer,
            told_refusals: alerts::told_refusals(),
            insights: Semaphore::new(MAX_INSIGHTS_AT_ONCE),
            deep_checks: Arc::new(Semaphore::new(MAX_DEEP_CHECKS)),
        }
    }

    /// The same, and they send mail by way of this.
    pub fn with_mail(self, mail: Option<Mail>) -> Self {
        Self { mail, ..self }
    }

    /// The same with another rule of whose passwords are accepted.
    pub fn with_password_rule(self, password_rule: PasswordRule) -> Self {
        Self {
            password_rule,
            ..self
        }
    }
}
