//! What requests about incidents refer to.

use rusqlite::Connection;

use model::escalation::{EscalationPolicy, EscalationStep};
use model::id::{PolicyId, ServiceId, UserId};
use model::service::ServiceRef;
use model::time::Timestamp;
use model::user::UserRef;
use store::StoreError;
use store::StoreResult;
use store::incidents::ServiceKey;

use super::statements::{read_all, read_one};

/// A service, and its escalation policy.
pub fn service(connection: &Connection, key: &ServiceKey) -> StoreResult<(ServiceRef, Option<PolicyId>)> {
    let read = |row: &rusqlite::Row<'_>| {
        let service = ServiceRef {
            id: ServiceId::from_bytes(row.get(0)?),
            name: row.get(1)?,
        };
        Ok((
            service,
            row.get::<_, Option<[u8; 16]>>(2)?.map(PolicyId::from_bytes),
        ))
    };
    let found = match key {
        ServiceKey::Id(id) => read_one(
            connection,
            "SELECT id, name, policy_id FROM services WHERE id = ?1",
            [id.as_bytes()],
            read,
        ),
        ServiceKey::Name(name) => read_one(
            connection,
            "SELECT id, name, policy_id FROM services WHERE name = ?1",
            [name],
            read,
        ),
    };
    found?.ok_or(StoreError::UnknownReference { what: "service" })
}

/// The escalation policy of a service.
pub fn policy(connection: &Connection, id: Option<PolicyId>) -> StoreResult<Option<EscalationPolicy>> {
    let Some(id) = id else {
        return Ok(None);
    };
    let head = read_one(
        connection,
        "SELECT name, created_at FROM policies WHERE id = ?1",
        [id.as_bytes()],
        |row| Ok((row.get(0)?, Timestamp::from_millis(row.get(1)?))),
    )?;
    let Some((name, created_at)) = head else {
        return Ok(None);
    };
    let steps = read_all(
        connection,
        "SELECT step.wait_minutes, u.id, u.name
         FROM policy_steps step LEFT JOIN users u ON u.id = step.assignee_id
         WHERE step.policy_id = ?1 ORDER BY step.position",
        [id.as_bytes()],
        |row| {
            let user: Option<[u8; 16]> = row.get(1)?;
            let name: Option<String> = row.get(2)?;
            Ok(EscalationStep {
                wait_minutes: row.get(0)?,
                assignee: user.zip(name).map(|(id, name)| UserRef {
                    id: UserId::from_bytes(id),
                    name,
                }),
            })
        },
    )?;
    Ok(Some(EscalationPolicy {
        id,
        name,
        steps,
        created_at,
    }))
}
