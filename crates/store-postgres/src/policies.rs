//! Escalation policies. Their steps are replaced as a whole.

use async_trait::async_trait;
use tokio_postgres::Row;

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
use super::columns::{bytes, number, optional_id, time, unexpected, value};
use super::connection::{Connection, ConstraintRefusal};
use super::database::Database;

#[async_trait]
impl Policies for Database {
    async fn create(&self, policy: EscalationPolicy, change: Change) -> StoreResult<EscalationPolicy> {
        self.write((policy, change), |context, (policy, change)| {
            Box::pin(create(&context.connection, policy, change))
        })
        .await
    }

    async fn list(&self, page: Page) -> StoreResult<Vec<EscalationPolicy>> {
        let mut snapshot = self.snapshot().await?;
        let policies = list(&snapshot, page).await?;
        snapshot.commit().await?;
        Ok(policies)
    }

    async fn get(&self, id: PolicyId) -> StoreResult<EscalationPolicy> {
        let mut snapshot = self.snapshot().await?;
        let policy = get(&snapshot, id).await?;
        snapshot.commit().await?;
        Ok(policy)
    }

    async fn update(&self, policy: EscalationPolicy, change: Change) -> StoreResult<EscalationPolicy> {
        self.write((policy, change), |context, (policy, change)| {
            Box::pin(update(&context.connection, policy, change))
        })
        .await
    }

    async fn delete(&self, id: PolicyId, change: Change) -> StoreResult<()> {
        self.write((id, change), |context, (id, change)| {
            Box::pin(delete(&context.connection, *id, change))
        })
        .await
    }
}

async fn create(
    connection: &Connection,
    policy: &EscalationPolicy,
    change: &Change,
) -> StoreResult<EscalationPolicy> {
    connection
        .execute_or_refuse(
            "INSERT INTO policies (id, name, created_at) VALUES ($1, $2, $3)",
            &[
                &&policy.id.as_bytes()[..],
                &policy.name,
                &policy.created_at.as_millis(),
            ],
            REFUSAL,
        )
        .await?;
    insert_steps(connection, policy).await?;
    let detail = format!("created \"{}\"", policy.name);
    audit::write(connection, change, "policy.create", policy.id, &detail).await?;
    get(connection, policy.id).await
}

async fn list(connection: &Connection, page: Page) -> StoreResult<Vec<EscalationPolicy>> {
    let (before, limit) = page.bounds();
    let sql = "SELECT id, name, created_at FROM policies WHERE id < $1 ORDER BY id DESC LIMIT $2";
    let mut policies = connection
        .read_all(sql, &[&&before[..], &i64::from(limit)], policy_from_row)
        .await?;
    for policy in &mut policies {
        policy.steps = steps(connection, policy.id).await?;
    }
    Ok(policies)
}

/// One policy with its steps.
pub async fn get(connection: &Connection, id: PolicyId) -> StoreResult<EscalationPolicy> {
    let sql = "SELECT id, name, created_at FROM policies WHERE id = $1";
    let found = connection
        .read_one(sql, &[&&id.as_bytes()[..]], policy_from_row)
        .await?;
    let mut policy = found.ok_or(NOT_FOUND)?;
    policy.steps = steps(connection, id).await?;
    Ok(policy)
}

/// One policy, which nobody else changes or refers to anew until this transaction has ended.
async fn lock(connection: &Connection, id: PolicyId) -> StoreResult<EscalationPolicy> {
    let sql = "SELECT 1 FROM policies WHERE id = $1 FOR UPDATE";
    connection.finds(sql, &[&&id.as_bytes()[..]]).await?;
    get(connection, id).await
}

async fn update(
    connection: &Connection,
    policy: &EscalationPolicy,
    change: &Change,
) -> StoreResult<EscalationPolicy> {
    let before = lock(connection, policy.id).await?;
    let Some(detail) = setting_changes::of_policy(&before, policy) else {
        return Ok(before);
    };
    let id = &policy.id.as_bytes()[..];
    let sql = "UPDATE policies SET name = $2 WHERE id = $1";
    connection
        .execute_or_refuse(sql, &[&id, &policy.name], REFUSAL)
        .await?;
    connection
        .execute("DELETE FROM policy_steps WHERE policy_id = $1", &[&id])
        .await?;
    insert_steps(connection, policy).await?;
    audit::write(connection, change, "policy.update", policy.id, &detail).await?;
    get(connection, policy.id).await
}

async fn delete(connection: &Connection, id: PolicyId, change: &Change) -> StoreResult<()> {
    let policy = lock(connection, id).await?;
    let by_services = "SELECT 1 FROM services WHERE policy_id = $1 LIMIT 1";
    if connection.finds(by_services, &[&&id.as_bytes()[..]]).await? {
        return Err(StoreError::InUse {
            what: "escalation policy",
            used_by: "services",
        });
    }
    connection
        .execute("DELETE FROM policies WHERE id = $1", &[&&id.as_bytes()[..]])
        .await?;
    let detail = format!("deleted \"{}\"", policy.name);
    audit::write(connection, change, "policy.delete", id, &detail).await
}

async fn insert_steps(connection: &Connection, policy: &EscalationPolicy) -> StoreResult<()> {
    for (position, (wait_minutes, assignee_id)) in (0_i64..).zip(setting_changes::steps(policy)) {
        connection
            .execute_or_refuse(
                "INSERT INTO policy_steps (policy_id, position, wait_minutes, assignee_id) VALUES ($1, $2, $3, $4)",
                &[
                    &&policy.id.as_bytes()[..],
                    &position,
                    &i64::from(wait_minutes),
                    &assignee_id.as_ref().map(|id| &id.as_bytes()[..]),
                ],
                REFUSAL,
            )
            .await?;
    }
    Ok(())
}

async fn steps(connection: &Connection, id: PolicyId) -> StoreResult<Vec<EscalationStep>> {
    let sql = "SELECT s.wait_minutes, s.assignee_id, u.name AS assignee_name
               FROM policy_steps s LEFT JOIN users u ON u.id = s.assignee_id
               WHERE s.policy_id = $1 ORDER BY s.position LIMIT $2";
    let limit = i64::try_from(MAX_STEPS).unwrap_or(i64::MAX);
    connection
        .read_all(sql, &[&&id.as_bytes()[..], &limit], step_from_row)
        .await
}

const NOT_FOUND: StoreError = StoreError::NotFound {
    what: "escalation policy",
};

/// Of a policy's references only the assignees can lead nowhere.
const REFUSAL: ConstraintRefusal = ConstraintRefusal {
    taken: StoreError::Taken {
        what: "escalation policy",
        field: "name",
    },
    unknown: StoreError::UnknownReference { what: "user" },
};

fn policy_from_row(row: &Row) -> StoreResult<EscalationPolicy> {
    Ok(EscalationPolicy {
        id: PolicyId::from_bytes(bytes(row, "id")?),
        name: value(row, "name")?,
        steps: Vec::new(),
        created_at: time(row, "created_at")?,
    })
}

fn step_from_row(row: &Row) -> StoreResult<EscalationStep> {
    let assignee_name: Option<String> = value(row, "assignee_name")?;
    let assignee = match (optional_id(row, "assignee_id")?, assignee_name) {
        (Some(id), Some(name)) => Some(UserRef {
            id: UserId::from_bytes(id),
            name,
        }),
        (None, None) => None,
        (Some(_), None) | (None, Some(_)) => return Err(unexpected("assignee of a step")),
    };
    Ok(EscalationStep {
        wait_minutes: number(row, "wait_minutes")?,
        assignee,
    })
}
