//! Incidents: the contract, and reading them.

use async_trait::async_trait;
use rusqlite::types::Value;
use rusqlite::{Connection, Row, params_from_iter};

use model::audit::{Actor, Change};
use model::event::EventName;
use model::id::{EventId, IncidentId};
use model::incident::{Incident, IncidentStatus};
use model::time::Timestamp;
use store::Page;
use store::StoreResult;
use store::incidents::{
    Committed, IncidentEdit, IncidentFilter, Incidents, MAX_TIMELINE, TimelineEntry, TimelineKind,
    TransitionRequest, Trigger,
};

use super::columns::unexpected;
use super::database::{Database, unavailable};
use super::incident_edits;
use super::incident_rows::{self, incident_from_row, select_incidents};
use super::statements::{marks, read_all, snapshot};
use super::transitions;

#[async_trait]
impl Incidents for Database {
    async fn trigger(&self, trigger: Trigger) -> StoreResult<Committed> {
        self.write_checked(move |context| transitions::trigger(context, trigger))
            .await
    }

    async fn transition(&self, request: TransitionRequest) -> StoreResult<Committed> {
        self.write_checked(move |context| transitions::transition(context, request))
            .await
    }

    async fn fire_escalation(
        &self,
        incident_id: IncidentId,
        event_id: EventId,
        change: Change,
    ) -> StoreResult<Committed> {
        self.write(move |context| transitions::fire_escalation(context, incident_id, event_id, change))
            .await
    }

    async fn due_escalations(&self, now: Timestamp, limit: u32) -> StoreResult<Vec<IncidentId>> {
        self.read(move |connection| {
            read_all(
                connection,
                "SELECT id FROM incidents WHERE escalate_at IS NOT NULL AND escalate_at <= ?1
                 ORDER BY escalate_at, id LIMIT ?2",
                (now.as_millis(), limit),
                |row| row.get(0).map(IncidentId::from_bytes),
            )
        })
        .await
    }

    async fn edit(&self, id: IncidentId, edit: IncidentEdit, change: Change) -> StoreResult<Incident> {
        self.write(move |context| incident_edits::edit(context, id, edit, &change))
            .await
    }

    async fn get(&self, id: IncidentId) -> StoreResult<Incident> {
        self.read(move |connection| Ok(incident_rows::load(connection, id)?.incident))
            .await
    }

    async fn list(&self, filter: IncidentFilter, page: Page) -> StoreResult<Vec<Incident>> {
        // A filter may walk the whole table: one such walk at a time leaves readers for everybody else.
        let is_plain = filter.text.is_none() && filter.severity.is_none() && filter.restriction.is_none();
        let query = move |connection: &Connection| list(connection, &filter, page);
        if is_plain {
            self.read(query).await
        } else {
            self.read_long(query).await
        }
    }

    async fn timeline(&self, id: IncidentId) -> StoreResult<Vec<TimelineEntry>> {
        self.read(move |connection| timeline(&*snapshot(connection)?, id))
            .await
    }
}

/// The statement is put together from fixed pieces; what users say is bound. Titles are searched here rather than in
/// SQL, because SQLite knows the case of ASCII letters only.
fn list(connection: &Connection, filter: &IncidentFilter, page: Page) -> StoreResult<Vec<Incident>> {
    let (sql, values) = list_statement(filter, page);
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
    read().map_err(unavailable)
}

fn list_statement(filter: &IncidentFilter, page: Page) -> (String, Vec<Value>) {
    let mut sql = select_incidents!("WHERE TRUE").to_owned();
    let mut values = Vec::new();
    let until = filter
        .until
        .map(|until| *IncidentId::lower_bound(until).as_bytes());
    // One bound is enough: of two, SQLite would seek to either and walk from there.
    if let Some(upper) = [until, page.before].into_iter().flatten().min() {
        sql.push_str(" AND i.id < ?");
        values.push(Value::Blob(upper.to_vec()));
    }
    if let Some(since) = filter.since {
        sql.push_str(" AND i.id >= ?");
        values.push(Value::Blob(IncidentId::lower_bound(since).as_bytes().to_vec()));
    }
    if let Some(service_id) = filter.service_id {
        sql.push_str(" AND i.service_id = ?");
        values.push(Value::Blob(service_id.as_bytes().to_vec()));
    }
    let services = filter.restriction.services();
    if !services.is_empty() {
        let column = match services.len() {
            1 => "i.service_id",
            // Along the index of one service after the other they would have to be sorted, all of them for each page.
            _ => "+i.service_id",
        };
        sql.push_str(&format!(" AND {column} IN ({})", marks(services.len())));
        values.extend(services.iter().map(|id| Value::Blob(id.as_bytes().to_vec())));
    }
    if let Some(severity) = filter.severity {
        sql.push_str(" AND i.severity = ?");
        values.push(Value::Text(severity.as_str().to_owned()));
    }
    if !filter.statuses.is_empty() {
        if !filter.statuses.contains(&IncidentStatus::Resolved) {
            // In the words of the index `incidents_open`.
            sql.push_str(" AND i.status <> 'resolved'");
        }
        sql.push_str(&format!(" AND i.status IN ({})", marks(filter.statuses.len())));
        let names = filter.statuses.iter().map(|status| status.as_str().to_owned());
        values.extend(names.map(Value::Text));
    }
    sql.push_str(" ORDER BY i.id DESC");
    (sql, values)
}

fn timeline(connection: &Connection, id: IncidentId) -> StoreResult<Vec<TimelineEntry>> {
    incident_rows::load(connection, id)?;
    let mut entries = read_all(
        connection,
        "SELECT at, actor, name, sequence FROM events WHERE incident_id = ?1 AND is_test = 0
         ORDER BY sequence DESC LIMIT ?2",
        (id.as_bytes(), MAX_TIMELINE),
        |row| {
            let name = EventName::parse(row.get_ref(2)?.as_str()?).ok_or_else(|| unexpected("event"))?;
            let sequence = row.get(3)?;
            entry(row, TimelineKind::Event { name, sequence })
        },
    )?;
    entries.reverse();
    let mut notes = read_all(
        connection,
        "SELECT at, actor, sentence FROM notes WHERE incident_id = ?1 ORDER BY id DESC LIMIT ?2",
        (id.as_bytes(), MAX_TIMELINE),
        |row| entry(row, TimelineKind::Note(row.get(2)?)),
    )?;
    notes.reverse();
    entries.append(&mut notes);
    entries.sort_by_key(|entry| entry.at);
    let surplus = entries.len().saturating_sub(MAX_TIMELINE as usize);
    entries.drain(..surplus);
    Ok(entries)
}

fn entry(row: &Row<'_>, kind: TimelineKind) -> rusqlite::Result<TimelineEntry> {
    Ok(TimelineEntry {
        at: Timestamp::from_millis(row.get(0)?),
        actor: Actor::decode(row.get_ref(1)?.as_str()?),
        kind,
    })
}
