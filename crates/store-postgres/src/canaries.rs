//! When canaries are due, and what they came to.

use async_trait::async_trait;

use model::exchange::FailureCode;
use model::id::WebhookId;
use model::time::Timestamp;
use model::webhook::CanaryResult;
use store::StoreResult;
use store::canaries::{CANARY_RETRY, Canaries, next_at};

use super::columns::{bytes, number};
use super::database::Database;
use super::writer::WriteContext;

#[async_trait]
impl Canaries for Database {
    async fn take_due(&self, now: Timestamp, limit: u32) -> StoreResult<Vec<WebhookId>> {
        let sql = "SELECT 1 FROM webhooks WHERE canary_hours IS NOT NULL AND canary_due_at <= $1
                       AND disabled_since IS NULL AND deleted_at IS NULL LIMIT 1";
        let connection = self.connection().await?;
        let is_due = connection.finds(sql, &[&now.as_millis()]).await?;
        drop(connection);
        if !is_due {
            return Ok(Vec::new());
        }
        self.write((now, limit), |context, (now, limit)| {
            Box::pin(take_due(context, *now, *limit))
        })
        .await
    }

    async fn record(&self, id: WebhookId, result: CanaryResult) -> StoreResult<()> {
        self.write((id, result), |context, (id, result)| {
            Box::pin(record(context, *id, result))
        })
        .await
    }
}

/// What another node takes at this moment is passed over.
async fn take_due(context: &mut WriteContext, now: Timestamp, limit: u32) -> StoreResult<Vec<WebhookId>> {
    let sql = "WITH due AS (
                   SELECT id FROM webhooks WHERE canary_hours IS NOT NULL AND canary_due_at <= $1
                       AND disabled_since IS NULL AND deleted_at IS NULL
                   ORDER BY canary_due_at, id LIMIT $2 FOR NO KEY UPDATE SKIP LOCKED)
               UPDATE webhooks w SET canary_due_at = $3 FROM due WHERE w.id = due.id RETURNING w.id";
    let again_at = now.plus(CANARY_RETRY).as_millis();
    context
        .connection
        .read_all(sql, &[&now.as_millis(), &i64::from(limit), &again_at], |row| {
            bytes(row, "id").map(WebhookId::from_bytes)
        })
        .await
}

async fn record(context: &mut WriteContext, id: WebhookId, result: &CanaryResult) -> StoreResult<()> {
    let sql = "SELECT canary_hours FROM webhooks
               WHERE id = $1 AND canary_hours IS NOT NULL AND deleted_at IS NULL FOR NO KEY UPDATE";
    let key = &id.as_bytes()[..];
    let connection = &context.connection;
    let hours = connection
        .read_one(sql, &[&key], |row| number(row, "canary_hours"))
        .await?;
    let Some(hours) = hours else {
        return Ok(());
    };
    let sql =
        "UPDATE webhooks SET canary_at = $2, canary_delivery = $3, canary_failure = $4, canary_due_at = $5
               WHERE id = $1";
    connection
        .execute(
            sql,
            &[
                &key,
                &result.at.as_millis(),
                &&result.delivery_id.as_bytes()[..],
                &result.failure.map(FailureCode::as_str),
                &next_at(result, hours).as_millis(),
            ],
        )
        .await
        .map(|_| ())
}
