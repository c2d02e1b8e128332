//! Incidents: the contract, and reading them.

use async_trait::async_trait;
use rusqlite::{Connection, Row};

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
use store::{Listed, Page};

use super::columns::unexpected;
use super::database::Database;
use super::incident_edits;
use super::incident_lists;
use super::incident_numbers;
use super::incident_rows;
use super::statements::{read_all, snapshot};
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

    async fn add_note(&self, id: IncidentId, text: String, change: Change) -> StoreResult<()> {
        self.write(move |context| incident_edits::add_note(context, id, &text, &change))
            .await
    }

    async fn get(&self, id: IncidentId) -> StoreResult<Incident> {
        self.read(move |connection| Ok(incident_rows::load(connection, id)?.incident))
            .await
    }

    async fn find(&self, number: IncidentNumber) -> StoreResult<IncidentId> {
        self.read(move |connection| incident_numbers::find(connection, number))
            .await
    }

    async fn list(&self, filter: IncidentFilter, page: Page) -> StoreResult<Listed<Incident>> {
        self.read(move |connection| incident_lists::list(connection, &filter, page))
            .await
    }

    async fn count(&self, filter: IncidentFilter) -> StoreResult<StatusCounts> {
        self.read(move |connection| incident_lists::count(&*snapshot(connection)?, &filter))
            .await
    }

    async fn find_open(&self, dedup_key: String) -> StoreResult<Option<IncidentId>> {
        self.read(move |connection| {
            let open = incident_rows::load_open(connection, &dedup_key)?;
            Ok(open.map(|incident| incident.id))
        })
        .await
    }

    async fn timeline(&self, id: IncidentId) -> StoreResult<Vec<TimelineEntry>> {
        self.read(move |connection| timeline(&*snapshot(connection)?, id))
            .await
    }
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
