//! The webhooks, to decide which get an event.

use model::webhook::Webhook;
use store::StoreResult;

use super::columns::{WEBHOOK_COLUMNS, webhook_from_row};
use super::connection::Connection;

/// Every webhook that is not deleted, oldest first.
pub async fn load(connection: &Connection) -> StoreResult<Vec<Webhook>> {
    let sql = format!("SELECT {WEBHOOK_COLUMNS} FROM webhooks WHERE deleted_at IS NULL ORDER BY id");
    connection.read_all(&sql, &[], webhook_from_row).await
}
