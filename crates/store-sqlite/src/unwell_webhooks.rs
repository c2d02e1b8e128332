//! The webhooks that do not deliver as they should, for the doctor.

use rusqlite::{Connection, Row};

use model::audit::Actor;
use model::exchange::FailureCode;
use model::id::{AuditId, WebhookId};
use model::time::Timestamp;
use store::StoreResult;
use store::deliveries::{COUNTED_AT_MOST, DEAD_SEARCHED};
use store::upkeep::{MAX_UNWELL, UnwellWebhook};

use super::columns::id_bytes;
use super::statements::{read_all, read_one};

/// An audit row of a disabling is as old as the attempt that led to it, which may have waited to be recorded while the disk
/// was full.
const LONGEST_WAIT_MS: i64 = 24 * 3_600_000;

/// Those that are degraded, disabled by failure or have dead deliveries that nobody gave up.
pub fn read(connection: &Connection) -> StoreResult<Vec<UnwellWebhook>> {
    let mut webhooks = read_all(
        connection,
        "SELECT id, name, degraded_since, degraded_code, disabled_since, disabled_reason,
             (SELECT count(*) FROM (
                  SELECT 1 FROM (SELECT d.is_test, d.last_failure FROM deliveries d INDEXED BY deliveries_dead_causes
                                 WHERE d.webhook_id = webhooks.id AND d.state = 'dead' ORDER BY d.id DESC LIMIT ?4)
                  WHERE is_test = 0 AND last_failure IS NOT ?2 LIMIT ?3)) AS dead
         FROM webhooks WHERE deleted_at IS NULL
             AND (degraded_since IS NOT NULL OR disabled_since IS NOT NULL OR dead > 0)
         ORDER BY id LIMIT ?1",
        (
            MAX_UNWELL,
            FailureCode::GivenUp.as_str(),
            COUNTED_AT_MOST,
            DEAD_SEARCHED,
        ),
        webhook_from_row,
    )?;
    for webhook in &mut webhooks {
        if let Some((since, _)) = webhook.disabled_by_failure
            && !was_disabled_by_server(connection, webhook.id, since)?
        {
            webhook.disabled_by_failure = None;
        }
    }
    webhooks.retain(|webhook| {
        webhook.degraded.is_some() || webhook.disabled_by_failure.is_some() || webhook.dead > 0
    });
    Ok(webhooks)
}

fn webhook_from_row(row: &Row<'_>) -> rusqlite::Result<UnwellWebhook> {
    let since = |since: &str, why: &str| -> rusqlite::Result<Option<(Timestamp, String)>> {
        let at: Option<i64> = row.get(since)?;
        let why: Option<String> = row.get(why)?;
        Ok(at.map(|at| (Timestamp::from_millis(at), why.unwrap_or_default())))
    };
    Ok(UnwellWebhook {
        id: WebhookId::from_bytes(id_bytes(row, "id")?),
        name: row.get("name")?,
        degraded: since("degraded_since", "degraded_code")?,
        disabled_by_failure: since("disabled_since", "disabled_reason")?,
        dead: row.get::<_, i64>("dead")?.unsigned_abs(),
    })
}

/// What a person has disabled is as it should be. Who it was stands in the audit log.
fn was_disabled_by_server(connection: &Connection, id: WebhookId, since: Timestamp) -> StoreResult<bool> {
    let at = |milliseconds: i64| AuditId::lower_bound(Timestamp::from_millis(milliseconds));
    let (earliest, latest) = (
        at(since.as_millis() - LONGEST_WAIT_MS),
        at(since.as_millis() + LONGEST_WAIT_MS),
    );
    let found = read_one(
        connection,
        "SELECT 1 FROM audit WHERE id BETWEEN ?1 AND ?5 AND action = 'webhook.disable' AND subject = ?2 AND at = ?3 AND actor = ?4
         LIMIT 1",
        (
            earliest.as_bytes(),
            id.to_string(),
            since.as_millis(),
            Actor::System.encode(),
            latest.as_bytes(),
        ),
        |_| Ok(()),
    )?;
    Ok(found.is_some())
}
