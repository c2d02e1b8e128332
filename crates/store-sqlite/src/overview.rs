//! Counts for pages. Each is read along an index; what cannot be bounded by one is bounded by a number.

use std::cmp::Reverse;
use std::collections::HashMap;

use async_trait::async_trait;
use rusqlite::{Connection, Row};

use model::activity::Activity;
use model::id::{DeliveryId, IncidentId, ServiceId, WebhookId};
use model::incident::{Incident, IncidentStatus, Severity};
use model::insight::InsightDay;
use model::time::Timestamp;
use store::StoreResult;
use store::deliveries::COUNTED_AT_MOST;
use store::overview::{DeadGroup, OLDEST_SEARCHED, OpenIncidents, Overview, WebhookHealth, grouped_of_each};

use super::activity;
use super::columns::{degraded_from_row, id_bytes, state_from_row};
use super::database::Database;
use super::delivery_rows::parse_failure_code;
use super::delivery_stats::{count_dead, count_open};
use super::incident_rows;
use super::insights;
use super::statements::{read_all, read_one, row_limit, snapshot};

/// How many of a webhook's latest deliveries are searched for those that were delivered.
const LATEST_SEARCHED: u32 = 100;

/// The statuses of open incidents, in the order in which they are looked at.
const OPEN: [IncidentStatus; 2] = [IncidentStatus::Triggered, IncidentStatus::Acknowledged];

#[async_trait]
impl Overview for Database {
    async fn open_incidents(&self, at_most: Option<u32>) -> StoreResult<Vec<OpenIncidents>> {
        self.read(move |connection| open_incidents(&*snapshot(connection)?, at_most))
            .await
    }

    async fn open_by_service(&self) -> StoreResult<HashMap<ServiceId, u64>> {
        self.read(open_by_service).await
    }

    async fn most_urgent(&self, service_id: Option<ServiceId>, limit: u32) -> StoreResult<Vec<Incident>> {
        self.read(move |connection| {
            let snapshot = snapshot(connection)?;
            most_urgent(&snapshot, service_id, limit)
        })
        .await
    }

    async fn activity_between(&self, since: Timestamp, until: Timestamp) -> StoreResult<Vec<Activity>> {
        self.read(move |connection| activity::list(connection, since, until))
            .await
    }

    async fn insight_days(
        &self,
        since: Timestamp,
        until: Timestamp,
        service_id: Option<ServiceId>,
    ) -> StoreResult<Vec<InsightDay>> {
        // A long period reads many of them: one such walk at a time leaves readers for everybody else.
        self.read_long(move |connection| insights::days(connection, since, until, service_id))
            .await
    }

    async fn webhook_health(&self) -> StoreResult<HashMap<WebhookId, WebhookHealth>> {
        self.read(|connection| {
            let snapshot = snapshot(connection)?;
            webhook_health(&snapshot)
        })
        .await
    }

    async fn dead_groups(&self) -> StoreResult<Vec<DeadGroup>> {
        // It reads an entry of an index for each dead delivery.
        self.read_long(|connection| {
            let snapshot = snapshot(connection)?;
            dead_groups(&snapshot)
        })
        .await
    }

    async fn titles(&self, ids: Vec<IncidentId>) -> StoreResult<HashMap<IncidentId, String>> {
        self.read(move |connection| titles(connection, &ids)).await
    }
}

fn open_incidents(connection: &Connection, at_most: Option<u32>) -> StoreResult<Vec<OpenIncidents>> {
    let mut open = Vec::new();
    for status in OPEN {
        for severity in Severity::ALL {
            let count: Option<i64> = read_one(
                connection,
                "SELECT count(*) FROM (SELECT 1 FROM incidents INDEXED BY incidents_open_rank
                                       WHERE status <> 'resolved' AND status = ?1 AND severity = ?2 LIMIT ?3)",
                (status.as_str(), severity.as_str(), row_limit(at_most)),
                |row| row.get(0),
            )?;
            open.push(OpenIncidents {
                severity: *severity,
                status,
                count: count.unwrap_or(0).unsigned_abs(),
            });
        }
    }
    open.retain(|open| open.count > 0);
    Ok(open)
}

fn open_by_service(connection: &Connection) -> StoreResult<HashMap<ServiceId, u64>> {
    let rows = read_all(
        connection,
        "SELECT service_id, count(*) FROM incidents INDEXED BY incidents_open_rank
         WHERE status <> 'resolved' GROUP BY service_id",
        (),
        |row| {
            Ok((
                ServiceId::from_bytes(row.get(0)?),
                row.get::<_, i64>(1)?.unsigned_abs(),
            ))
        },
    )?;
    Ok(rows.into_iter().collect())
}

/// The index is walked rank by rank, so that no more of it is read than is shown, and of one service no more than is open.
fn most_urgent(
    connection: &Connection,
    service_id: Option<ServiceId>,
    limit: u32,
) -> StoreResult<Vec<Incident>> {
    let limit = limit as usize;
    let mut ids = Vec::new();
    for status in OPEN {
        for severity in Severity::ALL {
            let room = u32::try_from(limit - ids.len()).unwrap_or(u32::MAX);
            ids.extend(read_all(
                connection,
                "SELECT id FROM incidents INDEXED BY incidents_open_rank
                 WHERE status <> 'resolved' AND status = ?1 AND severity = ?2 AND (?3 IS NULL OR service_id = ?3)
                 ORDER BY id DESC LIMIT ?4",
                (
                    status.as_str(),
                    severity.as_str(),
                    service_id.as_ref().map(ServiceId::as_bytes),
                    room,
                ),
                |row| row.get(0).map(IncidentId::from_bytes),
            )?);
        }
    }
    ids.into_iter()
        .map(|id| Ok(incident_rows::load(connection, id)?.incident))
        .collect()
}

