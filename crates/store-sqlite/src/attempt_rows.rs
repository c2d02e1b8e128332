//! Attempts as rows: writing them. They are read with their deliveries.

use rusqlite::Connection;

use model::attempt::Attempt;
use model::id::DeliveryId;
use store::StoreResult;
use store::attempt_columns::AttemptColumns;

use super::statements::execute;

/// Writes an attempt, unless it is there already; says how many were written.
pub fn insert(connection: &Connection, delivery_id: DeliveryId, attempt: &Attempt) -> StoreResult<usize> {
    let columns = AttemptColumns::new(delivery_id, attempt);
    execute(
        connection,
        "INSERT INTO attempts (delivery_id, id, number, started_at, outcome, failure, failure_detail, retry_after_ms,
             status, dns_us, connect_us, tls_us, first_byte_us, total_us, remote_address, request_head, response_head,
             response_body, response_body_truncated, remedy, request_body, note)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20, ?21, ?22)
         ON CONFLICT (delivery_id, id) DO NOTHING",
        rusqlite::params![
            delivery_id.as_bytes(),
            attempt.id.as_bytes(),
            attempt.number,
            attempt.started_at.as_millis(),
            columns.outcome,
            columns.failure,
            columns.failure_detail,
            columns.retry_after_ms,
            attempt.status,
            columns.dns_us,
            columns.connect_us,
            columns.tls_us,
            columns.first_byte_us,
            columns.total_us,
            columns.remote_address,
            columns.request_head,
            columns.response_head,
            &attempt.response_body[..],
            attempt.response_body_is_truncated,
            columns.remedy,
            attempt.request_body.as_deref(),
            attempt.note,
        ],
    )
}
