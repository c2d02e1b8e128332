//! Sources, their alerts and the requests that came to them, as rows.

use std::time::Duration;

use bytes::Bytes;
use tokio_postgres::Row;

use model::id::{IncidentId, ServiceId, SourceId, SourceRequestId};
use model::incident::Severity;
use model::secret::SecretText;
use model::service::ServiceRef;
use model::source::{
    Alert, FlapDamping, MAX_SOURCE_REQUESTS, RequestResult, Source, SourceRequest, SourceSettings,
    StormControl,
};
use model::source_kind::SourceKind;
use model::time::Timestamp;
use store::StoreResult;
use store::seal::Sealer;
use store::sealed::{open, source_place};
use store::source_plan::StormState;
use store::texts::{plain, plain_json};

use super::columns::{bytes, number, optional_id, optional_number, optional_time, parsed, time, value};
use super::connection::Connection;
use super::sources::NOT_FOUND;
use super::writer::WriteContext;

/// What [`SealedSource::from_row`] reads.
macro_rules! select_sources {
    ($rest:literal) => {
        concat!(
            "SELECT s.id, s.service_id, v.name AS service_name, s.kind, s.name, s.key, s.secret, s.options, ",
            "s.storm_max_alerts, s.storm_window_ms, s.flap_max_changes, s.flap_window_ms, s.silent_after_ms, ",
            "s.is_enabled, s.created_at, s.last_request_at ",
            "FROM sources s JOIN services v ON v.id = s.service_id ",
            $rest
        )
    };
}
pub(super) use select_sources;

/// A source whose key and secret are still sealed.
pub struct SealedSource {
    id: SourceId,
    service: ServiceRef,
    kind: SourceKind,
    settings: SourceSettings,
    created_at: Timestamp,
    last_request_at: Option<Timestamp>,
    key: Vec<u8>,
    secret: Option<Vec<u8>>,
}

impl SealedSource {
    /// A row as [`select_sources`] reads it.
    pub fn from_row(row: &Row) -> StoreResult<Self> {
        Ok(Self {
            id: SourceId::from_bytes(bytes(row, "id")?),
            service: ServiceRef {
                id: ServiceId::from_bytes(bytes(row, "service_id")?),
                name: value(row, "service_name")?,
            },
            kind: parsed(row, "kind", SourceKind::parse)?,
            settings: SourceSettings {
                name: value(row, "name")?,
                options: parsed(row, "options", |json| serde_json::from_str(json).ok())?,
                storm: StormControl {
                    max_alerts: number(row, "storm_max_alerts")?,
                    window: Duration::from_millis(number(row, "storm_window_ms")?),
                },
                flapping: FlapDamping {
                    max_changes: number(row, "flap_max_changes")?,
                    window: Duration::from_millis(number(row, "flap_window_ms")?),
                },
                silent_after: optional_number(row, "silent_after_ms")?.map(Duration::from_millis),
                is_enabled: value(row, "is_enabled")?,
            },
            created_at: time(row, "created_at")?,
            last_request_at: optional_time(row, "last_request_at")?,
            key: value(row, "key")?,
            secret: value(row, "secret")?,
        })
    }

    /// The source with its key and secret.
    pub fn open(self, sealer: &Sealer) -> StoreResult<Source> {
        let key = open(sealer, &source_place(self.id, "key"), &self.key)?;
        let place = source_place(self.id, "secret");
        let opened = |sealed: Vec<u8>| open(sealer, &place, &sealed);
        let secret: Option<SecretText> = self.secret.map(opened).transpose()?;
        Ok(Source {
            id: self.id,
            service: self.service,
            kind: self.kind,
            settings: self.settings,
            key,
            secret,
            created_at: self.created_at,
            last_request_at: self.last_request_at,
        })
    }
}

/// Locks a source, so that nobody else takes in anything for it until this transaction has ended, and reads it.
pub async fn lock_source(context: &WriteContext, id: SourceId) -> StoreResult<Source> {
    let (connection, id) = (&context.connection, &id.as_bytes()[..]);
    // The lock comes first: a row that is waited for is not what its service was joined to.
    let lock = "SELECT 1 FROM sources WHERE id = $1 FOR NO KEY UPDATE";
    connection.read_one(lock, &[&id], |_| Ok(())).await?;
    let sql = select_sources!("WHERE s.id = $1");
    let found = connection.read_one(sql, &[&id], SealedSource::from_row).await?;
    found.ok_or(NOT_FOUND)?.open(context.sealer())
}

