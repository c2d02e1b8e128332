//! Lists of incidents and how many there are, along the index that fits the filter.
//!
//! Statements are put together from fixed pieces; what users say is bound. Where a filter asks for what the index does not
//! know, no more than [`WALKED_ROWS`] of its entries are looked at.

use rusqlite::types::Value;
use rusqlite::{Connection, Row, params_from_iter};

use model::id::ServiceId;
use model::incident::Incident;
use store::StoreResult;
use store::deliveries::COUNTED_AT_MOST;
use store::incident_search::{OPEN, TextSearch};
use store::incidents::{IncidentFilter, StatusCounts};
use store::page::WALKED_ROWS;
use store::{Listed, Page};

use super::database::unavailable;
use super::incident_rows::{incident_from_row, select_incidents};
use super::statements::{marks, read_all, read_one};

/// Incidents, in the direction of the filter. Texts are searched here rather than in SQL, because SQLite knows the case of ASCII
/// letters only.
pub fn list(connection: &Connection, filter: &IncidentFilter, page: Page) -> StoreResult<Listed<Incident>> {
    if filter.is_of_foreign_service() {
        return Ok(Listed::none());
    }
    let walked_to = match is_answered_by_index(filter) {
        true => None,
        false => walk_end(connection, filter, page, WALKED_ROWS)?,
    };
    let (sql, values) = list_statement(filter, page, walked_to);
    let search = filter.text.as_deref().map(TextSearch::new);
    let limit = usize::try_from(page.limit).unwrap_or(usize::MAX);
    let read = || {
        let mut statement = connection.prepare_cached(&sql)?;
        let mut rows = statement.query(params_from_iter(values))?;
        let mut incidents = Vec::new();
        while incidents.len() < limit
            && let Some(row) = rows.next()?
        {
            if is_wanted(row, filter, search.as_ref())? {
                incidents.push(incident_from_row(row)?);
            }
        }
        Ok(incidents)
    };
    let rows = read().map_err(unavailable)?;
    Ok(Listed::new(rows, page, walked_to, |row| *row.id.as_bytes()))
}

fn is_wanted(row: &Row<'_>, filter: &IncidentFilter, search: Option<&TextSearch>) -> rusqlite::Result<bool> {
    if let Some(except) = &filter.except
        && row.get_ref(0)?.as_blob()? == except.as_bytes()
    {
        return Ok(false);
    }
    let Some(search) = search else {
        return Ok(true);
    };
    let [title, service] = [row.get_ref(1)?.as_str()?, row.get_ref(6)?.as_str()?];
    let dedup_key = row.get_ref(9)?.as_str_or_null()?.unwrap_or_default();
    Ok(search.finds([title, service, dedup_key], row.get(17)?))
}

/// How many of each status, among the latest open ones and the latest of all.
pub fn count(connection: &Connection, filter: &IncidentFilter) -> StoreResult<StatusCounts> {
    if filter.is_of_foreign_service() {
        return Ok(StatusCounts::default());
    }
    let ([triggered, acknowledged, _], open_is_cut) = count_along(connection, &filter.of_statuses(&OPEN))?;
    let ([_, _, resolved], resolved_is_cut) = count_along(connection, &filter.of_statuses(&[]))?;
    Ok(StatusCounts {
        triggered,
        acknowledged,
        resolved,
        open_is_cut,
        resolved_is_cut,
    })
}

fn count_along(connection: &Connection, filter: &IncidentFilter) -> StoreResult<([u64; 3], bool)> {
    let page = Page::first();
    let end = walk_end(connection, filter, page, COUNTED_AT_MOST)?;
    let (sql, values) = count_statement(filter, page, end);
    let counts = read_one(connection, &sql, params_from_iter(values), |row| {
        let count = |column| row.get::<_, i64>(column).map(i64::unsigned_abs);
        Ok([count(0)?, count(1)?, count(2)?])
    })?;
    Ok((counts.unwrap_or_default(), end.is_some()))
}

/// The index that a list goes along.
enum Way {
    /// Of open incidents there are few.
    Open,
    /// Of those that are acknowledged even fewer.
    Acknowledged,
    Service(ServiceId),
    Age,
}

