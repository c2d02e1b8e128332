//! Services.

use async_trait::async_trait;
use rusqlite::{Connection, Row};

use model::audit::Change;
use model::id::{PolicyId, ServiceId};
use model::service::Service;
use store::Page;
use store::StoreError;
use store::StoreResult;
use store::catalog::Services;
use store::setting_changes;

use super::audit;
use super::columns::{id_bytes, time};
use super::database::Database;
use super::refusals::{ConstraintRefusal, execute_or_refuse};
use super::statements::{execute, read_all, read_one};

#[async_trait]
impl Services for Database {
    async fn create(&self, service: Service, change: Change) -> StoreResult<Service> {
        self.write(move |context| create(context.connection, service, &change))
            .await
    }

    async fn list(&self, page: Page) -> StoreResult<Vec<Service>> {
        self.read(move |connection| list(connection, page)).await
    }

    async fn get(&self, id: ServiceId) -> StoreResult<Service> {
        self.read(move |connection| get(connection, id)).await
    }

    async fn update(&self, service: Service, change: Change) -> StoreResult<Service> {
        self.write(move |context| update(context.connection, service, &change))
            .await
    }

    async fn delete(&self, id: ServiceId, change: Change) -> StoreResult<()> {
        self.write(move |context| delete(context.connection, id, &change))
            .await
    }
}

fn create(connection: &Connection, service: Service, change: &Change) -> StoreResult<Service> {
    execute_or_refuse(
        connection,
        "INSERT INTO services (id, name, description, policy_id, created_at) VALUES (?1, ?2, ?3, ?4, ?5)",
        (
            service.id.as_bytes(),
            &service.name,
            &service.description,
            service.policy_id.as_ref().map(PolicyId::as_bytes),
            service.created_at.as_millis(),
        ),
        REFUSAL,
    )?;
    let detail = format!("created \"{}\"", service.name);
    audit::write(connection, change, "service.create", service.id, &detail)?;
    Ok(service)
}

fn list(connection: &Connection, page: Page) -> StoreResult<Vec<Service>> {
    read_all(
        connection,
        "SELECT id, name, description, policy_id, created_at FROM services
         WHERE id < ?1 ORDER BY id DESC LIMIT ?2",
        page.bounds(),
        service_from_row,
    )
}

fn get(connection: &Connection, id: ServiceId) -> StoreResult<Service> {
    read_one(
        connection,
        "SELECT id, name, description, policy_id, created_at FROM services WHERE id = ?1",
        [id.as_bytes()],
        service_from_row,
    )?
    .ok_or(StoreError::NotFound { what: "service" })
}

fn update(connection: &Connection, service: Service, change: &Change) -> StoreResult<Service> {
    let before = get(connection, service.id)?;
    let Some(detail) = setting_changes::of_service(&before, &service) else {
        return Ok(before);
    };
    execute_or_refuse(
        connection,
        "UPDATE services SET name = ?2, description = ?3, policy_id = ?4 WHERE id = ?1",
        (
            service.id.as_bytes(),
            &service.name,
            &service.description,
            service.policy_id.as_ref().map(PolicyId::as_bytes),
        ),
        REFUSAL,
    )?;
    audit::write(connection, change, "service.update", service.id, &detail)?;
    Ok(Service {
        created_at: before.created_at,
        ..service
    })
}

fn delete(connection: &Connection, id: ServiceId, change: &Change) -> StoreResult<()> {
    let service = get(connection, id)?;
    let in_use = |used_by| StoreError::InUse {
        what: "service",
        used_by,
    };
    if has_incidents(connection, id)? {
        return Err(in_use("incidents"));
    }
    if is_named_by_webhooks(connection, id)? {
        return Err(in_use("webhooks"));
    }
    if has_sources(connection, id)? {
        return Err(in_use("alert sources"));
    }
    execute(connection, "DELETE FROM services WHERE id = ?1", [id.as_bytes()])?;
    let detail = format!("deleted \"{}\"", service.name);
    audit::write(connection, change, "service.delete", id, &detail)
}

fn has_incidents(connection: &Connection, id: ServiceId) -> StoreResult<bool> {
    let found = read_one(
        connection,
        "SELECT 1 FROM incidents WHERE service_id = ?1 LIMIT 1",
        [id.as_bytes()],
        |_| Ok(()),
    );
    found.map(|row| row.is_some())
}

fn has_sources(connection: &Connection, id: ServiceId) -> StoreResult<bool> {
    let sql = "SELECT 1 FROM sources WHERE service_id = ?1 LIMIT 1";
    read_one(connection, sql, [id.as_bytes()], |_| Ok(())).map(|row| row.is_some())
}

fn is_named_by_webhooks(connection: &Connection, id: ServiceId) -> StoreResult<bool> {
    let found = read_one(
        connection,
        "SELECT 1 FROM webhooks
         WHERE deleted_at IS NULL AND instr(' ' || services || ' ', ' ' || ?1 || ' ') > 0 LIMIT 1",
        [id.to_string()],
        |_| Ok(()),
    );
    found.map(|row| row.is_some())
}

const REFUSAL: ConstraintRefusal = ConstraintRefusal {
    taken: StoreError::Taken {
        what: "service",
        field: "name",
    },
    unknown: StoreError::UnknownReference {
        what: "escalation policy",
    },
};

fn service_from_row(row: &Row<'_>) -> rusqlite::Result<Service> {
    Ok(Service {
        id: ServiceId::from_bytes(id_bytes(row, "id")?),
        name: row.get("name")?,
        description: row.get("description")?,
        policy_id: row
            .get::<_, Option<[u8; 16]>>("policy_id")?
            .map(PolicyId::from_bytes),
        created_at: time(row, "created_at")?,
    })
}
