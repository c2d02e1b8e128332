//! Lists of deliveries: first the ids, along the index that fits the filter, then their rows, in one statement.
//!
//! Statements are put together from fixed pieces; every value is bound. An index condition is repeated word for word, as
//! PostgreSQL uses a partial index for what it can prove only.

use tokio_postgres::types::ToSql;

use model::delivery::{Delivery, DeliveryState};
use model::id::DeliveryId;
use store::Page;
use store::StoreResult;
use store::deliveries::DeliveryFilter;

use super::connection::Connection;
use super::delivery_rows::{from_row, select_deliveries};
use super::restrictions::{self, EVENT, SERVICE};

/// Deliveries, newest first.
pub async fn list(
    connection: &Connection,
    filter: &DeliveryFilter,
    page: Page,
) -> StoreResult<Vec<Delivery>> {
    let list = List::new(filter, page);
    connection.read_all(&list.sql(), &list.params(), from_row).await
}

/// A statement and its values; which values there are does not depend on the filter, so that few texts are prepared.
struct List {
    ids: String,
    lower: Vec<u8>,
    upper: Vec<u8>,
    limit: i64,
    event: Option<&'static str>,
    cause: Option<&'static str>,
    webhook: Option<Vec<u8>>,
    incident: Option<Vec<u8>>,
    services: Option<Vec<Vec<u8>>>,
    events: Option<Vec<&'static str>>,
    narrow: Vec<Narrow>,
}

/// A value by which a list is narrowed down.
#[derive(Clone, Copy)]
enum Narrow {
    Event,
    Cause,
    Webhook,
    Incident,
    Services,
    Events,
}

impl List {
    fn new(filter: &DeliveryFilter, page: Page) -> Self {
        let (before, limit) = page.bounds();
        let until = filter
            .until
            .map(|until| *DeliveryId::lower_bound(until).as_bytes());
        let since = filter
            .since
            .map(|since| *DeliveryId::lower_bound(since).as_bytes());
        let mut list = Self {
            ids: String::new(),
            lower: since.unwrap_or_default().to_vec(),
            upper: until.map_or(before, |until| until.min(before)).to_vec(),
            limit: limit.into(),
            event: filter.event.map(|event| event.as_str()),
            cause: filter.cause.map(|cause| cause.as_str()),
            webhook: filter.webhook_id.map(|id| id.as_bytes().to_vec()),
            incident: filter.incident_id.map(|id| id.as_bytes().to_vec()),
            services: restrictions::services(&filter.restriction),
            events: restrictions::events(&filter.restriction),
            narrow: Vec::new(),
        };
        list.ids = list.statement_of_ids(filter);
        list
    }

    fn statement_of_ids(&mut self, filter: &DeliveryFilter) -> String {
        let mut conditions = String::from("d.id >= $1 AND d.id < $2");
        let mut bind = |is_there: bool, narrow: Narrow, condition: &str| {
            if is_there {
                self.narrow.push(narrow);
                // Three values come before those that depend on the filter.
                let place = self.narrow.len() + 3;
                conditions.push_str(&format!(" AND {}", condition.replace('?', &format!("${place}"))));
            }
        };
        bind(
            filter.incident_id.is_some(),
            Narrow::Incident,
            "d.incident_id = ?",
        );
        bind(filter.webhook_id.is_some(), Narrow::Webhook, "d.webhook_id = ?");
        bind(
            filter.event.is_some(),
            Narrow::Event,
            "(SELECT coalesce(e.operational, e.name) FROM events e WHERE e.sequence = d.event_sequence) = ?",
        );
        bind(filter.cause.is_some(), Narrow::Cause, "d.last_failure = ?");
        let (of_services, of_events) = (
            format!("{SERVICE} = ANY(?::bytea[])"),
            format!("{EVENT} = ANY(?::text[])"),
        );
        bind(self.services.is_some(), Narrow::Services, &of_services);
        bind(self.events.is_some(), Narrow::Events, &of_events);
        if filter.cause.is_some() {
            conditions.push_str(" AND d.ended_as IS NULL");
        }
        conditions.push_str(filter.state.map_or("", state_condition));
        let rest = "ORDER BY d.id DESC LIMIT $3";
        let is_of_all = filter.incident_id.is_none() && filter.webhook_id.is_none();
        if is_of_all && is_scarce(filter.state) {
            // The indexes of scarce states begin with the webhook: each webhook's page is read by itself.
            return format!(
                "SELECT d.id FROM webhooks every CROSS JOIN LATERAL (
                     SELECT d.id FROM deliveries d WHERE d.webhook_id = every.id AND {conditions} {rest}) d
                 {rest}"
            );
        }
        format!("SELECT d.id FROM deliveries d WHERE {conditions} {rest}")
    }

    fn sql(&self) -> String {
        let (before, rest) = ("WITH page AS MATERIALIZED (", ") ");
        let rows = select_deliveries!("", "JOIN page ON page.id = d.id ORDER BY d.id DESC");
        format!("{before}{ids}{rest}{rows}", ids = self.ids)
    }

    fn params(&self) -> Vec<&(dyn ToSql + Sync)> {
        let mut params: Vec<&(dyn ToSql + Sync)> = vec![&self.lower, &self.upper, &self.limit];
        for narrow in &self.narrow {
            params.push(match narrow {
                Narrow::Event => &self.event,
                Narrow::Cause => &self.cause,
                Narrow::Webhook => &self.webhook,
                Narrow::Incident => &self.incident,
                Narrow::Services => &self.services,
                Narrow::Events => &self.events,
            });
        }
        params
    }
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

/// What a state means in rows: held is derived from the webhook.
fn state_condition(state: DeliveryState) -> &'static str {
    match state {
        DeliveryState::Scheduled => {
            " AND d.finished_at IS NULL AND d.state = 'scheduled' AND EXISTS
                (SELECT 1 FROM webhooks w WHERE w.id = d.webhook_id AND w.disabled_since IS NULL AND w.deleted_at IS NULL)"
        }
        DeliveryState::Queued => {
            " AND d.finished_at IS NULL AND d.state = 'queued' AND EXISTS
                (SELECT 1 FROM webhooks w WHERE w.id = d.webhook_id AND w.disabled_since IS NULL AND w.deleted_at IS NULL)"
        }
        DeliveryState::Held => {
            " AND d.finished_at IS NULL AND d.state IN ('scheduled', 'queued') AND EXISTS
                (SELECT 1 FROM webhooks w WHERE w.id = d.webhook_id
                     AND (w.disabled_since IS NOT NULL OR w.deleted_at IS NOT NULL))"
        }
        DeliveryState::Claimed => " AND d.finished_at IS NULL AND d.state = 'claimed'",
        DeliveryState::Delivered => " AND d.state = 'delivered'",
        // A Send Test that failed is no loss: nobody shall look for it, and nobody replay it.
        DeliveryState::Dead => {
            " AND d.state = 'dead' AND NOT d.is_test
                AND (d.ended_as IS NULL OR d.last_failure IS DISTINCT FROM 'given_up' OR d.given_up_by IS NOT NULL)"
        }
        DeliveryState::Superseded => {
            " AND d.state = 'dead' AND d.ended_as = 'superseded' AND d.last_failure = 'given_up' AND d.given_up_by IS NULL"
        }
        DeliveryState::Expired => {
            " AND d.state = 'dead' AND d.ended_as = 'expired' AND d.last_failure = 'given_up' AND d.given_up_by IS NULL"
        }
    }
}