impl Way {
    fn new(filter: &IncidentFilter) -> Self {
        match filter.service_id {
            _ if filter.is_acknowledged() => Self::Acknowledged,
            _ if filter.is_open() => Self::Open,
            Some(service_id) => Self::Service(service_id),
            None => Self::Age,
        }
    }
}

/// Acknowledged ones have an index of their own here.
fn is_answered_by_index(filter: &IncidentFilter) -> bool {
    let is_plain = filter.text.is_none() && filter.severity.is_none() && filter.restriction.is_none();
    let is_plain = is_plain && filter.assignee.is_none();
    filter.is_answered_by_index() || (filter.is_acknowledged() && is_plain && filter.service_id.is_none())
}

/// The last incident that is looked at along the index that fits the filter; nothing if its end comes before.
fn walk_end(
    connection: &Connection,
    filter: &IncidentFilter,
    page: Page,
    rows: u32,
) -> StoreResult<Option<[u8; 16]>> {
    let (sql, values) = walk_end_statement(filter, page, rows);
    let ends = read_all(connection, &sql, params_from_iter(values), |row| row.get(0))?;
    Ok(ends.first().copied())
}

fn walk_end_statement(filter: &IncidentFilter, page: Page, rows: u32) -> (String, Vec<Value>) {
    let way = Way::new(filter);
    let mut sql = match way {
        Way::Open => "SELECT i.id FROM incidents i INDEXED BY incidents_open",
        Way::Acknowledged => "SELECT i.id FROM incidents i INDEXED BY incidents_acknowledged",
        Way::Service(_) => "SELECT i.id FROM incidents i INDEXED BY incidents_service",
        Way::Age => "SELECT i.id FROM incidents i NOT INDEXED",
    }
    .to_owned();
    let mut values = along_index(&mut sql, &way, filter, page, None);
    let order = filter.direction.as_sql();
    sql.push_str(&format!(" ORDER BY i.id {order} LIMIT 1 OFFSET ?"));
    values.push(Value::Integer(i64::from(rows) - 1));
    (sql, values)
}

fn list_statement(filter: &IncidentFilter, page: Page, walked_to: Option<[u8; 16]>) -> (String, Vec<Value>) {
    let way = Way::new(filter);
    let mut sql = match way {
        Way::Open => select_incidents!("INDEXED BY incidents_open", ""),
        Way::Acknowledged => select_incidents!("INDEXED BY incidents_acknowledged", ""),
        Way::Service(_) => select_incidents!("INDEXED BY incidents_service", ""),
        Way::Age => select_incidents!("NOT INDEXED", ""),
    }
    .to_owned();
    let mut values = along_index(&mut sql, &way, filter, page, walked_to);
    values.extend(restrict(&mut sql, filter));
    let order = filter.direction.as_sql();
    sql.push_str(&format!(" ORDER BY i.id {order}"));
    (sql, values)
}

fn count_statement(filter: &IncidentFilter, page: Page, end: Option<[u8; 16]>) -> (String, Vec<Value>) {
    let way = Way::new(filter);
    let index = match way {
        Way::Open => "INDEXED BY incidents_open",
        Way::Acknowledged => "INDEXED BY incidents_acknowledged",
        Way::Service(_) => "INDEXED BY incidents_service",
        Way::Age => "NOT INDEXED",
    };
    let mut sql = format!(
        "SELECT count(*) FILTER (WHERE i.status = 'triggered'), count(*) FILTER (WHERE i.status = 'acknowledged'),
             count(*) FILTER (WHERE i.status = 'resolved') FROM incidents i {index}"
    );
    let mut values = along_index(&mut sql, &way, filter, page, end);
    values.extend(restrict(&mut sql, filter));
    (sql, values)
}

