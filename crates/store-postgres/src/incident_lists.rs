//! Lists of incidents, along the index that fits the filter.
//!
//! Statements are put together from fixed pieces; what users say is bound. Where a filter asks for what the index does not
//! know, no more than [`WALKED_ROWS`] of its entries are looked at.

use tokio_postgres::types::ToSql;

use model::id::IncidentId;
use model::incident::Incident;
use store::StoreResult;
use store::incidents::IncidentFilter;
use store::page::WALKED_ROWS;
use store::{Listed, Page};

use super::columns::bytes;
use super::connection::Connection;
use super::incident_rows::{incident_from_row, select_incidents};
use super::restrictions;

/// How many incidents are read at a time while titles are searched.
const SEARCHED_AT_A_TIME: u32 = 1000;

/// Incidents, newest first.
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
        false => walk_end(connection, filter, page).await?,
    };
    let rows = match &filter.text {
        None => read(connection, filter, page, walked_to).await?,
        Some(text) => search(connection, filter, &text.to_lowercase(), page, walked_to).await?,
    };
    Ok(Listed::new(rows, page, walked_to, |row| *row.id.as_bytes()))
}

/// The last incident that is looked at along the index that fits the filter; nothing if its end comes before.
async fn walk_end(
    connection: &Connection,
    filter: &IncidentFilter,
    page: Page,
) -> StoreResult<Option<[u8; 16]>> {
    let mut statement = Statement::new("SELECT i.id FROM incidents i WHERE TRUE");
    statement.along_index(filter, page, None);
    // Not a parameter: a plan for any would take it for a tenth of the rows.
    let rest = format!(" ORDER BY i.id DESC LIMIT 1 OFFSET {WALKED_ROWS} - 1");
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
    if let Some(service_id) = filter.service_id.filter(|_| filter.is_open()) {
        statement.restrict(" AND i.service_id = ?", Box::new(service_id.as_bytes().to_vec()));
    }
    if let Some(severity) = filter.severity {
        statement.restrict(" AND i.severity = ?", Box::new(severity.as_str()));
    }
    if let Some(assignee) = filter.assignee {
        statement.restrict(" AND i.assignee_id = ?", Box::new(assignee.as_bytes().to_vec()));
    }
    if let Some(services) = restrictions::services(&filter.restriction) {
        statement.restrict(" AND i.service_id = ANY(?::bytea[])", Box::new(services));
    }
    if !filter.statuses.is_empty() {
        let names: Vec<&'static str> = filter.statuses.iter().map(|status| status.as_str()).collect();
        statement.restrict(" AND i.status = ANY(?::text[])", Box::new(names));
    }
    statement.restrict(" ORDER BY i.id DESC LIMIT ?", Box::new(i64::from(page.limit)));
    connection
        .read_all(&statement.sql, &statement.params(), incident_from_row)
        .await
}

/// Titles are searched here rather than in SQL, so that every database finds the same: what is the case of a letter
/// depends on its locale.
async fn search(
    connection: &Connection,
    filter: &IncidentFilter,
    text: &str,
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
                .filter(|incident| incident.title.to_lowercase().contains(text)),
        );
        if is_last || found.len() >= limit {
            found.truncate(limit);
            return Ok(found);
        }
    }
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
        let bound = |at| *IncidentId::lower_bound(at).as_bytes();
        let until = filter.until.map(bound);
        if let Some(upper) = [until, page.before].into_iter().flatten().min() {
            self.restrict(" AND i.id < ?", Box::new(upper.to_vec()));
        }
        if let Some(lower) = filter.since.map(bound).max(walked_to) {
            self.restrict(" AND i.id >= ?", Box::new(lower.to_vec()));
        }
    }

    fn params(&self) -> Vec<&(dyn ToSql + Sync)> {
        self.values.iter().map(|value| value.as_ref() as _).collect()
    }
}
