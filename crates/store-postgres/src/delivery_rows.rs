//! Deliveries and attempts as rows.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;

use model::attempt::{Attempt, Disposition, Failure, Outcome};
use model::audit::Actor;
use model::delivery::{Delivery, DeliveryState};
use model::event::EventType;
use model::exchange::{FailureCode, PhaseTimings};
use model::id::{AttemptId, DeliveryId, IncidentId, WebhookId};
use model::webhook::WebhookKind;
use store::StoreError;
use store::StoreResult;
use store::deliveries::{AttemptPage, ListedAttempts};
use store::head_text::{Beside, unpack};
use store::outage_plan::{DeathColumns, shown};
use store::page::WALKED_ROWS;

use super::columns::{
    bytes, number, optional_id, optional_number, optional_time, parsed, time, unexpected, value,
};
use super::connection::Connection;
use super::restrictions::{self, EVENT, SERVICE};

/// What [`from_row`] reads, of `deliveries d`.
macro_rules! select_deliveries {
    ($before:literal, $rest:literal) => {
        concat!(
            $before,
            "SELECT d.id, d.webhook_id, d.incident_id, d.event_sequence, coalesce(e.operational, e.name) AS event_type, d.is_test, d.state, d.due_at, ",
            "d.attempts_made, d.created_at, d.finished_at, d.last_failure, d.given_up_by, ",
            "d.ended_as, d.fallback_of, d.taken_over_by, ",
            "w.disabled_since IS NOT NULL OR w.deleted_at IS NOT NULL AS is_disabled, w.name AS webhook_name, w.kind ",
            "FROM deliveries d JOIN events e ON e.sequence = d.event_sequence JOIN webhooks w ON w.id = d.webhook_id ",
            $rest
        )
    };
}
pub(super) use select_deliveries;

/// Reads one delivery.
pub async fn load(connection: &Connection, id: DeliveryId) -> StoreResult<Delivery> {
    let sql = select_deliveries!("", "WHERE d.id = $1");
    connection
        .read_one(sql, &[&&id.as_bytes()[..]], from_row)
        .await?
        .ok_or(StoreError::NotFound { what: "delivery" })
}

/// Reads one delivery that another names; nothing if it is not kept any more.
pub async fn find(connection: &Connection, id: Option<DeliveryId>) -> StoreResult<Option<Delivery>> {
    let Some(id) = id else { return Ok(None) };
    let sql = select_deliveries!("", "WHERE d.id = $1");
    connection.read_one(sql, &[&&id.as_bytes()[..]], from_row).await
}

/// Reads the latest attempts of a delivery, oldest first.
pub async fn load_attempts(connection: &Connection, id: DeliveryId, limit: u32) -> StoreResult<Vec<Attempt>> {
    let sql =
        "SELECT id, number, started_at, outcome, failure, failure_detail, retry_after_ms, status, dns_us, connect_us,
             tls_us, first_byte_us, total_us, remote_address, request_head, response_head, response_body,
             response_body_truncated, remedy, request_body, note
         FROM attempts WHERE delivery_id = $1 ORDER BY number DESC, id DESC LIMIT $2";
    let mut attempts = connection
        .read_all(sql, &[&&id.as_bytes()[..], &i64::from(limit)], |row| {
            attempt_from_row(row, id)
        })
        .await?;
    attempts.reverse();
    Ok(attempts)
}

/// Reads attempts with the deliveries that they belong to, the latest first.
pub async fn list_attempts(connection: &Connection, page: &AttemptPage) -> StoreResult<ListedAttempts> {
    let (services, events) = (
        restrictions::services(&page.restriction),
        restrictions::events(&page.restriction),
    );
    let shown = match page.restriction.is_none() {
        true => String::new(),
        false => format!(
            " AND EXISTS (SELECT 1 FROM deliveries d WHERE d.id = attempts.delivery_id
                  AND ($5::bytea[] IS NULL OR {SERVICE} = ANY($5)) AND ($6::text[] IS NULL OR {EVENT} = ANY($6)))"
        ),
    };
    // The second bound of the delivery says nothing new, but to the planner: which partitions need not be read.
    let sql = format!(
        "SELECT id, number, started_at, outcome, failure, failure_detail, retry_after_ms, status, dns_us, connect_us,
             tls_us, first_byte_us, total_us, remote_address, request_head, response_head, response_body,
             response_body_truncated, remedy, request_body, note, delivery_id
         FROM attempts WHERE (delivery_id, id) < ($1, $2) AND delivery_id >= $3 AND delivery_id <= $1{shown}
         ORDER BY delivery_id DESC, id DESC LIMIT $4"
    );
    let (since, (before, before_id)) = page.bounds();
    let walked_to = match page.restriction.is_none() {
        true => None,
        false => walk_end(connection, since, before).await?,
    };
    let since = walked_to.map_or(since, |walked_to| since.max(walked_to));
    let (before, before_id, since) = (before.as_bytes(), before_id.as_bytes(), since.as_bytes());
    let (before, before_id, since, limit) = (&before[..], &before_id[..], &since[..], i64::from(page.limit));
    let mut params: Vec<&(dyn ToSql + Sync)> = vec![&before, &before_id, &since, &limit];
    if !page.restriction.is_none() {
        params.extend([&services as &(dyn ToSql + Sync), &events]);
    }
    let rows = connection
        .read_all(&sql, &params, |row| {
            let delivery_id = DeliveryId::from_bytes(bytes(row, "delivery_id")?);
            Ok((delivery_id, attempt_from_row(row, delivery_id)?))
        })
        .await?;
    Ok(ListedAttempts::new(rows, page, walked_to))
}

