//! Alert sources. Their keys and secrets are sealed on the way in and opened on the way out.

use async_trait::async_trait;

use model::audit::Change;
use model::id::{IncidentId, SourceId};
use model::source::{Alert, MAX_SOURCE_REQUESTS, MAX_SOURCES, RequestResult, Source, SourceRequest};
use model::time::Timestamp;
use store::StoreError;
use store::StoreResult;
use store::operational::of_silence;
use store::sealed::{seal, source_place};
use store::setting_changes;
use store::sources::{Arrival, SourceEdit, Sources};

use super::audit;
use super::columns::{bytes, number, time, value};
use super::connection::{Connection, ConstraintRefusal, Params};
use super::database::Database;
use super::operational;
use super::source_arrivals;
use super::source_rows::{
    SealedSource, alert_from_row, lock_source, millis, request_from_row, select_sources,
};
use super::writer::WriteContext;

pub(super) const NOT_FOUND: StoreError = StoreError::NotFound { what: "alert source" };

#[async_trait]
impl Sources for Database {
    async fn create(&self, source: Source, change: Change) -> StoreResult<Source> {
        self.write((source, change), |context, (source, change)| {
            Box::pin(create(context, source, change))
        })
        .await
    }

    async fn list(&self) -> StoreResult<Vec<Source>> {
        let sql = select_sources!("ORDER BY s.id DESC LIMIT $1");
        let connection = self.connection().await?;
        let rows = connection
            .read_all(sql, &[&i64::from(MAX_SOURCES)], SealedSource::from_row)
            .await?;
        rows.into_iter().map(|row| row.open(self.sealer())).collect()
    }

    async fn get(&self, id: SourceId) -> StoreResult<Source> {
        let sql = select_sources!("WHERE s.id = $1");
        let connection = self.connection().await?;
        let found = connection
            .read_one(sql, &[&&id.as_bytes()[..]], SealedSource::from_row)
            .await?;
        found.ok_or(NOT_FOUND)?.open(self.sealer())
    }

    async fn find(&self, key_hash: [u8; 32]) -> StoreResult<Source> {
        let sql = select_sources!("WHERE s.key_hash = $1");
        let connection = self.connection().await?;
        let found = connection
            .read_one(sql, &[&&key_hash[..]], SealedSource::from_row)
            .await?;
        found.ok_or(NOT_FOUND)?.open(self.sealer())
    }

    async fn update(&self, id: SourceId, edit: SourceEdit, change: Change) -> StoreResult<Source> {
        self.write((id, edit, change), |context, (id, edit, change)| {
            Box::pin(update(context, *id, edit, change))
        })
        .await
    }

    async fn delete(&self, id: SourceId, change: Change) -> StoreResult<()> {
        self.write((id, change), |context, (id, change)| {
            Box::pin(delete(&context.connection, *id, change))
        })
        .await
    }

    async fn receive(&self, arrival: Arrival) -> StoreResult<RequestResult> {
        let turn = self.source_turns().of(arrival.source_id);
        let _turn = turn.lock().await;
        self.write(arrival, |context, arrival| {
            Box::pin(source_arrivals::receive(context, arrival))
        })
        .await
    }

    async fn requests(&self, id: SourceId) -> StoreResult<Vec<SourceRequest>> {
        let sql =
            "SELECT source_id, id, at, method, path, remote_address, body, body_truncated, status, result
             FROM source_requests WHERE source_id = $1 ORDER BY id DESC LIMIT $2";
        let connection = self.connection().await?;
        connection
            .read_all(
                sql,
                &[&&id.as_bytes()[..], &i64::from(MAX_SOURCE_REQUESTS)],
                request_from_row,
            )
            .await
    }

    async fn alerts(
        &self,
        id: SourceId,
        incident_id: Option<IncidentId>,
        limit: u32,
    ) -> StoreResult<Vec<Alert>> {
        let connection = self.connection().await?;
        let (id, limit) = (&id.as_bytes()[..], i64::from(limit));
        match &incident_id {
            Some(incident_id) => {
                let sql = "SELECT * FROM source_alerts WHERE incident_id = $2 AND source_id = $1
                           ORDER BY last_at DESC, key LIMIT $3";
                let incident_id = &incident_id.as_bytes()[..];
                connection
                    .read_all(sql, &[&id, &incident_id, &limit], alert_from_row)
                    .await
            }
            None => {
                let sql =
                    "SELECT * FROM source_alerts WHERE source_id = $1 ORDER BY last_at DESC, key LIMIT $2";
                connection.read_all(sql, &[&id, &limit], alert_from_row).await
            }
        }
    }

    async fn due_alerts(&self, now: Timestamp, limit: u32) -> StoreResult<Vec<(SourceId, String)>> {
        let sql = "SELECT source_id, key FROM source_alerts WHERE resolve_at IS NOT NULL AND resolve_at <= $1
             ORDER BY resolve_at LIMIT $2";
        let connection = self.connection().await?;
        connection
            .read_all(sql, &[&now.as_millis(), &i64::from(limit)], |row| {
                Ok((SourceId::from_bytes(bytes(row, "source_id")?), value(row, "key")?))
            })
            .await
    }

    async fn tell_silent(&self, now: Timestamp, listening_since: Timestamp) -> StoreResult<u32> {
        let silent = silent(&self.connection().await?, (now, listening_since), "").await?;
        match silent.is_empty() {
            true => Ok(0),
            false => {
                self.write((now, listening_since), |context, times| {
                    Box::pin(tell_silent(context, *times))
                })
                .await
            }
        }
    }
}

