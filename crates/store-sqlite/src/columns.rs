//! Reading model values out of rows. What a row holds that the model does not know is an error, never a guess.

use std::time::Duration;

use rusqlite::types::Type;
use rusqlite::{Error, Result, Row};
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

/// The error for a value the model does not know.
pub fn unexpected(what: &str) -> Error {
    Error::FromSqlConversionFailure(0, Type::Text, format!("unexpected {what}").into())
}

/// The 16 bytes of an id.
pub fn id_bytes(row: &Row<'_>, column: &str) -> Result<[u8; 16]> {
    row.get(column)
}

/// A time.
pub fn time(row: &Row<'_>, column: &str) -> Result<Timestamp> {
    row.get(column).map(Timestamp::from_millis)
}

/// A time that may be absent.
pub fn optional_time(row: &Row<'_>, column: &str) -> Result<Option<Timestamp>> {
    Ok(row.get::<_, Option<i64>>(column)?.map(Timestamp::from_millis))
}

/// A text that the model parses.
pub fn parsed<T>(row: &Row<'_>, column: &str, parse: impl Fn(&str) -> Option<T>) -> Result<T> {
    parse(row.get_ref(column)?.as_str()?).ok_or_else(|| unexpected(column))
}

/// What [`webhook_from_row`] reads.
pub const WEBHOOK_COLUMNS: &str = "id, name, kind, url, events, operational_events, services, severities, filter, retry_schedule, timeout_ms, \
     concurrency, rate, ordering, when_disabled, disabled_since, disabled_reason, degraded_since, degraded_code, \
     degraded_detail, options, secret_option_names, \
     after_outage, expire_after_ms, fallback_id, fallback_after_ms, previous_secret_until, header_names, ca_pem IS NOT NULL AS has_extra_ca, \
     identity_pem IS NOT NULL AS has_tls_identity, created_at, updated_at, \
     canary_hours, canary_at, canary_delivery, canary_failure";

/// A webhook without its secrets.
pub fn webhook_from_row(row: &Row<'_>) -> Result<Webhook> {
    let header_names: String = row.get("header_names")?;
    Ok(Webhook {
        id: WebhookId::from_bytes(id_bytes(row, "id")?),
        settings: settings_from_row(row)?,
        state: state_from_row(row)?,
        degraded: degraded_from_row(row)?,
        last_canary: canary_from_row(row)?,
        header_names: serde_json::from_str(&header_names).map_err(|_| unexpected("header names"))?,
        secret_option_names: parsed(row, "secret_option_names", |json| serde_json::from_str(json).ok())?,
        has_tls_identity: row.get("has_tls_identity")?,
        has_extra_ca: row.get("has_extra_ca")?,
        previous_secret_until: optional_time(row, "previous_secret_until")?,
        created_at: time(row, "created_at")?,
        updated_at: time(row, "updated_at")?,
    })
}

/// Whether a webhook is enabled.
pub fn state_from_row(row: &Row<'_>) -> Result<WebhookState> {
    Ok(
        match (optional_time(row, "disabled_since")?, row.get("disabled_reason")?) {
            (Some(since), Some(reason)) => WebhookState::Disabled { since, reason },
            (None, _) | (_, None) => WebhookState::Enabled,
        },
    )
}

/// Since when and why a webhook is degraded.
pub fn degraded_from_row(row: &Row<'_>) -> Result<Option<Degraded>> {
    let Some(since) = optional_time(row, "degraded_since")? else {
        return Ok(None);
    };
    Ok(Some(Degraded {
        since,
        code: parsed(row, "degraded_code", FailureCode::parse)?,
        detail: row.get("degraded_detail")?,
    }))
}

fn canary_from_row(row: &Row<'_>) -> Result<Option<CanaryResult>> {
    let hours: Option<u16> = row.get("canary_hours")?;
    let (at, delivery) = (optional_time(row, "canary_at")?, row.get("canary_delivery")?);
    let (Some(_), Some(at), Some(delivery)) = (hours, at, delivery) else {
        return Ok(None);
    };
    let failure: Option<String> = row.get("canary_failure")?;
    let parse = |text: String| FailureCode::parse(&text).ok_or_else(|| unexpected("canary failure"));
    Ok(Some(CanaryResult {
        at,
        delivery_id: DeliveryId::from_bytes(delivery),
        failure: failure.map(parse).transpose()?,
    }))
}

fn settings_from_row(row: &Row<'_>) -> Result<WebhookSettings> {
    let filter: Option<String> = row.get("filter")?;
    let rate: Option<String> = row.get("rate")?;
    Ok(WebhookSettings {
        name: row.get("name")?,
        kind: parsed(row, "kind", WebhookKind::parse)?,
        url: parsed(row, "url", |text| Url::parse(text).ok())?,
        options: parsed(row, "options", |json| serde_json::from_str(json).ok())?,
        events: EventSet::from_bits(row.get("events")?, row.get("operational_events")?),
        services: parsed(row, "services", |text| words(text, |word| word.parse().ok()))?,
        severities: parsed(row, "severities", |text| words(text, Severity::parse))?,
        filter: filter.as_deref().map(Filter::stored),
        retry_schedule: parsed(row, "retry_schedule", |text| {
            let delays = words(text, |word| word.parse().ok().map(Duration::from_millis))?;
            RetrySchedule::new(delays).ok()
        })?,
        timeout: Duration::from_millis(u64::from(row.get::<_, u32>("timeout_ms")?)),
        concurrency: row.get("concurrency")?,
        rate: rate
            .map(|text| Rate::parse(&text).ok_or_else(|| unexpected("rate")))
            .transpose()?,
        ordering: parsed(row, "ordering", Ordering::parse)?,
        when_disabled: parsed(row, "when_disabled", WhenDisabled::parse)?,
        after_outage: after_outage_from_row(row)?,
        fallback: fallback_from_row(row)?,
        canary_hours: row.get("canary_hours")?,
    })
}

fn after_outage_from_row(row: &Row<'_>) -> Result<AfterOutage> {
    let name = parsed(row, "after_outage", AfterOutageName::parse)?;
    name.with(optional_duration(row, "expire_after_ms")?)
        .ok_or_else(|| unexpected("after_outage"))
}

fn fallback_from_row(row: &Row<'_>) -> Result<Option<Fallback>> {
    let late_after = optional_duration(row, "fallback_after_ms")?;
    let webhook_id: Option<[u8; 16]> = row.get("fallback_id")?;
    Ok(webhook_id.map(|webhook_id| Fallback {
        webhook_id: WebhookId::from_bytes(webhook_id),
        late_after,
    }))
}

fn optional_duration(row: &Row<'_>, column: &str) -> Result<Option<Duration>> {
    let millis: Option<i64> = row.get(column)?;
    Ok(millis.map(|millis| Duration::from_millis(millis.unsigned_abs())))
}

/// Words separated by spaces, each parsed; nothing if one cannot be.
fn words<T>(text: &str, parse: impl Fn(&str) -> Option<T>) -> Option<Vec<T>> {
    text.split_whitespace().map(parse).collect()
}