fn webhook_health(connection: &Connection) -> StoreResult<HashMap<WebhookId, WebhookHealth>> {
    let webhooks = read_all(
        connection,
        "SELECT id, name, disabled_since, disabled_reason, degraded_since, degraded_code, degraded_detail
         FROM webhooks WHERE deleted_at IS NULL",
        (),
        |row| {
            let health = WebhookHealth {
                name: row.get("name")?,
                state: state_from_row(row)?,
                degraded: degraded_from_row(row)?,
                last_delivered_at: None,
                dead: 0,
                scheduled: 0,
                queued: 0,
                oldest_waiting: None,
            };
            Ok((WebhookId::from_bytes(id_bytes(row, "id")?), health))
        },
    )?;
    webhooks
        .into_iter()
        .map(|(id, health)| Ok((id, count_of(connection, id, health)?)))
        .collect()
}

fn count_of(connection: &Connection, id: WebhookId, health: WebhookHealth) -> StoreResult<WebhookHealth> {
    let last_delivered_at: Option<Option<i64>> = read_one(
        connection,
        "SELECT max(finished_at)
         FROM (SELECT state, finished_at, is_test FROM deliveries INDEXED BY deliveries_webhook
               WHERE webhook_id = ?1 ORDER BY id DESC LIMIT ?2)
         WHERE state = 'delivered' AND is_test = 0",
        (id.as_bytes(), LATEST_SEARCHED),
        |row| row.get(0),
    )?;
    Ok(WebhookHealth {
        last_delivered_at: last_delivered_at.flatten().map(Timestamp::from_millis),
        dead: count_dead(connection, id, Some(COUNTED_AT_MOST))?,
        scheduled: count_open(connection, id, "scheduled", Some(COUNTED_AT_MOST))?,
        queued: count_open(connection, id, "queued", Some(COUNTED_AT_MOST))?,
        oldest_waiting: oldest_waiting(connection, id)?,
        ..health
    })
}

fn oldest_waiting(connection: &Connection, id: WebhookId) -> StoreResult<Option<DeliveryId>> {
    let oldest: Option<Option<[u8; 16]>> = read_one(
        connection,
        "SELECT min(id) FROM (SELECT id FROM deliveries INDEXED BY deliveries_open
                              WHERE webhook_id = ?1 AND state = 'scheduled' AND finished_at IS NULL
                              ORDER BY due_at LIMIT ?2)",
        (id.as_bytes(), OLDEST_SEARCHED),
        |row| row.get(0),
    )?;
    Ok(oldest.flatten().map(DeliveryId::from_bytes))
}

fn dead_groups(connection: &Connection) -> StoreResult<Vec<DeadGroup>> {
    let webhooks = read_all(
        connection,
        "SELECT w.id, w.name FROM webhooks w
         WHERE EXISTS (SELECT 1 FROM deliveries d INDEXED BY deliveries_dead_causes
                       WHERE d.webhook_id = w.id AND d.state = 'dead' AND d.is_test = 0)
         ORDER BY w.id",
        (),
        |row| Ok((WebhookId::from_bytes(row.get(0)?), row.get::<_, String>(1)?)),
    )?;
    let share = grouped_of_each(webhooks.len());
    let mut groups = Vec::new();
    for (id, name) in webhooks {
        groups.extend(dead_groups_of(connection, id, &name, share)?);
    }
    groups.sort_by_key(|group| Reverse(group.count));
    Ok(groups)
}

fn dead_groups_of(
    connection: &Connection,
    id: WebhookId,
    name: &str,
    at_most: u32,
) -> StoreResult<Vec<DeadGroup>> {
    let from_row = |row: &Row<'_>| {
        let cause: Option<String> = row.get(0)?;
        Ok(DeadGroup {
            webhook_id: id,
            webhook_name: name.to_owned(),
            cause: cause.as_deref().map(parse_failure_code).transpose()?,
            count: row.get::<_, i64>(1)?.unsigned_abs(),
            is_cut: false,
            made_between: (
                Timestamp::from_millis(row.get(2)?),
                Timestamp::from_millis(row.get(3)?),
            ),
        })
    };
    let mut groups = read_all(
        connection,
        "SELECT last_failure, count(*), min(created_at), max(created_at)
         FROM (SELECT last_failure, created_at FROM deliveries INDEXED BY deliveries_dead_causes
               WHERE webhook_id = ?1 AND state = 'dead' AND is_test = 0 ORDER BY id DESC LIMIT ?2)
         GROUP BY last_failure",
        (id.as_bytes(), at_most),
        from_row,
    )?;
    let is_cut = groups.iter().map(|group| group.count).sum::<u64>() >= u64::from(at_most);
    groups.iter_mut().for_each(|group| group.is_cut = is_cut);
    Ok(groups)
}

fn titles(connection: &Connection, ids: &[IncidentId]) -> StoreResult<HashMap<IncidentId, String>> {
    let mut titles = HashMap::with_capacity(ids.len());
    for id in ids {
        let title = read_one(
            connection,
            "SELECT title FROM incidents WHERE id = ?1",
            [id.as_bytes()],
            |row| row.get(0),
        )?;
        titles.extend(title.map(|title| (*id, title)));
    }
    Ok(titles)
}