/// Those of which nobody has been told yet, with their names, and since when.
async fn silent(
    connection: &Connection,
    (now, listening_since): (Timestamp, Timestamp),
    lock: &str,
) -> StoreResult<Vec<(SourceId, String, Timestamp)>> {
    let sql = format!(
        "SELECT id, name, coalesce(last_request_at, created_at) AS since FROM sources
         WHERE is_enabled AND greatest(coalesce(last_request_at, created_at), $2) + silent_after_ms <= $1
             AND coalesce(silence_told_at, 0) <= coalesce(last_request_at, created_at)
         ORDER BY id {lock}"
    );
    connection
        .read_all(&sql, &[&now.as_millis(), &listening_since.as_millis()], |row| {
            let id = SourceId::from_bytes(bytes(row, "id")?);
            Ok((id, value(row, "name")?, time(row, "since")?))
        })
        .await
}

async fn tell_silent(context: &mut WriteContext, times: (Timestamp, Timestamp)) -> StoreResult<u32> {
    let (now, _) = times;
    let mut told = 0;
    for (id, name, since) in silent(&context.connection, times, "FOR UPDATE").await? {
        let sql = "UPDATE sources SET silence_told_at = $2 WHERE id = $1";
        let values: Params<'_> = &[&&id.as_bytes()[..], &now.as_millis()];
        context.connection.execute(sql, values).await?;
        operational::note(context, &of_silence(id, &name, since, now)).await?;
        told += 1;
    }
    Ok(told)
}

async fn create(context: &mut WriteContext, source: &Source, change: &Change) -> StoreResult<Source> {
    let connection = &context.connection;
    // Two nodes that count at the same time would both find room for one more.
    connection
        .execute("LOCK TABLE sources IN SHARE ROW EXCLUSIVE MODE", &[])
        .await?;
    let count = connection
        .read_one("SELECT count(*) AS count FROM sources", &[], |row| {
            number::<u32>(row, "count")
        })
        .await?;
    if count.unwrap_or(0) >= MAX_SOURCES {
        let sentence = format!("there are {MAX_SOURCES} alert sources already; delete one first");
        return Err(StoreError::Conflict(sentence));
    }
    connection
        .execute_or_refuse(
            "INSERT INTO sources (id, service_id, kind, name, key, key_hash, secret, options, storm_max_alerts,
                 storm_window_ms, flap_max_changes, flap_window_ms, silent_after_ms, is_enabled, created_at)
             VALUES ($1, $2, $3, '-', '', $4, NULL, '{}', 1, 1, 1, 1, NULL, TRUE, $5)",
            &[
                &&source.id.as_bytes()[..],
                &&source.service.id.as_bytes()[..],
                &source.kind.as_str(),
                &&Source::key_hash(source.key.reveal())[..],
                &source.created_at.as_millis(),
            ],
            REFUSAL,
        )
        .await?;
    write_settings(context, source).await?;
    let detail = format!("created \"{}\"", source.settings.name);
    audit::write(&context.connection, change, "source.create", source.id, &detail).await?;
    lock_source(context, source.id).await
}

async fn update(
    context: &mut WriteContext,
    id: SourceId,
    edit: &SourceEdit,
    change: &Change,
) -> StoreResult<Source> {
    let before = lock_source(context, id).await?;
    let Some((after, detail)) = setting_changes::of_source(&before, edit) else {
        return Ok(before);
    };
    write_settings(context, &after).await?;
    audit::write(&context.connection, change, "source.update", id, &detail).await?;
    Ok(after)
}

/// Writes what people set, whole.
async fn write_settings(context: &WriteContext, source: &Source) -> StoreResult<()> {
    let (settings, sealer) = (&source.settings, context.sealer());
    let place = |field| source_place(source.id, field);
    let secret = source.secret.as_ref();
    let sealed_secret = secret.map(|secret| seal(sealer, &place("secret"), secret.reveal()));
    context
        .connection
        .execute_or_refuse(
            "UPDATE sources SET name = $2, key = $3, key_hash = $4, secret = $5, options = $6, storm_max_alerts = $7,
                 storm_window_ms = $8, flap_max_changes = $9, flap_window_ms = $10, silent_after_ms = $11,
                 is_enabled = $12
             WHERE id = $1",
            &[
                &&source.id.as_bytes()[..],
                &settings.name,
                &seal(sealer, &place("key"), source.key.reveal()),
                &&Source::key_hash(source.key.reveal())[..],
                &sealed_secret,
                &serde_json::to_string(&settings.options).unwrap_or_default(),
                &i64::from(settings.storm.max_alerts),
                &millis(settings.storm.window),
                &i64::from(settings.flapping.max_changes),
                &millis(settings.flapping.window),
                &settings.silent_after.map(millis),
                &settings.is_enabled,
            ],
            REFUSAL,
        )
        .await
}

async fn delete(connection: &Connection, id: SourceId, change: &Change) -> StoreResult<()> {
    let sql = "DELETE FROM sources WHERE id = $1 RETURNING name";
    let name: Option<String> = connection
        .read_one(sql, &[&&id.as_bytes()[..]], |row| value(row, "name"))
        .await?;
    let detail = format!("deleted \"{}\"", name.ok_or(NOT_FOUND)?);
    audit::write(connection, change, "source.delete", id, &detail).await
}

/// Keys are made of random letters: one that is taken is a bug.
const REFUSAL: ConstraintRefusal = ConstraintRefusal {
    taken: StoreError::Taken {
        what: "alert source",
        field: "key",
    },
    unknown: StoreError::UnknownReference { what: "service" },
};
