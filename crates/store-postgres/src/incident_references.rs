//! What requests about incidents refer to: read for all of them at once.

use std::collections::HashMap;

use tokio_postgres::Row;

use model::escalation::{EscalationPolicy, EscalationStep};
use model::id::{IncidentId, PolicyId, ServiceId, UserId};
use model::service::ServiceRef;
use model::user::UserRef;
use store::StoreError;
use store::StoreResult;
use store::incidents::ServiceKey;
use store::texts::findable;

use super::columns::{bytes, number, optional_id, optional_number, time, value};
use super::connection::Connection;
use super::incident_rows::{self, StoredIncident};
use super::transitions::Request;

/// Everything that some requests name, as far as it is there.
pub struct References {
    services: Vec<(ServiceRef, Option<PolicyId>)>,
    users: Vec<UserRef>,
    policies: HashMap<PolicyId, EscalationPolicy>,
    incidents: HashMap<IncidentId, StoredIncident>,
}

impl References {
    /// Locks the incidents, and reads everything.
    pub async fn load<'a>(
        connection: &Connection,
        requests: impl Iterator<Item = &'a Request>,
    ) -> StoreResult<Self> {
        let (mut keys, mut user_ids, mut incident_ids) = (Vec::new(), Vec::new(), Vec::new());
        for request in requests {
            incident_ids.extend(request.incident_id());
            if let Request::Trigger(trigger) = request {
                keys.push(&trigger.service);
                user_ids.extend(trigger.assignee);
            }
        }
        let incidents = incident_rows::lock(connection, &incident_ids).await?;
        let services = services(connection, &keys).await?;
        let of_services = services.iter().filter_map(|(_, policy_id)| *policy_id);
        let of_incidents = incidents.iter().filter_map(|stored| stored.policy_id);
        let mut policy_ids: Vec<PolicyId> = of_services.chain(of_incidents).collect();
        policy_ids.sort_unstable();
        policy_ids.dedup();
        Ok(Self {
            users: incident_rows::load_users(connection, &user_ids).await?,
            policies: policies(connection, &policy_ids).await?,
            services,
            incidents: incidents.into_iter().map(|of| (of.incident.id, of)).collect(),
        })
    }

    /// A service, and its escalation policy.
    pub fn service(&self, key: &ServiceKey) -> StoreResult<(ServiceRef, Option<PolicyId>)> {
        let is_meant = |(service, _): &&(ServiceRef, _)| match key {
            ServiceKey::Id(id) => service.id == *id,
            ServiceKey::Name(name) => service.name == *name,
        };
        let found = self.services.iter().find(is_meant).cloned();
        found.ok_or(StoreError::UnknownReference { what: "service" })
    }

    /// A user as an incident names them.
    pub fn user(&self, id: UserId) -> StoreResult<UserRef> {
        let found = self.users.iter().find(|user| user.id == id).cloned();
        found.ok_or(StoreError::UnknownReference { what: "user" })
    }

    /// The escalation policy of a service.
    pub fn policy(&self, id: Option<PolicyId>) -> Option<&EscalationPolicy> {
        self.policies.get(&id?)
    }

    /// An incident that is locked.
    pub fn incident(&self, id: IncidentId) -> StoreResult<&StoredIncident> {
        self.incidents
            .get(&id)
            .ok_or(StoreError::NotFound { what: "incident" })
    }
}

async fn services(
    connection: &Connection,
    keys: &[&ServiceKey],
) -> StoreResult<Vec<(ServiceRef, Option<PolicyId>)>> {
    if keys.is_empty() {
        return Ok(Vec::new());
    }
    let (mut ids, mut names): (Vec<&[u8]>, Vec<&str>) = (Vec::new(), Vec::new());
    for key in keys {
        match key {
            ServiceKey::Id(id) => ids.push(&id.as_bytes()[..]),
            ServiceKey::Name(name) => names.extend(findable(name)),
        }
    }
    let sql =
        "SELECT id, name, policy_id FROM services WHERE id = ANY($1::bytea[]) OR name = ANY($2::text[])";
    let from_row = |row: &Row| {
        let service = ServiceRef {
            id: ServiceId::from_bytes(bytes(row, "id")?),
            name: value(row, "name")?,
        };
        Ok((service, optional_id(row, "policy_id")?.map(PolicyId::from_bytes)))
    };
    connection.read_all(sql, &[&ids, &names], from_row).await
}

/// One row for each step, or one without a step.
async fn policies(
    connection: &Connection,
    ids: &[PolicyId],
) -> StoreResult<HashMap<PolicyId, EscalationPolicy>> {
    let mut policies: HashMap<PolicyId, EscalationPolicy> = HashMap::new();
    if ids.is_empty() {
        return Ok(policies);
    }
    let ids: Vec<&[u8]> = ids.iter().map(|id| &id.as_bytes()[..]).collect();
    let sql =
        "SELECT p.id, p.name, p.created_at, step.wait_minutes, u.id AS assignee_id, u.name AS assignee_name
               FROM policies p LEFT JOIN policy_steps step ON step.policy_id = p.id
                   LEFT JOIN users u ON u.id = step.assignee_id
               WHERE p.id = ANY($1::bytea[]) ORDER BY p.id, step.position";
    let rows = connection
        .read_all(sql, &[&ids], |row| {
            Ok((policy_from_row(row)?, step_from_row(row)?))
        })
        .await?;
    for (policy, step) in rows {
        policies
            .entry(policy.id)
            .or_insert(policy.clone())
            .steps
            .extend(step);
    }
    Ok(policies)
}

fn policy_from_row(row: &Row) -> StoreResult<EscalationPolicy> {
    Ok(EscalationPolicy {
        id: PolicyId::from_bytes(bytes(row, "id")?),
        name: value(row, "name")?,
        steps: Vec::new(),
        created_at: time(row, "created_at")?,
    })
}

fn step_from_row(row: &Row) -> StoreResult<Option<EscalationStep>> {
    if optional_number::<i64>(row, "wait_minutes")?.is_none() {
        return Ok(None);
    }
    let assignee_name: Option<String> = value(row, "assignee_name")?;
    let assignee = optional_id(row, "assignee_id")?.zip(assignee_name);
    Ok(Some(EscalationStep {
        wait_minutes: number(row, "wait_minutes")?,
        assignee: assignee.map(|(id, name)| UserRef {
            id: UserId::from_bytes(id),
            name,
        }),
    }))
}
