//! Which webhooks other nodes have changed: their rows say when, and are looked at whenever it is asked what is due.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use model::id::WebhookId;
use model::time::Timestamp;
use store::DeliverySink;
use store::StoreResult;

use super::columns::{bytes, time};
use super::connection::Connection;

/// When each webhook was changed, as far as this node has seen.
#[derive(Default)]
pub struct WebhookWatch(Mutex<HashMap<WebhookId, Timestamp>>);

impl WebhookWatch {
    /// Tells the dispatcher which webhooks were made, changed or deleted since the last look, by whomever.
    pub async fn look(&self, connection: &Connection, delivery_sink: &dyn DeliverySink) -> StoreResult<()> {
        let sql = "SELECT id, updated_at FROM webhooks WHERE deleted_at IS NULL";
        let present = connection
            .read_all(sql, &[], |row| {
                let id = WebhookId::from_bytes(bytes(row, "id")?);
                Ok((id, time(row, "updated_at")?))
            })
            .await?;
        for webhook_id in self.replace(present.into_iter().collect()) {
            delivery_sink.webhook_changed(webhook_id);
        }
        Ok(())
    }

    /// Takes what is there now, and says what is different.
    fn replace(&self, present: HashMap<WebhookId, Timestamp>) -> Vec<WebhookId> {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let before = std::mem::replace(&mut *known, present);
        let new = known.iter().filter(|(id, at)| before.get(id) != Some(at));
        let gone = before.keys().filter(|id| !known.contains_key(id));
        new.map(|(id, _)| *id).chain(gone.copied()).collect()
    }
}
