//! Counts for pages. Each is read along an index; what cannot be bounded by one is bounded by a number.

use std::collections::HashMap;

use async_trait::async_trait;
use tokio_postgres::Row;

use model::activity::Activity;
use model::id::{DeliveryId, IncidentId, ServiceId, WebhookId};
use model::incident::{Incident, IncidentStatus, Severity};
use model::insight::InsightDay;
use model::time::Timestamp;
use store::StoreResult;
use store::deliveries::COUNTED_AT_MOST;
use store::overview::{DeadGroup, OLDEST_SEARCHED, OpenIncidents, Overview, WebhookHealth, grouped_of_each};

use super::activity;
use super::columns::{
    bytes, degraded_from_row, number, optional_id, optional_time, parsed, state_from_row, time, value,
};
use super::connection::Connection;
use super::database::Database;
use super::delivery_rows::optional_failure_code;
use super::delivery_stats::{Counts, counts};
use super::incident_rows::{incident_from_row, select_incidents};
use super::insights;

/// How many of a webhook's latest deliveries are searched for those that were delivered.
const LATEST_SEARCHED: i64 = 100;

#[async_trait]
impl Overview for Database {
    async fn open_incidents(&self, at_most: Option<u32>) -> StoreResult<Vec<OpenIncidents>> {
        let sql = "SELECT rank.severity, rank.status, counted.count
                   FROM unnest($1::text[], $2::text[]) AS rank (status, severity)
                       CROSS JOIN LATERAL (
                           SELECT count(*) FROM (
                               SELECT 1 FROM incidents o
                               WHERE o.status <> 'resolved' AND o.status = rank.status AND o.severity = rank.severity
                               LIMIT $3) open) counted
                   WHERE counted.count > 0";
        let (statuses, severities) = open_ranks();
        let at_most = at_most.map(i64::from);
        let connection = self.connection().await?;
        connection
            .read_all(sql, &[&statuses, &severities, &at_most], |row| {
                Ok(OpenIncidents {
                    severity: parsed(row, "severity", Severity::parse)?,
                    status: parsed(row, "status", IncidentStatus::parse)?,
                    count: number(row, "count")?,
                })
            })
            .await
    }

    async fn open_by_service(&self) -> StoreResult<HashMap<ServiceId, u64>> {
        let sql = "SELECT service_id, count(*) AS count FROM incidents WHERE status <> 'resolved' GROUP BY service_id";
        let connection = self.connection().await?;
        let rows = connection
            .read_all(sql, &[], |row| {
                let id = ServiceId::from_bytes(bytes(row, "service_id")?);
                Ok((id, number(row, "count")?))
            })
            .await?;
        Ok(rows.into_iter().collect())
    }

    async fn most_urgent(&self, service_id: Option<ServiceId>, limit: u32) -> StoreResult<Vec<Incident>> {
        most_urgent(&self.connection().await?, service_id, limit).await
    }

    async fn activity_between(&self, since: Timestamp, until: Timestamp) -> StoreResult<Vec<Activity>> {
        activity::list(&self.connection().await?, since, until).await
    }

    async fn insight_days(
        &self,
        since: Timestamp,
        until: Timestamp,
        service_id: Option<ServiceId>,
    ) -> StoreResult<Vec<InsightDay>> {
        let mut connection = self.snapshot().await?;
        let days = insights::days(&connection, since, until, service_id).await?;
        connection.commit().await?;
        Ok(days)
    }

    async fn webhook_health(&self) -> StoreResult<HashMap<WebhookId, WebhookHealth>> {
        let mut connection = self.snapshot().await?;
        let health = webhook_health(&connection).await?;
        connection.commit().await?;
        Ok(health)
    }

    async fn dead_groups(&self) -> StoreResult<Vec<DeadGroup>> {
        let mut connection = self.snapshot().await?;
        let groups = dead_groups(&connection).await?;
        connection.commit().await?;
        Ok(groups)
    }

    async fn titles(&self, ids: Vec<IncidentId>) -> StoreResult<HashMap<IncidentId, String>> {
        let ids: Vec<&[u8]> = ids.iter().map(|id| &id.as_bytes()[..]).collect();
        let connection = self.connection().await?;
        let sql = "SELECT id, title FROM incidents WHERE id = ANY($1)";
        let rows = connection
            .read_all(sql, &[&ids], |row| {
                let id = IncidentId::from_bytes(bytes(row, "id")?);
                Ok((id, value(row, "title")?))
            })
            .await?;
        Ok(rows.into_iter().collect())
    }
}

