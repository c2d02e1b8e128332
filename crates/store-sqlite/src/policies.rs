//! Escalation policies. Their steps are replaced as a whole.

use async_trait::async_trait;
use rusqlite::{Connection, Row};

use model::audit::Change;
use model::escalation::{EscalationPolicy, EscalationStep, MAX_STEPS};
use model::id::{PolicyId, UserId};
use model::user::UserRef;
use store::Page;
use store::StoreError;
use store::StoreResult;
use store::catalog::Policies;
use store::setting_changes;

use super::audit;
use super::columns::{id_bytes, time, unexpected};
use super::database::Database;
use super::refusals::{ConstraintRefusal, execute_or_refuse};
use super::statements::{execute, read_all, read_one};

#[async_trait]
impl Policies for Database {
    async fn create(&self, policy: EscalationPolicy, change: Change) -> StoreResult<EscalationPolicy> {
        self.write(move |context| create(context.connection, &policy, &change))
            .await
    }

    async fn list(&self, page: Page) -> StoreResult<Vec<EscalationPolicy>> {
        self.read(move |connection| list(connection, page)).await
    }

    async fn get(&self, id: PolicyId) -> StoreResult<EscalationPolicy> {
        self.read(move |connection| get(connection, id)).await
    }

    async fn update(&self, policy: EscalationPolicy, change: Change) -> StoreResult<EscalationPolicy> {
        self.write(move |context| update(context.connection, &policy, &change))
            .await
    }

    async fn delete(&self, id: PolicyId, change: Change) -> StoreResult<()> {
        self.write(move |context| delete(context.connection, id, &change))
            .await
    }
}

fn create(
    connection: &Connection,
    policy: &EscalationPolicy,
    change: &Change,
) -> StoreResult<EscalationPolicy> {
    execute_or_refuse(
        connection,
        "INSERT INTO policies (id, name, created_at) VALUES (?1, ?2, ?3)",
        (policy.id.as_bytes(), &policy.name, policy.created_at.as_millis()),
        REFUSAL,
    )?;
    insert_steps(connection, policy)?;
    let detail = format!("created \"{}\"", policy.name);
    audit::write(connection, change, "policy.create", policy.id, &detail)?;
    get(connection, policy.id)
}

fn list(connection: &Connection, page: Page) -> StoreResult<Vec<EscalationPolicy>> {
    let policies = read_all(
        connection,
        "SELECT id, name, created_at FROM policies WHERE id < ?1 ORDER BY id DESC LIMIT ?2",
        page.bounds(),
        policy_from_row,
    )?;
    policies
        .into_iter()
        .map(|policy| with_steps(connection, policy))
        .collect()
}

/// One policy with its steps.
pub fn get(connection: &Connection, id: PolicyId) -> StoreResult<EscalationPolicy> {
    let policy = read_one(
        connection,
        "SELECT id, name, created_at FROM policies WHERE id = ?1",
        [id.as_bytes()],
        policy_from_row,
    )?
    .ok_or(StoreError::NotFound {
        what: "escalation policy",
    })?;
    with_steps(connection, policy)
}

fn update(
    connection: &Connection,
    policy: &EscalationPolicy,
    change: &Change,
) -> StoreResult<EscalationPolicy> {
    let before = get(connection, policy.id)?;
    let Some(detail) = setting_changes::of_policy(&before, policy) else {
        return Ok(before);
    };
    execute_or_refuse(
        connection,
        "UPDATE policies SET name = ?2 WHERE id = ?1",
        (policy.id.as_bytes(), &policy.name),
        REFUSAL,
    )?;
    execute(
        connection,
        "DELETE FROM policy_steps WHERE policy_id = ?1",
        [policy.id.as_bytes()],
    )?;
    insert_steps(connection, policy)?;
    audit::write(connection, change, "policy.update", policy.id, &detail)?;
    get(connection, policy.id)
}

fn delete(connection: &Connection, id: PolicyId, change: &Change) -> StoreResult<()> {
    let policy = get(connection, id)?;
    let used = read_one(
        connection,
        "SELECT 1 FROM services WHERE policy_id = ?1 LIMIT 1",
        [id.as_bytes()],
        |_| Ok(()),
    );
    if used?.is_some() {
        return Err(StoreError::InUse {
            what: "escalation policy",
            used_by: "services",
        });
    }
    execute(connection, "DELETE FROM policies WHERE id = ?1", [id.as_bytes()])?;
    let detail = format!("deleted \"{}\"", policy.name);
    audit::write(connection, change, "policy.delete", id, &detail)
}

fn insert_steps(connection: &Connection, policy: &EscalationPolicy) -> StoreResult<()> {
    for (position, (wait_minutes, assignee_id)) in setting_changes::steps(policy).into_iter().enumerate() {
        execute_or_refuse(
            connection,
            "INSERT INTO policy_steps (policy_id, position, wait_minutes, assignee_id) VALUES (?1, ?2, ?3, ?4)",
            (
                policy.id.as_bytes(),
                i64::try_from(position).unwrap_or(i64::MAX),
                wait_minutes,
                assignee_id.as_ref().map(UserId::as_bytes),
            ),
            REFUSAL,
        )?;
    }
    Ok(())
}

fn with_steps(connection: &Connection, mut policy: EscalationPolicy) -> StoreResult<EscalationPolicy> {
    policy.steps = read_all(
        connection,
        "SELECT s.wait_minutes, s.assignee_id, u.name AS assignee_name
         FROM policy_steps s LEFT JOIN users u ON u.id = s.assignee_id
         WHERE s.policy_id = ?1 ORDER BY s.position LIMIT ?2",
        (policy.id.as_bytes(), i64::try_from(MAX_STEPS).unwrap_or(i64::MAX)),
        step_from_row,
    )?;
    Ok(policy)
}

/// Of a policy's references only the assignees can lead nowhere.
const REFUSAL: ConstraintRefusal = ConstraintRefusal {
    taken: StoreError::Taken {
        what: "escalation policy",
        field: "name",
    },
    unknown: StoreError::UnknownReference { what: "user" },
};

fn policy_from_row(row: &Row<'_>) -> rusqlite::Result<EscalationPolicy> {
    Ok(EscalationPolicy {
        id: PolicyId::from_bytes(id_bytes(row, "id")?),
        name: row.get("name")?,
        steps: Vec::new(),
        created_at: time(row, "created_at")?,
    })
}

fn step_from_row(row: &Row<'_>) -> rusqlite::Result<EscalationStep> {
    let assignee_id: Option<[u8; 16]> = row.get("assignee_id")?;
    let assignee_name: Option<String> = row.get("assignee_name")?;
    let assignee = match (assignee_id, assignee_name) {
        (Some(id), Some(name)) => Some(UserRef {
            id: UserId::from_bytes(id),
            name,
        }),
        (None, None) => None,
        (Some(_), None) | (None, Some(_)) => return Err(unexpected("assignee of a step")),
    };
    Ok(EscalationStep {
        wait_minutes: row.get("wait_minutes")?,
        assignee,
    })
}