/// Reads the storm of a source.
pub async fn load_storm(connection: &Connection, id: SourceId) -> StoreResult<StormState> {
    let sql = "SELECT window_at, window_count, storm_until, storm_incident_id, storm_count, storm_titles FROM sources
         WHERE id = $1";
    let storm = connection
        .read_one(sql, &[&&id.as_bytes()[..]], |row| {
            Ok(StormState {
                window_at: optional_time(row, "window_at")?,
                window_count: number(row, "window_count")?,
                until: optional_time(row, "storm_until")?,
                incident_id: optional_id(row, "storm_incident_id")?.map(IncidentId::from_bytes),
                count: number(row, "storm_count")?,
                titles: parsed(row, "storm_titles", |json| serde_json::from_str(json).ok())?,
            })
        })
        .await;
    storm.map(Option::unwrap_or_default)
}

/// Writes the storm of a source.
pub async fn write_storm(connection: &Connection, id: SourceId, storm: &StormState) -> StoreResult<()> {
    let titles = serde_json::to_string(&storm.titles).unwrap_or_default();
    connection
        .execute(
            "UPDATE sources SET window_at = $2, window_count = $3, storm_until = $4, storm_incident_id = $5,
                 storm_count = $6, storm_titles = $7
             WHERE id = $1",
            &[
                &&id.as_bytes()[..],
                &storm.window_at.map(Timestamp::as_millis),
                &i64::from(storm.window_count),
                &storm.until.map(Timestamp::as_millis),
                &storm.incident_id.as_ref().map(|id| &id.as_bytes()[..]),
                &i64::from(storm.count),
                &plain_json(&titles),
            ],
        )
        .await
        .map(|_| ())
}

/// Reads those alerts that are known.
pub async fn load_alerts(connection: &Connection, id: SourceId, keys: &[&str]) -> StoreResult<Vec<Alert>> {
    if keys.is_empty() {
        return Ok(Vec::new());
    }
    let sql = "SELECT * FROM source_alerts WHERE source_id = $1 AND key = ANY($2::text[])";
    connection
        .read_all(sql, &[&&id.as_bytes()[..], &keys], alert_from_row)
        .await
}

/// Writes alerts, new or changed.
pub async fn write_alerts(connection: &Connection, id: SourceId, alerts: &[Alert]) -> StoreResult<()> {
    if alerts.is_empty() {
        return Ok(());
    }
    fn column<'a, T>(alerts: &'a [Alert], read: impl Fn(&'a Alert) -> T) -> Vec<T> {
        alerts.iter().map(read).collect()
    }
    connection
        .execute(
            "INSERT INTO source_alerts (source_id, key, title, severity, incident_id, is_in_storm, is_firing, count,
                 first_at, last_at, changes, changes_at, is_flapping, resolve_at, is_quiet, started_at)
             SELECT $1::bytea, new.* FROM unnest($2::text[], $3::text[], $4::text[], $5::bytea[], $6::boolean[],
                 $7::boolean[], $8::bigint[], $9::bigint[], $10::bigint[], $11::bigint[], $12::bigint[], $13::boolean[],
                 $14::bigint[], $15::boolean[], $16::bigint[]) AS new
             ON CONFLICT (source_id, key) DO UPDATE SET title = excluded.title, severity = excluded.severity,
                 incident_id = excluded.incident_id, is_in_storm = excluded.is_in_storm,
                 is_firing = excluded.is_firing, count = excluded.count, first_at = excluded.first_at,
                 last_at = excluded.last_at, changes = excluded.changes, changes_at = excluded.changes_at,
                 is_flapping = excluded.is_flapping, resolve_at = excluded.resolve_at,
                 is_quiet = excluded.is_quiet, started_at = excluded.started_at",
            &[
                &&id.as_bytes()[..],
                &column(alerts, |alert| alert.key.as_str()),
                &column(alerts, |alert| plain(&alert.title)),
                &column(alerts, |alert| alert.severity.as_str()),
                &column(alerts, |alert| &alert.incident_id.as_bytes()[..]),
                &column(alerts, |alert| alert.is_in_storm),
                &column(alerts, |alert| alert.is_firing),
                &column(alerts, |alert| i64::from(alert.count)),
                &column(alerts, |alert| alert.first_at.as_millis()),
                &column(alerts, |alert| alert.last_at.as_millis()),
                &column(alerts, |alert| i64::from(alert.changes)),
                &column(alerts, |alert| alert.changes_at.as_millis()),
                &column(alerts, |alert| alert.is_flapping),
                &column(alerts, |alert| alert.resolve_at.map(Timestamp::as_millis)),
                &column(alerts, |alert| alert.is_quiet),
                &column(alerts, |alert| alert.started_at.map(Timestamp::as_millis)),
            ],
        )
        .await
        .map(|_| ())
}

