//! Services.

use async_trait::async_trait;
use tokio_postgres::Row;

use model::audit::Change;
use model::id::{PolicyId, ServiceId};
use model::service::Service;
use store::Page;
use store::StoreError;
use store::StoreResult;
use store::catalog::Services;
use store::setting_changes;

use super::audit;
use super::columns::{bytes, optional_id, time, value};
use super::connection::{Connection, ConstraintRefusal};
use super::database::Database;

#[async_trait]
impl Services for Database {
    async fn create(&self, service: Service, change: Change) -> StoreResult<Service> {
        self.write((service, change), |context, (service, change)| {
            Box::pin(create(&context.connection, service, change))
        })
        .await
    }

    async fn list(&self, page: Page) -> StoreResult<Vec<Service>> {
        let (before, limit) = page.bounds();
        let sql = "SELECT id, name, description, policy_id, created_at FROM services
                   WHERE id < $1 ORDER BY id DESC LIMIT $2";
        let connection = self.connection().await?;
        connection
            .read_all(sql, &[&&before[..], &i64::from(limit)], service_from_row)
            .await
    }

    async fn get(&self, id: ServiceId) -> StoreResult<Service> {
        let sql = "SELECT id, name, description, policy_id, created_at FROM services WHERE id = $1";
        let connection = self.connection().await?;
        let found = connection
            .read_one(sql, &[&&id.as_bytes()[..]], service_from_row)
            .await?;
        found.ok_or(NOT_FOUND)
    }

    async fn update(&self, service: Service, change: Change) -> StoreResult<Service> {
        self.write((service, change), |context, (service, change)| {
            Box::pin(update(&context.connection, service, change))
        })
        .await
    }

    async fn delete(&self, id: ServiceId, change: Change) -> StoreResult<()> {
        self.write((id, change), |context, (id, change)| {
            Box::pin(delete(&context.connection, *id, change))
        })
        .await
    }
}

async fn create(connection: &Connection, service: &Service, change: &Change) -> StoreResult<Service> {
    connection
        .execute_or_refuse(
            "INSERT INTO services (id, name, description, policy_id, created_at) VALUES ($1, $2, $3, $4, $5)",
            &[
                &&service.id.as_bytes()[..],
                &service.name,
                &service.description,
                &service.policy_id.as_ref().map(|id| &id.as_bytes()[..]),
                &service.created_at.as_millis(),
            ],
            REFUSAL,
        )
        .await?;
    let detail = format!("created \"{}\"", service.name);
    audit::write(connection, change, "service.create", service.id, &detail).await?;
    Ok(service.clone())
}

/// The service, which nobody else changes or refers to anew until this transaction has ended.
async fn lock(connection: &Connection, id: ServiceId) -> StoreResult<Service> {
    let sql = "SELECT id, name, description, policy_id, created_at FROM services WHERE id = $1 FOR UPDATE";
    let found = connection
        .read_one(sql, &[&&id.as_bytes()[..]], service_from_row)
        .await?;
    found.ok_or(NOT_FOUND)
}

async fn update(connection: &Connection, service: &Service, change: &Change) -> StoreResult<Service> {
    let before = lock(connection, service.id).await?;
    let Some(detail) = setting_changes::of_service(&before, service) else {
        return Ok(before);
    };
    connection
        .execute_or_refuse(
            "UPDATE services SET name = $2, description = $3, policy_id = $4 WHERE id = $1",
            &[
                &&service.id.as_bytes()[..],
                &service.name,
                &service.description,
                &service.policy_id.as_ref().map(|id| &id.as_bytes()[..]),
            ],
            REFUSAL,
        )
        .await?;
    audit::write(connection, change, "service.update", service.id, &detail).await?;
    Ok(Service {
        created_at: before.created_at,
        ..service.clone()
    })
}

async fn delete(connection: &Connection, id: ServiceId, change: &Change) -> StoreResult<()> {
    let service = lock(connection, id).await?;
    let in_use = |used_by| StoreError::InUse {
        what: "service",
        used_by,
    };
    let by_incidents = "SELECT 1 FROM incidents WHERE service_id = $1 LIMIT 1";
    if connection.finds(by_incidents, &[&&id.as_bytes()[..]]).await? {
        return Err(in_use("incidents"));
    }
    let by_webhooks = "SELECT 1 FROM webhooks
         WHERE deleted_at IS NULL AND position(' ' || $1::text || ' ' IN ' ' || services || ' ') > 0 LIMIT 1";
    if connection.finds(by_webhooks, &[&id.to_string()]).await? {
        return Err(in_use("webhooks"));
    }
    let by_sources = "SELECT 1 FROM sources WHERE service_id = $1 LIMIT 1";
    if connection.finds(by_sources, &[&&id.as_bytes()[..]]).await? {
        return Err(in_use("alert sources"));
    }
    connection
        .execute("DELETE FROM services WHERE id = $1", &[&&id.as_bytes()[..]])
        .await?;
    let detail = format!("deleted \"{}\"", service.name);
    audit::write(connection, change, "service.delete", id, &detail).await
}

const NOT_FOUND: StoreError = StoreError::NotFound { what: "service" };

const REFUSAL: ConstraintRefusal = ConstraintRefusal {
    taken: StoreError::Taken {
        what: "service",
        field: "name",
    },
    unknown: StoreError::UnknownReference {
        what: "escalation policy",
    },
};

fn service_from_row(row: &Row) -> StoreResult<Service> {
    Ok(Service {
        id: ServiceId::from_bytes(bytes(row, "id")?),
        name: value(row, "name")?,
        description: value(row, "description")?,
        policy_id: optional_id(row, "policy_id")?.map(PolicyId::from_bytes),
        created_at: time(row, "created_at")?,
    })
}
