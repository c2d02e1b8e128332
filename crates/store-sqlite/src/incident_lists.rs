//! Lists of incidents, along the index that fits the filter.
//!
//! Statements are put together from fixed pieces; what users say is bound. Where a filter asks for what the index does not
//! know, no more than [`WALKED_ROWS`] of its entries are looked at.

use rusqlite::types::Value;
use rusqlite::{Connection, Row, params_from_iter};

use model::id::{IncidentId, ServiceId};
use model::incident::Incident;
use store::StoreResult;
use store::incidents::IncidentFilter;
use store::page::WALKED_ROWS;
use store::{Listed, Page};

use super::database::unavailable;
use super::incident_rows::{incident_from_row, select_incidents};
use super::statements::{marks, read_all};

/// Incidents, newest first. Titles are searched here rather than in SQL, because SQLite knows the case of ASCII letters
/// only.
pub fn list(connection: &Connection, filter: &IncidentFilter, page: Page) -> StoreResult<Listed<Incident>> {
    if filter.is_of_foreign_service() {
        return Ok(Listed::none());
    }
    let walked_to = match is_answered_by_index(filter) {
        true => None,
        false => walk_end(connection, filter, page)?,
    };
    let (sql, values) = list_statement(filter, page, walked_to);
    let wanted = filter.text.as_ref().map(|text| text.to_lowercase());
    let is_wanted = |row: &Row<'_>| -> rusqlite::Result<bool> {
        let Some(text) = &wanted else {
            return Ok(true);
        };
        Ok(row.get_ref(1)?.as_str()?.to_lowercase().contains(text.as_str()))
    };
    let limit = usize::try_from(page.limit).unwrap_or(usize::MAX);
    let read = || {
        let mut statement = connection.prepare_cached(&sql)?;
        let mut rows = statement.query(params_from_iter(values))?;
        let mut incidents = Vec::new();
        while incidents.len() < limit
            && let Some(row) = rows.next()?
        {
            if is_wanted(row)? {
                incidents.push(incident_from_row(row)?);
            }
        }
        Ok(incidents)
    };
    let rows = read().map_err(unavailable)?;
    Ok(Listed::new(rows, page, walked_to, |row| *row.id.as_bytes()))
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
fn walk_end(connection: &Connection, filter: &IncidentFilter, page: Page) -> StoreResult<Option<[u8; 16]>> {
    let (sql, values) = walk_end_statement(filter, page);
    let ends = read_all(connection, &sql, params_from_iter(values), |row| row.get(0))?;
    Ok(ends.first().copied())
}

fn walk_end_statement(filter: &IncidentFilter, page: Page) -> (String, Vec<Value>) {
    let way = Way::new(filter);
    let mut sql = match way {
        Way::Open => "SELECT i.id FROM incidents i INDEXED BY incidents_open",
        Way::Acknowledged => "SELECT i.id FROM incidents i INDEXED BY incidents_acknowledged",
        Way::Service(_) => "SELECT i.id FROM incidents i INDEXED BY incidents_service",
        Way::Age => "SELECT i.id FROM incidents i NOT INDEXED",
    }
    .to_owned();
    let mut values = along_index(&mut sql, &way, filter, page, None);
    sql.push_str(" ORDER BY i.id DESC LIMIT 1 OFFSET ?");
    values.push(Value::Integer(i64::from(WALKED_ROWS) - 1));
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
    sql.push_str(" ORDER BY i.id DESC");
    (sql, values)
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
    let bound = |at| *IncidentId::lower_bound(at).as_bytes();
    // One bound is enough: of two, SQLite would seek to either and walk from there.
    let until = filter.until.map(bound);
    if let Some(upper) = [until, page.before].into_iter().flatten().min() {
        sql.push_str(" AND i.id < ?");
        values.push(Value::Blob(upper.to_vec()));
    }
    if let Some(lower) = filter.since.map(bound).max(walked_to) {
        sql.push_str(" AND i.id >= ?");
        values.push(Value::Blob(lower.to_vec()));
    }
    values
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::migrate::{Moved, migrate};
    use model::id::{ServiceId, UserId};
    use model::incident::{IncidentStatus, Severity};

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
                        ..IncidentFilter::default()
                    };
                    let listed = list_statement(&filter, page, Some([1; 16]));
                    for (sql, values) in [walk_end_statement(&filter, page), listed] {
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
