//! Lists of incidents and how many there are, along the index that fits the filter.
//!
//! Statements are put together from fixed pieces; what users say is bound. Where a filter asks for what the index does not
//! know, no more than [`WALKED_ROWS`] of its entries are looked at.

use tokio_postgres::types::ToSql;

use model::incident::Incident;
use model::incident_number::IncidentNumber;
use store::StoreResult;
use store::deliveries::COUNTED_AT_MOST;
use store::incident_search::{OPEN, TextSearch};
use store::incidents::{IncidentFilter, StatusCounts};
use store::page::WALKED_ROWS;
use store::{Listed, Page};

use super::columns::{bytes, number};
use super::connection::Connection;
use super::incident_rows::{incident_from_row, select_incidents};
use super::restrictions;

/// How many incidents are read at a time while texts are searched.
const SEARCHED_AT_A_TIME: u32 = 1000;

/// Incidents, in the direction of the filter.
pub async fn list(
    connection: &Connection,
    filter: &IncidentFilter,
    page: Page,
) -> StoreResult<Listed<Incident>> {
    if filter.is_of_foreign_service() {
        return Ok(Listed::none());
    }
    let walked_to = match filter.is_answered_by_index() {
        true => None,
        false => walk_end(connection, filter, page, WALKED_ROWS).await?,
    };
    let rows = match &filter.text {
        None => read(connection, filter, page, walked_to).await?,
        Some(text) => search(connection, filter, &TextSearch::new(text), page, walked_to).await?,
    };
    Ok(Listed::new(rows, page, walked_to, |row| *row.id.as_bytes()))
}

/// The last incident that is looked at along the index that fits the filter; nothing if its end comes before.
async fn walk_end(
    connection: &Connection,
    filter: &IncidentFilter,
    page: Page,
    rows: u32,
) -> StoreResult<Option<[u8; 16]>> {
    let mut statement = Statement::new("SELECT i.id FROM incidents i WHERE TRUE");
    statement.along_index(filter, page, None);
    let order = filter.direction.as_sql();
    // Not a parameter: a plan for any would take it for a tenth of the rows.
    let rest = format!(" ORDER BY i.id {order} LIMIT 1 OFFSET {rows} - 1");
    statement.sql.push_str(&rest);
    connection
        .read_one(&statement.sql, &statement.params(), |row| bytes(row, "id"))
        .await
}

async fn read(
    connection: &Connection,
    filter: &IncidentFilter,
    page: Page,
    walked_to: Option<[u8; 16]>,
) -> StoreResult<Vec<Incident>> {
    let mut statement = Statement::new(select_incidents!("WHERE TRUE"));
    statement.along_index(filter, page, walked_to);
    statement.restrict_to(filter);
    let order = filter.direction.as_sql();
    let rest = format!(" ORDER BY i.id {order} LIMIT ?");
    statement.restrict(&rest, Box::new(i64::from(page.limit)));
    connection
        .read_all(&statement.sql, &statement.params(), incident_from_row)
        .await
}

/// How many of each status, among the latest open ones and the latest of all.
pub async fn count(connection: &Connection, filter: &IncidentFilter) -> StoreResult<StatusCounts> {
    if filter.is_of_foreign_service() {
        return Ok(StatusCounts::default());
    }
    let ([triggered, acknowledged, _], open_is_cut) =
        count_along(connection, &filter.of_statuses(&OPEN)).await?;
    let ([_, _, resolved], resolved_is_cut) = count_along(connection, &filter.of_statuses(&[])).await?;
    Ok(StatusCounts {
        triggered,
        acknowledged,
        resolved,
        open_is_cut,
        resolved_is_cut,
    })
}

async fn count_along(connection: &Connection, filter: &IncidentFilter) -> StoreResult<([u64; 3], bool)> {
    let page = Page::first();
    let end = walk_end(connection, filter, page, COUNTED_AT_MOST).await?;
    let mut statement = Statement::new(
        "SELECT count(*) FILTER (WHERE i.status = 'triggered') AS triggered,
             count(*) FILTER (WHERE i.status = 'acknowledged') AS acknowledged,
             count(*) FILTER (WHERE i.status = 'resolved') AS resolved FROM incidents i WHERE TRUE",
    );
    statement.along_index(filter, page, end);
    statement.restrict_to(filter);
    let counts = connection
        .read_one(&statement.sql, &statement.params(), |row| {
            Ok([
                number(row, "triggered")?,
                number(row, "acknowledged")?,
                number(row, "resolved")?,
            ])
        })
        .await?;
    Ok((counts.unwrap_or_default(), end.is_some()))
}

