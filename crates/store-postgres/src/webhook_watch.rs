//! Which webhooks other nodes have changed: their rows say so, and are read whenever it is asked what is due.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use model::id::WebhookId;
use model::time::Timestamp;
use store::DeliverySink;
use store::StoreResult;

use super::columns::{bytes, optional_time, time};
use super::connection::Connection;

/// The state in which this node has seen each webhook.
#[derive(Default)]
pub struct WebhookWatch(Mutex<HashMap<WebhookId, Version>>);

/// When a webhook was changed, and since when it is degraded: what whoever serves it must know of.
type Version = (Timestamp, Option<Timestamp>);

impl WebhookWatch {
    /// Says when the next delivery of each enabled webhook is due. Tells the dispatcher which webhooks were made, changed or
    /// deleted since the last look, by whomever, and whose breakers opened or closed.
    ///
    /// Each node asks ten times a second while there are others. One statement reads the webhooks and one entry of the index
    /// `deliveries_open` for each.
    pub async fn look(
        &self,
        connection: &Connection,
        delivery_sink: &dyn DeliverySink,
    ) -> StoreResult<Vec<(WebhookId, Timestamp)>> {
        let sql = "SELECT w.id, w.updated_at, w.degraded_since, next.due_at FROM webhooks w
                       LEFT JOIN LATERAL (
                           SELECT d.due_at FROM deliveries d
                           WHERE d.webhook_id = w.id AND d.state = 'scheduled' AND d.finished_at IS NULL
                               AND w.disabled_since IS NULL
                           ORDER BY d.due_at LIMIT 1
                       ) AS next ON TRUE
                   WHERE w.deleted_at IS NULL ORDER BY w.id";
        let present = connection
            .read_all(sql, &[], |row| {
                let id = WebhookId::from_bytes(bytes(row, "id")?);
                let version = (time(row, "updated_at")?, optional_time(row, "degraded_since")?);
                Ok((id, version, optional_time(row, "due_at")?))
            })
            .await?;
        let versions = present.iter().map(|(id, version, _)| (*id, *version));
        for webhook_id in self.replace(versions.collect()) {
            delivery_sink.webhook_changed(webhook_id);
        }
        let due = present
            .into_iter()
            .filter_map(|(id, _, due_at)| Some((id, due_at?)));
        Ok(due.collect())
    }

    /// Takes what is there now, and says what is different.
    fn replace(&self, present: HashMap<WebhookId, Version>) -> Vec<WebhookId> {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let before = std::mem::replace(&mut *known, present);
        let new = known
            .iter()
            .filter(|(id, version)| before.get(id) != Some(version));
        let gone = before.keys().filter(|id| !known.contains_key(id));
        new.map(|(id, _)| *id).chain(gone.copied()).collect()
    }
}
