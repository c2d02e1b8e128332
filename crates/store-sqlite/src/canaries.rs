//! When canaries are due, and what they came to.

use async_trait::async_trait;
use rusqlite::Connection;

use model::exchange::FailureCode;
use model::id::WebhookId;
use model::time::Timestamp;
use model::webhook::CanaryResult;
use store::StoreResult;
use store::canaries::{CANARY_RETRY, Canaries, next_at};

use super::database::Database;
use super::statements::{execute, read_all, read_one};
use super::writer::WriteContext;

#[async_trait]
impl Canaries for Database {
    async fn take_due(&self, now: Timestamp, limit: u32) -> StoreResult<Vec<WebhookId>> {
        let due = self.read(move |connection| due(connection, now, limit)).await?;
        if due.is_empty() {
            return Ok(due);
        }
        self.write(move |context| take_due(context, now, limit)).await
    }

    async fn record(&self, id: WebhookId, result: CanaryResult) -> StoreResult<()> {
        self.write(move |context| record(context, id, &result)).await
    }
}

fn due(connection: &Connection, now: Timestamp, limit: u32) -> StoreResult<Vec<WebhookId>> {
    read_all(
        connection,
        "SELECT id FROM webhooks WHERE canary_hours IS NOT NULL AND canary_due_at <= ?1
             AND disabled_since IS NULL AND deleted_at IS NULL
         ORDER BY canary_due_at, id LIMIT ?2",
        (now.as_millis(), limit),
        |row| row.get(0).map(WebhookId::from_bytes),
    )
}

fn take_due(context: &mut WriteContext<'_>, now: Timestamp, limit: u32) -> StoreResult<Vec<WebhookId>> {
    let due = due(context.connection, now, limit)?;
    for id in &due {
        execute(
            context.connection,
            "UPDATE webhooks SET canary_due_at = ?2 WHERE id = ?1",
            (id.as_bytes(), now.plus(CANARY_RETRY).as_millis()),
        )?;
    }
    Ok(due)
}

fn record(context: &mut WriteContext<'_>, id: WebhookId, result: &CanaryResult) -> StoreResult<()> {
    let sql =
        "SELECT canary_hours FROM webhooks WHERE id = ?1 AND canary_hours IS NOT NULL AND deleted_at IS NULL";
    let Some(hours) = read_one(context.connection, sql, [id.as_bytes()], |row| row.get(0))? else {
        return Ok(());
    };
    execute(
        context.connection,
        "UPDATE webhooks SET canary_at = ?2, canary_delivery = ?3, canary_failure = ?4, canary_due_at = ?5
         WHERE id = ?1",
        (
            id.as_bytes(),
            result.at.as_millis(),
            result.delivery_id.as_bytes(),
            result.failure.map(FailureCode::as_str),
            next_at(result, hours).as_millis(),
        ),
    )
    .map(|_| ())
}
