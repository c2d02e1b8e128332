//! Lists of deliveries: first the ids, along the index that fits the filter, then their rows.
//!
//! Statements are put together from fixed pieces; every value is bound. An index condition is repeated word for word,
//! because SQLite uses a partial index for nothing else. Where a filter asks for what the index does not know, no more than
//! [`WALKED_ROWS`] of its entries are looked at.

use rusqlite::types::Value;
use rusqlite::{Connection, params_from_iter};

use model::delivery::{Delivery, DeliveryState};
use model::id::{DeliveryId, WebhookId};
use model::outage::EndedAs;
use store::StoreResult;
use store::deliveries::DeliveryFilter;
use store::page::{WALKED_OF_EACH, WALKED_ROWS};
use store::{Listed, Page};

use super::statements::{read_all, read_one};
use super::{delivery_rows, restrictions};

/// Deliveries, newest first.
pub fn list(connection: &Connection, filter: &DeliveryFilter, page: Page) -> StoreResult<Listed<Delivery>> {
    let ways = ways(connection, filter)?;
    let mut walked_to = None;
    for way in ways.iter().filter(|way| way.is_bounded_by(filter)) {
        // What lies below the place where one way ends would be incomplete.
        walked_to = walked_to.max(walk_end(
            connection,
            *way,
            filter,
            page,
            rows_of_each(ways.len()),
        )?);
    }
    let mut ids = Vec::new();
    for way in ways {
        ids.extend(ids_along(connection, way, filter, page, walked_to)?);
    }
    ids.sort_unstable_by(|a, b| b.cmp(a));
    ids.truncate(page.limit as usize);
    let rows = ids.into_iter().map(|id| delivery_rows::load(connection, id));
    let rows = rows.collect::<StoreResult<Vec<_>>>()?;
    Ok(Listed::new(rows, page, walked_to, |row| *row.id.as_bytes()))
}

/// Some entries of an index.
#[derive(Clone, Copy)]
enum Way {
    /// All deliveries.
    Age,
    /// A webhook's.
    Webhook(WebhookId),
    /// Those of the filter's incident.
    Lane,
    /// A webhook's open ones. They are in the order of their times.
    Open(WebhookId),
    /// A webhook's dead ones.
    Dead(WebhookId),
    /// Those of a webhook that it wanted no more.
    Ended(WebhookId, EndedAs),
}

/// The ways that lead to all that a filter asks for. Scarce states have indexes that begin with the webhook.
fn ways(connection: &Connection, filter: &DeliveryFilter) -> StoreResult<Vec<Way>> {
    if filter.incident_id.is_some() {
        return Ok(vec![Way::Lane]);
    }
    let by_age = filter.webhook_id.map_or(Way::Age, Way::Webhook);
    let is_of_open = !filter.open_states().is_empty();
    if !is_of_open && !filter.is_of_dead() {
        return Ok(vec![by_age]);
    }
    let webhooks = webhooks_of(connection, filter)?;
    if !is_of_open {
        let way = |webhook| match ended_as(filter) {
            Some(ended_as) => Way::Ended(webhook, ended_as),
            None => Way::Dead(webhook),
        };
        return Ok(webhooks.into_iter().map(way).collect());
    }
    let (waiting, is_crowded) = waiting(connection, filter, webhooks)?;
    // So many are found among the latest of their webhooks.
    let way = if is_crowded { Way::Webhook } else { Way::Open };
    Ok(waiting.into_iter().map(way).collect())
}

/// How what a filter asks for ended, if its webhook wanted it no more.
fn ended_as(filter: &DeliveryFilter) -> Option<EndedAs> {
    let ends = [EndedAs::Superseded, EndedAs::Expired];
    ends.into_iter().find(|end| filter.state == Some(end.state()))
}

/// The webhooks whose deliveries may fit: whether one that waits is held says its webhook.
fn webhooks_of(connection: &Connection, filter: &DeliveryFilter) -> StoreResult<Vec<WebhookId>> {
    let sql = match filter.state {
        Some(DeliveryState::Scheduled | DeliveryState::Queued) => {
            "SELECT id FROM webhooks WHERE disabled_since IS NULL AND deleted_at IS NULL"
        }
        Some(DeliveryState::Held) => {
            "SELECT id FROM webhooks WHERE disabled_since IS NOT NULL OR deleted_at IS NOT NULL"
        }
        None
        | Some(
            DeliveryState::Claimed
            | DeliveryState::Delivered
            | DeliveryState::Dead
            | DeliveryState::Superseded
            | DeliveryState::Expired,
        ) => "SELECT id FROM webhooks",
    };
    let mut webhooks = read_all(connection, sql, (), |row| row.get(0).map(WebhookId::from_bytes))?;
    webhooks.retain(|webhook| filter.webhook_id.is_none_or(|only| only == *webhook));
    Ok(webhooks)
}

