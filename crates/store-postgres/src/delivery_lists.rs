//! Lists of deliveries: first the ids, along the index that fits the filter, then their rows, in one statement.
//!
//! Statements are put together from fixed pieces; every value is bound. An index condition is repeated word for word, as
//! PostgreSQL uses a partial index for what it can prove only. Where a filter asks for what the index does not know, no more
//! than [`WALKED_ROWS`] of its entries are looked at.

use tokio_postgres::types::ToSql;

use model::delivery::{Delivery, DeliveryState};
use model::id::DeliveryId;
use store::StoreResult;
use store::deliveries::DeliveryFilter;
use store::page::{WALKED_OF_EACH, WALKED_ROWS};
use store::{Listed, Page};

use super::columns::{bytes, value};
use super::connection::Connection;
use super::delivery_rows::{from_row, select_deliveries};
use super::restrictions::{self, EVENT, SERVICE};

/// Deliveries, newest first.
pub async fn list(
    connection: &Connection,
    filter: &DeliveryFilter,
    page: Page,
) -> StoreResult<Listed<Delivery>> {
    let mut list = List::new(filter, page);
    if list.way == Way::Open {
        match count_waiting(connection, &list, filter).await? {
            0 => {
                return Ok(Listed::new(Vec::new(), page, None, |row: &Delivery| {
                    *row.id.as_bytes()
                }));
            }
            count if count < i64::from(WALKED_ROWS) => {}
            _ => list.expect_crowd(),
        }
    }
    let walked_to = match list.is_bounded(filter) {
        true => walk_end(connection, &list).await?,
        false => None,
    };
    if let Some(walked_to) = walked_to {
        list.lower = list.lower.max(walked_to.to_vec());
    }
    let sql = list.sql(filter);
    let rows = connection.read_all(&sql, &list.params(), from_row).await?;
    Ok(Listed::new(rows, page, walked_to, |row| *row.id.as_bytes()))
}

/// By what deliveries are found.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    /// By their age, or that of their webhook's.
    Age,
    /// Those of one incident.
    Lane,
    /// The open ones. They are in the order of their times.
    Open,
    /// The dead ones.
    Dead,
    /// Those of each webhook at which something waits.
    Waiting,
}