/// The last delivery that is looked at for a restricted reader; nothing if the end comes before.
async fn walk_end(
    connection: &Connection,
    since: DeliveryId,
    before: DeliveryId,
) -> StoreResult<Option<DeliveryId>> {
    let sql = format!(
        "SELECT id FROM deliveries WHERE id <= $1 AND id >= $2 ORDER BY id DESC LIMIT 1 OFFSET {WALKED_ROWS} - 1"
    );
    let bounds: [&(dyn ToSql + Sync); 2] = [&&before.as_bytes()[..], &&since.as_bytes()[..]];
    connection
        .read_one(&sql, &bounds, |row| Ok(DeliveryId::from_bytes(bytes(row, "id")?)))
        .await
}

/// Reads a delivery.
pub fn from_row(row: &Row) -> StoreResult<Delivery> {
    let stored = parsed(row, "state", DeliveryState::parse)?;
    let given_up_by: Option<&str> = value(row, "given_up_by")?;
    let death = DeathColumns {
        last_failure: optional_failure_code(row, "last_failure")?,
        is_given_up_by_somebody: given_up_by.is_some(),
        ended_as: value(row, "ended_as")?,
    };
    let (state, last_failure) = shown(stored, value(row, "is_disabled")?, &death);
    Ok(Delivery {
        id: DeliveryId::from_bytes(bytes(row, "id")?),
        webhook_id: WebhookId::from_bytes(bytes(row, "webhook_id")?),
        webhook_name: value(row, "webhook_name")?,
        webhook_kind: parsed(row, "kind", WebhookKind::parse)?,
        incident_id: IncidentId::from_bytes(bytes(row, "incident_id")?),
        event_sequence: number(row, "event_sequence")?,
        event_type: parsed(row, "event_type", EventType::parse)?,
        is_test: value(row, "is_test")?,
        state,
        due_at: time(row, "due_at")?,
        attempts_made: number(row, "attempts_made")?,
        created_at: time(row, "created_at")?,
        finished_at: optional_time(row, "finished_at")?,
        last_failure,
        given_up_by: given_up_by.map(Actor::decode),
        fallback_of: optional_id(row, "fallback_of")?.map(DeliveryId::from_bytes),
        taken_over_by: optional_id(row, "taken_over_by")?.map(DeliveryId::from_bytes),
    })
}

fn attempt_from_row(row: &Row, delivery_id: DeliveryId) -> StoreResult<Attempt> {
    let remote_address: Option<&str> = value(row, "remote_address")?;
    let beside = Beside {
        delivery_id,
        started_at: time(row, "started_at")?,
    };
    Ok(Attempt {
        id: AttemptId::from_bytes(bytes(row, "id")?),
        number: number(row, "number")?,
        started_at: beside.started_at,
        timings: PhaseTimings {
            dns_us: optional_number(row, "dns_us")?,
            connect_us: optional_number(row, "connect_us")?,
            tls_us: optional_number(row, "tls_us")?,
            first_byte_us: optional_number(row, "first_byte_us")?,
            total_us: number(row, "total_us")?,
        },
        remote_address: remote_address
            .map(|text| text.parse::<SocketAddr>().map_err(|_| unexpected("address")))
            .transpose()?,
        outcome: outcome_from_row(row)?,
        status: optional_number(row, "status")?,
        request_head: unpack(value(row, "request_head")?, beside),
        request_body: value::<Option<Vec<u8>>>(row, "request_body")?.map(Bytes::from),
        response_head: unpack(value(row, "response_head")?, beside),
        response_body: value::<Vec<u8>>(row, "response_body")?.into(),
        response_body_is_truncated: value(row, "response_body_truncated")?,
        note: value(row, "note")?,
    })
}

fn outcome_from_row(row: &Row) -> StoreResult<Outcome> {
    match value(row, "outcome")? {
        "delivered" => Ok(Outcome::Delivered),
        "accepted" => Ok(Outcome::Accepted),
        "step" => Ok(Outcome::Step),
        "failed" => Ok(Outcome::Failed(failure_from_row(row)?)),
        "gone" => Ok(Outcome::Gone(failure_from_row(row)?)),
        _ => Err(unexpected("outcome")),
    }
}

fn failure_from_row(row: &Row) -> StoreResult<Failure> {
    Ok(Failure {
        code: parsed(row, "failure", FailureCode::parse)?,
        detail: value::<Option<String>>(row, "failure_detail")?.unwrap_or_default(),
        retry_after: optional_number(row, "retry_after_ms")?.map(Duration::from_millis),
        disposition: match value::<Option<&str>>(row, "remedy")? {
            Some(text) => Disposition::parse(text).ok_or_else(|| unexpected("remedy"))?,
            None => Disposition::Backoff,
        },
    })
}

/// Why an attempt failed, if one did.
pub fn optional_failure_code(row: &Row, column: &str) -> StoreResult<Option<FailureCode>> {
    let text: Option<&str> = value(row, column)?;
    text.map(|text| FailureCode::parse(text).ok_or_else(|| unexpected(column)))
        .transpose()
}