/// Those of the webhooks at which something waits, and whether that is more than may be put in order for one page.
fn waiting(
    connection: &Connection,
    filter: &DeliveryFilter,
    webhooks: Vec<WebhookId>,
) -> StoreResult<(Vec<WebhookId>, bool)> {
    let (mut waiting, mut left) = (Vec::new(), WALKED_ROWS);
    for webhook in webhooks {
        let mut count = 0;
        for state in filter.open_states() {
            count += count_open(connection, webhook, state, left.max(1))?;
        }
        if count > 0 {
            waiting.push(webhook);
            left = left.saturating_sub(count);
        }
    }
    Ok((waiting, left == 0))
}

fn count_open(
    connection: &Connection,
    webhook: WebhookId,
    state: &'static str,
    at_most: u32,
) -> StoreResult<u32> {
    let count = read_one(
        connection,
        "SELECT count(*) FROM (SELECT 1 FROM deliveries INDEXED BY deliveries_open
                               WHERE webhook_id = ?1 AND state = ?2 AND finished_at IS NULL LIMIT ?3)",
        (webhook.as_bytes(), state, at_most),
        |row| row.get(0),
    )?;
    Ok(count.unwrap_or(0))
}

impl Way {
    fn clause(self) -> &'static str {
        match self {
            Self::Age => "FROM deliveries d NOT INDEXED WHERE TRUE",
            Self::Webhook(_) => "FROM deliveries d INDEXED BY deliveries_webhook WHERE TRUE",
            Self::Lane => "FROM deliveries d INDEXED BY deliveries_lane WHERE TRUE",
            Self::Open(_) => "FROM deliveries d INDEXED BY deliveries_open WHERE d.finished_at IS NULL",
            Self::Dead(_) => "FROM deliveries d INDEXED BY deliveries_dead WHERE d.state = 'dead'",
            Self::Ended(_, EndedAs::Superseded) => {
                "FROM deliveries d INDEXED BY deliveries_ended WHERE d.ended_as IS NOT NULL AND d.ended_as = 'superseded'"
            }
            Self::Ended(_, EndedAs::Expired) => {
                "FROM deliveries d INDEXED BY deliveries_ended WHERE d.ended_as IS NOT NULL AND d.ended_as = 'expired'"
            }
        }
    }

    /// Whether following it for a filter has to end somewhere: on the others every row fits, or there are few.
    fn is_bounded_by(self, filter: &DeliveryFilter) -> bool {
        match self {
            Self::Age | Self::Webhook(_) | Self::Dead(_) => !filter.is_answered_by_index(),
            // Its index knows the state.
            Self::Ended(..) => {
                let rest = DeliveryFilter {
                    state: None,
                    ..filter.clone()
                };
                !rest.is_answered_by_index()
            }
            Self::Lane | Self::Open(_) => false,
        }
    }

    fn webhook(self, filter: &DeliveryFilter) -> Option<WebhookId> {
        match self {
            Self::Age => None,
            Self::Lane => filter.webhook_id,
            Self::Webhook(webhook) | Self::Open(webhook) | Self::Dead(webhook) | Self::Ended(webhook, _) => {
                Some(webhook)
            }
        }
    }
}

/// A statement in the making.
struct Statement {
    sql: String,
    values: Vec<Value>,
}

impl Statement {
    /// The ids along a way, within the filter's times and behind the page before.
    fn along(way: Way, filter: &DeliveryFilter, page: Page) -> Self {
        let mut statement = Self {
            sql: format!("SELECT d.id {}", way.clause()),
            values: Vec::new(),
        };
        if let Some(webhook) = way.webhook(filter) {
            statement.bind(" AND d.webhook_id = ?", Value::Blob(webhook.as_bytes().to_vec()));
        }
        if let Some(incident) = filter.incident_id {
            statement.bind(
                " AND d.incident_id = ?",
                Value::Blob(incident.as_bytes().to_vec()),
            );
        }
        // One bound is enough: of two, SQLite would seek to either and walk from there.
        if let Some(upper) = upper_bound(filter, page) {
            statement.bind(" AND d.id < ?", Value::Blob(upper.to_vec()));
        }
        statement
    }

    fn bind(&mut self, piece: &str, value: Value) {
        self.sql.push_str(piece);
        self.values.push(value);
    }

    fn from(&mut self, lower: Option<[u8; 16]>) {
        if let Some(lower) = lower {
            self.bind(" AND d.id >= ?", Value::Blob(lower.to_vec()));
        }
    }

    /// What no index knows.
    fn narrow(&mut self, filter: &DeliveryFilter) {
        if let Some(event) = filter.event {
            self.bind(
                " AND (SELECT coalesce(e.operational, e.name) FROM events e WHERE e.sequence = d.event_sequence) = ?",
                Value::Text(event.as_str().to_owned()),
            );
        }
        if let Some(cause) = filter.cause {
            self.bind(" AND d.last_failure = ?", Value::Text(cause.as_str().to_owned()));
            self.sql.push_str(" AND d.ended_as IS NULL");
        }
        self.sql
            .push_str(&restrictions::of_delivery(&filter.restriction, &mut self.values));
        self.sql.push_str(filter.state.map_or("", state_condition));
    }