/// Texts are searched here rather than in SQL, so that every database finds the same: what is the case of a letter
/// depends on its locale.
async fn search(
    connection: &Connection,
    filter: &IncidentFilter,
    search: &TextSearch,
    page: Page,
    walked_to: Option<[u8; 16]>,
) -> StoreResult<Vec<Incident>> {
    let limit = usize::try_from(page.limit).unwrap_or(usize::MAX);
    let mut found = Vec::new();
    let mut before = page.before;
    loop {
        let piece = Page {
            limit: SEARCHED_AT_A_TIME,
            before,
        };
        let rows = read(connection, filter, piece, walked_to).await?;
        let is_last = rows.len() < SEARCHED_AT_A_TIME as usize;
        before = rows.last().map(|incident| *incident.id.as_bytes());
        found.extend(
            rows.into_iter()
                .filter(|incident| is_found(search, incident) && filter.except != Some(incident.id)),
        );
        if is_last || found.len() >= limit {
            found.truncate(limit);
            return Ok(found);
        }
    }
}

fn is_found(search: &TextSearch, incident: &Incident) -> bool {
    let dedup_key = incident.dedup_key.as_deref().unwrap_or_default();
    let texts = [&incident.title, &incident.service.name, dedup_key];
    search.finds(texts, incident.number.map(IncidentNumber::get))
}

/// A statement in the making.
struct Statement {
    sql: String,
    values: Vec<Box<dyn ToSql + Sync + Send>>,
}

impl Statement {
    fn new(sql: &str) -> Self {
        Self {
            sql: sql.to_owned(),
            values: Vec::new(),
        }
    }

    fn restrict(&mut self, condition: &str, value: Box<dyn ToSql + Sync + Send>) {
        self.values.push(value);
        self.sql
            .push_str(&condition.replace('?', &format!("${}", self.values.len())));
    }

    /// The entries of the index that come into question.
    fn along_index(&mut self, filter: &IncidentFilter, page: Page, walked_to: Option<[u8; 16]>) {
        if filter.is_open() {
            // In the words of the index `incidents_open`.
            self.sql.push_str(" AND i.status <> 'resolved'");
        } else if let Some(service_id) = filter.service_id {
            self.restrict(" AND i.service_id = ?", Box::new(service_id.as_bytes().to_vec()));
        }
        let [lowest, highest] = filter.id_bounds(page, walked_to);
        if let Some(highest) = highest {
            self.restrict(" AND i.id < ?", Box::new(highest.to_vec()));
        }
        if let Some(lowest) = lowest {
            self.restrict(" AND i.id >= ?", Box::new(lowest.to_vec()));
        }
    }

    /// What the filter asks for beyond the entries of the index.
    fn restrict_to(&mut self, filter: &IncidentFilter) {
        if let Some(service_id) = filter.service_id.filter(|_| filter.is_open()) {
            self.restrict(" AND i.service_id = ?", Box::new(service_id.as_bytes().to_vec()));
        }
        if let Some(severity) = filter.severity {
            self.restrict(" AND i.severity = ?", Box::new(severity.as_str()));
        }
        if let Some(assignee) = filter.assignee {
            self.restrict(" AND i.assignee_id = ?", Box::new(assignee.as_bytes().to_vec()));
        }
        if let Some(services) = restrictions::services(&filter.restriction) {
            self.restrict(" AND i.service_id = ANY(?::bytea[])", Box::new(services));
        }
        if !filter.statuses.is_empty() {
            let names: Vec<&'static str> = filter.statuses.iter().map(|status| status.as_str()).collect();
            self.restrict(" AND i.status = ANY(?::text[])", Box::new(names));
        }
    }

    fn params(&self) -> Vec<&(dyn ToSql + Sync)> {
        self.values.iter().map(|value| value.as_ref() as _).collect()
    }
}