async fn dead_groups(connection: &Connection) -> StoreResult<Vec<DeadGroup>> {
    let sql = "SELECT w.id FROM webhooks w
               WHERE EXISTS (SELECT 1 FROM deliveries d WHERE d.webhook_id = w.id AND d.state = 'dead' AND NOT d.is_test)";
    let webhooks: Vec<[u8; 16]> = connection.read_all(sql, &[], |row| bytes(row, "id")).await?;
    let share = i64::from(grouped_of_each(webhooks.len()));
    let ids: Vec<&[u8]> = webhooks.iter().map(|id| &id[..]).collect();
    let sql = "SELECT w.id, w.name, d.last_failure, count(*) AS count,
                   min(d.created_at) AS first, max(d.created_at) AS last,
                   sum(count(*)) OVER (PARTITION BY w.id) >= $1 AS is_cut
               FROM webhooks w CROSS JOIN LATERAL (
                   SELECT last_failure, created_at FROM deliveries
                   WHERE webhook_id = w.id AND state = 'dead' AND NOT is_test ORDER BY id DESC LIMIT $1) d
               WHERE w.id = ANY($2)
               GROUP BY w.id, d.last_failure ORDER BY count DESC, w.id, d.last_failure";
    connection
        .read_all(sql, &[&share, &ids], dead_group_from_row)
        .await
}

/// The index is walked rank by rank, so that of each no more is read than is shown.
async fn most_urgent(
    connection: &Connection,
    service_id: Option<ServiceId>,
    limit: u32,
) -> StoreResult<Vec<Incident>> {
    let sql = select_incidents!(
        "JOIN (
             SELECT urgent.id, rank.place
             FROM unnest($1::text[], $2::text[]) WITH ORDINALITY AS rank (status, severity, place)
                 CROSS JOIN LATERAL (
                     SELECT o.id FROM incidents o
                     WHERE o.status <> 'resolved' AND o.status = rank.status AND o.severity = rank.severity
                         AND ($3::bytea IS NULL OR o.service_id = $3)
                     ORDER BY o.id DESC LIMIT $4) urgent
             ORDER BY rank.place, urgent.id DESC LIMIT $4) shown ON shown.id = i.id
         ORDER BY shown.place, i.id DESC"
    );
    let (statuses, severities) = open_ranks();
    let service_id = service_id.as_ref().map(|id| &id.as_bytes()[..]);
    connection
        .read_all(
            sql,
            &[&statuses, &severities, &service_id, &i64::from(limit)],
            incident_from_row,
        )
        .await
}

/// The statuses of open incidents with each severity, in the order in which they are looked at.
fn open_ranks() -> (Vec<&'static str>, Vec<&'static str>) {
    let statuses = [IncidentStatus::Triggered, IncidentStatus::Acknowledged].into_iter();
    let with_severities = |status: IncidentStatus| {
        let severities = Severity::ALL.iter();
        severities.map(move |severity| (status.as_str(), severity.as_str()))
    };
    statuses.flat_map(with_severities).unzip()
}

async fn webhook_health(connection: &Connection) -> StoreResult<HashMap<WebhookId, WebhookHealth>> {
    let counts = counts(connection, Some(COUNTED_AT_MOST)).await?;
    let sql = "SELECT w.id, w.name, w.disabled_since, w.disabled_reason, w.degraded_since, w.degraded_code, w.degraded_detail,
                   (SELECT max(latest.finished_at)
                    FROM (SELECT state, finished_at, is_test FROM deliveries
                          WHERE webhook_id = w.id ORDER BY id DESC LIMIT $1) latest
                    WHERE latest.state = 'delivered' AND NOT latest.is_test) AS last_delivered_at,
                   (SELECT first.id FROM (SELECT id FROM deliveries
                                          WHERE webhook_id = w.id AND finished_at IS NULL AND state = 'scheduled'
                                          ORDER BY due_at, id LIMIT $2) first
                    ORDER BY first.id LIMIT 1) AS oldest_waiting
               FROM webhooks w WHERE w.deleted_at IS NULL";
    let health = connection
        .read_all(sql, &[&LATEST_SEARCHED, &i64::from(OLDEST_SEARCHED)], |row| {
            let id = WebhookId::from_bytes(bytes(row, "id")?);
            let counts = counts.get(&id).copied().unwrap_or_default();
            Ok((id, health_from_row(row, counts)?))
        })
        .await?;
    Ok(health.into_iter().collect())
}

fn health_from_row(row: &Row, counts: Counts) -> StoreResult<WebhookHealth> {
    Ok(WebhookHealth {
        name: value(row, "name")?,
        state: state_from_row(row)?,
        degraded: degraded_from_row(row)?,
        last_delivered_at: optional_time(row, "last_delivered_at")?,
        dead: counts.dead,
        scheduled: counts.scheduled,
        queued: counts.queued,
        oldest_waiting: optional_id(row, "oldest_waiting")?.map(DeliveryId::from_bytes),
    })
}

fn dead_group_from_row(row: &Row) -> StoreResult<DeadGroup> {
    Ok(DeadGroup {
        webhook_id: WebhookId::from_bytes(bytes(row, "id")?),
        webhook_name: value(row, "name")?,
        cause: optional_failure_code(row, "last_failure")?,
        count: number(row, "count")?,
        is_cut: value(row, "is_cut")?,
        made_between: (time(row, "first")?, time(row, "last")?),
    })
}