    fn read(self, connection: &Connection) -> StoreResult<Vec<DeliveryId>> {
        read_all(connection, &self.sql, params_from_iter(self.values), |row| {
            row.get(0).map(DeliveryId::from_bytes)
        })
    }
}

/// How many entries of each way are looked at.
fn rows_of_each(ways: usize) -> u32 {
    let ways = u32::try_from(ways).unwrap_or(u32::MAX).max(1);
    (WALKED_ROWS / ways).max(WALKED_OF_EACH)
}

/// The last entry of a way that is looked at; nothing if its end comes before.
fn walk_end(
    connection: &Connection,
    way: Way,
    filter: &DeliveryFilter,
    page: Page,
    rows: u32,
) -> StoreResult<Option<[u8; 16]>> {
    let ends = walk_end_statement(way, filter, page, rows).read(connection)?;
    Ok(ends.first().map(|id| *id.as_bytes()))
}

fn walk_end_statement(way: Way, filter: &DeliveryFilter, page: Page, rows: u32) -> Statement {
    let mut statement = Statement::along(way, filter, page);
    statement.from(since(filter));
    statement.bind(
        " ORDER BY d.id DESC LIMIT 1 OFFSET ?",
        Value::Integer(i64::from(rows) - 1),
    );
    statement
}

fn ids_along(
    connection: &Connection,
    way: Way,
    filter: &DeliveryFilter,
    page: Page,
    walked_to: Option<[u8; 16]>,
) -> StoreResult<Vec<DeliveryId>> {
    ids_statement(way, filter, page, walked_to).read(connection)
}

fn ids_statement(way: Way, filter: &DeliveryFilter, page: Page, walked_to: Option<[u8; 16]>) -> Statement {
    let mut statement = Statement::along(way, filter, page);
    statement.from(since(filter).max(walked_to));
    statement.narrow(filter);
    statement.bind(
        " ORDER BY d.id DESC LIMIT ?",
        Value::Integer(i64::from(page.limit)),
    );
    statement
}

fn since(filter: &DeliveryFilter) -> Option<[u8; 16]> {
    filter
        .since
        .map(|since| *DeliveryId::lower_bound(since).as_bytes())
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::migrate::{Moved, migrate};
    use model::event::EventType;
    use model::exchange::FailureCode;
    use model::id::IncidentId;
    use model::time::Timestamp;

    fn plan(connection: &Connection, statement: Statement) -> Vec<String> {
        let sql = format!("EXPLAIN QUERY PLAN {}", statement.sql);
        let read = |row: &rusqlite::Row<'_>| row.get::<_, String>(3);
        let plan = read_all(connection, &sql, params_from_iter(statement.values), read);
        plan.unwrap()
    }

    fn filters() -> Vec<DeliveryFilter> {
        let mut states = vec![None];
        states.extend(DeliveryState::NAMES.iter().map(|name| DeliveryState::parse(name)));
        let mut filters = Vec::new();
        for state in states {
            for (since, event, cause) in [
                (None, None, None),
                (
                    Some(Timestamp::EPOCH),
                    EventType::parse("incident.resolved"),
                    None,
                ),
                (None, None, Some(FailureCode::ServerError)),
            ] {
                filters.push(DeliveryFilter {
                    state,
                    event,
                    cause,
                    since,
                    until: since,
                    ..DeliveryFilter::default()
                });
            }
        }
        filters
    }

    /// Only what is few is put in order: the open ones, up to a number, and those of one incident.
    #[test]
    fn every_list_of_deliveries_follows_an_index_in_its_order() {
        let mut connection = Connection::open_in_memory().unwrap();
        migrate(&mut connection, Moved::Refused).unwrap();
        let webhook = WebhookId::from_bytes([1; 16]);
        let page = Page {
            limit: 50,
            before: Some([9; 16]),
        };
        let ways = [
            Way::Age,
            Way::Webhook(webhook),
            Way::Dead(webhook),
            Way::Ended(webhook, EndedAs::Superseded),
            Way::Ended(webhook, EndedAs::Expired),
            Way::Open(webhook),
            Way::Lane,
        ];
        for way in ways {
            for mut filter in filters() {
                filter.incident_id = matches!(way, Way::Lane).then(|| IncidentId::from_bytes([2; 16]));
                let may_sort = matches!(way, Way::Open(_) | Way::Lane);
                for statement in [
                    walk_end_statement(way, &filter, page, 9),
                    ids_statement(way, &filter, page, Some([1; 16])),
                ] {
                    let sql = statement.sql.clone();
                    let plan = plan(&connection, statement);
                    let has = |words: &str| plan.iter().any(|line| line.starts_with(words));
                    assert!(has("SEARCH d "), "{sql}\n{plan:?}");
                    assert!(!has("SCAN d") && !has("SCAN e"), "{sql}\n{plan:?}");
                    assert!(may_sort || !has("USE TEMP B-TREE"), "{sql}\n{plan:?}");
                }
            }
        }
    }
}
