//! The webhooks as the writer keeps them in memory, to decide which get an event.

use rusqlite::Connection;

use model::webhook::Webhook;
use store::StoreResult;

use super::columns::{WEBHOOK_COLUMNS, webhook_from_row};
use super::database::unavailable;

/// Every webhook that is not deleted, oldest first.
pub fn load(connection: &Connection) -> StoreResult<Vec<Webhook>> {
    let statement = format!("SELECT {WEBHOOK_COLUMNS} FROM webhooks WHERE deleted_at IS NULL ORDER BY id");
    let mut statement = connection.prepare_cached(&statement).map_err(unavailable)?;
    let rows = statement.query_map((), webhook_from_row).map_err(unavailable)?;
    rows.collect::<Result<_, _>>().map_err(unavailable)
}
