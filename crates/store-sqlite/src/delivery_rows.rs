//! Deliveries and attempts as rows.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use rusqlite::types::Value;
use rusqlite::{Connection, Result, Row, params_from_iter};

use model::attempt::{Attempt, Disposition, Failure, Outcome};
use model::audit::Actor;
use model::delivery::{Delivery, DeliveryState};
use model::event::EventType;
use model::exchange::{FailureCode, PhaseTimings};
use model::id::{AttemptId, DeliveryId, IncidentId, WebhookId};
use model::time::Timestamp;
use model::webhook::WebhookKind;
use store::StoreError;
use store::StoreResult;
use store::deliveries::{AttemptPage, ListedAttempts};
use store::head_text::{Beside, unpack};
use store::outage_plan::{DeathColumns, shown};
use store::page::WALKED_ROWS;

use super::columns::unexpected;
use super::restrictions;
use super::statements::{read_all, read_one};

/// Reads one delivery.
pub fn load(connection: &Connection, id: DeliveryId) -> StoreResult<Delivery> {
    read_one(
        connection,
        "SELECT d.id, d.webhook_id, d.incident_id, d.event_sequence, coalesce(e.operational, e.name), d.is_test, d.state, d.due_at,
             d.attempts_made, d.created_at, d.finished_at, d.last_failure,
             w.disabled_since IS NOT NULL OR w.deleted_at IS NOT NULL, w.name, w.kind, d.given_up_by,
             d.ended_as, d.fallback_of, d.taken_over_by
         FROM deliveries d CROSS JOIN events e ON e.sequence = d.event_sequence
             CROSS JOIN webhooks w ON w.id = d.webhook_id
         WHERE d.id = ?1",
        [id.as_bytes()],
        delivery_from_row,
    )?
    .ok_or(StoreError::NotFound { what: "delivery" })
}

/// Reads one delivery that another names; nothing if it is not kept any more.
pub fn find(connection: &Connection, id: Option<DeliveryId>) -> StoreResult<Option<Delivery>> {
    match id.map(|id| load(connection, id)).transpose() {
        Err(StoreError::NotFound { .. }) => Ok(None),
        found => found,
    }
}

/// Reads the latest attempts of a delivery, oldest first.
pub fn load_attempts(connection: &Connection, id: DeliveryId, limit: u32) -> StoreResult<Vec<Attempt>> {
    let mut attempts = read_all(
        connection,
        "SELECT id, number, started_at, outcome, failure, failure_detail, retry_after_ms, status, dns_us, connect_us,
             tls_us, first_byte_us, total_us, remote_address, request_head, response_head, response_body,
             response_body_truncated, remedy, request_body, note
         FROM attempts WHERE delivery_id = ?1 ORDER BY number DESC, id DESC LIMIT ?2",
        (id.as_bytes(), limit),
        |row| attempt_from_row(row, id),
    )?;
    attempts.reverse();
    Ok(attempts)
}

/// Reads attempts with the deliveries that they belong to, the latest first.
pub fn list_attempts(connection: &Connection, page: &AttemptPage) -> StoreResult<ListedAttempts> {
    let (since, before) = page.bounds();
    let walked_to = match page.restriction.is_none() {
        true => None,
        false => walk_end(connection, since, before.0)?,
    };
    let since = walked_to.map_or(since, |walked_to| since.max(walked_to));
    let bounds = [before.0.as_bytes(), before.1.as_bytes(), since.as_bytes()];
    let mut values: Vec<_> = bounds.map(|bound| Value::Blob(bound.to_vec())).into();
    let shown = match page.restriction.is_none() {
        true => String::new(),
        false => format!(
            " AND EXISTS (SELECT 1 FROM deliveries d WHERE d.id = attempts.delivery_id{})",
            restrictions::of_delivery(&page.restriction, &mut values)
        ),
    };
    values.push(Value::Integer(page.limit.into()));
    let sql = format!(
        "SELECT id, number, started_at, outcome, failure, failure_detail, retry_after_ms, status, dns_us, connect_us,
             tls_us, first_byte_us, total_us, remote_address, request_head, response_head, response_body,
             response_body_truncated, remedy, request_body, note, delivery_id
         FROM attempts WHERE (delivery_id, id) < (?, ?) AND delivery_id >= ?{shown}
         ORDER BY delivery_id DESC, id DESC LIMIT ?"
    );
    let rows = read_all(connection, &sql, params_from_iter(values), |row| {
        let delivery_id = DeliveryId::from_bytes(row.get(21)?);
        Ok((delivery_id, attempt_from_row(row, delivery_id)?))
    })?;
    Ok(ListedAttempts::new(rows, page, walked_to))
}

/// The last delivery that is looked at for a restricted reader; nothing if the end comes before.
fn walk_end(
    connection: &Connection,
    since: DeliveryId,
    before: DeliveryId,
) -> StoreResult<Option<DeliveryId>> {
    read_one(
        connection,
        "SELECT id FROM deliveries NOT INDEXED WHERE id <= ?1 AND id >= ?2 ORDER BY id DESC LIMIT 1 OFFSET ?3",
        (before.as_bytes(), since.as_bytes(), WALKED_ROWS - 1),
        |row| row.get(0).map(DeliveryId::from_bytes),
    )
}

