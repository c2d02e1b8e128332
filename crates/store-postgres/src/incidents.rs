//! Incidents: the contract, and reading them.

use async_trait::async_trait;
use tokio_postgres::Row;

use model::audit::{Actor, Change};
use model::event::EventName;
use model::id::{EventId, IncidentId};
use model::incident::Incident;
use model::incident_number::IncidentNumber;
use model::time::Timestamp;
use store::StoreResult;
use store::incidents::{
    Committed, IncidentEdit, IncidentFilter, Incidents, MAX_TIMELINE, StatusCounts, TimelineEntry,
    TimelineKind, TransitionRequest, Trigger,
};
use store::texts::findable;
use store::{Listed, Page};

use super::columns::{bytes, number, parsed, time, value};
use super::connection::Connection;
use super::database::Database;
use super::incident_edits;
use super::incident_lists;
use super::incident_numbers;
use super::incident_rows;
use super::transitions::Request;

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

    async fn add_note(&self, id: IncidentId, text: String, change: Change) -> StoreResult<()> {
        self.write((id, text, change), |context, (id, text, change)| {
            Box::pin(incident_edits::add_note(context, *id, text, change))
        })
        .await
    }

    async fn get(&self, id: IncidentId) -> StoreResult<Incident> {
        let connection = self.connection().await?;
        Ok(incident_rows::load(&connection, id).await?.incident)
    }

    async fn find(&self, number: IncidentNumber) -> StoreResult<IncidentId> {
        incident_numbers::find(&self.connection().await?, number).await
    }

    async fn list(&self, filter: IncidentFilter, page: Page) -> StoreResult<Listed<Incident>> {
        incident_lists::list(&self.connection().await?, &filter, page).await
    }

    async fn count(&self, filter: IncidentFilter) -> StoreResult<StatusCounts> {
        incident_lists::count(&self.connection().await?, &filter).await
    }

    async fn find_open(&self, dedup_key: String) -> StoreResult<Option<IncidentId>> {
        let connection = self.connection().await?;
        let keys: Vec<&str> = findable(&dedup_key).into_iter().collect();
        let open = incident_rows::load_open(&connection, &keys).await?;
        Ok(open.first().map(|incident| incident.id))
    }

    async fn timeline(&self, id: IncidentId) -> StoreResult<Vec<TimelineEntry>> {
        let mut connection = self.snapshot().await?;
        let entries = timeline(&connection, id).await?;
        connection.commit().await?;
        Ok(entries)
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