/// A statement and its values; which values there are does not depend on the filter, so that few texts are prepared.
#[derive(Clone)]
struct List {
    way: Way,
    /// Which webhooks' deliveries may fit: whether one that waits is held says its webhook.
    of_webhooks: &'static str,
    open_states: &'static [&'static str],
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
#[derive(Clone, Copy, PartialEq, Eq)]
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
        let services = restrictions::services(&filter.restriction);
        let events = restrictions::events(&filter.restriction);
        let narrow = [
            (filter.incident_id.is_some(), Narrow::Incident),
            (filter.webhook_id.is_some(), Narrow::Webhook),
            (filter.event.is_some(), Narrow::Event),
            (filter.cause.is_some(), Narrow::Cause),
            (services.is_some(), Narrow::Services),
            (events.is_some(), Narrow::Events),
        ];
        Self {
            way: match () {
                () if filter.incident_id.is_some() => Way::Lane,
                () if !filter.open_states().is_empty() => Way::Open,
                () if filter.is_of_dead() => Way::Dead,
                () => Way::Age,
            },
            of_webhooks: webhook_condition(filter.state),
            open_states: filter.open_states(),
            lower: since.unwrap_or_default().to_vec(),
            upper: until.map_or(before, |until| until.min(before)).to_vec(),
            limit: limit.into(),
            event: filter.event.map(|event| event.as_str()),
            cause: filter.cause.map(|cause| cause.as_str()),
            webhook: filter.webhook_id.map(|id| id.as_bytes().to_vec()),
            incident: filter.incident_id.map(|id| id.as_bytes().to_vec()),
            services,
            events,
            narrow: narrow
                .into_iter()
                .filter_map(|(is_there, narrow)| is_there.then_some(narrow))
                .collect(),
        }
    }

    /// So many are found among the latest of their webhooks.
    fn expect_crowd(&mut self) {
        self.way = match self.webhook {
            Some(_) => Way::Age,
            None => Way::Waiting,
        };
    }

    /// Whether following the way for a filter has to end somewhere: on the others every row fits, or there are few.
    fn is_bounded(&self, filter: &DeliveryFilter) -> bool {
        match self.way {
            Way::Age | Way::Dead | Way::Waiting => !filter.is_answered_by_index(),
            Way::Lane | Way::Open => false,
        }
    }

    /// Whether the way's index begins with the webhook and none is named: each webhook's page is read by itself.
    fn is_of_every_webhook(&self) -> bool {
        matches!(self.way, Way::Open | Way::Dead | Way::Waiting) && self.webhook.is_none()
    }

    /// What the index of the way knows. Three values come before those that depend on the filter.
    fn way_conditions(&self, mut bind: impl FnMut(Narrow) -> String) -> String {
        let mut conditions = String::from("d.id >= $1 AND d.id < $2");
        if self.incident.is_some() {
            conditions.push_str(&format!(" AND d.incident_id = {}", bind(Narrow::Incident)));
        }
        if self.webhook.is_some() {
            conditions.push_str(&format!(" AND d.webhook_id = {}", bind(Narrow::Webhook)));
        }
        conditions.push_str(match self.way {
            Way::Age | Way::Lane | Way::Waiting => "",
            Way::Open => " AND d.finished_at IS NULL",
            Way::Dead => " AND d.state = 'dead'",
        });
        conditions
    }

    /// The ids, with what no index knows.
    fn statement_of_ids(&self, filter: &DeliveryFilter) -> String {
        let mut conditions = self.way_conditions(|narrow| self.place_of(narrow));
        if filter.event.is_some() {
            conditions.push_str(&format!(
                " AND (SELECT coalesce(e.operational, e.name) FROM events e WHERE e.sequence = d.event_sequence) = {}",
                self.place_of(Narrow::Event)
            ));
        }
        if filter.cause.is_some() {
            let place = self.place_of(Narrow::Cause);
            conditions.push_str(&format!(" AND d.last_failure = {place} AND d.ended_as IS NULL"));
        }
        if self.services.is_some() {
            let place = self.place_of(Narrow::Services);
            conditions.push_str(&format!(" AND {SERVICE} = ANY({place}::bytea[])"));
        }
        if self.events.is_some() {
            let place = self.place_of(Narrow::Events);
            conditions.push_str(&format!(" AND {EVENT} = ANY({place}::text[])"));
        }
        conditions.push_str(filter.state.map_or("", state_condition));
        self.along(&conditions, "ORDER BY d.id DESC LIMIT $3")
    }

    fn along(&self, conditions: &str, rest: &str) -> String {
        if self.is_of_every_webhook() {
            return format!(
                "SELECT d.id FROM webhooks every CROSS JOIN LATERAL (
                     SELECT d.id FROM deliveries d WHERE d.webhook_id = every.id AND {conditions} {rest}) d
                 WHERE {every} ORDER BY d.id DESC LIMIT $3",
                every = self.every()
            );
        }
        format!("SELECT d.id FROM deliveries d WHERE {conditions} {rest}")
    }

    /// Which webhooks' pages are read, where each webhook's is read by itself.
    fn every(&self) -> String {
        let of_webhooks = self.of_webhooks;
        match self.way {
            Way::Waiting => format!(
                "{of_webhooks} AND EXISTS (SELECT 1 FROM deliveries waits WHERE waits.webhook_id = every.id
                     AND waits.finished_at IS NULL AND waits.state IN ('{}'))",
                self.open_states.join("', '")
            ),
            Way::Age | Way::Lane | Way::Open | Way::Dead => of_webhooks.to_owned(),
        }
    }

    fn place_of(&self, wanted: Narrow) -> String {
        let index = self
            .narrow
            .iter()
            .position(|narrow| *narrow == wanted)
            .unwrap_or_default();
        format!("${}", index + 4)
    }

    fn sql(&self, filter: &DeliveryFilter) -> String {
        let (before, rest) = ("WITH page AS MATERIALIZED (", ") ");
        let rows = select_deliveries!("", "JOIN page ON page.id = d.id ORDER BY d.id DESC");
        format!("{before}{ids}{rest}{rows}", ids = self.statement_of_ids(filter))
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

/// The last entry of the way that is looked at; nothing if its end comes before. Of several webhooks it is the latest such
/// entry: what lies below would be incomplete.
async fn walk_end(connection: &Connection, list: &List) -> StoreResult<Option<[u8; 16]>> {
    let mut of_way = list.clone();
    of_way.limit = 1;
    // Only what the index knows of the filter.
    of_way
        .narrow
        .retain(|narrow| matches!(narrow, Narrow::Webhook | Narrow::Incident));
    let conditions = of_way.way_conditions(|narrow| of_way.place_of(narrow));
    let rows = match of_way.is_of_every_webhook() {
        false => WALKED_ROWS.to_string(),
        true => {
            format!(
                "(SELECT greatest({WALKED_ROWS} / greatest(count(*), 1), {WALKED_OF_EACH}) FROM webhooks every WHERE {})",
                of_way.every()
            )
        }
    };
    let rest = format!("ORDER BY d.id DESC LIMIT $3 OFFSET {rows} - 1");
    let sql = of_way.along(&conditions, &rest);
    connection
        .read_one(&sql, &of_way.params(), |row| bytes(row, "id"))
        .await
}

/// How many deliveries wait that may fit, counted up to as many as may be put in order for one page.
async fn count_waiting(connection: &Connection, list: &List, filter: &DeliveryFilter) -> StoreResult<i64> {
    let of_webhooks = list.of_webhooks;
    let sql = |named: &str| {
        format!(
            "SELECT count(*) AS count FROM (
                 SELECT 1 FROM webhooks every CROSS JOIN LATERAL (
                     SELECT 1 FROM deliveries WHERE webhook_id = every.id AND state = ANY($1::text[])
                         AND finished_at IS NULL LIMIT {WALKED_ROWS}) waits
                 WHERE {of_webhooks}{named} LIMIT {WALKED_ROWS}) waiting"
        )
    };
    let states = filter.open_states();
    let read = |row: &_| value(row, "count");
    let count = match &list.webhook {
        None => connection.read_one(&sql(""), &[&states], read).await?,
        Some(webhook) => {
            let sql = sql(" AND every.id = $2");
            connection.read_one(&sql, &[&states, webhook], read).await?
        }
    };
    Ok(count.unwrap_or(0))
}

/// Which webhooks' deliveries can be in a state.
fn webhook_condition(state: Option<DeliveryState>) -> &'static str {
    match state {
        Some(DeliveryState::Scheduled | DeliveryState::Queued) => {
            "every.disabled_since IS NULL AND every.deleted_at IS NULL"
        }
        Some(DeliveryState::Held) => "(every.disabled_since IS NOT NULL OR every.deleted_at IS NOT NULL)",
        None
        | Some(
            DeliveryState::Claimed
            | DeliveryState::Delivered
            | DeliveryState::Dead
            | DeliveryState::Superseded
            | DeliveryState::Expired,
        ) => "TRUE",
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
