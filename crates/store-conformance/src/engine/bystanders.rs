//! Rows that no test is about. Whatever a test does, they stay as they are.

use model::id::{ServiceId, WebhookId};

use crate::{Backend, Value};

pub struct Bystanders {
    pub service: ServiceId,
    pub webhook: WebhookId,
    rows_before: Vec<Vec<Value>>,
}

impl Bystanders {
    /// Bystanders that are still to come.
    pub fn remember_nothing(service: ServiceId, webhook: WebhookId) -> Self {
        Self {
            service,
            webhook,
            rows_before: Vec::new(),
        }
    }

    /// Remembers the rows as they are now.
    pub async fn remember(backend: &dyn Backend, service: ServiceId, webhook: WebhookId) -> Self {
        let rows_before = backend.rows_of(service, webhook).await;
        assert!(rows_before.len() >= 6, "the bystanders have rows in every table");
        Self {
            service,
            webhook,
            rows_before,
        }
    }

    /// What has changed up to now was meant for them too.
    pub async fn accept_changes(&mut self, backend: &dyn Backend) {
        self.rows_before = backend.rows_of(self.service, self.webhook).await;
    }

    pub async fn expect_untouched(&self, backend: &dyn Backend) {
        let rows_after = backend.rows_of(self.service, self.webhook).await;
        assert_eq!(self.rows_before, rows_after, "the bystanders changed");
    }
}
