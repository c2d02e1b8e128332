//! Alert sources. Their keys and secrets are sealed on the way in and opened on the way out.

use async_trait::async_trait;
use rusqlite::Connection;

use model::audit::Change;
use model::id::{IncidentId, SourceId};
use model::source::{Alert, MAX_SOURCE_REQUESTS, MAX_SOURCES, RequestResult, Source, SourceRequest};
use model::time::Timestamp;
use store::StoreError;
use store::StoreResult;
use store::operational::of_silence;
use store::seal::Sealer;
use store::sealed::{seal, source_place};
use store::setting_changes;
use store::sources::{Arrival, SourceEdit, Sources};

use super::audit;
use super::columns::time;
use super::database::Database;
use super::operational;
use super::refusals::{ConstraintRefusal, execute_or_refuse};
use super::source_arrivals;
use super::source_rows::{SealedSource, alert_from_row, millis, request_from_row, select_sources};
use super::statements::{execute, read_all, read_one};
use super::writer::WriteContext;

pub(super) const NOT_FOUND: StoreError = StoreError::NotFound { what: "alert source" };

#[async_trait]
impl Sources for Database {
    async fn create(&self, source: Source, change: Change) -> StoreResult<Source> {
        self.write(move |context| create(context, &source, &change)).await
    }

    async fn list(&self) -> StoreResult<Vec<Source>> {
        let sealer = self.sealer().clone();
        self.read(move |connection| list(connection, &sealer)).await
    }

    async fn get(&self, id: SourceId) -> StoreResult<Source> {
        let sealer = self.sealer().clone();
        self.read(move |connection| get(connection, &sealer, id)).await
    }

    async fn find(&self, key_hash: [u8; 32]) -> StoreResult<Source> {
        let sealer = self.sealer().clone();
        self.read(move |connection| {
            let sql = select_sources!("WHERE s.key_hash = ?1");
            let found = read_one(connection, sql, [key_hash], SealedSource::from_row)?;
            found.ok_or(NOT_FOUND)?.open(&sealer)
        })
        .await
    }

    async fn update(&self, id: SourceId, edit: SourceEdit, change: Change) -> StoreResult<Source> {
        self.write(move |context| update(context, id, &edit, &change))
            .await
    }

    async fn delete(&self, id: SourceId, change: Change) -> StoreResult<()> {
        self.write(move |context| delete(context.connection, id, &change))
            .await
    }

    async fn receive(&self, arrival: Arrival) -> StoreResult<RequestResult> {
        self.write(move |context| source_arrivals::receive(context, arrival))
            .await
    }

    async fn requests(&self, id: SourceId) -> StoreResult<Vec<SourceRequest>> {
        self.read(move |connection| {
            read_all(
                connection,
                "SELECT source_id, id, at, method, path, remote_address, body, body_truncated, status, result
                 FROM source_requests WHERE source_id = ?1 ORDER BY id DESC LIMIT ?2",
                (id.as_bytes(), MAX_SOURCE_REQUESTS),
                request_from_row,
            )
        })
        .await
    }

    async fn alerts(
        &self,
        id: SourceId,
        incident_id: Option<IncidentId>,
        limit: u32,
    ) -> StoreResult<Vec<Alert>> {
        self.read(move |connection| alerts(connection, id, incident_id, limit))
            .await
    }

    async fn due_alerts(&self, now: Timestamp, limit: u32) -> StoreResult<Vec<(SourceId, String)>> {
        self.read(move |connection| {
            read_all(
                connection,
                "SELECT source_id, key FROM source_alerts WHERE resolve_at IS NOT NULL AND resolve_at <= ?1
                 ORDER BY resolve_at LIMIT ?2",
                (now.as_millis(), limit),
                |row| Ok((SourceId::from_bytes(row.get(0)?), row.get(1)?)),
            )
        })
        .await
    }

    async fn tell_silent(&self, now: Timestamp, listening_since: Timestamp) -> StoreResult<u32> {
        let look = move |connection: &Connection| silent(connection, now, listening_since);
        match self.read(look).await?.is_empty() {
            true => Ok(0),
            false => {
                self.write(move |context| tell_silent(context, now, listening_since))
                    .await
            }
        }
    }
}

/// Those of which nobody has been told yet, with their names, and since when.
fn silent(
    connection: &Connection,
    now: Timestamp,
    listening_since: Timestamp,
) -> StoreResult<Vec<(SourceId, String, Timestamp)>> {
    read_all(
        connection,
        "SELECT id, name, coalesce(last_request_at, created_at) AS since FROM sources
         WHERE is_enabled = 1 AND max(coalesce(last_request_at, created_at), ?2) + silent_after_ms <= ?1
             AND coalesce(silence_told_at, 0) <= coalesce(last_request_at, created_at)
         ORDER BY id",
        (now.as_millis(), listening_since.as_millis()),
        |row| {
            let id = SourceId::from_bytes(row.get("id")?);
            Ok((id, row.get("name")?, time(row, "since")?))
        },
    )
}

fn tell_silent(
    context: &mut WriteContext<'_>,
    now: Timestamp,
    listening_since: Timestamp,
) -> StoreResult<u32> {
    let mut told = 0;
    for (id, name, since) in silent(context.connection, now, listening_since)? {
        let sql = "UPDATE sources SET silence_told_at = ?2 WHERE id = ?1";
        execute(context.connection, sql, (id.as_bytes(), now.as_millis()))?;
        operational::note(context, &of_silence(id, &name, since, now))?;
        told += 1;
    }
    Ok(told)
}

