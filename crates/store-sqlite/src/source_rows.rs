//! Sources, their alerts and the requests that came to them, as rows.

use std::time::Duration;

use bytes::Bytes;
use rusqlite::{Connection, Result, Row};

use model::id::{IncidentId, ServiceId, SourceId, SourceRequestId};
use model::incident::{IncidentStatus, Severity};
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

use super::columns::{id_bytes, optional_time, parsed, time, unexpected};
use super::statements::{execute, read_one};

/// What [`SealedSource::from_row`] reads. `CROSS JOIN` keeps sources the outer table.
macro_rules! select_sources {
    ($rest:literal) => {
        concat!(
            "SELECT s.id, s.service_id, v.name AS service_name, s.kind, s.name, s.key, s.secret, s.options, ",
            "s.storm_max_alerts, s.storm_window_ms, s.flap_max_changes, s.flap_window_ms, s.silent_after_ms, ",
            "s.is_enabled, s.created_at, s.last_request_at ",
            "FROM sources s CROSS JOIN services v ON v.id = s.service_id ",
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
    pub fn from_row(row: &Row<'_>) -> Result<Self> {
        Ok(Self {
            id: SourceId::from_bytes(id_bytes(row, "id")?),
            service: ServiceRef {
                id: ServiceId::from_bytes(id_bytes(row, "service_id")?),
                name: row.get("service_name")?,
            },
            kind: parsed(row, "kind", SourceKind::parse)?,
            settings: SourceSettings {
                name: row.get("name")?,
                options: parsed(row, "options", |json| serde_json::from_str(json).ok())?,
                storm: StormControl {
                    max_alerts: row.get("storm_max_alerts")?,
                    window: span(row.get("storm_window_ms")?),
                },
                flapping: FlapDamping {
                    max_changes: row.get("flap_max_changes")?,
                    window: span(row.get("flap_window_ms")?),
                },
                silent_after: row.get::<_, Option<u32>>("silent_after_ms")?.map(span),
                is_enabled: row.get("is_enabled")?,
            },
            created_at: time(row, "created_at")?,
            last_request_at: optional_time(row, "last_request_at")?,
            key: row.get("key")?,
            secret: row.get("secret")?,
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

/// Reads the storm of a source.
pub fn load_storm(connection: &Connection, id: SourceId) -> StoreResult<StormState> {
    let storm = read_one(
        connection,
        "SELECT window_at, window_count, storm_until, storm_incident_id, storm_count, storm_titles FROM sources
         WHERE id = ?1",
        [id.as_bytes()],
        |row| {
            let incident_id: Option<[u8; 16]> = row.get("storm_incident_id")?;
            Ok(StormState {
                window_at: optional_time(row, "window_at")?,
                window_count: row.get("window_count")?,
                until: optional_time(row, "storm_until")?,
                incident_id: incident_id.map(IncidentId::from_bytes),
                count: row.get("storm_count")?,
                titles: parsed(row, "storm_titles", |json| serde_json::from_str(json).ok())?,
            })
        },
    );
    storm.map(Option::unwrap_or_default)
}

/// Writes the storm of a source.
pub fn write_storm(connection: &Connection, id: SourceId, storm: &StormState) -> StoreResult<()> {
    execute(
        connection,
        "UPDATE sources SET window_at = ?2, window_count = ?3, storm_until = ?4, storm_incident_id = ?5, storm_count = ?6,
             storm_titles = ?7
         WHERE id = ?1",
        (
            id.as_bytes(),
            storm.window_at.map(Timestamp::as_millis),
            storm.window_count,
            storm.until.map(Timestamp::as_millis),
            storm.incident_id.as_ref().map(IncidentId::as_bytes),
            storm.count,
            serde_json::to_string(&storm.titles).unwrap_or_default(),
        ),
    )
    .map(|_| ())
}

/// Reads one alert.
pub fn load_alert(connection: &Connection, id: SourceId, key: &str) -> StoreResult<Option<Alert>> {
    let sql = "SELECT * FROM source_alerts WHERE source_id = ?1 AND key = ?2";
    read_one(connection, sql, (id.as_bytes(), key), alert_from_row)
}

/// Writes an alert, new or changed.
pub fn write_alert(connection: &Connection, id: SourceId, alert: &Alert) -> StoreResult<()> {
    execute(
        connection,
        "INSERT INTO source_alerts (source_id, key, title, severity, incident_id, is_in_storm, is_firing, count, first_at,
             last_at, changes, changes_at, is_flapping, resolve_at, is_quiet, started_at)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16)
         ON CONFLICT (source_id, key) DO UPDATE SET title = excluded.title, severity = excluded.severity,
             incident_id = excluded.incident_id, is_in_storm = excluded.is_in_storm, is_firing = excluded.is_firing,
             count = excluded.count, first_at = excluded.first_at, last_at = excluded.last_at,
             changes = excluded.changes, changes_at = excluded.changes_at, is_flapping = excluded.is_flapping,
             resolve_at = excluded.resolve_at, is_quiet = excluded.is_quiet, started_at = excluded.started_at",
        (
            id.as_bytes(),
            &alert.key,
            &alert.title,
            alert.severity.as_str(),
            alert.incident_id.as_bytes(),
            alert.is_in_storm,
            alert.is_firing,
            alert.count,
            alert.first_at.as_millis(),
            alert.last_at.as_millis(),
            alert.changes,
            alert.changes_at.as_millis(),
            alert.is_flapping,
            alert.resolve_at.map(Timestamp::as_millis),
            alert.is_quiet,
            alert.started_at.map(Timestamp::as_millis),
        ),
    )
    .map(|_| ())
}

/// An alert.
pub fn alert_from_row(row: &Row<'_>) -> Result<Alert> {
    Ok(Alert {
        key: row.get("key")?,
        title: row.get("title")?,
        severity: parsed(row, "severity", Severity::parse)?,
        incident_id: IncidentId::from_bytes(id_bytes(row, "incident_id")?),
        is_in_storm: row.get("is_in_storm")?,
        is_firing: row.get("is_firing")?,
        count: row.get("count")?,
        first_at: time(row, "first_at")?,
        last_at: time(row, "last_at")?,
        changes: row.get("changes")?,
        changes_at: time(row, "changes_at")?,
        is_flapping: row.get("is_flapping")?,
        is_quiet: row.get("is_quiet")?,
        started_at: optional_time(row, "started_at")?,
        resolve_at: optional_time(row, "resolve_at")?,
    })
}

/// How many alerts of an incident fire.
pub fn count_firing(connection: &Connection, incident_id: IncidentId) -> StoreResult<u32> {
    let sql = "SELECT count(*) FROM source_alerts WHERE incident_id = ?1 AND is_firing = 1";
    read_one(connection, sql, [incident_id.as_bytes()], |row| row.get(0)).map(Option::unwrap_or_default)
}

/// The status of an incident, if it is there.
pub fn load_status(connection: &Connection, id: IncidentId) -> StoreResult<Option<IncidentStatus>> {
    read_one(
        connection,
        "SELECT status FROM incidents WHERE id = ?1",
        [id.as_bytes()],
        |row| parsed(row, "status", IncidentStatus::parse),
    )
}

/// Keeps a request and lets the oldest beyond [`MAX_SOURCE_REQUESTS`] go.
pub fn insert_request(connection: &Connection, request: &SourceRequest) -> StoreResult<()> {
    execute(
        connection,
        "INSERT INTO source_requests (source_id, id, at, method, path, remote_address, body, body_truncated, status, result)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
        (
            request.source_id.as_bytes(),
            request.id.as_bytes(),
            request.at.as_millis(),
            &request.method,
            &request.path,
            &request.remote_address,
            &request.body[..],
            request.body_is_truncated,
            request.status,
            serde_json::to_string(&request.result).unwrap_or_default(),
        ),
    )?;
    execute(
        connection,
        "DELETE FROM source_requests WHERE source_id = ?1
             AND id <= (SELECT id FROM source_requests WHERE source_id = ?1 ORDER BY id DESC LIMIT 1 OFFSET ?2)",
        (request.source_id.as_bytes(), MAX_SOURCE_REQUESTS),
    )
    .map(|_| ())
}

/// A request.
pub fn request_from_row(row: &Row<'_>) -> Result<SourceRequest> {
    let result: RequestResult = parsed(row, "result", |json| serde_json::from_str(json).ok())
        .map_err(|_| unexpected("result of a request"))?;
    Ok(SourceRequest {
        id: SourceRequestId::from_bytes(id_bytes(row, "id")?),
        source_id: SourceId::from_bytes(id_bytes(row, "source_id")?),
        at: time(row, "at")?,
        method: row.get("method")?,
        path: row.get("path")?,
        remote_address: row.get("remote_address")?,
        body: Bytes::from(row.get::<_, Vec<u8>>("body")?),
        body_is_truncated: row.get("body_truncated")?,
        status: row.get("status")?,
        result,
    })
}

fn span(millis: u32) -> Duration {
    Duration::from_millis(u64::from(millis))
}

/// A span of time as its column has it.
pub fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}
