//! Lists of deliveries: first the ids, along the index that fits the filter, then their rows.
//!
//! Statements are put together from fixed pieces; every value is bound. An index condition is repeated word for word,
//! because SQLite uses a partial index for nothing else.

use rusqlite::types::Value;
use rusqlite::{Connection, params_from_iter};

use model::delivery::{Delivery, DeliveryState};
use model::id::{DeliveryId, WebhookId};
use store::Page;
use store::StoreResult;
use store::deliveries::DeliveryFilter;

use super::statements::read_all;
use super::{delivery_rows, restrictions};

/// Deliveries, newest first.
pub fn list(connection: &Connection, filter: &DeliveryFilter, page: Page) -> StoreResult<Vec<Delivery>> {
    let mut ids = match (filter.incident_id, filter.webhook_id, is_scarce(filter.state)) {
        (Some(_), _, _) => ids_along(connection, Index::Lane, filter, None, page)?,
        (None, Some(webhook), true) => ids_of_scarce(connection, filter, webhook, page)?,
        (None, Some(_), false) => ids_along(connection, Index::Webhook, filter, None, page)?,
        (None, None, false) => ids_along(connection, Index::Age, filter, None, page)?,
        (None, None, true) => {
            let mut ids = Vec::new();
            for webhook in super::claims::all_webhooks(connection)? {
                ids.extend(ids_of_scarce(connection, filter, webhook, page)?);
            }
            ids
        }
    };
    ids.sort_unstable_by(|a, b| b.cmp(a));
    ids.truncate(page.limit as usize);
    ids.into_iter()
        .map(|id| delivery_rows::load(connection, id))
        .collect()
}

/// Whether there are few deliveries in a state among all: those have an index of their own.
fn is_scarce(state: Option<DeliveryState>) -> bool {
    match state {
        None | Some(DeliveryState::Delivered) => false,
        Some(
            DeliveryState::Scheduled
            | DeliveryState::Queued
            | DeliveryState::Claimed
            | DeliveryState::Held
            | DeliveryState::Dead
            | DeliveryState::Superseded
            | DeliveryState::Expired,
        ) => true,
    }
}

/// The way to a webhook's deliveries in a scarce state.
fn ids_of_scarce(
    connection: &Connection,
    filter: &DeliveryFilter,
    webhook: WebhookId,
    page: Page,
) -> StoreResult<Vec<DeliveryId>> {
    let index = match filter.state {
        Some(DeliveryState::Dead | DeliveryState::Superseded | DeliveryState::Expired) => Index::Dead,
        None
        | Some(
            DeliveryState::Scheduled
            | DeliveryState::Queued
            | DeliveryState::Claimed
            | DeliveryState::Held
            | DeliveryState::Delivered,
        ) => Index::Open,
    };
    ids_along(connection, index, filter, Some(webhook), page)
}

#[derive(Clone, Copy)]
enum Index {
    Age,
    Webhook,
    Lane,
    Open,
    Dead,
}

impl Index {
    fn clause(self) -> &'static str {
        match self {
            Self::Age => "FROM deliveries d WHERE TRUE",
            Self::Webhook => "FROM deliveries d INDEXED BY deliveries_webhook WHERE TRUE",
            Self::Lane => "FROM deliveries d INDEXED BY deliveries_lane WHERE TRUE",
            Self::Open => "FROM deliveries d INDEXED BY deliveries_open WHERE d.finished_at IS NULL",
            Self::Dead => "FROM deliveries d INDEXED BY deliveries_dead WHERE d.state = 'dead'",
        }
    }
}

fn ids_along(
    connection: &Connection,
    index: Index,
    filter: &DeliveryFilter,
    webhook: Option<WebhookId>,
    page: Page,
) -> StoreResult<Vec<DeliveryId>> {
    let mut sql = format!("SELECT d.id {}", index.clause());
    let mut values = Vec::new();
    let mut bind = |piece: &str, value: Value| {
        sql.push_str(piece);
        values.push(value);
    };
    if let Some(webhook) = webhook.or(filter.webhook_id) {
        bind(" AND d.webhook_id = ?", Value::Blob(webhook.as_bytes().to_vec()));
    }
    if let Some(incident) = filter.incident_id {
        bind(
            " AND d.incident_id = ?",
            Value::Blob(incident.as_bytes().to_vec()),
        );
    }
    if let Some(since) = filter.since {
        let bound = DeliveryId::lower_bound(since);
        bind(" AND d.id >= ?", Value::Blob(bound.as_bytes().to_vec()));
    }
    // One bound is enough: of two, SQLite would seek to either and walk from there.
    if let Some(upper) = upper_bound(filter, page) {
        bind(" AND d.id < ?", Value::Blob(upper.to_vec()));
    }
    if let Some(event) = filter.event {
        bind(
            " AND (SELECT coalesce(e.operational, e.name) FROM events e WHERE e.sequence = d.event_sequence) = ?",
            Value::Text(event.as_str().to_owned()),
        );
    }
    if let Some(cause) = filter.cause {
        bind(" AND d.last_failure = ?", Value::Text(cause.as_str().to_owned()));
        sql.push_str(" AND d.ended_as IS NULL");
    }
    sql.push_str(&restrictions::of_delivery(&filter.restriction, &mut values));
    sql.push_str(filter.state.map_or("", state_condition));
    sql.push_str(" ORDER BY d.id DESC LIMIT ?");
    values.push(Value::Integer(i64::from(page.limit)));
    read_all(connection, &sql, params_from_iter(values), |row| {
        row.get(0).map(DeliveryId::from_bytes)
    })
}

/// The lower of the page's bound and the filter's.
fn upper_bound(filter: &DeliveryFilter, page: Page) -> Option<[u8; 16]> {
    let until = filter
        .until
        .map(|until| *DeliveryId::lower_bound(until).as_bytes());
    match (until, page.before) {
        (Some(until), Some(before)) => Some(until.min(before)),
        (until, before) => until.or(before),
    }
}

/// What a state means in rows: held is derived from the webhook.
fn state_condition(state: DeliveryState) -> &'static str {
    match state {
        DeliveryState::Scheduled => {
            " AND d.state = 'scheduled' AND +d.webhook_id IN
                (SELECT w.id FROM webhooks w WHERE w.disabled_since IS NULL AND w.deleted_at IS NULL)"
        }
        DeliveryState::Queued => {
            " AND d.state = 'queued' AND +d.webhook_id IN
                (SELECT w.id FROM webhooks w WHERE w.disabled_since IS NULL AND w.deleted_at IS NULL)"
        }
        DeliveryState::Held => {
            " AND d.state IN ('scheduled', 'queued') AND +d.webhook_id IN
                (SELECT w.id FROM webhooks w WHERE w.disabled_since IS NOT NULL OR w.deleted_at IS NOT NULL)"
        }
        DeliveryState::Claimed => " AND d.state = 'claimed'",
        DeliveryState::Delivered => " AND d.state = 'delivered'",
        // A Send Test that failed is no loss: nobody shall look for it, and nobody replay it.
        DeliveryState::Dead => {
            " AND d.state = 'dead' AND d.is_test = 0
                AND (d.ended_as IS NULL OR d.last_failure IS NOT 'given_up' OR d.given_up_by IS NOT NULL)"
        }
        DeliveryState::Superseded => {
            " AND d.state = 'dead' AND d.ended_as = 'superseded' AND d.last_failure = 'given_up' AND d.given_up_by IS NULL"
        }
        DeliveryState::Expired => {
            " AND d.state = 'dead' AND d.ended_as = 'expired' AND d.last_failure = 'given_up' AND d.given_up_by IS NULL"
        }
    }
}