/// An alert.
pub fn alert_from_row(row: &Row) -> StoreResult<Alert> {
    Ok(Alert {
        key: value(row, "key")?,
        title: value(row, "title")?,
        severity: parsed(row, "severity", Severity::parse)?,
        incident_id: IncidentId::from_bytes(bytes(row, "incident_id")?),
        is_in_storm: value(row, "is_in_storm")?,
        is_firing: value(row, "is_firing")?,
        count: number(row, "count")?,
        first_at: time(row, "first_at")?,
        last_at: time(row, "last_at")?,
        changes: number(row, "changes")?,
        changes_at: time(row, "changes_at")?,
        is_flapping: value(row, "is_flapping")?,
        is_quiet: value(row, "is_quiet")?,
        started_at: optional_time(row, "started_at")?,
        resolve_at: optional_time(row, "resolve_at")?,
    })
}

/// How many alerts of incidents fire.
pub async fn count_firing(
    connection: &Connection,
    incident_ids: &[IncidentId],
) -> StoreResult<Vec<(IncidentId, u32)>> {
    if incident_ids.is_empty() {
        return Ok(Vec::new());
    }
    let ids: Vec<&[u8]> = incident_ids.iter().map(|id| &id.as_bytes()[..]).collect();
    let sql = "SELECT incident_id, count(*) AS count FROM source_alerts
               WHERE incident_id = ANY($1::bytea[]) AND is_firing GROUP BY incident_id";
    connection
        .read_all(sql, &[&ids], |row| {
            let id = IncidentId::from_bytes(bytes(row, "incident_id")?);
            Ok((id, number(row, "count")?))
        })
        .await
}

/// Keeps a request and lets the oldest beyond [`MAX_SOURCE_REQUESTS`] go.
pub async fn insert_request(connection: &Connection, request: &SourceRequest) -> StoreResult<()> {
    let result = serde_json::to_string(&request.result).unwrap_or_default();
    connection
        .execute(
            "INSERT INTO source_requests (source_id, id, at, method, path, remote_address, body, body_truncated, status,
                 result)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
            &[
                &&request.source_id.as_bytes()[..],
                &&request.id.as_bytes()[..],
                &request.at.as_millis(),
                &plain(&request.method),
                &plain(&request.path),
                &request.remote_address,
                &&request.body[..],
                &request.body_is_truncated,
                &i64::from(request.status),
                &plain_json(&result),
            ],
        )
        .await?;
    let sql = "DELETE FROM source_requests WHERE source_id = $1
         AND id <= (SELECT id FROM source_requests WHERE source_id = $1 ORDER BY id DESC LIMIT 1 OFFSET $2)";
    let id = &request.source_id.as_bytes()[..];
    connection
        .execute(sql, &[&id, &i64::from(MAX_SOURCE_REQUESTS)])
        .await
        .map(|_| ())
}

/// A request.
pub fn request_from_row(row: &Row) -> StoreResult<SourceRequest> {
    let result: RequestResult = parsed(row, "result", |json| serde_json::from_str(json).ok())?;
    Ok(SourceRequest {
        id: SourceRequestId::from_bytes(bytes(row, "id")?),
        source_id: SourceId::from_bytes(bytes(row, "source_id")?),
        at: time(row, "at")?,
        method: value(row, "method")?,
        path: value(row, "path")?,
        remote_address: value(row, "remote_address")?,
        body: Bytes::from(value::<Vec<u8>>(row, "body")?),
        body_is_truncated: value(row, "body_truncated")?,
        status: number(row, "status")?,
        result,
    })
}

/// A span of time as its column has it.
pub fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}
