//! Attempts as rows: writing them. They are read with their deliveries.

use model::attempt::Attempt;
use model::id::{AttemptId, DeliveryId};
use store::StoreResult;
use store::attempt_columns::AttemptColumns;
use store::queue::AttemptRecord;
use store::texts::plain;

use super::columns::bytes;
use super::connection::Connection;

/// Writes attempts, and says which were not there yet.
pub async fn insert(
    connection: &Connection,
    records: &[&AttemptRecord],
) -> StoreResult<Vec<(DeliveryId, AttemptId)>> {
    if records.is_empty() {
        return Ok(Vec::new());
    }
    let columns: Vec<AttemptColumns<'_>> = records
        .iter()
        .map(|of| AttemptColumns::new(of.delivery_id, &of.attempt))
        .collect();
    let delivery_ids: Vec<&[u8]> = records.iter().map(|of| &of.delivery_id.as_bytes()[..]).collect();
    let sql = "INSERT INTO attempts (delivery_id, id, number, started_at, outcome, failure, failure_detail, retry_after_ms,
                   status, dns_us, connect_us, tls_us, first_byte_us, total_us, remote_address, request_head,
                   response_head, response_body, response_body_truncated, remedy, request_body, note)
               SELECT * FROM unnest($1::bytea[], $2::bytea[], $3::bigint[], $4::bigint[], $5::text[], $6::text[], $7::text[],
                   $8::bigint[], $9::bigint[], $10::bigint[], $11::bigint[], $12::bigint[], $13::bigint[], $14::bigint[],
                   $15::text[], $16::text[], $17::text[], $18::bytea[], $19::boolean[], $20::text[], $21::bytea[],
                   $22::text[])
               ON CONFLICT (delivery_id, id) DO NOTHING RETURNING delivery_id, id";
    connection
        .read_all(
            sql,
            &[
                &delivery_ids,
                &fields(records, |of| &of.id.as_bytes()[..]),
                &fields(records, |of| i64::from(of.number)),
                &fields(records, |of| of.started_at.as_millis()),
                &column(&columns, |of| of.outcome),
                &column(&columns, |of| of.failure),
                &column(&columns, |of| of.failure_detail.map(plain)),
                &column(&columns, |of| of.retry_after_ms),
                &fields(records, |of| of.status.map(i64::from)),
                &column(&columns, |of| of.dns_us),
                &column(&columns, |of| of.connect_us),
                &column(&columns, |of| of.tls_us),
                &column(&columns, |of| of.first_byte_us),
                &column(&columns, |of| of.total_us),
                &column(&columns, |of| of.remote_address.as_deref().map(plain)),
                &column(&columns, |of| plain(&of.request_head)),
                &column(&columns, |of| plain(&of.response_head)),
                &fields(records, |of| &of.response_body[..]),
                &fields(records, |of| of.response_body_is_truncated),
                &column(&columns, |of| of.remedy),
                &fields(records, |of| of.request_body.as_deref()),
                &fields(records, |of| of.note.as_deref().map(plain)),
            ],
            |row| {
                let delivery_id = DeliveryId::from_bytes(bytes(row, "delivery_id")?);
                Ok((delivery_id, AttemptId::from_bytes(bytes(row, "id")?)))
            },
        )
        .await
}

fn fields<'a, T>(records: &[&'a AttemptRecord], read: impl Fn(&'a Attempt) -> T) -> Vec<T> {
    records.iter().map(|record| read(&record.attempt)).collect()
}

fn column<'a, T>(columns: &'a [AttemptColumns<'a>], read: impl Fn(&'a AttemptColumns<'a>) -> T) -> Vec<T> {
    columns.iter().map(read).collect()
}
