//! Reading model values out of rows. What a row holds that the model does not know is an error, never a guess.

use std::time::Duration;

use tokio_postgres::Row;
use tokio_postgres::row::RowIndex;
use tokio_postgres::types::FromSql;
use url::Url;

use model::event::EventSet;
use model::exchange::FailureCode;
use model::filter::Filter;
use model::id::{DeliveryId, WebhookId};
use model::incident::Severity;
use model::outage::{AfterOutage, AfterOutageName, Fallback};
use model::retry::RetrySchedule;
use model::time::Timestamp;
use model::webhook::{
    CanaryResult, Degraded, Ordering, Rate, Webhook, WebhookKind, WebhookSettings, WebhookState, WhenDisabled,
};
use store::StoreError;
use store::StoreResult;

use super::errors::unavailable;

/// The error for a value the model does not know.
pub fn unexpected(what: &str) -> StoreError {
    StoreError::Corrupt(format!("unexpected {what}"))
}

/// A text, bytes, a boolean, or any of them that may be absent. Numbers are read by [`number`].
pub fn value<'a, T: FromSql<'a>>(row: &'a Row, column: impl RowIndex + std::fmt::Display) -> StoreResult<T> {
    row.try_get(column).map_err(unavailable)
}

/// A number of any type that has room for it.
pub fn number<T: TryFrom<i64>>(row: &Row, column: &str) -> StoreResult<T> {
    T::try_from(value(row, column)?).map_err(|_| unexpected(column))
}

/// A number that may be absent.
pub fn optional_number<T: TryFrom<i64>>(row: &Row, column: &str) -> StoreResult<Option<T>> {
    let number: Option<i64> = value(row, column)?;
    let number = number.map(|number| T::try_from(number).map_err(|_| unexpected(column)));
    number.transpose()
}

/// Bytes of a known length: an id, a hash.
pub fn bytes<const N: usize>(row: &Row, column: &str) -> StoreResult<[u8; N]> {
    value::<&[u8]>(row, column)?
        .try_into()
        .map_err(|_| unexpected(column))
}

/// The 16 bytes of an id that may be absent.
pub fn optional_id(row: &Row, column: &str) -> StoreResult<Option<[u8; 16]>> {
    let bytes: Option<&[u8]> = value(row, column)?;
    let id = bytes.map(|bytes| bytes.try_into().map_err(|_| unexpected(column)));
    id.transpose()
}

/// A time.
pub fn time(row: &Row, column: &str) -> StoreResult<Timestamp> {
    value(row, column).map(Timestamp::from_millis)
}

/// A time that may be absent.
pub fn optional_time(row: &Row, column: &str) -> StoreResult<Option<Timestamp>> {
    Ok(value::<Option<i64>>(row, column)?.map(Timestamp::from_millis))
}

/// A text that the model parses.
pub fn parsed<T>(row: &Row, column: &str, parse: impl Fn(&str) -> Option<T>) -> StoreResult<T> {
    parse(value(row, column)?).ok_or_else(|| unexpected(column))
}

/// What [`webhook_from_row`] reads.
pub const WEBHOOK_COLUMNS: &str = "id, name, kind, url, events, operational_events, services, severities, filter, retry_schedule, timeout_ms, \
     concurrency, rate, ordering, when_disabled, disabled_since, disabled_reason, degraded_since, degraded_code, \
     degraded_detail, options, secret_option_names, \
     after_outage, expire_after_ms, fallback_id, fallback_after_ms, previous_secret_until, header_names, ca_pem IS NOT NULL AS has_extra_ca, \
     identity_pem IS NOT NULL AS has_tls_identity, created_at, updated_at, \
     canary_hours, canary_at, canary_delivery, canary_failure";

/// A webhook without its secrets.
pub fn webhook_from_row(row: &Row) -> StoreResult<Webhook> {
    Ok(Webhook {
        id: WebhookId::from_bytes(bytes(row, "id")?),
        settings: settings_from_row(row)?,
        state: state_from_row(row)?,
        degraded: degraded_from_row(row)?,
        last_canary: canary_from_row(row)?,
        header_names: parsed(row, "header_names", |json| serde_json::from_str(json).ok())?,
        secret_option_names: parsed(row, "secret_option_names", |json| serde_json::from_str(json).ok())?,
        has_tls_identity: value(row, "has_tls_identity")?,
        has_extra_ca: value(row, "has_extra_ca")?,
        previous_secret_until: optional_time(row, "previous_secret_until")?,
        created_at: time(row, "created_at")?,
        updated_at: time(row, "updated_at")?,
    })
}