fn delivery_from_row(row: &Row<'_>) -> Result<Delivery> {
    let stored = DeliveryState::parse(row.get_ref(6)?.as_str()?).ok_or_else(|| unexpected("state"))?;
    let last_failure: Option<String> = row.get(11)?;
    let given_up_by: Option<String> = row.get(15)?;
    let death = DeathColumns {
        last_failure: last_failure.as_deref().map(parse_failure_code).transpose()?,
        is_given_up_by_somebody: given_up_by.is_some(),
        ended_as: row.get_ref(16)?.as_str_or_null()?,
    };
    let (state, last_failure) = shown(stored, row.get(12)?, &death);
    Ok(Delivery {
        id: DeliveryId::from_bytes(row.get(0)?),
        webhook_id: WebhookId::from_bytes(row.get(1)?),
        webhook_name: row.get(13)?,
        webhook_kind: WebhookKind::parse(row.get_ref(14)?.as_str()?).ok_or_else(|| unexpected("kind"))?,
        incident_id: IncidentId::from_bytes(row.get(2)?),
        event_sequence: row.get(3)?,
        event_type: EventType::parse(row.get_ref(4)?.as_str()?).ok_or_else(|| unexpected("event"))?,
        is_test: row.get(5)?,
        state,
        due_at: Timestamp::from_millis(row.get(7)?),
        attempts_made: row.get(8)?,
        created_at: Timestamp::from_millis(row.get(9)?),
        finished_at: row.get::<_, Option<i64>>(10)?.map(Timestamp::from_millis),
        last_failure,
        given_up_by: given_up_by.map(|actor| Actor::decode(&actor)),
        fallback_of: row.get::<_, Option<[u8; 16]>>(17)?.map(DeliveryId::from_bytes),
        taken_over_by: row.get::<_, Option<[u8; 16]>>(18)?.map(DeliveryId::from_bytes),
    })
}

fn attempt_from_row(row: &Row<'_>, delivery_id: DeliveryId) -> Result<Attempt> {
    let remote_address: Option<String> = row.get(13)?;
    let beside = Beside {
        delivery_id,
        started_at: Timestamp::from_millis(row.get(2)?),
    };
    Ok(Attempt {
        id: AttemptId::from_bytes(row.get(0)?),
        number: row.get(1)?,
        started_at: beside.started_at,
        timings: PhaseTimings {
            dns_us: microseconds(row, 8)?,
            connect_us: microseconds(row, 9)?,
            tls_us: microseconds(row, 10)?,
            first_byte_us: microseconds(row, 11)?,
            total_us: microseconds(row, 12)?.unwrap_or(0),
        },
        remote_address: remote_address
            .map(|text| text.parse::<SocketAddr>().map_err(|_| unexpected("address")))
            .transpose()?,
        outcome: outcome_from_row(row)?,
        status: row.get(7)?,
        request_head: unpack(row.get_ref(14)?.as_str()?, beside),
        request_body: row.get::<_, Option<Vec<u8>>>(19)?.map(Bytes::from),
        response_head: unpack(row.get_ref(15)?.as_str()?, beside),
        response_body: Bytes::copy_from_slice(row.get_ref(16)?.as_blob()?),
        response_body_is_truncated: row.get(17)?,
        note: row.get(20)?,
    })
}

fn outcome_from_row(row: &Row<'_>) -> Result<Outcome> {
    let failure = |row: &Row<'_>| -> Result<Failure> {
        Ok(Failure {
            code: parse_failure_code(row.get_ref(4)?.as_str()?)?,
            detail: row.get::<_, Option<String>>(5)?.unwrap_or_default(),
            retry_after: row
                .get::<_, Option<i64>>(6)?
                .and_then(|wait| u64::try_from(wait).ok())
                .map(Duration::from_millis),
            disposition: match row.get_ref(18)?.as_str_or_null()? {
                Some(text) => Disposition::parse(text).ok_or_else(|| unexpected("remedy"))?,
                None => Disposition::Backoff,
            },
        })
    };
    match row.get_ref(3)?.as_str()? {
        "delivered" => Ok(Outcome::Delivered),
        "accepted" => Ok(Outcome::Accepted),
        "step" => Ok(Outcome::Step),
        "failed" => Ok(Outcome::Failed(failure(row)?)),
        "gone" => Ok(Outcome::Gone(failure(row)?)),
        _ => Err(unexpected("outcome")),
    }
}

/// A failure's code as it is stored.
pub fn parse_failure_code(text: &str) -> Result<FailureCode> {
    FailureCode::parse(text).ok_or_else(|| unexpected("failure"))
}

fn microseconds(row: &Row<'_>, index: usize) -> Result<Option<u64>> {
    Ok(row
        .get::<_, Option<i64>>(index)?
        .and_then(|value| u64::try_from(value).ok()))
}
