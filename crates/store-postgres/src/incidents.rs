//! Incidents: the contract, and reading them.

use async_trait::async_trait;
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;

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

use super::columns::{bytes, number, parsed, time, value};
use super::connection::Connection;
use super::database::Database;
use super::incident_edits;
use super::incident_rows::{self, incident_from_row, select_incidents};
use super::restrictions;
use super::transitions::Request;

/// How many incidents are read at a time while titles are searched.
const SEARCHED_AT_A_TIME: u32 = 1000;

#[async_trait]
impl Incidents for Database {
    async fn trigger(&self, trigger: Trigger) -> StoreResult<Committed> {
        self.group_commit().commit(Request::Trigger(trigger)).await
    }

    async fn transition(&self, request: TransitionRequest) -> StoreResult<Committed> {
        self.group_commit().commit(Request::Transition(request)).await
    }

    async fn fire_escalation(
        &self,
        incident_id: IncidentId,
        event_id: EventId,
        change: Change,
    ) -> StoreResult<Committed> {
        let request = Request::Escalation {
            incident_id,
            event_id,
            change,
        };
        self.group_commit().commit(request).await
    }

    async fn due_escalations(&self, now: Timestamp, limit: u32) -> StoreResult<Vec<IncidentId>> {
        let sql = "SELECT id FROM incidents WHERE escalate_at IS NOT NULL AND escalate_at <= $1
                   ORDER BY escalate_at, id LIMIT $2";
        let connection = self.connection().await?;
        connection
            .read_all(sql, &[&now.as_millis(), &i64::from(limit)], |row| {
                bytes(row, "id").map(IncidentId::from_bytes)
            })
            .await
    }

    async fn edit(&self, id: IncidentId, edit: IncidentEdit, change: Change) -> StoreResult<Incident> {
        self.write((id, edit, change), |context, (id, edit, change)| {
            Box::pin(incident_edits::edit(context, *id, edit, change))
        })
        .await
    }

    async fn get(&self, id: IncidentId) -> StoreResult<Incident> {
        let connection = self.connection().await?;
        Ok(incident_rows::load(&connection, id).await?.incident)
    }

    async fn list(&self, filter: IncidentFilter, page: Page) -> StoreResult<Vec<Incident>> {
        let connection = self.connection().await?;
        match &filter.text {
            None => list(&connection, &filter, page).await,
            Some(text) => search(&connection, &filter, &text.to_lowercase(), page).await,
        }
    }

    async fn timeline(&self, id: IncidentId) -> StoreResult<Vec<TimelineEntry>> {
        let mut connection = self.snapshot().await?;
        let entries = timeline(&connection, id).await?;
        connection.commit().await?;
        Ok(entries)
    }
}

/// The statement is put together from fixed pieces; what users say is bound.
async fn list(connection: &Connection, filter: &IncidentFilter, page: Page) -> StoreResult<Vec<Incident>> {
    let mut sql = select_incidents!("WHERE TRUE").to_owned();
    let mut values: Vec<Box<dyn ToSql + Sync + Send>> = Vec::new();
    let mut restrict = |condition: &str, value: Box<dyn ToSql + Sync + Send>| {
        values.push(value);
        sql.push_str(&condition.replace('?', &format!("${}", values.len())));
    };
    if let Some(before) = page.before {
        restrict(" AND i.id < ?", Box::new(before.to_vec()));
    }
    if let Some(until) = filter.until.map(IncidentId::lower_bound) {
        restrict(" AND i.id < ?", Box::new(until.as_bytes().to_vec()));
    }
    if let Some(since) = filter.since.map(IncidentId::lower_bound) {
        restrict(" AND i.id >= ?", Box::new(since.as_bytes().to_vec()));
    }
    if let Some(service_id) = filter.service_id {
        restrict(" AND i.service_id = ?", Box::new(service_id.as_bytes().to_vec()));
    }
    if let Some(services) = restrictions::services(&filter.restriction) {
        restrict(" AND i.service_id = ANY(?::bytea[])", Box::new(services));
    }
    if let Some(severity) = filter.severity {
        restrict(" AND i.severity = ?", Box::new(severity.as_str()));
    }
    if !filter.statuses.is_empty() {
        let names: Vec<&'static str> = filter.statuses.iter().map(|status| status.as_str()).collect();
        let is_open = !filter.statuses.contains(&IncidentStatus::Resolved);
        restrict(
            match is_open {
                // In the words of the index `incidents_open`.
                true => " AND i.status <> 'resolved' AND i.status = ANY(?::text[])",
                false => " AND i.status = ANY(?::text[])",
            },
            Box::new(names),
        );
    }
    restrict(" ORDER BY i.id DESC LIMIT ?", Box::new(i64::from(page.limit)));
    let values: Vec<&(dyn ToSql + Sync)> = values.iter().map(|value| value.as_ref() as _).collect();
    connection.read_all(&sql, &values, incident_from_row).await
}

/// Titles are searched here rather than in SQL, so that every database finds the same: what is the case of a letter
/// depends on its locale.
async fn search(
    connection: &Connection,
    filter: &IncidentFilter,
    text: &str,
    page: Page,
) -> StoreResult<Vec<Incident>> {
    let limit = usize::try_from(page.limit).unwrap_or(usize::MAX);
    let mut found = Vec::new();
    let mut before = page.before;
    loop {
        let piece = Page {
            limit: SEARCHED_AT_A_TIME,
            before,
        };
        let read = list(connection, filter, piece).await?;
        let is_last = read.len() < SEARCHED_AT_A_TIME as usize;
        before = read.last().map(|incident| *incident.id.as_bytes());
        found.extend(
            read.into_iter()
                .filter(|incident| incident.title.to_lowercase().contains(text)),
        );
        if is_last || found.len() >= limit {
            found.truncate(limit);
            return Ok(found);
        }
    }
}

async fn timeline(connection: &Connection, id: IncidentId) -> StoreResult<Vec<TimelineEntry>> {
    incident_rows::load(connection, id).await?;
    let (incident_id, limit) = (&id.as_bytes()[..], i64::from(MAX_TIMELINE));
    let mut entries = connection
        .read_all(
            "SELECT at, actor, name, sequence FROM events WHERE incident_id = $1 AND NOT is_test
             ORDER BY sequence DESC LIMIT $2",
            &[&incident_id, &limit],
            |row| {
                let name = parsed(row, "name", EventName::parse)?;
                let sequence = number(row, "sequence")?;
                entry(row, TimelineKind::Event { name, sequence })
            },
        )
        .await?;
    entries.reverse();
    let mut notes = connection
        .read_all(
            "SELECT at, actor, sentence FROM notes WHERE incident_id = $1 ORDER BY id DESC LIMIT $2",
            &[&incident_id, &limit],
            |row| entry(row, TimelineKind::Note(value(row, "sentence")?)),
        )
        .await?;
    notes.reverse();
    entries.append(&mut notes);
    entries.sort_by_key(|entry| entry.at);
    let surplus = entries.len().saturating_sub(MAX_TIMELINE as usize);
    entries.drain(..surplus);
    Ok(entries)
}

fn entry(row: &Row, kind: TimelineKind) -> StoreResult<TimelineEntry> {
    Ok(TimelineEntry {
        at: time(row, "at")?,
        actor: parsed(row, "actor", |text| Some(Actor::decode(text)))?,
        kind,
    })
}
