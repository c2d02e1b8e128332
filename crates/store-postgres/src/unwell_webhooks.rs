//! The webhooks that do not deliver as they should, for the doctor.

use tokio_postgres::Row;

use model::audit::Actor;
use model::exchange::FailureCode;
use model::id::{AuditId, WebhookId};
use model::time::Timestamp;
use store::StoreResult;
use store::deliveries::{COUNTED_AT_MOST, DEAD_SEARCHED};
use store::upkeep::{MAX_UNWELL, UnwellWebhook};

use super::columns::{bytes, number, optional_time, value};
use super::connection::Connection;

/// An audit row of a disabling is as old as the attempt that led to it, which may have waited to be recorded while the
/// database was away.
const LONGEST_WAIT_MS: i64 = 24 * 3_600_000;

/// Those that are degraded, disabled by failure or have dead deliveries that nobody gave up.
pub async fn read(connection: &Connection) -> StoreResult<Vec<UnwellWebhook>> {
    let sql = "SELECT * FROM (
             SELECT id, name, degraded_since, degraded_code, disabled_since, disabled_reason,
                 (SELECT count(*) FROM (
                      SELECT 1 FROM (SELECT d.is_test, d.last_failure FROM deliveries d
                                     WHERE d.webhook_id = w.id AND d.state = 'dead' ORDER BY d.id DESC LIMIT $4) latest
                      WHERE NOT is_test AND last_failure IS DISTINCT FROM $2 LIMIT $3) died) AS dead
             FROM webhooks w WHERE deleted_at IS NULL) AS webhooks
         WHERE degraded_since IS NOT NULL OR disabled_since IS NOT NULL OR dead > 0
         ORDER BY id LIMIT $1";
    let given_up = FailureCode::GivenUp.as_str();
    let [most, counted, searched] = [MAX_UNWELL, COUNTED_AT_MOST, DEAD_SEARCHED].map(i64::from);
    let mut webhooks = connection
        .read_all(sql, &[&most, &given_up, &counted, &searched], webhook_from_row)
        .await?;
    for webhook in &mut webhooks {
        if let Some((since, _)) = webhook.disabled_by_failure
            && !was_disabled_by_server(connection, webhook.id, since).await?
        {
            webhook.disabled_by_failure = None;
        }
    }
    webhooks.retain(|webhook| {
        webhook.degraded.is_some() || webhook.disabled_by_failure.is_some() || webhook.dead > 0
    });
    Ok(webhooks)
}

fn webhook_from_row(row: &Row) -> StoreResult<UnwellWebhook> {
    let since = |since: &str, why: &str| -> StoreResult<Option<(Timestamp, String)>> {
        let why: Option<String> = value(row, why)?;
        Ok(optional_time(row, since)?.map(|at| (at, why.unwrap_or_default())))
    };
    Ok(UnwellWebhook {
        id: WebhookId::from_bytes(bytes(row, "id")?),
        name: value(row, "name")?,
        degraded: since("degraded_since", "degraded_code")?,
        disabled_by_failure: since("disabled_since", "disabled_reason")?,
        dead: number(row, "dead")?,
    })
}

/// What a person has disabled is as it should be. Who it was stands in the audit log.
async fn was_disabled_by_server(
    connection: &Connection,
    id: WebhookId,
    since: Timestamp,
) -> StoreResult<bool> {
    let at = |milliseconds: i64| AuditId::lower_bound(Timestamp::from_millis(milliseconds));
    let (earliest, latest) = (
        at(since.as_millis() - LONGEST_WAIT_MS),
        at(since.as_millis() + LONGEST_WAIT_MS),
    );
    let sql = "SELECT 1 FROM audit WHERE id BETWEEN $1 AND $2 AND action = 'webhook.disable' AND subject = $3 AND at = $4
                   AND actor = $5 LIMIT 1";
    connection
        .finds(
            sql,
            &[
                &&earliest.as_bytes()[..],
                &&latest.as_bytes()[..],
                &id.to_string(),
                &since.as_millis(),
                &Actor::System.encode(),
            ],
        )
        .await
}