/// What the filter asks for beyond the entries of the index.
fn restrict(sql: &mut String, filter: &IncidentFilter) -> Vec<Value> {
    let mut values = Vec::new();
    if let Some(service_id) = filter.service_id.filter(|_| filter.is_open()) {
        sql.push_str(" AND i.service_id = ?");
        values.push(Value::Blob(service_id.as_bytes().to_vec()));
    }
    if let Some(severity) = filter.severity {
        sql.push_str(" AND i.severity = ?");
        values.push(Value::Text(severity.as_str().to_owned()));
    }
    if let Some(assignee) = filter.assignee {
        sql.push_str(" AND i.assignee_id = ?");
        values.push(Value::Blob(assignee.as_bytes().to_vec()));
    }
    let services = filter.restriction.services();
    if !services.is_empty() {
        sql.push_str(&format!(" AND i.service_id IN ({})", marks(services.len())));
        values.extend(services.iter().map(|id| Value::Blob(id.as_bytes().to_vec())));
    }
    if !filter.statuses.is_empty() {
        sql.push_str(&format!(" AND i.status IN ({})", marks(filter.statuses.len())));
        let names = filter.statuses.iter().map(|status| status.as_str().to_owned());
        values.extend(names.map(Value::Text));
    }
    values
}

/// The entries of the index that come into question.
fn along_index(
    sql: &mut String,
    way: &Way,
    filter: &IncidentFilter,
    page: Page,
    walked_to: Option<[u8; 16]>,
) -> Vec<Value> {
    let mut values = Vec::new();
    // In the words of the indexes' own conditions.
    sql.push_str(match way {
        Way::Open => " WHERE i.status <> 'resolved'",
        Way::Acknowledged => " WHERE i.status = 'acknowledged'",
        Way::Service(_) | Way::Age => " WHERE TRUE",
    });
    if let Way::Service(service_id) = way {
        sql.push_str(" AND i.service_id = ?");
        values.push(Value::Blob(service_id.as_bytes().to_vec()));
    }
    let [lowest, highest] = filter.id_bounds(page, walked_to);
    if let Some(highest) = highest {
        sql.push_str(" AND i.id < ?");
        values.push(Value::Blob(highest.to_vec()));
    }
    if let Some(lowest) = lowest {
        sql.push_str(" AND i.id >= ?");
        values.push(Value::Blob(lowest.to_vec()));
    }
    values
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::migrate::{Moved, migrate};
    use model::id::UserId;
    use model::incident::{IncidentStatus, Severity};
    use store::incident_search::Direction;

    #[test]
    fn every_list_of_incidents_follows_an_index_in_its_order() {
        let mut connection = Connection::open_in_memory().unwrap();
        migrate(&mut connection, Moved::Refused).unwrap();
        let (triggered, resolved) = (IncidentStatus::Triggered, IncidentStatus::Resolved);
        let acknowledged = IncidentStatus::Acknowledged;
        let page = Page {
            limit: 50,
            before: Some([9; 16]),
        };
        for statuses in [
            vec![],
            vec![triggered],
            vec![acknowledged],
            vec![resolved],
            vec![triggered, resolved],
        ] {
            for service_id in [None, Some(ServiceId::from_bytes([1; 16]))] {
                for severity in [None, Some(Severity::Info)] {
                    let filter = IncidentFilter {
                        statuses: statuses.clone(),
                        severity,
                        service_id,
                        assignee: severity.map(|_| UserId::from_bytes([2; 16])),
                        direction: severity.map_or(Direction::NewestFirst, |_| Direction::OldestFirst),
                        ..IncidentFilter::default()
                    };
                    let listed = list_statement(&filter, page, Some([1; 16]));
                    let counted = count_statement(&filter, page, Some([1; 16]));
                    let end = walk_end_statement(&filter, page, WALKED_ROWS);
                    for (sql, values) in [end, listed, counted] {
                        let explained = format!("EXPLAIN QUERY PLAN {sql}");
                        let read = |row: &Row<'_>| row.get::<_, String>(3);
                        let plan = read_all(&connection, &explained, params_from_iter(values), read).unwrap();
                        assert!(plan[0].starts_with("SEARCH i "), "{sql}\n{plan:?}");
                        let has = |words: &str| plan.iter().any(|line| line.starts_with(words));
                        assert!(!has("SCAN") && !has("USE TEMP B-TREE"), "{sql}\n{plan:?}");
                    }
                }
            }
        }
    }
}