/// Whether a webhook is enabled.
pub fn state_from_row(row: &Row) -> StoreResult<WebhookState> {
    Ok(
        match (
            optional_time(row, "disabled_since")?,
            value(row, "disabled_reason")?,
        ) {
            (Some(since), Some(reason)) => WebhookState::Disabled { since, reason },
            (None, _) | (_, None) => WebhookState::Enabled,
        },
    )
}

/// Since when and why a webhook is degraded.
pub fn degraded_from_row(row: &Row) -> StoreResult<Option<Degraded>> {
    let Some(since) = optional_time(row, "degraded_since")? else {
        return Ok(None);
    };
    Ok(Some(Degraded {
        since,
        code: parsed(row, "degraded_code", FailureCode::parse)?,
        detail: value(row, "degraded_detail")?,
    }))
}

fn canary_from_row(row: &Row) -> StoreResult<Option<CanaryResult>> {
    let hours: Option<u16> = optional_number(row, "canary_hours")?;
    let (at, delivery) = (
        optional_time(row, "canary_at")?,
        optional_id(row, "canary_delivery")?,
    );
    let (Some(_), Some(at), Some(delivery)) = (hours, at, delivery) else {
        return Ok(None);
    };
    let failure: Option<&str> = value(row, "canary_failure")?;
    let parse = |text| FailureCode::parse(text).ok_or_else(|| unexpected("canary_failure"));
    Ok(Some(CanaryResult {
        at,
        delivery_id: DeliveryId::from_bytes(delivery),
        failure: failure.map(parse).transpose()?,
    }))
}

fn settings_from_row(row: &Row) -> StoreResult<WebhookSettings> {
    let filter: Option<&str> = value(row, "filter")?;
    let rate: Option<&str> = value(row, "rate")?;
    Ok(WebhookSettings {
        name: value(row, "name")?,
        kind: parsed(row, "kind", WebhookKind::parse)?,
        url: parsed(row, "url", |text| Url::parse(text).ok())?,
        options: parsed(row, "options", |json| serde_json::from_str(json).ok())?,
        events: EventSet::from_bits(number(row, "events")?, number(row, "operational_events")?),
        services: parsed(row, "services", |text| words(text, |word| word.parse().ok()))?,
        severities: parsed(row, "severities", |text| words(text, Severity::parse))?,
        filter: filter.map(Filter::stored),
        retry_schedule: parsed(row, "retry_schedule", |text| {
            let delays = words(text, |word| word.parse().ok().map(Duration::from_millis))?;
            RetrySchedule::new(delays).ok()
        })?,
        timeout: Duration::from_millis(number(row, "timeout_ms")?),
        concurrency: number(row, "concurrency")?,
        rate: rate
            .map(|text| Rate::parse(text).ok_or_else(|| unexpected("rate")))
            .transpose()?,
        ordering: parsed(row, "ordering", Ordering::parse)?,
        when_disabled: parsed(row, "when_disabled", WhenDisabled::parse)?,
        after_outage: after_outage_from_row(row)?,
        fallback: fallback_from_row(row)?,
        canary_hours: optional_number(row, "canary_hours")?,
    })
}

fn after_outage_from_row(row: &Row) -> StoreResult<AfterOutage> {
    let name = parsed(row, "after_outage", AfterOutageName::parse)?;
    name.with(optional_duration(row, "expire_after_ms")?)
        .ok_or_else(|| unexpected("after_outage"))
}

fn fallback_from_row(row: &Row) -> StoreResult<Option<Fallback>> {
    let late_after = optional_duration(row, "fallback_after_ms")?;
    let webhook_id = optional_id(row, "fallback_id")?;
    Ok(webhook_id.map(|webhook_id| Fallback {
        webhook_id: WebhookId::from_bytes(webhook_id),
        late_after,
    }))
}

fn optional_duration(row: &Row, column: &str) -> StoreResult<Option<Duration>> {
    Ok(optional_number(row, column)?.map(Duration::from_millis))
}

/// Words separated by spaces, each parsed; nothing if one cannot be.
fn words<T>(text: &str, parse: impl Fn(&str) -> Option<T>) -> Option<Vec<T>> {
    text.split_whitespace().map(parse).collect()
}