fn create(context: &WriteContext<'_>, source: &Source, change: &Change) -> StoreResult<Source> {
    let connection = context.connection;
    let count = read_one(connection, "SELECT count(*) FROM sources", (), |row| {
        row.get::<_, u32>(0)
    })?;
    if count.unwrap_or(0) >= MAX_SOURCES {
        let sentence = format!("there are {MAX_SOURCES} alert sources already; delete one first");
        return Err(StoreError::Conflict(sentence));
    }
    execute_or_refuse(
        connection,
        "INSERT INTO sources (id, service_id, kind, name, key, key_hash, secret, options, storm_max_alerts,
             storm_window_ms, flap_max_changes, flap_window_ms, silent_after_ms, is_enabled, created_at)
         VALUES (?1, ?2, ?3, '-', X'', ?4, NULL, '{}', 1, 1, 1, 1, NULL, 1, ?5)",
        (
            source.id.as_bytes(),
            source.service.id.as_bytes(),
            source.kind.as_str(),
            Source::key_hash(source.key.reveal()),
            source.created_at.as_millis(),
        ),
        REFUSAL,
    )?;
    write_settings(context, source)?;
    let detail = format!("created \"{}\"", source.settings.name);
    audit::write(connection, change, "source.create", source.id, &detail)?;
    get(connection, context.sealer, source.id)
}

fn list(connection: &Connection, sealer: &Sealer) -> StoreResult<Vec<Source>> {
    let sql = select_sources!("ORDER BY s.id DESC LIMIT ?1");
    let rows = read_all(connection, sql, [MAX_SOURCES], SealedSource::from_row)?;
    rows.into_iter().map(|row| row.open(sealer)).collect()
}

pub(super) fn get(connection: &Connection, sealer: &Sealer, id: SourceId) -> StoreResult<Source> {
    let sql = select_sources!("WHERE s.id = ?1");
    let found = read_one(connection, sql, [id.as_bytes()], SealedSource::from_row)?;
    found.ok_or(NOT_FOUND)?.open(sealer)
}

fn update(
    context: &WriteContext<'_>,
    id: SourceId,
    edit: &SourceEdit,
    change: &Change,
) -> StoreResult<Source> {
    let before = get(context.connection, context.sealer, id)?;
    let Some((after, detail)) = setting_changes::of_source(&before, edit) else {
        return Ok(before);
    };
    write_settings(context, &after)?;
    audit::write(context.connection, change, "source.update", id, &detail)?;
    Ok(after)
}

/// Writes what people set, whole.
fn write_settings(context: &WriteContext<'_>, source: &Source) -> StoreResult<()> {
    let settings = &source.settings;
    let place = |field| source_place(source.id, field);
    let secret = source.secret.as_ref();
    execute_or_refuse(
        context.connection,
        "UPDATE sources SET name = ?2, key = ?3, key_hash = ?4, secret = ?5, options = ?6, storm_max_alerts = ?7,
             storm_window_ms = ?8, flap_max_changes = ?9, flap_window_ms = ?10, silent_after_ms = ?11,
             is_enabled = ?12
         WHERE id = ?1",
        (
            source.id.as_bytes(),
            &settings.name,
            seal(context.sealer, &place("key"), source.key.reveal()),
            Source::key_hash(source.key.reveal()),
            secret.map(|secret| seal(context.sealer, &place("secret"), secret.reveal())),
            serde_json::to_string(&settings.options).unwrap_or_default(),
            settings.storm.max_alerts,
            millis(settings.storm.window),
            settings.flapping.max_changes,
            millis(settings.flapping.window),
            settings.silent_after.map(millis),
            settings.is_enabled,
        ),
        REFUSAL,
    )
}

fn delete(connection: &Connection, id: SourceId, change: &Change) -> StoreResult<()> {
    let name: Option<String> = read_one(
        connection,
        "DELETE FROM sources WHERE id = ?1 RETURNING name",
        [id.as_bytes()],
        |row| row.get(0),
    )?;
    let detail = format!("deleted \"{}\"", name.ok_or(NOT_FOUND)?);
    audit::write(connection, change, "source.delete", id, &detail)
}

fn alerts(
    connection: &Connection,
    id: SourceId,
    incident_id: Option<IncidentId>,
    limit: u32,
) -> StoreResult<Vec<Alert>> {
    match incident_id {
        Some(incident_id) => read_all(
            connection,
            "SELECT * FROM source_alerts WHERE incident_id = ?2 AND source_id = ?1
             ORDER BY last_at DESC, key LIMIT ?3",
            (id.as_bytes(), incident_id.as_bytes(), limit),
            alert_from_row,
        ),
        None => read_all(
            connection,
            "SELECT * FROM source_alerts WHERE source_id = ?1 ORDER BY last_at DESC, key LIMIT ?2",
            (id.as_bytes(), limit),
            alert_from_row,
        ),
    }
}

/// Keys are made of random letters: one that is taken is a bug.
const REFUSAL: ConstraintRefusal = ConstraintRefusal {
    taken: StoreError::Taken {
        what: "alert source",
        field: "key",
    },
    unknown: StoreError::UnknownReference { what: "service" },
};
